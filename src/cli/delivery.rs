//! Warnings about mails that accompany another change, which stands even if the mail cannot be sent.

use super::ui::Ui;
use crate::app::Delivery;

/// Warns if the mail was not sent, and returns whether it was. `done` names the change that stands.
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
