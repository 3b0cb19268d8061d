//! Delivery to real mail servers in their default configuration.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use movie_bag_testkit::{Home, PASSWORD, Postfix, postfix, wait_until};

const RECIPIENTS: [&str; 3] = ["ann@a.example", "bob@b.example", "carl@c.example"];

/// Returns the maximum number of failures within a time, given the growing delays and their jitter.
fn max_failures(within: Duration) -> usize {
    let (mut at, mut delay, mut failures) = (Duration::ZERO, Duration::from_millis(800), 0);
    while at <= within {
        failures += 1;
        at += delay;
        delay *= 2;
    }
    failures
}

#[test]
fn postfix_relays_a_reset_once_the_password_is_right() {
    let home = Home::fresh();
    let sink = home.sink(&["--format", "none"]);
    // A limit that many providers have.
    let Some(server) = Postfix::start(sink.port(), "smtpd_client_connection_count_limit = 3")
    else {
        return;
    };
    let home = home
        .with("MAIL_PORT", server.port())
        .with("MAIL_USE_TLS", "true")
        .with("MAIL_CA_FILE", server.certificate().display().to_string());

    // Without a login, Postfix refuses to relay with a permanent error at RCPT. No mail is given up for it.
    let serving = home.serve_alone(&[]);
    for email in RECIPIENTS {
        serving.sign_up(email, PASSWORD);
        crate::outbox::forgot(&serving, email);
    }
    wait_until("relaying is denied", || {
        server.logged("Relay access denied").len() >= 3
    });
    wait_until("the refusals are recorded", || {
        home.outbox().iter().any(|mail| {
            mail["last_error"]
                .as_str()
                .is_some_and(|error| error.contains("554 5.7.1"))
        })
    });
    assert!(serving.stop().success());
    assert!(home.outbox().iter().all(|mail| mail["state"] == "waiting"));

    // With a wrong password there is one login per delay, however many mails are queued.
    let home = home
        .with("MAIL_USERNAME", postfix::USER)
        .with("MAIL_PASSWORD", "not that one");
    let began = Instant::now();
    let serving = home.serve_alone(&[]);
    for _ in 0..10 {
        for email in RECIPIENTS {
            crate::outbox::forgot(&serving, email);
        }
    }
    let failed_logins = || server.logged("authentication failed").len();
    wait_until("four logins have failed", || failed_logins() >= 4);
    let (failures, within) = (failed_logins(), began.elapsed());
    assert!(failures <= max_failures(within), "{failures} in {within:?}");
    assert!(serving.stop().success());
    let waiting = home.outbox();
    assert_eq!(waiting.len(), 33);
    assert!(waiting.iter().all(|mail| mail["state"] == "waiting"));
    let untried = waiting.iter().filter(|mail| mail["attempts"] == 0).count();
    assert!(untried >= 30, "{waiting:?}");
    // A flush is one login.
    let before = failed_logins();
    home.run(&["outbox", "flush"]).exits(7);
    wait_until("the login is refused", || failed_logins() > before);
    assert_eq!(failed_logins(), before + 1);

    // With the right password all mails arrive, over no more connections than Postfix accepts.
    let home = home.with("MAIL_PASSWORD", postfix::LOGIN_PASSWORD);
    let serving = home.serve_alone(&[]);
    wait_until("all mails have arrived", || {
        sink.inbox().messages().len() >= 33
    });
    let mail = sink.inbox().wait_for(RECIPIENTS[0]);
    assert!(mail.link().contains("/reset/"));
    wait_until("the outbox is empty", || home.outbox().is_empty());
    assert!(serving.stop().success());
    let ids: BTreeSet<String> = sink
        .inbox()
        .messages()
        .iter()
        .map(|message| message["MessageID"].to_string())
        .collect();
    assert_eq!((sink.inbox().messages().len(), ids.len()), (33, 33));

    // Each session has ended in order.
    wait_until("the last session is logged", || {
        server.logged(": disconnect from").len() == server.logged(": connect from").len()
    });
    for line in server.logged(": disconnect from") {
        let is_refused = !line.contains("ehlo=");
        assert!(is_refused || line.contains("quit=1"), "{line}");
    }
    assert!(server.logged("lost connection after AUTH").is_empty());
}
