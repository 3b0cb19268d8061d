//! Requests from pages of other origins.

use super::*;

const PAGE: &str = "https://app.example";
const PREFLIGHT: &str = "access-control-request-method: PUT\r\naccess-control-request-headers: authorization,content-type\r\n";

async fn start_with_origins(origins: &[&str]) -> Server {
    let options = HttpOptions {
        cors_origins: origins.iter().map(ToString::to_string).collect(),
        ..HttpOptions::default()
    };
    Server::start_with(options, |_| {}).await
}

fn cors_headers(response: &Response) -> Vec<&str> {
    let lines = response
        .head
        .lines()
        .filter_map(|line| line.split_once(": "));
    lines
        .filter(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-"))
        .map(|(name, _)| name)
        .collect()
}

#[tokio::test]
async fn a_preflight_request_of_a_listed_origin_is_accepted() {
    let server = start_with_origins(&["https://other.example", PAGE]).await;
    for path in ["/api/movies/1", "/api/account", "/api/account/password"] {
        let headers = format!("origin: {PAGE}\r\n{PREFLIGHT}");
        let preflight = server.call("OPTIONS", path, &headers, b"").await;
        assert_eq!((preflight.status, preflight.body.as_str()), (204, ""));
        for (name, value) in [
            ("access-control-allow-origin", PAGE),
            ("access-control-allow-methods", "GET, POST, PUT, DELETE"),
            (
                "access-control-allow-headers",
                "Authorization, Content-Type",
            ),
            ("access-control-max-age", "600"),
            ("vary", "Origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(preflight.header(name), Some(value), "{path} {name}");
        }
        assert!(
            preflight
                .header("access-control-allow-credentials")
                .is_none()
        );
    }
}

#[tokio::test]
async fn a_page_of_a_listed_origin_can_read_responses_and_errors() {
    let server = start_with_origins(&[PAGE]).await;
    let origin = format!("origin: {PAGE}\r\n");
    let too_large = vec![b'x'; 70_000];
    for (method, path, body, status) in [
        ("GET", "/api/movies", &b""[..], 200),
        ("POST", "/api/movies", b"{}", 401),
        ("POST", "/api/auth/login", b"{}", 415),
        ("POST", "/api/auth/login", &too_large, 413),
        ("GET", "/api/nowhere", b"", 404),
        // This is not a preflight request, since it does not name a method.
        ("OPTIONS", "/api/movies", b"", 405),
    ] {
        let response = server.call(method, path, &origin, body).await;
        assert_eq!(response.status, status, "{method} {path}");
        assert_eq!(response.header("access-control-allow-origin"), Some(PAGE));
        assert_eq!(
            response.header("access-control-expose-headers"),
            Some("Link, Retry-After, WWW-Authenticate, X-Request-Id")
        );
        assert_eq!(response.header("vary"), Some("Origin"));
    }
}

#[tokio::test]
async fn an_unlisted_origin_gets_no_cors_headers() {
    let server = start_with_origins(&[PAGE]).await;
    for origin in [
        "https://evil.example",
        "https://app.example.evil.example",
        "https://evil.example/https://app.example",
        "https://app.example:8443",
        "http://app.example",
        "https://APP.example",
        "https://app.example, https://evil.example",
        "https://app.example\r\norigin: https://evil.example",
        "null",
        "*",
        "",
    ] {
        let origin = format!("origin: {origin}\r\n");
        let read = server.call("GET", "/api/movies", &origin, b"").await;
        assert_eq!(
            (read.status, cors_headers(&read)),
            (200, vec![]),
            "{origin}"
        );
        assert_eq!(read.header("vary"), Some("Origin"), "{origin}");
        let preflight = server
            .call(
                "OPTIONS",
                "/api/movies",
                &format!("{origin}{PREFLIGHT}"),
                b"",
            )
            .await;
        assert_eq!(preflight.error(), "405 method_not_allowed", "{origin}");
        assert_eq!(cors_headers(&preflight), Vec::<&str>::new(), "{origin}");
    }
}

#[tokio::test]
async fn only_api_paths_have_cors_headers_and_none_by_default() {
    let origin = format!("origin: {PAGE}\r\n{PREFLIGHT}");
    let server = start_with_origins(&[PAGE]).await;
    for path in [
        "/healthz",
        "/readyz",
        "/forgot",
        "/reset/x",
        "/openapi.json",
        "/apis",
    ] {
        for method in ["GET", "OPTIONS"] {
            let response = server.call(method, path, &origin, b"").await;
            assert_eq!(
                cors_headers(&response),
                Vec::<&str>::new(),
                "{method} {path}"
            );
            assert!(response.header("vary").is_none(), "{method} {path}");
        }
    }
    let default = Server::start().await;
    for method in ["GET", "OPTIONS"] {
        let response = default.call(method, "/api/movies", &origin, b"").await;
        assert_eq!(cors_headers(&response), Vec::<&str>::new());
        assert!(response.header("vary").is_none());
    }
}
