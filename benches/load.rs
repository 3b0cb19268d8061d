//! Measures `serve` under load, relative to bare operations on the same machine in the same run.
//!
//! ```sh
//! apt-get install wrk                    # the load generator
//! cargo bench --bench load               # all but growth, some four minutes
//! cargo bench --bench load -- http       # the API on SQLite, as ratios to /healthz
//! cargo bench --bench load -- hashing    # login, reset and import, as ratios to a bare loop of the bcrypt crate
//! cargo bench --bench load -- mongodb    # the API on MongoDB, as ratios to a bare loop of the driver
//! cargo bench --bench load -- start      # --version, forgot, the first answer of serve, and idle memory
//! cargo bench --bench load -- growth     # a million accounts, 100,000 movies, 100,000 waiting mails; some six minutes
//! ```
//!
//! Server, sink and load share the machine. Rate limits are off, the log level is `warn`, SQLite has its usual settings
//! (`synchronous=FULL`). With `BLESS=1` the results are drawn as the bar chart `docs/performance.svg`.

#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "the benchmark uses a part of the harness, and may panic on any surprise"
)]

#[path = "load/chart.rs"]
mod chart;
#[path = "load/growth.rs"]
mod growth;

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ::mongodb::bson::{Binary, Bson, DateTime, Document, doc, oid::ObjectId, spec::BinarySubtype};
use ::mongodb::error::TRANSIENT_TRANSACTION_ERROR;
use ::mongodb::options::{Acknowledgment, Collation, CollationStrength, WriteConcern};
use serde_json::{Value, json};

use chart::Bar;
use movie_bag_testkit::mongodb::blocking;
use movie_bag_testkit::{Home, NEW_PASSWORD, PASSWORD, Server, Sink, wait_until};

/// Number of concurrent clients.
const CLIENTS: &str = "32";
/// Duration of each measurement.
const SECONDS: u64 = 5;
/// Number of accounts, which is that of the measurements of Django and Flask.
const ACCOUNTS: usize = 200;
const MOVIES: usize = 100;
/// bcrypt cost where hashing is measured, which is the default.
const COST: u32 = 12;

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_wanted = |name: &str| wanted.iter().any(|word| word == name);
    let all = wanted.is_empty();
    let mut bars = Vec::new();
    if all || is_wanted("http") {
        bars.extend(http(Home::fresh()));
    }
    if all || is_wanted("hashing") {
        bars.extend(hashing());
    }
    if all || is_wanted("mongodb") {
        bars.extend(mongodb());
    }
    if all || is_wanted("start") {
        start();
    }
    for (part, measure) in [
        ("accounts", growth::accounts as fn()),
        ("movies", growth::movies),
        ("mails", growth::waiting_mails),
    ] {
        if is_wanted("growth") || is_wanted(part) {
            measure();
        }
    }
    if all && std::env::var_os("BLESS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/performance.svg");
        std::fs::write(path, chart::draw(&bars)).unwrap();
    }
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Result of a load.
#[derive(Debug, Clone, Copy)]
struct Load {
    /// Responses per second.
    rate: f64,
    /// 99th percentile of the latency, in milliseconds.
    p99: f64,
    /// Number of responses other than 2xx and 3xx.
    refused: u64,
}

/// Sends requests by `wrk`, with a script in Lua.
fn wrk(url: &str, clients: &str, seconds: u64, script: Option<&Path>) -> Load {
    let mut command = Command::new("wrk");
    command
        .args(["-t1", "-c", clients, "--latency", "-d"])
        .arg(format!("{seconds}s"))
        .args(["--timeout", "60s"]);
    if let Some(script) = script {
        command.arg("-s").arg(script);
    }
    let output = command
        .arg(url)
        .output()
        .expect("wrk is needed, which is Debian's package wrk");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let after = |mark: &str| {
        let at = text.lines().find_map(|line| line.trim().strip_prefix(mark));
        at.map(|rest| rest.trim().to_owned())
    };
    let p99 = after("99%").unwrap();
    let (number, unit) = p99.split_at(p99.find(|c: char| c.is_ascii_alphabetic()).unwrap());
    let milliseconds = match unit {
        "us" => 0.001,
        "ms" => 1.0,
        _ => 1_000.0,
    };
    Load {
        rate: after("Requests/sec:").unwrap().parse().unwrap(),
        p99: number.parse::<f64>().unwrap() * milliseconds,
        refused: after("Non-2xx or 3xx responses:").map_or(0, |count| count.parse().unwrap()),
    }
}

/// Writes a script that posts these documents in turn.
fn write_post_script(home: &Home, name: &str, documents: &[Value]) -> std::path::PathBuf {
    let bodies: Vec<String> = documents
        .iter()
        .map(|body| format!("{:?}", body.to_string()))
        .collect();
    let script = format!(
        "local bodies = {{ {} }}\nlocal headers = {{ [\"Content-Type\"] = \"application/json\" }}\nlocal at = 0\n\
         function request()\n  at = at % #bodies + 1\n  return wrk.format(\"POST\", nil, headers, bodies[at])\nend\n",
        bodies.join(", ")
    );
    home.write(name, script)
}

/// Returns the resident memory of a process, in bytes; `VmHWM` is its peak.
fn memory(pid: u32, which: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(which))
        .unwrap();
    let kibibytes: u64 = line
        .trim_start_matches(':')
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kibibytes * 1_024
}

fn email(number: usize) -> String {
    format!("user{number}@example.com")
}

/// A home with accounts and movies, a sink in a separate process, and the server.
struct System {
    home: Home,
    sink: Sink,
    server: Server,
    movie: String,
}

impl System {
    fn start(home: Home, hash_cost: u32) -> Self {
        let sink = large_sink(&home);
        let home = home
            .with("MAIL_PORT", sink.port())
            .with("MOVIE_BAG_LOG", "warn")
            .with("MOVIE_BAG_BCRYPT_COST", hash_cost.to_string());
        import(&home, ACCOUNTS, hash_cost);
        let server = home.serve_alone(&[]);
        let access = server.access_token(&email(0), PASSWORD);
        let mut movie = String::new();
        for number in 0..MOVIES {
            let body = json!({"name": format!("Movie {number}"), "casts": ["Ann", "Bob", "Cid"], "genres": ["drama"]});
            let answer = server
                .send("POST", "/api/movies", Some(&access), &body.to_string())
                .is(200);
            movie = answer.body["id"].as_str().unwrap().to_owned();
        }
        Self {
            home,
            sink,
            server,
            movie,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }
}

/// Returns the number of messages in a sink.
fn delivered(sink: &Sink) -> u64 {
    let url = format!("http://{}/api/v1/info", sink.web());
    let info: Value = ureq::get(url)
        .call()
        .unwrap()
        .body_mut()
        .read_json()
        .unwrap();
    info["Messages"].as_u64().unwrap()
}

/// Starts a sink that keeps all messages.
fn large_sink(home: &Home) -> Sink {
    home.sink(&[
        "--format",
        "none",
        "--max-messages",
        "1000000",
        "--max-memory",
        "8000000000",
    ])
}

/// Creates accounts that all have the same password.
fn import(home: &Home, accounts: usize, cost: u32) {
    let hash = bcrypt::hash(PASSWORD, cost).unwrap();
    let mut lines = String::from("email,password_hash\n");
    for number in 0..accounts {
        let _ = writeln!(lines, "{},{hash}", email(number));
    }
    let file = home.write("accounts.csv", lines);
    home.run(&["user", "import", file.to_str().unwrap()]).ok();
}

/// Measures the API on a database, and `forgot` with the delivery of its mails.
fn http(home: Home) -> Vec<Bar> {
    let name = if home.is_on_mongodb() {
        "MongoDB"
    } else {
        "SQLite"
    };
    let system = System::start(home, 4);
    say(&format!(
        "\nHTTP on {name}, {CLIENTS} clients, {SECONDS} s each"
    ));
    say("| what | a second | p99, ms | of /healthz |");
    say("| --- | ---: | ---: | ---: |");
    let reference = wrk(&system.url("/healthz"), CLIENTS, SECONDS, None);
    let mut bars = Vec::new();
    let mut show = |what: &str, load: Load| {
        assert_eq!(load.refused, 0, "{what}");
        let ratio = load.rate / reference.rate;
        say(&format!(
            "| {what} | {:.0} | {:.1} | {ratio:.2} |",
            load.rate, load.p99
        ));
        bars.push(Bar::new(format!("{what}, {name}"), load.rate));
    };
    show("GET /healthz", reference);
    show(
        "GET /api/movies, 100 movies",
        wrk(&system.url("/api/movies"), CLIENTS, SECONDS, None),
    );
    let path = format!("/api/movies/{}", system.movie);
    show(
        "GET /api/movies/ID",
        wrk(&system.url(&path), CLIENTS, SECONDS, None),
    );

    let emails: Vec<Value> = (0..ACCOUNTS)
        .map(|number| json!({"email": email(number)}))
        .collect();
    let script = write_post_script(&system.home, "forgot.lua", &emails);
    let before = delivered(&system.sink);
    let start = Instant::now();
    let load = wrk(
        &system.url("/api/auth/forgot"),
        CLIENTS,
        SECONDS,
        Some(&script),
    );
    show("POST /api/auth/forgot, accepted", load);
    let under_load = delivered(&system.sink) - before;
    wait_until("all mails are delivered", || {
        system.home.outbox().is_empty()
    });
    let (all, took) = (
        delivered(&system.sink) - before,
        start.elapsed().as_secs_f64(),
    );
    say(&format!(
        "{all} mails delivered in {took:.1} s: {:.0}/s, of these {:.0}/s under load; peak memory of serve {} MiB",
        all as f64 / took,
        under_load as f64 / SECONDS as f64,
        memory(system.server.pid(), "VmHWM") >> 20
    ));
    bars.push(Bar::new(
        format!("mails delivered, {name}"),
        all as f64 / took,
    ));
    bars
}

/// Returns the number of hashes per second of the bare crate on all cores.
fn bare_bcrypt(cost: u32) -> f64 {
    let hash = bcrypt::hash(PASSWORD, cost).unwrap();
    let done = AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores() {
            scope.spawn(|| {
                while start.elapsed() < Duration::from_secs(SECONDS) {
                    assert!(bcrypt::verify(PASSWORD, &hash).unwrap());
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.into_inner() as f64 / start.elapsed().as_secs_f64()
}

fn hashing() -> Vec<Bar> {
    let system = System::start(Home::fresh(), COST);
    say(&format!("\nHashing at cost {COST} on {} cores", cores()));
    say("| what | a second | of the bare loop |");
    say("| --- | ---: | ---: |");
    let bare = bare_bcrypt(COST);
    let mut bars = Vec::new();
    let mut show = |what: &str, rate: f64| {
        say(&format!("| {what} | {rate:.1} | {:.2} |", rate / bare));
        bars.push(Bar::new(what.to_owned(), rate));
    };
    show("bare loop of the bcrypt crate", bare);
    let log_in = [json!({"email": email(1), "password": PASSWORD})];
    let log_in = write_post_script(&system.home, "login.lua", &log_in);
    let url = system.url("/api/auth/login");
    for clients in ["1", "2", "4", "16", "64"] {
        let load = wrk(&url, clients, 2 * SECONDS, Some(&log_in));
        assert_eq!(load.refused, 0);
        show(
            &format!("POST /api/auth/login, {clients} at once"),
            load.rate,
        );
    }
    // Each link can be used once, so there is one for each account.
    let tokens: Vec<String> = (0..ACCOUNTS)
        .map(|number| system.home.reset_token(&email(number)))
        .collect();
    let next = AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some(token) = tokens.get(next.fetch_add(1, Ordering::Relaxed)) {
                    system.server.reset(token, NEW_PASSWORD).is(200);
                }
            });
        }
    });
    show(
        "POST /api/auth/reset, 16 at once",
        ACCOUNTS as f64 / start.elapsed().as_secs_f64(),
    );
    let mut lines = String::from("email,password\n");
    for number in 0..ACCOUNTS {
        let _ = writeln!(lines, "new{number}@example.com,correct horse {number}");
    }
    let file = system.home.write("passwords.csv", lines);
    let start = Instant::now();
    system
        .home
        .run(&["user", "import", file.to_str().unwrap()])
        .ok();
    show(
        "user import with passwords",
        ACCOUNTS as f64 / start.elapsed().as_secs_f64(),
    );

    let log_in = [json!({"email": email(1), "password": NEW_PASSWORD})];
    let log_in = write_post_script(&system.home, "login.lua", &log_in);
    let movies = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| wrk(&url, "64", SECONDS + 2, Some(&log_in)));
        std::thread::sleep(Duration::from_secs(1));
        let movies = wrk(&system.url("/api/movies"), "4", SECONDS, None);
        waiting.join().unwrap();
        movies
    });
    say(&format!(
        "GET /api/movies while 64 logins wait, 4 clients: {:.0}/s, p99 {:.1} ms",
        movies.rate, movies.p99
    ));
    bars
}

fn mongodb() -> Vec<Bar> {
    let Some(home) = Home::on_mongodb() else {
        say("\nMongoDB: no server");
        return Vec::new();
    };
    let uri = home.mongodb_uri().unwrap().to_owned();
    let bars = http(home);
    say("\nThe same operations by a bare loop of the driver, 32 at once");
    say("| what | a second |");
    say("| --- | ---: |");
    let loops = blocking(async {
        let client = ::mongodb::Client::with_uri_str(&uri).await.unwrap();
        let database = client.default_database().unwrap();
        let movies = database.collection::<Document>("movie");
        let movie = movies.find_one(doc! {}).await.unwrap().unwrap();
        let id = movie.get_object_id("_id").unwrap();
        let one =
            measure_rate(|| async { movies.find_one(doc! { "_id": id }).await.map(drop) }).await;
        let all = measure_rate(|| async {
            use futures_util::TryStreamExt as _;
            movies
                .find(doc! {})
                .sort(doc! { "_id": 1 })
                .limit(256)
                .await?
                .try_collect::<Vec<Document>>()
                .await
                .map(drop)
        });
        let all = all.await;
        // Two concurrent transactions may conflict, and then must be started again.
        let forgot = measure_rate(|| async {
            loop {
                match forgot_and_delivery(&client, &database).await {
                    Err(error) if error.contains_label(TRANSIENT_TRANSACTION_ERROR) => {}
                    done => return done,
                }
            }
        });
        [
            ("find one movie", one),
            ("find 100 movies", all),
            ("the operations of a forgot and its mail", forgot.await),
        ]
    });
    for (what, rate) in loops {
        say(&format!("| {what} | {rate:.0} |"));
    }
    bars
}

/// Does the database operations of a `forgot` and of the delivery of its mail: find the account and its revocation; write a mail and
/// a line of history in one transaction; lease the mail and find the account again; remove the mail and write a line in another
/// transaction.
async fn forgot_and_delivery(
    client: &::mongodb::Client,
    database: &::mongodb::Database,
) -> ::mongodb::error::Result<()> {
    let collection = |name| database.collection::<Document>(name);
    let (users, revocations) = (collection("user"), collection("movie_bag_revocations"));
    let (mails, lines) = (collection("bare_mails"), collection("bare_lines"));
    let ignoring_case = Collation::builder()
        .locale("en")
        .strength(CollationStrength::Secondary)
        .build();
    let user = users
        .find_one(doc! { "email": email(1) })
        .collation(ignoring_case)
        .await?;
    let id = user.as_ref().and_then(|user| user.get("_id"));
    revocations.find_one(doc! { "_id": id }).await?;
    let mail = ObjectId::new();
    let mut session = client.start_session().await?;
    let concern = WriteConcern::builder()
        .w(Acknowledgment::Majority)
        .journal(true)
        .build();
    session
        .start_transaction()
        .write_concern(concern.clone())
        .await?;
    users
        .find_one(doc! { "_id": id })
        .session(&mut session)
        .await?;
    mails
        .insert_one(doc! { "_id": mail, "at": DateTime::now() })
        .session(&mut session)
        .await?;
    lines
        .insert_one(doc! { "at": DateTime::now() })
        .session(&mut session)
        .await?;
    session.commit_transaction().await?;

    mails
        .find_one_and_update(
            doc! { "_id": mail },
            doc! { "$set": { "held": DateTime::now() } },
        )
        .await?;
    users.find_one(doc! { "_id": id }).await?;
    revocations.find_one(doc! { "_id": id }).await?;
    session.start_transaction().write_concern(concern).await?;
    mails
        .update_one(
            doc! { "_id": mail },
            doc! { "$currentDate": { "gone_at": true } },
        )
        .session(&mut session)
        .await?;
    users
        .find_one(doc! { "_id": id })
        .session(&mut session)
        .await?;
    lines
        .insert_one(doc! { "at": DateTime::now() })
        .session(&mut session)
        .await?;
    session.commit_transaction().await
}

/// Returns how often per second an operation can be done, with 32 at once.
async fn measure_rate<F>(operation: impl Fn() -> F) -> f64
where
    F: Future<Output = Result<(), ::mongodb::error::Error>>,
{
    let start = Instant::now();
    let one = async || {
        let mut done = 0;
        while start.elapsed() < Duration::from_secs(SECONDS) {
            operation().await.unwrap();
            done += 1;
        }
        done
    };
    let done: usize = futures_util::future::join_all((0..32).map(|_| one()))
        .await
        .into_iter()
        .sum();
    done as f64 / start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns the median time of an operation, in milliseconds.
fn measure_time(times: usize, mut operation: impl FnMut()) -> f64 {
    median(
        (0..times)
            .map(|_| {
                let start = Instant::now();
                operation();
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect(),
    )
}

fn run_silently(mut command: Command) {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    assert!(status.unwrap().success());
}

fn start() {
    say("\nStart, medians in ms");
    let home = Home::fresh();
    let version = measure_time(101, || run_silently(home.command(&["--version"])));
    let nothing = measure_time(101, || run_silently(Command::new("/bin/true")));
    say(&format!("--version {version:.1}, /bin/true {nothing:.1}"));
    let sink = home.sink(&["--format", "none"]);
    let home = home
        .with("MAIL_PORT", sink.port())
        .with("MOVIE_BAG_LOG", "warn");
    home.create_account("ann@example.com", PASSWORD);
    let forgot = measure_time(31, || {
        run_silently(home.command(&["forgot", "--email", "ann@example.com"]))
    });
    say(&format!("forgot --email, mail delivered: {forgot:.1}"));
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let mut idle = 0;
    let first = measure_time(11, || {
        let mut server = home.command(&["serve", "--bind", &address]);
        let mut server = server
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect(&address)
            .and_then(|mut stream| {
                stream
                    .write_all(b"GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")?;
                std::io::read_to_string(stream)
            })
            .map_or(true, |answer| !answer.contains("200 OK"))
        {
            std::thread::sleep(Duration::from_micros(200));
        }
        idle = memory(server.id(), "VmRSS");
        server.kill().unwrap();
        server.wait().unwrap();
    });
    say(&format!(
        "serve, until /readyz answers: {first:.1}; its memory then {:.1} MiB",
        idle as f64 / 1_048_576.0
    ));
}
