//! Security headers of every response. No layer of tower-http, since the responses to malformed requests pass through no layer.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, Entry, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};

/// Policy for responses that are not pages: they load nothing and cannot be framed.
const NON_PAGE_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'");

/// Adds the security headers that the handler has not set itself.
pub(crate) fn harden(headers: &mut HeaderMap) {
    let mut set_default = |name, value| {
        if let Entry::Vacant(entry) = headers.entry(name) {
            entry.insert(value);
        }
    };
    set_default(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set_default(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    set_default(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    set_default(CONTENT_SECURITY_POLICY, NON_PAGE_POLICY);
}
