//! S: disabling ends everything that was issued for an account, for good.

use std::sync::Mutex;
use std::thread;

use movie_bag_testkit::{Fault, Home, MailServer, NEW_PASSWORD, PASSWORD, Server, wait_until};

use super::{ANN, two_servers};

fn disable(home: &Home) {
    home.run(&["user", "disable", ANN, "--reason", "ticket 4711", "--yes"])
        .ok();
}

fn enable(home: &Home) {
    home.run(&["user", "enable", ANN]).ok();
}

/// Returns whether an access token is valid. A valid one gets 400, since the movie has no name.
fn opens(server: &Server, token: &str) -> bool {
    let answer = server.send("POST", "/api/movies", Some(token), "{}");
    match answer.status {
        400 => true,
        _ => {
            answer.fails_with(401, "invalid_access_token");
            false
        }
    }
}

pub fn a_disabling_ends_sessions_and_links_on_every_server_for_good(home: Home) {
    let (home, first, second) = two_servers(home);
    first.sign_up(ANN, PASSWORD);
    let mut sessions = Vec::new();
    let mut links = Vec::new();
    for round in 0..3 {
        for server in [&first, &second] {
            sessions.push(server.access_token(ANN, PASSWORD));
        }
        links.push(first.reset_token(ANN));
        links.push(home.reset_token(ANN));
        let newest = sessions.last().unwrap();
        assert!([&first, &second].iter().all(|server| opens(server, newest)));
        disable(&home);
        for is_enabled in [false, true] {
            if is_enabled {
                enable(&home);
            }
            for server in [&second, &first] {
                for token in &sessions {
                    assert!(!opens(server, token), "round {round}");
                }
                for link in &links {
                    server
                        .reset(link, NEW_PASSWORD)
                        .fails_with(403, "bad_token");
                    server.reset_on_page(link, NEW_PASSWORD).is(403);
                    server.get(&format!("/reset/{link}")).is(403);
                }
                server
                    .log_in(ANN, PASSWORD)
                    .is(if is_enabled { 200 } else { 401 });
                server.forgot(ANN).is(if is_enabled { 200 } else { 400 });
            }
        }
    }
    let history = home.whole_history(ANN);
    let reasons = history
        .iter()
        .filter(|event| event["kind"] == "disabled")
        .map(|event| event["detail"].as_str().unwrap());
    assert_eq!(reasons.collect::<Vec<_>>(), ["ticket 4711"; 3]);
}

/// An invitation and a reset mail are queued, and later one mail hangs while it is sent.
pub fn mails_of_a_disabled_account_are_void(home: Home) {
    let home = home.with("MAIL_PORT", "1");
    let invited = home.run(&["user", "create", "--email", ANN, "--invite"]);
    invited.exits(7);
    let server = home.serve_alone(&[]);
    server.forgot(ANN).is(200);
    assert_eq!(home.outbox().len(), 2);
    disable(&home);
    assert_eq!(home.outbox().len(), 0);
    server.forgot(ANN).fails_with(400, "email_does_not_exist");
    assert_eq!(home.outbox().len(), 0);
    enable(&home);
    assert_eq!(home.outbox().len(), 0);
    server.stop();

    let mail_server = MailServer::start(&[Fault::HangsInData]);
    let home = home
        .with("MAIL_PORT", mail_server.port())
        .with("MOVIE_BAG_MAIL_TIMEOUT", "3s");
    let server = home.serve_alone(&[]);
    server.forgot(ANN).is(200);
    wait_until("the mail is being sent", || mail_server.connections() == 1);
    disable(&home);
    wait_until("the attempt is over", || {
        server.stderr().contains("mail not sent")
    });
    let stderr = server.stderr();
    assert!(!stderr.contains("another worker"), "{stderr}");
    assert_eq!(home.outbox().len(), 0);
    // The first mail that arrives was requested after the account was enabled again.
    enable(&home);
    server.forgot(ANN).is(200);
    wait_until("the new mail arrives", || home.outbox().is_empty());
    assert_eq!(mail_server.stored().len(), 1);
}

/// Resets, logins and reset requests race with the disabling of their account.
pub fn a_disabling_wins_every_race(home: Home) {
    let (home, first, second) = two_servers(home);
    for round in 0..6 {
        first.sign_up(ANN, PASSWORD);
        let links = [home.reset_token(ANN), home.reset_token(ANN)];
        let sessions = Mutex::new(vec![first.access_token(ANN, PASSWORD)]);
        let resets = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for (server, link) in [&first, &second].into_iter().zip(&links) {
                let (sessions, resets) = (&sessions, &resets);
                scope.spawn(move || {
                    let answer = server.reset(link, NEW_PASSWORD);
                    assert!(matches!(answer.status, 200 | 403), "{}", answer.text);
                    resets.lock().unwrap().push(answer.status);
                });
                scope.spawn(move || {
                    for password in [PASSWORD, NEW_PASSWORD] {
                        let answer = server.log_in(ANN, password);
                        if answer.status == 200 {
                            let token = answer.body["token"].as_str().unwrap().to_owned();
                            sessions.lock().unwrap().push(token);
                        }
                        assert!(matches!(server.forgot(ANN).status, 200 | 400));
                    }
                });
            }
            disable(&home);
        });
        let refused = |password: &str| {
            for server in [&first, &second] {
                server.log_in(ANN, password).fails_with(401, "unauthorized");
            }
        };
        refused(PASSWORD);
        refused(NEW_PASSWORD);
        assert_eq!(home.outbox().len(), 0, "round {round}");
        enable(&home);
        let sessions = sessions.into_inner().unwrap();
        for token in &sessions {
            assert!(!opens(&first, token), "round {round}");
        }
        for link in &links {
            first.reset(link, NEW_PASSWORD).fails_with(403, "bad_token");
        }
        // A reset has preceded the disabling, or it was refused.
        let was_reset = resets.into_inner().unwrap().contains(&200);
        let valid = if was_reset { NEW_PASSWORD } else { PASSWORD };
        first.access_token(ANN, valid);
        home.run(&["user", "delete", "--email", ANN, "--yes"]).ok();
    }
}
