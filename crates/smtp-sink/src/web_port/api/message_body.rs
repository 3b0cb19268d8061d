//! `/view/ID.html` and `/view/ID.txt`: HTML and text of a message for a browser.
//!
//! The HTML of a mail connects to no server, in whichever form it is opened. Elements that connect before the content security
//! policy applies are neutralized. The mail's own pictures are embedded in the page. The policy and a sandbox block the rest.

use std::collections::HashMap;

use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::html;
use crate::received::ReceivedMessage;
use crate::view::{self, Attachment, Content};
use crate::web_port::background::run_blocking;
use crate::web_port::bounded_response::hold_response;
use crate::web_port::request::{find_message, is_set};
use crate::web_port::responses::{not_found, plain};
use crate::web_port::state::WebState;

/// Policy for the HTML of a mail: it runs no scripts, loads nothing, has an opaque origin, and can be framed by this port only.
const POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; \
                      font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; img-src data:";

/// Maximum size of the embedded pictures of a page, in bytes.
const MAX_EMBEDDED_BYTES: usize = 32 * 1024 * 1024;

/// Maximum length of a picture's subtype such as `svg+xml`, in bytes.
const MAX_SUBTYPE_BYTES: usize = 40;

/// Form in which the HTML of a message is shown. The protections are the same in all forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Without a frame. Links open in the same window, where test suites follow them.
    Bare,
    /// With links that open in new windows, as in Mailpit.
    Embedded,
    /// In a frame of the inbox, with links that open in new windows.
    Framed {
        /// Loads pictures from other servers.
        has_pictures: bool,
    },
}

impl Form {
    fn requested(uri: &Uri) -> Form {
        if is_set(uri, "frame") {
            Form::Framed {
                has_pictures: is_set(uri, "pictures"),
            }
        } else if is_set(uri, "embed") {
            Form::Embedded
        } else {
            Form::Bare
        }
    }
}

/// `GET /view/{id}.html`, `/view/{id}.txt`, and `/view/latest`, which redirects to the page of the newest message.
pub(crate) async fn show(State(state): State<WebState>, name: String, uri: Uri) -> Response {
    let (id, kind) = match name.split_once('.') {
        Some((id, kind @ ("html" | "txt"))) => (id, kind),
        Some(_) => return not_found(),
        None => (name.as_str(), ""),
    };
    let message = match find_message(&state, id, &uri).await {
        Ok(message) => message,
        Err(_) if kind == "txt" => return plain(StatusCode::NOT_FOUND, "Message not found"),
        Err(refusal) => return refusal,
    };
    if kind.is_empty() {
        let location = format!("/view/{}", message.id);
        return (StatusCode::FOUND, [(header::LOCATION, location)]).into_response();
    }
    let is_html = kind == "html";
    let reservation = state.response_memory.reserve_for(&message).await;
    let form = Form::requested(&uri);
    // For a frame, the surrounding page marks the message, since a link of another site may have opened that page.
    let is_opened = !is_html || !matches!(form, Form::Framed { .. });
    let shown = run_blocking(move || {
        if is_opened {
            state.inbox.mark_read(&message);
        }
        if is_html {
            html_response(&message, form)
        } else {
            plain(StatusCode::OK, view::content(&message).text)
        }
    });
    hold_response(shown.await.into_response(), reservation).await
}

/// Resolves references to parts of the message by Content-ID (RFC 2392). Pictures become `data:` URLs. Other parts, and
/// pictures beyond [`MAX_EMBEDDED_BYTES`], become URLs of the API, which programs can read.
fn resolve_content_ids(content: &Content, message: &ReceivedMessage) -> String {
    let parts = content.inline.iter().chain(&content.attachments);
    let mut by_id: HashMap<&str, &Attachment> = HashMap::new();
    for part in parts.filter(|part| !part.content_id.is_empty()) {
        by_id.entry(&part.content_id).or_insert(part);
    }
    let mut available = MAX_EMBEDDED_BYTES;
    let mut page = String::with_capacity(content.html.len());
    let mut rest = content.html.as_str();
    while let Some((before, named)) = rest.split_once("cid:") {
        page.push_str(before);
        let end = named.find(|char: char| char.is_whitespace() || "\"'<>()".contains(char));
        let (id, after) = named.split_at(end.unwrap_or(named.len()));
        let part = by_id.get(id).filter(|_| available > 0);
        let url = part.map(|part| {
            data_url(part, available)
                .unwrap_or_else(|| format!("/api/v1/message/{}/part/{}", message.id, part.part_id))
        });
        // A mail may refer to an empty part a million times, so URLs of the API count as well.
        available = available.saturating_sub(url.as_ref().map_or(0, String::len));
        match url {
            Some(url) => page.push_str(&url),
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

/// Returns a picture as a `data:` URL, and `None` if the part is not a picture or exceeds `available` bytes. A URL of the API
/// would not work in a browser: the page of a mail has an opaque origin, so access control refuses its requests as those of
/// another site.
fn data_url(part: &Attachment, available: usize) -> Option<String> {
    let is_token = |char: char| char.is_ascii_alphanumeric() || "+-.".contains(char);
    let subtype = part.content_type.strip_prefix("image/")?;
    if subtype.len() > MAX_SUBTYPE_BYTES || !subtype.chars().all(is_token) {
        return None;
    }
    if part.bytes.len().div_ceil(3).saturating_mul(4) > available {
        return None;
    }
    let data = STANDARD.encode(&part.bytes);
    Some(format!("data:image/{subtype};base64,{data}"))
}

/// Returns the HTML of a message in the given form.
pub(crate) fn render_html(message: &ReceivedMessage, content: &Content, form: Form) -> String {
    let page = html::without_loaders(&resolve_content_ids(content, message));
    match form {
        Form::Bare => page,
        Form::Embedded => html::with_new_windows(&page),
        Form::Framed { .. } => html::with_closed_links(&page),
    }
}

fn html_response(message: &ReceivedMessage, form: Form) -> Response {
    let content = view::content(message);
    if content.html.is_empty() {
        let reason = "This message does not contain a HTML part";
        return plain(StatusCode::NOT_FOUND, reason);
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
            // Browsers do not resolve the host names of links in advance.
            (
                header::HeaderName::from_static("x-dns-prefetch-control"),
                "off",
            ),
        ],
        render_html(message, &content, form),
    )
        .into_response()
}
