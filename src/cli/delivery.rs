//! What the terminal says of a mail that goes with something done, and does not undo it when it can't be sent.

use super::ui::Ui;
use crate::app::Delivery;

/// Warns where the mail was not sent, and answers whether it was. `done` is what stands all the same.
pub(super) fn warn_unless_sent(ui: &Ui, delivery: Option<&Delivery>, done: &str) -> bool {
    match delivery {
        Some(Delivery::Sent { .. }) => return true,
        Some(Delivery::Waiting { error, hint, .. }) => {
            let hint = hint.as_ref().map(|hint| format!(" - {hint}"));
            ui.warn(&format!(
                "{done}, but its mail waits in the outbox: {error}{}",
                hint.unwrap_or_default()
            ));
        }
        Some(Delivery::Dead { error }) => {
            ui.warn(&format!("{done}, but its mail was given up: {error}"));
        }
        None => {}
    }
    false
}
