//! Short responses, with the texts that clients of Mailpit expect.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// Returns a plain text response. It names its charset because some responses repeat text of the request.
pub(super) fn plain(status: StatusCode, text: impl Into<String>) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        text.into(),
    )
        .into_response()
}

pub(super) fn ok() -> Response {
    plain(StatusCode::OK, "ok")
}

pub(super) fn bad_request(reason: impl Into<String>) -> Response {
    plain(StatusCode::BAD_REQUEST, reason)
}

pub(super) fn not_found() -> Response {
    plain(StatusCode::NOT_FOUND, "404 page not found")
}

/// Returns the response to a request that failed because of a defect. The caller logs its cause.
pub(super) fn internal_error() -> Response {
    plain(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong")
}
