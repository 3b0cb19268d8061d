//! `/api/v1/message/{id}` and what is below it.

use axum::extract::{Path, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};

use super::answer::{derived, json};
use super::shapes::Message;
use super::{ApiState, bad_request, find, parameter};
use crate::sink::view;

/// Memory for the source: two chunks of it.
const RAW: usize = 128 * 1024;

/// The whole message; it counts as read from now on.
pub async fn show(State(state): State<ApiState>, Path(id): Path<String>, uri: Uri) -> Response {
    let message = match find(&state, &id, &uri).await {
        Ok(message) => message,
        Err(refusal) => return refusal,
    };
    let reservation = state.answers.reserve_for(&message).await;
    derived(reservation, move || {
        state.inbox.mark_read(&message);
        let (digest, content) = (message.digest(), view::content(&message));
        Ok(json(&Message::of(&message, &digest, &content)))
    })
    .await
}

/// The headers, unfolded, with those that the envelope adds.
pub async fn headers(State(state): State<ApiState>, Path(id): Path<String>, uri: Uri) -> Response {
    let message = match find(&state, &id, &uri).await {
        Ok(message) => message,
        Err(refusal) => return refusal,
    };
    let reservation = state.answers.reserve_for(&message).await;
    derived(reservation, move || Ok(json(&view::headers(&message)))).await
}

/// The source, byte for byte.
pub async fn raw(State(state): State<ApiState>, Path(id): Path<String>, uri: Uri) -> Response {
    let message = match find(&state, &id, &uri).await {
        Ok(message) => message,
        Err(refusal) => return refusal,
    };
    let reservation = state.answers.reserve(RAW).await;
    let (id, source) = (message.id.clone(), message.source.clone());
    let size = source.len();
    // The message counts as kept for as long as it is read.
    let mut response = reservation.hold(source, message).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, size.into());
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if parameter(&uri, "dl").is_some_and(|dl| dl == "1")
        && let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{}.eml\"", id))
    {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// Nothing leaves the sink, whoever asks.
pub async fn release() -> Response {
    bad_request("Error: message relaying is not configured: this server never relays messages")
}
