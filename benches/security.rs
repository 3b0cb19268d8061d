//! Measures the times on which security depends, relative to other times of the same run. A test cannot assert them, since they
//! depend on the load of the machine.
//!
//! ```sh
//! cargo bench --bench security                  # all parts, some ten minutes
//! cargo bench --bench security -- concealment   # does time distinguish known from unknown addresses?
//! cargo bench --bench security -- limits        # cost of rate limits, and of a request that they refuse
//! cargo bench --bench security -- flood         # latency of other requests while passwords are hashed on every core
//! ```
//!
//! `concealment` sends requests for known and unknown addresses, also of verified sign-up, in pairs, in random order. For each kind of request it reports the area under the ROC curve of a
//! classifier that guesses by the time alone (Mann and Whitney, ties half): 0.5 is guessing, 1 is certainty. Outside of 0.45 to 0.55
//! the command fails. `MOVIE_BAG_BENCH_SEED` repeats an order, `MOVIE_BAG_BENCH_PAIRS` sets the number of pairs. With 500 pairs
//! the standard error is 0.018, so that one in 200 runs of a perfect server fails by chance: repeat a failed run with more pairs.

#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "the benchmark uses a part of the harness, and may panic on any surprise"
)]

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use movie_bag_testkit::{
    Connection, Fault, Home, MailServer, NEW_PASSWORD, PASSWORD, Server, wait_until,
};

/// Areas under the ROC curve that are as good as guessing.
const GUESSING: std::ops::RangeInclusive<f64> = 0.45..=0.55;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    let mut has_passed = true;
    if is_wanted("concealment") {
        has_passed &= concealment();
    }
    if is_wanted("limits") {
        has_passed &= limits();
    }
    if is_wanted("flood") {
        flood();
    }
    if has_passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |number| number.parse().unwrap())
}

/// A reproducible random generator (xorshift64*, Vigna 2016).
struct Generator(u64);

impl Generator {
    fn next_bool(&mut self) -> bool {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 63 == 1
    }
}

/// A client that measures times over one connection.
struct Stopwatch(Connection);

impl Stopwatch {
    fn at(server: &Server) -> Self {
        Self(Connection::to(server))
    }

    /// Returns the status, and the time until the response.
    fn post(&mut self, path: &str, client: &str, body: &Value) -> (u16, Duration) {
        let body = body.to_string();
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        self.send(&request)
    }

    fn get(&mut self, path: &str) -> (u16, Duration) {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }

    fn send(&mut self, request: &str) -> (u16, Duration) {
        let start = Instant::now();
        let answer = self.0.exchange(request.as_bytes(), false).unwrap();
        (answer.status, start.elapsed())
    }
}

fn quantile(times: &[Duration], of: f64) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[((sorted.len() - 1) as f64 * of) as usize]
}

fn median(times: &[Duration]) -> Duration {
    quantile(times, 0.5)
}

/// Returns how often a time of the first list is longer than one of the second.
fn area(first: &[Duration], second: &[Duration]) -> f64 {
    let wins: f64 = first
        .iter()
        .flat_map(|one| second.iter().map(move |other| one.cmp(other)))
        .map(|order| match order {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        })
        .sum();
    wins / (first.len() * second.len()) as f64
}

/// Measures both operations `pairs` times in random order, and reports whether their times distinguish them.
fn classify(
    what: &str,
    pairs: u64,
    mut one: impl FnMut(u64) -> Duration,
    mut other: impl FnMut(u64) -> Duration,
) -> bool {
    let seed = setting("MOVIE_BAG_BENCH_SEED", 0x6d6f_7669_6562_6167);
    let mut random = Generator(seed | 1);
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for number in 0..pairs {
        if random.next_bool() {
            ones.push(one(number));
            others.push(other(number));
        } else {
            others.push(other(number));
            ones.push(one(number));
        }
    }
    let area = area(&ones, &others);
    let is_guessing = GUESSING.contains(&area);
    say(&format!(
        "| {what} | {pairs} | {:.3} | {:.2?} | {:.2?} | {} |",
        area,
        median(&ones),
        median(&others),
        if is_guessing { "" } else { "DISTINGUISHED" }
    ));
    is_guessing
}

fn known(number: u64) -> String {
    format!("known{number}@example.com")
}

fn unknown(number: u64) -> String {
    format!("other{number}@example.com")
}

/// Returns a client address. Each is in another network, so that the limit per client has no effect.
fn client(number: u64) -> String {
    format!("10.{}.{}.1", number / 250, number % 250)
}

fn concealed(home: Home) -> Home {
    home.with("MOVIE_BAG_CONCEAL_ACCOUNTS", "true")
        .with("MOVIE_BAG_TRUSTED_PROXIES", "127.0.0.0/8")
        .with("MOVIE_BAG_LOG", "off")
}

fn with_accounts(home: &Home, count: u64) -> Server {
    let server = home.serve_alone(&[]);
    for number in 0..count {
        server.sign_up(&known(number), PASSWORD);
    }
    server
}

/// Returns the databases to measure.
fn homes() -> Vec<(&'static str, Home)> {
    let mut homes = vec![("SQLite", Home::fresh())];
    if std::env::var_os("MOVIE_BAG_TEST_MONGODB").is_some() {
        homes.extend(Home::on_mongodb().map(|home| ("MongoDB", home)));
    }
    homes
}

fn concealment() -> bool {
    say("\n| call | pairs | area | median, known | median, unknown | |");
    say("| --- | --- | --- | --- | --- | --- |");
    let pairs = setting("MOVIE_BAG_BENCH_PAIRS", 500);
    let mut has_passed = true;
    for mail in ["answering", "hanging", "refusing"] {
        for (database, home) in homes() {
            let mail_server = match mail {
                "hanging" => MailServer::start(&vec![Fault::HangsInData; 10_000]),
                _ => MailServer::start(&[]),
            };
            let port = match mail {
                "refusing" => "1".to_owned(),
                _ => mail_server.port(),
            };
            let home = concealed(home).with("MAIL_PORT", port);
            with_accounts(&home, pairs).kill();
            let home = home.with("MOVIE_BAG_SIGNUP", "verified");
            let server = home.serve_alone(&[]);
            for call in ["forgot", "signup"] {
                let mut watch = Stopwatch::at(&server);
                let mut other_watch = Stopwatch::at(&server);
                let request = |watch: &mut Stopwatch, email: String| {
                    let path = format!("/api/auth/{call}");
                    let (status, time) = watch.post(&path, "10.0.0.1", &json!({"email": email}));
                    assert_eq!(status, 200);
                    time
                };
                has_passed &= classify(
                    &format!("`{call}`, {database}, mail server {mail}"),
                    pairs,
                    |number| request(&mut watch, known(number)),
                    |number| request(&mut other_watch, unknown(number)),
                );
            }
        }
    }
    for (database, home) in homes() {
        let mail_server = MailServer::start(&[]);
        let home = concealed(home).with("MAIL_PORT", mail_server.port());
        let server = with_accounts(&home, pairs);
        server.kill();
        let home = home.with("MOVIE_BAG_RATE_LIMITS", "on");
        let server = home.serve_alone(&[]);
        let mut caller = 0;
        let mut forgot = |email: &str| {
            caller += 1;
            let client = client(caller);
            let header = ("X-Forwarded-For", client.as_str());
            let body = json!({"email": email});
            server
                .post_with_header("/api/auth/forgot", body, header)
                .status
        };
        for number in 0..pairs {
            for email in [known(number), unknown(number)] {
                for _ in 0..3 {
                    assert_eq!(forgot(&email), 200);
                }
            }
        }
        wait_until("all mails are delivered", || {
            mail_server.stored().len() as u64 == 3 * pairs
        });
        let (mut watch, mut other_watch) = (Stopwatch::at(&server), Stopwatch::at(&server));
        let limited = |watch: &mut Stopwatch, email: String, number: u64| {
            let (status, time) = watch.post(
                "/api/auth/forgot",
                &client(9_000 + number),
                &json!({"email": email}),
            );
            assert_eq!(status, 429);
            time
        };
        has_passed &= classify(
            &format!("`forgot`, {database}, limited"),
            pairs,
            |number| limited(&mut watch, known(number), number),
            |number| limited(&mut other_watch, unknown(number), number),
        );
    }
    let too_long = "x".repeat(73);
    for (database, cost, stored, password, pairs) in [
        // 10 is the minimum in production.
        ("SQLite", "10", "10", NEW_PASSWORD, pairs),
        ("SQLite", "10", "6", NEW_PASSWORD, pairs),
        ("SQLite", "10", "12", NEW_PASSWORD, pairs),
        ("SQLite", "10", "10", &too_long, pairs),
    ] {
        let home = concealed(Home::fresh()).with("MOVIE_BAG_BCRYPT_COST", stored);
        with_accounts(&home, 10).kill();
        let home = home.with("MOVIE_BAG_BCRYPT_COST", cost);
        let server = home.serve_alone(&[]);
        let (mut watch, mut other_watch) = (Stopwatch::at(&server), Stopwatch::at(&server));
        let log_in = |watch: &mut Stopwatch, email: String| {
            let body = json!({"email": email, "password": password});
            let (status, time) = watch.post("/api/auth/login", "10.0.0.1", &body);
            assert_eq!(status, 401);
            time
        };
        let bytes = password.len();
        has_passed &= classify(
            &format!(
                "`login`, {database}, a hash of cost {stored} where {cost} is set, a password of {bytes} bytes"
            ),
            pairs,
            |number| log_in(&mut watch, known(number % 10)),
            |number| log_in(&mut other_watch, unknown(number)),
        );
    }
    has_passed
}

fn limits() -> bool {
    const CALLS: u64 = 300;
    let home = Home::fresh()
        .with("MOVIE_BAG_TRUSTED_PROXIES", "127.0.0.0/8")
        .with("MOVIE_BAG_BCRYPT_COST", "12")
        .with("MAIL_PORT", "1")
        .with("MOVIE_BAG_LOG", "off");
    home.create_account(&known(0), PASSWORD);
    let log_in = |watch: &mut Stopwatch, number: u64, password: &str| {
        let body = json!({"email": known(0), "password": password});
        watch.post("/api/auth/login", &client(number), &body)
    };
    let server = home.serve_alone(&[]);
    let mut watch = Stopwatch::at(&server);
    let verified: Vec<Duration> = (0..20)
        .map(|number| {
            let (status, time) = log_in(&mut watch, number, PASSWORD);
            assert_eq!(status, 200);
            time
        })
        .collect();
    let verified = median(&verified);
    server.kill();

    let home = home.with("MOVIE_BAG_RATE_LIMITS", "on");
    let server = home.serve_alone(&[]);
    let mut watch = Stopwatch::at(&server);
    // Ten failures cause a delay of one second, and each further one doubles it. Four seconds are enough.
    for (failures, delay) in [(10, 1), (1, 2), (1, 4)] {
        for _ in 0..failures {
            assert_eq!(log_in(&mut watch, 50, NEW_PASSWORD).0, 401);
        }
        if delay < 4 {
            thread::sleep(Duration::from_millis(delay * 1_000 + 50));
        }
    }
    let refused: Vec<Duration> = (0..CALLS)
        .map(|number| {
            let (status, time) = log_in(&mut watch, 1_000 + number / 50, PASSWORD);
            assert_eq!(status, 429);
            time
        })
        .collect();
    let idle: Vec<Duration> = (0..CALLS).map(|_| watch.get("/readyz").1).collect();
    let cost = median(&refused).saturating_sub(median(&idle));
    let share = 100.0 * cost.as_secs_f64() / verified.as_secs_f64();
    say("\n| limits, SQLite | |\n| --- | --- |");
    say(&format!(
        "| a login, cost 12, without limits | {verified:.2?} |"
    ));
    say(&format!(
        "| a login that is refused within its delay | {:.2?} |",
        median(&refused)
    ));
    say(&format!(
        "| a request that only reads, for comparison | {:.2?} |",
        median(&idle)
    ));
    say(&format!(
        "| the two checks, in percent of the login | {share:.2} |"
    ));
    share < 1.0
}

fn flood() {
    const SAMPLES: usize = 200;
    let home = Home::fresh()
        .with("MOVIE_BAG_BCRYPT_COST", "10")
        .with("MOVIE_BAG_LOG", "off");
    let server = home.serve_alone(&[]);
    server.sign_up(&known(0), PASSWORD);
    let mut watch = Stopwatch::at(&server);
    let mut sample = |path: &str| -> Vec<Duration> {
        let call = |_| {
            let (status, time) = watch.get(path);
            assert_eq!(status, 200);
            // Distributed, so that requests arrive at different times of a hash.
            thread::sleep(Duration::from_millis(5));
            time
        };
        (0..SAMPLES).map(call).collect()
    };
    let paths = ["/healthz", "/api/movies"];
    let idle: Vec<_> = paths.iter().map(|path| sample(path)).collect();
    let is_over = AtomicBool::new(false);
    let (flooded, statuses) = thread::scope(|scope| {
        let logins: Vec<_> = (0..400)
            .map(|_| {
                scope.spawn(|| {
                    let mut statuses = Vec::new();
                    while !is_over.load(Ordering::Relaxed) {
                        let answer = server.log_in(&known(0), NEW_PASSWORD);
                        if answer.status == 503 {
                            assert!(answer.header("retry-after").is_some());
                            thread::sleep(Duration::from_millis(500));
                        }
                        statuses.push(answer.status);
                    }
                    statuses
                })
            })
            .collect();
        thread::sleep(Duration::from_secs(2));
        let flooded: Vec<_> = paths.iter().map(|path| sample(path)).collect();
        is_over.store(true, Ordering::Relaxed);
        let join = |login: thread::ScopedJoinHandle<'_, Vec<u16>>| login.join().unwrap();
        let statuses: Vec<u16> = logins.into_iter().flat_map(join).collect();
        (flooded, statuses)
    });
    say(
        "\n| call, while 400 clients log in at once (cost 10) | idle | flooded | ratio of medians | p99 idle | p99 flooded |",
    );
    say("| --- | --- | --- | --- | --- | --- |");
    for ((path, idle), flooded) in paths.iter().zip(&idle).zip(&flooded) {
        let ratio = median(flooded).as_secs_f64() / median(idle).as_secs_f64();
        say(&format!(
            "| {path} | {:.2?} | {:.2?} | {ratio:.1} | {:.2?} | {:.2?} |",
            median(idle),
            median(flooded),
            quantile(idle, 0.99),
            quantile(flooded, 0.99)
        ));
    }
    let of = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    say(&format!(
        "\nOf {} logins {} were verified, and {} refused with 503 and Retry-After.",
        statuses.len(),
        of(401),
        of(503)
    ));
}
