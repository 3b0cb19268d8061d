//! Sessions that serve many mails, and servers that end them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::server::{Authority, CONNECTIONS, Flaw, HANG, Script};
use super::{Sends as _, message};
use movie_bag_core::domain::outbox::Round;
use crate::smtp::pool::Pool;
use crate::smtp::{Certificates, Encryption, SmtpMailer, SmtpOptions};
use movie_bag_core::ports::mail::{Mailer as _, Message, SendError};

#[tokio::test]
async fn many_mails_take_few_connections() {
    let server = Script::willing().start().await;
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
async fn the_message_arrives_as_it_is() {
    let server = Script::willing().start().await;
    server.mailer().send(&message()).await.unwrap();
    let heard = server.heard();
    // Dots are doubled on the way (RFC 5321 4.5.2), and no line is added at the end.
    for line in [
        "clear ..",
        "clear ...",
        "clear https://movies.example/reset/x",
    ] {
        assert!(heard.iter().any(|heard| heard == line), "{line}: {heard:?}");
    }
    let dot = heard.iter().position(|line| line == "clear .").unwrap();
    assert!(heard[dot - 1].ends_with("--"), "{heard:?}");
}

#[tokio::test]
async fn a_server_that_takes_commands_together_gets_them_together() {
    // It answers nothing before it has all three, and would wait for ever.
    let server = Script::willing()
        .pipelining()
        .says("MAIL", HANG)
        .says("RCPT", HANG)
        .says("DATA", "250 go\r\n250-go\r\n250 on\r\n354 now\r\n")
        .start()
        .await;
    let mailer = server.mailer();
    for _ in 0..3 {
        let receipt = mailer.send(&message()).await.unwrap();
        assert_eq!(receipt.reply, "250 2.0.0 queued as 42");
    }
    assert_eq!((server.connections(), server.commands(".")), (1, 3 * 3));
    let dialogue = mailer.converse(&message()).await;
    let said: Vec<String> = dialogue
        .steps
        .iter()
        .map(|step| format!("{step:?}"))
        .collect();
    for words in ["250 go\"", ">: 250 go on", "DATA: 354 now"] {
        assert!(
            said.iter().any(|step| step.contains(words)),
            "{words}: {said:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_refuses_and_takes_data_all_the_same_gets_an_empty_message() {
    for (data, dots) in [("354 go on\r\n", 1), ("503 5.5.1 no\r\n", 0)] {
        let server = Script::willing()
            .pipelining()
            .says("RCPT", "550 5.1.1 nobody\r\n")
            .says("DATA", data)
            .start()
            .await;
        let error = server.mailer().send(&message()).await.unwrap_err();
        assert!(error.is_permanent(), "{error}");
        let deadline = Instant::now() + Duration::from_secs(10);
        while server.commands("QUIT") == 0 {
            assert!(Instant::now() < deadline, "{:?}", server.heard());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let heard = server.heard();
        let told = heard.iter().skip_while(|line| *line != "clear DATA");
        assert_eq!(told.count(), 1 + dots + 1, "{heard:?}");
    }
}

#[tokio::test]
async fn we_are_who_the_sender_says_or_an_address() {
    let server = Script::willing().start().await;
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
async fn a_session_that_the_server_has_ended_does_not_fail_the_next_mail() {
    // Without a word, and with those of RFC 5321 3.8, which wait unread.
    for farewell in ["", "421 4.4.2 idle for too long\r\n"] {
        let server = Script::willing()
            .closing_after_each_mail(farewell)
            .start()
            .await;
        let mailer = server.mailer();
        for _ in 0..5 {
            mailer.send(&message()).await.unwrap();
            // The end of the session has time to arrive.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(
            (server.connections(), server.commands("DATA")),
            (5, 5),
            "{farewell:?}"
        );
    }
}

#[tokio::test]
async fn a_session_that_was_refused_is_not_used_again() {
    let server = Script::willing()
        .says("RCPT", "450 4.2.0 later\r\n")
        .start()
        .await;
    let mailer = server.mailer();
    for _ in 0..2 {
        assert!(!mailer.send(&message()).await.unwrap_err().is_permanent());
    }
    assert_eq!(server.connections(), 2);
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.commands("QUIT") < 2 {
        assert!(Instant::now() < deadline, "{:?}", server.heard());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_session_that_timed_out_is_not_used_again() {
    let server = Script::willing().says(".", HANG).start().await;
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
async fn an_idle_session_is_closed_with_a_goodbye() {
    let server = Script::willing().start().await;
    let mut mailer = server.mailer();
    mailer.pool = Pool::new(CONNECTIONS, Duration::from_millis(50));
    mailer.send(&message()).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.commands("QUIT") == 0 {
        assert!(Instant::now() < deadline, "{:?}", server.heard());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    mailer.send(&message()).await.unwrap();
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_probe_names_the_sender_and_begins_no_mail() {
    let server = Script::willing().start().await;
    let dialogue = server.mailer().probe(Duration::from_secs(5)).await;
    dialogue.outcome.unwrap();
    let steps: Vec<_> = dialogue.steps.iter().map(|step| step.name).collect();
    assert_eq!(steps, ["connect", "greeting", "EHLO", "MAIL"]);
    assert_eq!(
        server.heard(),
        [
            "clear EHLO movie-bag.com",
            "clear MAIL FROM:<support@movie-bag.com>",
            "clear RSET",
            "clear QUIT"
        ]
    );
}

#[tokio::test]
async fn a_probe_waits_no_longer_than_it_is_told() {
    let server = Script::willing().says("EHLO", HANG).start().await;
    let began = Instant::now();
    let dialogue = server.mailer().probe(Duration::from_millis(200)).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    dialogue.outcome.unwrap_err();
    let steps: Vec<_> = dialogue.steps.iter().map(|step| step.name).collect();
    assert_eq!(steps, ["connect", "greeting", "EHLO"]);
    assert!(!dialogue.steps[2].is_done);
}

#[tokio::test]
async fn a_server_that_does_not_know_ehlo_gets_helo() {
    for refusal in ["500 5.5.1 unknown\r\n", "502 not implemented\r\n"] {
        let script = || {
            Script::willing()
                .offers(refusal)
                .says("HELO", "250 old.example\r\n")
        };
        let server = script().start().await;
        let beyond_ascii = Message {
            text: "für Änn\n".to_owned(),
            ..message()
        };
        server.mailer().send(&beyond_ascii).await.unwrap();
        assert_eq!(
            server.heard()[..3],
            [
                "clear EHLO movie-bag.com",
                "clear HELO movie-bag.com",
                "clear MAIL FROM:<support@movie-bag.com>"
            ]
        );
        // What needs an extension fails clearly.
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
    // One that refuses the name is not asked again.
    let server = Script::willing()
        .offers("501 5.5.4 bad name\r\n")
        .start()
        .await;
    server.mailer().send(&message()).await.unwrap_err();
    assert_eq!(server.commands("HELO"), 0);
}

#[tokio::test]
async fn the_size_is_announced_and_a_larger_message_than_the_server_takes_is_not_sent() {
    let server = Script::willing().start().await;
    let mailer = server.mailer();
    mailer.send(&message()).await.unwrap();
    let heard = server.heard();
    let mail = heard
        .iter()
        .find_map(|line| line.strip_prefix("clear MAIL FROM:<support@movie-bag.com> SIZE="));
    let announced: usize = mail.unwrap().parse().unwrap();
    // The lines of the message, each with its end, without the dots that were doubled.
    let data = heard.iter().position(|line| line == "clear DATA").unwrap();
    let end = heard.iter().rposition(|line| line == "clear .").unwrap();
    let lines = heard[data + 1..end].iter();
    let sent: usize = lines
        .map(|line| line.strip_prefix("clear ").unwrap())
        .map(|line| line.strip_prefix('.').unwrap_or(line).len() + 2)
        .sum();
    assert_eq!(announced, sent, "{heard:?}");

    let server = Script::willing()
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

/// Sends so many mails at once; how many were taken, and how many found no session.
async fn send_at_once(mailer: &SmtpMailer, mails: usize) -> (usize, usize) {
    let sending: Vec<_> = (0..mails)
        .map(|_| {
            let mailer = mailer.clone();
            tokio::spawn(async move { mailer.try_send(&message()).await })
        })
        .collect();
    let (mut taken, mut without_session) = (0, 0);
    for sent in sending {
        match sent.await.unwrap() {
            Ok(_) => taken += 1,
            Err(SendError::NoSession(_)) => without_session += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    (taken, without_session)
}

#[tokio::test]
async fn fifty_mails_and_a_wrong_password_are_one_login() {
    let server = Script::willing()
        .offers("250-mail.example\r\n250 AUTH PLAIN\r\n")
        .says("AUTH", "535 5.7.8 wrong\r\n")
        .start()
        .await;
    let mailer = server.encrypted(Encryption::None, &Certificates::default());
    assert_eq!(send_at_once(&mailer, 50).await, (0, 50));
    assert_eq!((server.connections(), server.commands("AUTH")), (1, 1));
    // While the delay runs, no mail makes another one.
    assert_eq!(send_at_once(&mailer, 50).await, (0, 50));
    assert_eq!(server.commands("AUTH"), 1);
    assert_eq!(mailer.capacity().mails, 0);
    // Then one is tried, whose failure is that of all.
    mailer.capacity_changed().await;
    while mailer.capacity().mails == 0 {
        mailer.capacity_changed().await;
    }
    assert_eq!(send_at_once(&mailer, 50).await, (0, 50));
    assert_eq!(server.commands("AUTH"), 2);
    // It leaves in order.
    assert_eq!(server.commands("QUIT"), 2);
}

#[tokio::test]
async fn a_server_that_takes_three_connections_gets_all_mails_over_three() {
    let server = Script::willing().at_most(3).start().await;
    let mailer = server.mailer();
    assert_eq!(send_at_once(&mailer, 200).await, (200, 0));
    assert_eq!(server.commands("DATA"), 200);
    assert_eq!(server.most_at_once(), 3);
    // Three, and some that were refused in ever longer delays.
    assert!(server.connections() <= 3 + 4, "{}", server.connections());
}

#[tokio::test]
async fn one_connection_serves_new_and_old_mails() {
    let server = Script::willing().start().await;
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
    assert_eq!(send_at_once(&mailer, 20).await, (20, 0));
    old.await.unwrap();
    assert_eq!((server.connections(), server.commands("DATA")), (1, 40));
}

#[tokio::test]
async fn old_mails_that_hang_leave_sessions_to_new_ones() {
    let server = Script::willing().start().await;
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
async fn a_session_that_nobody_waits_for_any_more_goes_to_the_next() {
    let server = Script::willing().start().await;
    let mailer = SmtpMailer::new(SmtpOptions {
        connections: 1,
        ..server.options()
    })
    .unwrap();
    let held = mailer.session(Round::First).await.unwrap();
    for _ in 0..3 {
        let given_up = {
            let mailer = mailer.clone();
            tokio::spawn(async move { drop(mailer.session(Round::First).await) })
        };
        tokio::task::yield_now().await;
        given_up.abort();
        let _ = given_up.await;
    }
    drop(held);
    mailer.send(&message()).await.unwrap();
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_end_of_the_process_ends_sessions_in_order() {
    let server = Script::willing().start().await;
    let mailer = server.mailer();
    send_at_once(&mailer, 8).await;
    mailer.close().await;
    assert_eq!(server.commands("QUIT"), server.connections());
    // One after a refusal too.
    let refusing = Script::willing()
        .says("RCPT", "550 5.1.1 nobody\r\n")
        .start()
        .await;
    let mailer = refusing.mailer();
    mailer.send(&message()).await.unwrap_err();
    mailer.close().await;
    assert_eq!(refusing.commands("QUIT"), 1);
}

#[tokio::test]
async fn an_encrypted_session_ends_with_close_notify() {
    let authority = Authority::new();
    for encryption in [Encryption::StartTls, Encryption::Implicit] {
        let server = Script::willing()
            .offers("250-mail.example\r\n250 STARTTLS\r\n")
            .says("TLS EHLO", "250-mail.example\r\n250 AUTH PLAIN\r\n")
            .says("AUTH", "235 2.7.0 welcome\r\n")
            .with_tls(authority.acceptor(Flaw::None), encryption)
            .start()
            .await;
        let mailer = server.encrypted(encryption, &authority.trusted());
        mailer.send(&message()).await.unwrap();
        mailer.close().await;
        // rustls reports an end without close_notify as an error.
        assert!(server.ended_in_order().await);
    }
}
