//! `outbox drop`: removes a mail without sending it.

use movie_bag_core::app::App;
use movie_bag_core::domain::id::EntryId;
use serde_json::json;

use crate::cli::startup;
use crate::cli::ui::Ui;

/// Remove a mail from the outbox without sending it
///
/// The history of the account records who dropped it.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  movie-bag outbox drop 6b04933dbb18cc05d63b86dd")]
pub(in crate::cli) struct Args {
    /// Id of the mail, from "outbox list"
    #[arg(value_name = "ID")]
    pub(super) id: EntryId,
}

pub(super) async fn run(args: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let dropped = app.drop_mail(args.id, &startup::origin()).await?;
    ui.answer_either(
        &format!("Dropped {} mail {}.", dropped.kind, dropped.id),
        &json!({"id": dropped.id.to_string(), "kind": dropped.kind.name(), "dropped": true}),
    )?;
    Ok(())
}
