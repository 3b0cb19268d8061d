//! The SMTP port: sessions, limits and replies.

use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_by_lettre_is_stored_and_passed_to_the_output() {
    let sink = start(|_| {}).await;
    let mailer = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(sink.smtp.port())
        .build();
    let mut sent = 0;
    for to in ["ann@example.com", "jürgen@example.com"] {
        let message = Message::builder()
            .from("Support <support@example.com>".parse().unwrap())
            .to(to.parse().unwrap())
            .subject("Grüße")
            .body(".first\r\n\r\n.. dots\r\n".to_owned())
            .unwrap();
        let reply = mailer.send(message.clone()).await.unwrap();
        let stored = sink.inbox.latest().unwrap();
        assert_eq!(
            reply.message().next().unwrap(),
            format!("2.0.0 OK: stored as {}", stored.id)
        );
        // lettre appends a CRLF to every message. Apart from that, the source is what was sent, byte for byte.
        assert_eq!(stored.source, [&message.formatted()[..], b"\r\n"].concat());
        sent += stored.source.len() as u64;
        assert_eq!(stored.envelope.recipients[0].address, to);
        assert_eq!(sink.output.lock().unwrap().recv().unwrap(), stored.id.0);
    }
    assert_eq!(
        sink.end().await,
        Summary {
            rejected: 0,
            received_bytes: sent,
            received: 2,
            kept: 2,
            dropped: 0
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipelined_batch_is_answered_in_order() {
    let sink = start(|_| {}).await;
    let reply = sink
        .send_smtp(format!(
            "{}{}",
            mail("ann@example.com", SIMPLE).replace("QUIT\r\n", ""),
            mail("bob@example.com", "")
        ))
        .await;
    let codes: Vec<&str> = reply
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
async fn broken_or_disconnected_clients_do_not_affect_other_clients() {
    let sink = start(|_| {}).await;
    let smtp = sink.smtp;
    spawn_blocking(move || {
        for bytes in [
            &b"EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nhalf"[..],
            &[0xff; 100_000],
            b"",
        ] {
            let mut stream = TcpStream::connect(smtp).unwrap();
            let _ = stream.write_all(bytes);
        }
    })
    .await
    .unwrap();
    assert!(
        sink.send_smtp(mail("ann@example.com", SIMPLE))
            .await
            .contains("\r\n221 ")
    );
    assert_eq!(sink.end().await.received, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_client_gets_421() {
    let sink = start(|settings| settings.idle_timeout = Duration::from_millis(50)).await;
    assert!(
        sink.send_smtp("EHLO me\r\n")
            .await
            .contains("\r\n421 4.4.2 ")
    );
    sink.end().await;
}

/// Connects, waits for the greeting and sends commands.
async fn open_session(smtp: SocketAddr, commands: &'static str) -> TcpStream {
    let open = move || {
        let mut stream = TcpStream::connect(smtp).unwrap();
        stream.read_exact(&mut [0; 4]).unwrap();
        stream.write_all(commands.as_bytes()).unwrap();
        stream
    };
    spawn_blocking(open).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_beyond_the_limit_of_busy_sessions_get_421() {
    let sink = start(|settings| {
        settings.max_sessions = 1;
        settings.fail = vec!["connect:1:delay=1m".parse().unwrap()];
    })
    .await;
    let held = TcpStream::connect(sink.smtp).unwrap();
    assert!(sink.send_smtp("").await.starts_with("421 4.3.2 "));
    drop(held);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_bring_nothing_give_way_to_new_ones() {
    for commands in [
        "",
        "EHLO me\r\n",
        "EHLO me\r\nMAIL FROM:<a@example.com>\r\n",
    ] {
        let sink = start(|settings| settings.max_sessions = 2).await;
        let mut held = Vec::new();
        for _ in 0..2 {
            held.push(open_session(sink.smtp, commands).await);
        }
        // A new session is not closed within its first second.
        let reply = loop {
            let reply = sink.send_smtp(mail("ann@example.com", SIMPLE)).await;
            if reply.starts_with("220 ") {
                break reply;
            }
            assert!(reply.starts_with("421 4.3.2 "), "{reply}");
        };
        assert!(reply.contains("\r\n250 2.0.0 "), "{commands:?}: {reply}");
        let mut oldest = held.remove(0);
        let end = spawn_blocking(move || {
            let mut end = String::new();
            oldest.read_to_string(&mut end).map(|_| end)
        });
        let end = end.await.unwrap().unwrap();
        assert!(end.contains("421 4.4.2 "), "{commands:?}: {end}");
        drop(held);
        sink.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_sessions_get_421_at_shutdown() {
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
async fn unfinished_messages_do_not_exceed_the_memory_limit() {
    let sink = start(|settings| settings.max_memory = 1024 * 1024).await;
    let begun = format!(
        "EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n{}",
        "x".repeat(400_000)
    );
    let smtp = sink.smtp;
    let (mut open, refusals) = spawn_blocking(move || {
        let mut open: Vec<TcpStream> = (0..6).map(|_| TcpStream::connect(smtp).unwrap()).collect();
        for stream in &mut open {
            stream.write_all(begun.as_bytes()).unwrap();
        }
        // Sessions that started first may continue. The others get 451 at the end of their message because memory was exhausted.
        let mut refusals = Vec::new();
        for stream in &mut open {
            stream.write_all(b"\r\n.\r\nQUIT\r\n").unwrap();
            let mut reply = String::new();
            stream.read_to_string(&mut reply).unwrap();
            refusals.push(reply.contains("\r\n451 4.3.0 "));
        }
        (open, refusals)
    })
    .await
    .unwrap();
    open.clear();
    let refused = refusals.iter().filter(|refused| **refused).count();
    assert!((1..6).contains(&refused), "{refusals:?}");
    // After they have disconnected, memory is available again.
    let reply = sink.send_smtp(mail("ann@example.com", SIMPLE)).await;
    assert!(reply.contains("250 2.0.0 OK"), "{reply}");
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_message_is_refused_and_counted() {
    let sink = start(|settings| settings.max_size = 1000).await;
    let reply = sink
        .send_smtp(mail(
            "ann@example.com",
            &format!("{}\r\n", "x".repeat(2000)),
        ))
        .await;
    assert!(reply.contains("\r\n552 5.3.4 "), "{reply}");
    assert!(reply.contains("SIZE 1000\r\n"), "{reply}");
    assert_eq!(
        sink.json("/api/v1/info").await["RuntimeStats"]["SMTPRejected"],
        1
    );
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_named_with_the_cause() {
    let sink = start(|_| {}).await;
    let error = Sink::builder().listen(sink.smtp).bind().await.unwrap_err();
    assert!(matches!(
        error,
        SinkError::Bind {
            port: Port::Smtp,
            ..
        }
    ));
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen for SMTP on {}: another program listens there",
            sink.smtp
        )
    );
    sink.end().await;
}
