//! Access control, paths and compression of the web port.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// A clock that panics on request.
#[derive(Clone, Default)]
struct PanickingClock(Arc<AtomicBool>);

impl Clock for PanickingClock {
    fn now(&self) -> Timestamp {
        assert!(!self.0.load(Ordering::Relaxed), "asked to panic");
        Stopped.now()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_gets_an_error_response_with_security_headers_and_the_server_continues() {
    let clock = PanickingClock::default();
    let sink = start_with_clock(|_| {}, clock.clone()).await;
    // The task of the web port reads the clock when it starts.
    assert_eq!(sink.get("/api/v1/info").await.status(), 200);
    clock.0.store(true, Ordering::Relaxed);
    let failed = sink.get("/api/v1/info").await;
    assert_eq!(
        (failed.status().as_u16(), failed.body().as_str()),
        (500, "Something went wrong")
    );
    assert_eq!(failed.headers()["x-content-type-options"], "nosniff");
    clock.0.store(false, Ordering::Relaxed);
    assert_eq!(sink.get("/api/v1/info").await.status(), 200);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_unknown_hosts_or_from_other_origins_are_refused() {
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
        assert_eq!(sink.send_http(&request).await.0, status, "{request}");
    }
    let refused = sink
        .send_http("GET /api/v1/info HTTP/1.1\nHost: localhost\nOrigin: http://evil.example")
        .await;
    assert_eq!(refused, (403, "Blocked due to CORS violation".to_owned()));
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_required_except_by_health_checks() {
    let sink = start(|settings| settings.web_auth = Some(("ann".into(), "se:cret".into()))).await;
    let ask = async |path: &str, credentials: &str| {
        let header = match credentials {
            "" => String::new(),
            text => format!("Authorization: {text}\n"),
        };
        sink.send_http(&format!(
            "GET {path} HTTP/1.1\nHost: localhost\n{header}Connection: close\n\n"
        ))
        .await
    };
    assert_eq!(
        ask("/api/v1/messages", "").await,
        (401, "Unauthorized.\n".to_owned())
    );
    for (credentials, status) in [
        ("Basic YW5uOnNlOmNyZXQ=", 200),
        ("basic YW5uOnNlOmNyZXQ=", 200),
        ("Basic YW5uOnNl", 401),
        ("Basic %%%", 401),
        ("Bearer YW5uOnNlOmNyZXQ=", 401),
        ("Basic", 401),
    ] {
        assert_eq!(
            ask("/api/v1/info", credentials).await.0,
            status,
            "{credentials}"
        );
    }
    for path in [
        "/",
        "/api/events",
        "/view/latest",
        "/api/v2/messages",
        "/nothing",
    ] {
        assert_eq!(ask(path, "").await.0, 401, "{path}");
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(ask(path, "").await, (200, String::new()), "{path}");
    }
    sink.end().await;
}

/// cypress-mailpit joins `/api/…` to its base URL, which may end in a slash.
#[tokio::test(flavor = "multi_thread")]
async fn a_base_url_may_end_in_a_slash() {
    let sink = start(|settings| settings.web_auth = Some(("ann".into(), "secret".into()))).await;
    sink.send_smtp(mail("ann@example.com", SIMPLE)).await;
    let ask = async |line: &str, host: &str| {
        let credentials = "Authorization: Basic YW5uOnNlY3JldA==\n";
        sink.send_http(&format!(
            "{line} HTTP/1.1\nHost: {host}\n{credentials}Content-Length: 0\nConnection: close\n\n"
        ))
        .await
    };
    let (status, list) = ask("GET //api/v1/search?query=a//b", "localhost").await;
    assert_eq!(status, 200, "{list}");
    assert!(list.contains("\"messages_count\":0,"), "{list}");
    for line in [
        "GET //api//v1///messages",
        "GET //view/latest.txt",
        "GET //",
        "DELETE //api/v1/messages",
    ] {
        assert_eq!(ask(line, "localhost").await.0, 200, "{line}");
    }
    assert_eq!(sink.inbox.totals().messages, 0);
    // Access control checks the same path.
    assert_eq!(ask("GET //api/v1/messages", "evil.example").await.0, 403);
    let without = "GET //api/v1/messages HTTP/1.1\nHost: localhost\nConnection: close\n\n";
    assert_eq!(sink.send_http(without).await.0, 401);
    sink.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_are_compressed_if_the_client_accepts_gzip() {
    let (sink, _) = start_with_messages(&["one"; 20]).await;
    let request = "GET /api/v1/messages HTTP/1.1\nHost: localhost\nAccept-Encoding: gzip\nConnection: close\n\n";
    let (web, request) = (sink.web, request.replace('\n', "\r\n"));
    let response = spawn_blocking(move || {
        let mut stream = TcpStream::connect(web).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        response
    })
    .await
    .unwrap();
    let head = String::from_utf8_lossy(&response[..400]).to_lowercase();
    assert!(head.contains("content-encoding: gzip"), "{head}");
    assert!(response.len() < 2000);
    sink.end().await;
}
