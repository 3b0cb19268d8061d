//! `user enable`: enables a disabled account.

use movie_bag_core::app::App;
use movie_bag_core::domain::reason::Reason;
use movie_bag_core::domain::terminal_text::escape_line;

use super::account_name::AccountName;
use super::disable::answer;
use crate::cli::startup;
use crate::cli::ui::Ui;

/// Enable a disabled account
///
/// The owner can log in again with the same password. Sessions, reset links, invitations and mails from before stay void.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag user enable ann@example.com
  movie-bag user enable --email ann@example.com --reason \"came back\"")]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    pub(super) account: AccountName,
    /// Reason for the history of the account, one line of at most 200 characters
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    reason: Reason,
}

pub(super) async fn run(args: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let email = args.account.email();
    let status = app
        .enable_account(email, &args.reason, &startup::origin())
        .await?;
    let address = escape_line(&status.address);
    let text = if status.changed {
        format!("Enabled account {address}.")
    } else {
        format!("Account {address} is not disabled.")
    };
    answer(ui, &text, &status, false)
}
