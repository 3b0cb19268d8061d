//! `/api/v1/message/{id}` and what is below it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};

use super::shapes::Message;
use super::{ApiState, bad_request, blocking, find, parameter};
use crate::sink::view;

/// The whole message; it counts as read from now on.
pub async fn show(State(state): State<ApiState>, Path(id): Path<String>, uri: Uri) -> Response {
    let message = match find(&state, &id, &uri).await {
        Ok(message) => message,
        Err(refusal) => return refusal,
    };
    let shown = blocking(move || {
        state.inbox.mark_read(&message);
        Message::from(&*message)
    });
    shown.await.map(Json).into_response()
}

/// The headers, unfolded, with those that the envelope adds.
pub async fn headers(State(state): State<ApiState>, Path(id): Path<String>, uri: Uri) -> Response {
    let message = match find(&state, &id, &uri).await {
        Ok(message) => message,
        Err(refusal) => return refusal,
    };
    let headers = blocking(move || view::headers(&message));
    headers.await.map(Json).into_response()
}

/// The source, byte for byte.
pub async fn raw(State(state): State<ApiState>, Path(id): Path<String>, uri: Uri) -> Response {
    let message = match find(&state, &id, &uri).await {
        Ok(message) => message,
        Err(refusal) => return refusal,
    };
    let mut response = message.source.clone().into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if parameter(&uri, "dl").is_some_and(|dl| dl == "1")
        && let Ok(value) =
            HeaderValue::from_str(&format!("attachment; filename=\"{}.eml\"", message.id))
    {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// Nothing leaves the sink, whoever asks.
pub async fn release() -> Response {
    bad_request("Error: message relaying is not configured: nothing is ever passed on")
}
