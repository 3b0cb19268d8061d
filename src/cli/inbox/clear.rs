//! `inbox clear`: an empty inbox.

use serde_json::json;

use super::super::ui::{Ui, counted};
use super::{Url, ask};
use crate::sink::client::InboxClient;

/// Delete all mails in the inbox
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  movie-bag inbox clear

With --json: {\"deleted\"}")]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    pub(super) url: Url,
}

pub(super) async fn run(ui: &Ui, client: InboxClient) -> anyhow::Result<()> {
    let deleted = ask(client, InboxClient::clear).await?;
    if ui.is_json() {
        ui.answer_json(&json!({ "deleted": deleted }))?;
    }
    ui.say(&format!("Deleted {}.", counted(deleted, "mail", "mails")));
    Ok(())
}
