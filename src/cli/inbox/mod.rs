//! `inbox …`: reads the inbox of a running sink or of a Mailpit.

mod clear;
mod client;
mod list;
mod show;
mod wait;

use clap::ValueEnum;
use serde_json::Value;

use super::exit_code::ExitCode;
use super::failure::Failure;
use super::ui::Ui;
use crate::config::Flags;
use crate::wiring;
use client::{Fetched, InboxClient, InboxError};
use movie_bag_core::domain::terminal_text::escape_line;

/// Read the messages of a running sink
///
/// The commands also work with a Mailpit server.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    List(list::Args),
    Show(show::Args),
    Wait(wait::Args),
    Clear(clear::Args),
}

/// Option that names the inbox.
#[derive(Debug, clap::Args)]
pub(super) struct Url {
    /// Use this inbox [default: MOVIE_BAG_INBOX_URL]
    ///
    /// Without the option and the setting, it is http://127.0.0.1:8025. If the inbox requires a login, write http://USER:PASSWORD@HOST:PORT.
    #[arg(long, value_name = "URL", value_hint = clap::ValueHint::Url)]
    url: Option<String>,
}

impl Command {
    pub(super) async fn run(self, ui: &Ui, mut flags: Flags) -> anyhow::Result<()> {
        let url = match &self {
            Self::List(args) => &args.url,
            Self::Show(args) => &args.url,
            Self::Wait(args) => &args.url,
            Self::Clear(args) => &args.url,
        };
        flags.set("MOVIE_BAG_INBOX_URL", "--url", url.url.clone());
        let inbox = wiring::settings(ui, flags, "warn")?.inbox_url;
        let credentials = inbox.credentials.as_ref();
        let client = InboxClient::new(
            inbox.base.as_str(),
            credentials.map(|(name, password)| (name.as_str(), password.expose())),
        );
        match self {
            Self::List(args) => list::run(args, ui, client).await,
            Self::Show(args) => show::run(args, ui, client).await,
            Self::Wait(args) => wait::run(args, ui, client).await,
            Self::Clear(args) => clear::run(&args, ui, client, inbox.base.as_str()).await,
        }
    }
}

/// Sends a request to the inbox, on a thread that may block.
async fn request<T: Send + 'static>(
    client: InboxClient,
    send: impl FnOnce(&InboxClient) -> Result<T, InboxError> + Send + 'static,
) -> anyhow::Result<T> {
    let response = tokio::task::spawn_blocking(move || send(&client)).await?;
    Ok(response.map_err(|error| {
        let (exit, code, hint) = match &error {
            InboxError::Unreachable { .. } => (
                ExitCode::Unavailable,
                "inbox",
                "start \"movie-bag smtp-debug\" or set MOVIE_BAG_INBOX_URL",
            ),
            InboxError::Unauthorized(_) => (
                ExitCode::Failed,
                "unauthorized",
                "set MOVIE_BAG_INBOX_URL to http://name:password@host:port",
            ),
            InboxError::Unexpected { status: 400, .. } => (
                ExitCode::Usage,
                "query",
                "write the search as in the examples of \"movie-bag inbox list --help\"",
            ),
            InboxError::Unexpected { .. } => (
                ExitCode::Failed,
                "inbox",
                "set MOVIE_BAG_INBOX_URL to the inbox address that \"movie-bag smtp-debug\" prints at its start",
            ),
        };
        Failure::new(exit, code, error.to_string(), hint)
    })?)
}

/// Part of a message that can be printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
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
fn print(ui: &Ui, parts: &[Part], mail: &Fetched) -> anyhow::Result<()> {
    let field = |name: &str| mail.message[name].as_str().unwrap_or_default().to_owned();
    let mut missing = Vec::new();
    for part in parts {
        let (name, text) = match part {
            Part::Link => ("link", mail.found.main_link().cloned()),
            Part::Token => ("token", mail.found.tokens.first().cloned()),
            Part::Code => ("code", mail.found.codes.first().cloned()),
            Part::Text => ("text", Some(field("Text"))),
            Part::Html => ("HTML", Some(field("HTML")).filter(|html| !html.is_empty())),
            Part::Json => {
                ui.answer_json(&mail.to_json())?;
                continue;
            }
            Part::Id => ("id", Some(field("ID"))),
        };
        match (text, part) {
            (Some(text), Part::Text | Part::Html) => {
                ui.answer_as_it_is(&with_unix_line_endings(&text))?
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
        ExitCode::NotFound,
        "not_in_mail",
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
fn with_unix_line_endings(text: &str) -> String {
    let mut text = text.replace("\r\n", "\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Formats an address in JSON as `Ann <ann@example.com>`.
fn format_address(value: &Value) -> String {
    let field = |name: &str| value[name].as_str().unwrap_or_default();
    match field("Name") {
        "" => field("Address").to_owned(),
        name => format!("{name} <{}>", field("Address")),
    }
}

fn format_addresses(value: &Value) -> String {
    let list = value.as_array().into_iter().flatten().map(format_address);
    list.collect::<Vec<_>>().join(", ")
}
