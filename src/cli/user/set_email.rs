//! `user set-email`: gives an account another address, and tells its owner at both.

use serde_json::json;

use super::super::delivery::warn_unless_sent;
use super::{Ui, wiring};
use crate::app::{App, Handling};

/// Give an account another address and mail its owner at both
///
/// Reset links and invitations that were mailed to the address before end; logins go on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  movie-bag user set-email --email ann@example.com --to ann@example.org

With --json: {\"before\", \"email\", \"changed\", \"confirmation_sent\"}")]
pub(in crate::cli) struct Args {
    /// The account's address
    #[arg(long, value_name = "EMAIL")]
    pub(super) email: String,
    /// The address from now on
    #[arg(long, value_name = "EMAIL")]
    to: String,
}

pub(super) async fn run(args: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let spinner = ui.spinner("changing the address");
    let origin = wiring::origin();
    let changed = app
        .set_address(&args.email, &args.to, &origin, Handling::DeliverNow)
        .await?;
    drop(spinner);
    let (before, now) = (&changed.before, changed.now.as_str());
    let mut sent = !changed.mails.is_empty();
    for mail in &changed.mails {
        sent &= warn_unless_sent(ui, Some(mail), "the address was changed");
    }
    let text = if before == now {
        format!("The address is already {now}.")
    } else {
        format!("Changed the address {before} to {now}.")
    };
    ui.answer_either(
        &text,
        &json!({"before": before, "email": now, "changed": before != now, "confirmation_sent": sent}),
    )?;
    Ok(())
}
