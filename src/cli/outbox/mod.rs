//! `outbox …`: the mails that are not delivered yet, beside a running server or without one.

mod drop;
mod flush;
mod list;
mod retry;

use serde_json::{Value, json};

use super::report::Failure;
use super::ui::Ui;
use super::wiring;
use crate::app::{Delivery, Flush};
use crate::config::Flags;
use crate::domain::outbox::Entry;

/// Look at the mails not delivered yet, try them now, or drop them
#[derive(Debug, clap::Subcommand)]
#[command(after_help = super::help::all_exit_codes())]
pub(super) enum Command {
    List(list::Args),
    Flush(flush::Args),
    Retry(retry::Args),
    Drop(drop::Args),
}

impl Command {
    pub(super) async fn run(self, ui: &Ui, flags: Flags) -> anyhow::Result<()> {
        let app = wiring::terminal_app(ui, flags).await?;
        let outcome = match self {
            Self::List(args) => list::run(&args, ui, &app).await,
            Self::Flush(args) => flush::run(&args, ui, &app, Flush::Waiting).await,
            Self::Retry(args) => retry::run(&args, ui, &app).await,
            Self::Drop(args) => drop::run(&args, ui, &app).await,
        };
        app.close().await;
        outcome
    }
}

/// An entry, for programs.
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

/// What a mail that was not sent means for whoever wanted it sent now. It is kept, and where it waits the exit code is
/// 7; `refused` is the one where it was given up.
pub(super) fn not_sent(delivery: Delivery, refused: u8) -> Result<String, Failure> {
    match delivery {
        Delivery::Sent { reply } => Ok(reply),
        Delivery::Waiting { error, hint, .. } => {
            let stays =
                "the mail stays in the outbox, and a running server delivers it as soon as it can";
            let hint = hint.map_or_else(|| stays.to_owned(), |hint| format!("{hint}; {stays}"));
            Err(Failure::new(7, "mail_server", error, hint))
        }
        Delivery::Dead { error } => Err(Failure::new(
            refused,
            "mail_refused",
            error,
            "the mail stays in the outbox, given up: once the reason is mended, \"movie-bag outbox retry\" tries it again",
        )),
    }
}
