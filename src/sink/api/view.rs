//! `/view/`: the parts of a message as a browser shows them.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::{ApiState, blocking, find, not_found, parameter, plain};
use crate::sink::html;
use crate::sink::inbox::ReceivedMessage;
use crate::sink::view;
use crate::sink::web;

/// The HTML of a mail runs nothing, loads nothing from outside, and is nobody's origin.
const POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; \
                      img-src 'self' data:; font-src data:; base-uri 'none'; form-action 'none'";

/// `/view/{id}.html`, `/view/{id}.txt`, and `/view/{id}`, which is a page for people.
pub async fn show(State(state): State<ApiState>, Path(name): Path<String>, uri: Uri) -> Response {
    let (id, kind) = match name.split_once('.') {
        Some((id, kind @ ("html" | "txt"))) => (id, kind),
        Some(_) => return not_found(),
        None => (name.as_str(), ""),
    };
    let message = match find(&state, id, &uri).await {
        Ok(message) => message,
        Err(_) if kind == "txt" => return plain(StatusCode::NOT_FOUND, "Message not found"),
        Err(refusal) => return refusal,
    };
    if kind.is_empty() && id == "latest" {
        let location = format!("/view/{}", message.id);
        return (StatusCode::FOUND, [(header::LOCATION, location)]).into_response();
    }
    let is_embedded = parameter(&uri, "embed").is_some_and(|embed| embed == "1");
    let kind = kind.to_owned();
    let shown = blocking(move || {
        state.inbox.mark_read(&message);
        match kind.as_str() {
            "html" => html_of(&message, is_embedded),
            "txt" => plain(StatusCode::OK, view::content(&message).text),
            _ => web::message_page(&message),
        }
    });
    shown.await.into_response()
}

fn html_of(message: &ReceivedMessage, is_embedded: bool) -> Response {
    let content = view::content(message);
    if content.html.is_empty() {
        let why = "This message does not contain a HTML part";
        return plain(StatusCode::NOT_FOUND, why);
    }
    let mut page = content.html;
    for part in content.inline.iter().chain(&content.attachments) {
        if !part.content_id.is_empty() {
            let here = format!("/api/v1/message/{}/part/{}", message.id, part.part_id);
            page = page.replace(&format!("cid:{}", part.content_id), &here);
        }
    }
    if is_embedded {
        page = html::with_new_windows(&page);
    }
    (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
        ],
        page,
    )
        .into_response()
}
