//! Output of failures and of usage errors of the argument parser: `error:` and `hint:` on stderr, or one JSON document on
//! stdout.

use std::process;

use super::document::documents;
use super::ui::{Color, Ui};
use crate::error_code::ErrorCode;
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Prints a failure, and returns its exit code.
pub(super) fn print_failure(ui: &Ui, error: &anyhow::Error) -> process::ExitCode {
    let failure = Failure::from_error(error);
    print(ui, &failure);
    failure.exit.into()
}

documents! {
    pub(in crate::cli) struct ErrorDocument<'a> {
        /// The error.
        error: ErrorDetails<'a>,
    }

    pub(in crate::cli) struct ErrorDetails<'a> {
        /// Stable name for programs, see [error codes](#error-codes).
        code: ErrorCode,
        /// Failure and its cause.
        message: &'a str,
        /// Suggested action.
        hint: Option<&'a str>,
    }
}

impl<'a> ErrorDetails<'a> {
    pub(in crate::cli) fn of(failure: &'a Failure) -> Self {
        Self {
            code: failure.code,
            message: &failure.message,
            hint: failure.hint.as_deref(),
        }
    }
}

fn print(ui: &Ui, failure: &Failure) {
    if failure.message.is_empty() {
        return;
    }
    if ui.is_json() {
        // If stdout cannot be written, there is no other place for the document.
        let _ = ui.answer_json(&ErrorDocument {
            error: ErrorDetails::of(failure),
        });
    } else {
        ui.error(&failure.message, failure.hint.as_deref());
    }
}

/// Prints a usage error, or the help or version that was requested, and returns the exit code.
pub(super) fn print_usage_error(error: &clap::Error, is_json: bool) -> process::ExitCode {
    use clap::error::ErrorKind;
    let is_answer = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if is_json && !is_answer {
        let ui = Ui::new(true, false, Color::Never);
        let text = error.to_string();
        // The first paragraph: missing arguments are listed on lines of their own.
        let paragraph = text.lines().take_while(|line| !line.is_empty());
        let message = paragraph.map(str::trim).collect::<Vec<_>>().join(" ");
        let message = message.trim_start_matches("error: ");
        print(
            &ui,
            &Failure::usage(message, "run the command with --help to see its options"),
        );
    } else if is_answer {
        // A closed stdout is not a failure, since its reader has ended.
        let _ = error.print();
    } else {
        // The error repeats arguments, which scripts may take from untrusted input.
        Ui::new(false, false, Color::Auto).usage(&error.render());
    }
    if is_answer {
        ExitCode::Done.into()
    } else {
        ExitCode::Usage.into()
    }
}
