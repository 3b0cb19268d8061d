//! `user delete`: deletes an account with its movies, mails and history.

use movie_bag_core::app::App;
use movie_bag_core::domain::terminal_text::escape_line;
use movie_bag_core::ports::store::Deletion;

use crate::cli::document::documents;
use crate::cli::text_format::pluralize;
use crate::cli::ui::Ui;
use crate::error_code::ErrorCode;
use crate::failure::Failure;

/// Delete an account with its movies, mails and history
///
/// Shows how many of each there are and asks for confirmation. A deleted account cannot be restored.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag user delete --email ann@example.com
  movie-bag user delete --email ann@example.com --yes")]
pub(in crate::cli) struct Args {
    /// Email address of the account
    #[arg(long, value_name = "EMAIL")]
    pub(super) email: String,
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
}

documents! {
    pub(in crate::cli) struct DeletedAccount<'a> {
        /// Email address of the deleted account.
        email: &'a str,
        /// Number of movies deleted with it.
        movies: u64,
        /// Number of undelivered mails deleted with it.
        mails: u64,
        /// Number of history entries deleted with it.
        history: u64,
    }
}

pub(super) async fn run(args: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let (account, deletion) = app.account_deletion(&args.email).await?;
    let address = escape_line(&account.address);
    if !args.yes {
        let about = format!(
            "This deletes account {address} with {}.",
            describe(deletion)
        );
        let question = format!("Delete {address}?");
        if !ui.confirm(&about, &question, "--yes").await? {
            return Err(Failure::without_hint(ErrorCode::Declined, "nothing was deleted").into());
        }
    }
    let deleted = app.delete_account(&args.email).await?;
    ui.answer_either(
        &format!("Deleted account {address} with {}.", describe(deleted)),
        &DeletedAccount {
            email: &account.address,
            movies: deleted.movies,
            mails: deleted.mails,
            history: deleted.events,
        },
    )?;
    Ok(())
}

fn describe(deletion: Deletion) -> String {
    let Deletion {
        movies,
        mails,
        events,
    } = deletion;
    format!(
        "{}, {} and {}",
        pluralize(movies, "movie", "movies"),
        pluralize(mails, "waiting mail", "waiting mails"),
        pluralize(events, "history entry", "history entries"),
    )
}
