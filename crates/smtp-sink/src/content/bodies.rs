//! Roles of the parts of a message: text or HTML of the message, or a file.

use crate::html;
use crate::mime::{Message, Part};

/// Returns the text and the HTML of a message, each with all parts of its type joined.
pub(super) fn bodies(parsed: &Message<'_>) -> (String, String) {
    let (mut text, mut html) = (String::new(), String::new());
    for (_, part) in parsed.leaves().filter(|(_, part)| is_body(parsed, part)) {
        match part.kind() {
            "text/html" => push_body(&mut html, part.text()),
            _ => push_body(&mut text, part.text()),
        }
    }
    (text, html)
}

/// Returns the text that a reader sees: that of the HTML if there is any.
pub(super) fn visible_text(parsed: &Message<'_>) -> String {
    let (text, html) = bodies(parsed);
    if html.is_empty() {
        text
    } else {
        html::read(&html).text
    }
}

/// Returns whether a part is text or HTML of the message. A multipart without parts is one, since its text is the only content.
fn is_body(parsed: &Message<'_>, part: &Part<'_>) -> bool {
    let kind = part.kind();
    let is_text = matches!(kind, "text/plain" | "text/html") || kind.starts_with("multipart/");
    let is_shown = matches!(part.disposition.value.as_str(), "" | "inline");
    is_text && is_shown && !is_related(parsed, part)
}

/// Returns whether the document of a multipart/related refers to a part by its Content-ID (RFC 2387).
fn is_related(parsed: &Message<'_>, part: &Part<'_>) -> bool {
    let container = part.parent.map(|parent| &parsed.parts()[parent]);
    let Some(container) = container.filter(|container| container.kind() == "multipart/related")
    else {
        return false;
    };
    let start = container.content_type.as_ref();
    let start = start.and_then(|kind| kind.parameter("start"));
    let is_start = start.is_some_and(|id| id.trim().trim_matches(['<', '>']) == part.content_id);
    !part.content_id.is_empty() && part.ordinal > 1 && !is_start
}

fn push_body(all: &mut String, body: String) {
    if all.is_empty() {
        *all = body;
    } else {
        all.push('\n');
        all.push_str(&body);
    }
}

/// Returns the parts that are listed as files, with their indices: all that are not text or HTML of the message, and those with
/// a file name.
pub(super) fn files<'a, 'x>(
    parsed: &'a Message<'x>,
) -> impl Iterator<Item = (usize, &'a Part<'x>)> {
    parsed
        .leaves()
        .filter(|(_, part)| !is_body(parsed, part) || part.file_name().is_some())
}

pub(super) fn is_inline(part: &Part<'_>) -> bool {
    match part.disposition.value.as_str() {
        "" => !part.content_id.is_empty(),
        disposition => disposition == "inline",
    }
}
