//! The `inbox` command, with a sink and with a Mailpit.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use movie_bag_testkit::Home;
use serde_json::Value;

use super::send;

#[test]
fn messages_are_listed_shown_awaited_and_cleared() {
    let home = Home::fresh();
    let sink = home.sink(&[]);
    let url = format!("http://{}", sink.web());
    let inbox = |arguments: &[&str]| home.run(&[&["inbox"], arguments, &["--url", &url]].concat());
    assert_eq!(inbox(&["list"]).ok().stderr, "The inbox is empty.\n");
    send(
        &sink.smtp,
        "ann@example.com",
        "Reset it",
        "Open https://x.example/reset/a?b=1\r\nYour code: 123456",
    );
    send(&sink.smtp, "joann@example.com", "Other", "nothing");
    let list = inbox(&["list", "--json"]).ok().stdout;
    let list: Vec<Value> = list
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((list.len(), &list[0]["Subject"]), (2, &"Other".into()));
    let table = inbox(&["list", "--query", "subject:reset"]).ok().stdout;
    assert!(
        table.contains("Reset it") && !table.contains("Other"),
        "{table}"
    );
    let unreadable = inbox(&["list", "--query", "larger:abc"]).exits(2);
    assert_eq!(unreadable.stdout, "");
    let stderr = &unreadable.stderr;
    assert!(stderr.contains("invalid size in larger:abc"), "{stderr}");
    let waited = inbox(&["wait", "--to", "ANN@example.com", "--print", "link,code"]).ok();
    assert_eq!(waited.stdout, "https://x.example/reset/a?b=1\n123456\n");
    let id = inbox(&["wait", "--to", "ann@example.com"]).ok().stdout;
    assert_eq!(id.trim(), list[1]["ID"]);
    let missing = inbox(&["wait", "--to", "joann@example.com", "--print", "text,token"]).exits(3);
    assert_eq!(missing.stdout, "nothing\n");
    let late = inbox(&[
        "wait",
        "--to",
        "ann@example.com",
        "--after",
        id.trim(),
        "--timeout",
        "1s",
    ]);
    assert!(
        late.exits(8)
            .stderr
            .contains("no matching message to ann@example.com")
    );
    let shown = inbox(&["show", id.trim()]).ok().stdout;
    assert!(
        shown.contains("Subject  Reset it") && shown.contains("\nCode     123456"),
        "{shown}"
    );
    assert_eq!(
        inbox(&["show", "latest", "--print", "text"]).ok().stdout,
        "nothing\n"
    );
    inbox(&["show", "nothing"]).exits(3);
    assert_eq!(inbox(&["clear", "--json"]).ok().json()["deleted"], 2);
    assert_eq!(inbox(&["list"]).ok().stdout, "");
    assert!(sink.stop().success());
    let unreachable = inbox(&["list", "--json"]).exits(7);
    assert_eq!(unreachable.json()["error"]["code"], "inbox");
}

#[test]
fn a_wait_ends_when_the_message_arrives() {
    let home = Home::fresh();
    let sink = home.sink(&[]);
    let (relay, requests) = relay(sink.web());
    let home = home.with("MOVIE_BAG_INBOX_URL", relay);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            home.run(&[
                "inbox",
                "wait",
                "--to",
                "ann@example.com",
                "--subject",
                "two",
                "--print",
                "json",
            ])
        });
        requests.recv().unwrap();
        for subject in ["one", "two"] {
            send(&sink.smtp, "ann@example.com", subject, "text");
        }
        let found = waiting.join().unwrap().ok().json();
        assert_eq!(found["message"]["Subject"], "two");
    });
}

/// Forwards connections to the inbox, and reports each request once it is forwarded.
fn relay(web: &str) -> (String, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let web = web.to_owned();
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut sink = TcpStream::connect(&web).unwrap();
            let mut answers = (sink.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || {
                let _ = std::io::copy(&mut answers.0, &mut answers.1);
                let _ = answers.1.shutdown(Shutdown::Write);
            });
            let sender = sender.clone();
            thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = client.read(&mut bytes) {
                    if sink.write_all(&bytes[..read]).is_err() || sender.send(()).is_err() {
                        break;
                    }
                }
                let _ = sink.shutdown(Shutdown::Write);
            });
        }
    });
    (url, requests)
}

/// Starts a proxy that leaves the inbox with the API of Mailpit alone: the API of movie-bag is 404.
fn mailpit_api_of(web: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let web = web.to_owned();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            if head.contains(" /api/movie-bag/") {
                let answer =
                    b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
                client.write_all(answer).unwrap();
                continue;
            }
            let mut sink = TcpStream::connect(&web).unwrap();
            let request = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            sink.write_all(request.as_bytes()).unwrap();
            std::io::copy(&mut sink, &mut client).unwrap();
        }
    });
    format!("http://{address}")
}

#[test]
fn a_mailpit_is_polled_until_the_message_arrives() {
    let home = Home::fresh();
    let sink = home.sink(&[]);
    send(
        &sink.smtp,
        "ann@example.com",
        "one",
        "https://x.example/reset/old",
    );
    let home = home.with("MOVIE_BAG_INBOX_URL", mailpit_api_of(sink.web()));
    let first = home
        .run(&["inbox", "wait", "--to", "ann@example.com"])
        .ok()
        .stdout;
    let wait = |more: &[&str]| {
        let arguments = [
            "inbox",
            "wait",
            "--to",
            "ann@example.com",
            "--after",
            first.trim(),
        ];
        home.run(&[&arguments, more].concat())
    };
    wait(&["--timeout", "1s"]).exits(8);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(&["--subject", "TWO", "--print", "link"]));
        for (to, subject) in [
            ("joann@example.com", "two"),
            ("ann@example.com", "other"),
            ("ann@example.com", "two"),
        ] {
            send(
                &sink.smtp,
                to,
                subject,
                &format!("https://x.example/reset/{to}-{subject}"),
            );
        }
        let found = waiting.join().unwrap().ok().stdout;
        assert_eq!(found, "https://x.example/reset/ann@example.com-two\n");
    });
    assert_eq!(
        home.run(&["inbox", "list", "--json"])
            .ok()
            .stdout
            .lines()
            .count(),
        4
    );
    home.run(&["inbox", "clear"]).ok();
    assert!(sink.inbox().messages().is_empty());
}

#[test]
fn an_inbox_with_a_password_needs_the_password() {
    let home = Home::fresh();
    let sink = home.sink(&["--web-auth", "ann:s3cret"]);
    let list = |url: String| home.run(&["inbox", "list", "--url", &url]);
    list(format!("http://{}", sink.web())).exits(1);
    list(format!("http://ann:wrong@{}", sink.web())).exits(1);
    list(format!("http://ann:s3cret@{}", sink.web())).ok();
    home.run(&["smtp-debug", "--web-auth", "ann"]).exits(2);
}
