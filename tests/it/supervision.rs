//! A task of a server that dies is reported and restarted, and makes the server unready meanwhile. A task that keeps dying ends the
//! process. Faults are injected into the debug binary (`crates/core/src/supervisor/fault_points.rs`).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::thread;

use serde_json::Value;

use movie_bag_testkit::report_skipped;
use movie_bag_testkit::{
    Fault, Home, MailServer, PASSWORD, PATIENCE, Server, metric_value, raw, wait_for, wait_until,
};

const RESET: &str = "[Movie-bag] Reset your password";

/// Tasks of `serve --smtp-debug` with metrics. `database` is the writer thread of SQLite.
const TASKS: [&str; 8] = [
    "api",
    "delivery",
    "history",
    "metrics",
    "database",
    "sink-smtp",
    "sink-inbox",
    "sink-output",
];

/// Returns the kinds of failure of a task. A future can also return.
fn faults(task: &str) -> &'static [&'static str] {
    match task {
        "database" | "sink-output" => &["panic"],
        _ => &["panic", "end"],
    }
}

/// Sets the folder of faults. Returns `None` if the binary has no fault points.
fn with_fault_points(home: Home) -> Option<Home> {
    if !cfg!(debug_assertions) {
        report_skipped(
            "tests of the supervisor",
            "A release build has no fault points.",
            "Run them with a debug build.",
        );
        return None;
    }
    let folder = folder(&home);
    std::fs::create_dir_all(&folder).unwrap();
    let folder = folder.display().to_string();
    Some(home.with("MOVIE_BAG_TEST_FAULTS", folder))
}

fn folder(home: &Home) -> PathBuf {
    home.path().join("faults")
}

/// Injects a fault. The file is renamed into the folder, so that it is never read incomplete.
fn inject(home: &Home, task: &str, fault: &str) {
    let written = home.write("fault", fault);
    std::fs::rename(written, folder(home).join(task)).unwrap();
}

/// Sends a request over a new connection, since a task that dies closes its connections. The answer is empty if the connection was
/// refused or reset.
fn call(address: &str, head: &str, body: &str) -> String {
    let request = format!(
        "{head} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut answer = Vec::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.write_all(request.as_bytes());
        let _ = stream.read_to_end(&mut answer);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn post(server: &Server, path: &str, body: &Value) -> String {
    call(server.address(), &format!("POST {path}"), &body.to_string())
}

fn readiness(server: &Server) -> String {
    call(server.address(), "GET /readyz", "")
}

fn metric(server: &Server, series: &str) -> Option<f64> {
    metric_value(&call(&server.metrics_address(), "GET /metrics", ""), series)
}

fn sign_up(server: &Server, email: &str) -> String {
    let account = serde_json::json!({"email": email, "password": PASSWORD});
    post(server, "/api/auth/signup", &account)
}

fn forgot(server: &Server, email: &str) -> String {
    post(
        server,
        "/api/auth/forgot",
        &serde_json::json!({"email": email}),
    )
}

/// Returns the log entries of a task with this message.
fn entries(log: &str, task: &str, message: &str) -> Vec<String> {
    let is_wanted = |line: &&str| line.contains(message) && line.contains(task);
    log.lines().filter(is_wanted).map(str::to_owned).collect()
}

/// Injects a fault, and waits until a readiness probe names the task. If the machine was so slow that the task was up again before
/// the first probe, the fault is injected again. Returns the answer and the number of faults.
#[track_caller]
fn wait_until_unready(
    home: &Home,
    (task, fault): (&str, &str),
    trigger: impl Fn(),
    probe: impl Fn() -> String,
    log: impl Fn() -> String,
) -> (String, usize) {
    let ups = || entries(&log(), task, "is running again").len();
    for faults in 1..4 {
        let before = ups();
        inject(home, task, fault);
        trigger();
        let answer = wait_for("an answer that the task is down", || {
            let answer = probe();
            if answer.starts_with("HTTP/1.1 503") {
                Ok(Some(answer))
            } else if ups() > before {
                Ok(None)
            } else {
                Err(answer)
            }
        });
        if let Some(answer) = answer {
            return (answer, faults);
        }
    }
    panic!("{task} was never seen to be down");
}

/// Sends a message to the sink.
fn send_mail(server: &Server) {
    let session = "EHLO me\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n";
    raw(server.smtp(), session.as_bytes());
}

#[track_caller]
fn assert_ok(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Signs up, requests a reset, and waits for the mail in the inbox and on standard output, which needs every task.
#[track_caller]
fn assert_all_tasks_work(server: &Server, email: &str) {
    assert_ok(&sign_up(server, email));
    assert_ok(&forgot(server, email));
    server.inbox().wait_for_count(email, RESET, 1);
    server.stdout_once(|stdout| stdout.contains(email));
}

/// Attack: makes each task panic and end. Each time the log names the task, `/readyz` is 503 with its name and then 200 again, the
/// restart is counted, and everything works as before.
pub fn a_task_that_dies_is_reported_and_restarted(home: Home) {
    let Some(home) = with_fault_points(home) else {
        return;
    };
    let home = home.with("MOVIE_BAG_METRICS_BIND", "127.0.0.1:0");
    let server = home.serve(&[]);
    let mut number = 0;
    let mut next_email = || {
        number += 1;
        format!("user{number}@example.com")
    };
    assert_all_tasks_work(&server, &next_email());
    let tasks = TASKS
        .into_iter()
        .filter(|task| *task != "database" || !home.is_on_mongodb());
    for task in tasks {
        let restarts = format!("movie_bag_task_restarts_total{{task=\"{task}\"}}");
        let up = format!("movie_bag_task_up{{task=\"{task}\"}}");
        for fault in faults(task) {
            let before = metric(&server, &restarts).unwrap();
            let logged = entries(&server.stderr(), task, "is restarted").len();
            // Some faults take effect at the next write, or when the next message is printed.
            let email = next_email();
            let trigger = || match task {
                "sink-output" => send_mail(&server),
                _ => drop(sign_up(&server, &email)),
            };
            let (answer, faults) = wait_until_unready(
                &home,
                (task, fault),
                trigger,
                || readiness(&server),
                || server.stderr(),
            );
            assert!(answer.contains("\"unavailable\""), "{answer}");
            assert!(answer.contains(&format!("The task {task} ")), "{answer}");
            let line = wait_for("the entry of the log", || {
                let log = server.stderr();
                // The last entry may belong to the previous fault.
                let mut entries = entries(&log, task, "is restarted").split_off(logged);
                entries.pop().ok_or(log)
            });
            let cause = match *fault {
                "panic" => "it panicked: injected fault",
                _ => "it ended unexpectedly",
            };
            assert!(line.contains(cause), "{line}");
            wait_until("the server is ready again", || {
                readiness(&server).starts_with("HTTP/1.1 200")
            });
            assert_eq!(
                metric(&server, &restarts),
                Some(before + faults as f64),
                "{task}"
            );
            assert_eq!(metric(&server, &up), Some(1.0), "{task}");
            assert_all_tasks_work(&server, &next_email());
        }
    }
    assert!(server.stop().success());
}

/// Attack: kills the delivery worker while it holds leases. Each mail arrives exactly once.
pub fn a_worker_that_dies_holding_leases_loses_no_mail_and_sends_none_twice(home: Home) {
    const MAILS: usize = 40;
    let Some(home) = with_fault_points(home) else {
        return;
    };
    let server = home.serve(&[]);
    let emails: Vec<_> = (0..MAILS)
        .map(|number| format!("user{number}@example.com"))
        .collect();
    for email in &emails {
        assert_ok(&sign_up(&server, email));
    }
    for (number, email) in emails.iter().enumerate() {
        assert_ok(&forgot(&server, email));
        if number % (MAILS / 2) == MAILS / 4 {
            inject(&home, "delivery", "panic");
        }
    }
    wait_until("every mail is delivered", || home.outbox().is_empty());
    let log = server.stderr();
    assert!(log.contains("a task failed and is restarted"), "{log}");
    for email in &emails {
        assert_eq!(server.inbox().count(email, RESET), 1, "{email}");
    }
}

/// Attack: kills the delivery worker after the mail server has stored a mail and before it has answered.
pub fn a_worker_that_dies_while_a_mail_is_sent_does_not_send_it_again(home: Home) {
    let Some(home) = with_fault_points(home) else {
        return;
    };
    let mail_server = MailServer::start(&[Fault::AnswersOnRequest]);
    let home = home.with("MAIL_PORT", mail_server.port());
    let server = home.serve_alone(&[]);
    assert_ok(&sign_up(&server, "ann@example.com"));
    assert_ok(&forgot(&server, "ann@example.com"));
    wait_until("the mail is stored", || mail_server.stored().len() == 1);
    inject(&home, "delivery", "panic");
    wait_until("the worker is restarted", || {
        !entries(&server.stderr(), "delivery", "is running again").is_empty()
    });
    mail_server.answer();
    wait_until("the outbox is empty", || home.outbox().is_empty());
    assert_eq!(mail_server.stored().len(), 1);
}

/// Attack: one task fails repeatedly. The process ends, and reports the task and the cause.
pub fn a_task_that_keeps_dying_ends_the_process(home: Home) {
    let Some(home) = with_fault_points(home) else {
        return;
    };
    assert_repeated_failure_ends_the_process(&home, "delivery");
}

fn assert_repeated_failure_ends_the_process(home: &Home, task: &str) {
    let mut server = home.serve(&[]);
    inject(home, task, "panic always");
    let mut number = 0;
    // The writer thread of SQLite fails at the next write.
    while task == "database" && !sign_up(&server, &format!("user{number}@example.com")).is_empty() {
        number += 1;
    }
    let status = server.wait_for_exit();
    assert_eq!(status.code(), Some(1), "{}", server.stderr());
    let stderr = server.stderr();
    let error = format!("error: task {task} failed 5 times in a row: it panicked: injected fault");
    assert!(stderr.contains(&error), "{stderr}");
    assert!(
        stderr.contains("a task failed repeatedly: the process ends"),
        "{stderr}"
    );
}

#[test]
fn any_task_that_keeps_dying_ends_the_process() {
    thread::scope(|scope| {
        for task in TASKS.into_iter().filter(|task| *task != "sink-output") {
            scope.spawn(move || {
                let home = Home::fresh().with("MOVIE_BAG_METRICS_BIND", "127.0.0.1:0");
                if let Some(home) = with_fault_points(home) {
                    assert_repeated_failure_ends_the_process(&home, task);
                }
            });
        }
    });
}

#[test]
fn smtp_debug_restarts_its_tasks_and_ends_after_repeated_failure() {
    let Some(home) = with_fault_points(Home::fresh()) else {
        return;
    };
    let home = home.with("MOVIE_BAG_LOG", "info");
    let mut sink = home.sink(&[]);
    for task in ["sink-smtp", "sink-inbox"] {
        let probe = || call(sink.web(), "GET /readyz", "");
        let (answer, _) =
            wait_until_unready(&home, (task, "panic"), || {}, probe, || sink.stderr());
        assert!(
            answer.contains(&format!("the task {task} has failed")),
            "{answer}"
        );
        wait_until("the sink is ready again", || {
            probe().starts_with("HTTP/1.1 200")
        });
    }
    inject(&home, "sink-smtp", "end always");
    let status = sink.wait_for_exit();
    let stderr = sink.stderr();
    assert_eq!(status.code(), Some(1), "{stderr}");
    let error = "error: task sink-smtp failed";
    assert!(stderr.contains(error), "{stderr}");
}

/// A job that panics fails its own request. The next one is served by another thread.
#[test]
fn a_panic_while_passwords_are_hashed_fails_one_request() {
    let Some(home) = with_fault_points(Home::fresh()) else {
        return;
    };
    let server = home.serve(&[]);
    inject(&home, "hasher", "panic");
    let failed = sign_up(&server, "ann@example.com");
    assert!(failed.starts_with("HTTP/1.1 500"), "{failed}");
    assert_ok(&sign_up(&server, "ann@example.com"));
    assert_ok(&readiness(&server));
}

/// After an attempt that panics, the mail is sent by the next attempt, and the worker continues.
#[test]
fn a_panic_while_a_mail_is_sent_delays_that_mail() {
    let Some(home) = with_fault_points(Home::fresh()) else {
        return;
    };
    let server = home.serve(&[]);
    assert_ok(&sign_up(&server, "ann@example.com"));
    inject(&home, "attempt", "panic");
    assert_ok(&forgot(&server, "ann@example.com"));
    server.inbox().wait_for_count("ann@example.com", RESET, 1);
    let log = server.stderr();
    assert!(log.contains("injected fault"), "{log}");
}

#[test]
fn a_panic_is_one_document_in_a_json_log() {
    let Some(home) = with_fault_points(Home::fresh()) else {
        return;
    };
    let home = home.with("MOVIE_BAG_LOG_FORMAT", "json");
    let server = home.serve_alone(&[]);
    inject(&home, "history", "panic");
    wait_until("the failure is logged", || {
        server.stderr().contains("is restarted")
    });
    let stderr = server.stderr();
    let entries: Vec<Value> = stderr
        .lines()
        .skip_while(|line| !line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let panic = entries.iter().find(|entry| {
        entry["fields"]["message_of_panic"] == "injected fault" && entry["level"] == "ERROR"
    });
    let location = panic.unwrap()["fields"]["location"].as_str().unwrap();
    assert!(location.contains("fault_points.rs:"), "{location}");
    let failed = entries
        .iter()
        .find(|entry| entry["fields"]["task"] == "history");
    let cause = failed.unwrap()["fields"]["cause"].as_str().unwrap();
    assert_eq!(cause, "it panicked: injected fault");
}
