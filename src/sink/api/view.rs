//! `/view/`: the parts of a message as a browser shows them.

use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::answer::held_response;
use super::{ApiState, blocking, find, not_found, parameter, plain};
use crate::sink::html;
use crate::sink::inbox::ReceivedMessage;
use crate::sink::view::{self, Attachment, Content};
use crate::sink::web;

/// The HTML of a mail runs nothing, loads nothing from outside, is nobody's origin, and stands in no page but ours; where
/// its pictures come from is said by whoever shows it.
const POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; \
                      font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; img-src data:";

/// Bytes that pictures of a mail's own may take within its frame.
const MOST_INLINE: usize = 32 * 1024 * 1024;

/// Bytes of the kind of a picture, as in `svg+xml`.
const LONGEST_KIND: usize = 40;

/// How the HTML of a message is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink) enum Form {
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
    let reservation = state.answers.reserve_for(&message).await;
    let shown = blocking(move || {
        state.inbox.mark_read(&message);
        match is_html {
            true => html_of(&message, Form::of(&uri)),
            false => plain(StatusCode::OK, view::content(&message).text),
        }
    });
    held_response(shown.await.into_response(), reservation).await
}

/// The HTML with an address for each part of the message that it names by its Content-ID (RFC 2392).
fn with_own_parts(content: &Content, message: &ReceivedMessage, form: Form) -> String {
    let parts = content.inline.iter().chain(&content.attachments);
    let mut by_id: HashMap<&str, &Attachment> = HashMap::new();
    for part in parts.filter(|part| !part.content_id.is_empty()) {
        by_id.entry(&part.content_id).or_insert(part);
    }
    let mut room = MOST_INLINE;
    let mut page = String::with_capacity(content.html.len());
    let mut rest = content.html.as_str();
    while let Some((before, named)) = rest.split_once("cid:") {
        page.push_str(before);
        let end = named.find(|char: char| char.is_whitespace() || "\"'<>()".contains(char));
        let (id, after) = named.split_at(end.unwrap_or(named.len()));
        let part = by_id.get(id).filter(|_| room > 0);
        let here = part.map(|part| {
            let inline = match form {
                Form::Framed { .. } => inline(part, room),
                Form::Bare | Form::Embedded => None,
            };
            inline
                .unwrap_or_else(|| format!("/api/v1/message/{}/part/{}", message.id, part.part_id))
        });
        // A mail may name a part that is empty a million times, so every address counts.
        room = room.saturating_sub(here.as_ref().map_or(0, String::len));
        match here {
            Some(here) => page.push_str(&here),
            None => {
                page.push_str("cid:");
                page.push_str(id);
            }
        }
        rest = after;
    }
    page.push_str(rest);
    page
}

/// A picture as a part of the page. A frame that is nobody's origin asks for pictures as a foreign site would, and is refused
/// as one; the rule has no exception that way. None where it is no picture, or there is no room left for it.
fn inline(part: &Attachment, room: usize) -> Option<String> {
    let is_word = |char: char| char.is_ascii_alphanumeric() || "+-.".contains(char);
    let kind = part.content_type.strip_prefix("image/")?;
    if kind.len() > LONGEST_KIND || !kind.chars().all(is_word) {
        return None;
    }
    if part.bytes.len().div_ceil(3).saturating_mul(4) > room {
        return None;
    }
    let data = STANDARD.encode(&part.bytes);
    Some(format!("data:image/{kind};base64,{data}"))
}

/// The HTML of a message, in one of its forms.
pub(in crate::sink) fn page_of(message: &ReceivedMessage, content: &Content, form: Form) -> String {
    let page = with_own_parts(content, message, form);
    match form {
        Form::Bare => page,
        Form::Embedded => html::with_new_windows(&page),
        Form::Framed { .. } => html::framed(&page),
    }
}

fn html_of(message: &ReceivedMessage, form: Form) -> Response {
    let content = view::content(message);
    if content.html.is_empty() {
        let why = "This message does not contain a HTML part";
        return plain(StatusCode::NOT_FOUND, why);
    }
    // In the frame its own pictures are part of it, so that nothing of this port need be asked for.
    let pictures = match form {
        Form::Bare | Form::Embedded => " 'self'",
        Form::Framed {
            has_pictures: false,
        } => "",
        Form::Framed { has_pictures: true } => " http: https:",
    };
    let policy = format!("{POLICY}{pictures}");
    (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, policy.as_str()),
            // The names behind a mail's links are not even looked up.
            (
                header::HeaderName::from_static("x-dns-prefetch-control"),
                "off",
            ),
        ],
        page_of(message, &content, form),
    )
        .into_response()
}
