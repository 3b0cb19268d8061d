//! Results of deliveries: the failure of a command that only sends a mail, and the warning of a command that has made a change
//! and cannot send the mail about it.

use movie_bag_core::app::Delivery;

use super::ui::Ui;
use crate::error_code::ErrorCode;
use crate::failure::Failure;

/// Warns if the mail was not sent, and returns whether it was. `done` names the change that was made.
pub(super) fn warn_unless_sent(ui: &Ui, delivery: Option<&Delivery>, done: &str) -> bool {
    match delivery {
        Some(Delivery::Sent { .. }) => return true,
        Some(Delivery::Waiting { error, hint, .. }) => {
            let hint = hint.as_ref().map(|hint| format!("; {hint}"));
            ui.warn(&format!(
                "{done}, but the confirmation mail is queued and not delivered yet: {error}{}",
                hint.unwrap_or_default()
            ));
        }
        Some(Delivery::Dead { error }) => {
            ui.warn(&format!(
                "{done}, but the confirmation mail was given up: {error}"
            ));
        }
        None => {}
    }
    false
}

/// Returns the mail server's reply, or the failure of a command that sends one mail. The mail then stays in the outbox,
/// queued for a retry or dead.
pub(super) fn sent_reply(delivery: Delivery) -> Result<String, Failure> {
    match delivery {
        Delivery::Sent { reply } => Ok(reply),
        Delivery::Waiting { error, hint, .. } => Err(Failure::new(
            ErrorCode::MailServer,
            format!("cannot deliver the mail yet, it stays queued: {error}"),
            hint.unwrap_or_else(|| {
                "run \"movie-bag outbox flush\" later, or leave the retry to a running server"
                    .to_owned()
            }),
        )),
        Delivery::Dead { error } => Err(Failure::new(
            ErrorCode::MailRefused,
            format!("cannot deliver the mail, it will not be retried: {error}"),
            "fix the cause and run \"movie-bag outbox retry ID\"; if the link is no longer valid, run \"movie-bag forgot\" for a new one",
        )),
    }
}
