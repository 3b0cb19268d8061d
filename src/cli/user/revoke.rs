//! `user revoke`: ends all logins of an account, and tells its owner.

use serde_json::json;

use super::super::delivery::warn_unless_sent;
use super::{Ui, wiring};
use crate::app::{App, Handling};

/// End all logins of an account and mail its owner
///
/// The access tokens of the account end at once, on every server; the password and reset links stay.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  movie-bag user revoke --email ann@example.com

With --json: {\"email\", \"revoked\", \"confirmation_sent\"}")]
pub(in crate::cli) struct Args {
    /// The account's address
    #[arg(long, value_name = "EMAIL")]
    pub(super) email: String,
}

pub(super) async fn run(args: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let spinner = ui.spinner("ending the sessions");
    let told = app
        .revoke_access(&args.email, &wiring::origin(), Handling::DeliverNow)
        .await?;
    drop(spinner);
    let sent = warn_unless_sent(ui, told.as_ref(), "all sessions were ended");
    ui.answer_either(
        &format!("Ended all sessions of {}.", args.email),
        &json!({"email": args.email, "revoked": true, "confirmation_sent": sent}),
    )?;
    Ok(())
}
