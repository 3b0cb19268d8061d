//! R: floods and guesses are slowed down, without an effect on other accounts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use movie_bag_testkit::{Answer, Home, NEW_PASSWORD, PASSWORD, Server, wait_for, wait_until};
use serde_json::{Value, json};

use super::{ANN, BOB, RESET, two_servers};

pub(super) fn with_rate_limits(home: Home) -> Home {
    home.with("MOVIE_BAG_RATE_LIMITS", "on")
}

#[track_caller]
fn retry_after(answer: Answer) -> u64 {
    let answer = answer.fails_with(429, "rate_limited");
    answer.header("retry-after").unwrap().parse().unwrap()
}

pub fn a_flood_sends_few_mails(home: Home) {
    let home = with_rate_limits(home);
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let access = server.access_token(ANN, PASSWORD);
    let answers: Vec<Answer> = (0..30).map(|_| server.forgot(ANN)).collect();
    let accepted = answers.iter().filter(|answer| answer.status == 200);
    assert_eq!(accepted.count(), 3);
    for answer in answers.into_iter().skip(3) {
        assert!((1..=300).contains(&retry_after(answer)));
    }
    let mail = server.inbox().wait_for_count(ANN, RESET, 3);
    // Other accounts are not affected.
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

pub fn rate_limits_hold_across_servers_and_restarts(home: Home) {
    let (home, first, second) = two_servers(with_rate_limits(home));
    first.sign_up(ANN, PASSWORD);
    first.forgot(ANN).is(200);
    second.forgot(ANN).is(200);
    // Another spelling is the same address, and an additional field does not avoid the limit.
    first.forgot(" ANN@Example.com ").is(200);
    for server in [&first, &second] {
        retry_after(server.forgot(ANN));
        retry_after(post_form_forgot(server, ANN));
        let body = json!({"email": ANN, "nonce": "1"});
        server
            .post("/api/auth/forgot", body)
            .fails_with(400, "schema_validation");
    }
    let mut guesses = Guesses::new();
    for _ in 0..5 {
        assert_eq!(guesses.refused(&first), None);
        assert_eq!(guesses.refused(&second), None);
    }
    while guesses.refused(&second).is_none() {}
    first.kill();
    second.kill();
    let server = home.serve_alone(&[]);
    retry_after(server.forgot(ANN));
    // The count continues after a restart.
    guesses.continue_after_a_delay(&server);
    guesses.continue_after_a_delay(&server);
}

/// Consecutive wrong passwords for one account, as the servers must count them. Delays are compared with the clock, since any time may
/// pass between two requests on a busy machine.
pub(super) struct Guesses {
    failures: u32,
    /// A time before the server counted the last failure.
    before_last: Instant,
}

impl Guesses {
    pub(super) fn new() -> Self {
        Self {
            failures: 0,
            before_last: Instant::now(),
        }
    }

    /// Returns the delay after the last failure: 1 second after the tenth, doubled after each further one.
    fn delay(&self) -> Duration {
        let doublings = self.failures.checked_sub(10);
        doublings.map_or(Duration::ZERO, |doublings| {
            Duration::from_secs(1 << doublings)
        })
    }

    /// Guesses once. Returns the time to wait if the guess is refused because it arrives within the delay.
    #[track_caller]
    fn refused(&mut self, server: &Server) -> Option<Duration> {
        self.refused_by(|| server.log_in(ANN, NEW_PASSWORD))
    }

    /// Guesses once by any call, like [`Guesses::refused`].
    #[track_caller]
    pub(super) fn refused_by(&mut self, guess: impl FnOnce() -> Answer) -> Option<Duration> {
        let now = Instant::now();
        let answer = guess();
        let delay = self.delay();
        if answer.status == 429 {
            let rest = Duration::from_secs(retry_after(answer));
            let least = delay.saturating_sub(self.before_last.elapsed());
            assert!(
                !rest.is_zero() && (least..=delay).contains(&rest),
                "{rest:?} of {delay:?}"
            );
            return Some(rest);
        }
        answer.fails_with(401, "unauthorized");
        let elapsed = self.before_last.elapsed();
        assert!(elapsed >= delay, "not refused {elapsed:?} into {delay:?}");
        self.failures += 1;
        self.before_last = now;
        None
    }

    /// Guesses until a guess is refused, waits for the time that the server requires, and guesses again.
    #[track_caller]
    fn continue_after_a_delay(&mut self, server: &Server) {
        let rest = loop {
            if let Some(rest) = self.refused(server) {
                break rest;
            }
        };
        thread::sleep(rest);
        assert_eq!(self.refused(server), None, "refused after the delay");
    }
}

/// Requests a reset on the page, which is limited as the API is, and returns the page's status as an answer of the API.
fn post_form_forgot(server: &Server, email: &str) -> Answer {
    let form = format!("email={}", email.replace('@', "%40"));
    let page = server.post_form("/forgot", &form);
    Answer {
        body: json!({"message": "a page", "status": page.status, "code": "rate_limited"}),
        ..page
    }
}

/// Sends logins until one is refused, each with another forged client address. Returns the number of accepted ones.
fn let_in(server: &Server) -> usize {
    let body = |number| json!({"email": format!("user{number}@example.com"), "password": PASSWORD});
    (0..200)
        .take_while(|number| {
            let forged = format!("198.51.100.{number}");
            let header = ("X-Forwarded-For", forged.as_str());
            let answer = server.post_with_header("/api/auth/login", body(*number), header);
            if answer.status != 401 {
                retry_after(answer);
                return false;
            }
            true
        })
        .count()
}

pub fn a_forged_client_address_starts_no_new_count(home: Home) {
    let home = with_rate_limits(home);
    let server = home.serve(&[]);
    assert_eq!(let_in(&server), 60);
    let forwarded = ("Forwarded", "for=198.51.100.7");
    retry_after(server.post_with_header("/api/auth/forgot", json!({"email": ANN}), forwarded));
    // Other requests are not counted.
    server.get("/api/movies").is(200);
    server.kill();
    // A trusted proxy is believed, but only the last address of the chain, which it added itself.
    let home = home.with("MOVIE_BAG_TRUSTED_PROXIES", "127.0.0.0/8");
    let server = home.serve(&[]);
    assert_eq!(let_in(&server), 200);
    let mut statuses = BTreeMap::new();
    for number in 0..61 {
        let chain = format!("198.51.100.{number}, 203.0.113.9");
        let body = json!({"email": format!("{number}@example.com"), "password": PASSWORD});
        let answer = server.post_with_header("/api/auth/login", body, ("X-Forwarded-For", &chain));
        *statuses.entry(answer.status).or_insert(0) += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(401, 60), (429, 1)]));
}

pub fn guessing_passwords_is_delayed_and_never_locks_the_account(home: Home) {
    let home = with_rate_limits(home);
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    // The right password is refused within the delay too, without being compared, so that the answer reveals nothing.
    let rest = loop {
        let mut guesses = Guesses::new();
        while guesses.refused(&server).is_none() {}
        let answer = server.log_in(ANN, PASSWORD);
        let elapsed = guesses.before_last.elapsed();
        if answer.status == 429 {
            break Duration::from_secs(retry_after(answer));
        }
        // The login came after the delay on a busy machine, and has cleared the count.
        answer.is(200);
        assert!(elapsed >= guesses.delay(), "not refused after {elapsed:?}");
    };
    thread::sleep(rest);
    server.log_in(ANN, PASSWORD).is(200);
    // The login has cleared the count.
    let mut guesses = Guesses::new();
    guesses.continue_after_a_delay(&server);
    while guesses.refused(&server).is_none() {}
    server.reset(&home.reset_token(ANN), NEW_PASSWORD).is(200);
    server.log_in(ANN, NEW_PASSWORD).is(200);
    let kinds: Vec<_> = home.history(ANN);
    assert!(kinds.iter().any(|event| event["kind"] == "login_delayed"));
}

pub fn other_requests_are_answered_during_a_flood_of_hashing(home: Home) {
    // Each hash takes some milliseconds, so that logins arrive faster than they are verified.
    let home = home.with("MOVIE_BAG_BCRYPT_COST", "9");
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    // Each client continues until it is refused, so that the queue stays full while the other requests are tried.
    let is_over = AtomicBool::new(false);
    let refused = AtomicUsize::new(0);
    let answered: usize = thread::scope(|scope| {
        let (server, is_over, refused) = (&server, &is_over, &refused);
        let log_in = move || {
            let mut answered = 0;
            while !is_over.load(Ordering::Relaxed) {
                let answer = server.log_in(ANN, NEW_PASSWORD);
                if answer.status == 503 {
                    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
                    assert!((1..=60).contains(&seconds));
                    refused.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                answer.is(401);
                answered += 1;
            }
            answered
        };
        let clients: Vec<_> = (0..400).map(|_| scope.spawn(log_in)).collect();
        wait_until("the queue is full", || refused.load(Ordering::Relaxed) > 0);
        for _ in 0..20 {
            server.get("/healthz").is(200);
            server.get("/api/movies").is(200);
        }
        is_over.store(true, Ordering::Relaxed);
        let join = |client: thread::ScopedJoinHandle<'_, usize>| client.join().unwrap();
        clients.into_iter().map(join).sum()
    });
    assert!(answered >= 256, "{answered} of the queued logins");
    server.access_token(ANN, PASSWORD);
}

/// Groups the event counts of a history by kind and UTC day.
fn counted(history: &[Value]) -> BTreeMap<(String, String), Vec<u64>> {
    let mut counted = BTreeMap::<_, Vec<_>>::new();
    for event in history {
        let (kind, day) = (event["kind"].as_str(), event["at"].as_str());
        let key = (kind.unwrap().to_owned(), day.unwrap()[..10].to_owned());
        counted
            .entry(key)
            .or_default()
            .push(event["count"].as_u64().unwrap());
    }
    counted
}

pub fn failed_logins_leave_one_line_a_day(home: Home) {
    const FAILURES: u64 = 40;
    let server = home.serve_alone(&[]);
    server.sign_up(ANN, PASSWORD);
    server.access_token(ANN, PASSWORD);
    server.access_token(ANN, PASSWORD);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..FAILURES / 4 {
                    server.log_in(ANN, NEW_PASSWORD).is(401);
                    server.log_in(BOB, NEW_PASSWORD).is(401);
                }
            });
        }
    });
    let sum = |history: &[Value], kind: &str| -> u64 {
        let of_kind = history.iter().filter(|event| event["kind"] == kind);
        of_kind.map(|event| event["count"].as_u64().unwrap()).sum()
    };
    let history = wait_for("all failures are counted", || {
        let history = home.whole_history(ANN);
        let failures = sum(&history, "login_failed");
        let logins = sum(&history, "logged_in");
        assert!(failures <= FAILURES, "{history:?}");
        if (failures, logins) == (FAILURES, 2) {
            Ok(history)
        } else {
            Err(format!("{history:?}"))
        }
    });
    // The test may run past midnight.
    for ((kind, day), counts) in counted(&history) {
        assert_eq!(counts.len(), 1, "{kind} on {day}: {history:?}");
    }
    let failed = history.iter().find(|event| event["kind"] == "login_failed");
    let failed = failed.unwrap();
    assert_eq!(failed["origin"], "127.0.0.1");
    assert!(failed["first_at"].as_str() <= failed["at"].as_str());
    let shown = home.run(&["user", "show", "--email", ANN]).ok().stdout;
    assert!(
        shown.contains("failed logins since ") && shown.contains(", last from 127.0.0.1"),
        "{shown}"
    );
    server.kill();

    // Delays are counted too, since a stranger can cause one every 15 minutes.
    let home = with_rate_limits(home);
    let server = home.serve_alone(&[]);
    let mut guesses = Guesses::new();
    guesses.continue_after_a_delay(&server);
    let history = wait_for("the delays are counted", || {
        let history = home.whole_history(ANN);
        if sum(&history, "login_delayed") >= 2 {
            Ok(history)
        } else {
            Err(format!("{history:?}"))
        }
    });
    for ((kind, day), counts) in counted(&history) {
        assert_eq!(counts.len(), 1, "{kind} on {day}: {history:?}");
    }
}
