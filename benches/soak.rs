//! Runs `serve --smtp-debug` under mixed load, with a hundred hostile clients at the same time, and reports memory, file descriptors
//! and latency over time. All three must stay constant.
//!
//! ```sh
//! cargo bench --bench soak               # ten minutes
//! cargo bench --bench soak -- 60         # this many seconds
//! cargo bench --bench soak -- 60 alone   # without the hostile clients, for comparison
//! ```
//!
//! Load, hostile clients and server share the machine. Rate limits are off, since all clients have one address; bcrypt runs at
//! its lowest cost, so that hashing does not hide the rest. Everything else has its default.

#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "the benchmark uses a part of the harness, and may panic on any surprise"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use movie_bag_testkit::{Home, PASSWORD};

/// Clients of the mixed load.
const CLIENTS: usize = 16;
/// Number of accounts that the clients use.
const ACCOUNTS: usize = 200;
/// Time between two lines of the report.
const INTERVAL: Duration = Duration::from_secs(15);
/// Maximum wait of a client for a response, after which it counts a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// Behaviour of a hostile client, until its connection ends.
type Attack = fn(&Target);

/// The hostile clients: name, number, and behaviour.
const HOSTILE: &[(&str, usize, Attack)] = &[
    (
        "half a request head to the API",
        20,
        send_half_a_head_to_the_api,
    ),
    (
        "half a request head to the inbox",
        15,
        send_half_a_head_to_the_inbox,
    ),
    ("a silent SMTP session", 15, open_silent_session),
    ("a websocket that reads nothing", 10, open_unread_websocket),
    ("a list of everything, not read", 10, request_unread_list),
    ("HTTP through SMTP", 10, send_http_through_smtp),
    ("long names in SMTP", 10, send_long_names),
    ("garbage to the API", 5, send_garbage),
    ("ten thousand search words", 5, search_many_words),
];

/// Addresses of the server, and whether the run is over.
struct Target {
    api: String,
    smtp: String,
    web: String,
    is_over: AtomicBool,
}

/// Latencies of one interval, in microseconds, and failures of the whole run.
#[derive(Default)]
struct Measured {
    latencies: Mutex<Vec<u64>>,
    failures: AtomicU64,
    resets: AtomicU64,
}

/// The server. It is killed on drop.
struct ServerProcess(Child);

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let seconds = words.iter().find_map(|word| word.parse().ok());
    let length = Duration::from_secs(seconds.unwrap_or(600));
    let is_alone = words.iter().any(|word| word == "alone");
    let home = Home::fresh().with("MOVIE_BAG_LOG", "warn");
    import(&home);
    let (mut server, target) = serve(&home);
    let measured = Measured::default();
    let pid = server.0.id();
    say(&format!(
        "{CLIENTS} clients, {} hostile ones, {} s",
        if is_alone {
            0
        } else {
            HOSTILE.iter().map(|(_, count, _)| count).sum()
        },
        length.as_secs()
    ));
    say("| s | requests/s | p50, ms | p99, ms | RSS, MiB | descriptors | failures |");
    say("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (target, measured) = (&target, &measured);
            scope.spawn(move || run_client(number, target, measured));
        }
        for (_, count, attack) in HOSTILE {
            for _ in 0..if is_alone { 0 } else { *count } {
                let target = &target;
                scope.spawn(move || {
                    while !target.is_over.load(Ordering::Relaxed) {
                        attack(target);
                        // A refused connection is retried, but not in a busy loop.
                        std::thread::sleep(Duration::from_millis(50));
                    }
                });
            }
        }
        report(pid, length, &measured, &mut server);
        target.is_over.store(true, Ordering::Relaxed);
        drop(server);
    });
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn import(home: &Home) {
    let hash = bcrypt::hash(PASSWORD, 4).unwrap();
    let mut lines = String::from("email,password_hash\n");
    for number in 0..ACCOUNTS {
        lines.push_str(&format!("{},{hash}\n", email(number)));
    }
    let file = home.write("accounts.csv", lines);
    home.run(&["user", "import", file.to_str().unwrap()]).ok();
}

fn email(number: usize) -> String {
    format!("user{number}@example.com")
}

/// Starts the server. Its standard output is discarded.
fn serve(home: &Home) -> (ServerProcess, Target) {
    let mut child = home
        .command(&[
            "serve",
            "--bind",
            "127.0.0.1:0",
            "--smtp-debug",
            "--listen",
            "127.0.0.1:0",
            "--web",
            "127.0.0.1:0",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (found, addresses) = mpsc::channel();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            for (name, mark) in [
                ("smtp", "SMTP on "),
                ("web", "inbox on http://"),
                ("api", "movie-bag listens on http://"),
            ] {
                if let Some(address) = line.strip_prefix(mark) {
                    let _ = found.send((name, address.trim_end_matches('/').to_owned()));
                }
            }
            if line.contains("panicked") {
                say(&line);
            }
        }
    });
    let mut target = Target {
        api: String::new(),
        smtp: String::new(),
        web: String::new(),
        is_over: AtomicBool::new(false),
    };
    for _ in 0..3 {
        match addresses.recv().unwrap() {
            ("smtp", address) => target.smtp = address,
            ("web", address) => target.web = address,
            (_, address) => target.api = address,
        }
    }
    (ServerProcess(child), target)
}

/// Prints a line for each interval, and at the end compares the second minute with the last.
fn report(pid: u32, length: Duration, measured: &Measured, server: &mut ServerProcess) {
    let start = Instant::now();
    let mut lines = Vec::new();
    while start.elapsed() < length {
        std::thread::sleep(INTERVAL.min(length));
        if let Ok(Some(status)) = server.0.try_wait() {
            say(&format!("the server has ended: {status}"));
            std::process::exit(1);
        }
        let mut latencies = std::mem::take(&mut *measured.latencies.lock().unwrap());
        latencies.sort_unstable();
        let part = |percent: usize| {
            let at = latencies.len().saturating_sub(1) * percent / 100;
            latencies
                .get(at)
                .map_or(f64::NAN, |micros| *micros as f64 / 1000.0)
        };
        let memory = resident(pid) as f64 / f64::from(1 << 20);
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        let rate = latencies.len() as f64 / INTERVAL.as_secs_f64();
        say(&format!(
            "| {} | {rate:.0} | {:.1} | {:.1} | {memory:.0} | {descriptors} | {} |",
            start.elapsed().as_secs(),
            part(50),
            part(99),
            measured.failures.load(Ordering::Relaxed),
        ));
        lines.push([rate, part(50), part(99), memory, descriptors as f64]);
    }
    let mean = |lines: &[[f64; 5]], column: usize| {
        lines.iter().map(|line| line[column]).sum::<f64>() / lines.len().max(1) as f64
    };
    let minute = 4.min(lines.len());
    // The inbox fills up to its limits in the first minute.
    let second = &lines[minute.min(lines.len() - minute)..][..minute];
    let last = &lines[lines.len() - minute..];
    for (column, name) in ["requests/s", "p50", "p99", "RSS", "descriptors"]
        .iter()
        .enumerate()
    {
        let (early, late) = (mean(second, column), mean(last, column));
        say(&format!(
            "{name}: second minute {early:.1}, last minute {late:.1}, ratio {:.2}",
            late / early
        ));
    }
    say(&format!(
        "{} resets from mail to new password",
        measured.resets.load(Ordering::Relaxed)
    ));
}

fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| {
        line.trim()
            .trim_end_matches(" kB")
            .trim()
            .parse::<u64>()
            .ok()
    });
    kibibytes.unwrap_or(0) * 1024
}

/// Runs one client of the mixed load: it reads, requests resets, and sometimes logs in or completes a reset.
fn run_client(number: usize, target: &Target, measured: &Measured) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .build()
        .into();
    let api = |path: &str| format!("http://{}{path}", target.api);
    let (mut turn, mut last_mail) = (number * 31, String::new());
    while !target.is_over.load(Ordering::Relaxed) {
        turn += 1;
        let address = email(turn * 7 % (ACCOUNTS / 2));
        let start = Instant::now();
        let answer = match turn % 100 {
            0..40 => agent.get(api("/api/movies")).call(),
            40..60 => agent.get(api("/healthz")).call(),
            60..70 => agent
                .get(format!("http://{}/api/v1/messages", target.web))
                .call(),
            70 => agent
                .post(api("/api/auth/login"))
                .send_json(json!({"email": address, "password": PASSWORD})),
            71 => {
                // Each client resets its own account, so that its reset does not invalidate that of another client.
                let address = email(ACCOUNTS / 2 + number);
                match reset(&agent, target, &address, &mut last_mail) {
                    Some(()) => measured.resets.fetch_add(1, Ordering::Relaxed),
                    None => measured.failures.fetch_add(1, Ordering::Relaxed),
                };
                continue;
            }
            _ => agent
                .post(api("/api/auth/forgot"))
                .send_json(json!({"email": address})),
        };
        let is_ok = answer.is_ok_and(|mut answer| {
            answer.status() == 200 && answer.body_mut().read_to_vec().is_ok()
        });
        if target.is_over.load(Ordering::Relaxed) {
            return;
        }
        if !is_ok {
            measured.failures.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(start.elapsed().as_micros()).unwrap();
        measured.latencies.lock().unwrap().push(micros);
    }
}

/// Requests a reset, takes the link from the inbox, and sets the same password again.
fn reset(
    agent: &ureq::Agent,
    target: &Target,
    address: &str,
    last_mail: &mut String,
) -> Option<()> {
    let forgot = json!({"email": address});
    agent
        .post(format!("http://{}/api/auth/forgot", target.api))
        .send_json(forgot)
        .ok()?;
    let wait = format!(
        "http://{}/api/movie-bag/wait?to={address}&subject=Reset+Your&after={last_mail}&timeout=20s",
        target.web
    );
    let found: Value = agent.get(wait).call().ok()?.body_mut().read_json().ok()?;
    let token = found["tokens"][0].as_str()?;
    *last_mail = found["message"]["ID"].as_str()?.to_owned();
    let new_password = json!({"reset_token": token, "password": PASSWORD});
    let answer = agent
        .post(format!("http://{}/api/auth/reset", target.api))
        .send_json(new_password)
        .ok()?;
    (answer.status() == 200).then_some(())
}

fn connect(address: &str) -> Option<TcpStream> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream
        .set_write_timeout(Some(Duration::from_secs(1)))
        .ok()?;
    Some(stream)
}

/// Sends one byte at a time until the server closes the connection or the run is over.
fn drip(target: &Target, stream: &mut TcpStream, bytes: &[u8]) {
    for byte in bytes.iter().cycle() {
        if target.is_over.load(Ordering::Relaxed) || stream.write_all(&[*byte]).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Holds a connection without reading from it, until the run is over or 20 seconds have passed.
fn hold(target: &Target, stream: TcpStream) {
    let until = Instant::now() + Duration::from_secs(20);
    while !target.is_over.load(Ordering::Relaxed) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(200));
    }
    drop(stream);
}

fn send_half_a_head(target: &Target, address: &str) {
    let Some(mut stream) = connect(address) else {
        return;
    };
    if stream
        .write_all(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        .is_ok()
    {
        drip(target, &mut stream, b"a");
    }
}

fn send_half_a_head_to_the_api(target: &Target) {
    send_half_a_head(target, &target.api);
}

fn send_half_a_head_to_the_inbox(target: &Target) {
    send_half_a_head(target, &target.web);
}

fn open_silent_session(target: &Target) {
    let Some(mut stream) = connect(&target.smtp) else {
        return;
    };
    if stream
        .write_all(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\n")
        .is_ok()
    {
        drip(target, &mut stream, b"NOOP\r\n");
    }
}

fn open_unread_websocket(target: &Target) {
    let Some(mut stream) = connect(&target.web) else {
        return;
    };
    let upgrade = "GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    if stream.write_all(upgrade.as_bytes()).is_ok() {
        hold(target, stream);
    }
}

fn request_unread_list(target: &Target) {
    for path in ["/api/v2/messages?limit=0", "/api/v1/messages?limit=0"] {
        let Some(mut stream) = connect(&target.web) else {
            return;
        };
        let head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        if stream.write_all(head.as_bytes()).is_ok() {
            hold(target, stream);
        }
    }
}

fn send_http_through_smtp(target: &Target) {
    let Some(mut stream) = connect(&target.smtp) else {
        return;
    };
    let attack = format!(
        "POST /{} HTTP/1.1\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<evil@x.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\n\
         Subject: through HTTP\r\n\r\n.\r\nQUIT\r\n",
        "a".repeat(13_000)
    );
    let _ = stream.write_all(attack.as_bytes());
    let _ = stream.read_to_end(&mut Vec::new());
}

fn send_long_names(target: &Target) {
    let Some(mut stream) = connect(&target.smtp) else {
        return;
    };
    let (helo, sender) = ("h".repeat(2_000), "s".repeat(1_500));
    let session = format!(
        "EHLO {helo}\r\nMAIL FROM:<{sender}@x.example>\r\nRCPT TO:<a@b.example>\r\nDATA\r\nSubject: long\r\n\r\n{}\r\n.\r\nQUIT\r\n",
        "text\r\n".repeat(5_000)
    );
    let _ = stream.write_all(session.as_bytes());
    let _ = stream.read_to_end(&mut Vec::new());
}

fn send_garbage(target: &Target) {
    let Some(mut stream) = connect(&target.api) else {
        return;
    };
    let garbage: Vec<u8> = (0..200_000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let _ = stream.write_all(&garbage);
    let _ = stream.read_to_end(&mut Vec::new());
}

fn search_many_words(target: &Target) {
    let Some(mut stream) = connect(&target.web) else {
        return;
    };
    let head = format!(
        "GET /api/v1/search?query={} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        "-a+".repeat(10_000)
    );
    if stream.write_all(head.as_bytes()).is_ok() {
        let _ = stream.read_to_end(&mut Vec::new());
    }
}
