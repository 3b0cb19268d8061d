//! `/api/v1/message/{id}` and what is below it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::messages::failed;
use super::shapes::Message;
use super::{ApiState, not_found, plain, query};
use crate::sink::inbox::ReceivedMessage;

/// The whole message; it counts as read from now on.
pub async fn show(State(state): State<ApiState>, Path(id): Path<String>, uri: Uri) -> Response {
    let message = match find(&state, &id, &uri) {
        Ok(message) => message,
        Err(refusal) => return *refusal,
    };
    state.inbox.mark_read(&message);
    match tokio::task::spawn_blocking(move || Message::from(&*message)).await {
        Ok(message) => Json(message).into_response(),
        Err(error) => failed(&error),
    }
}

/// The source, byte for byte.
pub async fn raw(State(state): State<ApiState>, Path(id): Path<String>, uri: Uri) -> Response {
    let message = match find(&state, &id, &uri) {
        Ok(message) => message,
        Err(refusal) => return *refusal,
    };
    let mut response = message.source.clone().into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    if query(&uri, "dl").is_some_and(|dl| dl == "1")
        && let Ok(value) =
            HeaderValue::from_str(&format!("attachment; filename=\"{}.eml\"", message.id))
    {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

fn find(state: &ApiState, id: &str, uri: &Uri) -> Result<Arc<ReceivedMessage>, Box<Response>> {
    if id != "latest" {
        return state.inbox.get(id).ok_or_else(|| Box::new(not_found()));
    }
    // The newest of all would be a wrong answer to whoever asked for the newest that matches.
    if query(uri, "query").is_some_and(|query| !query.trim().is_empty()) {
        return Err(Box::new(plain(
            StatusCode::BAD_REQUEST,
            "Error: latest takes no query here",
        )));
    }
    state
        .inbox
        .latest()
        .ok_or_else(|| Box::new(plain(StatusCode::NOT_FOUND, "Message not found")))
}
