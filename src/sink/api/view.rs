//! `/view/`: the parts of a message as a browser shows them.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::{ApiState, blocking, find, not_found, parameter, plain};
use crate::sink::html;
use crate::sink::inbox::ReceivedMessage;
use crate::sink::view;
use crate::sink::web;

/// The HTML of a mail runs nothing, loads nothing from outside, is nobody's origin, and stands in no page but ours.
const POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; \
                      img-src 'self' data:; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// The same, where a person has allowed the pictures of this one message.
const POLICY_WITH_PICTURES: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; \
                                    style-src 'unsafe-inline'; img-src 'self' data: http: https:; font-src data:; \
                                    base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// How the HTML of a message is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As it came.
    Bare,
    /// With links that open in windows of their own, as Mailpit has it.
    Embedded,
    /// In a frame of the inbox.
    Framed {
        /// Whether pictures from outside are loaded.
        has_pictures: bool,
    },
}

impl Form {
    fn of(uri: &Uri) -> Form {
        let is_set = |name| parameter(uri, name).is_some_and(|value| value == "1");
        if is_set("frame") {
            let has_pictures = is_set("pictures");
            Form::Framed { has_pictures }
        } else if is_set("embed") {
            Form::Embedded
        } else {
            Form::Bare
        }
    }
}

/// `/view/{id}.html`, `/view/{id}.txt`, and `/view/{id}`, which is a page for people.
pub async fn show(
    State(state): State<ApiState>,
    Path(name): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let (id, kind) = match name.split_once('.') {
        Some((id, kind @ ("html" | "txt"))) => (id, kind),
        Some(_) => return not_found(),
        None => (name.as_str(), ""),
    };
    if kind.is_empty() && id != "latest" {
        return web::opened(state, name, headers, uri).await;
    }
    let message = match find(&state, id, &uri).await {
        Ok(message) => message,
        Err(_) if kind == "txt" => return plain(StatusCode::NOT_FOUND, "Message not found"),
        Err(refusal) => return refusal,
    };
    if kind.is_empty() {
        let location = format!("/view/{}", message.id);
        return (StatusCode::FOUND, [(header::LOCATION, location)]).into_response();
    }
    let is_html = kind == "html";
    let shown = blocking(move || {
        state.inbox.mark_read(&message);
        match is_html {
            true => html_of(&message, Form::of(&uri)),
            false => plain(StatusCode::OK, view::content(&message).text),
        }
    });
    shown.await.into_response()
}

fn html_of(message: &ReceivedMessage, form: Form) -> Response {
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
    let (page, policy) = match form {
        Form::Bare => (page, POLICY),
        Form::Embedded => (html::with_new_windows(&page), POLICY),
        Form::Framed { has_pictures } => (
            html::framed(&page),
            match has_pictures {
                true => POLICY_WITH_PICTURES,
                false => POLICY,
            },
        ),
    };
    (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, policy),
            // The names behind a mail's links are not even looked up.
            (
                header::HeaderName::from_static("x-dns-prefetch-control"),
                "off",
            ),
        ],
        page,
    )
        .into_response()
}
