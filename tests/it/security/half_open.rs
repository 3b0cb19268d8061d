//! A and D: clients that never complete a request do not stop the others.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use movie_bag_testkit::{Crowd, HalfOpen, Home, PASSWORD, PATIENCE, Sink, possible_clients};

use super::{ANN, RESET};

/// Rounds of requests on new connections that must be answered while the crowd holds its connections. If a crowd kept every new
/// client waiting until its connections time out, after 15 seconds at best, this many rounds would take longer than [`PATIENCE`].
const ROUNDS: usize = 12;

/// Sends bytes on a new connection. Returns everything that arrives before the server closes or resets the connection.
fn ask(address: &str, request: &str) -> String {
    let mut answer = Vec::new();
    let result = TcpStream::connect(address).and_then(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request.as_bytes())?;
        stream.read_to_end(&mut answer)
    });
    if let Err(error) = result {
        answer.extend_from_slice(error.to_string().as_bytes());
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends a request on new connections until `enough` accepts an answer: a client that was disconnected tries again.
#[track_caller]
fn answered(address: &str, request: &str, deadline: Instant, enough: impl Fn(&str) -> bool) {
    loop {
        let answer = ask(address, request);
        if enough(&answer) {
            return;
        }
        assert!(Instant::now() < deadline, "{request:?}: {answer:?}");
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

pub fn half_open_requests_do_not_stop_the_api(home: Home) {
    let count = possible_clients(1);
    // A limit so low that it bounds the connections, and the rest still works.
    let home = home.with_open_files("-n 512");
    home.create_account(ANN, PASSWORD);
    for (is_at_inbox, kind) in [
        (false, HalfOpen::HEAD),
        (false, HalfOpen::BODY),
        (true, HalfOpen::HEAD),
    ] {
        let server = home.serve(&[]);
        let inbox = server.inbox();
        let target = if is_at_inbox {
            inbox.address().trim_start_matches("http://")
        } else {
            server.address()
        };
        let crowd = Crowd::connect(target, count, kind);
        crowd.wait_until_connected();
        let deadline = Instant::now() + PATIENCE;
        let is_ok = |answer: &str| answer.starts_with("HTTP/1.1 200 ");
        for _ in 0..ROUNDS {
            answered(server.address(), &get("/healthz"), deadline, is_ok);
            answered(server.address(), &get("/api/movies"), deadline, is_ok);
        }
        let body = format!(r#"{{"email":"{ANN}"}}"#);
        let forgot = format!(
            "POST /api/auth/forgot HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        answered(server.address(), &forgot, deadline, is_ok);
        drop(crowd);
        inbox.wait_for_count(ANN, RESET, 1);
    }
}

pub fn half_open_requests_do_not_stop_the_inbox(home: Home) {
    let count = possible_clients(2);
    let home = home.with_open_files("-n 1024");
    for (http, smtp) in [
        (HalfOpen::HEAD, HalfOpen::SILENCE),
        (HalfOpen::SILENCE, HalfOpen::SESSION),
    ] {
        let sink = home.sink(&[]);
        let crowds = [
            Crowd::connect(sink.web(), count, http),
            Crowd::connect(&sink.smtp, count, smtp),
        ];
        crowds.iter().for_each(Crowd::wait_until_connected);
        use_sink(&sink);
    }
}

/// Sends mails and reads them, on new connections.
fn use_sink(sink: &Sink) {
    let deadline = Instant::now() + PATIENCE;
    let mail = "EHLO me\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n\
                Subject: Hello\r\n\r\nHello\r\n.\r\nQUIT\r\n";
    for number in 1..=ROUNDS {
        answered(&sink.smtp, mail, deadline, |answer| {
            answer.contains("\r\n250 2.0.0 ")
        });
        // A client that was disconnected before the reply has sent its mail nevertheless.
        answered(sink.web(), &get("/api/v1/info"), deadline, |answer| {
            let messages = answer.split_once(r#""Messages":"#).map(|(_, rest)| rest);
            let messages = messages.and_then(|rest| rest.split(',').next()?.parse().ok());
            messages.is_some_and(|messages: usize| messages >= number)
        });
        answered(sink.web(), &get("/"), deadline, |answer| {
            answer.starts_with("HTTP/1.1 200 ")
        });
    }
}

#[cfg(unix)]
#[test]
fn commands_inherit_the_original_limit_of_open_files() {
    let home = Home::fresh().with_open_files("-S -n 300");
    let output = home.run(&["smtp-debug", "--", "sh", "-c", "ulimit -S -n"]);
    assert_eq!(output.ok().stdout, "300\n");
    let file = home.path().join("limit");
    let exec = format!("ulimit -S -n > {}", file.display());
    let sink = home.sink(&["--exec", &exec, "--exit-after", "1"]);
    ask(
        &sink.smtp,
        "EHLO me\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n\r\n.\r\nQUIT\r\n",
    );
    movie_bag_testkit::wait_until("the command has run", || {
        std::fs::read_to_string(&file).is_ok_and(|text| text == "300\n")
    });
}
