//! `/view/`: the parts of a message as a browser shows them.
//!
//! Whichever way the HTML of a mail is opened, it connects to no server: elements that do so before the content security
//! policy applies are neutralized, its own pictures are part of the page, and the policy and a sandbox refuse the rest.

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

/// Policy for the HTML of a mail: it runs nothing, loads nothing, has an opaque origin, and is framed by this port alone.
const POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; \
                      font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; img-src data:";

/// Maximum size of a mail's own pictures within its page, in bytes.
const MOST_INLINE: usize = 32 * 1024 * 1024;

/// Maximum length of a picture's subtype such as `svg+xml`, in bytes.
const LONGEST_KIND: usize = 40;

/// Forms in which the HTML of a message is shown. All of them are equally harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// By itself: a link opens in the same window, where test suites follow it.
    Bare,
    /// With links that open in new windows, as Mailpit has it.
    Embedded,
    /// In a frame of the inbox, with links that open in new windows.
    Framed {
        /// Loads pictures from other servers.
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
    let form = Form::of(&uri);
    // The page around the frame decides: it may have been opened by a link of another site.
    let is_opened = !is_html || !matches!(form, Form::Framed { .. });
    let shown = blocking(move || {
        if is_opened {
            state.inbox.mark_read(&message);
        }
        match is_html {
            true => html_of(&message, form),
            false => plain(StatusCode::OK, view::content(&message).text),
        }
    });
    held_response(shown.await.into_response(), reservation).await
}

/// Returns the HTML with the parts of the message that it names by their Content-ID (RFC 2392): pictures as `data:` URLs,
/// others, and those beyond [`MOST_INLINE`], by their address in the API, which programs can read.
fn with_own_parts(content: &Content, message: &ReceivedMessage) -> String {
    let parts = content.inline.iter().chain(&content.attachments);
    let mut by_id: HashMap<&str, &Attachment> = HashMap::new();
    for part in parts.filter(|part| !part.content_id.is_empty()) {
        by_id.entry(&part.content_id).or_insert(part);
    }
    let mut available = MOST_INLINE;
    let mut page = String::with_capacity(content.html.len());
    let mut rest = content.html.as_str();
    while let Some((before, named)) = rest.split_once("cid:") {
        page.push_str(before);
        let end = named.find(|char: char| char.is_whitespace() || "\"'<>()".contains(char));
        let (id, after) = named.split_at(end.unwrap_or(named.len()));
        let part = by_id.get(id).filter(|_| available > 0);
        let here = part.map(|part| {
            inline(part, available)
                .unwrap_or_else(|| format!("/api/v1/message/{}/part/{}", message.id, part.part_id))
        });
        // A mail may name an empty part a million times, so every address counts.
        available = available.saturating_sub(here.as_ref().map_or(0, String::len));
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

/// Returns a picture as a `data:` URL; `None` where the part is no picture, or larger than `available`. The page of a mail has an
/// opaque origin, so a request from it counts as one of another site, which the guard refuses without exception.
fn inline(part: &Attachment, available: usize) -> Option<String> {
    let is_word = |char: char| char.is_ascii_alphanumeric() || "+-.".contains(char);
    let kind = part.content_type.strip_prefix("image/")?;
    if kind.len() > LONGEST_KIND || !kind.chars().all(is_word) {
        return None;
    }
    if part.bytes.len().div_ceil(3).saturating_mul(4) > available {
        return None;
    }
    let data = STANDARD.encode(&part.bytes);
    Some(format!("data:image/{kind};base64,{data}"))
}

/// The HTML of a message, in one of its forms.
pub(crate) fn page_of(message: &ReceivedMessage, content: &Content, form: Form) -> String {
    let page = html::without_loaders(&with_own_parts(content, message));
    match form {
        Form::Bare => page,
        Form::Embedded => html::with_new_windows(&page),
        Form::Framed { .. } => html::with_closed_links(&page),
    }
}

fn html_of(message: &ReceivedMessage, form: Form) -> Response {
    let content = view::content(message);
    if content.html.is_empty() {
        let why = "This message does not contain a HTML part";
        return plain(StatusCode::NOT_FOUND, why);
    }
    let pictures = match form {
        Form::Framed { has_pictures: true } => " http: https:",
        Form::Bare | Form::Embedded | Form::Framed { .. } => "",
    };
    let policy = format!("{POLICY}{pictures}");
    (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, policy.as_str()),
            // The host names of a mail's links are not resolved.
            (
                header::HeaderName::from_static("x-dns-prefetch-control"),
                "off",
            ),
        ],
        page_of(message, &content, form),
    )
        .into_response()
}
