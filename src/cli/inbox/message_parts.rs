//! Parts of a message that `--print` names.

use clap::ValueEnum;
use movie_bag_core::domain::terminal_text::escape_line;

use super::client::Fetched;
use crate::cli::ui::Ui;
use crate::error_code::ErrorCode;
use crate::failure::Failure;

/// Part of a message that can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum MessagePart {
    /// Link that the message was sent for
    Link,
    /// Token in the link
    Token,
    /// One-time code
    Code,
    /// Text part
    Text,
    /// HTML part
    Html,
    /// Whole message as JSON, with its links, tokens and codes
    Json,
    /// Id
    Id,
}

/// Prints parts of a message, each on lines of its own. A missing part is an error after the others have been printed.
pub(super) fn print(ui: &Ui, parts: &[MessagePart], mail: &Fetched) -> anyhow::Result<()> {
    let field = |name: &str| mail.message[name].as_str().unwrap_or_default().to_owned();
    let mut missing = Vec::new();
    for part in parts {
        let (name, text) = match part {
            MessagePart::Link => ("link", mail.found.main_link().cloned()),
            MessagePart::Token => ("token", mail.found.tokens.first().cloned()),
            MessagePart::Code => ("code", mail.found.codes.first().cloned()),
            MessagePart::Text => ("text", Some(field("Text"))),
            MessagePart::Html => ("HTML", Some(field("HTML")).filter(|html| !html.is_empty())),
            MessagePart::Json => {
                ui.answer_json(&mail.document())?;
                continue;
            }
            MessagePart::Id => ("id", Some(field("ID"))),
        };
        match (text, part) {
            (Some(text), MessagePart::Text | MessagePart::Html) => {
                ui.answer_raw(&to_unix_line_endings(&text))?
            }
            // Always one line, because scripts read it with `$(…)`.
            (Some(text), _) => ui.answer(&escape_line(&text))?,
            (None, _) => missing.push(name),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::NotInMail,
        format!(
            "message {} has no {}",
            field("ID"),
            missing.join(" and no ")
        ),
        "run \"movie-bag inbox show ID\" to see what it has",
    )
    .into())
}

/// Converts the CRLF line endings of a message, and ends the last line.
fn to_unix_line_endings(text: &str) -> String {
    let mut text = text.replace("\r\n", "\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
