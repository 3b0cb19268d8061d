//! Attacks on the change of the address by its owner: taking an account over, finding out who has one, and links that are opened
//! by scanners or twice.

use std::io::Write as _;
use std::sync::Barrier;
use std::thread;

use serde_json::json;

use movie_bag_testkit::{Answer, Home, NEW_PASSWORD, PASSWORD, Server};

use super::{ANN, BOB, RESET, once_available, two_servers};

const NEW: &str = "ann@new.example";
const CONFIRM: &str = "[Movie-bag] Confirm your new email address";
const CHANGED: &str = "[Movie-bag] Your email address was changed";
const EXISTS: &str = "[Movie-bag] You already have an account";

/// Requests a change with an access token.
fn request(server: &Server, access: &str, password: &str, to: &str) -> Answer {
    let body = json!({"password": password, "email": to}).to_string();
    server.send("POST", "/api/account/email", Some(access), &body)
}

fn confirm(server: &Server, token: &str) -> Answer {
    server.post("/api/auth/confirm-email", json!({"token": token}))
}

fn revert(server: &Server, token: &str) -> Answer {
    server.post("/api/auth/revert-email", json!({"token": token}))
}

/// Requests a change, and returns the token from the mail to the new address.
fn change_token(server: &Server, access: &str, password: &str, to: &str) -> String {
    let before = server.inbox().count(to, CONFIRM);
    request(server, access, password, to).is(200);
    server
        .inbox()
        .wait_for_count(to, CONFIRM, before + 1)
        .token()
}

/// Changes the address, and returns the token from the mail to the previous one.
fn change(server: &Server, access: &str, password: &str, from: &str, to: &str) -> String {
    let token = change_token(server, access, password, to);
    let before = server.inbox().count(from, CHANGED);
    confirm(server, &token).is(200);
    server
        .inbox()
        .wait_for_count(from, CHANGED, before + 1)
        .token()
}

fn assert_history(home: &Home, email: &str, kinds: &[&str]) {
    let history = home.history(email);
    for kind in kinds {
        assert!(
            history.iter().any(|event| event["kind"] == *kind),
            "{kind}: {history:?}"
        );
    }
}

fn is_open(server: &Server, access: &str) -> bool {
    let movie = json!({"name": access, "casts": ["a"], "genres": ["b"]}).to_string();
    let answer = server.send("POST", "/api/movies", Some(access), &movie);
    match answer.status {
        // A second movie of the same name shows that the token was accepted.
        200 | 400 => true,
        401 => false,
        status => panic!("{status}: {}", answer.text),
    }
}

pub fn an_address_changes_only_when_the_new_one_confirms_it(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let access = server.access_token(ANN, PASSWORD);
    // A stolen session alone cannot change it.
    for wrong in [NEW_PASSWORD, ""] {
        request(&server, &access, wrong, NEW).fails_with(401, "unauthorized");
    }
    let body = json!({"password": PASSWORD, "email": NEW}).to_string();
    server
        .send("POST", "/api/account/email", None, &body)
        .fails_with(401, "missing_token");
    request(&server, &access, PASSWORD, "no address").fails_with(400, "invalid_email");
    request(&server, &access, PASSWORD, ANN).fails_with(400, "email_already_exists");

    let token = change_token(&server, &access, PASSWORD, NEW);
    let path = format!("/confirm-email/{token}");
    for method in ["GET", "HEAD", "OPTIONS"] {
        server.send(method, &path, None, "");
    }
    server.access_token(ANN, PASSWORD);
    server.log_in(NEW, PASSWORD).fails_with(401, "unauthorized");
    let reset = home.reset_token(ANN);
    assert_eq!(server.post_form(&path, "").status, 200);
    server.log_in(ANN, PASSWORD).fails_with(401, "unauthorized");
    server.access_token(NEW, PASSWORD);
    assert!(is_open(&server, &access), "sessions continue");
    server
        .reset(&reset, NEW_PASSWORD)
        .fails_with(403, "bad_token");
    // Once, and for nothing else.
    confirm(&server, &token).fails_with(403, "bad_token");
    assert_eq!(server.get(&path).status, 403);
    server
        .reset(&token, NEW_PASSWORD)
        .fails_with(403, "bad_token");
    assert!(!is_open(&server, &token));
    assert_history(&home, NEW, &["address_requested", "address_changed"]);
}

pub fn a_change_of_the_address_does_not_reveal_who_has_an_account(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    server.sign_up(BOB, PASSWORD);
    let access = server.access_token(ANN, PASSWORD);
    let free = request(&server, &access, PASSWORD, NEW);
    let token = server.inbox().wait_for_count(NEW, CONFIRM, 1).token();
    let taken = request(&server, &access, PASSWORD, "Bob@EXAMPLE.com");
    assert_eq!((free.status, &free.text), (taken.status, &taken.text));
    assert_eq!(free.status, 200);
    let told = server.inbox().wait_for_count(BOB, EXISTS, 1);
    assert_eq!(told.find_link(), None);
    assert_eq!(server.inbox().count(BOB, CONFIRM), 0);
    // The first request was replaced by the second one, and nothing has changed.
    confirm(&server, &token).fails_with(403, "bad_token");
    server.access_token(ANN, PASSWORD);
    server.access_token(BOB, PASSWORD);
    // An address that was taken between request and confirmation.
    let token = change_token(&server, &access, PASSWORD, NEW);
    server.sign_up(NEW, NEW_PASSWORD);
    confirm(&server, &token).fails_with(400, "email_already_exists");
    server.access_token(ANN, PASSWORD);
}

pub fn a_change_of_the_address_dies_with_the_password(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let access = server.access_token(ANN, PASSWORD);
    // A thief requests a change, and the owner resets the password in the meantime.
    let token = change_token(&server, &access, PASSWORD, "thief@example.com");
    server.reset(&home.reset_token(ANN), NEW_PASSWORD).is(200);
    confirm(&server, &token).fails_with(403, "bad_token");
    server.access_token(ANN, NEW_PASSWORD);
    assert_history(&home, ANN, &["address_requested", "address_refused"]);
}

pub fn the_owner_takes_the_account_back_by_the_link_in_the_old_mailbox(home: Home) {
    const THIEF: &str = "thief@example.com";
    const ACCOMPLICE: &str = "accomplice@example.com";
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    // The thief knows the password, changes the address, then the password, and then the address again.
    let access = server.access_token(ANN, PASSWORD);
    let owners = change(&server, &access, PASSWORD, ANN, THIEF);
    server.reset(&home.reset_token(THIEF), NEW_PASSWORD).is(200);
    let access = server.access_token(THIEF, NEW_PASSWORD);
    let thiefs = change(&server, &access, NEW_PASSWORD, THIEF, ACCOMPLICE);
    // No one gets the old address by an open sign-up meanwhile.
    let taken = json!({"email": ANN, "password": PASSWORD});
    server
        .post("/api/auth/signup", taken)
        .fails_with(400, "email_already_exists");

    let path = format!("/revert-email/{owners}");
    for method in ["GET", "HEAD", "OPTIONS"] {
        server.send(method, &path, None, "");
    }
    assert!(
        is_open(&server, &access),
        "opening the link changes nothing"
    );
    let before = server.inbox().count(ANN, RESET);
    assert_eq!(server.post_form(&path, "").status, 200);
    assert!(!is_open(&server, &access), "all sessions end");
    for (email, password) in [
        (ACCOMPLICE, NEW_PASSWORD),
        (THIEF, NEW_PASSWORD),
        (ANN, NEW_PASSWORD),
        (ANN, PASSWORD),
    ] {
        server
            .log_in(email, password)
            .fails_with(401, "unauthorized");
    }
    // The thief's own link, and a second use of the owner's, change nothing.
    for token in [&thiefs, &owners] {
        revert(&server, token).fails_with(403, "bad_token");
    }
    let token = server
        .inbox()
        .wait_for_count(ANN, RESET, before + 1)
        .token();
    server.reset(&token, "a third password of hers").is(200);
    server.access_token(ANN, "a third password of hers");
    for token in [&thiefs, &owners] {
        revert(&server, token).fails_with(403, "bad_token");
    }
    server.access_token(ANN, "a third password of hers");
}

pub fn a_thief_cannot_end_the_owners_link_by_reverting_a_change_of_his_own(home: Home) {
    const THIEF: &str = "thief@example.com";
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let access = server.access_token(ANN, PASSWORD);
    let owners = change(&server, &access, PASSWORD, ANN, THIEF);
    let thiefs = change(&server, &access, PASSWORD, THIEF, "accomplice@example.com");
    let before = server.inbox().count(THIEF, RESET);
    revert(&server, &thiefs).is(200);
    let token = server
        .inbox()
        .wait_for_count(THIEF, RESET, before + 1)
        .token();
    server.reset(&token, NEW_PASSWORD).is(200);
    revert(&server, &owners).is(200);
    server
        .log_in(THIEF, NEW_PASSWORD)
        .fails_with(401, "unauthorized");
    server.reset(&home.reset_token(ANN), PASSWORD).is(200);
    server.access_token(ANN, PASSWORD);
}

pub fn one_of_twenty_confirmations_of_an_address_succeeds(home: Home) {
    let (home, first, second) = two_servers(home);
    first.sign_up(ANN, PASSWORD);
    let access = first.access_token(ANN, PASSWORD);
    let token = change_token(&first, &access, PASSWORD, NEW);
    let at_once = |send: &(dyn Fn(&Server) -> u16 + Sync)| {
        let start = Barrier::new(20);
        let statuses: Vec<u16> = thread::scope(|scope| {
            let (start, first, second) = (&start, &first, &second);
            let rivals: Vec<_> = (0..20)
                .map(|rival| {
                    scope.spawn(move || {
                        start.wait();
                        send(if rival % 2 == 0 { first } else { second })
                    })
                })
                .collect();
            let join = |rival: thread::ScopedJoinHandle<'_, _>| rival.join().unwrap();
            rivals.into_iter().map(join).collect()
        });
        assert!(
            statuses.iter().all(|status| [200, 403].contains(status)),
            "{statuses:?}"
        );
        statuses.iter().filter(|status| **status == 200).count()
    };
    assert_eq!(at_once(&|server| confirm(server, &token).status), 1);
    let link = first.inbox().wait_for_count(ANN, CHANGED, 1).token();
    assert_eq!(at_once(&|server| revert(server, &link).status), 1);
    let history = home.history(ANN);
    for kind in ["address_changed", "address_reverted"] {
        let lines = history.iter().filter(|event| event["kind"] == kind);
        assert_eq!(lines.count(), 1, "{kind}");
    }
}

pub fn an_address_is_whole_when_the_server_is_killed(home: Home) {
    let home = home.with("MOVIE_BAG_LOG", "error");
    // A transaction of a killed server holds its documents for a minute, so there are fewer rounds on MongoDB.
    let (rounds, step) = if home.is_on_mongodb() {
        (4, 25)
    } else {
        (12, 3)
    };
    let (mut done, mut undone) = (0, 0);
    for round in 0..rounds {
        let server = home.serve(&[]);
        let (old, new) = (
            format!("old{round}@example.com"),
            format!("new{round}@example.com"),
        );
        server.sign_up(&old, PASSWORD);
        let access = server.access_token(&old, PASSWORD);
        let token = change_token(&server, &access, PASSWORD, &new);
        let address = server.address().to_owned();
        let body = json!({"token": token}).to_string();
        let is_acknowledged = thread::scope(|scope| {
            let confirming = scope.spawn(|| {
                let sent = ureq::post(format!("http://{address}/api/auth/confirm-email"))
                    .header("Content-Type", "application/json")
                    .send(&body);
                sent.is_ok_and(|answer| answer.status() == 200)
            });
            // At different points: as many other requests are answered first.
            for _ in 0..step * round {
                server.get("/healthz");
            }
            server.kill();
            confirming.join().unwrap()
        });
        let server = home.serve_alone(&[]);
        let is_new = server.log_in(&new, PASSWORD).status == 200;
        let is_old = server.log_in(&old, PASSWORD).status == 200;
        assert!(is_new != is_old, "round {round}: one address");
        assert!(is_new || !is_acknowledged, "round {round}: acknowledged");
        let again = once_available(|| confirm(&server, &token));
        if is_new {
            again.fails_with(403, "bad_token");
            done += 1;
        } else {
            again.is(200);
            undone += 1;
        }
        // The old address has its link in the outbox, or it was sent.
        let history = home.history(&new);
        let changes = history
            .iter()
            .filter(|event| event["kind"] == "address_changed");
        assert_eq!(changes.count(), 1, "round {round}");
        server.kill();
    }
    let _ = writeln!(
        std::io::stderr(),
        "{rounds} changes of an address and as many kills: {done} were done, {undone} were not"
    );
}
