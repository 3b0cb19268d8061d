//! Attacks on the SMTP port by programs that do not speak SMTP, in particular by a browser that shows a hostile page.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use movie_bag_testkit::{Browser, Home, PATIENCE, Sink, wait_for};
use serde_json::json;

use super::send;

/// An SMTP session that would store a message if it were executed.
const SMUGGLED: &str = "\r\nEHLO x\r\nMAIL FROM:<evil@example.com>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n\
                        Subject: smuggled\r\n\r\nhttps://evil.example/reset/x\r\n.\r\nQUIT\r\n";

/// A hostile page. It sends the session by every method that browsers have, to short and long paths. `window.sent` are the names
/// of the attacks that leave the browser.
const PAGE: &str = r#"<!doctype html><title>hostile</title><body><script>
const target = '@target@', mail = @mail@, sent = [];
const url = (name, length) => `http://${target}/${name}-end/${'a'.repeat(length)}`;
function form(name, length, method, type) {
  const form = document.createElement('form'), field = document.createElement('textarea');
  const frame = document.createElement('iframe');
  frame.name = form.target = name;
  [form.action, form.method, form.enctype] = [url(name, length), method, type];
  [field.name, field.value] = ['x', mail];
  form.append(field);
  document.body.append(frame, form);
  form.submit();
  sent.push(name);
}
const settled = (name, request) => { sent.push(name); return request.then(() => 0, () => 0); };
async function attack() {
  for (const [size, length] of [['short', 0], ['long', 13000], ['longer', 70000], ['longest', 200000]]) {
    for (const [kind, method, type] of [['text', 'post', 'text/plain'], ['multipart', 'post', 'multipart/form-data'],
                                        ['encoded', 'post', 'application/x-www-form-urlencoded'], ['get', 'get', '']])
      form(`form-${kind}-${size}`, length, method, type);
    for (const method of ['GET', 'HEAD', 'POST']) {
      const name = `nocors-${method}-${size}`, body = method === 'POST' ? mail : undefined;
      await settled(name, fetch(url(name, length), {mode: 'no-cors', method, body}));
    }
    for (const method of ['PUT', 'DELETE', 'PATCH', 'EHLO', 'HELO', 'LHLO', 'MAIL', 'RSET', 'NOOP', 'DATA']) {
      const name = `cors-${method}-${size}`;
      await settled(name, fetch(url(name, length), {method, body: mail}));
      // Browsers refuse most methods here before anything is sent.
      const odd = `nocors-${method}-${size}`;
      let request;
      try { request = new Request(url(odd, length), {mode: 'no-cors', method, body: mail}); } catch { continue; }
      await settled(odd, fetch(request));
    }
    const plain = new Blob([mail], {type: 'text/plain'});
    if (navigator.sendBeacon(url(`beacon-${size}`, length), plain)) sent.push(`beacon-${size}`);
    await settled(`keepalive-${size}`, fetch(url(`keepalive-${size}`, length),
      {mode: 'no-cors', method: 'POST', keepalive: true, body: plain}));
    const xhr = new XMLHttpRequest();
    xhr.open('POST', url(`xhr-${size}`, length));
    xhr.send(mail);
    new EventSource(url(`events-${size}`, length));
    new WebSocket(url(`socket-${size}`, length).replace('http', 'ws'));
    new Image().src = url(`image-${size}`, length);
    sent.push(`xhr-${size}`, `events-${size}`, `socket-${size}`, `image-${size}`);
  }
  window.sent = sent;
}
attack();
</script>"#;

/// One connection through the relay.
#[derive(Debug, Default, Clone)]
struct Exchange {
    sent: Vec<u8>,
    answered: Vec<u8>,
    /// The server has closed the connection.
    is_over: bool,
}

/// A relay in front of an SMTP port, which records the bytes in both directions.
struct Relay {
    address: String,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Relay {
    fn before(smtp: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let exchanges = Arc::new(Mutex::new(Vec::new()));
        let (recorded, smtp) = (Arc::clone(&exchanges), smtp.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&smtp) else {
                    return;
                };
                let number = recorded.lock().unwrap().len();
                recorded.lock().unwrap().push(Exchange::default());
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let record = Arc::clone(&recorded);
                thread::spawn(move || {
                    copy(from, &to, |bytes| {
                        record.lock().unwrap()[number].sent.extend(bytes)
                    });
                });
                let record = Arc::clone(&recorded);
                thread::spawn(move || {
                    copy(server, &client, |bytes| {
                        record.lock().unwrap()[number].answered.extend(bytes);
                    });
                    record.lock().unwrap()[number].is_over = true;
                });
            }
        });
        Self { address, exchanges }
    }

    /// Returns the connections of the attack with this name.
    fn exchanges_of(&self, name: &str) -> Vec<Exchange> {
        let name = format!("/{name}-end/");
        let all = self.exchanges.lock().unwrap().clone();
        let is_of = |one: &Exchange| {
            let start = &one.sent[..one.sent.len().min(500)];
            String::from_utf8_lossy(start).contains(&name)
        };
        all.into_iter().filter(is_of).collect()
    }
}

fn copy(mut from: TcpStream, mut to: &TcpStream, record: impl Fn(&[u8])) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        record(&bytes[..read]);
        if to.write_all(&bytes[..read]).is_err() {
            // The rest is read nevertheless, so that the connection of the sender is not reset.
            continue;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Serves one page at every path. Returns the port.
fn serve_page(page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            let _ = client.read(&mut head);
            let _ = write!(
                client,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
        }
    });
    port
}

/// Starts a sink whose `--exec` records each message.
fn sink_with_record(home: &Home) -> Sink {
    let exec = ["--format", "none", "--exec", "echo mail >> executed"];
    home.sink(&exec)
}

/// Sends one honest message, and asserts that no other message was stored or passed to `--exec`.
#[track_caller]
fn assert_only_an_honest_message_is_stored(home: &Home, sink: &Sink) {
    let replies = send(&sink.smtp, "ann@example.com", "honest", "text");
    assert!(replies.contains("stored as"), "{replies}");
    // Commands run in the order of the messages.
    let executed = wait_for("the command of the honest mail", || {
        let text = fs::read_to_string(home.path().join("executed")).unwrap_or_default();
        if text.is_empty() { Err(text) } else { Ok(text) }
    });
    assert_eq!(executed, "mail\n");
    let subjects: Vec<_> = sink
        .inbox()
        .messages()
        .iter()
        .map(|one| one["Subject"].to_string())
        .collect();
    assert_eq!(subjects, ["\"honest\""]);
}

/// A page of another origin sends by every method that a browser has.
pub fn a_web_page_stores_no_message(home: Home) {
    let Some(browser) = Browser::open() else {
        return;
    };
    let sink = sink_with_record(&home);
    let relay = Relay::before(&sink.smtp);
    let page = PAGE
        .replace("@target@", &relay.address)
        .replace("@mail@", &json!(SMUGGLED).to_string());
    let port = serve_page(page);
    browser.visit(&format!("http://localhost:{port}/"));
    browser.waits_for("the page has sent all", |browser| {
        browser.run("return Array.isArray(window.sent)", json!([])) == true
    });
    let sent = browser.run("return window.sent", json!([]));
    let sent: Vec<_> = sent.as_array().unwrap().iter().collect();
    assert!(sent.len() >= 4 * 20, "{sent:?}");
    for name in sent {
        let name = name.as_str().unwrap();
        let exchanges = wait_for(&format!("the end of {name}"), || {
            let exchanges = relay.exchanges_of(name);
            if exchanges.iter().any(|one| one.is_over) {
                Ok(exchanges)
            } else {
                Err(exchanges.len())
            }
        });
        for exchange in exchanges.iter().filter(|one| one.is_over) {
            assert_refused(name, &String::from_utf8_lossy(&exchange.answered));
        }
    }
    assert_only_an_honest_message_is_stored(&home, &sink);
}

/// Asserts the banner, one 421, and nothing more.
#[track_caller]
fn assert_refused(what: &str, answer: &str) {
    let codes: Vec<_> = answer
        .lines()
        .map(|line| line.get(..4).unwrap_or(line))
        .collect();
    assert_eq!(codes, ["220 ", "421 "], "{what}: {answer}");
}

/// Requests that no browser sends, but that other programs can be made to send.
pub fn no_http_request_stores_a_message(home: Home) {
    let sink = sink_with_record(&home);
    let server = home.serve(&[]);
    let methods = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PROPFIND",
        "M-SEARCH", "EHLO", "HELO", "LHLO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "HELP", "QUIT",
        "ehlo", "noop", "x",
    ];
    let lengths = [0, 12 * 1024, 13_000, 70_000];
    let requests = methods.iter().flat_map(|method| {
        lengths.map(|length| format!("{method} /{} HTTP/1.1\r\nHost: x\r\n", "a".repeat(length)))
    });
    let others = [
        "Host: x".to_owned(),
        "GET /\r\nHost: x".into(),
        "GET / HTTP/1.1\rHost: x\r".into(),
        "\0\u{3}\0\u{24}".into(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0".into(),
        "NOOP\r\nRSET\r\nTRACE / HTTP/1.1".into(),
        "NOOP\r\nX-Header: x".into(),
        "EHLO x\r\nAUTH LOGIN\r\nPOST / HTTP/1.1".into(),
        "EHLO x\r\nMAIL FROM:<a@b>\r\nHost: x".into(),
        format!("\n\r\n{}", "a".repeat(1 << 20)),
        format!("HELO {}", "\r".repeat(1 << 20)),
    ];
    for request in requests.chain(others) {
        for smtp in [&sink.smtp, server.smtp()] {
            let answer = exchange(smtp, format!("{request}\r\n{SMUGGLED}").as_bytes());
            let start: String = request.chars().take(40).collect();
            let last = answer.lines().last().unwrap_or_default();
            assert!(
                last.starts_with("421 ") && !answer.contains("stored"),
                "{start:?}: {answer}"
            );
        }
    }
    assert_eq!(server.inbox().messages().len(), 0);
    assert_only_an_honest_message_is_stored(&home, &sink);
}

/// Sends bytes, and returns everything that arrives until the server closes the connection.
fn exchange(smtp: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(smtp).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let bytes = bytes.to_owned();
    let writing = thread::spawn(move || {
        // The server may close the connection before all is written.
        let _ = writer.write_all(&bytes);
    });
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    writing.join().unwrap();
    drop(read);
    String::from_utf8_lossy(&answer).into_owned()
}
