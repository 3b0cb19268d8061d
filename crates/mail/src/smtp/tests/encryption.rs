//! Encryption and login: without the required encryption, nothing secret is sent.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use movie_bag_core::ports::mail::{DeliveryError, Message};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::rustls::version::TLS12;

use super::server::{
    Authority, CLOSE, Flaw, NO_REPLY, Script, Server, by_openssl, options, self_signed,
};
use super::{SendMail as _, message};
use crate::smtp::{Certificates, Encryption, SmtpMailer, SmtpOptions};

const BOTH: [Encryption; 2] = [Encryption::StartTls, Encryption::Implicit];
const STARTTLS: &str = "250-mail.example\r\n250 STARTTLS\r\n";
const OFFERS_LOGIN: &str = "250-mail.example\r\n250 AUTH PLAIN LOGIN\r\n";
const LOGIN_ACCEPTED: &str = "235 2.7.0 welcome\r\n";

fn encrypted(authority: &Authority, flaw: Flaw, encryption: Encryption) -> Script {
    Script::accepting()
        .offers(STARTTLS)
        .replies("TLS EHLO", OFFERS_LOGIN)
        .replies("AUTH", LOGIN_ACCEPTED)
        .with_tls(authority.acceptor(flaw), encryption)
}

/// Asserts that the server has received nothing that only a trusted server may receive.
#[track_caller]
fn has_received_no_secret(server: &Server) {
    for line in server.received() {
        let is_harmless = ["plaintext EHLO", "plaintext STARTTLS", "plaintext QUIT"]
            .iter()
            .any(|start| line.starts_with(start));
        assert!(is_harmless, "{line}");
    }
}

#[tokio::test]
async fn a_certificate_is_accepted_if_its_authority_is_trusted() {
    let authority = Authority::new();
    for encryption in BOTH {
        let server = encrypted(&authority, Flaw::None, encryption).start().await;
        let mailer = server.encrypted(encryption, &authority.trusted());
        let receipt = mailer.send(&message()).await.unwrap();
        assert_eq!(receipt.reply, "250 2.0.0 queued as 42");
        assert_eq!(server.commands("AUTH PLAIN"), 1);
        let plaintext: Vec<_> = server
            .received()
            .into_iter()
            .filter(|line| line.starts_with("plaintext"))
            .collect();
        match encryption {
            Encryption::StartTls => {
                assert_eq!(
                    plaintext,
                    ["plaintext EHLO movie-bag.com", "plaintext STARTTLS"]
                )
            }
            _ => assert!(plaintext.is_empty(), "{plaintext:?}"),
        }
    }
}

#[tokio::test]
async fn pipelining_and_long_messages_work_with_and_without_encryption() {
    const TOGETHER: &str = "250 go on\r\n250 go on\r\n354 go on\r\n";
    const OFFERED: &str = "250-mail.example\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n";
    let authority = Authority::new();
    // More than the buffers of the system hold.
    let line = format!("{}\n", "x".repeat(900));
    let long = Message {
        text: line.repeat(10_000),
        ..message()
    };
    for encryption in [Encryption::None, Encryption::StartTls, Encryption::Implicit] {
        let offered = if encryption == Encryption::None {
            OFFERED
        } else {
            STARTTLS
        };
        let server = encrypted(&authority, Flaw::None, encryption)
            .offers(offered)
            .replies("TLS EHLO", OFFERED)
            .replies("MAIL", NO_REPLY)
            .replies("RCPT", NO_REPLY)
            .replies("DATA", TOGETHER)
            .start()
            .await;
        let mailer = server.encrypted(encryption, &authority.trusted());
        for _ in 0..2 {
            mailer.send(&long).await.unwrap();
        }
        assert_eq!(server.connections(), 1);
        assert_eq!(server.commands(&"x".repeat(900)), 2 * 10_000);
    }
}

#[tokio::test]
async fn a_server_with_an_invalid_certificate_gets_no_mail_and_no_password() {
    let authority = Authority::new();
    for encryption in BOTH {
        for (flaw, trusted, text, expected_hint) in [
            (
                Flaw::None,
                Certificates::default(),
                "the server's certificate is self-signed or issued by an untrusted authority",
                "name the certificate of that authority in MAIL_CA_FILE",
            ),
            (
                Flaw::None,
                // An authority of the same name, with another key.
                Authority::new().trusted(),
                "the server's certificate is not signed by the trusted authority of that name",
                "name the certificate of that authority in MAIL_CA_FILE",
            ),
            (
                Flaw::WrongName,
                authority.trusted(),
                "the server's certificate is for mail.example, not for localhost",
                "set MAIL_SERVER to a name in the certificate, such as mail.example",
            ),
            (
                Flaw::Expired,
                authority.trusted(),
                "the server's certificate expired on 2021-01-01 00:00:00 UTC",
                "renew the certificate of that server",
            ),
            (
                Flaw::NotYetValid,
                authority.trusted(),
                "the server's certificate is valid only from 2095-01-01 00:00:00 UTC",
                "check this machine's clock, which shows 20",
            ),
        ] {
            let server = encrypted(&authority, flaw, encryption).start().await;
            let error = server
                .encrypted(encryption, &trusted)
                .send(&message())
                .await
                .unwrap_err();
            let message = error.to_string();
            assert!(!error.is_permanent(), "{message}");
            assert!(
                message.starts_with("cannot establish TLS with mail server localhost:")
                    && message.contains(text),
                "{encryption:?} {flaw:?}: {message}"
            );
            let hint = error.hint().unwrap();
            assert!(
                hint.contains(expected_hint),
                "{encryption:?} {flaw:?}: {hint}"
            );
            has_received_no_secret(&server);
        }
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_accepted_only_if_it_is_pinned() {
    for is_authority in [false, true] {
        let (acceptor, trusted) = self_signed(is_authority, Flaw::None);
        let script = Script::accepting()
            .replies("AUTH", LOGIN_ACCEPTED)
            .offers(OFFERS_LOGIN);
        let script = script.with_tls(acceptor, Encryption::Implicit);
        let server = script.start().await;
        let mailer = server.encrypted(Encryption::Implicit, &trusted);
        mailer.send(&message()).await.unwrap();
        // Another certificate with the same name is refused.
        let (_, another) = self_signed(is_authority, Flaw::None);
        let mailer = server.encrypted(Encryption::Implicit, &another);
        let error = mailer.send(&message()).await.unwrap_err();
        assert!(
            error.to_string().contains("cannot establish TLS"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn the_name_and_the_dates_of_a_pinned_certificate_are_verified() {
    for is_authority in [false, true] {
        for (flaw, text) in [
            (Flaw::WrongName, "mail.example"),
            (Flaw::Expired, "expired"),
        ] {
            let (acceptor, trusted) = self_signed(is_authority, flaw);
            let script = Script::accepting()
                .replies("AUTH", LOGIN_ACCEPTED)
                .offers(OFFERS_LOGIN);
            let script = script.with_tls(acceptor, Encryption::Implicit);
            let server = script.start().await;
            let mailer = server.encrypted(Encryption::Implicit, &trusted);
            let error = mailer.send(&message()).await.unwrap_err();
            assert!(error.to_string().contains(text), "{flaw:?}: {error}");
            has_received_no_secret(&server);
        }
    }
}

/// OpenSSL, curl and Python accept such a certificate, too.
#[tokio::test]
async fn a_pinned_certificate_that_an_authority_has_signed_is_accepted() {
    for (flaw, is_accepted) in [
        (Flaw::None, true),
        (Flaw::WrongName, false),
        (Flaw::Expired, false),
    ] {
        let (acceptor, trusted) = Authority::new().pinned(flaw);
        let script = Script::accepting()
            .replies("AUTH", LOGIN_ACCEPTED)
            .offers(OFFERS_LOGIN);
        let script = script.with_tls(acceptor, Encryption::Implicit);
        let server = script.start().await;
        let mailer = server.encrypted(Encryption::Implicit, &trusted);
        let sent = mailer.send(&message()).await;
        assert_eq!(sent.is_ok(), is_accepted, "{flaw:?}: {sent:?}");
    }
}

#[tokio::test]
async fn a_certificate_made_by_openssl_with_its_defaults_is_accepted() {
    for (arguments, is_accepted) in [
        // Without -addext, the certificate has a common name and no alternative names.
        (["-subj", "/CN=localhost"].as_slice(), true),
        (&["-subj", "/C=DE/O=Mail & Co/CN=LOCALHOST"], true),
        (&["-subj", "/CN=mail.example"], false),
        // The common name does not count if there are alternative names (RFC 6125 6.4.4).
        (
            &[
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:mail.example",
            ],
            false,
        ),
        (
            &[
                "-subj",
                "/CN=mail.example",
                "-addext",
                "subjectAltName=DNS:localhost",
            ],
            true,
        ),
    ] {
        let Some((acceptor, trusted)) = by_openssl(arguments) else {
            return;
        };
        let script = Script::accepting()
            .replies("AUTH", LOGIN_ACCEPTED)
            .offers(OFFERS_LOGIN);
        let script = script.with_tls(acceptor, Encryption::Implicit);
        let server = script.start().await;
        let mailer = server.encrypted(Encryption::Implicit, &trusted);
        let sent = mailer.send(&message()).await;
        assert_eq!(sent.is_ok(), is_accepted, "{arguments:?}: {sent:?}");
    }
}

#[tokio::test]
async fn a_failed_starttls_never_falls_back_to_plaintext() {
    let authority = Authority::new();
    let script = || encrypted(&authority, Flaw::None, Encryption::StartTls);
    for (script, text) in [
        (
            script().offers("250 mail.example\r\n"),
            "the server does not offer STARTTLS",
        ),
        (
            script().offers(OFFERS_LOGIN),
            "the server does not offer STARTTLS",
        ),
        (
            script().replies("STARTTLS", "454 4.7.0 not now\r\n"),
            "STARTTLS was refused: 454 4.7.0 not now",
        ),
        (
            script().replies("STARTTLS", "502 5.5.1 not here\r\n"),
            "502 5.5.1 not here",
        ),
        (
            script().replies("STARTTLS", CLOSE),
            "closed the connection at STARTTLS",
        ),
        // Plaintext after the reply must not become the reply to a later command.
        (
            script().replies("STARTTLS", "220 go on\r\n250-evil\r\n250 AUTH PLAIN\r\n"),
            "cannot establish TLS",
        ),
    ] {
        let server = script.start().await;
        let error = server
            .encrypted(Encryption::StartTls, &authority.trusted())
            .send(&message())
            .await
            .unwrap_err();
        let message = error.to_string();
        assert!(!error.is_permanent() && message.contains(text), "{message}");
        has_received_no_secret(&server);
    }
}

#[tokio::test]
async fn extensions_offered_before_encryption_are_discarded() {
    let authority = Authority::new();
    let server = encrypted(&authority, Flaw::None, Encryption::StartTls)
        .offers("250-mail.example\r\n250-SMTPUTF8\r\n250-8BITMIME\r\n250 STARTTLS\r\n")
        .start()
        .await;
    let mailer = server.encrypted(Encryption::StartTls, &authority.trusted());
    let to = "änn@example.com".to_owned();
    let error = mailer
        .send(&movie_bag_core::ports::mail::Message { to, ..message() })
        .await;
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("does not offer SMTPUTF8")
    );
}

#[tokio::test]
async fn a_server_with_only_tls_1_2_is_supported() {
    let authority = Authority::new();
    let acceptor = authority.acceptor_of(Flaw::None, &[&TLS12]);
    let server = encrypted(&authority, Flaw::None, Encryption::StartTls)
        .with_tls(acceptor, Encryption::StartTls)
        .start()
        .await;
    let mailer = server.encrypted(Encryption::StartTls, &authority.trusted());
    let dialogue = mailer.converse(&message()).await;
    assert!(dialogue.outcome.is_ok(), "{dialogue:?}");
    let tls = dialogue
        .steps
        .iter()
        .find(|step| step.name == "STARTTLS")
        .unwrap();
    assert_eq!(tls.detail, "TLS 1.2, certificate verified for localhost");
}

#[tokio::test]
async fn the_hint_names_the_right_kind_of_encryption() {
    let authority = Authority::new();
    let plaintext = Script::accepting().start().await;
    let error = plaintext
        .encrypted(Encryption::Implicit, &authority.trusted())
        .send(&message())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with(": the server answered in plaintext"),
        "{error}"
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("set MAIL_USE_TLS=true instead of MAIL_USE_SSL")
    );

    let implicit = encrypted(&authority, Flaw::None, Encryption::Implicit)
        .start()
        .await;
    let mailer = SmtpMailer::new(SmtpOptions {
        timeout: Duration::from_millis(600),
        ..implicit.options()
    })
    .unwrap();
    let error = mailer.send(&message()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("did not answer in time at greeting"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("set MAIL_USE_SSL=true"));
}

/// TLS records as OpenSSL 3.0 sends them: the alert of a server with `-tls1_1`, and of one with
/// `-cipher AES128-SHA`.
#[tokio::test]
async fn an_outdated_server_is_named_as_the_cause() {
    for (record, cause, hint) in [
        (
            b"\x15\x03\x03\x00\x02\x02\x46",
            "the server supports neither TLS 1.2 nor TLS 1.3",
            "enable TLS 1.2 or TLS 1.3 at that server",
        ),
        (
            b"\x15\x03\x03\x00\x02\x02\x28",
            "the server supports none of this client's cipher suites",
            "enable a cipher suite with ECDHE",
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // The ClientHello is read first: closing a socket with unread input resets it.
            let _ = stream.read(&mut [0; 4_096]).await;
            stream.write_all(record).await.unwrap();
        });
        let mailer = SmtpMailer::new(SmtpOptions {
            encryption: Encryption::Implicit,
            ..options(port)
        })
        .unwrap();
        let error = mailer.send(&message()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot establish TLS with mail server localhost:{port}: {cause}")
        );
        assert!(error.hint().unwrap().starts_with(hint), "{error:?}");
    }
}

/// Returns a server without encryption, and a client with a login.
async fn with_login(script: Script) -> (Server, SmtpMailer) {
    let server = script.start().await;
    let mailer = server.encrypted(Encryption::None, &Certificates::default());
    (server, mailer)
}

/// Sendmail and others repeat an unknown command in their reply.
#[tokio::test]
async fn a_password_that_the_server_repeats_is_removed_from_messages() {
    for reply in [
        "500 5.5.1 Command unrecognized: \"AUTH PLAIN AGFubgBzM2NyM3Q=\"\r\n",
        "535 5.7.8 ann with s3cr3t is wrong\r\n",
        "334 AUTH PLAIN AGFubgBzM2NyM3Q=\r\n",
    ] {
        let (_server, mailer) = with_login(
            Script::accepting()
                .offers(OFFERS_LOGIN)
                .replies("AUTH", reply),
        )
        .await;
        let dialogue = mailer.probe(Duration::from_secs(20)).await;
        let shown = format!("{dialogue:?}");
        assert!(shown.contains('…'), "{shown}");
        assert!(
            !shown.contains("s3cr3t") && !shown.contains("AGFubgBzM2NyM3Q="),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn the_login_uses_plain_or_else_login() {
    let (server, mailer) = with_login(
        Script::accepting()
            .offers(OFFERS_LOGIN)
            .replies("AUTH", LOGIN_ACCEPTED),
    )
    .await;
    mailer.send(&message()).await.unwrap();
    let plain = format!("plaintext AUTH PLAIN {}", STANDARD.encode("\0ann\0s3cr3t"));
    assert!(
        server.received().contains(&plain),
        "{:?}",
        server.received()
    );

    // The challenges "Username:" and "Password:", and their responses in base64.
    let script = Script::accepting()
        .offers("250-mail.example\r\n250 auth xoauth2 login\r\n")
        .replies("AUTH", "334 VXNlcm5hbWU6\r\n")
        .replies("YW5u", "334 UGFzc3dvcmQ6\r\n")
        .replies("czNjcjN0", LOGIN_ACCEPTED);
    let (server, mailer) = with_login(script).await;
    mailer.send(&message()).await.unwrap();
    assert_eq!(
        server.received()[1..4],
        [
            "plaintext AUTH LOGIN",
            "plaintext YW5u",
            "plaintext czNjcjN0"
        ]
    );
}

#[tokio::test]
async fn a_failed_login_is_reported_and_is_not_permanent() {
    for (ehlo, reply, text, expected_hint) in [
        (
            OFFERS_LOGIN,
            "535 5.7.8 wrong\r\n",
            "rejected the login: 535 5.7.8 wrong",
            "MAIL_PASSWORD",
        ),
        (
            OFFERS_LOGIN,
            "534 5.7.9 app password\r\n",
            "534 5.7.9 app password",
            "app password",
        ),
        (
            OFFERS_LOGIN,
            "538 5.7.11 encrypt\r\n",
            "538 5.7.11 encrypt",
            "MAIL_USE_TLS",
        ),
        (
            OFFERS_LOGIN,
            "530 5.7.0 STARTTLS first\r\n",
            "530 5.7.0 STARTTLS first",
            "MAIL_USE_TLS",
        ),
        (
            OFFERS_LOGIN,
            "454 4.7.0 later\r\n",
            "cannot verify the login at the moment: 454 4.7.0 later",
            "run the command again in a few minutes",
        ),
        (
            OFFERS_LOGIN,
            "334 \r\n",
            "unexpected reply to AUTH",
            "in the log of that server",
        ),
        (
            OFFERS_LOGIN,
            CLOSE,
            "closed the connection at AUTH",
            "in the log of that server",
        ),
        (
            "250-mail.example\r\n250 AUTH CRAM-MD5 XOAUTH2\r\n",
            LOGIN_ACCEPTED,
            "it offers only CRAM-MD5, XOAUTH2",
            "MAIL_USE_TLS",
        ),
        (
            "250 mail.example\r\n",
            LOGIN_ACCEPTED,
            "it does not offer AUTH",
            "MAIL_USE_TLS",
        ),
    ] {
        let (server, mailer) =
            with_login(Script::accepting().offers(ehlo).replies("AUTH", reply)).await;
        let error = mailer.send(&message()).await.unwrap_err();
        assert!(
            matches!(error, DeliveryError::Unreachable { .. }),
            "{error:?}"
        );
        let (message, hint) = (error.to_string(), error.hint().unwrap());
        assert!(
            message.contains(text) && hint.contains(expected_hint),
            "{reply:?}: {message} - {hint}"
        );
        assert_eq!(server.commands("MAIL"), 0);
        assert!(
            !message.contains("s3cr3t") && !message.contains(&STANDARD.encode("\0ann\0s3cr3t"))
        );
    }
}

#[tokio::test]
async fn a_dialogue_lists_every_step_without_the_password() {
    let authority = Authority::new();
    let server = encrypted(&authority, Flaw::None, Encryption::StartTls)
        .start()
        .await;
    let mailer = server.encrypted(Encryption::StartTls, &authority.trusted());
    let dialogue = mailer.converse(&message()).await;
    let steps: Vec<_> = dialogue
        .steps
        .iter()
        .map(|step| (step.name, step.detail.as_str()))
        .collect();
    assert_eq!(
        steps[1..],
        [
            ("greeting", "220 mail.example ESMTP"),
            ("EHLO", "as movie-bag.com, offered STARTTLS"),
            ("STARTTLS", "TLS 1.3, certificate verified for localhost"),
            ("EHLO", "as movie-bag.com, offered AUTH PLAIN LOGIN"),
            ("AUTH", "PLAIN: 235 2.7.0 welcome"),
            ("MAIL", "MAIL FROM:<support@movie-bag.com>: 250 2.1.0 go on"),
            ("RCPT", "RCPT TO:<ann@example.com>: 250 2.1.5 go on"),
            ("DATA", "DATA: 354 go on"),
            ("message", "250 2.0.0 queued as 42"),
        ]
    );
    assert!(dialogue.steps.iter().all(|step| step.is_done));
    let all = format!("{dialogue:?}");
    for secret in [
        "s3cr3t",
        "czNjcjN0",
        &STANDARD.encode("\0ann\0s3cr3t"),
        "movies.example",
    ] {
        assert!(!all.contains(secret), "{all}");
    }
    // The session is closed with QUIT.
    assert_eq!(server.commands("QUIT"), 1);
}

#[tokio::test]
async fn a_dialogue_ends_with_the_failed_step() {
    let authority = Authority::new();
    let broken = encrypted(&authority, Flaw::Expired, Encryption::StartTls)
        .start()
        .await;
    let mailer = broken.encrypted(Encryption::StartTls, &authority.trusted());
    let dialogue = mailer.converse(&message()).await;
    let last = dialogue.steps.last().unwrap();
    assert!(
        !last.is_done && last.name == "STARTTLS" && last.detail.contains("expired"),
        "{last:?}"
    );
    let (_, hint) = dialogue.outcome.unwrap_err();
    assert!(hint.unwrap().contains("renew"));

    let refusing = Script::accepting()
        .replies("RCPT", "550 5.7.1 relaying denied\r\n")
        .start()
        .await;
    let dialogue = refusing.mailer().converse(&message()).await;
    let last = dialogue.steps.last().unwrap();
    assert!(
        !last.is_done && last.name == "RCPT" && last.detail.contains("relaying denied"),
        "{last:?}"
    );
    let (error, hint) = dialogue.outcome.unwrap_err();
    assert!(matches!(error, DeliveryError::Policy { .. }), "{error:?}");
    assert!(hint.unwrap().contains("MAIL_USERNAME"));

    let silent = Script::accepting()
        .replies("greeting", NO_REPLY)
        .start()
        .await;
    let mailer = SmtpMailer::new(SmtpOptions {
        timeout: Duration::from_millis(400),
        ..silent.options()
    })
    .unwrap();
    let dialogue = mailer.converse(&message()).await;
    assert_eq!(dialogue.steps.last().unwrap().name, "greeting");
}

#[test]
fn a_file_without_certificates_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let read = || Certificates::read(&file).unwrap_err();
    assert!(read().contains("No such file"), "{}", read());
    for (content, text) in [
        ("", "contains no certificate"),
        ("just words\n", "contains no certificate"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n",
            "it is not a PEM file",
        ),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "certificate number 1 is invalid",
        ),
    ] {
        std::fs::write(&file, content).unwrap();
        assert!(read().contains(text), "{content:?}: {}", read());
    }
}
