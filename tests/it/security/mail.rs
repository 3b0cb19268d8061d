//! M: mail delivery while other systems fail. `outbox.rs` has more of it.

use movie_bag_testkit::{ClosedPort, Fault, Home, MailServer, NEW_PASSWORD, PASSWORD, wait_until};

use super::{ANN, BOB, CONFIRMATION, RESET};

pub fn a_mail_with_an_invalidated_link_is_dead_and_visible(home: Home) {
    let down = ClosedPort::reserve();
    let home = home.with("MAIL_PORT", down.port());
    let server = home.serve_alone(&[]);
    for email in [ANN, BOB] {
        server.sign_up(email, PASSWORD);
        server.forgot(email).is(200);
    }
    wait_until("the outage is noticed", || {
        home.outbox()
            .iter()
            .any(|mail| !mail["last_error"].is_null())
    });
    server.reset(&home.reset_token(ANN), NEW_PASSWORD).is(200);
    let _sink = home.sink(&["--listen", &down.address()]);
    let inbox = _sink.inbox();
    inbox.wait_for_count(BOB, RESET, 1);
    inbox.wait_for_count(ANN, CONFIRMATION, 1);
    wait_until("the reset mail is dead", || {
        let outbox = home.outbox();
        outbox.len() == 1 && outbox[0]["state"] == "dead" && outbox[0]["email"] == ANN
    });
    assert_eq!(inbox.count(ANN, RESET), 0);
    let failed = home.history(ANN);
    assert!(failed.iter().any(|event| event["kind"] == "mail_failed"));
}

pub fn a_mail_leased_by_a_dead_server_is_sent_by_another(home: Home) {
    let mail_server = MailServer::start(&[Fault::HangsInData]);
    let home = home.with("MAIL_PORT", mail_server.port());
    let first = home.serve_alone(&[]);
    first.sign_up(ANN, PASSWORD);
    first.forgot(ANN).is(200);
    wait_until("the mail is being sent", || mail_server.connections() == 1);
    first.kill();
    assert!(mail_server.stored().is_empty());
    let _second = home.serve_alone(&[]);
    wait_until("the mail arrives", || mail_server.stored().len() == 1);
    wait_until("the attempt is recorded", || home.outbox().is_empty());
    assert_eq!(mail_server.stored()[0].to, ANN);
}

pub fn no_mail_is_sent_without_the_required_encryption(home: Home) {
    // The server offers no STARTTLS, and would accept any mail.
    let mail_server = MailServer::start(&[]);
    for key in ["MAIL_USE_TLS", "MAIL_USE_SSL"] {
        let email = format!("{}@example.com", key.to_lowercase().replace('_', "-"));
        home.create_account(&email, PASSWORD);
        let mut forgot = home.command(&["forgot", "--email", &email]);
        forgot
            .env(key, "true")
            .env("MAIL_PORT", mail_server.port())
            .env("MAIL_USERNAME", "postmaster")
            .env("MAIL_PASSWORD", "not in plaintext")
            .env("MOVIE_BAG_MAIL_TIMEOUT", "3s");
        let output = movie_bag_testkit::Output::run(forgot, "").exits(7);
        assert!(output.stderr.contains("TLS"), "{}", output.stderr);
        let failed = home.history(&email);
        let failed = failed.iter().find(|event| event["kind"] == "mail_failed");
        let detail = failed.unwrap()["detail"].as_str().unwrap();
        let why = if key == "MAIL_USE_TLS" {
            "STARTTLS"
        } else {
            "cannot establish TLS"
        };
        assert!(detail.contains(why), "{key}: {detail}");
    }
    assert!(mail_server.stored().is_empty());
    assert_eq!(home.outbox().len(), 2, "the mails stay queued");
}
