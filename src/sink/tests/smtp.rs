//! The SMTP port: what clients say and hear.

use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn lettre_delivers_and_the_message_is_told_of_and_kept() {
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
        let kept = sink.inbox.latest().unwrap();
        assert_eq!(
            reply.message().next().unwrap(),
            format!("2.0.0 OK: stored as {}", kept.id)
        );
        // lettre ends every message with one more CRLF; for the rest it is byte for byte what was sent.
        assert_eq!(kept.source, [&message.formatted()[..], b"\r\n"].concat());
        sent += kept.source.len() as u64;
        assert_eq!(kept.envelope.recipients[0].address, to);
        assert_eq!(sink.shown.lock().unwrap().recv().unwrap(), kept.id.0);
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

/// Connects and waits for the greeting.
async fn open_session(smtp: SocketAddr, said: &'static str) -> TcpStream {
    let open = move || {
        let mut stream = TcpStream::connect(smtp).unwrap();
        stream.read_exact(&mut [0; 4]).unwrap();
        stream.write_all(said.as_bytes()).unwrap();
        stream
    };
    spawn_blocking(open).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_most_sessions_at_work_clients_are_answered_421() {
    let sink = start(|settings| {
        settings.max_sessions = 1;
        settings.fail = vec!["connect:1:delay=1m".parse().unwrap()];
    })
    .await;
    let held = TcpStream::connect(sink.smtp).unwrap();
    assert!(sink.says("").await.starts_with("421 4.3.2 "));
    drop(held);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_bring_nothing_give_way_to_new_ones() {
    for said in [
        "",
        "EHLO me\r\n",
        "EHLO me\r\nMAIL FROM:<a@example.com>\r\n",
    ] {
        let sink = start(|settings| settings.max_sessions = 2).await;
        let mut held = Vec::new();
        for _ in 0..2 {
            held.push(open_session(sink.smtp, said).await);
        }
        // Each is spared for a second.
        let answer = loop {
            let answer = sink.says(mail("ann@example.com", SIMPLE)).await;
            if answer.starts_with("220 ") {
                break answer;
            }
            assert!(answer.starts_with("421 4.3.2 "), "{answer}");
        };
        assert!(answer.contains("\r\n250 2.0.0 "), "{said:?}: {answer}");
        let mut oldest = held.remove(0);
        let end = spawn_blocking(move || {
            let mut end = String::new();
            oldest.read_to_string(&mut end).map(|_| end)
        });
        let end = end.await.unwrap().unwrap();
        assert!(end.contains("421 4.4.2 "), "{said:?}: {end}");
        drop(held);
        sink.end().await;
    }
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
async fn an_address_in_use_is_named_with_the_cause() {
    let sink = start(|_| {}).await;
    let settings = SinkSettings {
        listen: sink.smtp,
        ..SinkSettings::default()
    };
    let error = Sink::bind(settings).await.err().unwrap();
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
