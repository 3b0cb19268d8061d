//! The library as another project uses it: only its public API, with lettre as a foreign SMTP client.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::Future;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Attachment, MultiPart, SinglePart};
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message as Mail, SmtpTransport, Tokio1Executor,
    Transport as _,
};
use movie_bag_smtp_sink::{
    BoundSink, Filter, Message, Port, ReceivedMessage, Sink, SinkError, WaitError,
};
use tokio::sync::oneshot;

/// Time that no test reaches unless it fails.
const LONG: Duration = Duration::from_secs(60);

/// Time after which a wait is expected to end without a message.
const SHORT: Duration = Duration::from_millis(1);

fn mail_with(to: &str, subject: &str, body: &str) -> Mail {
    Mail::builder()
        .from("Shop <shop@example.com>".parse().unwrap())
        .to(to.parse().unwrap())
        .subject(subject)
        .body(body.to_owned())
        .unwrap()
}

fn mail(to: &str, subject: &str) -> Mail {
    mail_with(to, subject, "Hello\r\n")
}

fn client(smtp: SocketAddr) -> AsyncSmtpTransport<Tokio1Executor> {
    AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(smtp.ip().to_string())
        .port(smtp.port())
        .build()
}

fn blocking_client(smtp: SocketAddr) -> SmtpTransport {
    SmtpTransport::builder_dangerous(smtp.ip().to_string())
        .port(smtp.port())
        .build()
}

fn subjects(sink: &Sink) -> Vec<String> {
    sink.messages()
        .into_iter()
        .map(|message| message.subject)
        .collect()
}

#[tokio::test]
async fn a_message_is_returned_with_its_links_codes_and_files() {
    let sink = Sink::builder().start().await.unwrap();
    let html = "<p>Your code is <b>493817</b>.</p><a href=\"https://example.com/login?token=Zr8kQ2vXw9Lm4TbC\">Log in</a>";
    let text = "Your code is 493817.\r\nhttps://example.com/login?token=Zr8kQ2vXw9Lm4TbC\r\n";
    let file = Attachment::new("a.csv".to_owned())
        .body("a,b".to_owned(), ContentType::parse("text/csv").unwrap());
    let bodies = MultiPart::alternative_plain_html(text.to_owned(), html.to_owned());
    let mail = Mail::builder()
        .from("Jürgen <shop@example.com>".parse().unwrap())
        .to("Ann <ann@example.com>".parse().unwrap())
        .bcc("hidden@example.com".parse().unwrap())
        .subject("Ihre Bestätigung")
        .multipart(MultiPart::mixed().multipart(bodies).singlepart(file))
        .unwrap();
    let source = mail.formatted();
    client(sink.smtp_addr()).send(mail).await.unwrap();

    let message = sink
        .wait_for(Filter::to("hidden@example.com"), LONG)
        .await
        .unwrap();
    assert_eq!(message.from.name, "Jürgen");
    assert_eq!(message.from.address, "shop@example.com");
    assert_eq!(message.to[0].address, "ann@example.com");
    assert_eq!(message.bcc[0].address, "hidden@example.com");
    assert_eq!(message.envelope.sender, "shop@example.com");
    assert_eq!(message.subject, "Ihre Bestätigung");
    assert_eq!(message.header("subject"), Some("Ihre Bestätigung"));
    assert_eq!(message.header("X-Missing"), None);
    assert!(message.text.starts_with("Your code is 493817."));
    assert!(message.html.contains("<b>493817</b>"));
    assert_eq!(
        message.main_link(),
        Some("https://example.com/login?token=Zr8kQ2vXw9Lm4TbC")
    );
    assert_eq!(
        message.links,
        ["https://example.com/login?token=Zr8kQ2vXw9Lm4TbC"]
    );
    assert_eq!(message.tokens, ["Zr8kQ2vXw9Lm4TbC"]);
    assert_eq!(message.codes, ["493817"]);
    assert_eq!(message.attachments[0].file_name, "a.csv");
    assert_eq!(&message.attachments[0].bytes[..], b"a,b");
    assert!(message.warnings.is_empty(), "{:?}", message.warnings);
    // The client adds a line end, even after one.
    assert_eq!(message.source, [&source[..], b"\r\n"].concat());
}

#[tokio::test]
async fn a_wait_ends_when_the_message_arrives() {
    let sink = Sink::builder().start().await.unwrap();
    let client = client(sink.smtp_addr());
    let sending = async {
        for to in ["bob@example.com", "ann@example.com"] {
            client.send(mail(to, "Hi")).await.unwrap();
        }
    };
    let (message, ()) = tokio::join!(sink.wait_for(Filter::to("ann@example.com"), LONG), sending);
    assert_eq!(message.unwrap().to[0].address, "ann@example.com");
}

#[tokio::test]
async fn a_message_that_arrived_before_counts_unless_the_filter_leaves_it_out() {
    let sink = Sink::builder().start().await.unwrap();
    let client = client(sink.smtp_addr());
    for subject in ["First", "Second"] {
        client.send(mail("ann@example.com", subject)).await.unwrap();
    }
    let to_ann = || Filter::to("ann@example.com");
    let newest = sink.wait_for(to_ann(), LONG).await.unwrap();
    assert_eq!(newest.subject, "Second");
    let first = sink.wait_for(Filter::subject("first"), LONG).await.unwrap();
    let second = sink.wait_for(to_ann().after(&first.id), LONG).await;
    assert_eq!(second.unwrap().id, newest.id);
    let none = sink.wait_for(to_ann().after(&newest.id), SHORT).await;
    assert!(matches!(none, Err(WaitError::Timeout { .. })), "{none:?}");

    assert_eq!(subjects(&sink), ["First", "Second"]);
    sink.clear();
    assert!(sink.messages().is_empty());
    assert!(sink.wait_for(to_ann(), SHORT).await.is_err());
}

#[tokio::test]
async fn a_timeout_lists_the_messages_that_arrived() {
    let sink = Sink::builder().start().await.unwrap();
    let missing = || sink.wait_for(Filter::to("ann@example.com"), SHORT);
    let error = missing().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no message to ann@example.com within 1ms; no message arrived"
    );
    let client = client(sink.smtp_addr());
    client.send(mail("bob@example.com", "Hi")).await.unwrap();
    let error = missing().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no message to ann@example.com within 1ms; one message arrived:\n  to bob@example.com from shop@example.com: \"Hi\""
    );
}

#[tokio::test]
#[should_panic(expected = "\n  to bob@example.com from shop@example.com: \"Hi\"")]
async fn the_panic_of_unwrap_lists_the_messages_that_arrived() {
    let sink = Sink::builder().start().await.unwrap();
    let client = client(sink.smtp_addr());
    client.send(mail("bob@example.com", "Hi")).await.unwrap();
    let waited = sink.wait_for(Filter::to("ann@example.com"), SHORT).await;
    waited.unwrap();
}

#[tokio::test]
async fn a_stored_message_is_found_without_waiting() {
    let sink = Sink::builder().start().await.unwrap();
    let client = client(sink.smtp_addr());
    client.send(mail("ann@example.com", "Hi")).await.unwrap();
    let found = sink.wait_for(Filter::to("Ann <ann@example.com>"), Duration::ZERO);
    let found = found.await.unwrap();
    let later = Filter::any().after(&found.id);
    let error = sink.wait_for(later, Duration::ZERO).await.unwrap_err();
    assert!(
        error.to_string().ends_with("; no later message arrived"),
        "{error}"
    );
}

#[tokio::test]
async fn a_condition_that_blocks_delays_no_session() {
    let sink = Sink::builder().start().await.unwrap();
    let client = client(sink.smtp_addr());
    client.send(mail("ann@example.com", "First")).await.unwrap();
    let (considered, is_considered) = oneshot::channel();
    let considered = Mutex::new(Some(considered));
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let condition = move |message: &Message| {
        if let Some(considered) = considered.lock().unwrap().take() {
            considered.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        }
        message.subject == "First"
    };
    let sending = async {
        is_considered.await.unwrap();
        client
            .send(mail("bob@example.com", "Second"))
            .await
            .unwrap();
        release.send(()).unwrap();
    };
    let waiting = sink.wait_for(Filter::matching(condition), LONG);
    let (found, ()) = tokio::join!(waiting, sending);
    assert_eq!(found.unwrap().subject, "First");
}

#[test]
fn the_debug_output_of_a_large_message_is_short() {
    let sink = Sink::builder().start_blocking().unwrap();
    let mail = Mail::builder()
        .from("shop@example.com".parse().unwrap())
        .to("ann@example.com".parse().unwrap())
        .subject("Hi")
        .multipart(
            MultiPart::mixed()
                .singlepart(SinglePart::plain("long text ".repeat(1_000)))
                .singlepart(Attachment::new("a.bin".to_owned()).body(
                    vec![7_u8; 100_000],
                    ContentType::parse("image/png").unwrap(),
                )),
        )
        .unwrap();
    blocking_client(sink.smtp_addr()).send(&mail).unwrap();
    let message = sink.wait_for_blocking(Filter::any(), LONG).unwrap();
    let stored = sink.inbox().get(&message.id).unwrap();
    for text in [format!("{message:?}"), format!("{stored:?}")] {
        assert!(text.len() < 2_000, "{text}");
        assert!(text.contains("ann@example.com"), "{text}");
    }
    assert!(
        format!("{message:?}").contains("bytes: 100000 bytes"),
        "{message:?}"
    );
}

#[tokio::test]
#[should_panic(expected = "the subject is Hi")]
async fn a_panic_of_a_condition_fails_the_test() {
    let sink = Sink::builder().start().await.unwrap();
    client(sink.smtp_addr())
        .send(mail("ann@example.com", "Hi"))
        .await
        .unwrap();
    let condition = |message: &Message| panic!("the subject is {}", message.subject);
    let _ = sink.wait_for(Filter::matching(condition), LONG).await;
}

#[test]
fn a_test_without_a_runtime_uses_the_blocking_methods() {
    let sink = Sink::builder().start_blocking().unwrap();
    let client = blocking_client(sink.smtp_addr());
    client.send(&mail("ann@example.com", "Hi")).unwrap();
    let message = sink.wait_for_blocking(Filter::subject("Hi"), LONG).unwrap();
    assert_eq!(message.to[0].address, "ann@example.com");
    assert!(sink.wait_for_blocking(Filter::from("x@y"), SHORT).is_err());
    assert_eq!(sink.stop_blocking().unwrap().received, 1);
}

#[tokio::test]
async fn a_test_may_block_its_runtime() {
    let sink = Sink::builder().start().await.unwrap();
    // On the only thread of the test's runtime.
    let client = blocking_client(sink.smtp_addr());
    client.send(&mail("ann@example.com", "Hi")).unwrap();
    sink.wait_for_blocking(Filter::any(), LONG).unwrap();
    sink.wait_for(Filter::any(), LONG).await.unwrap();
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future without Tokio.
fn run_without_tokio<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
        thread::park();
    }
}

#[test]
fn any_executor_can_use_a_sink() {
    run_without_tokio(async {
        let sink = Sink::builder().start().await.unwrap();
        blocking_client(sink.smtp_addr())
            .send(&mail("ann@example.com", "Hi"))
            .unwrap();
        sink.wait_for(Filter::any(), LONG).await.unwrap();
        let waited = sink.wait_for(Filter::subject("No"), SHORT).await;
        assert!(matches!(waited, Err(WaitError::Timeout { .. })));
        assert_eq!(sink.stop().await.unwrap().kept, 1);
    });
}

/// Sink of all tests in [`tests_with_different_runtimes_share_a_sink`].
static SHARED: LazyLock<Sink> = LazyLock::new(|| Sink::builder().start_blocking().unwrap());

#[test]
fn tests_with_different_runtimes_share_a_sink() {
    for to in ["ann@example.com", "bob@example.com"] {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let client = client(SHARED.smtp_addr());
            client.send(mail(to, "Hi")).await.unwrap();
            SHARED.wait_for(Filter::to(to), LONG).await.unwrap();
        });
    }
}

/// Starts a sink with all ports, and returns it with its addresses. On Linux its host is 127.0.0.`last`, so that no sink of
/// another test gets its ports when it has stopped.
fn start_all(last: u8) -> (Sink, [SocketAddr; 3]) {
    let last = if cfg!(target_os = "linux") { last } else { 1 };
    let any = SocketAddr::from(([127, 0, 0, last], 0));
    let sink = Sink::builder().listen(any).tls(any).web(any);
    let sink = sink.start_blocking().unwrap();
    let addresses = [
        sink.smtp_addr(),
        sink.smtps_addr().unwrap(),
        sink.web_addr().unwrap(),
    ];
    (sink, addresses)
}

/// Asserts that no socket is open, and that the clients have been disconnected.
fn assert_closed(addresses: [SocketAddr; 3], clients: [TcpStream; 3]) {
    for mut client in clients {
        let mut greeting = Vec::new();
        // A reset is an error, and as good.
        let _ = client.read_to_end(&mut greeting);
    }
    for address in addresses {
        assert!(TcpStream::connect(address).is_err(), "{address} is open");
        TcpListener::bind(address).unwrap();
    }
}

#[test]
fn a_dropped_sink_has_closed_its_sockets() {
    let (sink, addresses) = start_all(2);
    // They stay idle, so nothing of theirs ends the wait for a graceful stop.
    let clients = addresses.map(|address| TcpStream::connect(address).unwrap());
    drop(sink);
    assert_closed(addresses, clients);
}

#[tokio::test]
async fn a_sink_can_be_dropped_inside_a_runtime() {
    let (sink, addresses) = start_all(3);
    let clients = addresses.map(|address| TcpStream::connect(address).unwrap());
    drop(sink);
    assert_closed(addresses, clients);
}

#[tokio::test]
async fn a_stopped_sink_says_goodbye_and_returns_its_counters() {
    let (sink, addresses) = start_all(4);
    client(addresses[0])
        .send(mail("ann@example.com", "Hi"))
        .await
        .unwrap();
    let inbox = sink.inbox();
    let mut idle = TcpStream::connect(addresses[0]).unwrap();
    let mut greeting = [0; 4];
    idle.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"220 ");
    let goodbye = thread::spawn(move || {
        let mut rest = String::new();
        idle.read_to_string(&mut rest).unwrap();
        rest
    });
    let summary = sink.stop().await.unwrap();
    assert_eq!((summary.received, summary.kept), (1, 1));
    assert!(goodbye.join().unwrap().contains("\r\n421 "));
    assert!(addresses.map(TcpStream::connect).iter().all(Result::is_err));
    // The messages outlive the sink.
    assert_eq!(inbox.messages()[0].subject, "Hi");
}

fn trusting(sink: &Sink) -> TlsParameters {
    let authority = Certificate::from_pem(sink.authority_pem().unwrap().as_bytes()).unwrap();
    TlsParameters::builder("localhost".to_owned())
        .certificate_store(CertificateStore::None)
        .add_root_certificate(authority)
        .build_rustls()
        .unwrap()
}

#[tokio::test]
async fn clients_that_verify_the_certificate_can_encrypt() {
    let sink = Sink::builder()
        .starttls(true)
        .tls(([127, 0, 0, 1], 0))
        .start()
        .await
        .unwrap();
    let (smtp, smtps) = (sink.smtp_addr(), sink.smtps_addr().unwrap());
    for (address, tls, subject) in [
        (smtp, Tls::Required(trusting(&sink)), "STARTTLS"),
        (smtps, Tls::Wrapper(trusting(&sink)), "TLS"),
    ] {
        let client = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
            .port(address.port())
            .tls(tls)
            .build();
        client.send(mail("ann@example.com", subject)).await.unwrap();
        let message = sink.wait_for(Filter::subject(subject), LONG).await.unwrap();
        let stored = sink.inbox().get(&message.id).unwrap();
        assert_eq!(stored.session.tls.as_deref(), Some("TLS 1.3"));
    }
}

#[tokio::test]
async fn faults_hit_the_occurrences_that_their_rules_name() {
    let sink = Sink::builder()
        .fail("data:1:451".parse().unwrap())
        .fail("message:2:drop".parse().unwrap())
        .start()
        .await
        .unwrap();
    let client = client(sink.smtp_addr());
    let refused = client.send(mail("ann@example.com", "1")).await.unwrap_err();
    assert_eq!(refused.status().unwrap().to_string(), "451");
    client.send(mail("ann@example.com", "2")).await.unwrap();
    let dropped = client.send(mail("ann@example.com", "3")).await.unwrap_err();
    assert!(dropped.status().is_none(), "{dropped}");
    assert_eq!(subjects(&sink), ["2"]);
    assert_eq!(
        "rset:1:451"
            .parse::<movie_bag_smtp_sink::FaultRule>()
            .unwrap_err()
            .to_string(),
        "unknown stage \"rset\": write one of connect, helo, auth, mail, rcpt, data, message"
    );
}

#[tokio::test]
async fn limits_are_enforced_and_counted() {
    let sink = Sink::builder()
        .max_size(500)
        .max_messages(1)
        .start()
        .await
        .unwrap();
    let client = client(sink.smtp_addr());
    let large = mail_with("ann@example.com", "Large", &"x\r\n".repeat(500));
    let refused = client.send(large).await.unwrap_err();
    assert_eq!(refused.status().unwrap().to_string(), "552");
    for subject in ["Old", "New"] {
        client.send(mail("ann@example.com", subject)).await.unwrap();
    }
    assert_eq!(subjects(&sink), ["New"]);
    let summary = sink.stop().await.unwrap();
    assert_eq!((summary.rejected, summary.dropped), (1, 1));
}

#[test]
fn the_web_inbox_requires_the_login_of_the_settings() {
    let sink = Sink::builder()
        .web(([127, 0, 0, 1], 0))
        .web_auth("ann", "secret")
        .start_blocking()
        .unwrap();
    blocking_client(sink.smtp_addr())
        .send(&mail("ann@example.com", "Hi"))
        .unwrap();
    let web = sink.web_addr().unwrap();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let get = |login: &str| {
        let url = format!("http://{web}/api/v1/messages");
        let request = agent.get(url).header("Authorization", login);
        let mut response = request.call().unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        (response.status().as_u16(), text)
    };
    assert_eq!(get("Basic eDp5").0, 401);
    // ann:secret
    let (status, list) = get("Basic YW5uOnNlY3JldA==");
    assert_eq!(status, 200);
    assert!(list.contains("\"Subject\":\"Hi\""), "{list}");
}

#[test]
fn a_maildir_survives_the_sink_that_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Sink::builder().store(folder.path()).start_blocking();
    let sink = start().unwrap();
    blocking_client(sink.smtp_addr())
        .send(&mail("ann@example.com", "Hi"))
        .unwrap();
    let error = start().unwrap_err();
    assert!(matches!(error, SinkError::Store { .. }), "{error}");
    drop(sink);
    assert_eq!(subjects(&start().unwrap()), ["Hi"]);
}

#[tokio::test]
async fn an_address_in_use_is_an_error() {
    let sink = Sink::builder().start().await.unwrap();
    let second = Sink::builder().listen(sink.smtp_addr());
    for error in [
        second.clone().start().await.unwrap_err(),
        second.clone().start_blocking().unwrap_err(),
        second.bind().await.unwrap_err(),
    ] {
        assert!(
            matches!(
                error,
                SinkError::Bind {
                    port: Port::Smtp,
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_program_runs_a_bound_sink_itself() {
    let sink: BoundSink = Sink::builder().bind().await.unwrap();
    let (smtp, inbox) = (sink.smtp_addr(), sink.inbox());
    let (shown, show) = mpsc::channel();
    let on_message = move |message: Option<&Arc<ReceivedMessage>>| {
        shown
            .send(message.unwrap().digest().subject.clone())
            .unwrap();
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(sink.run(Some(Box::new(on_message)), async {
        let _ = stopped.await;
    }));
    client(smtp)
        .send(mail("ann@example.com", "Hi"))
        .await
        .unwrap();
    assert_eq!(inbox.wait_for(&Filter::any()).await.subject, "Hi");
    stop.send(()).unwrap();
    assert_eq!(running.await.unwrap().unwrap().received, 1);
    assert_eq!(show.into_iter().collect::<Vec<_>>(), ["Hi"]);
}

#[test]
fn the_types_can_be_shared_between_threads() {
    fn assert_shared<T: Send + Sync>() {}
    assert_shared::<Sink>();
    assert_shared::<Filter>();
    assert_shared::<Message>();
    assert_shared::<WaitError>();
    assert_shared::<SinkError>();
}
