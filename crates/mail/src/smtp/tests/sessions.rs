//! Reuse of sessions, limits of connections, and the order of commands.

use std::sync::Arc;
use std::time::Duration;

use movie_bag_core::domain::outbox::Round;
use movie_bag_core::ports::mail::{Mailer as _, Message, SendError};

use super::server::{Authority, CONNECTIONS, Flaw, NO_REPLY, Script};
use super::{SendMail as _, message, seconds_waited};
use crate::smtp::pool::Pool;
use crate::smtp::{Certificates, Encryption, SmtpMailer, SmtpOptions};

#[tokio::test]
async fn sessions_are_reused_for_many_mails() {
    let server = Script::accepting().start().await;
    let mailer = server.mailer();
    for _ in 0..20 {
        mailer.send(&message()).await.unwrap();
    }
    assert_eq!((server.connections(), server.commands("MAIL")), (1, 20));
    let mailer = Arc::new(mailer);
    for _ in 0..5 {
        let sent: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let mailer = Arc::clone(&mailer);
                tokio::spawn(async move { mailer.send(&message()).await })
            })
            .collect();
        for sent in sent {
            sent.await.unwrap().unwrap();
        }
    }
    assert!(
        server.connections() <= CONNECTIONS,
        "{}",
        server.connections()
    );
    assert_eq!(server.commands("MAIL"), 20 + 5 * CONNECTIONS);
}

#[tokio::test]
async fn the_message_arrives_unchanged() {
    let server = Script::accepting().start().await;
    server.mailer().send(&message()).await.unwrap();
    let received = server.received();
    // Dots at the beginning of lines are doubled (RFC 5321 4.5.2), and no line is added at the end.
    for line in [
        "plaintext ..",
        "plaintext ...",
        "plaintext https://movies.example/reset/x",
    ] {
        assert!(
            received.iter().any(|received| received == line),
            "{line}: {received:?}"
        );
    }
    let dot = received
        .iter()
        .position(|line| line == "plaintext .")
        .unwrap();
    assert!(received[dot - 1].ends_with("--"), "{received:?}");
}

#[tokio::test]
async fn a_server_with_pipelining_gets_commands_together() {
    // The server replies only after all three commands, so a client that waits for the first reply would hang.
    let server = Script::accepting()
        .pipelining()
        .replies("MAIL", NO_REPLY)
        .replies("RCPT", NO_REPLY)
        .replies("DATA", "250 go\r\n250-go\r\n250 on\r\n354 now\r\n")
        .start()
        .await;
    let mailer = server.mailer();
    for _ in 0..3 {
        let receipt = mailer.send(&message()).await.unwrap();
        assert_eq!(receipt.reply, "250 2.0.0 queued as 42");
    }
    assert_eq!((server.connections(), server.commands(".")), (1, 3 * 3));
    let dialogue = mailer.converse(&message()).await;
    let steps: Vec<String> = dialogue
        .steps
        .iter()
        .map(|step| format!("{step:?}"))
        .collect();
    for text in ["250 go\"", ">: 250 go on", "DATA: 354 now"] {
        assert!(
            steps.iter().any(|step| step.contains(text)),
            "{text}: {steps:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_refuses_the_recipient_and_accepts_data_gets_an_empty_message() {
    for (data, dots) in [("354 go on\r\n", 1), ("503 5.5.1 no\r\n", 0)] {
        let server = Script::accepting()
            .pipelining()
            .replies("RCPT", "550 5.1.1 unknown\r\n")
            .replies("DATA", data)
            .start()
            .await;
        let error = server.mailer().send(&message()).await.unwrap_err();
        assert!(error.is_permanent(), "{error}");
        server.wait_for_commands("QUIT", 1).await;
        let received = server.received();
        let lines = received.iter().skip_while(|line| *line != "plaintext DATA");
        assert_eq!(lines.count(), 1 + dots + 1, "{received:?}");
    }
}

#[tokio::test]
async fn the_name_in_ehlo_is_the_setting_or_the_sender_domain_or_the_address() {
    let server = Script::accepting().start().await;
    server.mailer().send(&message()).await.unwrap();
    let local = SmtpMailer::new(SmtpOptions {
        sender: "support@localhost".to_owned(),
        ..server.options()
    })
    .unwrap();
    local.send(&message()).await.unwrap();
    assert_eq!(server.commands("EHLO movie-bag.com"), 1);
    assert_eq!(server.commands("EHLO [127.0.0.1]"), 1);
    let named = SmtpMailer::new(SmtpOptions {
        helo_name: Some("app.example.com".to_owned()),
        ..server.options()
    })
    .unwrap();
    named.send(&message()).await.unwrap();
    assert_eq!(server.commands("EHLO app.example.com"), 1);
}

#[tokio::test]
async fn a_session_that_the_server_has_closed_does_not_fail_the_next_mail() {
    // Without a reply, and with that of RFC 5321 3.8, which the client has not read.
    for farewell in ["", "421 4.4.2 idle for too long\r\n"] {
        let server = Script::accepting()
            .closing_after_each_mail(farewell)
            .start()
            .await;
        let mailer = server.mailer();
        for _ in 0..5 {
            mailer.send(&message()).await.unwrap();
            server.connection_end().await;
        }
        assert_eq!(
            (server.connections(), server.commands("DATA")),
            (5, 5),
            "{farewell:?}"
        );
    }
}

#[tokio::test]
async fn a_session_with_a_refusal_is_not_used_again() {
    let server = Script::accepting()
        .replies("RCPT", "450 4.2.0 later\r\n")
        .start()
        .await;
    let mailer = server.mailer();
    for _ in 0..2 {
        assert!(!mailer.send(&message()).await.unwrap_err().is_permanent());
    }
    assert_eq!(server.connections(), 2);
    server.wait_for_commands("QUIT", 2).await;
}

#[tokio::test]
async fn a_session_that_timed_out_is_not_used_again() {
    let server = Script::accepting().replies(".", NO_REPLY).start().await;
    let mailer = SmtpMailer::new(SmtpOptions {
        timeout: Duration::from_millis(300),
        ..server.options()
    })
    .unwrap();
    for _ in 0..2 {
        mailer.send(&message()).await.unwrap_err();
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn an_idle_session_is_closed_with_quit() {
    let server = Script::accepting().start().await;
    let mut mailer = server.mailer();
    mailer.pool = Pool::new(CONNECTIONS, Duration::from_millis(50));
    mailer.send(&message()).await.unwrap();
    server.wait_for_commands("QUIT", 1).await;
    mailer.send(&message()).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_probe_names_the_sender_and_sends_no_mail() {
    let server = Script::accepting().start().await;
    let dialogue = server.mailer().probe(Duration::from_secs(5)).await;
    dialogue.outcome.unwrap();
    let steps: Vec<_> = dialogue.steps.iter().map(|step| step.name).collect();
    assert_eq!(steps, ["connect", "greeting", "EHLO", "MAIL"]);
    assert_eq!(
        server.received(),
        [
            "plaintext EHLO movie-bag.com",
            "plaintext MAIL FROM:<support@movie-bag.com>",
            "plaintext RSET",
            "plaintext QUIT"
        ]
    );
}

#[tokio::test]
async fn a_probe_ends_at_its_limit() {
    let server = Script::accepting().replies("EHLO", NO_REPLY).start().await;
    let dialogue = server.mailer().probe(Duration::from_millis(200)).await;
    let (error, _) = dialogue.outcome.unwrap_err();
    let error = error.to_string();
    let waited = seconds_waited(&error);
    assert!(waited > 0.0 && waited <= 0.2, "{error}");
    let steps: Vec<_> = dialogue.steps.iter().map(|step| step.name).collect();
    assert_eq!(steps, ["connect", "greeting", "EHLO"]);
    assert!(!dialogue.steps[2].is_done);
}

#[tokio::test]
async fn a_server_that_does_not_know_ehlo_gets_helo() {
    for refusal in ["500 5.5.1 unknown\r\n", "502 not implemented\r\n"] {
        let script = || {
            Script::accepting()
                .offers(refusal)
                .replies("HELO", "250 old.example\r\n")
        };
        let server = script().start().await;
        let beyond_ascii = Message {
            text: "für Änn\n".to_owned(),
            ..message()
        };
        server.mailer().send(&beyond_ascii).await.unwrap();
        assert_eq!(
            server.received()[..3],
            [
                "plaintext EHLO movie-bag.com",
                "plaintext HELO movie-bag.com",
                "plaintext MAIL FROM:<support@movie-bag.com>"
            ]
        );
        // Features that need an extension fail with a clear error.
        let server = script().start().await;
        let trusted = Certificates::default();
        let encrypted = server.encrypted(Encryption::StartTls, &trusted);
        let error = encrypted.send(&message()).await.unwrap_err();
        assert!(
            error.to_string().contains("does not offer STARTTLS"),
            "{error}"
        );
        let logging_in = server.encrypted(Encryption::None, &trusted);
        let error = logging_in.send(&message()).await.unwrap_err();
        assert!(error.to_string().contains("does not offer AUTH"), "{error}");
        assert_eq!(server.commands("MAIL"), 0);
    }
    // A server that refuses the name gets no HELO.
    let server = Script::accepting()
        .offers("501 5.5.4 bad name\r\n")
        .start()
        .await;
    server.mailer().send(&message()).await.unwrap_err();
    assert_eq!(server.commands("HELO"), 0);
}

#[tokio::test]
async fn the_size_is_announced_and_a_message_above_the_limit_is_not_sent() {
    let server = Script::accepting().start().await;
    let mailer = server.mailer();
    mailer.send(&message()).await.unwrap();
    let received = server.received();
    let mail = received
        .iter()
        .find_map(|line| line.strip_prefix("plaintext MAIL FROM:<support@movie-bag.com> SIZE="));
    let announced: usize = mail.unwrap().parse().unwrap();
    // The lines of the message, each with its end, without the added dots.
    let data = received
        .iter()
        .position(|line| line == "plaintext DATA")
        .unwrap();
    let end = received
        .iter()
        .rposition(|line| line == "plaintext .")
        .unwrap();
    let lines = received[data + 1..end].iter();
    let sent: usize = lines
        .map(|line| line.strip_prefix("plaintext ").unwrap())
        .map(|line| line.strip_prefix('.').unwrap_or(line).len() + 2)
        .sum();
    assert_eq!(announced, sent, "{received:?}");

    let server = Script::accepting()
        .offers("250-mail.example\r\n250 SIZE 300\r\n")
        .start()
        .await;
    let error = server.mailer().send(&message()).await.unwrap_err();
    assert!(
        error.is_permanent() && error.to_string().contains("accepts at most 300"),
        "{error}"
    );
    assert_eq!(server.commands("MAIL"), 0);
}

/// Sends mails at the same time, and returns how many were accepted and how many got no session.
async fn send_concurrently(mailer: &SmtpMailer, mails: usize) -> (usize, usize) {
    let sending: Vec<_> = (0..mails)
        .map(|_| {
            let mailer = mailer.clone();
            tokio::spawn(async move { mailer.try_send(&message()).await })
        })
        .collect();
    let (mut accepted, mut without_session) = (0, 0);
    for sent in sending {
        match sent.await.unwrap() {
            Ok(_) => accepted += 1,
            Err(SendError::NoSession(_)) => without_session += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    (accepted, without_session)
}

#[tokio::test]
async fn fifty_mails_with_a_wrong_password_cause_one_login() {
    let server = Script::accepting()
        .offers("250-mail.example\r\n250 AUTH PLAIN\r\n")
        .replies("AUTH", "535 5.7.8 wrong\r\n")
        .start()
        .await;
    let mailer = server.encrypted(Encryption::None, &Certificates::default());
    assert_eq!(send_concurrently(&mailer, 50).await, (0, 50));
    assert_eq!((server.connections(), server.commands("AUTH")), (1, 1));
    // During the delay, no mail causes another login.
    assert_eq!(send_concurrently(&mailer, 50).await, (0, 50));
    assert_eq!(server.commands("AUTH"), 1);
    assert_eq!(mailer.capacity().mails, 0);
    // After the delay, one login is tried, and its failure is that of all mails.
    mailer.capacity_changed().await;
    while mailer.capacity().mails == 0 {
        mailer.capacity_changed().await;
    }
    assert_eq!(send_concurrently(&mailer, 50).await, (0, 50));
    assert_eq!(server.commands("AUTH"), 2);
    // Both sessions were closed in order.
    assert_eq!(server.commands("QUIT"), 2);
}

#[tokio::test]
async fn a_server_with_a_limit_of_three_connections_gets_all_mails() {
    let server = Script::accepting().with_max_connections(3).start().await;
    let mailer = server.mailer();
    assert_eq!(send_concurrently(&mailer, 200).await, (200, 0));
    assert_eq!(server.commands("DATA"), 200);
    assert_eq!(server.max_open_connections(), 3);
    // Three, and a few that were refused, with increasing delays.
    assert!(server.connections() <= 3 + 4, "{}", server.connections());
}

#[tokio::test]
async fn one_connection_serves_mails_of_first_and_later_rounds() {
    let server = Script::accepting().start().await;
    let mailer = SmtpMailer::new(SmtpOptions {
        connections: 1,
        ..server.options()
    })
    .unwrap();
    let old = {
        let mailer = mailer.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                let session = mailer.session(Round::Later).await.unwrap();
                session.send(&message()).await.unwrap();
            }
        })
    };
    assert_eq!(send_concurrently(&mailer, 20).await, (20, 0));
    old.await.unwrap();
    assert_eq!((server.connections(), server.commands("DATA")), (1, 40));
}

#[tokio::test]
async fn hanging_mails_of_later_rounds_leave_a_session_for_new_mails() {
    let server = Script::accepting().start().await;
    let mailer = SmtpMailer::new(SmtpOptions {
        connections: 4,
        ..server.options()
    })
    .unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(mailer.session(Round::Later).await.unwrap());
    }
    let waiting = {
        let mailer = mailer.clone();
        tokio::spawn(async move { drop(mailer.session(Round::Later).await) })
    };
    for _ in 0..10 {
        mailer.send(&message()).await.unwrap();
    }
    assert!(!waiting.is_finished());
    held.clear();
    waiting.await.unwrap();
}

#[tokio::test]
async fn a_session_for_a_cancelled_mail_goes_to_the_next_mail() {
    let server = Script::accepting().start().await;
    let mailer = SmtpMailer::new(SmtpOptions {
        connections: 1,
        ..server.options()
    })
    .unwrap();
    let held = mailer.session(Round::First).await.unwrap();
    for _ in 0..3 {
        let cancelled = {
            let mailer = mailer.clone();
            tokio::spawn(async move { drop(mailer.session(Round::First).await) })
        };
        tokio::task::yield_now().await;
        cancelled.abort();
        let _ = cancelled.await;
    }
    drop(held);
    mailer.send(&message()).await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn closing_the_client_closes_all_sessions_with_quit() {
    let server = Script::accepting().start().await;
    let mailer = server.mailer();
    send_concurrently(&mailer, 8).await;
    mailer.close().await;
    assert_eq!(server.commands("QUIT"), server.connections());
    // A session after a refusal is closed in the same way.
    let refusing = Script::accepting()
        .replies("RCPT", "550 5.1.1 unknown\r\n")
        .start()
        .await;
    let mailer = refusing.mailer();
    mailer.send(&message()).await.unwrap_err();
    mailer.close().await;
    assert_eq!(refusing.commands("QUIT"), 1);
}

#[tokio::test]
async fn an_encrypted_session_is_closed_with_close_notify() {
    let authority = Authority::new();
    for encryption in [Encryption::StartTls, Encryption::Implicit] {
        let server = Script::accepting()
            .offers("250-mail.example\r\n250 STARTTLS\r\n")
            .replies("TLS EHLO", "250-mail.example\r\n250 AUTH PLAIN\r\n")
            .replies("AUTH", "235 2.7.0 welcome\r\n")
            .with_tls(authority.acceptor(Flaw::None), encryption)
            .start()
            .await;
        let mailer = server.encrypted(encryption, &authority.trusted());
        mailer.send(&message()).await.unwrap();
        mailer.close().await;
        // rustls reports an end without close_notify as an error.
        server.connection_end().await;
        assert!(server.all_closed_in_order());
    }
}
