//! Responses to bytes that are not a valid HTTP request. hyper answers these before there is a request, so no layer runs. Its
//! response has no body and cannot be configured, so the server of the sink sends these responses in its place.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::error::{ApiError, Refusal};
use super::security_headers::harden;

/// Returns the response to a malformed request, given the status that hyper has chosen.
pub fn malformed_request_response(status: StatusCode) -> Response<String> {
    let refusal = Refusal::from(match status {
        StatusCode::URI_TOO_LONG => ApiError::UriTooLong,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ApiError::HeadersTooLarge,
        _ => ApiError::field("request", "is not valid HTTP/1.1"),
    });
    tracing::debug!(
        status = refusal.status.as_u16(),
        "a request is not valid HTTP"
    );
    let mut response = Response::new(refusal.body());
    *response.status_mut() = refusal.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    harden(headers);
    response
}
