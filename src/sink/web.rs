//! The page on the web port: what this is, where to send mail, and what came.
//!
//! Made on the server, without a script. What mails say is escaped here and nowhere put into an attribute but an
//! id of ours; no mail's HTML is ever part of this page.

use std::fmt::Write;

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

use super::api::ApiState;
use super::extract;
use super::inbox::ReceivedMessage;
use super::view::{self, Mailbox};

/// Messages on the page.
const SHOWN: usize = 100;

/// Nothing from elsewhere, no script, no frame, no form: should escaping ever fail, nothing follows from it.
const POLICY: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEAD: &str = concat!(
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
    "<title>movie-bag inbox</title>\n<link rel=\"stylesheet\" href=\"/style.css\">\n</head>\n<body>\n",
);

/// `GET /`.
pub async fn page(State(state): State<ApiState>) -> Response {
    let page = match tokio::task::spawn_blocking(move || render(&state)).await {
        Ok(page) => page,
        Err(error) => {
            tracing::error!(%error, "the page could not be made");
            return axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(page)).into_response()
}

/// `GET /style.css`.
pub async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

pub(super) fn render(state: &ApiState) -> String {
    let totals = state.inbox.totals();
    let counts = state.inbox.counts();
    let messages = state.inbox.list(0, SHOWN, None);
    let mut page = String::from(HEAD);
    page.push_str("<h1>movie-bag inbox</h1>\n");
    let _ = writeln!(
        page,
        "<p>Whatever is sent by SMTP to <code>{}</code> is kept here and delivered to nobody. \
         Programs read it at <a href=\"/api/v1/messages\"><code>/api/v1/messages</code></a>.</p>",
        state.options.smtp_addr
    );
    let _ = write!(
        page,
        "<p>{} messages, {} unread.",
        totals.messages, totals.unread
    );
    if counts.dropped > 0 {
        let _ = write!(
            page,
            " {} older ones were dropped to make room.",
            counts.dropped
        );
    }
    if messages.len() < totals.messages {
        let _ = write!(page, " Below are the newest {}.", messages.len());
    }
    page.push_str("</p>\n");
    if messages.is_empty() {
        page.push_str("<p>Nothing came yet. Reload this page once something did.</p>\n");
    } else {
        page.push_str(
            "<table>\n<thead><tr><th scope=\"col\">Received (UTC)</th><th scope=\"col\">From</th>\
             <th scope=\"col\">To</th><th scope=\"col\">Subject</th><th scope=\"col\">Open</th></tr></thead>\n<tbody>\n",
        );
        for message in &messages {
            row(&mut page, message);
        }
        page.push_str("</tbody>\n</table>\n");
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn row(page: &mut String, message: &ReceivedMessage) {
    let digest = message.digest();
    let to: Vec<String> = digest
        .to
        .iter()
        .chain(&digest.cc)
        .chain(&digest.bcc)
        .map(named)
        .collect();
    let subject = match (digest.is_parsed, digest.subject.as_str()) {
        (false, _) => "(no header could be read)",
        (true, "") => "(no subject)",
        (true, subject) => subject,
    };
    let from = match named(&digest.from) {
        from if from.is_empty() => format!("<{}>", message.envelope.sender),
        from => from,
    };
    let _ = writeln!(
        page,
        "<tr{}><td>{}</td><td>{}</td><td>{}</td><td><strong>{}</strong><br>{}</td>\
         <td><a href=\"/view/{id}\">open</a> <a href=\"/api/v1/message/{id}/raw\">source</a> <a href=\"/api/v1/message/{id}\">JSON</a></td></tr>",
        if message.is_read() {
            ""
        } else {
            " class=\"unread\""
        },
        message.received_at.strftime("%Y-%m-%d %H:%M:%S"),
        escaped(&from),
        escaped(&to.join(", ")),
        escaped(subject),
        escaped(&digest.snippet),
        id = message.id,
    );
}

/// One message on a page of its own: what can be copied, the text, and where the rest is.
pub(super) fn message_page(message: &ReceivedMessage) -> Response {
    let digest = message.digest();
    let content = view::content(message);
    let found = extract::of(&content);
    let mut page = String::from(HEAD);
    let _ = writeln!(
        page,
        "<p><a href=\"/\">All messages</a></p>\n<h1>{}</h1>\n<p>From {} to {}</p>",
        escaped(&digest.subject),
        escaped(&named(&digest.from)),
        escaped(&digest.to.iter().map(named).collect::<Vec<_>>().join(", ")),
    );
    let id = &message.id;
    for (label, list) in [
        ("Link", &found.links),
        ("Token", &found.tokens),
        ("Code", &found.codes),
    ] {
        for item in list {
            let _ = writeln!(page, "<p>{label} <code>{}</code></p>", escaped(item));
        }
    }
    if !content.html.is_empty() {
        let _ = writeln!(page, "<p><a href=\"/view/{id}.html\">HTML</a></p>");
    }
    let _ = writeln!(
        page,
        "<p><a href=\"/api/v1/message/{id}/raw\">Source</a></p>\n<pre>{}</pre>\n</body>\n</html>",
        escaped(&content.text),
    );
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(page)).into_response()
}

fn named(mailbox: &Mailbox) -> String {
    match mailbox.name.as_str() {
        "" => mailbox.address.clone(),
        name => format!("{name} <{}>", mailbox.address),
    }
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Marks that turn the text round would turn the rest of the row with it.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => safe.push('\u{fffd}'),
            _ => safe.push(char),
        }
    }
    safe
}

const STYLE: &str = "\
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { margin: 0 auto; max-width: 75rem; padding: 1rem }
table { border-collapse: collapse; width: 100% }
pre { overflow-wrap: anywhere; white-space: pre-wrap }
th, td { border-bottom: 1px solid #8886; overflow-wrap: anywhere; padding: .4rem .6rem .4rem 0; text-align: left; vertical-align: top }
tr:not(.unread) strong { font-weight: normal }
";
