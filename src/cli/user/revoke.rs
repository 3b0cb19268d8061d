//! `user revoke`: ends all sessions of an account and notifies its owner.

use movie_bag_core::app::{App, DeliveryMode};

use crate::cli::delivery::warn_unless_sent;
use crate::cli::document::documents;
use crate::cli::startup;
use crate::cli::ui::Ui;

/// End all sessions of an account and notify its owner
///
/// All access tokens of the account become invalid at once, on every server. The password and reset links stay valid.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  movie-bag user revoke --email ann@example.com")]
pub(in crate::cli) struct Args {
    /// Email address of the account
    #[arg(long, value_name = "EMAIL")]
    pub(super) email: String,
}

documents! {
    pub(in crate::cli) struct RevokedAccess<'a> {
        /// Email address as typed.
        email: &'a str,
        /// `true`; otherwise an `error` is printed.
        revoked: bool,
        /// Whether the mail server accepted the mail to the account owner; if not, the mail is in the outbox.
        confirmation_sent: bool,
    }
}

pub(super) async fn run(args: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let spinner = ui.spinner("ending the sessions");
    let notification = app
        .revoke_access(&args.email, &startup::origin(), DeliveryMode::DeliverNow)
        .await?;
    drop(spinner);
    let sent = warn_unless_sent(ui, notification.as_ref(), "all sessions were ended");
    ui.answer_either(
        &format!("Ended all sessions of {}.", args.email),
        &RevokedAccess {
            email: &args.email,
            revoked: true,
            confirmation_sent: sent,
        },
    )?;
    Ok(())
}
