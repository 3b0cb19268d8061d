//! CORS (Fetch standard, section 3.2): pages of other origins may call the API only if the settings list their origin. The
//! headers only affect browsers and grant no access: a caller still needs an access token, which a browser does not send by
//! itself, unlike a cookie. Therefore no response allows credentials.
//!
//! `CorsLayer` of tower-http sends CORS headers to unlisted origins too (without the origin), accepts preflight requests of unlisted
//! origins, takes every OPTIONS request for one, and accepts a request with several origins.

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN,
    VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::state::HttpState;

const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE");
const ALLOWED_HEADERS: HeaderValue = HeaderValue::from_static("Authorization, Content-Type");
/// Response headers that a script may read in addition to those that the Fetch standard always exposes.
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("Link, Retry-After, WWW-Authenticate, X-Request-Id");
/// Time for which a browser caches the response to a preflight request, in seconds. It is short because an origin may be
/// removed from the list.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Responds to preflight requests, and adds the CORS headers to the responses that a page may read. This layer is outside of
/// all layers that refuse requests, since a page must be able to read error responses as well.
pub(crate) async fn handle_cross_origin(
    State(http): State<HttpState>,
    request: Request,
    next: Next,
) -> Response {
    let origins = &http.options.cors_origins;
    if origins.is_empty() || !request.uri().path().starts_with("/api/") {
        return next.run(request).await;
    }
    let origin = allowed_origin(request.headers(), origins);
    let is_preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match &origin {
        Some(_) if is_preflight => {
            let mut response = StatusCode::NO_CONTENT.into_response();
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
            response
        }
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    // Added for unlisted and missing origins too: a cache must not serve this response to a page of a listed origin.
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }
    response
}

/// Returns the Origin header of a request, if there is exactly one and the list contains it.
fn allowed_origin(headers: &HeaderMap, origins: &[String]) -> Option<HeaderValue> {
    let mut values = headers.get_all(ORIGIN).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    origins
        .iter()
        .any(|origin| origin.as_bytes() == value.as_bytes())
        .then(|| value.clone())
}
