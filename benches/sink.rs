//! Benchmark of the debugging SMTP server against Postfix's `smtp-sink`, which stores nothing, in pairs within one run.
//!
//! ```sh
//! apt-get install postfix                # smtp-source, which sends the load, and smtp-sink, the reference
//! cargo bench --bench sink               # everything, about two minutes
//! cargo bench --bench sink -- load       # messages per second with new and with reused connections; then the memory
//! cargo bench --bench sink -- large      # duration of a list and a search with 100,000 messages
//! cargo bench --bench sink -- start      # time from start to banner, and idle memory
//! cargo bench --bench sink -- arrival    # time from 250 to the row in an inbox open in Chromium
//! ```
//!
//! `load` sends 10,000 messages of 5,000 bytes from 20 concurrent sessions to each server in turn, seven times, and prints the
//! medians and the median of the ratios. Then it counts all messages and compares a thousand of them.
//! `MOVIE_BAG_BENCH_PAIRS` sets the number of pairs.

#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "a benchmark uses a part of the test harness, and panics on errors"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use movie_bag_testkit::{Browser, Device, Home, Theme, now, wait_until};

/// Number of messages of one measurement.
const MESSAGES: usize = 10_000;

/// Size of a message, in bytes.
const LENGTH: &str = "5000";

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|word| word == name);
    if is_wanted("load") {
        load();
    }
    if is_wanted("large") {
        large();
    }
    if is_wanted("start") {
        start();
    }
    if is_wanted("arrival") {
        arrival();
    }
}

/// Process that is killed on drop.
struct ChildProcess(Child);

impl Drop for ChildProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns an unused address.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// The movie-bag sink in a process of its own, without output and with high limits.
struct MovieBag {
    process: ChildProcess,
    smtp: String,
    web: String,
    _home: Home,
}

impl MovieBag {
    fn start() -> Self {
        let home = Home::fresh();
        let mut child = home
            .command(&[
                "smtp-debug",
                "--listen",
                "127.0.0.1:0",
                "--web",
                "127.0.0.1:0",
                "--format",
                "none",
                "--max-messages",
                "1000000",
                "--max-memory",
                "16000000000",
            ])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut next = |mark: &str| -> String {
            let line = lines.next().unwrap().unwrap();
            line.strip_prefix(mark).unwrap().to_owned()
        };
        let (smtp, web) = (next("SMTP on "), next("inbox on http://"));
        // Further output is read, so that the process never blocks on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            process: ChildProcess(child),
            smtp,
            web,
            _home: home,
        }
    }

    fn get(&self, path: &str) -> Vec<u8> {
        let url = format!("http://{}{path}", self.web);
        let mut answer = ureq::get(url).call().unwrap();
        answer
            .body_mut()
            .with_config()
            .limit(1 << 32)
            .read_to_vec()
            .unwrap()
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.get(path)).unwrap()
    }

    /// Returns the resident memory of the sink, in bytes.
    fn memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.0.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        let kibibytes: u64 = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        kibibytes * 1024
    }
}

/// Postfix's `smtp-sink`.
struct Postfix {
    smtp: String,
    _process: ChildProcess,
}

impl Postfix {
    fn start() -> Option<Self> {
        let smtp = free_address();
        // smtp-sink refuses to run as root.
        let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let user: &[&str] = if is_root { &["-u", "nobody"] } else { &[] };
        let mut command = Command::new("smtp-sink");
        command
            .args(user)
            .args([smtp.as_str(), "1000"])
            .env("PATH", path());
        let process = ChildProcess(command.spawn().ok()?);
        wait_until("smtp-sink listens", || TcpStream::connect(&smtp).is_ok());
        Some(Self {
            smtp,
            _process: process,
        })
    }
}

/// Returns PATH with the folders of Debian's daemons.
fn path() -> String {
    format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    )
}

/// Sends messages with `smtp-source`, and returns their number per second.
fn send(smtp: &str, messages: usize, reuses_connections: bool) -> f64 {
    let mut command = Command::new("smtp-source");
    command
        .env("PATH", path())
        .args(["-s", "20", "-l", LENGTH, "-m", &messages.to_string()])
        .args(["-f", "from@example.com", "-t", "to@example.com"]);
    if reuses_connections {
        command.arg("-d");
    }
    let begun = Instant::now();
    let status = command
        .arg(smtp)
        .status()
        .expect("smtp-source from Debian's package postfix");
    assert!(status.success(), "smtp-source failed");
    messages as f64 / begun.elapsed().as_secs_f64()
}

fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn pairs() -> usize {
    std::env::var("MOVIE_BAG_BENCH_PAIRS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(7)
}

fn load() {
    let movie_bag = MovieBag::start();
    let Some(postfix) = Postfix::start() else {
        print("smtp-sink is not installed: install Debian's package postfix");
        return;
    };
    let mut sent = 0;
    for (name, reuses) in [("new connections", false), ("connections used again", true)] {
        let (mut rates, mut references, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for pair in 0..pairs() {
            let measure_sink = || send(&movie_bag.smtp, MESSAGES, reuses);
            let measure_reference = || send(&postfix.smtp, MESSAGES, reuses);
            // The servers take turns at being first, since the first one runs on a quieter machine.
            let (rate, reference) = if pair % 2 == 0 {
                let rate = measure_sink();
                (rate, measure_reference())
            } else {
                let reference = measure_reference();
                (measure_sink(), reference)
            };
            sent += MESSAGES;
            rates.push(rate);
            references.push(reference);
            ratios.push(rate / reference);
        }
        print(&format!(
            "{name}: {:.0} messages a second, smtp-sink {:.0}, median ratio {:.2}",
            median(rates),
            median(references),
            median(ratios)
        ));
    }
    let info = movie_bag.json("/api/v1/info");
    assert_eq!(info["Messages"], sent, "every message is stored");
    let bytes = info["RuntimeStats"]["SMTPAcceptedSize"].as_u64().unwrap();
    print(&format!(
        "{sent} messages kept, {} MiB of them in {} MiB of memory: {:.2} times",
        bytes >> 20,
        movie_bag.memory() >> 20,
        movie_bag.memory() as f64 / bytes as f64
    ));
    // smtp-source sends the same message with a counter: messages differ in some digits only.
    let messages = movie_bag.json("/api/v1/messages?limit=0");
    let ids = messages["messages"].as_array().unwrap().iter();
    let ids: Vec<&str> = ids.map(|message| message["ID"].as_str().unwrap()).collect();
    let body = |id: &str| {
        let source = movie_bag.get(&format!("/api/v1/message/{id}/raw"));
        let at = source
            .windows(4)
            .position(|bytes| bytes == b"\r\n\r\n")
            .unwrap();
        source[at..].to_vec()
    };
    let first = body(ids[0]);
    assert!(first.len() >= 4000, "the message is the one that was sent");
    let sample = ids.iter().step_by(ids.len() / 1000 + 1);
    assert!(
        sample.clone().all(|id| body(id) == first),
        "every byte is stored"
    );
    print(&format!("{} of them compared, equal", sample.len()));
}

fn large() {
    let movie_bag = MovieBag::start();
    send(&movie_bag.smtp, 100_000, true);
    for path in [
        "/api/v1/messages",
        "/api/v1/messages?start=99950",
        "/api/v1/search?query=nothing+of+it",
        "/api/v1/search?query=nothing+of+it",
        "/api/v1/search?query=subject:nothing",
        "/api/v1/messages?limit=0",
    ] {
        let begun = Instant::now();
        let bytes = movie_bag.get(path).len();
        print(&format!(
            "100,000 messages, {path}: {:.1} ms, {bytes} bytes",
            begun.elapsed().as_secs_f64() * 1e3
        ));
    }
}

fn start() {
    let home = Home::fresh();
    let mut times = Vec::new();
    for _ in 0..15 {
        let smtp = free_address();
        let begun = Instant::now();
        let started = home
            .command(&[
                "smtp-debug",
                "--listen",
                &smtp,
                "--web",
                "127.0.0.1:0",
                "--quiet",
            ])
            .spawn();
        let _process = ChildProcess(started.unwrap());
        let mut banner = [0; 3];
        while TcpStream::connect(&smtp)
            .and_then(|mut stream| stream.read_exact(&mut banner))
            .is_err()
        {
            std::thread::sleep(Duration::from_micros(200));
        }
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        assert_eq!(&banner, b"220");
    }
    print(&format!(
        "from the start to the banner: {:.1} ms",
        median(times)
    ));
    let movie_bag = MovieBag::start();
    std::thread::sleep(Duration::from_millis(300));
    print(&format!(
        "idle: {:.1} MiB",
        movie_bag.memory() as f64 / f64::from(1 << 20)
    ));
}

/// Sends mails one by one to an inbox that is open in a browser, and measures the time from reading 250 to the row in the page,
/// both by the clock of this machine.
fn arrival() {
    const WATCH: &str = "window.rows = []; new MutationObserver(() => { \
        const row = document.querySelector('#rows .subject > bdi'); \
        if (row) window.rows[row.textContent] ??= performance.timeOrigin + performance.now(); \
    }).observe(document.body, {childList: true, subtree: true})";
    let Some(browser) = Browser::open() else {
        return;
    };
    for existing in [0, 10_000] {
        let movie_bag = MovieBag::start();
        if existing > 0 {
            send(&movie_bag.smtp, existing, true);
        }
        browser.emulate_screen(Theme::Light, Device::Desktop);
        browser.visit(&format!("http://{}/", movie_bag.web));
        wait_until("the page is live", || browser.text("#live") == "Live");
        browser.run(WATCH, serde_json::json!([]));
        let mut stream = BufReader::new(TcpStream::connect(&movie_bag.smtp).unwrap());
        let mut exchange = |command: &str| {
            stream.get_mut().write_all(command.as_bytes()).unwrap();
            let mut reply = String::new();
            stream.read_line(&mut reply).unwrap();
            reply
        };
        exchange("");
        exchange("HELO bench\r\n");
        let mut times = Vec::new();
        for number in 0..200 {
            exchange("MAIL FROM:<a@example.com>\r\n");
            exchange("RCPT TO:<b@example.com>\r\n");
            exchange("DATA\r\n");
            let reply = exchange(&format!("Subject: {number}\r\n\r\nHello\r\n.\r\n"));
            let stored = now().as_secs_f64() * 1e3;
            assert!(reply.starts_with("250"), "{reply}");
            let mut shown = Value::Null;
            wait_until("the row is in the page", || {
                shown = browser.run(
                    "return window.rows[arguments[0]] ?? null",
                    serde_json::json!([number]),
                );
                !shown.is_null()
            });
            times.push(shown.as_f64().unwrap() - stored);
        }
        times.sort_by(f64::total_cmp);
        print(&format!(
            "from 250 to the row, with {existing} messages: median {:.1} ms, 99 of 100 within {:.1} ms, {:.1} ms at most",
            times[100], times[197], times[199]
        ));
    }
}
