//! `user set-email`: changes the address of an account and notifies its owner at both addresses.

use movie_bag_core::app::{App, DeliveryMode};

use super::disable::warn_disabled;
use crate::cli::delivery::warn_unless_sent;
use crate::cli::document::documents;
use crate::cli::startup;
use crate::cli::ui::Ui;

/// Change the email address of an account and notify its owner
///
/// The owner is notified at both addresses. Reset links and invitations that were sent to the old address become invalid.
/// Sessions stay valid. The owner of a disabled account is not notified.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  movie-bag user set-email --email ann@example.com --to ann@example.org")]
pub(in crate::cli) struct Args {
    /// Email address of the account
    #[arg(long, value_name = "EMAIL")]
    pub(super) email: String,
    /// New email address
    #[arg(long, value_name = "EMAIL")]
    to: String,
}

documents! {
    pub(in crate::cli) struct ChangedAddress<'a> {
        /// Previous email address.
        before: &'a str,
        /// New email address.
        email: &'a str,
        /// `false` if the account already had this address.
        changed: bool,
        /// Whether the mail server accepted the mails to both addresses; if not, they are in the outbox.
        confirmation_sent: bool,
    }
}

pub(super) async fn run(args: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let spinner = ui.spinner("changing the address");
    let origin = startup::origin();
    let changed = app
        .set_address(&args.email, &args.to, &origin, DeliveryMode::DeliverNow)
        .await?;
    drop(spinner);
    let (before, after) = (&changed.before, changed.now.as_str());
    let mut sent = !changed.mails.is_empty();
    for mail in &changed.mails {
        sent &= warn_unless_sent(ui, Some(mail), "the address was changed");
    }
    if changed.is_disabled && before != after {
        warn_disabled(ui, after);
    }
    let text = if before == after {
        format!("The address is already {after}.")
    } else {
        format!("Changed the address {before} to {after}.")
    };
    ui.answer_either(
        &text,
        &ChangedAddress {
            before,
            email: after,
            changed: before != after,
            confirmation_sent: sent,
        },
    )?;
    Ok(())
}
