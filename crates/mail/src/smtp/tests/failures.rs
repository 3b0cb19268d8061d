//! Failures at each stage: class, message and hint.

use std::time::Duration;

use movie_bag_core::ports::mail::{DeliveryError, Message};
use tokio::net::TcpListener;

use super::server::{CLOSE, NO_REPLY, Script, options};
use super::{SendMail as _, message, seconds_waited};
use crate::smtp::{SmtpMailer, SmtpOptions};

/// Class of an error, which decides whether the mail is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// No verdict about the mail: tried again.
    Unreachable,
    /// Refused for now: tried again.
    Transient,
    /// Refused for good: not tried again.
    Permanent,
    /// Refused by a policy: tried again.
    Policy,
}

fn class(error: &DeliveryError) -> Class {
    match error {
        DeliveryError::Unreachable { .. } => Class::Unreachable,
        DeliveryError::Transient { .. } => Class::Transient,
        DeliveryError::Policy { .. } => Class::Policy,
        DeliveryError::Permanent { .. } | DeliveryError::Unsendable { .. } => Class::Permanent,
    }
}

#[tokio::test]
async fn every_failure_has_its_class_and_quotes_the_server() {
    use Class::{Permanent, Policy, Transient, Unreachable};
    for (command, reply, expected, text) in [
        (
            "greeting",
            "421 4.3.2 busy\r\n",
            Unreachable,
            "421 4.3.2 busy",
        ),
        (
            "greeting",
            "554 5.7.1 not from there\r\n",
            Unreachable,
            "refused the session at greeting: 554 5.7.1 not from there",
        ),
        (
            "greeting",
            CLOSE,
            Unreachable,
            "closed the connection at greeting",
        ),
        (
            "greeting",
            "SSH-2.0-OpenSSH_9.9\r\n",
            Unreachable,
            "is not an SMTP server but an SSH server: SSH-2.0-OpenSSH_9.9",
        ),
        (
            "greeting",
            "* OK [CAPABILITY IMAP4rev1] Dovecot (Debian) ready.\r\n",
            Unreachable,
            "is not an SMTP server but an IMAP server: * OK",
        ),
        (
            "greeting",
            "+OK Dovecot (Debian) ready.\r\n",
            Unreachable,
            "is not an SMTP server but a POP3 server: +OK Dovecot",
        ),
        (
            "greeting",
            "HTTP/1.1 400 Bad Request\r\n",
            Unreachable,
            "is not an SMTP server but a web server: HTTP/1.1 400",
        ),
        (
            "EHLO",
            "451 4.3.0 later\r\n",
            Unreachable,
            "451 4.3.0 later",
        ),
        (
            "EHLO",
            "501 5.5.4 bad name\r\n",
            Unreachable,
            "refused the session at EHLO: 501 5.5.4 bad name",
        ),
        ("EHLO", CLOSE, Unreachable, "closed the connection at EHLO"),
        (
            "MAIL",
            "421 4.7.0 too many\r\n",
            Policy,
            "421 4.7.0 too many",
        ),
        (
            "MAIL",
            "450 4.1.8 greylisted\r\n",
            Transient,
            "450 4.1.8 greylisted",
        ),
        (
            "MAIL",
            "530 5.7.0 log in\r\n",
            Policy,
            "requires a login or encryption: 530 5.7.0 log in",
        ),
        (
            "MAIL",
            "553 5.7.1 not your address\r\n",
            Policy,
            "553 5.7.1 not your address",
        ),
        (
            "MAIL",
            "354 what\r\n",
            Unreachable,
            "unexpected reply to MAIL: 354 what",
        ),
        ("MAIL", CLOSE, Unreachable, "closed the connection at MAIL"),
        (
            "RCPT",
            "451 4.3.0 try later\r\n",
            Transient,
            "451 4.3.0 try later",
        ),
        (
            "RCPT",
            "421 4.3.0 closing\r\n",
            Transient,
            "421 4.3.0 closing",
        ),
        (
            "RCPT",
            "550-5.1.1 no such\r\n550 5.1.1 user\r\n",
            Permanent,
            "550 5.1.1 no such user",
        ),
        ("RCPT", CLOSE, Unreachable, "closed the connection at RCPT"),
        (
            "RCPT",
            "554 5.7.1 <ann@example.com>: Relay access denied\r\n",
            Policy,
            "Relay access denied",
        ),
        (
            "RCPT",
            "504 5.5.2 <host>: Helo command rejected: need fully-qualified hostname\r\n",
            Policy,
            "Helo command rejected",
        ),
        ("DATA", "451 4.3.0 disk\r\n", Transient, "451 4.3.0 disk"),
        ("DATA", "554 5.5.1 no\r\n", Permanent, "554 5.5.1 no"),
        (
            "DATA",
            "250 what\r\n",
            Unreachable,
            "unexpected reply to DATA: 250 what",
        ),
        ("DATA", CLOSE, Unreachable, "closed the connection at DATA"),
        (".", "452 4.3.1 full\r\n", Transient, "452 4.3.1 full"),
        (".", "554 5.6.0 spam\r\n", Permanent, "554 5.6.0 spam"),
        (
            ".",
            CLOSE,
            Unreachable,
            "it may have accepted the mail, and a retry has the same Message-ID",
        ),
    ] {
        for script in [Script::accepting(), Script::accepting().pipelining()] {
            let server = script.replies(command, reply).start().await;
            let error = server.mailer().send(&message()).await.unwrap_err();
            let message = error.to_string();
            assert_eq!(class(&error), expected, "{command} {reply:?}: {message}");
            assert!(message.contains(text), "{command} {reply:?}: {message}");
            assert!(message.contains("localhost:"), "{message}");
            assert_eq!(error.is_permanent(), expected == Permanent);
        }
    }
}

#[tokio::test]
async fn a_server_that_stops_replying_fails_the_mail_at_the_time_limit() {
    for (command, text) in [
        ("greeting", "did not answer in time at greeting"),
        ("EHLO", "did not answer in time at EHLO"),
        ("MAIL", "did not answer in time at MAIL"),
        ("RCPT", "did not answer in time at RCPT"),
        ("DATA", "did not answer in time at DATA"),
        (".", "did not answer in time after the message was sent"),
    ] {
        let server = Script::accepting().replies(command, NO_REPLY).start().await;
        let mailer = SmtpMailer::new(SmtpOptions {
            timeout: Duration::from_millis(500),
            ..server.options()
        })
        .unwrap();
        let error = mailer.send(&message()).await.unwrap_err();
        assert_eq!(class(&error), Class::Unreachable);
        assert!(error.to_string().contains(text), "{command}: {error}");
        let waited = seconds_waited(&error.to_string());
        assert!(waited > 0.0 && waited <= 0.5, "{command}: {error}");
    }
}

#[tokio::test]
async fn an_endless_reply_fails_at_the_limit_of_lines() {
    let endless: &'static str = "250-more\r\n".repeat(100_000).leak();
    let server = Script::accepting().replies("MAIL", endless).start().await;
    let error = server.mailer().send(&message()).await.unwrap_err();
    assert_eq!(class(&error), Class::Unreachable);
    assert!(error.to_string().contains("an endless reply"), "{error}");
}

#[tokio::test]
async fn the_error_is_the_refusal_of_ehlo_and_not_the_missing_reply_to_quit() {
    let server = Script::accepting()
        .replies("EHLO", "550 5.7.1 bad name\r\n")
        .replies("QUIT", NO_REPLY)
        .start()
        .await;
    let mailer = SmtpMailer::new(SmtpOptions {
        timeout: Duration::from_millis(500),
        ..server.options()
    })
    .unwrap();
    let error = mailer.send(&message()).await.unwrap_err();
    assert!(error.to_string().contains("550 5.7.1 bad name"), "{error}");
    assert!(error.hint().unwrap().contains("MAIL_HELO_NAME"));
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_name_have_a_message_and_a_hint() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = SmtpMailer::new(options(port))
        .unwrap()
        .send(&message())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot connect to mail server localhost:{port}: connection refused")
    );
    assert_eq!(
        error.hint().unwrap(),
        "start \"movie-bag smtp-debug\" or set MAIL_SERVER"
    );
    let in_production = SmtpOptions {
        hints_at_sink: false,
        ..options(port)
    };
    let error = SmtpMailer::new(in_production)
        .unwrap()
        .send(&message())
        .await
        .unwrap_err();
    assert_eq!(
        error.hint().unwrap(),
        "start the mail server on this machine, or set MAIL_SERVER and MAIL_PORT"
    );

    let nowhere = SmtpOptions {
        server: "no-such-host.invalid".to_owned(),
        ..options(25)
    };
    let error = SmtpMailer::new(nowhere)
        .unwrap()
        .send(&message())
        .await
        .unwrap_err();
    assert_eq!(class(&error), Class::Unreachable);
    let (text, hint) = (error.to_string(), error.hint().unwrap());
    assert!(
        text.contains("cannot resolve the mail server's name no-such-host.invalid: "),
        "{text}"
    );
    assert!(hint.contains("MAIL_SERVER"), "{hint}");
}

#[tokio::test]
async fn a_reply_may_contain_any_bytes_and_controls_no_terminal() {
    let server = Script::accepting()
        .replies(".", "250 \u{1b}[31mDanke sch\u{f6}n\u{7}\r\n")
        .start()
        .await;
    let reply = server.mailer().send(&message()).await.unwrap().reply;
    assert_eq!(reply, "250  [31mDanke sch?n");
}

#[tokio::test]
async fn an_address_beyond_ascii_needs_smtputf8_and_a_text_needs_no_extension() {
    let to_aenn = Message {
        to: "änn@example.com".to_owned(),
        ..message()
    };
    let in_german = Message {
        text: "für Änn\n".to_owned(),
        ..message()
    };
    let html_in_german = Message {
        html: "<p>für Änn</p>\n".to_owned(),
        ..message()
    };
    let international = "250-mail.example\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n";
    let eight_bit = "250-mail.example\r\n250 8BITMIME\r\n";
    let plain = "250 mail.example\r\n";
    for (mail, ehlo, outcome) in [
        (
            &to_aenn,
            international,
            Ok("MAIL FROM:<support@movie-bag.com> SMTPUTF8 BODY=8BITMIME"),
        ),
        (&to_aenn, eight_bit, Err("does not offer SMTPUTF8")),
        (
            &in_german,
            eight_bit,
            Ok("MAIL FROM:<support@movie-bag.com> BODY=8BITMIME"),
        ),
        (&in_german, plain, Ok("MAIL FROM:<support@movie-bag.com>")),
        (
            &html_in_german,
            plain,
            Ok("MAIL FROM:<support@movie-bag.com>"),
        ),
    ] {
        let server = Script::accepting().offers(ehlo).start().await;
        match (server.mailer().send(mail).await, outcome) {
            (Ok(_), Ok(command)) => {
                let command = format!("plaintext {command}");
                assert!(
                    server.received().contains(&command),
                    "{:?}",
                    server.received()
                );
            }
            (Err(error), Err(text)) => {
                assert!(
                    error.is_permanent() && error.to_string().contains(text),
                    "{error}"
                );
                assert!(error.hint().is_some());
                assert_eq!(server.commands("MAIL"), 0);
            }
            (sent, expected) => panic!("{expected:?}: {sent:?}"),
        }
    }
}

#[tokio::test]
async fn an_invalid_message_is_not_sent_and_is_a_permanent_failure() {
    let server = Script::accepting().start().await;
    let broken = Message {
        text: "a\u{0}b".to_owned(),
        ..message()
    };
    let mailer = server.mailer();
    let error = mailer.send(&broken).await.unwrap_err();
    assert!(error.is_permanent(), "{error}");
    assert_eq!(server.commands("MAIL"), 0);
    // The session is kept for the next mail.
    mailer.send(&message()).await.unwrap();
    assert_eq!(server.connections(), 1);
}

/// Replies of Postfix 3.7, Exim 4.96 and Dovecot 2.3 with their default texts.
#[tokio::test]
async fn the_hint_of_a_refusal_names_the_setting_to_change() {
    const LOGIN: Option<(&str, &str)> = Some(("owner", "s3cr3t"));
    for (login, command, reply, expected) in [
        (
            LOGIN,
            "RCPT",
            "553 5.7.1 <support@movie-bag.com>: Sender address rejected: not owned by user owner\r\n",
            "set MAIL_DEFAULT_SENDER to an address of this login",
        ),
        (
            None,
            "RCPT",
            "553 5.7.1 <owner@lab.test>: Sender address rejected: not logged in\r\n",
            "set MAIL_USERNAME and MAIL_PASSWORD of the login that owns MAIL_DEFAULT_SENDER",
        ),
        (
            None,
            "RCPT",
            "450 4.1.8 <a@nowhere.test>: Sender address rejected: Domain not found\r\n",
            "set MAIL_DEFAULT_SENDER to an address that exists",
        ),
        (
            None,
            "RCPT",
            "550 Sender verify failed\r\n",
            "set MAIL_DEFAULT_SENDER to an address that exists",
        ),
        (
            None,
            "RCPT",
            "554 5.7.1 <ann@elsewhere.test>: Relay access denied\r\n",
            "set MAIL_USERNAME and MAIL_PASSWORD, or allow this machine",
        ),
        (
            None,
            "RCPT",
            "550 relay not permitted\r\n",
            "set MAIL_USERNAME and MAIL_PASSWORD, or allow this machine",
        ),
        (
            LOGIN,
            "RCPT",
            "554 5.7.1 <ann@elsewhere.test>: Relay access denied\r\n",
            "allow this login to relay",
        ),
        (
            None,
            "RCPT",
            "554 5.7.1 <localhost[127.0.0.1]>: Client host rejected: Access denied\r\n",
            "accept mails from this machine's address",
        ),
        (
            None,
            "RCPT",
            "504 5.5.2 <x>: Helo command rejected: need fully-qualified hostname\r\n",
            "set MAIL_HELO_NAME",
        ),
        (
            None,
            "RCPT",
            "450 4.2.0 <localhost[127.0.0.1]>: Client host rejected: Greylisted, see http://postgrey.schweikert.ch/help/lab.test.html\r\n",
            "run the command again in a few minutes",
        ),
        (
            None,
            "RCPT",
            "550 5.1.1 <unknown@lab.test>: Recipient address rejected: User unknown in local recipient table\r\n",
            "check the recipient's address",
        ),
        (
            None,
            "EHLO",
            "554 5.7.1 <localhost[127.0.0.1]>: Client host rejected: Access denied\r\n",
            "accept mails from this machine's address",
        ),
        (
            None,
            "RCPT",
            "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.example\r\n",
            "accept mails from this machine's address",
        ),
        (
            None,
            "RCPT",
            "552 5.2.2 <ann@example.com>: mailbox full\r\n",
            "ask the recipient to free space",
        ),
        (
            None,
            ".",
            "552 5.3.4 Error: message file too big\r\n",
            "raise the message size limit",
        ),
        (
            None,
            ".",
            "550-5.7.26 This mail has been blocked because the sender is unauthenticated.\r\n550 5.7.26 SPF and DKIM did not pass\r\n",
            "check SPF, DKIM and DMARC",
        ),
        (
            None,
            "MAIL",
            "530 5.7.0 Authentication required.\r\n",
            "set MAIL_USERNAME and MAIL_PASSWORD",
        ),
        (
            LOGIN,
            "MAIL",
            "530 5.7.0 Must issue a STARTTLS command first\r\n",
            "set MAIL_USE_TLS=true",
        ),
    ] {
        let server = Script::accepting()
            .offers("250-mail.example\r\n250 AUTH PLAIN\r\n")
            .replies("AUTH", "235 2.7.0 welcome\r\n")
            .replies(command, reply)
            .start()
            .await;
        let credentials = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let mailer = SmtpMailer::new(SmtpOptions {
            credentials,
            ..server.options()
        })
        .unwrap();
        let (_, hint) = mailer.converse(&message()).await.outcome.unwrap_err();
        let hint = hint.unwrap();
        assert!(hint.contains(expected), "{reply:?}: {hint}");
    }
}

/// Dovecot 2.3 requires the login at MAIL, not before.
#[tokio::test]
async fn a_probe_shows_that_the_server_requires_a_login() {
    let demanding = Script::accepting()
        .replies("MAIL", "530 5.7.0 Authentication required.\r\n")
        .start()
        .await;
    let probe = demanding.mailer().probe(Duration::from_secs(20)).await;
    let (error, hint) = probe.outcome.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("requires a login or encryption: 530 5.7.0 Authentication required."),
        "{error}"
    );
    assert!(
        hint.unwrap()
            .starts_with("set MAIL_USERNAME and MAIL_PASSWORD")
    );
    assert_eq!(demanding.commands("RCPT"), 0);
}
