//! The whole sink over real sockets, bound to port 0.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use jiff::Timestamp;
use lettre::transport::smtp::client::Tls;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use serde_json::Value;
use tokio::task::{JoinHandle, spawn_blocking};

use super::inbox::tests::Counting;
use super::*;

/// A sink that runs, and what it told of.
struct Running {
    smtp: SocketAddr,
    web: SocketAddr,
    inbox: Arc<Inbox>,
    shown: Mutex<Receiver<String>>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Summary>,
}

/// A clock that stands.
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        "2026-11-23T10:11:12.5Z".parse().unwrap()
    }
}

async fn start(change: impl FnOnce(&mut SinkSettings)) -> Running {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut settings = SinkSettings {
        listen: any,
        web: Some(any),
        ..SinkSettings::default()
    };
    change(&mut settings);
    let sink = Sink::bind(settings, Arc::new(Stopped), Arc::new(Counting::default()))
        .await
        .unwrap();
    let (smtp, web, inbox) = (sink.smtp_addr(), sink.web_addr().unwrap(), sink.inbox());
    let (told, shown) = channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let show = move |message: &ReceivedMessage| told.send(message.id.0.clone()).unwrap();
    let task = tokio::spawn(sink.run(show, async {
        let _ = stopped.await;
    }));
    Running {
        smtp,
        web,
        inbox,
        shown: Mutex::new(shown),
        stop: Some(stop),
        task,
    }
}

impl Running {
    async fn end(mut self) -> Summary {
        drop(self.stop.take());
        self.task.await.unwrap()
    }

    /// Sends bytes to the SMTP port and reads until the server closes.
    async fn says(&self, said: impl Into<Vec<u8>>) -> String {
        let (smtp, said) = (self.smtp, said.into());
        spawn_blocking(move || {
            let mut stream = TcpStream::connect(smtp).unwrap();
            stream.write_all(&said).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        })
        .await
        .unwrap()
    }

    /// Sends one HTTP request as written and reads all of the answer.
    async fn asks(&self, request: &str) -> (u16, String) {
        let (web, request) = (self.web, request.replace('\n', "\r\n"));
        spawn_blocking(move || {
            let mut stream = TcpStream::connect(web).unwrap();
            let end = if request.contains("\r\n\r\n") {
                ""
            } else {
                "\r\nConnection: close\r\n\r\n"
            };
            write!(stream, "{request}{end}").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            (head[9..12].parse().unwrap(), body.to_owned())
        })
        .await
        .unwrap()
    }

    async fn get(&self, path: &str) -> ureq::http::Response<String> {
        let url = format!("http://{}{path}", self.web);
        spawn_blocking(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .build()
                .into();
            let (head, mut body) = agent.get(url).call().unwrap().into_parts();
            ureq::http::Response::from_parts(head, body.read_to_string().unwrap())
        })
        .await
        .unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        serde_json::from_str(self.get(path).await.body()).unwrap()
    }
}

fn mail(to: &str, source: &str) -> String {
    format!(
        "EHLO me\r\nMAIL FROM:<from@example.com>\r\nRCPT TO:<{to}>\r\nDATA\r\n{source}.\r\nQUIT\r\n"
    )
}

const SIMPLE: &str = concat!(
    "From: Support <from@example.com>\r\nTo: Ann <ann@example.com>\r\nSubject: <b>Hi</b>\r\n",
    "Message-ID: <1@example.com>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0100\r\n\r\nHello\r\n",
);

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lettre_delivers_and_the_message_is_told_of_and_kept() {
    let sink = start(|_| {}).await;
    let mailer = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(sink.smtp.port())
        .tls(Tls::None)
        .build();
    for to in ["ann@example.com", "jürgen@example.com"] {
        let message = Message::builder()
            .from("Support <support@example.com>".parse().unwrap())
            .to(to.parse().unwrap())
            .subject("Grüße")
            .body(".first\r\n\r\n.. dots\r\n".to_owned())
            .unwrap();
        let reply = mailer.send(message.clone()).await.unwrap();
        let kept = sink.inbox.latest().unwrap();
        assert_eq!(
            reply.message().next().unwrap(),
            format!("2.0.0 OK: stored as {}", kept.id)
        );
        // lettre ends every message with one more CRLF; for the rest it is byte for byte what was sent.
        assert_eq!(kept.source, [&message.formatted()[..], b"\r\n"].concat());
        assert_eq!(kept.envelope.recipients[0].address, to);
        assert_eq!(sink.shown.lock().unwrap().recv().unwrap(), kept.id.0);
    }
    assert_eq!(
        sink.end().await,
        Summary {
            received: 2,
            kept: 2,
            dropped: 0
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipelined_batch_is_answered_in_order() {
    let sink = start(|_| {}).await;
    let answer = sink
        .says(format!(
            "{}{}",
            mail("ann@example.com", SIMPLE).replace("QUIT\r\n", ""),
            mail("bob@example.com", "")
        ))
        .await;
    let codes: Vec<&str> = answer
        .lines()
        .filter(|line| line.as_bytes()[3] == b' ')
        .map(|line| &line[..3])
        .collect();
    assert_eq!(
        codes,
        [
            "220", "250", "250", "250", "354", "250", "250", "250", "250", "354", "250", "221"
        ]
    );
    assert_eq!(sink.inbox.list(0, 0, None)[1].source, SIMPLE);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_or_sends_rubbish_harms_nobody() {
    let sink = start(|_| {}).await;
    let smtp = sink.smtp;
    spawn_blocking(move || {
        for said in [
            &b"EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhalf"[..],
            &[0xff; 100_000],
            b"",
        ] {
            let mut stream = TcpStream::connect(smtp).unwrap();
            let _ = stream.write_all(said);
        }
    })
    .await
    .unwrap();
    assert!(
        sink.says(mail("ann@example.com", SIMPLE))
            .await
            .contains("\r\n221 ")
    );
    assert_eq!(sink.end().await.received, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_answered_421() {
    let sink = start(|settings| settings.idle_timeout = Duration::from_millis(50)).await;
    assert!(sink.says("EHLO me\r\n").await.contains("\r\n421 4.4.2 "));
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_sessions_are_answered_421() {
    let sink = start(|settings| settings.max_sessions = 1).await;
    let smtp = sink.smtp;
    let held = spawn_blocking(move || {
        let mut held = TcpStream::connect(smtp).unwrap();
        held.read_exact(&mut [0; 4]).unwrap();
        held
    })
    .await
    .unwrap();
    assert!(sink.says("").await.starts_with("421 4.3.2 "));
    drop(held);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_open_sessions_are_told() {
    let sink = start(|_| {}).await;
    let smtp = sink.smtp;
    let (opened, is_open) = oneshot::channel();
    let client = spawn_blocking(move || {
        let mut stream = TcpStream::connect(smtp).unwrap();
        stream.read_exact(&mut [0; 4]).unwrap();
        opened.send(()).unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        rest
    });
    is_open.await.unwrap();
    sink.end().await;
    assert!(
        client
            .await
            .unwrap()
            .contains("\r\n421 4.3.2 localhost Shutting down")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_never_end_take_no_more_than_the_memory_there_is() {
    let sink = start(|settings| settings.max_memory = 1024 * 1024).await;
    let begun = format!(
        "EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n{}",
        "x".repeat(400_000)
    );
    let smtp = sink.smtp;
    let (mut open, answers) = spawn_blocking(move || {
        let mut open: Vec<TcpStream> = (0..6).map(|_| TcpStream::connect(smtp).unwrap()).collect();
        for stream in &mut open {
            stream.write_all(begun.as_bytes()).unwrap();
        }
        // Those that were begun first may go on; who came when there was no room is told so at the end.
        let mut answers = Vec::new();
        for stream in &mut open {
            stream.write_all(b"\r\n.\r\nQUIT\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answers.push(answer.contains("\r\n451 4.3.0 "));
        }
        (open, answers)
    })
    .await
    .unwrap();
    open.clear();
    let refused = answers.iter().filter(|refused| **refused).count();
    assert!((1..6).contains(&refused), "{answers:?}");
    // Once they are gone, there is room again.
    let answer = sink.says(mail("ann@example.com", SIMPLE)).await;
    assert!(answer.contains("250 2.0.0 OK"), "{answer}");
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_too_large_is_refused_and_counted() {
    let sink = start(|settings| settings.max_size = 1000).await;
    let answer = sink
        .says(mail(
            "ann@example.com",
            &format!("{}\r\n", "x".repeat(2000)),
        ))
        .await;
    assert!(answer.contains("\r\n552 5.3.4 "), "{answer}");
    assert!(answer.contains("SIZE 1000\r\n"), "{answer}");
    assert_eq!(
        sink.json("/api/v1/info").await["RuntimeStats"]["SMTPRejected"],
        1
    );
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_named_with_what_to_do() {
    let sink = start(|_| {}).await;
    let settings = SinkSettings {
        listen: sink.smtp,
        ..SinkSettings::default()
    };
    let error = Sink::bind(settings, Arc::new(Stopped), Arc::new(Counting::default()))
        .await
        .err()
        .unwrap();
    assert_eq!(
        error.advice(),
        "stop it, or choose another port with --listen ADDR:PORT (port 0 takes a free one)"
    );
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen for SMTP on {}: another program listens there",
            sink.smtp
        )
    );
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_the_exact_shape() {
    let sink = start(|settings| settings.max_messages = 3).await;
    assert_eq!(
        sink.get("/api/v1/messages").await.body(),
        r#"{"total":0,"unread":0,"count":0,"messages_count":0,"messages_unread":0,"start":0,"tags":[],"messages":[]}"#
    );
    for number in 0..4 {
        sink.says(mail(
            "hidden@example.com",
            &SIMPLE.replace("Hello", &format!("Hello {number}")),
        ))
        .await;
    }
    let list = sink.json("/api/v1/messages?start=1&limit=1").await;
    let id = list["messages"][0]["ID"].as_str().unwrap();
    assert_eq!(
        serde_json::to_string(&list).unwrap(),
        format!(
            concat!(
                r#"{{"total":3,"unread":3,"count":1,"messages_count":3,"messages_unread":3,"start":1,"tags":[],"messages":["#,
                r#"{{"ID":"{}","MessageID":"1@example.com","Read":false,"From":{{"Name":"Support","Address":"from@example.com"}},"#,
                r#""To":[{{"Name":"Ann","Address":"ann@example.com"}}],"Cc":[],"Bcc":[{{"Name":"","Address":"hidden@example.com"}}],"#,
                r#""ReplyTo":[],"Subject":"<b>Hi</b>","Created":"2026-11-23T10:11:12.500Z","Username":"","Tags":[],"#,
                r#""Size":{},"Attachments":0,"Snippet":"Hello 2"}}]}}"#,
            ),
            id,
            SIMPLE.len() + 2
        )
    );
    for (query, count) in [
        ("limit=0", 3),
        ("limit=-1&start=x", 3),
        ("limit=2", 2),
        ("start=9", 0),
        ("before=2026-11-23", 0),
        ("before=never", 3),
        ("%zz&&=", 3),
    ] {
        assert_eq!(
            sink.json(&format!("/api/v1/messages?{query}")).await["count"],
            count,
            "{query}"
        );
    }
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_the_exact_shape_and_is_read_then() {
    let sink = start(|_| {}).await;
    assert_eq!(sink.get("/api/v1/message/latest").await.status(), 404);
    assert_eq!(
        sink.get("/api/v1/message/latest").await.body(),
        "Message not found"
    );
    let attached = concat!(
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n",
        "--m\r\n\r\ntext\r\n--m\r\nContent-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment\r\n\r\nabc\r\n--m--\r\n",
    );
    sink.says(mail("ann@example.com", attached)).await;
    let message = sink.json("/api/v1/message/latest").await;
    assert_eq!(
        keys(&message),
        [
            "ID",
            "MessageID",
            "From",
            "To",
            "Cc",
            "Bcc",
            "ReplyTo",
            "ReturnPath",
            "Subject",
            "ListUnsubscribe",
            "Date",
            "Tags",
            "Username",
            "Text",
            "HTML",
            "Size",
            "Inline",
            "Attachments"
        ]
    );
    assert_eq!(
        keys(&message["ListUnsubscribe"]),
        ["Header", "Links", "Errors", "HeaderPost"]
    );
    assert_eq!(message["ListUnsubscribe"]["Links"], serde_json::json!([]));
    assert_eq!(
        message["From"],
        serde_json::json!({"Name": "", "Address": ""})
    );
    assert_eq!(message["ReturnPath"], "from@example.com");
    assert_eq!(message["Date"], "2026-11-23T10:11:12.500Z");
    assert_eq!(
        (&message["Text"], &message["HTML"]),
        (&"text".into(), &"".into())
    );
    let part = &message["Attachments"][0];
    assert_eq!(
        keys(part),
        [
            "PartID",
            "FileName",
            "ContentType",
            "ContentID",
            "Size",
            "Checksums"
        ]
    );
    assert_eq!(part["FileName"], "a.txt");
    assert_eq!(part["Checksums"]["MD5"], "900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(
        part["Checksums"]["SHA1"],
        "a9993e364706816aba3e25717850c26c9cd0d89d"
    );

    let id = message["ID"].as_str().unwrap();
    assert_eq!(sink.json(&format!("/api/v1/message/{id}")).await["ID"], id);
    assert_eq!(sink.json("/api/v1/messages").await["unread"], 0);
    let raw = sink.get(&format!("/api/v1/message/{id}/raw?dl=1")).await;
    assert_eq!(raw.body(), attached);
    assert_eq!(raw.headers()["content-type"], "text/plain; charset=utf-8");
    assert_eq!(
        raw.headers()["content-disposition"],
        format!("attachment; filename=\"{id}.eml\"")
    );
    assert_eq!(
        sink.get("/api/v1/message/none").await.body(),
        "404 page not found"
    );
    assert_eq!(
        sink.get("/api/v1/message/latest?query=subject:y")
            .await
            .status(),
        400
    );
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_deleted_by_id_or_all() {
    let sink = start(|_| {}).await;
    for _ in 0..3 {
        sink.says(mail("ann@example.com", SIMPLE)).await;
    }
    let id = sink.inbox.latest().unwrap().id.clone();
    let body = format!("{{\"IDs\":[\"{id}\"]}}");
    let request = |body: &str| {
        format!(
            "DELETE /api/v1/messages HTTP/1.1\nHost: localhost\nContent-Length: {}\nConnection: close\n\n{body}",
            body.len()
        )
    };
    assert_eq!(sink.asks(&request(&body)).await, (200, "ok".to_owned()));
    assert_eq!(sink.inbox.totals().messages, 2);
    assert_eq!(
        sink.asks(&request("a=form&b=body")).await,
        (200, "ok".to_owned())
    );
    assert_eq!(sink.inbox.totals().messages, 0);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_hosts_and_origins_are_refused_before_anything_is_done() {
    let sink = start(|settings| settings.web_hosts = vec!["mail.test".into()]).await;
    let port = sink.web.port();
    for (request, status) in [
        ("GET / HTTP/1.1\nHost: evil.example".to_owned(), 403),
        (
            format!("GET /api/v1/messages HTTP/1.1\nHost: evil.example:{port}"),
            403,
        ),
        (
            "GET http://evil.example/api/v1/messages HTTP/1.1\nHost: localhost".into(),
            403,
        ),
        (
            "GET /livez HTTP/1.1\nHost: localhost\nHost: evil.example".into(),
            403,
        ),
        ("GET /livez HTTP/1.0".into(), 403),
        ("GET /api/v1/messages HTTP/1.1\nHost: MAIL.test".into(), 200),
        ("GET /api/v1/messages HTTP/1.1\nHost: [::1]:80".into(), 200),
        (
            format!(
                "GET /api/v1/messages HTTP/1.1\nHost: localhost:{port}\nOrigin: http://localhost:{port}"
            ),
            200,
        ),
        (
            "DELETE /api/v1/messages HTTP/1.1\nHost: localhost\nOrigin: http://evil.example".into(),
            403,
        ),
        (
            "GET /api/v1/messages HTTP/1.1\nHost: localhost:8025\nOrigin: http://localhost:3000"
                .into(),
            403,
        ),
        (
            "GET /api/v1/messages HTTP/1.1\nHost: localhost\nOrigin: null".into(),
            403,
        ),
        (
            "OPTIONS /api/v1/anything HTTP/1.1\nHost: localhost".into(),
            200,
        ),
        (
            "POST /api/v1/messages HTTP/1.1\nHost: localhost\nContent-Length: 0".into(),
            405,
        ),
        ("GET /nothing HTTP/1.1\nHost: localhost".into(), 404),
        ("GET /readyz HTTP/1.1\nHost: 127.0.0.1".into(), 200),
    ] {
        assert_eq!(sink.asks(&request).await.0, status, "{request}");
    }
    let refused = sink
        .asks("GET /api/v1/info HTTP/1.1\nHost: localhost\nOrigin: http://evil.example")
        .await;
    assert_eq!(refused, (403, "Blocked due to CORS violation".to_owned()));
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_escapes_what_mails_say_and_runs_nothing() {
    let sink = start(|_| {}).await;
    sink.says(mail("ann@example.com", SIMPLE)).await;
    let page = sink.get("/").await;
    assert!(
        page.body().contains("&lt;b&gt;Hi&lt;/b&gt;"),
        "{}",
        page.body()
    );
    assert!(!page.body().contains("<b>Hi"));
    assert!(page.body().contains(&sink.smtp.to_string()));
    assert!(
        page.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'none'")
    );
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    let info = sink.json("/api/v1/info").await;
    assert_eq!(
        keys(&info),
        [
            "Version",
            "LatestVersion",
            "Database",
            "DatabaseSize",
            "Messages",
            "Unread",
            "Tags",
            "RuntimeStats"
        ]
    );
    assert_eq!(
        keys(&info["RuntimeStats"]),
        [
            "Uptime",
            "Memory",
            "MessagesDeleted",
            "SMTPAccepted",
            "SMTPAcceptedSize",
            "SMTPRejected",
            "SMTPIgnored"
        ]
    );
    sink.end().await;
}
