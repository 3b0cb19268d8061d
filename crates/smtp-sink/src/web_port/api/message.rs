//! `/api/v1/message/{id}`: a message, its headers, its source, and the refused release.

use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};

use super::mailpit_json::Message;
use crate::view;
use crate::web_port::bounded_response::{json, respond_with_json};
use crate::web_port::request::{FoundMessage, is_set};
use crate::web_port::responses::bad_request;
use crate::web_port::state::WebState;

/// Memory reserved for a source: two chunks.
const RAW_MEMORY: usize = 128 * 1024;

/// `GET /api/v1/message/{id}`: returns the message and marks it as read.
pub(crate) async fn show(
    State(state): State<WebState>,
    FoundMessage(message): FoundMessage,
) -> Response {
    let reservation = state.response_memory.reserve_for(&message).await;
    respond_with_json(reservation, move || {
        state.inbox.mark_read(&message);
        let (digest, content) = (message.digest(), view::content(&message));
        Ok(json(&Message::new(&message, &digest, &content)))
    })
    .await
}

/// `GET …/headers`: returns the unfolded headers, and those that are derived from the envelope.
pub(crate) async fn headers(
    State(state): State<WebState>,
    FoundMessage(message): FoundMessage,
) -> Response {
    let reservation = state.response_memory.reserve_for(&message).await;
    respond_with_json(reservation, move || Ok(json(&view::headers(&message)))).await
}

/// `GET …/raw`: returns the source, byte for byte.
pub(crate) async fn raw(
    State(state): State<WebState>,
    FoundMessage(message): FoundMessage,
    uri: Uri,
) -> Response {
    let reservation = state.response_memory.reserve(RAW_MEMORY).await;
    let (id, source) = (message.id.clone(), message.source.clone());
    let size = source.len();
    // The response owns the message, so that its memory stays accounted for while the client reads.
    let mut response = reservation.hold(source, message).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, size.into());
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if is_set(&uri, "dl")
        && let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{}.eml\"", id))
    {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// `POST …/release`: always refused, because no message leaves the sink.
pub(crate) async fn release() -> Response {
    bad_request("Error: message relaying is not configured: this server never relays messages")
}
