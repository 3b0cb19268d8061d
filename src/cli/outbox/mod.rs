//! `outbox …`: the mails that are not delivered yet, beside a running server or without one.

mod drop;
mod flush;
mod list;
mod retry;

use serde_json::{Value, json};

use super::database::{Absence, Access};
use super::report::Failure;
use super::ui::Ui;
use super::wiring;
use crate::app::{Delivery, FlushScope};
use crate::config::Flags;
use crate::domain::outbox::Entry;

/// Show and manage mails that are not delivered yet
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    List(list::Args),
    Flush(flush::Args),
    Retry(retry::Args),
    Drop(drop::Args),
}

impl Command {
    pub(super) async fn run(self, ui: &Ui, flags: Flags) -> anyhow::Result<()> {
        let settings = wiring::settings(ui, flags, "off")?;
        let app = wiring::terminal_app(ui, &settings, self.access()).await?;
        let outcome = match self {
            Self::List(args) => list::run(&args, ui, &app).await,
            Self::Flush(args) => flush::run(&args, ui, &app, FlushScope::Waiting).await,
            Self::Retry(args) => retry::run(&args, ui, &app).await,
            Self::Drop(args) => drop::run(&args, ui, &app).await,
        };
        app.close().await;
        outcome
    }

    fn access(&self) -> Access {
        match self {
            Self::List(_) => Access::Read,
            Self::Flush(_) => Access::Change(Absence::of_database()),
            Self::Retry(args) => Access::Change(match args.id {
                Some(id) => Absence::of_mail(id),
                None => Absence::of_database(),
            }),
            Self::Drop(args) => Access::Change(Absence::of_mail(args.id)),
        }
    }
}

/// JSON form of an entry.
pub(super) fn entry_json(entry: &Entry) -> Value {
    json!({
        "id": entry.id.to_string(),
        "kind": entry.kind.name(),
        "state": entry.state.name(),
        "requested_at": entry.requested_at.to_string(),
        "attempts": entry.attempts,
        "next_try_at": entry.next_try_at.to_string(),
        "last_error": entry.last_error,
    })
}

/// Exit code for mails that are queued and not sent yet.
pub(super) const QUEUED: u8 = 7;
/// Exit code for mails that were given up.
pub(super) const GIVEN_UP: u8 = 1;

/// Returns the mail server's reply, or the failure of a command that was to send one mail. The mail stays in the outbox:
/// queued for a retry, or dead.
pub(super) fn not_sent(delivery: Delivery) -> Result<String, Failure> {
    match delivery {
        Delivery::Sent { reply } => Ok(reply),
        Delivery::Waiting { error, hint, .. } => Err(Failure::new(
            QUEUED,
            "mail_server",
            format!("cannot deliver the mail yet, it stays queued: {error}"),
            hint.unwrap_or_else(|| {
                "run \"movie-bag outbox flush\" later, or leave the retry to a running server"
                    .to_owned()
            }),
        )),
        Delivery::Dead { error } => Err(Failure::new(
            GIVEN_UP,
            "mail_refused",
            format!("cannot deliver the mail, it will not be retried: {error}"),
            "fix the cause and run \"movie-bag outbox retry ID\"; if the link is no longer valid, run \"movie-bag forgot\" for a new one",
        )),
    }
}
