//! `outbox drop`: takes a mail out unsent.

use serde_json::json;

use super::super::ui::Ui;
use super::super::wiring;
use crate::app::App;
use crate::domain::id::EntryId;

/// Take a mail out of the outbox unsent
///
/// The account's history keeps that it was dropped, and by whom.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  movie-bag outbox drop 6b04933dbb18cc05d63b86dd

With --json: {\"id\", \"kind\", \"dropped\"}")]
pub(in crate::cli) struct Args {
    /// The mail's id, as "outbox list" shows it
    #[arg(value_name = "ID")]
    pub(super) id: EntryId,
}

pub(super) async fn run(args: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let dropped = app.drop_mail(args.id, &wiring::origin()).await?;
    ui.answer_either(
        &format!("Dropped {} mail {}.", dropped.kind, dropped.id),
        &json!({"id": dropped.id.to_string(), "kind": dropped.kind.name(), "dropped": true}),
    )?;
    Ok(())
}
