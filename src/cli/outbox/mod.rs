//! `outbox …`: manages mails that are not delivered yet, with or without a running server.

mod drop;
mod flush;
mod list;
mod retry;

use serde_json::{Value, json};

use super::database::{Absence, Access};
use super::ui::Ui;
use crate::config::Flags;
use crate::wiring;
use movie_bag_core::app::FlushScope;
use movie_bag_core::domain::outbox::Entry;

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

/// Returns an entry as JSON, without the address.
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
