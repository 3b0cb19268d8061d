//! E: answers do not reveal which addresses have an account.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use movie_bag_testkit::mongodb::through;
use movie_bag_testkit::{
    Answer, Fault, Home, MailServer, NEW_PASSWORD, PASSWORD, Server, report_skipped, wait_until,
};

use super::ANN;

const UNKNOWN: &str = "zoe@example.com";
/// Address of a disabled account.
const DISABLED: &str = "dan@example.com";

fn create_disabled(home: &Home, server: &Server) {
    server.sign_up(DISABLED, PASSWORD);
    home.run(&["user", "disable", DISABLED, "--yes"]).ok();
}

/// Everything in an answer that could distinguish known from unknown addresses: without the headers that differ between any two
/// answers, and without the seconds to wait, which depend on the time of the request.
fn comparable(answer: &Answer) -> (u16, String, BTreeMap<String, String>) {
    let text = match answer.header("retry-after") {
        Some("1") => answer.text.replace(" 1 second", " N seconds"),
        Some(seconds) => answer.text.replace(&format!(" {seconds} "), " N "),
        None => answer.text.clone(),
    };
    let headers = answer
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .filter(|(name, _)| {
            !matches!(
                name.as_str(),
                "date" | "x-request-id" | "retry-after" | "content-length"
            )
        });
    (answer.status, text, headers.collect())
}

fn retry_after(answer: &Answer) -> Option<u64> {
    answer
        .header("retry-after")
        .map(|text| text.parse().unwrap())
}

pub fn forgot_answers_known_and_unknown_addresses_alike(home: Home) {
    let home = home
        .with("MOVIE_BAG_CONCEAL_ACCOUNTS", "true")
        .with("MOVIE_BAG_RATE_LIMITS", "on");
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    create_disabled(&home, &server);
    let start = Instant::now();
    for round in 0..6 {
        let (known, unknown) = (server.forgot(ANN), server.forgot(UNKNOWN));
        assert_eq!(known.status, if round < 3 { 200 } else { 429 });
        assert_eq!(comparable(&known), comparable(&unknown), "round {round}");
        let disabled = server.forgot(DISABLED);
        assert_eq!(comparable(&disabled), comparable(&unknown), "round {round}");
        // The requests were sent one after the other, on a machine that may be busy.
        let (known, unknown) = (retry_after(&known), retry_after(&unknown));
        assert_eq!(known.is_some(), round >= 3);
        let apart = known.unwrap_or(0).abs_diff(unknown.unwrap_or(0));
        assert!(apart <= 1 + start.elapsed().as_secs());
    }
    // The pages give the same answer as well.
    let page = |email: &str| {
        let answer = server.post_form("/forgot", &format!("email={}", email.replace('@', "%40")));
        (answer.status, answer.text.replace(email, "…"))
    };
    assert_eq!(page("bob@example.com").0, 200);
    server.sign_up("cleo@example.com", PASSWORD);
    assert_eq!(page("cleo@example.com"), page("bob@example.com"));
    assert_eq!(page(ANN), page(UNKNOWN));
    assert_eq!(page(DISABLED), page(UNKNOWN));
    // The command line is for the administrator, from whom nothing is concealed.
    home.run(&["forgot", "--email", UNKNOWN]).exits(3);
}

/// Counts the bytes that a server writes to its database.
enum Meter {
    /// Bytes that the process writes to files, counted by the kernel.
    Files(u32),
    /// Bytes on the connection between the server and the database.
    Proxy(Arc<AtomicU64>),
}

impl Meter {
    fn read(&self) -> u64 {
        match self {
            Self::Files(pid) => {
                let counters = fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
                let line = counters.lines().find(|line| line.starts_with("wchar: "));
                line.unwrap()[7..].parse().unwrap()
            }
            Self::Proxy(bytes) => bytes.load(Ordering::SeqCst),
        }
    }
}

/// Starts a counting proxy in front of the database at this URI. Returns the URI of the proxy, and its counter. Returns `None` if
/// a proxy is impossible; that has been reported then.
fn metered(uri: &str) -> Option<(String, Arc<AtomicU64>)> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let Some((host, proxied)) = through(uri, listener.local_addr().unwrap()) else {
        report_skipped(
            "forgot_does_equal_work on MongoDB",
            "MOVIE_BAG_TEST_MONGODB has TLS or mongodb+srv, and a proxy has neither the name nor the certificate of the server.",
            "Set it to a URI without both.",
        );
        return None;
    };
    let bytes = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&bytes);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let database = TcpStream::connect(&host).unwrap();
            let request = (client.try_clone().unwrap(), database.try_clone().unwrap());
            let counter = Arc::clone(&counter);
            thread::spawn(move || forward(request.0, request.1, Some(&counter)));
            thread::spawn(move || forward(database, client, None));
        }
    });
    Some((proxied, bytes))
}

fn forward(mut from: TcpStream, mut to: TcpStream, counter: Option<&AtomicU64>) {
    let mut bytes = [0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if let Some(counter) = counter {
            counter.fetch_add(read as u64, Ordering::SeqCst);
        }
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// Number of mails that a server sends at the same time.
const SENT_AT_ONCE: usize = 16;
/// Number of compared requests.
const SAMPLES: usize = 60;

pub fn forgot_does_equal_work(home: Home) {
    // The delivery worker waits for a mail server that hangs, so all further writes belong to requests.
    let mail_server = MailServer::start(&[Fault::HangsInData; 2 * SENT_AT_ONCE]);
    let home = home
        .with("MOVIE_BAG_CONCEAL_ACCOUNTS", "true")
        .with("MAIL_PORT", mail_server.port())
        .with("MOVIE_BAG_MAIL_TIMEOUT", "10m")
        .with("MOVIE_BAG_LOG", "off");
    let mut serve = home.command(&["serve", "--bind", "127.0.0.1:0"]);
    let proxy = match home.mongodb_uri() {
        Some(uri) => {
            let Some((proxied, bytes)) = metered(uri) else {
                return;
            };
            serve.env("MOVIE_BAG_DATABASE", proxied);
            Some(bytes)
        }
        None => None,
    };
    let server = Server::start_command(serve);
    let meter = proxy.map_or_else(|| Meter::Files(server.pid()), Meter::Proxy);
    server.sign_up(ANN, PASSWORD);
    create_disabled(&home, &server);
    let mut requests = 0;
    wait_until("the worker leaves mails in the queue", || {
        for _ in 0..SENT_AT_ONCE {
            server.forgot(ANN).is(200);
            requests += 1;
        }
        let untouched = home
            .outbox()
            .iter()
            .filter(|mail| mail["attempts"] == 0)
            .count();
        mail_server.connections() == SENT_AT_ONCE && untouched >= SENT_AT_ONCE
    });
    let mut work = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..SAMPLES {
        let address = round % 3;
        let start = meter.read();
        server.forgot([ANN, UNKNOWN, DISABLED][address]).is(200);
        work[address].push(meter.read() - start);
    }
    // The median of each, since the worker renews its leases in the meantime.
    let [known, unknown, disabled] = work.map(|mut bytes| {
        bytes.sort_unstable();
        bytes[bytes.len() / 2] as f64
    });
    assert!(
        known > 1_000.0 && (0.9..1.1).contains(&(unknown / known)),
        "{known} bytes for a known address, {unknown} for an unknown one"
    );
    assert!(
        (0.9..1.1).contains(&(disabled / unknown)),
        "{disabled} bytes for a disabled account, {unknown} for an unknown address"
    );
    // Nevertheless each request for the known address has queued a mail, and no request for the unknown address has.
    let waiting = home.outbox();
    assert!(waiting.iter().all(|mail| mail["email"] == ANN));
    assert_eq!(waiting.len(), requests + SAMPLES / 3);
}

pub fn login_answers_known_and_unknown_addresses_alike(home: Home) {
    let home = home.with("MOVIE_BAG_RATE_LIMITS", "on");
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    create_disabled(&home, &server);
    for round in 0..12 {
        let wrong = server.log_in(ANN, NEW_PASSWORD);
        let unknown = server.log_in(UNKNOWN, NEW_PASSWORD);
        assert_eq!(wrong.status, if round < 10 { 401 } else { 429 });
        assert_eq!(comparable(&wrong), comparable(&unknown), "round {round}");
        assert_eq!(retry_after(&wrong), retry_after(&unknown), "round {round}");
        let disabled = server.log_in(DISABLED, PASSWORD);
        assert_eq!(comparable(&disabled), comparable(&unknown), "round {round}");
    }
}

/// Returns the processor time that a process has used, in clock ticks.
fn processor_time(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name before the fields may contain spaces.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    // Fields 14 and 15 are the time in user and in system mode; the first of `fields` is field 3.
    let ticks = |field: &str| field.parse::<u64>().unwrap();
    fields.split(' ').skip(11).take(2).map(ticks).sum()
}

/// Compares the processor time of failed logins, which does not depend on the load of the machine as their duration does.
/// Without equal work, it would differ by a factor of 64 between the cheapest and the most expensive hash, and by far more for a
/// password that cannot be hashed.
pub fn login_does_equal_work(home: Home) {
    const SET: &str = "6";
    const ROUNDS: usize = 4;
    let home = home
        .with("MOVIE_BAG_BCRYPT_COST", SET)
        .with("MOVIE_BAG_LOG", "off");
    let mut accounts = String::from("email,password_hash\n");
    for (name, cost) in [("cheap", 4), ("dear", 10)] {
        let hash = bcrypt::hash(PASSWORD, cost).unwrap();
        accounts += &format!("{name}@example.com,{hash}\n");
    }
    home.run_with_input(&["user", "import", "-"], &accounts)
        .ok();
    let server = home.serve_alone(&[]);
    server.sign_up(ANN, PASSWORD);
    create_disabled(&home, &server);
    let too_long = "x".repeat(73);
    let with_nul = format!("{NEW_PASSWORD}\0");
    let attempts = [
        (ANN, NEW_PASSWORD),
        ("cheap@example.com", NEW_PASSWORD),
        ("dear@example.com", NEW_PASSWORD),
        (UNKNOWN, NEW_PASSWORD),
        ("no address", NEW_PASSWORD),
        (ANN, &too_long),
        ("dear@example.com", &too_long),
        (UNKNOWN, &too_long),
        ("dear@example.com", &with_nul),
        (UNKNOWN, &with_nul),
        (UNKNOWN, ""),
        (DISABLED, PASSWORD),
    ];
    // The first round is discarded, since it includes work that is done once after the start.
    let mut work = [0; 12];
    for round in 0..=ROUNDS {
        for (work, (email, password)) in work.iter_mut().zip(attempts) {
            let before = processor_time(server.pid());
            server
                .log_in(email, password)
                .fails_with(401, "unauthorized");
            if round > 0 {
                *work += processor_time(server.pid()) - before;
            }
        }
    }
    let mut sorted = work;
    sorted.sort_unstable();
    let usual = sorted[work.len() / 2] as f64;
    for (work, (email, password)) in work.iter().zip(attempts) {
        let ratio = *work as f64 / usual;
        assert!(
            usual >= 5.0 && (0.4..2.5).contains(&ratio),
            "{email} with a password of {} bytes: {work} ticks, of {sorted:?}",
            password.len()
        );
    }
    // The right password is verified against a hash of any cost.
    server.access_token("cheap@example.com", PASSWORD);
    server.access_token("dear@example.com", PASSWORD);
}
