//! Progress on a terminal: a spinner, and bars. A progress display is removed when it is dropped; its default shows
//! nothing.

use std::cell::Cell;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Interval of the animation and of updates of the text.
const UPDATE_INTERVAL: Duration = Duration::from_millis(100);

/// Bar that is removed from the terminal when it is dropped.
struct TemporaryBar(ProgressBar);

impl TemporaryBar {
    fn new(bar: ProgressBar, template: &str) -> Self {
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(bar)
    }
}

impl Drop for TemporaryBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Spinner with a text.
#[derive(Default)]
pub(super) struct Spinner {
    _bar: Option<TemporaryBar>,
}

impl Spinner {
    pub(super) fn start(text: &str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(text.to_owned());
        let bar = TemporaryBar::new(bar, "{spinner} {msg}");
        bar.0.enable_steady_tick(UPDATE_INTERVAL);
        Self { _bar: Some(bar) }
    }
}

/// Progress through a known number of items.
#[derive(Default)]
pub(super) struct Progress(Option<TemporaryBar>);

impl Progress {
    /// `unit` names the items.
    pub(super) fn start(unit: &str) -> Self {
        let template = format!("{{bar:30}} {{pos}} of {{len}} {unit}, {{eta}} left");
        Self(Some(TemporaryBar::new(ProgressBar::new(0), &template)))
    }

    pub(super) fn show(&self, done: u64, total: u64) {
        if let Some(TemporaryBar(bar)) = &self.0 {
            bar.set_length(total);
            bar.set_position(done);
        }
    }
}

/// Progress of reading a file of accounts.
#[derive(Default)]
pub(super) struct FileProgress {
    bar: Option<TemporaryBar>,
    /// Time of the last update of the text, since the start.
    shown_at: Cell<Duration>,
}

impl FileProgress {
    /// `bytes` is the size of the file, if it is known.
    pub(super) fn start(bytes: Option<u64>) -> Self {
        let (bar, template) = match bytes {
            Some(bytes) => (
                ProgressBar::new(bytes),
                "{bar:30} {percent:>3}%, {msg}, {eta} left",
            ),
            None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
        };
        let bar = TemporaryBar::new(bar, template);
        bar.0.set_message("0 accounts");
        bar.0.enable_steady_tick(UPDATE_INTERVAL);
        Self {
            bar: Some(bar),
            shown_at: Cell::default(),
        }
    }

    /// Shows the position up to which the file has been read, and the number of accounts read.
    pub(super) fn show(&self, position: u64, accounts: u64) {
        let Some(TemporaryBar(bar)) = &self.bar else {
            return;
        };
        bar.set_position(position);
        if bar.elapsed() >= self.shown_at.get() + UPDATE_INTERVAL {
            self.shown_at.set(bar.elapsed());
            // The bar averages the recent rate of bytes.
            let rate = bar.per_sec() * accounts as f64 / position.max(1) as f64;
            bar.set_message(format!("{accounts} accounts, {rate:.0} per second"));
        }
    }

    /// Hides the bar while `write` prints.
    pub(super) fn suspend(&self, write: impl FnOnce()) {
        match &self.bar {
            Some(TemporaryBar(bar)) => bar.suspend(write),
            None => write(),
        }
    }
}
