//! Output of the received messages on stdout.

use std::io::Write as _;
use std::sync::Arc;

use movie_bag_core::supervisor::fault_points;
use movie_bag_smtp_sink::ReceivedMessage;

use super::message_printer::{self, Format};
use crate::cli::text_format::pluralize;
use crate::cli::ui::Ui;

/// Returns the default format of messages.
pub(in crate::cli) fn default_format(ui: &Ui) -> Format {
    if ui.is_json() {
        Format::Json
    } else {
        Format::Text
    }
}

/// Returns a callback that prints each message on stdout. If stdout is closed, messages are stored without being printed.
pub(in crate::cli) fn printer(
    format: Format,
    ui: &Ui,
) -> impl FnMut(Option<&Arc<ReceivedMessage>>) + Send + 'static {
    let (style, ui) = (ui.stdout_style(), ui.clone());
    let mut dropped = DroppedMessages::new("dropped before they were shown");
    move |message| {
        fault_points::hit("sink-output");
        match message {
            // On a terminal the message is written at once, so that no log entry splits it, and formatted before, so that
            // the log does not wait for that.
            Some(message) if style.terminal => {
                let mut text = Vec::new();
                let _ = message_printer::print(&mut text, message, format, style);
                let mut stdout = std::io::stdout().lock();
                let _ = stdout.write_all(&text).and_then(|()| stdout.flush());
            }
            Some(message) => {
                let _ =
                    message_printer::print(&mut std::io::stdout().lock(), message, format, style);
            }
            None if format != Format::None => dropped.count(&ui),
            None => {}
        }
    }
}

/// Counter of messages that the inbox dropped before they were processed. It warns about the first one, and each time that
/// their number has doubled.
#[derive(Debug)]
pub(in crate::cli) struct DroppedMessages {
    count: u64,
    /// Continues a sentence that begins with the number of messages.
    predicate: &'static str,
}

impl DroppedMessages {
    pub(in crate::cli) fn new(predicate: &'static str) -> Self {
        Self {
            count: 0,
            predicate,
        }
    }

    pub(in crate::cli) fn count(&mut self, ui: &Ui) {
        self.count += 1;
        if self.count.is_power_of_two() {
            let messages = pluralize(self.count, "message", "messages");
            ui.warn(&format!(
                "{messages} {}: raise --max-memory",
                self.predicate
            ));
        }
    }
}
