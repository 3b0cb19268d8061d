//! `--max-memory` under attack: each attack makes the sink hold many times the limit, unless everything that it holds is counted.
//!
//! The peak of resident memory is read from `/proc`, so the attacks run on Linux only; elsewhere they say that they were left
//! out.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::thread;

use serde_json::json;

use crate::harness::{Home, PATIENCE, Sink, wait_for, wait_until};

/// The limit that the sinks here are started with.
const LIMIT: u64 = 128 * 1024 * 1024;

/// Memory that a sink may take beside its limit: 32 MiB for the answers under way, and as much for the program, its threads and
/// connections, and what the allocator does not return at once.
const HEADROOM: u64 = 64 * 1024 * 1024;

const MIB: usize = 1024 * 1024;

/// Whether peaks can be read here. Where not, the run says so, past the capture of the test's output.
fn can_measure() -> bool {
    let can = cfg!(target_os = "linux");
    if !can {
        let message = "LEFT OUT: peaks of memory are read on Linux only\n";
        let _ = std::io::stderr().write_all(message.as_bytes());
    }
    can
}

fn start(home: &Home, more: &[&str]) -> Option<Sink> {
    if !can_measure() {
        return None;
    }
    let limit = LIMIT.to_string();
    Some(home.sink(&[&["--max-memory", &limit], more].concat()))
}

/// Peak of resident memory of a process, without the pages of its file.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let kib = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.unwrap().trim().trim_end_matches(" kB");
        number.parse().unwrap()
    };
    1024 * (kib("VmHWM:") - kib("RssFile:"))
}

#[track_caller]
fn assert_kept(pid: u32) {
    let peak = peak(pid);
    assert!(
        peak <= LIMIT + HEADROOM,
        "{} MiB of {} MiB and {} MiB of headroom",
        peak >> 20,
        LIMIT >> 20,
        HEADROOM >> 20
    );
}

fn mail(size: usize) -> Vec<u8> {
    let mut mail = b"Subject: x\r\nTo: ann@example.com\r\n\r\n".to_vec();
    while mail.len() < size {
        mail.extend_from_slice(b"A line of text that stands for a mail.\r\n");
    }
    mail
}

/// A mail with a digest that is many times as large.
fn mail_to_many(fields: &[&str], addresses: usize) -> Vec<u8> {
    let fields = fields
        .iter()
        .map(|name| format!("{name}: {}\r\n", "a,".repeat(addresses)));
    format!("{}\r\nx\r\n", fields.collect::<String>()).into_bytes()
}

/// An SMTP session that sends one command after the other and reads each reply.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(smtp: &str, helo: &str) -> Client {
        let stream = TcpStream::connect(smtp).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut client = Client {
            stream: BufReader::new(stream),
        };
        client.reply();
        client.say(format!("EHLO {helo}\r\n").as_bytes());
        client
    }

    fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            if line.get(3..4) != Some("-") {
                return line;
            }
        }
    }

    fn say(&mut self, line: &[u8]) -> String {
        self.stream.get_mut().write_all(line).unwrap();
        self.reply()
    }

    /// Sends a mail; every mail must be kept, whatever has to go for it.
    fn send(&mut self, sender: &str, mail: &[u8]) {
        self.say(format!("MAIL FROM:<{sender}>\r\n").as_bytes());
        self.say(b"RCPT TO:<ann@example.com>\r\n");
        self.say(b"DATA\r\n");
        let kept = self.say(&[mail, b".\r\n"].concat());
        assert!(kept.starts_with("250 "), "{kept}");
    }
}

/// Begins a request whose answer is not read yet.
fn ask(web: &str, head: &str) -> TcpStream {
    let mut stream = TcpStream::connect(web).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(head.replace('\n', "\r\n").as_bytes())
        .unwrap();
    stream
}

fn get(web: &str, path: &str) -> TcpStream {
    ask(
        web,
        &format!("GET {path} HTTP/1.1\nHost: localhost\nConnection: close\n\n"),
    )
}

/// Reads the rest of an answer, and returns its size.
fn size_of(mut stream: TcpStream) -> u64 {
    std::io::copy(&mut stream, &mut std::io::sink()).unwrap()
}

pub fn lists_of_whole_messages_take_little_memory(home: Home) {
    let Some(sink) = start(&home, &["--format", "none"]) else {
        return;
    };
    let mut client = Client::connect(&sink.smtp, "me");
    let mail = mail(MIB);
    for _ in 0..130 {
        client.send("a@example.com", &mail);
    }
    let paths = [
        "/api/v2/messages?limit=0",
        "/api/v1/messages?limit=0",
        "/api/v1/message/latest",
        "/api/v1/message/latest/raw",
    ];
    let [messages, _, message, raw] = paths.map(|path| size_of(get(sink.web(), path)));
    assert!(messages > 200 * MIB as u64, "{messages}");
    assert!(message > MIB as u64 && raw > MIB as u64, "{message} {raw}");
    assert_kept(sink.pid());
    // Clients that do not read are disconnected, and then the answers that wait for their memory are made.
    let stalled: Vec<_> = (0..8).map(|n| get(sink.web(), paths[n % 4])).collect();
    let found = size_of(get(sink.web(), "/api/v1/search?query=text&limit=0"));
    assert!(found > 10_000, "{found}");
    assert_kept(sink.pid());
    drop(stalled);
}

/// The page deletes what fills the inbox, and the same arrives once more while the deletion can be undone.
pub fn deleted_messages_that_can_be_restored_are_counted(home: Home) {
    let Some(sink) = start(&home, &["--format", "none"]) else {
        return;
    };
    let mut client = Client::connect(&sink.smtp, "me");
    let mail = mail(MIB);
    for _ in 0..3 {
        for _ in 0..120 {
            client.send("a@example.com", &mail);
        }
        let messages = sink.inbox().messages();
        assert!(messages.len() > 100, "{}", messages.len());
        let ids = messages.iter().map(|one| one["ID"].as_str().unwrap());
        let form = ids.fold("do=delete".to_owned(), |form, id| form + "&ids=" + id);
        let mut answer = String::new();
        let request = format!(
            "POST / HTTP/1.1\nHost: localhost\nConnection: close\nContent-Length: {}\n\n{form}",
            form.len()
        );
        let mut stream = ask(sink.web(), &request);
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        assert!(sink.inbox().messages().is_empty());
    }
    assert_kept(sink.pid());
}

pub fn lists_keep_nothing_that_is_not_counted(home: Home) {
    let Some(sink) = start(&home, &["--format", "none"]) else {
        return;
    };
    let mut client = Client::connect(&sink.smtp, "me");
    let mail = mail_to_many(&["To", "Cc", "Bcc", "Reply-To"], 10_000);
    for _ in 0..100 {
        client.send("a@example.com", &mail);
    }
    size_of(get(sink.web(), "/api/v1/messages?limit=0"));
    size_of(get(sink.web(), "/api/v1/search?query=subject:x&limit=0"));
    size_of(get(sink.web(), "/"));
    assert_kept(sink.pid());
}

pub fn websocket_clients_that_never_read_hold_no_messages(home: Home) {
    let Some(sink) = start(&home, &["--format", "none"]) else {
        return;
    };
    let upgrade = "GET /api/events HTTP/1.1\nHost: localhost\nUpgrade: websocket\nConnection: Upgrade\n\
                   Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n";
    let clients: Vec<_> = (0..100)
        .map(|_| {
            let mut client = ask(sink.web(), upgrade);
            let mut answer = [0; 12];
            client.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"HTTP/1.1 101");
            client
        })
        .collect();
    // Others announce a frame of 16 MiB, and send most of it.
    let senders: Vec<_> = (0..40)
        .map(|_| {
            let mut client = ask(sink.web(), upgrade);
            client.read_exact(&mut [0; 12]).unwrap();
            let announced = [&[0x82, 0xff][..], &(16 * MIB as u64).to_be_bytes(), &[0; 4]].concat();
            // They may be refused at any time.
            let _ = client.write_all(&announced);
            let _ = client.write_all(&vec![0; 15 * MIB]);
            client
        })
        .collect();
    let mut client = Client::connect(&sink.smtp, "me");
    let mail = mail(MIB);
    for _ in 0..400 {
        client.send("a@example.com", &mail);
    }
    let mail = mail_to_many(&["To", "Cc"], 2_000);
    for _ in 0..300 {
        client.send("a@example.com", &mail);
    }
    assert_kept(sink.pid());
    drop((clients, senders));
}

pub fn a_slow_command_holds_no_messages(home: Home) {
    let command = "cat > mail; while ! test -e go-on; do sleep 0.1; done";
    let Some(sink) = start(&home, &["--format", "none", "--exec", command]) else {
        return;
    };
    let mut client = Client::connect(&sink.smtp, "me");
    let mail = mail(MIB);
    for _ in 0..400 {
        client.send("a@example.com", &mail);
    }
    assert_kept(sink.pid());
    home.write("go-on", "");
    wait_for("the warning of dropped mails", || {
        let stderr = sink.stderr();
        let is_told = stderr.contains("dropped before --exec ran for them");
        is_told.then_some(()).ok_or(stderr)
    });
}

pub fn a_blocked_standard_output_holds_no_messages(home: Home) {
    if !can_measure() {
        return;
    }
    let limit = LIMIT.to_string();
    let mut arguments = vec!["smtp-debug", "--listen", "127.0.0.1:0", "--no-web"];
    arguments.extend(["--format", "raw", "--max-memory", &limit]);
    let mut child = home
        .command(&arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("SMTP on ") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it has ended");
    }
    let smtp = line["SMTP on ".len()..].trim().to_owned();
    let mail = mail(MIB);
    let sent = std::panic::catch_unwind(|| {
        // A session waits once its mail is kept, so each mail takes one of its own.
        for _ in 0..500 {
            Client::connect(&smtp, "me").send("a@example.com", &mail);
        }
        assert_kept(child.id());
    });
    child.kill().unwrap();
    child.wait().unwrap();
    sent.unwrap();
}

pub fn long_names_are_counted(home: Home) {
    let Some(sink) = start(&home, &["--format", "none"]) else {
        return;
    };
    let (helo, sender) = (
        "h".repeat(12_000),
        format!("{}@example.com", "s".repeat(11_900)),
    );
    let mut client = Client::connect(&sink.smtp, &helo);
    for _ in 0..6_000 {
        client.send(&sender, b"Subject: x\r\n\r\nx\r\n");
    }
    assert_kept(sink.pid());
    // Transactions that are never finished count too.
    let recipients: String = (0..1000)
        .map(|number| format!("RCPT TO:<{}{number}@example.com>\r\n", "r".repeat(4_000)))
        .collect();
    let begun: Vec<_> = (0..60)
        .map(|_| {
            let mut client = Client::connect(&sink.smtp, "me");
            client.say(b"MAIL FROM:<a@example.com>\r\n");
            // It may be sent away before it has said all.
            let _ = client.stream.get_mut().write_all(recipients.as_bytes());
            client
        })
        .collect();
    wait_until("a session is ended for want of memory", || {
        let mut ended = begun.iter().filter(|client| {
            let mut said = [0; 64 * 1024];
            client.stream.get_ref().set_nonblocking(true).unwrap();
            let read = client.stream.get_ref().read(&mut said).unwrap_or(0);
            String::from_utf8_lossy(&said[..read]).contains("421 4.3.1 ")
        });
        ended.next().is_some()
    });
    assert_kept(sink.pid());
    drop(begun);
    // Then new mails fit again.
    wait_until("memory for a mail", || {
        let mut client = Client::connect(&sink.smtp, "me");
        client.say(b"MAIL FROM:<a@example.com>\r\n");
        client
            .say(b"RCPT TO:<ann@example.com>\r\n")
            .starts_with("250 ")
    });
}

pub fn many_letters_at_once_are_counted(home: Home) {
    let Some(sink) = start(&home, &["--format", "none"]) else {
        return;
    };
    let begin = |size: usize| {
        ask(
            sink.web(),
            &format!(
                "POST /api/v1/send HTTP/1.1\nHost: localhost\nConnection: close\nContent-Length: {size}\n\n"
            ),
        )
    };
    // None of them is finished.
    let begun: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = begin(16 * MIB);
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            let _ = stream.write_all(&vec![b'x'; 15 * MIB]);
            stream
        })
        .collect();
    assert_kept(sink.pid());
    drop(begun);
    let letter = json!({
        "From": {"Email": "a@example.com"},
        "To": [{"Email": "ann@example.com"}],
        "Attachments": [{"Filename": "a", "Content": "QUFB".repeat(MIB / 2)}],
    });
    let letter = letter.to_string();
    let post = || {
        let mut stream = begin(letter.len());
        stream.write_all(letter.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.starts_with("HTTP/1.1 200 "))
    };
    wait_until("memory for a letter", || post() == Some(true));
    thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(post);
        }
    });
    assert_kept(sink.pid());
}
