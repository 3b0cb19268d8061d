//! Sessions that serve many mails, and servers that end them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::message;
use super::server::{HANG, Script};
use crate::mail::smtp::pool::Pool;
use crate::mail::smtp::{SmtpMailer, SmtpOptions};
use crate::mail::{Mailer as _, SENT_AT_ONCE};

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
        let sent: Vec<_> = (0..SENT_AT_ONCE)
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
        server.connections() <= SENT_AT_ONCE,
        "{}",
        server.connections()
    );
    assert_eq!(server.commands("MAIL"), 20 + 5 * SENT_AT_ONCE);
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
    mailer.pool = Pool::new(Duration::from_millis(50));
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
