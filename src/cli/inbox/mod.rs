//! `inbox …`: what a running sink, or a Mailpit, has received.

mod clear;
mod list;
mod show;
mod wait;

use clap::ValueEnum;
use serde_json::Value;

use super::report::Failure;
use super::ui::Ui;
use super::wiring;
use crate::config::Flags;
use crate::domain::terminal_text::escape_line;
use crate::sink::client::{Fetched, InboxClient, InboxError};

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

/// Location of the inbox.
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

/// Asks the inbox on a thread that may block.
async fn ask<T: Send + 'static>(
    client: InboxClient,
    question: impl FnOnce(&InboxClient) -> Result<T, InboxError> + Send + 'static,
) -> anyhow::Result<T> {
    let answer = tokio::task::spawn_blocking(move || question(&client)).await?;
    Ok(answer.map_err(|error| {
        let (exit, code, hint) = match &error {
            InboxError::Unreachable { .. } => (
                7,
                "inbox",
                "start \"movie-bag smtp-debug\" or set MOVIE_BAG_INBOX_URL",
            ),
            InboxError::Unauthorized(_) => (
                1,
                "unauthorized",
                "set MOVIE_BAG_INBOX_URL to http://name:password@host:port",
            ),
            InboxError::Unexpected { status: 400, .. } => (
                2,
                "query",
                "write the search as in the examples of \"movie-bag inbox list --help\"",
            ),
            InboxError::Unexpected { .. } => (
                1,
                "inbox",
                "set MOVIE_BAG_INBOX_URL to the inbox address that \"movie-bag smtp-debug\" prints at its start",
            ),
        };
        Failure::new(exit, code, error.to_string(), hint)
    })?)
}

/// What of a mail is printed.
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

/// Prints parts of a mail, each alone on its lines. A mail that lacks one is an error once the others are printed.
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
            (Some(text), Part::Text | Part::Html) => ui.answer_as_it_is(&with_line_ends(&text))?,
            // One line, whatever it holds: scripts read it with `$(…)`.
            (Some(text), _) => ui.answer(&escape_line(&text))?,
            (None, _) => missing.push(name),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        3,
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

/// A mail's lines end as the network has it.
fn with_line_ends(text: &str) -> String {
    let mut text = text.replace("\r\n", "\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// `Ann <ann@example.com>`, of an address in JSON.
fn address(value: &Value) -> String {
    let field = |name: &str| value[name].as_str().unwrap_or_default();
    match field("Name") {
        "" => field("Address").to_owned(),
        name => format!("{name} <{}>", field("Address")),
    }
}

fn addresses(value: &Value) -> String {
    let list = value.as_array().into_iter().flatten().map(address);
    list.collect::<Vec<_>>().join(", ")
}
