//! Who may ask: requests under a name that is ours, from no other site's page.
//!
//! A page on the web can make its own name lead to 127.0.0.1 (DNS rebinding) and then read this port as if it were
//! its own site. It can't choose the Host header, so that one is checked, on every path; and Origin, which
//! browsers add to what a foreign page sends here. Where it only loads something, a picture say, there is no Origin, and yet
//! whether it loads, and how fast, tells what a search finds; so Sec-Fetch-Site is looked at too, which every browser of
//! today adds, and no page can change (Fetch Metadata Request Headers, 2.3). Another port is another site here.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::{ApiState, plain};

/// Refuses what must not be answered, and adds to every answer what browsers are to heed.
pub async fn check(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let is_probe = matches!(request.uri().path(), "/livez" | "/readyz");
    let auth = state.options.auth.as_ref().filter(|_| !is_probe);
    let mut response = match refusal(&state.options.hosts, &request) {
        Some(refusal) => refusal,
        None if auth.is_some_and(|auth| !is_let_in(auth, request.headers())) => (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Basic realm=\"Login\"")],
            "Unauthorized.\n",
        )
            .into_response(),
        None if request.method() == Method::OPTIONS
            && request.uri().path().starts_with("/api/") =>
        {
            StatusCode::OK.into_response()
        }
        None => next.run(request).await,
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
        // Who has opened this in a window of its own learns nothing of it, not even how many frames it has.
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        // For what is no page: nothing may frame it, and it loads nothing.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        // A page may need another one.
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Whether a request has the right name and password (RFC 7617).
fn is_let_in((user, password): &(String, String), headers: &HeaderMap) -> bool {
    let wanted = Sha256::digest(format!("{user}:{password}"));
    // Digests are compared, so that how long it takes says nothing about how much of a guess was right.
    credentials(headers).is_some_and(|given| Sha256::digest(given) == wanted)
}

/// The name by which a request was let in.
pub fn user_of(headers: &HeaderMap) -> Option<String> {
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

fn refusal(web_hosts: &[String], request: &Request) -> Option<Response> {
    let Some(host) = only_host(request.headers()) else {
        return Some(plain(
            StatusCode::FORBIDDEN,
            "The request names no Host, or more than one",
        ));
    };
    // An absolute request line names the host a second time; a server is to believe that one.
    let asked = request
        .uri()
        .authority()
        .map_or(host, |authority| authority.as_str());
    for name in [host, asked] {
        if !is_ours(name, web_hosts) {
            let text = format!(
                "Nothing is served under the host \"{name}\": use localhost or an IP address, or start with --web-host NAME"
            );
            return Some(plain(StatusCode::FORBIDDEN, text));
        }
    }
    let is_foreign = request
        .headers()
        .get_all(header::ORIGIN)
        .iter()
        .any(|origin| {
            let site = origin
                .to_str()
                .ok()
                .and_then(|origin| origin.split_once("://"))
                .map(|(_, site)| site);
            !site.is_some_and(|site| site.eq_ignore_ascii_case(host))
        });
    let is_foreign = is_foreign || is_loaded_by_another_site(request);
    (is_foreign && request.uri().path() != "/livez" && request.uri().path() != "/readyz")
        .then(|| plain(StatusCode::FORBIDDEN, "Blocked due to CORS violation"))
}

/// Whether a page of another site asks for this as a part of itself. A link that leads here is none, and neither is a part of a
/// message that is named by its id: who knows that has seen the inbox, and a mail that is opened by itself loads its pictures
/// in this way.
fn is_loaded_by_another_site(request: &Request) -> bool {
    let says = |name: &'static str, words: &[&str]| {
        let value = request.headers().get(name);
        value.is_some_and(|value| words.iter().any(|word| value.as_bytes() == word.as_bytes()))
    };
    let is_followed = request.method() == Method::GET
        && says("sec-fetch-mode", &["navigate"])
        && says("sec-fetch-dest", &["document"]);
    let path = request.uri().path();
    let is_known_part = request.method() == Method::GET
        && path
            .strip_prefix("/api/v1/message/")
            .and_then(|rest| rest.split_once('/'))
            .is_some_and(|(id, rest)| id != "latest" && rest.starts_with("part/"));
    says("sec-fetch-site", &["cross-site", "same-site"]) && !is_followed && !is_known_part
}

fn only_host(headers: &HeaderMap) -> Option<&str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok(),
        _ => None,
    }
}

/// True for `localhost`, an IP address, or a name that was given, with or without a port.
fn is_ours(host: &str, web_hosts: &[String]) -> bool {
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
        || web_hosts.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':')
        .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_localhost_and_given_names_are_ours() {
        let given = ["mail.test".to_owned()];
        for host in [
            "localhost",
            "LocalHost:8025",
            "127.0.0.1:1",
            "[::1]:8025",
            "[::1]",
            "Mail.Test:80",
            "10.0.0.1",
        ] {
            assert!(is_ours(host, &given), "{host}");
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
            assert!(!is_ours(host, &given), "{host}");
        }
    }
}
