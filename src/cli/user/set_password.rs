//! `user set-password`: sets the password of an account and notifies its owner.

use movie_bag_core::app::{App, DeliveryMode};

use super::disable::warn_disabled;
use super::new_password::NewPassword;
use crate::cli::delivery::warn_unless_sent;
use crate::cli::document::{Maybe, documents};
use crate::cli::startup;
use crate::cli::ui::Ui;

/// Set the password of an account and notify its owner
///
/// Ends all sessions of the account and invalidates its reset links. A disabled account stays disabled, and its owner is not
/// notified.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag user set-password --email ann@example.com
  movie-bag user set-password --email ann@example.com --generate")]
pub(in crate::cli) struct Args {
    /// Email address of the account
    #[arg(long, value_name = "EMAIL")]
    pub(super) email: String,
    #[command(flatten)]
    password: NewPassword,
}

documents! {
    pub(in crate::cli) struct ChangedPassword<'a> {
        /// Email address of the account.
        email: &'a str,
        /// `true`; otherwise an `error` is printed.
        changed: bool,
        /// Whether the mail server accepted the mail to the account owner; if not, the mail is in the outbox.
        confirmation_sent: bool,
        /// Generated password, which is not stored; with `--generate` only.
        password: Maybe<&'a str>,
    }
}

pub(super) async fn run(args: Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    // Fails before the prompt if the account does not exist.
    let account = app.account_details(&args.email, 0).await?.account;
    let (password, generated) = args.password.get(ui, app, &account.address).await?;
    let spinner = ui.spinner("changing the password");
    let confirmation = app
        .set_password(
            &args.email,
            &password,
            &startup::origin(),
            DeliveryMode::DeliverNow,
        )
        .await?;
    drop(spinner);
    if account.is_disabled() {
        warn_disabled(ui, &account.address);
    }
    let confirmed = warn_unless_sent(ui, confirmation.as_ref(), "the password was changed");
    let document = ChangedPassword {
        email: &account.address,
        changed: true,
        confirmation_sent: confirmed,
        password: Maybe(generated.as_ref().map(|password| password.as_str())),
    };
    if let Some(password) = &generated {
        let before = format!("Set this password for {}:", account.address);
        ui.answer_password(&before, password, &document)?;
    } else {
        ui.answer_either(
            &format!("Changed the password of {}.", account.address),
            &document,
        )?;
    }
    Ok(())
}
