//! `smtp-debug` and `inbox` as people, scripts and test suites use them.

mod bad_mails;
mod classic;
pub mod deletion;
mod mailpit_clients;
pub mod memory;
mod real_mails;
pub mod smtp_port;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use serde_json::Value;

use crate::harness::{Home, Output, PATIENCE, wait_for, wait_until};

/// Sends one mail in the plainest way.
fn send(smtp: &str, to: &str, subject: &str, text: &str) -> String {
    let mut stream = TcpStream::connect(smtp).unwrap();
    write!(
        stream,
        "EHLO me\r\nMAIL FROM:<from@example.com>\r\nRCPT TO:<{to}>\r\nDATA\r\n\
         From: from@example.com\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n{text}\r\n.\r\nQUIT\r\n"
    )
    .unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

/// What `smtp-debug` says at its start, of a command that writes it to this file.
fn smtp_of(log: &Path) -> String {
    wait_for("the line with its address", || {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        // A whole line: a part of one is a part of an address.
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
fn the_inbox_is_listed_shown_waited_for_and_cleared() {
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
    let told = &unreadable.stderr;
    assert!(told.contains("invalid size in larger:abc"), "{told}");
    let waited = inbox(&["wait", "--to", "ANN@example.com", "--print", "link,code"]).ok();
    assert_eq!(waited.stdout, "https://x.example/reset/a?b=1\n123456\n");
    let id = inbox(&["wait", "--to", "ann@example.com"]).ok().stdout;
    assert_eq!(id.trim(), list[1]["ID"]);
    let lacks = inbox(&["wait", "--to", "joann@example.com", "--print", "text,token"]).exits(3);
    assert_eq!(lacks.stdout, "nothing\n");
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
    let gone = inbox(&["list", "--json"]).exits(7);
    assert_eq!(gone.json()["error"]["code"], "inbox");
}

#[test]
fn a_size_is_given_with_a_unit_or_in_bytes() {
    let home = Home::fresh();
    for (size, bytes) in [("10M", "10485760"), ("512K", "524288"), ("1000", "1000")] {
        let sink = home.sink(&["--max-size", size, "--max-memory", "1G"]);
        let mut stream = TcpStream::connect(&sink.smtp).unwrap();
        write!(stream, "EHLO me\r\nQUIT\r\n").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.contains(&format!("SIZE {bytes}\r\n")), "{said}");
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
fn a_wait_ends_when_the_mail_comes() {
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

/// What a Mailpit answers, as far as `inbox` asks it: all that the sink does, but nothing of ours alone.
fn without_our_own(web: &str) -> String {
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
            let once = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            sink.write_all(once.as_bytes()).unwrap();
            std::io::copy(&mut sink, &mut client).unwrap();
        }
    });
    format!("http://{address}")
}

#[test]
fn a_mailpit_is_asked_until_it_has_the_mail() {
    let home = Home::fresh();
    let sink = home.sink(&[]);
    send(
        &sink.smtp,
        "ann@example.com",
        "one",
        "https://x.example/reset/old",
    );
    let home = home.with("MOVIE_BAG_INBOX_URL", without_our_own(sink.web()));
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
fn an_inbox_with_a_password_is_read_with_it() {
    let home = Home::fresh();
    let sink = home.sink(&["--web-auth", "ann:s3cret"]);
    let list = |url: String| home.run(&["inbox", "list", "--url", &url]);
    list(format!("http://{}", sink.web())).exits(1);
    list(format!("http://ann:wrong@{}", sink.web())).exits(1);
    list(format!("http://ann:s3cret@{}", sink.web())).ok();
    home.run(&["smtp-debug", "--web-auth", "nobody"]).exits(2);
}

#[test]
#[cfg(unix)]
fn a_command_runs_beside_it_and_its_exit_code_counts() {
    let home = Home::fresh();
    let binary = movie_bag_testkit::binary().display();
    let script = format!(
        "exec 3<>/dev/tcp/$MAIL_SERVER/$MAIL_PORT
printf 'EHLO x\\r\\nMAIL FROM:<a@b>\\r\\nRCPT TO:<ann@example.com>\\r\\nDATA\\r\\n\\r\\nhttps://x.example/verify/1\\r\\n.\\r\\nQUIT\\r\\n' >&3
cat <&3 >/dev/null
{binary} inbox wait --to ann@example.com --print link
exit 9"
    );
    let ended = home
        .run(&["smtp-debug", "--", "bash", "-c", &script])
        .exits(9);
    assert_eq!(ended.stdout, "https://x.example/verify/1\n");
    assert!(
        ended.stderr.contains("Received 1 message"),
        "{}",
        ended.stderr
    );
    home.run(&["smtp-debug", "--", "true"]).ok();
    home.run(&["smtp-debug", "--", "sh", "-c", "kill -9 $$"])
        .exits(137);
    let wrong = home.run(&["smtp-debug", "--", "no-such-program"]).exits(1);
    assert!(wrong.stderr.contains("cannot run no-such-program"));
}

#[test]
#[cfg(unix)]
fn a_command_that_is_told_to_stop_ends_with_the_sink() {
    let home = Home::fresh();
    let log = home.path().join("log");
    let ready = home.path().join("ready");
    let mut command = home.command(&[
        "smtp-debug",
        "--",
        "sh",
        "-c",
        "trap 'exit 7' TERM; touch ready; while :; do sleep 0.1; done",
    ]);
    let mut child = command
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    smtp_of(&log);
    let id = child.id().to_string();
    wait_until("its trap is set", || ready.exists());
    std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status()
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
}

#[test]
#[cfg(unix)]
fn it_runs_a_command_for_each_mail_and_ends_after_so_many() {
    let home = Home::fresh();
    let log = home.path().join("log");
    let arguments = [
        "smtp-debug",
        "--listen",
        "127.0.0.1:0",
        "--no-web",
        "--format",
        "none",
        "--exit-after",
        "2",
        "--exec",
        "sleep 0.2; echo \"$MOVIE_BAG_MAIL_TO|$MOVIE_BAG_MAIL_FROM|$MOVIE_BAG_MAIL_SUBJECT|$MOVIE_BAG_MAIL_LINK|$MOVIE_BAG_MAIL_CODE\"; wc -l; exit 3",
    ];
    let mut command = home.command(&arguments);
    command.stderr(std::fs::File::create(&log).unwrap());
    let output = thread::scope(|scope| {
        let running = scope.spawn(|| {
            let output = command
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            output.wait_with_output().unwrap()
        });
        let smtp = smtp_of(&log);
        send(
            &smtp,
            "ann@example.com",
            "$(touch evil); `touch evil`",
            "code 1234",
        );
        send(&smtp, "bob@example.com", "two", "https://x.example/");
        running.join().unwrap()
    });
    assert!(output.status.success());
    let out = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = out.lines().map(str::trim).collect();
    assert_eq!(
        lines,
        [
            "ann@example.com|from@example.com|$(touch evil); `touch evil`||1234",
            "5",
            "bob@example.com|from@example.com|two|https://x.example/|",
            "5"
        ]
    );
    assert!(!home.path().join("evil").exists());
    let said = std::fs::read_to_string(log).unwrap();
    assert!(
        said.contains("--exec: the command failed with exit status: 3"),
        "{said}"
    );
}

#[test]
fn what_is_stored_survives_kill_9() {
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
    let few = home.path().join("mails/new");
    assert_eq!(std::fs::read_dir(few).unwrap().count(), 20);
    sink.inbox().wait_for("ann@example.com");
}

#[test]
fn faults_come_when_they_are_asked_for() {
    let home = Home::fresh();
    let sink = home.sink(&[
        "--fail",
        "rcpt:2:451",
        "--fail",
        "data:3:drop",
        "--fail",
        "connect:4:421",
    ]);
    let codes = |said: &str| -> Vec<String> {
        let finals = said
            .lines()
            .filter(|line| line.as_bytes().get(3) == Some(&b' '));
        finals.map(|line| line[..3].to_owned()).collect()
    };
    let try_one = || codes(&send(&sink.smtp, "ann@example.com", "x", "y"));
    assert_eq!(try_one(), ["220", "250", "250", "250", "354", "250", "221"]);
    assert_eq!(try_one()[..5], ["220", "250", "250", "451", "503"]);
    assert_eq!(try_one(), ["220", "250", "250", "250"]);
    assert_eq!(try_one(), ["421"]);
    assert_eq!(try_one(), ["220", "250", "250", "250", "354", "250", "221"]);
    let wrong = home.run(&["smtp-debug", "--fail", "rcpt:0:451"]).exits(2);
    assert!(wrong.stderr.contains("invalid count"), "{}", wrong.stderr);
}

/// A certificate for this machine by an authority of its own: the PEM files of the authority, the certificate and its key.
fn certificate(home: &Home) -> [String; 3] {
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
        .unwrap();
    let own_pem = own.signed_by(&key, &issuer).unwrap().pem();
    let write = |name: &str, text: String| home.write(name, text).to_str().unwrap().to_owned();
    [
        write("ca.pem", authority_pem),
        write("cert.pem", own_pem),
        write("key.pem", key.serialize_pem()),
    ]
}

#[test]
fn our_own_mails_go_encrypted_where_the_certificate_is_trusted_and_else_not_at_all() {
    let home = Home::fresh();
    home.create_account("ann@example.com", "correct horse battery");
    let [authority, own, key] = certificate(&home);
    let sink = home.sink(&[
        "--tls",
        "127.0.0.1:0",
        "--tls-cert",
        &own,
        "--tls-key",
        &key,
    ]);
    let made_authority = home.path().join("made.pem").to_str().unwrap().to_owned();
    let made = home.sink(&[
        "--starttls",
        "--tls",
        "127.0.0.1:0",
        "--tls-ca-out",
        &made_authority,
    ]);
    let settings = |port: &str, tls: &str, trusted: Option<&String>| {
        let mut text = format!("MAIL_SERVER = 127.0.0.1\nMAIL_PORT = {port}\n{tls} = true\n");
        if let Some(authority) = trusted {
            text.push_str(&format!("MAIL_CA_FILE = {authority}\n"));
        }
        text.push_str("MAIL_USERNAME = ann\nMAIL_PASSWORD = s3cret\n");
        home.write("mail.env", text).to_str().unwrap().to_owned()
    };
    let forgot =
        |file: String| home.run(&["forgot", "--email", "ann@example.com", "--env-file", &file]);
    for (port, tls) in [
        (sink.port(), "MAIL_USE_TLS"),
        (sink.smtps_port(), "MAIL_USE_SSL"),
    ] {
        forgot(settings(port, tls, None)).exits(7);
        forgot(settings(port, tls, Some(&authority))).ok();
        let envelope = sink.inbox().envelope("latest");
        assert_eq!(envelope["tls"], "TLS 1.3", "{envelope}");
        assert_eq!(envelope["auth"]["user"], "ann");
        assert!(!envelope.to_string().contains("s3cret"));
    }
    for (port, tls) in [
        (made.port(), "MAIL_USE_TLS"),
        (made.smtps_port(), "MAIL_USE_SSL"),
    ] {
        forgot(settings(port, tls, Some(&authority))).exits(7);
        assert!(made.inbox().messages().is_empty());
    }
    for (port, tls) in [
        (made.port(), "MAIL_USE_TLS"),
        (made.smtps_port(), "MAIL_USE_SSL"),
    ] {
        forgot(settings(port, tls, Some(&made_authority))).ok();
        assert_eq!(made.inbox().envelope("latest")["tls"], "TLS 1.3");
    }
    assert_eq!(sink.inbox().messages().len(), 2);
    assert_eq!(made.inbox().messages().len(), 2);
    let wrong = home
        .run(&["smtp-debug", "--tls-cert", &key, "--tls-key", &key])
        .exits(1);
    assert!(wrong.stderr.contains("key.pem"), "{}", wrong.stderr);
}

#[test]
fn a_spike_of_five_hundred_connections_stalls_nobody() {
    let home = Home::fresh();
    let sink = home.sink(&["--format", "none"]);
    let address = sink.smtp.parse().unwrap();
    // They all come while it does something else: it must have room for them until it looks.
    sink.halt();
    let open: Vec<TcpStream> = (0..500)
        .map(|_| TcpStream::connect_timeout(&address, PATIENCE).unwrap())
        .collect();
    sink.go_on();
    assert!(send(&sink.smtp, "ann@example.com", "x", "y").contains("OK: stored"));
    thread::scope(|scope| {
        for mut stream in open {
            scope.spawn(move || {
                write!(
                    stream,
                    "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n"
                )
                .unwrap();
                let mut said = String::new();
                stream.read_to_string(&mut said).unwrap();
                assert!(said.contains("OK: stored"), "{said}");
            });
        }
    });
    assert_eq!(sink.inbox().messages().len(), 501);
}

#[test]
fn a_quiet_start_says_nothing() {
    let home = Home::fresh();
    let quiet = Output::of(home.command(&["smtp-debug", "--quiet", "--", "true"]), "");
    assert_eq!(quiet.ok().stderr, "");
}

#[test]
fn compressed_answers_are_whole() {
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
