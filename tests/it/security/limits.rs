//! R: floods and guesses are slowed, and hurt nobody else.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::{ANN, BOB, RESET, two_servers};
use crate::harness::{Answer, Home, NEW_PASSWORD, PASSWORD, Server};

fn on(home: Home) -> Home {
    home.with("MOVIE_BAG_RATE_LIMITS", "on")
}

#[track_caller]
fn retry_after(answer: Answer) -> u64 {
    let answer = answer.fails_with(429, "rate_limited");
    answer.header("retry-after").unwrap().parse().unwrap()
}

pub fn a_flood_sends_few_mails(home: Home) {
    let home = on(home);
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let access = server.access_token(ANN, PASSWORD);
    let answers: Vec<Answer> = (0..30).map(|_| server.forgot(ANN)).collect();
    let taken = answers.iter().filter(|answer| answer.status == 200);
    assert_eq!(taken.count(), 3);
    for answer in answers.into_iter().skip(3) {
        assert!((1..=300).contains(&retry_after(answer)));
    }
    let mail = server.inbox().wait_for_count(ANN, RESET, 3);
    // Others are not in the way.
    server.sign_up(BOB, PASSWORD);
    server.forgot(BOB).is(200);
    server.inbox().wait_for_count(BOB, RESET, 1);
    assert_eq!(server.inbox().count(ANN, RESET), 3);
    server.access_token(ANN, PASSWORD);
    let movie = json!({"name": "Faust", "casts": ["a"], "genres": ["b"]}).to_string();
    server
        .send("POST", "/api/movies", Some(&access), &movie)
        .is(200);
    server.reset(&mail.token(), NEW_PASSWORD).is(200);
}

pub fn they_hold_across_servers_and_restarts(home: Home) {
    let (home, first, second) = two_servers(on(home));
    first.sign_up(ANN, PASSWORD);
    first.forgot(ANN).is(200);
    second.forgot(ANN).is(200);
    // Another spelling is the same address, and another field is no way round.
    first.forgot(" ANN@Example.com ").is(200);
    for server in [&first, &second] {
        retry_after(server.forgot(ANN));
        retry_after(server.post_form_forgot(ANN));
        let body = json!({"email": ANN, "nonce": "1"});
        server
            .post("/api/auth/forgot", body)
            .fails_with(400, "schema_validation");
    }
    for _ in 0..5 {
        first.log_in(ANN, NEW_PASSWORD).is(401);
        second.log_in(ANN, NEW_PASSWORD).is(401);
    }
    assert_eq!(retry_after(second.log_in(ANN, PASSWORD)), 1);
    first.kill();
    second.kill();
    let server = home.serve_alone(&[]);
    retry_after(server.forgot(ANN));
    // The delay of a second may be over; the next failure makes it two.
    while server.log_in(ANN, NEW_PASSWORD).status == 429 {
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(retry_after(server.log_in(ANN, NEW_PASSWORD)), 2);
}

impl Server {
    /// The page asks by the same limits, and answers with a page.
    fn post_form_forgot(&self, email: &str) -> Answer {
        let form = format!("email={}", email.replace('@', "%40"));
        let page = self.post_form("/forgot", &form);
        Answer {
            body: json!({"message": "a page", "status": page.status, "code": "rate_limited"}),
            ..page
        }
    }
}

/// Calls until it is refused, each with another forged address, and answers how many were let in.
fn let_in(server: &Server) -> usize {
    let body = |number| json!({"email": format!("user{number}@example.com"), "password": PASSWORD});
    (0..200)
        .take_while(|number| {
            let forged = format!("198.51.100.{number}");
            let header = ("X-Forwarded-For", forged.as_str());
            let answer = server.post_with("/api/auth/login", body(*number), header);
            if answer.status != 401 {
                retry_after(answer);
                return false;
            }
            true
        })
        .count()
}

pub fn a_forged_client_is_the_same_client(home: Home) {
    let home = on(home);
    let server = home.serve(&[]);
    assert_eq!(let_in(&server), 60);
    let forwarded = ("Forwarded", "for=198.51.100.7");
    retry_after(server.post_with("/api/auth/forgot", json!({"email": ANN}), forwarded));
    // What is no call of these is not counted.
    server.get("/api/movies").is(200);
    server.kill();
    // A proxy that is named is believed: as far as its own word goes, which is the last one.
    let home = home.with("MOVIE_BAG_TRUSTED_PROXIES", "127.0.0.0/8");
    let server = home.serve(&[]);
    assert_eq!(let_in(&server), 200);
    let mut statuses = BTreeMap::new();
    for number in 0..61 {
        let chain = format!("198.51.100.{number}, 203.0.113.9");
        let body = json!({"email": format!("{number}@example.com"), "password": PASSWORD});
        let answer = server.post_with("/api/auth/login", body, ("X-Forwarded-For", &chain));
        *statuses.entry(answer.status).or_insert(0) += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(401, 60), (429, 1)]));
}

pub fn guessing_is_slowed_and_never_locked(home: Home) {
    let home = on(home);
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let guess = || {
        for _ in 0..10 {
            server.log_in(ANN, NEW_PASSWORD).is(401);
        }
    };
    guess();
    // Also the right one waits, and tells nothing: it is not looked at.
    assert_eq!(retry_after(server.log_in(ANN, PASSWORD)), 1);
    thread::sleep(Duration::from_millis(1_100));
    server.log_in(ANN, PASSWORD).is(200);
    // It has cleared the count.
    guess();
    assert_eq!(retry_after(server.log_in(ANN, PASSWORD)), 1);
    // An attempt during the delay does not prolong it.
    thread::sleep(Duration::from_millis(1_100));
    server.log_in(ANN, NEW_PASSWORD).is(401);
    assert_eq!(retry_after(server.log_in(ANN, PASSWORD)), 2);
    server.reset(&home.reset_token(ANN), NEW_PASSWORD).is(200);
    server.log_in(ANN, NEW_PASSWORD).is(200);
    let kinds: Vec<_> = home.history(ANN);
    assert!(kinds.iter().any(|event| event["kind"] == "login_delayed"));
}

pub fn a_flood_of_hashing_leaves_the_rest_alone(home: Home) {
    // Some milliseconds a hash, so that they come faster than they are done.
    let home = home.with("MOVIE_BAG_BCRYPT_COST", "9");
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let server = &server;
        let logins: Vec<_> = (0..400)
            .map(|_| {
                scope.spawn(move || {
                    let answer = server.log_in(ANN, NEW_PASSWORD);
                    if answer.status == 503 {
                        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
                        assert!((1..=60).contains(&seconds));
                    }
                    answer.status
                })
            })
            .collect();
        for _ in 0..20 {
            server.get("/healthz").is(200);
            server.get("/api/movies").is(200);
        }
        let still = logins.iter().filter(|login| !login.is_finished()).count();
        assert!(still > 50, "it was no flood: {still} were left");
        let join = |login: thread::ScopedJoinHandle<'_, u16>| login.join().unwrap();
        logins.into_iter().map(join).collect()
    });
    let of = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    assert_eq!(of(401) + of(503), 400, "{statuses:?}");
    assert!(of(401) >= 256 && of(503) > 0, "{} and {}", of(401), of(503));
    server.access_token(ANN, PASSWORD);
}
