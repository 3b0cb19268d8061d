//! Attacks on verified sign-up: who has an account, accounts in the name of others, and links that are opened by scanners or
//! twice.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Barrier, mpsc};
use std::thread;

use serde_json::{Value, json};

use movie_bag_testkit::{Answer, ClosedPort, Home, NEW_PASSWORD, PASSWORD, Server};

use super::{ANN, BOB, once_available, two_servers};

const CONFIRM: &str = "[Movie-bag] Confirm your email address";
const EXISTS: &str = "[Movie-bag] You already have an account";

fn verified(home: Home) -> Home {
    home.with("MOVIE_BAG_SIGNUP", "verified")
}

fn request(server: &Server, email: &str) -> Answer {
    server.post("/api/auth/signup", json!({"email": email}))
}

fn confirm(server: &Server, token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "password": password});
    server.post("/api/auth/confirm-signup", body)
}

/// Requests an account, and returns the token from the mail.
fn link_token(server: &Server, email: &str) -> String {
    let before = server.inbox().count(email, CONFIRM);
    request(server, email).is(200);
    server
        .inbox()
        .wait_for_count(email, CONFIRM, before + 1)
        .token()
}

fn accounts(home: &Home) -> usize {
    let listed = home.run(&["user", "list", "--json"]).ok();
    listed.stdout.lines().count()
}

/// Returns an answer without what differs between any two requests.
fn comparable(answer: &Answer) -> (u16, String, BTreeMap<String, String>) {
    let headers = answer.headers.iter();
    let headers = headers.filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    let headers = headers.map(|(name, value)| {
        let value = value.to_str().unwrap().to_owned();
        (name.to_string(), value)
    });
    (answer.status, answer.text.clone(), headers.collect())
}

pub fn sign_up_does_not_reveal_who_has_an_account(home: Home) {
    let home = verified(home);
    home.create_account(BOB, PASSWORD);
    let server = home.serve(&[]);
    for spelling in [BOB, "BOB@example.com", " bob@EXAMPLE.com "] {
        let (free, taken) = (request(&server, ANN), request(&server, spelling));
        assert_eq!(comparable(&free), comparable(&taken));
        assert_eq!(free.status, 200);
        assert!(free.body["id"].is_null());
    }
    for form in ["email=ann%40example.com", "email=bob%40example.com"] {
        assert_eq!(server.post_form("/signup", form).status, 200);
    }
    let told = server.inbox().wait_for_count(BOB, EXISTS, 4);
    assert_eq!(told.find_link(), None, "{}", told.text);
    server.inbox().wait_for_count(ANN, CONFIRM, 4);
    assert_eq!(server.inbox().count(BOB, CONFIRM), 0);
    server.access_token(BOB, PASSWORD);
    assert!(server.stop().success());

    // The same work: what is stored before the mails are sent differs in the addresses and in nothing else.
    let down = ClosedPort::reserve();
    let home = home.with("MAIL_PORT", down.port());
    let server = home.serve_alone(&[]);
    let stored = || {
        let entries = home.outbox();
        let count = |field: &str| {
            let values = entries.iter().map(|entry| entry[field].to_string());
            values.collect::<Vec<_>>()
        };
        (entries.len(), count("kind"), count("state"))
    };
    request(&server, "free@example.com").is(200);
    let (one, kinds, states) = stored();
    assert_eq!((one, kinds), (1, vec!["\"confirm_signup\"".to_owned()]));
    request(&server, BOB).is(200);
    let (two, kinds, both) = stored();
    assert_eq!((two, &kinds[0]), (2, &kinds[1]));
    assert_eq!([states.clone(), states].concat(), both);
}

pub fn a_sign_up_creates_nothing_before_its_confirmation(home: Home) {
    let home = verified(home);
    let server = home.serve(&[]);
    // Pre-hijacking: an attacker signs up with the victim's address first.
    let token = link_token(&server, ANN);
    let refused = server.post(
        "/api/auth/signup",
        json!({"email": ANN, "password": PASSWORD}),
    );
    let refused = refused.fails_with(400, "schema_validation");
    let reason = refused.body["fields"]["password"].as_str().unwrap();
    assert!(reason.starts_with("is chosen later"), "{reason}");
    server.log_in(ANN, PASSWORD).fails_with(401, "unauthorized");
    home.run(&["user", "show", "--email", ANN]).exits(3);
    let opened = home.run(&["forgot", "--email", ANN, "--print-link"]);
    opened.exits(3);
    assert_eq!(accounts(&home), 0);
    let pending = home.run(&["user", "list", "--pending", "--json"]).ok();
    assert_eq!(pending.json()["email"], ANN);

    // The address is not reserved.
    home.create_account(ANN, NEW_PASSWORD);
    assert_eq!(server.get(&format!("/confirm-signup/{token}")).status, 200);
    confirm(&server, &token, PASSWORD).fails_with(400, "email_already_exists");
    confirm(&server, &token, PASSWORD).fails_with(403, "bad_token");
    server.access_token(ANN, NEW_PASSWORD);
    server.log_in(ANN, PASSWORD).fails_with(401, "unauthorized");
}

pub fn a_confirmation_link_that_a_scanner_opens_creates_nothing(home: Home) {
    let home = verified(home);
    let server = home.serve(&[]);
    let token = link_token(&server, ANN);
    let path = format!("/confirm-signup/{token}");
    for method in ["GET", "HEAD", "GET", "OPTIONS"] {
        server.send(method, &path, None, "");
    }
    assert_eq!(accounts(&home), 0);
    // A refused password leaves the link usable.
    confirm(&server, &token, "short").fails_with(400, "weak_password");
    assert_eq!(accounts(&home), 0);
    let form = "password=correct+horse+battery&password_again=correct+horse";
    assert_eq!(server.post_form(&path, form).status, 400);
    let form = "password=correct+horse+battery&password_again=correct+horse+battery";
    assert_eq!(server.post_form(&path, form).status, 200);
    server.access_token(ANN, PASSWORD);
    assert_eq!(server.post_form(&path, form).status, 403);
}

pub fn a_confirmation_logs_nobody_in(home: Home) {
    let home = verified(home);
    let server = home.serve(&[]);
    // Session fixation: the attacker sends the link for an account of his own to the victim.
    let token = link_token(&server, ANN);
    let page = server.get(&format!("/confirm-signup/{token}"));
    assert!(!page.text.contains(ANN), "the page names no account");
    let confirmed = confirm(&server, &token, PASSWORD).is(200);
    assert!(!confirmed.headers.contains_key("set-cookie"));
    let fields: Vec<_> = confirmed.body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["id"]);
    // Its token opens nothing else.
    server
        .reset(&token, NEW_PASSWORD)
        .fails_with(403, "bad_token");
    let movie = json!({"name": "Metropolis", "casts": ["a"], "genres": ["b"]}).to_string();
    server
        .send("POST", "/api/movies", Some(&token), &movie)
        .fails_with(401, "invalid_access_token");
    let body = json!({"token": token});
    for path in ["/api/auth/confirm-email", "/api/auth/revert-email"] {
        server.post(path, body.clone()).fails_with(403, "bad_token");
    }
    let access = server.access_token(ANN, PASSWORD);
    for other in [access, home.reset_token(ANN)] {
        confirm(&server, &other, NEW_PASSWORD).fails_with(403, "bad_token");
    }
}

pub fn one_of_fifty_confirmations_creates_the_account(home: Home) {
    let (home, first, second) = two_servers(verified(home));
    let mut tokens = vec![link_token(&first, ANN)];
    request(&second, ANN).is(200);
    tokens.push(first.inbox().wait_for_count(ANN, CONFIRM, 2).token());
    let start = Barrier::new(51);
    let outcomes: Vec<(u16, Value)> = thread::scope(|scope| {
        let (start, tokens, first, second) = (&start, &tokens, &first, &second);
        let rivals: Vec<_> = (0..50)
            .map(|rival| {
                scope.spawn(move || {
                    let server = if rival % 2 == 0 { first } else { second };
                    let password = format!("{NEW_PASSWORD} {rival}");
                    start.wait();
                    let answer = confirm(server, &tokens[rival / 2 % 2], &password);
                    (answer.status, answer.body["id"].clone())
                })
            })
            .collect();
        start.wait();
        let join = |rival: thread::ScopedJoinHandle<'_, _>| rival.join().unwrap();
        rivals.into_iter().map(join).collect()
    });
    let done: Vec<_> = outcomes
        .iter()
        .filter(|(status, _)| *status == 200)
        .collect();
    assert_eq!(done.len(), 1, "{outcomes:?}");
    assert_eq!(accounts(&home), 1);
    let winner = outcomes.iter().position(|(status, _)| *status == 200);
    first.access_token(ANN, &format!("{NEW_PASSWORD} {}", winner.unwrap()));
    let created = home.history(ANN);
    let created = created.iter().filter(|event| event["kind"] == "created");
    assert_eq!(created.count(), 1);
}

pub fn a_confirmation_beside_user_create_makes_one_account(home: Home) {
    let home = verified(home);
    let server = home.serve(&[]);
    for round in 0..5 {
        let email = format!("user{round}@example.com");
        let token = link_token(&server, &email);
        let start = Barrier::new(2);
        let (status, code) = thread::scope(|scope| {
            let created = scope.spawn(|| {
                start.wait();
                let arguments = ["user", "create", "--email", &email, "--password-stdin"];
                home.run_with_input(&arguments, &format!("{PASSWORD}\n"))
                    .code
            });
            start.wait();
            let status = confirm(&server, &token, NEW_PASSWORD).status;
            (status, created.join().unwrap())
        });
        assert!(
            matches!((status, code), (200, Some(6)) | (400, Some(0))),
            "{status} {code:?}"
        );
        let password = if status == 200 {
            NEW_PASSWORD
        } else {
            PASSWORD
        };
        server.access_token(&email, password);
    }
    assert_eq!(accounts(&home), 5);
}

pub fn pending_sign_ups_are_bounded_and_survive_a_restart(home: Home) {
    let home = verified(home).with("MOVIE_BAG_PENDING_SIGNUPS", "2");
    home.create_account(BOB, PASSWORD);
    let down = ClosedPort::reserve();
    let home = home.with("MAIL_PORT", down.port());
    let server = home.serve_alone(&[]);
    request(&server, ANN).is(200);
    request(&server, "carl@example.com").is(200);
    // Free, taken and pending addresses get the same refusal.
    let refused = ["dora@example.com", BOB, ANN].map(|email| {
        let refused = request(&server, email).fails_with(503, "unavailable");
        assert!(refused.headers.contains_key("retry-after"));
        comparable(&refused)
    });
    assert!(refused.iter().all(|one| *one == refused[0]), "{refused:?}");
    server.access_token(BOB, PASSWORD);
    server.kill();
    let sink = home.sink(&["--listen", &down.address()]);
    let server = home.serve_alone(&[]);
    let token = sink.inbox().wait_for(ANN).token();
    confirm(&server, &token, PASSWORD).is(200);
    // Now there is place for another one.
    request(&server, "dora@example.com").is(200);
}

/// The server is killed after a different number of acknowledged confirmations in each round, while others are in progress.
pub fn a_confirmation_is_atomic_when_the_server_is_killed(home: Home) {
    const ROUNDS: usize = 10;
    const CONFIRMATIONS: usize = 10;
    let home = verified(home).with("MOVIE_BAG_LOG", "error");
    let (mut done, mut undone) = (0, 0);
    for round in 0..ROUNDS {
        let server = home.serve(&[]);
        let emails: Vec<_> = (0..CONFIRMATIONS)
            .map(|number| format!("ann{number}.{round}@example.com"))
            .collect();
        for email in &emails {
            request(&server, email).is(200);
        }
        let token = |email: &String| server.inbox().wait_for_count(email, CONFIRM, 1).token();
        let tokens: Vec<_> = emails.iter().map(token).collect();
        let address = server.address().to_owned();
        let acknowledged: Vec<bool> = thread::scope(|scope| {
            let (sender, acknowledgements) = mpsc::channel();
            let confirm = |token: &String| {
                let sender = sender.clone();
                let body = json!({"token": token, "password": PASSWORD}).to_string();
                let request = ureq::post(format!("http://{address}/api/auth/confirm-signup"))
                    .header("Content-Type", "application/json");
                scope.spawn(move || {
                    let sent = request.send(body);
                    let is_acknowledged = sent.is_ok_and(|answer| answer.status() == 200);
                    if is_acknowledged {
                        sender.send(()).unwrap();
                    }
                    is_acknowledged
                })
            };
            let confirmations: Vec<_> = tokens.iter().map(confirm).collect();
            drop(sender);
            let awaited = round * CONFIRMATIONS / ROUNDS;
            assert_eq!(acknowledgements.iter().take(awaited).count(), awaited);
            server.kill();
            let join = |one: thread::ScopedJoinHandle<'_, bool>| one.join().unwrap();
            confirmations.into_iter().map(join).collect()
        });

        let server = home.serve_alone(&[]);
        for ((email, token), acknowledged) in emails.iter().zip(&tokens).zip(acknowledged) {
            let is_whole = server.log_in(email, PASSWORD).status == 200;
            assert!(
                is_whole || !acknowledged,
                "{email}: an acknowledged account is stored"
            );
            let again = once_available(|| confirm(&server, token, NEW_PASSWORD));
            if is_whole {
                again.fails_with(403, "bad_token");
                server.access_token(email, PASSWORD);
                done += 1;
            } else {
                // There was nothing at all, and the link still works.
                again.is(200);
                server.access_token(email, NEW_PASSWORD);
                undone += 1;
            }
            let history = home.history(email);
            let created = history.iter().filter(|event| event["kind"] == "created");
            assert_eq!(created.count(), 1, "{email}");
        }
        assert_eq!(accounts(&home), (round + 1) * CONFIRMATIONS);
        server.kill();
    }
    let _ = writeln!(
        std::io::stderr(),
        "100 confirmations and 10 kills: {done} were done, {undone} were not"
    );
    assert!(done > 0 && undone > 0, "the kills came at the right time");
}
