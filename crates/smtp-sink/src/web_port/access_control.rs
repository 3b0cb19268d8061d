//! Access control of the web port: basic authentication, permitted hosts, and protection from pages of other sites.
//!
//! - **Host**, on every path: a page on the web can make its own name resolve to 127.0.0.1 (DNS rebinding) and then read this
//!   port as its own site. It cannot choose the Host header.
//! - **Origin**: browsers add it to requests that a page of another site sends to this port.
//! - **Sec-Fetch-Site** (Fetch Metadata Request Headers, section 2.3): loading a picture or following a link sends no Origin.
//!   Yet its duration, or whether it becomes a download, reveals the result of a search. Every current browser adds this header
//!   for HTTPS and for loopback addresses, and no page can change it. A request of another site reaches only `/` and
//!   `/view/ID`, and only as a page that a person opens. A redirect removes its query, so that it neither searches nor loads
//!   pictures. It marks nothing as read (see [`is_from_another_site`]). Another port counts as another site. A request without
//!   the header is sent by a program.
//! - **Sec-Purpose**: a prefetched or prerendered page was not opened by a person, so it is refused.
//!
//! `CsrfLayer` of tower-http does not replace this: it permits every GET, HEAD and OPTIONS request, and does not check the host.

use std::borrow::Cow;
use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::responses::plain;
use super::state::WebState;

/// Refuses forbidden requests, and adds the security headers to every response.
pub(super) async fn check(State(state): State<WebState>, request: Request, next: Next) -> Response {
    let is_probe = matches!(request.uri().path(), "/livez" | "/readyz");
    let auth = state.options.auth.as_ref().filter(|_| !is_probe);
    let mut response = match check_source(&state.options.hosts, &request) {
        Err(refusal) => refusal.into_response(),
        Ok(()) if auth.is_some_and(|auth| !is_authenticated(auth, request.headers())) => (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Basic realm=\"Login\"")],
            "Unauthorized.\n",
        )
            .into_response(),
        Ok(())
            if request.method() == Method::OPTIONS && request.uri().path().starts_with("/api/") =>
        {
            StatusCode::OK.into_response()
        }
        Ok(()) => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        // A page that opens this one in a new window cannot inspect it, not even its number of frames.
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        // Policy for responses that are not pages: they load nothing and cannot be framed.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        // Pages set a policy of their own.
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Returns whether a request has the correct user name and password (RFC 7617).
fn is_authenticated((user, password): &(String, String), headers: &HeaderMap) -> bool {
    let expected = Sha256::digest(format!("{user}:{password}"));
    // Compares digests, so that the duration does not reveal how much of a guess is correct.
    credentials(headers).is_some_and(|given| Sha256::digest(given) == expected)
}

/// Returns the user name in the credentials of a request.
pub(super) fn basic_auth_user(headers: &HeaderMap) -> Option<String> {
    let (user, _) = credentials(headers)?
        .split_once(':')
        .map(|(user, rest)| (user.to_owned(), rest.len()))?;
    Some(user)
}

fn credentials(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let bytes = STANDARD.decode(encoded.trim()).ok()?;
    scheme.eq_ignore_ascii_case("basic").then_some(())?;
    String::from_utf8(bytes).ok()
}

/// Response to a request that does not reach its handler.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    Forbidden(Cow<'static, str>),
    /// Redirects to this path, without a query.
    Redirect(String),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::Forbidden(reason) => plain(StatusCode::FORBIDDEN, reason),
            Refusal::Redirect(path) => {
                (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
            }
        }
    }
}

fn check_source(web_hosts: &[String], request: &Request) -> Result<(), Refusal> {
    let headers = request.headers();
    let Some(host) = only_host(headers) else {
        return Err(forbidden(
            "The request has no Host header, or more than one",
        ));
    };
    // An absolute request line names the host a second time, and takes precedence over the header (RFC 9112, 3.2.2).
    let target = request
        .uri()
        .authority()
        .map_or(host, |authority| authority.as_str());
    for name in [host, target] {
        if !is_permitted_host(name, web_hosts) {
            return Err(forbidden(format!(
                "Unknown host \"{name}\": use localhost or an IP address, or start with --web-host NAME"
            )));
        }
    }
    let path = request.uri().path();
    // Browsers send both in the same form, so they are compared as text. The `url` crate would accept what no browser sends.
    let is_foreign_origin = headers.get_all(header::ORIGIN).iter().any(|origin| {
        let site = origin
            .to_str()
            .ok()
            .and_then(|origin| origin.split_once("://"))
            .map(|(_, site)| site);
        !site.is_some_and(|site| site.eq_ignore_ascii_case(host))
    });
    if is_foreign_origin && !matches!(path, "/livez" | "/readyz") {
        return Err(forbidden(CROSS_SITE));
    }
    if is_prefetch(headers) {
        return Err(forbidden("Pages of the inbox are not prefetched"));
    }
    if !is_from_another_site(headers) {
        return Ok(());
    }
    let page = landing_page(request).ok_or_else(|| forbidden(CROSS_SITE))?;
    if request.uri().query().is_none() && page == path {
        Ok(())
    } else {
        Err(Refusal::Redirect(page.to_owned()))
    }
}

/// Message of Mailpit, which its clients recognize.
const CROSS_SITE: &str = "Blocked due to CORS violation";

fn forbidden(reason: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::Forbidden(reason.into())
}

/// Returns whether a page of another site caused this request. A message that such a request opens stays unread.
pub(super) fn is_from_another_site(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    sites.any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

/// Returns the page that a link of another site may open. `/view/latest` opens the list instead, because its redirect would
/// reveal the content of the inbox.
fn landing_page(request: &Request) -> Option<&str> {
    let has = |name: &str, value: &str| {
        let mut values = request.headers().get_all(name).iter();
        values.next().is_some_and(|first| first == value) && values.next().is_none()
    };
    let is_opened = request.method() == Method::GET
        && has("sec-fetch-mode", "navigate")
        // A frame has another destination.
        && has("sec-fetch-dest", "document");
    let path = request.uri().path();
    let id = path.strip_prefix("/view/").unwrap_or_default();
    match path {
        _ if !is_opened => None,
        "/" | "/view/latest" => Some("/"),
        _ if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) => Some(path),
        _ => None,
    }
}

/// Returns whether a browser loads a page in advance. `Sec-Purpose` is from the Fetch standard; older browsers send the others.
fn is_prefetch(headers: &HeaderMap) -> bool {
    let names = ["sec-purpose", "purpose", "x-purpose", "x-moz"];
    let values = names.iter().flat_map(|name| headers.get_all(*name));
    values.into_iter().any(|value| {
        let value = value.as_bytes().to_ascii_lowercase();
        let has = |word: &str| {
            value
                .windows(word.len())
                .any(|part| part == word.as_bytes())
        };
        has("prefetch") || has("prerender") || has("preview")
    })
}

fn only_host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

/// Accepts `localhost`, IP addresses and the configured names, with or without a port.
fn is_permitted_host(host: &str, web_hosts: &[String]) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, port)| {
            address.parse::<std::net::Ipv6Addr>().is_ok() && (port.is_empty() || is_port(port))
        });
    }
    let name = match host.split_once(':') {
        None => host,
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) => return false,
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok()
        || web_hosts
            .iter()
            .any(|permitted| permitted.eq_ignore_ascii_case(name))
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':')
        .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    /// Returns status and redirect target for a request with these headers; 200 if the request is permitted.
    fn decide(method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let mut request = axum::http::Request::builder()
            .method(method)
            .uri(path)
            .header("Host", "localhost:8025");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        match check_source(&[], &request.body(Body::empty()).unwrap()) {
            Ok(()) => (200, String::new()),
            Err(Refusal::Forbidden(_)) => (403, String::new()),
            Err(Refusal::Redirect(path)) => (303, path),
        }
    }

    const LINK: [(&str, &str); 2] = [
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Dest", "document"),
    ];

    #[test]
    fn a_link_of_another_site_opens_only_the_list_or_a_message_and_loses_its_query() {
        for site in ["cross-site", "same-site", "something-new"] {
            for (path, status, location) in [
                ("/", 200, ""),
                ("/?query=secret", 303, "/"),
                ("/?", 303, "/"),
                ("/view/0aZ", 200, ""),
                ("/view/0aZ?tab=html&pictures=1", 303, "/view/0aZ"),
                ("/view/latest", 303, "/"),
                ("/view/latest?query=secret", 303, "/"),
                ("/view/", 403, ""),
                ("/view/0aZ.html", 403, ""),
                ("/view/latest.txt", 403, ""),
                ("/view/a%2e", 403, ""),
                ("/list", 403, ""),
                ("/inbox.css", 403, ""),
                ("/livez", 403, ""),
                ("/api/v1/messages", 403, ""),
                ("/api/v1/message/0aZ/part/1", 403, ""),
                ("/api/v1/message/latest/raw?dl=1&query=secret", 403, ""),
            ] {
                let [mode, destination] = LINK;
                let headers = [("Sec-Fetch-Site", site), mode, destination];
                let expected = (status, location.to_owned());
                assert_eq!(decide("GET", path, &headers), expected, "{site} {path}");
                // A form, HEAD, a frame, a picture, a request without a purpose, and one with two destinations.
                let frame = ("Sec-Fetch-Dest", "iframe");
                let picture = [("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")];
                for (method, headers) in [
                    ("POST", headers.as_slice()),
                    ("HEAD", &headers),
                    ("GET", &[headers[0], mode, frame]),
                    ("GET", &[headers[0], picture[0], picture[1]]),
                    ("GET", &headers[..1]),
                    ("GET", &[headers[0], mode, destination, frame]),
                ] {
                    assert_eq!(
                        decide(method, path, headers).0,
                        403,
                        "{site} {method} {path}"
                    );
                }
            }
        }
    }

    #[test]
    fn programs_and_pages_of_the_inbox_reach_all_paths() {
        let none: &[(&str, &str)] = &[];
        for headers in [
            none,
            &[("Sec-Fetch-Site", "none")],
            &[("Sec-Fetch-Site", "same-origin")],
            &[
                ("Origin", "http://localhost:8025"),
                ("Sec-Fetch-Site", "same-origin"),
            ],
        ] {
            for path in [
                "/?query=x",
                "/view/latest",
                "/api/v1/messages",
                "/view/a.html?embed=1",
            ] {
                assert_eq!(decide("GET", path, headers).0, 200, "{path} {headers:?}");
            }
        }
        // The strictest of several values counts.
        let two = [("Sec-Fetch-Site", "none"), ("Sec-Fetch-Site", "cross-site")];
        assert_eq!(decide("GET", "/api/v1/messages", &two).0, 403);
    }

    #[test]
    fn an_origin_in_a_form_that_no_browser_sends_is_refused() {
        for origin in [
            "http://localhost:8025/",
            "http://user@localhost:8025",
            "http:\\\\localhost:8025",
            "http:localhost:8025",
            "http://localhost:08025",
            "null",
            "",
        ] {
            let headers = [("Origin", origin)];
            assert_eq!(
                decide("GET", "/api/v1/messages", &headers).0,
                403,
                "{origin}"
            );
        }
    }

    #[test]
    fn prefetching_is_refused() {
        for purpose in [
            ("Sec-Purpose", "prefetch"),
            ("Sec-Purpose", "prefetch;prerender"),
            ("Purpose", "Prefetch"),
            ("X-Moz", "prefetch"),
            ("X-Purpose", "preview"),
        ] {
            for site in ["same-origin", "none", "same-site", "cross-site"] {
                let [mode, destination] = LINK;
                let headers = [("Sec-Fetch-Site", site), mode, destination, purpose];
                assert_eq!(
                    decide("GET", "/view/0aZ", &headers).0,
                    403,
                    "{site} {purpose:?}"
                );
            }
            assert_eq!(decide("GET", "/", &[purpose]).0, 403);
        }
    }

    #[test]
    fn only_localhost_ip_addresses_and_configured_names_are_permitted() {
        let configured = ["mail.test".to_owned()];
        for host in [
            "localhost",
            "LocalHost:8025",
            "127.0.0.1:1",
            "[::1]:8025",
            "[::1]",
            "Mail.Test:80",
            "10.0.0.1",
        ] {
            assert!(is_permitted_host(host, &configured), "{host}");
        }
        for host in [
            "evil.example",
            "",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1:80:80",
            "localhost:80@evil.example",
            "[::1].evil.example",
            "[evil]",
            "mail.test.",
            "xlocalhost",
            "::1",
        ] {
            assert!(!is_permitted_host(host, &configured), "{host}");
        }
    }
}
