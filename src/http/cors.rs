//! Who may call the API from a page of another origin: nobody, unless the settings name it (Fetch, 3.2). It is about
//! browsers alone, and opens nothing by itself: whoever calls still needs a token, which no browser sends unasked, as it
//! would a cookie. So no answer allows credentials.

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Http;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE");
const HEADERS: HeaderValue = HeaderValue::from_static("Authorization, Content-Type");
/// What a script may read besides the few that it always may.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("Link, Retry-After, WWW-Authenticate, X-Request-Id");
/// How many seconds a browser need not ask again. No longer: an origin may be taken off the list.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Answers the question that a browser asks before a call, and marks the answers that its page may read. It stands
/// outside of all that refuses, since a page must be able to read a refusal too.
pub async fn share(State(http): State<Http>, request: Request, next: Next) -> Response {
    let origins = &http.options.cors_origins;
    if origins.is_empty() || !request.uri().path().starts_with("/api/") {
        return next.run(request).await;
    }
    let origin = listed(request.headers(), origins);
    let asks = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match &origin {
        Some(_) if asks => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
            response
        }
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    // Also for an origin that is not listed, and for none: whatever keeps this answer must not give it to a listed one.
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
    response
}

/// The origin of the page that calls, where it is exactly one of the list.
fn listed(headers: &HeaderMap, origins: &[String]) -> Option<HeaderValue> {
    let mut values = headers.get_all(ORIGIN).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    origins
        .iter()
        .any(|origin| origin.as_bytes() == value.as_bytes())
        .then(|| value.clone())
}
