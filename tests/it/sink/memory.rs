//! Attacks on `--max-memory`: each would make the sink hold many times the limit if it held anything that is not counted.
//!
//! The peak of resident memory is read from `/proc`, so that the attacks run on Linux only. Elsewhere they report that they were
//! skipped.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::thread;

use serde_json::json;

use movie_bag_testkit::{Home, PATIENCE, Sink, wait_for, wait_until};

/// Memory limit of the sinks in these tests.
const LIMIT: u64 = 128 * 1024 * 1024;

/// Memory that a sink may use beyond its limit: 32 MiB for responses being sent, and as much for the program, its threads and
/// connections, and memory that the allocator has not returned yet.
const HEADROOM: u64 = 64 * 1024 * 1024;

const MIB: usize = 1024 * 1024;

/// Returns whether peaks can be read on this system. If not, a message is written past the output capture of the test.
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

/// Returns the peak of resident memory of a process, without the pages of its executable.
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
fn assert_limit_held(pid: u32) {
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

/// Returns a message whose parsed form is many times as large as its source.
fn mail_to_many(fields: &[&str], addresses: usize) -> Vec<u8> {
    let fields = fields
        .iter()
        .map(|name| format!("{name}: {}\r\n", "a,".repeat(addresses)));
    format!("{}\r\nx\r\n", fields.collect::<String>()).into_bytes()
}

/// An SMTP session that sends one command after the other, and reads each reply.
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
        client.command(format!("EHLO {helo}\r\n").as_bytes());
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

    fn command(&mut self, line: &[u8]) -> String {
        self.stream.get_mut().write_all(line).unwrap();
        self.reply()
    }

    /// Sends a message. Every message must be stored, although older ones are deleted for it.
    fn send(&mut self, sender: &str, mail: &[u8]) {
        self.command(format!("MAIL FROM:<{sender}>\r\n").as_bytes());
        self.command(b"RCPT TO:<ann@example.com>\r\n");
        self.command(b"DATA\r\n");
        let reply = self.command(&[mail, b".\r\n"].concat());
        assert!(reply.starts_with("250 "), "{reply}");
    }
}

/// Sends a request, and leaves its response unread.
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

/// Reads the rest of a response, and returns its size.
fn read_size(mut stream: TcpStream) -> u64 {
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
    let [messages, _, message, raw] = paths.map(|path| read_size(get(sink.web(), path)));
    assert!(messages > 200 * MIB as u64, "{messages}");
    assert!(message > MIB as u64 && raw > MIB as u64, "{message} {raw}");
    assert_limit_held(sink.pid());
    // Clients that do not read are disconnected. Then the responses that wait for memory are sent.
    let stalled: Vec<_> = (0..8).map(|n| get(sink.web(), paths[n % 4])).collect();
    let found = read_size(get(sink.web(), "/api/v1/search?query=text&limit=0"));
    assert!(found > 10_000, "{found}");
    assert_limit_held(sink.pid());
    drop(stalled);
}

/// The page deletes the messages that fill the inbox, and as many arrive again while the deletion can be undone.
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
    assert_limit_held(sink.pid());
}

pub fn memory_of_lists_is_counted(home: Home) {
    let Some(sink) = start(&home, &["--format", "none"]) else {
        return;
    };
    let mut client = Client::connect(&sink.smtp, "me");
    let mail = mail_to_many(&["To", "Cc", "Bcc", "Reply-To"], 10_000);
    for _ in 0..100 {
        client.send("a@example.com", &mail);
    }
    read_size(get(sink.web(), "/api/v1/messages?limit=0"));
    read_size(get(sink.web(), "/api/v1/search?query=subject:x&limit=0"));
    read_size(get(sink.web(), "/"));
    assert_limit_held(sink.pid());
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
    // Other clients announce a frame of 16 MiB, and send most of it.
    let senders: Vec<_> = (0..40)
        .map(|_| {
            let mut client = ask(sink.web(), upgrade);
            client.read_exact(&mut [0; 12]).unwrap();
            let announced = [&[0x82, 0xff][..], &(16 * MIB as u64).to_be_bytes(), &[0; 4]].concat();
            // The server may close the connection at any time.
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
    assert_limit_held(sink.pid());
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
    assert_limit_held(sink.pid());
    home.write("go-on", "");
    wait_for("the warning of dropped mails", || {
        let stderr = sink.stderr();
        let is_reported = stderr.contains("dropped before --exec ran for them");
        is_reported.then_some(()).ok_or(stderr)
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
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("SMTP on ") {
        line.clear();
        assert!(
            stderr.read_line(&mut line).unwrap() > 0,
            "the process has exited"
        );
    }
    let smtp = line["SMTP on ".len()..].trim().to_owned();
    let mail = mail(MIB);
    let sent = std::panic::catch_unwind(|| {
        // A session waits after its message is stored, so each message needs its own session.
        for _ in 0..500 {
            Client::connect(&smtp, "me").send("a@example.com", &mail);
        }
        assert_limit_held(child.id());
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
    assert_limit_held(sink.pid());
    // Unfinished transactions are counted too.
    let recipients: String = (0..1000)
        .map(|number| format!("RCPT TO:<{}{number}@example.com>\r\n", "r".repeat(4_000)))
        .collect();
    let begun: Vec<_> = (0..60)
        .map(|_| {
            let mut client = Client::connect(&sink.smtp, "me");
            client.command(b"MAIL FROM:<a@example.com>\r\n");
            // The session may be ended before all is sent.
            let _ = client.stream.get_mut().write_all(recipients.as_bytes());
            client
        })
        .collect();
    wait_until("a session is ended for lack of memory", || {
        let mut ended = begun.iter().filter(|client| {
            let mut replies = [0; 64 * 1024];
            client.stream.get_ref().set_nonblocking(true).unwrap();
            let read = client.stream.get_ref().read(&mut replies).unwrap_or(0);
            String::from_utf8_lossy(&replies[..read]).contains("421 4.3.1 ")
        });
        ended.next().is_some()
    });
    assert_limit_held(sink.pid());
    drop(begun);
    // Then there is memory for new messages again.
    wait_until("memory for a mail", || {
        let mut client = Client::connect(&sink.smtp, "me");
        client.command(b"MAIL FROM:<a@example.com>\r\n");
        client
            .command(b"RCPT TO:<ann@example.com>\r\n")
            .starts_with("250 ")
    });
}

pub fn concurrent_send_requests_are_counted(home: Home) {
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
    // None of these requests is finished.
    let begun: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = begin(16 * MIB);
            stream.set_write_timeout(Some(PATIENCE)).unwrap();
            let _ = stream.write_all(&vec![b'x'; 15 * MIB]);
            stream
        })
        .collect();
    assert_limit_held(sink.pid());
    drop(begun);
    let message = json!({
        "From": {"Email": "a@example.com"},
        "To": [{"Email": "ann@example.com"}],
        "Attachments": [{"Filename": "a", "Content": "QUFB".repeat(MIB / 2)}],
    });
    let message = message.to_string();
    let post = || {
        let mut stream = begin(message.len());
        stream.write_all(message.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.starts_with("HTTP/1.1 200 "))
    };
    wait_until("memory for a message", || post() == Some(true));
    thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(post);
        }
    });
    assert_limit_held(sink.pid());
}
