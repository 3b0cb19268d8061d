//! Encryption and logging in: what is demanded is had, or nothing is said.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::rustls::version::TLS12;

use super::server::{
    Authority, CLOSE, Flaw, HANG, Script, Server, by_openssl, options, self_signed,
};
use super::{Sends as _, message};
use crate::smtp::{Certificates, Encryption, SmtpMailer, SmtpOptions};
use movie_bag_core::ports::mail::{DeliveryError, Message};

const BOTH: [Encryption; 2] = [Encryption::StartTls, Encryption::Implicit];
const STARTTLS: &str = "250-mail.example\r\n250 STARTTLS\r\n";
const LOG_IN: &str = "250-mail.example\r\n250 AUTH PLAIN LOGIN\r\n";
const TAKEN: &str = "235 2.7.0 welcome\r\n";

fn encrypted(authority: &Authority, flaw: Flaw, encryption: Encryption) -> Script {
    Script::willing()
        .offers(STARTTLS)
        .says("TLS EHLO", LOG_IN)
        .says("AUTH", TAKEN)
        .with_tls(authority.acceptor(flaw), encryption)
}

/// Nothing that only a trusted server may hear.
#[track_caller]
fn has_heard_nothing(server: &Server) {
    for line in server.heard() {
        let is_harmless = ["clear EHLO", "clear STARTTLS", "clear QUIT"]
            .iter()
            .any(|start| line.starts_with(start));
        assert!(is_harmless, "{line}");
    }
}

#[tokio::test]
async fn a_certificate_of_a_company_is_taken_where_its_authority_is_named() {
    let authority = Authority::new();
    for encryption in BOTH {
        let server = encrypted(&authority, Flaw::None, encryption).start().await;
        let mailer = server.encrypted(encryption, &authority.trusted());
        let receipt = mailer.send(&message()).await.unwrap();
        assert_eq!(receipt.reply, "250 2.0.0 queued as 42");
        assert_eq!(server.commands("AUTH PLAIN"), 1);
        let in_clear: Vec<_> = server
            .heard()
            .into_iter()
            .filter(|line| line.starts_with("clear"))
            .collect();
        match encryption {
            Encryption::StartTls => {
                assert_eq!(in_clear, ["clear EHLO movie-bag.com", "clear STARTTLS"])
            }
            _ => assert!(in_clear.is_empty(), "{in_clear:?}"),
        }
    }
}

#[tokio::test]
async fn commands_go_together_and_a_long_message_whole_encrypted_as_in_clear() {
    const TOGETHER: &str = "250 go on\r\n250 go on\r\n354 go on\r\n";
    const OFFERED: &str = "250-mail.example\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n";
    let authority = Authority::new();
    // More than the system keeps of what is on its way.
    let line = format!("{}\n", "x".repeat(900));
    let long = Message {
        text: line.repeat(10_000),
        ..message()
    };
    for encryption in [Encryption::None, Encryption::StartTls, Encryption::Implicit] {
        let clear = if encryption == Encryption::None {
            OFFERED
        } else {
            STARTTLS
        };
        let server = encrypted(&authority, Flaw::None, encryption)
            .offers(clear)
            .says("TLS EHLO", OFFERED)
            .says("MAIL", HANG)
            .says("RCPT", HANG)
            .says("DATA", TOGETHER)
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
async fn a_certificate_that_is_not_verified_gets_no_mail_and_no_password() {
    let authority = Authority::new();
    for encryption in BOTH {
        for (flaw, trusted, words, mend) in [
            (
                Flaw::None,
                Certificates::default(),
                "the server's certificate is self-signed or issued by an untrusted authority",
                "name the certificate of that authority in MAIL_CA_FILE",
            ),
            (
                Flaw::None,
                // Of the same name, with another key.
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
            let said = error.to_string();
            assert!(!error.is_permanent(), "{said}");
            assert!(
                said.starts_with("cannot establish TLS with mail server localhost:")
                    && said.contains(words),
                "{encryption:?} {flaw:?}: {said}"
            );
            let hint = error.hint().unwrap();
            assert!(hint.contains(mend), "{encryption:?} {flaw:?}: {hint}");
            has_heard_nothing(&server);
        }
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_taken_where_exactly_it_is_named() {
    for is_authority in [false, true] {
        let (acceptor, trusted) = self_signed(is_authority, Flaw::None);
        let script = Script::willing().says("AUTH", TAKEN).offers(LOG_IN);
        let script = script.with_tls(acceptor, Encryption::Implicit);
        let server = script.start().await;
        let mailer = server.encrypted(Encryption::Implicit, &trusted);
        mailer.send(&message()).await.unwrap();
        // Another one with the same name is not.
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
async fn the_name_and_the_dates_of_a_named_certificate_are_verified_all_the_same() {
    for is_authority in [false, true] {
        for (flaw, words) in [
            (Flaw::WrongName, "mail.example"),
            (Flaw::Expired, "expired"),
        ] {
            let (acceptor, trusted) = self_signed(is_authority, flaw);
            let script = Script::willing().says("AUTH", TAKEN).offers(LOG_IN);
            let script = script.with_tls(acceptor, Encryption::Implicit);
            let server = script.start().await;
            let mailer = server.encrypted(Encryption::Implicit, &trusted);
            let error = mailer.send(&message()).await.unwrap_err();
            assert!(error.to_string().contains(words), "{flaw:?}: {error}");
            has_heard_nothing(&server);
        }
    }
}

/// A certificate that the authority of a company has signed, named itself in place of the authority: OpenSSL takes it, and so do
/// curl and Python.
#[tokio::test]
async fn a_named_certificate_is_taken_whoever_signed_it() {
    for (flaw, is_taken) in [
        (Flaw::None, true),
        (Flaw::WrongName, false),
        (Flaw::Expired, false),
    ] {
        let (acceptor, trusted) = Authority::new().pinned(flaw);
        let script = Script::willing().says("AUTH", TAKEN).offers(LOG_IN);
        let script = script.with_tls(acceptor, Encryption::Implicit);
        let server = script.start().await;
        let mailer = server.encrypted(Encryption::Implicit, &trusted);
        let sent = mailer.send(&message()).await;
        assert_eq!(sent.is_ok(), is_taken, "{flaw:?}: {sent:?}");
    }
}

#[tokio::test]
async fn a_certificate_of_openssl_with_its_defaults_is_taken() {
    for (arguments, is_taken) in [
        // What it asks for is the common name; without an extension of its own there are no alternative names.
        (["-subj", "/CN=localhost"].as_slice(), true),
        (&["-subj", "/C=DE/O=Mail & Co/CN=LOCALHOST"], true),
        (&["-subj", "/CN=mail.example"], false),
        // Alternative names are all that counts where there are some (RFC 6125 6.4.4).
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
        let script = Script::willing().says("AUTH", TAKEN).offers(LOG_IN);
        let script = script.with_tls(acceptor, Encryption::Implicit);
        let server = script.start().await;
        let mailer = server.encrypted(Encryption::Implicit, &trusted);
        let sent = mailer.send(&message()).await;
        assert_eq!(sent.is_ok(), is_taken, "{arguments:?}: {sent:?}");
    }
}

#[tokio::test]
async fn starttls_that_does_not_come_about_is_no_clear_text() {
    let authority = Authority::new();
    let script = || encrypted(&authority, Flaw::None, Encryption::StartTls);
    for (script, words) in [
        (
            script().offers("250 mail.example\r\n"),
            "the server does not offer STARTTLS",
        ),
        (
            script().offers(LOG_IN),
            "the server does not offer STARTTLS",
        ),
        (
            script().says("STARTTLS", "454 4.7.0 not now\r\n"),
            "STARTTLS was refused: 454 4.7.0 not now",
        ),
        (
            script().says("STARTTLS", "502 5.5.1 not here\r\n"),
            "502 5.5.1 not here",
        ),
        (
            script().says("STARTTLS", CLOSE),
            "closed the connection at STARTTLS",
        ),
        // What comes behind the answer, in clear, must not become the answer to a later command.
        (
            script().says("STARTTLS", "220 go on\r\n250-evil\r\n250 AUTH PLAIN\r\n"),
            "cannot establish TLS",
        ),
    ] {
        let server = script.start().await;
        let error = server
            .encrypted(Encryption::StartTls, &authority.trusted())
            .send(&message())
            .await
            .unwrap_err();
        let said = error.to_string();
        assert!(!error.is_permanent() && said.contains(words), "{said}");
        has_heard_nothing(&server);
    }
}

#[tokio::test]
async fn what_was_offered_in_clear_is_forgotten() {
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
async fn a_server_with_tls_1_2_alone_is_spoken_to() {
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
    assert_eq!(tls.said, "TLS 1.2, certificate verified for localhost");
}

#[tokio::test]
async fn the_wrong_kind_of_encryption_is_named() {
    let authority = Authority::new();
    let clear = Script::willing().start().await;
    let error = clear
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
async fn a_server_that_is_too_old_is_named_as_such() {
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

/// A server in clear that wants a log-in, and a mailer that has one.
async fn logging_in(script: Script) -> (Server, SmtpMailer) {
    let server = script.start().await;
    let mailer = server.encrypted(Encryption::None, &Certificates::default());
    (server, mailer)
}

/// Sendmail and others repeat a command that they do not know.
#[tokio::test]
async fn a_password_that_the_server_repeats_is_in_no_message() {
    for answer in [
        "500 5.5.1 Command unrecognized: \"AUTH PLAIN AGFubgBzM2NyM3Q=\"\r\n",
        "535 5.7.8 ann with s3cr3t is wrong\r\n",
        "334 AUTH PLAIN AGFubgBzM2NyM3Q=\r\n",
    ] {
        let (_server, mailer) =
            logging_in(Script::willing().offers(LOG_IN).says("AUTH", answer)).await;
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
async fn the_log_in_is_by_plain_or_by_login_whichever_there_is() {
    let (server, mailer) = logging_in(Script::willing().offers(LOG_IN).says("AUTH", TAKEN)).await;
    mailer.send(&message()).await.unwrap();
    let plain = format!("clear AUTH PLAIN {}", STANDARD.encode("\0ann\0s3cr3t"));
    assert!(server.heard().contains(&plain), "{:?}", server.heard());

    // The challenges "Username:" and "Password:", each answered in base64.
    let script = Script::willing()
        .offers("250-mail.example\r\n250 auth xoauth2 login\r\n")
        .says("AUTH", "334 VXNlcm5hbWU6\r\n")
        .says("YW5u", "334 UGFzc3dvcmQ6\r\n")
        .says("czNjcjN0", TAKEN);
    let (server, mailer) = logging_in(script).await;
    mailer.send(&message()).await.unwrap();
    assert_eq!(
        server.heard()[1..4],
        ["clear AUTH LOGIN", "clear YW5u", "clear czNjcjN0"]
    );
}

#[tokio::test]
async fn a_log_in_that_fails_is_told_and_tried_again() {
    for (ehlo, answer, words, mend) in [
        (
            LOG_IN,
            "535 5.7.8 wrong\r\n",
            "rejected the login: 535 5.7.8 wrong",
            "MAIL_PASSWORD",
        ),
        (
            LOG_IN,
            "534 5.7.9 app password\r\n",
            "534 5.7.9 app password",
            "app password",
        ),
        (
            LOG_IN,
            "538 5.7.11 encrypt\r\n",
            "538 5.7.11 encrypt",
            "MAIL_USE_TLS",
        ),
        (
            LOG_IN,
            "530 5.7.0 STARTTLS first\r\n",
            "530 5.7.0 STARTTLS first",
            "MAIL_USE_TLS",
        ),
        (
            LOG_IN,
            "454 4.7.0 later\r\n",
            "cannot verify the login at the moment: 454 4.7.0 later",
            "run the command again in a few minutes",
        ),
        (
            LOG_IN,
            "334 \r\n",
            "unexpected reply to AUTH",
            "in the log of that server",
        ),
        (
            LOG_IN,
            CLOSE,
            "closed the connection at AUTH",
            "in the log of that server",
        ),
        (
            "250-mail.example\r\n250 AUTH CRAM-MD5 XOAUTH2\r\n",
            TAKEN,
            "it offers only CRAM-MD5, XOAUTH2",
            "MAIL_USE_TLS",
        ),
        (
            "250 mail.example\r\n",
            TAKEN,
            "it does not offer AUTH",
            "MAIL_USE_TLS",
        ),
    ] {
        let (server, mailer) =
            logging_in(Script::willing().offers(ehlo).says("AUTH", answer)).await;
        let error = mailer.send(&message()).await.unwrap_err();
        assert!(
            matches!(error, DeliveryError::Unreachable { .. }),
            "{error:?}"
        );
        let (said, hint) = (error.to_string(), error.hint().unwrap());
        assert!(
            said.contains(words) && hint.contains(mend),
            "{answer:?}: {said} - {hint}"
        );
        assert_eq!(server.commands("MAIL"), 0);
        assert!(!said.contains("s3cr3t") && !said.contains(&STANDARD.encode("\0ann\0s3cr3t")));
    }
}

#[tokio::test]
async fn a_dialogue_tells_each_step_and_never_the_password() {
    let authority = Authority::new();
    let server = encrypted(&authority, Flaw::None, Encryption::StartTls)
        .start()
        .await;
    let mailer = server.encrypted(Encryption::StartTls, &authority.trusted());
    let dialogue = mailer.converse(&message()).await;
    let told: Vec<_> = dialogue
        .steps
        .iter()
        .map(|step| (step.name, step.said.as_str()))
        .collect();
    assert_eq!(
        told[1..],
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
    // It takes its leave, and leaves no session behind.
    assert_eq!(server.commands("QUIT"), 1);
}

#[tokio::test]
async fn a_dialogue_ends_where_it_broke() {
    let authority = Authority::new();
    let broken = encrypted(&authority, Flaw::Expired, Encryption::StartTls)
        .start()
        .await;
    let mailer = broken.encrypted(Encryption::StartTls, &authority.trusted());
    let dialogue = mailer.converse(&message()).await;
    let last = dialogue.steps.last().unwrap();
    assert!(
        !last.is_done && last.name == "STARTTLS" && last.said.contains("expired"),
        "{last:?}"
    );
    let (_, hint) = dialogue.outcome.unwrap_err();
    assert!(hint.unwrap().contains("renew"));

    let refusing = Script::willing()
        .says("RCPT", "550 5.7.1 relaying denied\r\n")
        .start()
        .await;
    let dialogue = refusing.mailer().converse(&message()).await;
    let last = dialogue.steps.last().unwrap();
    assert!(
        !last.is_done && last.name == "RCPT" && last.said.contains("relaying denied"),
        "{last:?}"
    );
    let (error, hint) = dialogue.outcome.unwrap_err();
    assert!(matches!(error, DeliveryError::Policy { .. }), "{error:?}");
    assert!(hint.unwrap().contains("MAIL_USERNAME"));

    let silent = Script::willing().says("greeting", HANG).start().await;
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
    for (text, words) in [
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
        std::fs::write(&file, text).unwrap();
        assert!(read().contains(words), "{text:?}: {}", read());
    }
}
