//! `inbox clear`: deletes all mails in the inbox.

use serde_json::json;

use super::super::report::Failure;
use super::super::ui::{Ui, counted};
use super::client::InboxClient;
use super::{Url, ask};

/// Delete all messages in the inbox
///
/// Asks for confirmation on a terminal only, so that test suites can clear the inbox between tests.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag inbox clear
  movie-bag inbox clear --yes")]
pub(in crate::cli) struct Args {
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    pub(super) url: Url,
}

/// Empties the inbox at `url`, which may be another program's on another machine.
pub(super) async fn run(
    args: &Args,
    ui: &Ui,
    client: InboxClient,
    url: &str,
) -> anyhow::Result<()> {
    if !args.yes && Ui::can_ask() {
        let count = ask(client.clone(), InboxClient::count).await?;
        let mails = counted(count, "message", "messages");
        let about = format!("The inbox at {url} has {mails}. Deleted messages cannot be restored.");
        let question = format!("Delete {mails}?");
        if count > 0 && !ui.confirm(&about, &question, "--yes").await? {
            return Err(Failure::without_hint(1, "declined", "nothing was deleted").into());
        }
    }
    let deleted = ask(client, InboxClient::clear).await?;
    if ui.is_json() {
        ui.answer_json(&json!({ "deleted": deleted }))?;
    }
    ui.say(&format!(
        "Deleted {}.",
        counted(deleted, "message", "messages")
    ));
    Ok(())
}
