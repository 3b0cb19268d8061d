//! Behaviour on the socket: methods, limits, timeouts, malformed requests and shutdown.

use std::time::Instant;

use super::super::metrics::render;
use super::*;

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_in_json() {
    let server = Server::start().await;
    for path in [
        "/api",
        "/api/auth/login/",
        "/api/../healthz",
        "/%00",
        "//",
        "/openapi.jsonx",
    ] {
        assert_eq!(server.get(path).await.error(), "404 not_found", "{path}");
    }
    for (method, path, allowed) in [
        ("GET", "/api/auth/login", "POST"),
        ("PATCH", "/api/movies", "GET,HEAD,POST"),
        ("POST", "/api/movies/1", "GET,HEAD,PUT,DELETE"),
        ("BREW", "/healthz", "GET,HEAD"),
    ] {
        let response = server.call(method, path, "", b"").await;
        assert_eq!(
            response.error(),
            "405 method_not_allowed",
            "{method} {path}"
        );
        assert_eq!(response.header("allow"), Some(allowed));
    }
}

#[tokio::test]
async fn every_response_has_a_request_id_and_security_headers() {
    let server = Server::start().await;
    let mut ids = std::collections::BTreeSet::new();
    for path in [
        "/healthz",
        "/api/movies",
        "/nowhere",
        "/forgot",
        "/api/auth/login",
    ] {
        let response = server.get(path).await;
        assert_eq!(
            response.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(
            response.header("referrer-policy"),
            Some("no-referrer"),
            "{path}"
        );
        assert!(response.header("cache-control").is_some(), "{path}");
        assert!(
            response.header("content-security-policy").is_some(),
            "{path}"
        );
        assert!(response.header("server").is_none(), "{path}");
        assert!(ids.insert(response.header("x-request-id").unwrap().to_owned()));
    }
}

#[tokio::test]
async fn a_request_id_of_the_client_is_not_used() {
    let server = Server::start().await;
    let response = server
        .call("GET", "/healthz", "x-request-id: forged\r\n", b"")
        .await;
    let id = response.header("x-request-id").unwrap();
    assert_eq!(id.len(), 16, "{id}");
    assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert!(!response.head.contains("forged"));
}

/// Returns a server that was asked to stop, and the connection of a request that gets no response within the grace period.
async fn stopped_with_a_request_in_progress() -> (Server, TcpStream) {
    let options = HttpOptions {
        grace: Duration::from_millis(100),
        ..HttpOptions::default()
    };
    let mut server = Server::start_with(options, |_| {}).await;
    server.store.pings.forget_permits(1_000);
    let mut waiting = server.connect().await;
    waiting
        .write_all(b"GET /readyz HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(server.get("/healthz").await.status, 200);
    server.stop.take().unwrap().send(()).unwrap();
    (server, waiting)
}

#[tokio::test]
async fn a_request_that_ends_before_its_response_is_counted() {
    let (server, _waiting) = stopped_with_a_request_in_progress().await;
    let counted = async {
        let sample = r#"{method="GET",route="/readyz",status="(none)"} 1"#;
        let text = async || render(&server.app, &server.metrics).await.unwrap();
        while !text().await.contains(sample) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), counted)
        .await
        .unwrap();
}

/// Log output of all levels.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_contains_the_route_and_no_secrets() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // With only one subscriber, tracing caches the interest of the thread that reaches a callsite first, and applies it to all
    // threads. Another test could disable the callsites of this one. A second dispatcher prevents that.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::new());
    // The server runs on the same thread.
    let _guard = tracing::subscriber::set_default(subscriber);
    let server = Server::start().await;
    server.sign_up("ann").await;
    let access = server.log_in("ann").await;
    let reset = server.reset_token("ann").await;
    server.get(&format!("/reset/{reset}?next={reset}")).await;
    server
        .submit(
            &format!("/reset/{reset}"),
            "password=secret+one&password_again=secret+two",
        )
        .await;
    server.call_as(&access, "POST", "/api/movies", "{}").await;
    server.call(&reset, &format!("/{reset}"), "", b"").await;
    let response = server
        .post(
            "/api/auth/reset",
            &format!(r#"{{"reset_token":"{reset}","password":"second password"}}"#),
        )
        .await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("method=\"GET\" route=\"/reset/{token}\" status=200"),
        "{log}"
    );
    assert!(
        log.contains(response.header("x-request-id").unwrap()),
        "{log}"
    );
    for secret in [
        &reset[..],
        &access,
        "first password",
        "secret",
        "second password",
        "ann@",
    ] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
}

#[tokio::test]
async fn head_returns_the_headers_of_get_without_a_body() {
    let server = Server::start().await;
    for path in ["/healthz", "/api/movies", "/forgot", "/assets/style.css"] {
        let (get, head) = (
            server.get(path).await,
            server.call("HEAD", path, "", b"").await,
        );
        assert_eq!(head.status, 200, "{path}");
        assert_eq!(head.body, "", "{path}");
        assert_eq!(
            head.header("content-length"),
            get.header("content-length"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_read_to_its_end_and_refused() {
    let server = Server::start().await;
    let json = "content-type: application/json\r\n";
    let fits = format!(r#"{{"email":"{}"}}"#, "x".repeat(64 * 1024 - 12));
    assert_eq!(fits.len(), 64 * 1024);
    assert_eq!(
        server.post("/api/auth/forgot", &fits).await.error(),
        "400 invalid_email"
    );
    for size in [64 * 1024 + 1, 1_000_000, 20_000_000] {
        for path in ["/api/auth/forgot", "/nowhere"] {
            let response = server.call("POST", path, json, &vec![b'x'; size]).await;
            assert_eq!(response.error(), "413 payload_too_large", "{size}");
        }
    }
    let mut chunked = b"POST /api/auth/forgot HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..100 {
        chunked.extend_from_slice(b"1000\r\n");
        chunked.extend_from_slice(&[b' '; 0x1000]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let response = Response::parse(&server.raw(&chunked).await);
    assert_eq!(response.error(), "413 payload_too_large");
}

#[tokio::test]
async fn a_body_of_another_media_type_is_refused() {
    let server = Server::start().await;
    for headers in [
        "",
        "content-type: text/plain\r\n",
        "content-type: \r\n",
        "content-type: \u{ff}\r\n",
    ] {
        let response = server.call("POST", "/api/auth/login", headers, b"{}").await;
        assert_eq!(response.error(), "415 unsupported_media_type", "{headers}");
    }
}

#[tokio::test]
async fn a_malformed_request_gets_a_client_error() {
    let server = Server::start().await;
    let post = |rest: &str| {
        format!("POST /api/auth/login HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{rest}")
            .into_bytes()
    };
    let json = |body: &[u8]| {
        let mut bytes = post(&format!(
            "content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        ));
        bytes.extend_from_slice(body);
        bytes
    };
    let get = |rest: &str| format!("GET {rest}").into_bytes();
    let requests: Vec<Vec<u8>> = vec![
        b"\r\n\r\n \r\n\r\n".to_vec(),
        b"HELO there\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
        b"\0\0\0\0\r\n\r\n".to_vec(),
        get("/ HTTP/9.9\r\n\r\n"),
        get("/healthz\r\n\r\n"),
        get(" HTTP/1.1\r\n\r\n"),
        get("healthz HTTP/1.1\r\nconnection: close\r\n\r\n"),
        get("/a b HTTP/1.1\r\n\r\n"),
        get("/\u{ff} HTTP/1.1\r\nconnection: close\r\n\r\n"),
        get("/%zz HTTP/1.1\r\nconnection: close\r\n\r\n"),
        get("/api/movies/%00 HTTP/1.1\r\nconnection: close\r\n\r\n"),
        get("/api/movies?%ff=%zz&limit=%00 HTTP/1.1\r\nconnection: close\r\n\r\n"),
        get(&format!(
            "/{} HTTP/1.1\r\nconnection: close\r\n\r\n",
            "x".repeat(70_000)
        )),
        get(&format!(
            "/reset/{} HTTP/1.1\r\nconnection: close\r\n\r\n",
            "x".repeat(20_000)
        )),
        get(&format!(
            "/healthz HTTP/1.1\r\n{}\r\n",
            "a: b\r\n".repeat(500)
        )),
        get(&format!(
            "/healthz HTTP/1.1\r\na: {}\r\n\r\n",
            "x".repeat(1_000_000)
        )),
        get("/nowhere HTTP/1.1\r\na: \0\r\n\r\n"),
        get("/nowhere HTTP/1.1\r\n: b\r\n\r\n"),
        get("/nowhere HTTP/1.1\r\na b: c\r\n\r\n"),
        get("/nowhere HTTP/1.1\r\nno colon\r\n\r\n"),
        get("/nowhere HTTP/1.1\r\na: b\r\n folded\r\n\r\n"),
        get("http://evil.example/nowhere HTTP/1.1\r\nconnection: close\r\n\r\n"),
        b"OPTIONS * HTTP/1.1\r\nconnection: close\r\n\r\n".to_vec(),
        b"CONNECT evil.example:443 HTTP/1.1\r\nconnection: close\r\n\r\n".to_vec(),
        b"\xffGET / HTTP/1.1\r\n\r\n".to_vec(),
        post("content-length: -1\r\n\r\n"),
        post("content-length: 99999999999999999999999\r\n\r\n"),
        post("content-length: 1\r\ncontent-length: 2\r\n\r\nab"),
        post(
            "content-length: 2\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\n{}",
        ),
        post("transfer-encoding: gzip\r\n\r\n{}"),
        post(
            "transfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        ),
        post(
            "transfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\nffffffffffffffffff\r\n{}",
        ),
        post(
            "authorization: Bearer \u{ff}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        ),
        json(b"\xff\xfe"),
        json(b"{\"email\":\"\xff\"}"),
        json(br#"{"email":"\ud800","password":"x"}"#),
        json(br#"{"email":1e999,"password":"x"}"#),
        json(br#"{"email":{"$gt":""},"password":{"$gt":""}}"#),
        json(br#"{"email":"a@example.com","password":"x"}{}"#),
        json("\u{feff}{}".as_bytes()),
        json(br#"{"email":["a@example.com"],"password":null}"#),
        json(br#"{"email":"","password":""}"#),
        json(&b"[".repeat(60_000)),
    ];
    assert!(requests.len() >= 40);
    for request in &requests {
        let shown = String::from_utf8_lossy(&request[..request.len().min(90)]).into_owned();
        let response = Response::parse(&server.raw(request).await);
        assert!(
            (400..500).contains(&response.status),
            "{shown}: {}",
            response.head
        );
        if response.header("content-type") == Some("application/json") {
            response.error();
        } else {
            assert!(
                response.body.contains("<h1>"),
                "{shown}: {} {}",
                response.head,
                response.body
            );
        }
    }
    assert_eq!(server.get("/healthz").await.status, 200);
}

/// Fails without the replacement of hyper's own responses, which have no body and no such headers.
#[tokio::test]
async fn a_malformed_request_is_refused_in_json_with_the_headers_of_every_response() {
    let server = Server::start().await;
    let long_path = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000));
    let many_headers = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(500));
    for (request, status, body) in [
        (
            "HELO there\r\n\r\n",
            "400 Bad Request",
            r#"{"message":"Request is missing required fields","status":400,"code":"schema_validation","fields":{"request":"is not valid HTTP/1.1"}}"#,
        ),
        (
            &long_path,
            "414 URI Too Long",
            r#"{"message":"The path is too long","status":414,"code":"payload_too_large"}"#,
        ),
        (
            &many_headers,
            "431 Request Header Fields Too Large",
            r#"{"message":"Too many or too large headers: at most 128 KiB are allowed","status":431,"code":"payload_too_large"}"#,
        ),
    ] {
        // As the first request of a connection, and after another one.
        for before in ["", "HEAD /healthz HTTP/1.1\r\n\r\n"] {
            let received = server.raw(format!("{before}{request}").as_bytes()).await;
            let received = String::from_utf8(received).unwrap();
            let starts: Vec<_> = received.match_indices("HTTP/1.1 ").collect();
            let (previous, refused) = received.split_at(starts.last().unwrap().0);
            assert_eq!(previous.is_empty(), before.is_empty(), "{received}");
            if !previous.is_empty() {
                assert_eq!(Response::parse(previous.as_bytes()).status, 200);
                assert!(previous.contains("x-request-id"), "{previous}");
            }
            let response = Response::parse(refused.as_bytes());
            assert!(
                response.head.starts_with(&format!("HTTP/1.1 {status}\r\n")),
                "{received}"
            );
            assert_eq!(response.body, body);
            for (name, value) in [
                ("connection", "close"),
                ("content-type", "application/json"),
                ("content-length", &body.len().to_string()),
                ("cache-control", "no-store"),
                ("referrer-policy", "no-referrer"),
                ("x-content-type-options", "nosniff"),
            ] {
                assert_eq!(response.header(name), Some(value), "{name}");
            }
            assert!(response.header("content-security-policy").is_some());
        }
    }
}

#[tokio::test]
async fn a_slow_client_is_disconnected() {
    // Long enough for a complete request, even on a busy machine.
    let short = Duration::from_secs(1);
    let options = HttpOptions {
        header_timeout: short,
        body_timeout: short,
        request_timeout: 2 * short,
        ..HttpOptions::default()
    };
    let server = Server::start_with(options, |_| {}).await;
    let started_at = Instant::now();
    assert_eq!(server.raw(b"GET /healthz HT").await, b"");
    let idle = server.raw(b"GET /healthz HTTP/1.1\r\n\r\n").await;
    assert_eq!(Response::parse(&idle).status, 200);
    let cut = server
        .raw(b"POST /api/auth/login HTTP/1.1\r\ncontent-length: 10\r\n\r\n{")
        .await;
    assert_eq!(Response::parse(&cut).error(), "408 request_timeout");
    // Without permits, the handler waits in its ping.
    server.store.pings.forget_permits(1_000);
    assert_eq!(server.get("/readyz").await.error(), "503 unavailable");
    // The default limits would have taken longer.
    assert!(started_at.elapsed() < HttpOptions::default().header_timeout);
}

/// Allows one connection, and no timeout that expires during a test.
fn one_connection() -> HttpOptions {
    HttpOptions {
        max_connections: 1,
        header_timeout: HOUR,
        body_timeout: HOUR,
        request_timeout: HOUR,
        write_timeout: HOUR,
        ..HttpOptions::default()
    }
}

#[tokio::test]
async fn a_new_client_waits_while_all_connections_have_a_request_in_progress() {
    let server = Server::start_with(one_connection(), |_| {}).await;
    server.store.pings.forget_permits(1_000);
    let mut first = server.connect().await;
    first
        .write_all(b"GET /readyz HTTP/1.1\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut second = server.connect().await;
    second
        .write_all(b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut response = Vec::new();
    let early =
        tokio::time::timeout(Duration::from_millis(100), second.read_buf(&mut response)).await;
    assert!(early.is_err(), "the second request did not wait");
    server.store.pings.add_permits(1);
    for mut stream in [first, second] {
        let mut response = Vec::new();
        stream.read_to_end(&mut response).await.unwrap();
        assert_eq!(Response::parse(&response).status, 200);
    }
}

#[tokio::test]
async fn a_connection_that_waits_for_its_client_gives_way_to_a_new_one() {
    let server = Server::start_with(one_connection(), |_| {}).await;
    let unread = b"GET /assets/style.css HTTP/1.1\r\n\r\n".repeat(5_000);
    let waiting: [(&str, &[u8]); 6] = [
        ("nothing", b""),
        ("half a head", b"GET /healthz HTTP/1.1\r\nx: "),
        ("an answered request", b"GET /healthz HTTP/1.1\r\n\r\n"),
        (
            "an answered request and half a head",
            b"GET /healthz HTTP/1.1\r\n\r\nGET /healthz HT",
        ),
        (
            "half a body",
            b"POST /api/auth/login HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{",
        ),
        ("requests, and reads no response", &unread),
    ];
    for (case, sent) in waiting {
        let mut held = server.connect().await;
        // Writes until the responses fill all buffers between server and client.
        let _ = tokio::time::timeout(Duration::from_secs(1), held.write_all(sent)).await;
        let response = server.get("/healthz").await;
        assert_eq!(response.status, 200, "{case}");
    }
}

#[tokio::test]
async fn a_shutdown_completes_requests_in_flight_and_closes_idle_connections() {
    let mut server = Server::start().await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    assert!(idle.read(&mut [0; 4096]).await.unwrap() > 0);
    let mut silent = server.connect().await;
    server.store.pings.forget_permits(1_000);
    let mut waiting = server.connect().await;
    waiting
        .write_all(b"GET /readyz HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    // The response arrives only after the waiting connection was accepted.
    assert_eq!(server.get("/healthz").await.status, 200);

    server.stop.take().unwrap().send(()).unwrap();
    assert_eq!(idle.read(&mut [0; 16]).await.unwrap(), 0);
    assert_eq!(silent.read(&mut [0; 16]).await.unwrap(), 0);
    assert!(TcpStream::connect(server.address).await.is_err());
    assert!(!server.running.is_finished());
    server.store.pings.add_permits(1);
    let mut response = Vec::new();
    waiting.read_to_end(&mut response).await.unwrap();
    assert_eq!(Response::parse(&response).status, 200);
    server.running.await.unwrap();
}

#[tokio::test]
async fn a_shutdown_ends_after_the_grace_period() {
    let (server, _waiting) = stopped_with_a_request_in_progress().await;
    server.running.await.unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected() {
    let options = HttpOptions {
        write_timeout: Duration::from_millis(200),
        grace: HOUR,
        ..HttpOptions::default()
    };
    let mut server = Server::start_with(options, |_| {}).await;
    let mut stream = server.connect().await;
    let request = b"GET /assets/style.css HTTP/1.1\r\n\r\n".repeat(100);
    // Writes until the responses fill all buffers between server and client.
    while let Ok(written) =
        tokio::time::timeout(Duration::from_millis(300), stream.write_all(&request)).await
    {
        if written.is_err() {
            break;
        }
    }
    server.stop.take().unwrap().send(()).unwrap();
    // With the client still connected, this would take until the end of the grace period.
    server.running.await.unwrap();
}
