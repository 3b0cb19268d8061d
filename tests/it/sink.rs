//! `smtp-debug` and `inbox` as used by people, scripts and test suites.

mod bad_mails;
mod child_command;
mod classic_format;
pub mod deletion;
mod encryption;
mod inbox_command;
mod mailpit_clients;
pub mod memory;
mod real_mails;
pub mod smtp_port;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::thread;

use movie_bag_testkit::{Home, Output, PATIENCE, wait_for};

/// Sends one message, and returns all replies of the session.
fn send(smtp: &str, to: &str, subject: &str, text: &str) -> String {
    let mut stream = TcpStream::connect(smtp).unwrap();
    write!(
        stream,
        "EHLO me\r\nMAIL FROM:<from@example.com>\r\nRCPT TO:<{to}>\r\nDATA\r\n\
         From: from@example.com\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n{text}\r\n.\r\nQUIT\r\n"
    )
    .unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    replies
}

/// Waits until `smtp-debug` has written its SMTP address to this log file.
fn smtp_address_in(log: &Path) -> String {
    wait_for("the line with its address", || {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        // Only complete lines, since a part of a line may have a part of the address.
        let mut lines = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        let address = lines.find_map(|line| line.strip_prefix("SMTP on "));
        address
            .map(|address| address.trim().to_owned())
            .ok_or(text.clone())
    })
}

#[test]
fn a_size_is_given_with_a_unit_or_in_bytes() {
    let home = Home::fresh();
    for (size, bytes) in [("10M", "10485760"), ("512K", "524288"), ("1000", "1000")] {
        let sink = home.sink(&["--max-size", size, "--max-memory", "1G"]);
        let mut stream = TcpStream::connect(&sink.smtp).unwrap();
        write!(stream, "EHLO me\r\nQUIT\r\n").unwrap();
        let mut replies = String::new();
        stream.read_to_string(&mut replies).unwrap();
        assert!(replies.contains(&format!("SIZE {bytes}\r\n")), "{replies}");
    }
    for (size, reason) in [
        ("-1", "a size cannot be negative"),
        ("-10M", "a size cannot be negative"),
        ("1.5M", "a size cannot have a fraction"),
        ("99999999999G", "the size is too large"),
        (
            "10MB",
            "write a size such as 10M, 512K or 1G, or a number of bytes",
        ),
    ] {
        for option in ["--max-size", "--max-memory"] {
            let refused = home.run(&["smtp-debug", option, size]).exits(2);
            assert!(
                refused.stderr.contains(reason) && refused.stderr.contains(option),
                "{}",
                refused.stderr
            );
        }
    }
}

#[test]
fn stored_messages_survive_kill_9() {
    let home = Home::fresh();
    let store = home.path().join("mails");
    let store = store.to_str().unwrap();
    let sink = home.sink(&["--store", store]);
    for number in 0..20 {
        assert!(
            send(
                &sink.smtp,
                "ann@example.com",
                &format!("mail {number}"),
                "text"
            )
            .contains("OK: stored")
        );
    }
    let before = sink.inbox().messages();
    let busy = home
        .run(&[
            "smtp-debug",
            "--listen",
            "127.0.0.1:0",
            "--no-web",
            "--store",
            store,
        ])
        .exits(1);
    assert!(
        busy.stderr
            .contains("another smtp-debug stores its messages there"),
        "{}",
        busy.stderr
    );
    sink.kill();
    let sink = home.sink(&["--store", store]);
    assert_eq!(sink.inbox().messages(), before);
    let stored = home.path().join("mails/new");
    assert_eq!(std::fs::read_dir(stored).unwrap().count(), 20);
    sink.inbox().wait_for("ann@example.com");
}

#[test]
fn configured_faults_occur() {
    let home = Home::fresh();
    let sink = home.sink(&[
        "--fail",
        "rcpt:2:451",
        "--fail",
        "data:3:drop",
        "--fail",
        "connect:4:421",
    ]);
    let codes = |replies: &str| -> Vec<String> {
        let finals = replies
            .lines()
            .filter(|line| line.as_bytes().get(3) == Some(&b' '));
        finals.map(|line| line[..3].to_owned()).collect()
    };
    let send_one = || codes(&send(&sink.smtp, "ann@example.com", "x", "y"));
    assert_eq!(
        send_one(),
        ["220", "250", "250", "250", "354", "250", "221"]
    );
    assert_eq!(send_one()[..5], ["220", "250", "250", "451", "503"]);
    assert_eq!(send_one(), ["220", "250", "250", "250"]);
    assert_eq!(send_one(), ["421"]);
    assert_eq!(
        send_one(),
        ["220", "250", "250", "250", "354", "250", "221"]
    );
    let wrong = home.run(&["smtp-debug", "--fail", "rcpt:0:451"]).exits(2);
    assert!(wrong.stderr.contains("invalid count"), "{}", wrong.stderr);
}

#[test]
fn a_spike_of_five_hundred_connections_is_served() {
    let home = Home::fresh();
    let sink = home.sink(&["--format", "none"]);
    let address = sink.smtp.parse().unwrap();
    // All connections arrive while the process is paused, so that the accept queue must hold them.
    sink.pause();
    let open: Vec<TcpStream> = (0..500)
        .map(|_| TcpStream::connect_timeout(&address, PATIENCE).unwrap())
        .collect();
    sink.resume();
    assert!(send(&sink.smtp, "ann@example.com", "x", "y").contains("OK: stored"));
    thread::scope(|scope| {
        for mut stream in open {
            scope.spawn(move || {
                write!(
                    stream,
                    "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
                )
                .unwrap();
                let mut replies = String::new();
                stream.read_to_string(&mut replies).unwrap();
                assert!(replies.contains("OK: stored"), "{replies}");
            });
        }
    });
    assert_eq!(sink.inbox().messages().len(), 501);
}

#[test]
fn a_quiet_start_prints_nothing() {
    let home = Home::fresh();
    let quiet = Output::run(home.command(&["smtp-debug", "--quiet", "--", "true"]), "");
    assert_eq!(quiet.ok().stderr, "");
}

#[test]
fn compressed_responses_are_complete() {
    let home = Home::fresh();
    let sink = home.sink(&["--format", "none"]);
    let text = (0..20_000).map(|number| format!("line {number}\n"));
    send(
        &sink.smtp,
        "ann@example.com",
        "long",
        &text.collect::<String>(),
    );
    for number in 0..300 {
        send(
            &sink.smtp,
            "ann@example.com",
            &format!("mail {number}"),
            "text",
        );
    }
    let latest = sink.inbox().messages();
    let id = latest.last().unwrap()["ID"].as_str().unwrap().to_owned();
    for path in [
        format!("/api/v1/message/{id}"),
        format!("/api/v1/message/{id}/raw"),
        "/api/v1/messages?limit=0".to_owned(),
        "/api/v2/messages?limit=0".to_owned(),
    ] {
        let url = format!("http://{}{path}", sink.web());
        let plain = curl(&["--fail", &url]);
        let compressed = curl(&["--fail", "--compressed", &url]);
        assert!(plain.len() > 64 * 1024, "{path}: {}", plain.len());
        assert_eq!(plain, compressed, "{path}");
    }
}

fn curl(arguments: &[&str]) -> Vec<u8> {
    let output = std::process::Command::new("curl")
        .arg("--silent")
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    output.stdout
}
