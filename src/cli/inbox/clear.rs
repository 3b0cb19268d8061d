//! `inbox clear`: deletes all messages in the inbox.

use super::client::InboxClient;
use super::request::request;
use super::url_option::UrlOption;
use crate::cli::document::documents;
use crate::cli::text_format::pluralize;
use crate::cli::ui::Ui;
use crate::error_code::ErrorCode;
use crate::failure::Failure;

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
    pub(super) url: UrlOption,
}

documents! {
    pub(in crate::cli) struct ClearedInbox {
        /// Number of deleted messages.
        deleted: u64,
    }
}

/// Deletes all messages in the inbox at `url`, which may be on another machine.
pub(super) async fn run(
    args: &Args,
    ui: &Ui,
    client: InboxClient,
    url: &str,
) -> anyhow::Result<()> {
    if !args.yes && Ui::can_ask() {
        let count = request(client.clone(), InboxClient::count).await?;
        let mails = pluralize(count, "message", "messages");
        let about = format!("The inbox at {url} has {mails}. Deleted messages cannot be restored.");
        let question = format!("Delete {mails}?");
        if count > 0 && !ui.confirm(&about, &question, "--yes").await? {
            return Err(Failure::without_hint(ErrorCode::Declined, "nothing was deleted").into());
        }
    }
    let deleted = request(client, InboxClient::clear).await?;
    if ui.is_json() {
        ui.answer_json(&ClearedInbox { deleted })?;
    }
    ui.say(&format!(
        "Deleted {}.",
        pluralize(deleted, "message", "messages")
    ));
    Ok(())
}
