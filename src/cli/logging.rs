//! The log on stderr: text or JSON, one entry per line.

use std::io::{self, Write};

use movie_bag_core::domain::terminal_text::{escape_json, escape_line};
use tracing_subscriber::EnvFilter;

use super::shared_terminal::Stderr;
use crate::config::LogSettings;
use crate::failure::Failure;

/// Writer of the log: one entry for each call, on one line, escaped for a terminal. It never returns an error, because a
/// closed log must not fail a request.
struct LogWriter<W> {
    out: W,
    is_json: bool,
}

impl<W: Write> Write for LogWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let entry = text.trim_end_matches('\n');
        let entry = if self.is_json {
            escape_json(entry)
        } else {
            escape_line(entry)
        };
        let _ = self.out.write_all(format!("{entry}\n").as_bytes());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.out.flush();
        Ok(())
    }
}

/// Starts logging on stderr. `default_filter` applies if the settings have no filter.
pub(super) fn start(settings: &LogSettings, default_filter: &str) -> anyhow::Result<()> {
    let chosen = settings.filter.as_deref().unwrap_or(default_filter);
    let filter = EnvFilter::builder().parse(chosen).map_err(|error| {
        Failure::usage(
            format!("invalid MOVIE_BAG_LOG {chosen:?}: {error}"),
            "write error, warn, info, debug or trace",
        )
    })?;
    let (out, is_json) = (Stderr::new(), settings.json);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || LogWriter { out, is_json })
        // Internal errors would be printed on stderr, with a panic if stderr is broken.
        .log_internal_errors(false)
        .with_target(false);
    if is_json {
        subscriber.json().init();
    } else {
        subscriber.with_ansi(false).init();
    }
    Ok(())
}
