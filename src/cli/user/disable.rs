//! `user disable`: disables an account.

use movie_bag_core::app::{App, ChangedStatus};
use movie_bag_core::domain::reason::Reason;
use movie_bag_core::domain::terminal_text::escape_line;

use super::account_name::AccountName;
use crate::cli::document::documents;
use crate::cli::startup;
use crate::cli::ui::Ui;
use crate::error_code::ErrorCode;
use crate::failure::Failure;

/// Disable an account
///
/// Ends all sessions of the account at once, on every server. Its reset links and invitations become invalid, and its
/// undelivered mails are deleted: "user enable" revives none of them. Logins are refused like those with a wrong password, and
/// reset requests like those for an unknown address. The owner is not notified. Movies and history stay.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag user disable --email ann@example.com
  movie-bag user disable ann@example.com --reason \"left the company\" --yes")]
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
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
}

documents! {
    pub(in crate::cli) struct AccountStatus<'a> {
        /// Email address of the account.
        email: &'a str,
        /// Whether the account is disabled now.
        disabled: bool,
        /// `false` if the account had this status before.
        changed: bool,
    }
}

pub(super) async fn run(args: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let email = args.account.email();
    let account = app.account_details(email, 0).await?.account;
    if !args.yes && !account.is_disabled() {
        let address = escape_line(&account.address);
        let about = format!(
            "This ends all sessions of {address}, and deletes its reset links, invitations and undelivered mails."
        );
        let question = format!("Disable {address}?");
        if !ui.confirm(&about, &question, "--yes").await? {
            return Err(Failure::without_hint(ErrorCode::Declined, "nothing was changed").into());
        }
    }
    let status = app
        .disable_account(email, &args.reason, &startup::origin())
        .await?;
    let address = escape_line(&status.address);
    let text = if status.changed {
        format!("Disabled account {address}.")
    } else {
        format!("Account {address} is already disabled.")
    };
    answer(ui, &text, &status, true)
}

/// Warns after a change of an account that is still disabled.
pub(super) fn warn_disabled(ui: &Ui, email: &str) {
    ui.warn(&format!(
        "the account is disabled: the owner is not notified, and cannot log in until you run \"movie-bag user enable {email}\""
    ));
}

/// Prints the result of a change of status.
pub(super) fn answer(
    ui: &Ui,
    text: &str,
    status: &ChangedStatus,
    disabled: bool,
) -> anyhow::Result<()> {
    ui.answer_either(
        text,
        &AccountStatus {
            email: &status.address,
            disabled,
            changed: status.changed,
        },
    )?;
    Ok(())
}
