//! `user delete`: deletes an account with all that belongs to it.

use serde_json::json;

use super::super::report::Failure;
use super::Ui;
use crate::app::App;

/// Delete an account, its movies, waiting mails and history
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  movie-bag user delete --email ann@example.com")]
pub(in crate::cli) struct Args {
    /// The account's address
    #[arg(long, value_name = "EMAIL")]
    email: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(super) async fn run(args: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let details = app.account_details(&args.email, 0).await?;
    let address = &details.account.address;
    if !args.yes {
        let mails = details.mails.len();
        ui.say(&format!(
            "The account {address} goes, with its movies, {mails} waiting mails and its history."
        ));
        if !ui.confirm(&format!("Delete {address}?"), "--yes").await? {
            return Err(
                Failure::new(1, "declined", "nothing was deleted", "answer y to delete").into(),
            );
        }
    }
    let deleted = app.delete_account(&args.email).await?;
    let text = format!(
        "Deleted {address} with {} movies, {} waiting mails and {} lines of history.",
        deleted.movies, deleted.mails, deleted.events
    );
    ui.answer_either(&text, &json!({"email": address, "movies": deleted.movies, "mails": deleted.mails, "history": deleted.events}))?;
    Ok(())
}
