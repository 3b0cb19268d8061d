//! Malformed messages that other sinks lose, change or crash on: each is accepted with 250, stored byte for byte, listed and
//! shown.
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use movie_bag_testkit::{Home, Sink};

/// Adds the dots of transparency (RFC 5321 §4.5.2). Only bytes after CRLF begin a line.
fn stuffed(source: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(source.len() + 16);
    for (at, byte) in source.iter().enumerate() {
        if *byte == b'.' && (at == 0 || source[..at].ends_with(b"\r\n")) {
            wire.push(b'.');
        }
        wire.push(*byte);
    }
    wire
}

pub(super) fn deliver(sink: &Sink, source: &[u8]) {
    let mut stream = TcpStream::connect(&sink.smtp).unwrap();
    let hello = "EHLO me\r\nMAIL FROM:<from@example.com> BODY=8BITMIME\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n";
    stream.write_all(hello.as_bytes()).unwrap();
    stream.write_all(&stuffed(source)).unwrap();
    stream.write_all(b".\r\nQUIT\r\n").unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    assert!(replies.contains("OK: stored"), "{replies}");
}

fn many_parts(count: usize) -> Vec<u8> {
    let mut mail =
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n".to_vec();
    mail.extend(b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n".repeat(count));
    mail.extend(b"--b--\r\n");
    mail
}

fn nested(depth: usize) -> Vec<u8> {
    let level = |number| {
        format!("Content-Type: multipart/mixed; boundary=b{number}\r\n\r\n--b{number}\r\n")
            .into_bytes()
    };
    let mut mail: Vec<u8> = (0..depth).flat_map(level).collect();
    mail.extend(b"Content-Type: text/plain\r\n\r\nthe innermost\r\n");
    mail
}

/// Returns descriptions and sources of messages. Each source ends with CRLF.
fn mails() -> Vec<(&'static str, Vec<u8>)> {
    let with_header = |header: &str| format!("{header}\r\nSubject: x\r\n\r\ntext\r\n").into_bytes();
    vec![
        ("nothing", b"\r\n".to_vec()),
        ("no header", b"just text\r\nand more\r\n".to_vec()),
        ("a header without a body", b"Subject: x\r\n".to_vec()),
        ("a From without a name", with_header("From: <ann@example.com>")),
        ("a From without an address", with_header("From: Ann")),
        ("an empty From", with_header("From:")),
        ("a From of rubbish", with_header("From: <<>>@@;,:\"")),
        ("a header line without a colon", with_header("From ann@example.com\r\nwhat is this")),
        ("a multipart without a boundary", with_header("Content-Type: multipart/mixed")),
        ("an empty boundary", with_header("Content-Type: multipart/mixed; boundary=\"\"")),
        (
            "an invalid type",
            with_header("Content-Type: ; ;;= \"\r\nContent-Transfer-Encoding: base64"),
        ),
        (
            "an unknown charset",
            with_header("Content-Type: text/plain; charset=klingon-8"),
        ),
        (
            "an unknown encoding",
            with_header("Content-Transfer-Encoding: x-uuencode-but-not-really"),
        ),
        ("an invalid date", with_header("Date: the day before yesterday")),
        (
            "invalid base64",
            b"Content-Transfer-Encoding: base64\r\n\r\n!!!!=====\r\n".to_vec(),
        ),
        ("every byte", {
            let mut mail = b"Subject: bytes\r\n\r\n".to_vec();
            mail.extend((0..=255u8).filter(|byte| !b"\r\n".contains(byte)));
            mail.extend(b"\r\n");
            mail
        }),
        ("NUL in its header", b"Subject: a\0b\r\nFrom: \0\r\n\r\n\0\r\n".to_vec()),
        (
            "bare LF and CR that look like the end",
            b"Subject: x\r\n\r\none\n.\ntwo\r.\rthree\n.\r\nfour\r\n".to_vec(),
        ),
        (
            "a second mail smuggled behind such an end",
            b"Subject: x\r\n\r\none\n.\nMAIL FROM:<evil@example.com>\nRCPT TO:<ann@example.com>\nDATA\n\r\n".to_vec(),
        ),
        ("lines of dots", b"Subject: x\r\n\r\n.\r\n..\r\n...\r\n.a\r\n".to_vec()),
        ("a line of 4 MB", {
            let mut mail = b"Subject: x\r\n\r\n".to_vec();
            mail.extend(b"x".repeat(4 << 20));
            mail.extend(b"\r\n");
            mail
        }),
        ("a header of 100,000 lines", {
            let mut mail = b"X: y\r\n".repeat(100_000);
            mail.extend(b"\r\ntext\r\n");
            mail
        }),
        ("a subject that is folded 50,000 times", {
            let mut mail = b"Subject: a".to_vec();
            mail.extend(b"\r\n b".repeat(50_000));
            mail.extend(b"\r\n\r\ntext\r\n");
            mail
        }),
        ("100,000 parts", many_parts(100_000)),
        ("parts 5,000 deep", nested(5_000)),
        ("a link broken by quoted-printable", b"Content-Transfer-Encoding: quoted-printable\r\n\r\nhttp://x.example/reset/abc=\r\ndef?a=3D1\r\n".to_vec()),
    ]
}

#[test]
fn malformed_messages_are_stored_byte_for_byte_listed_and_shown() {
    let home = Home::fresh();
    let sink = home.sink(&["--format", "text", "--store", "mails"]);
    let inbox = sink.inbox();
    for (what, source) in mails() {
        deliver(&sink, &source);
        // The newest message can be read at once, and not only after a background task has parsed it.
        let newest = inbox.messages()[0]["ID"].as_str().unwrap().to_owned();
        assert!(
            inbox.source(&newest) == source,
            "{what}: the source was changed"
        );
        assert_eq!(
            inbox.envelope(&newest)["to"][0],
            "ann@example.com",
            "{what}"
        );
        let shown = inbox.mail(&newest);
        match what {
            "a From without a name" => assert_eq!(shown.from, "ann@example.com"),
            "a link broken by quoted-printable" => {
                assert_eq!(shown.link(), "http://x.example/reset/abcdef?a=1");
            }
            // Without the last line end, which belongs to the boundary that should follow.
            "parts 5,000 deep" => assert_eq!(shown.text, "the innermost"),
            "a multipart without a boundary" => assert_eq!(shown.text, "text\r\n"),
            "100,000 parts" => assert!(!shown.text.is_empty(), "{what}"),
            _ => {}
        }
        let warned = inbox.envelope(&newest)["warnings"].to_string();
        let irregular = what.contains("bare LF") || what.contains("smuggled");
        assert_eq!(
            warned.contains("must end in CRLF"),
            irregular,
            "{what}: {warned}"
        );
    }
    let before = inbox.messages();
    assert_eq!(before.len(), mails().len(), "no end of DATA but CRLF.CRLF");
    sink.kill();
    let again = home.sink(&["--store", "mails"]);
    for (stored, (what, source)) in again.inbox().messages().iter().rev().zip(mails()) {
        let id = stored["ID"].as_str().unwrap();
        assert!(
            again.inbox().source(id) == source,
            "{what}: not the same after a restart"
        );
    }
    assert_eq!(again.inbox().messages(), before);
}

#[test]
fn a_burst_loses_nothing() {
    const CLIENTS: usize = 50;
    const EACH: usize = 40;
    let home = Home::fresh();
    let sink = home.sink(&["--format", "json"]);
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let sink = &sink;
            scope.spawn(move || {
                let mut stream = TcpStream::connect(&sink.smtp).unwrap();
                let mut batch = "EHLO me\r\n".to_owned();
                for number in 0..EACH {
                    batch.push_str(&format!(
                        "MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n\
                         Subject: {client} {number}\r\n\r\ntext\r\n.\r\n"
                    ));
                }
                batch.push_str("QUIT\r\n");
                stream.write_all(batch.as_bytes()).unwrap();
                let mut replies = String::new();
                stream.read_to_string(&mut replies).unwrap();
                assert_eq!(replies.matches("OK: stored").count(), EACH, "{replies}");
            });
        }
    });
    let mut subjects: Vec<String> = sink
        .inbox()
        .messages()
        .iter()
        .map(|message| message["Subject"].as_str().unwrap().to_owned())
        .collect();
    subjects.sort();
    subjects.dedup();
    assert_eq!(subjects.len(), CLIENTS * EACH);
}

#[test]
fn messages_acknowledged_with_250_survive_kill_9_under_load() {
    let home = Home::fresh();
    let sink = home.sink(&["--format", "none", "--store", "mails"]);
    let answered = thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let address = sink.smtp.clone();
                scope.spawn(move || {
                    let mut answered = Vec::new();
                    for number in 0.. {
                        let subject = format!("{client}-{number}");
                        match try_to_send(&address, &subject) {
                            Ok(replies) if replies.contains("OK: stored") => answered.push(subject),
                            _ => break,
                        }
                    }
                    answered
                })
            })
            .collect();
        while sink.inbox().messages().len() < 300 {
            thread::yield_now();
        }
        sink.kill();
        let answered = clients
            .into_iter()
            .flat_map(|client| client.join().unwrap());
        answered.collect::<Vec<_>>()
    });
    assert!(answered.len() >= 290, "{}", answered.len());
    let again = home.sink(&["--store", "mails"]);
    let stored = again.inbox().messages();
    for subject in answered {
        assert!(
            stored
                .iter()
                .any(|message| message["Subject"] == subject.as_str()),
            "{subject} was answered 250 and is lost"
        );
    }
}

fn try_to_send(address: &str, subject: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "EHLO me\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nSubject: {subject}\r\n\r\ntext\r\n.\r\nQUIT\r\n"
    )?;
    let mut replies = String::new();
    // A reply counts as soon as it has been received, even if the connection fails later.
    let mut piece = [0; 512];
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        replies.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    Ok(replies)
}
