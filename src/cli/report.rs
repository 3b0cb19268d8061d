//! Output of a failure, and its exit code: `error:` and `hint:` on stderr, or one JSON document on stdout.

use std::fmt;
use std::process::ExitCode;

use serde_json::json;

use super::ui::Ui;
use crate::app::{AppError, CopyError};
use crate::config::ConfigError;
use crate::mail::templates::TemplateError;
use crate::ports::mail::DeliveryError;
use crate::ports::store::StoreError;

/// A failure, ready to be shown.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The exit code.
    pub exit: u8,
    /// Its name for programs.
    pub code: &'static str,
    /// Message: the failure, then its causes from the nearest to the deepest one.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// A failure with what to do about it.
    pub fn new(
        exit: u8,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            exit,
            code,
            message: without_error_numbers(&message.into()),
            hint: Some(hint.into()),
        }
    }

    /// Returns a failure without a hint: the message names all that can be done.
    pub fn without_hint(exit: u8, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            hint: None,
            ..Self::new(exit, code, message, "")
        }
    }

    /// Used wrongly.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(2, "usage", message, hint)
    }

    /// Ctrl-C.
    pub fn interrupted() -> Self {
        Self {
            exit: 130,
            code: "interrupted",
            message: "interrupted".to_owned(),
            hint: None,
        }
    }

    /// An exit code alone: what there is to say has been said.
    pub fn silent(exit: u8) -> Self {
        Self {
            exit,
            code: "said",
            message: String::new(),
            hint: None,
        }
    }

    /// Finds out what an error means for whoever called.
    pub(super) fn from_error(error: &anyhow::Error) -> Self {
        if let Some(failure) = error.downcast_ref::<Self>() {
            return failure.clone();
        }
        let (exit, code, hint) = error
            .chain()
            .find_map(|cause| {
                cause
                    .downcast_ref::<AppError>()
                    .map(of_app)
                    .or_else(|| cause.downcast_ref::<StoreError>().map(of_store))
                    .or_else(|| cause.downcast_ref::<CopyError>().map(of_copy))
                    .or_else(|| cause.downcast_ref::<DeliveryError>().map(of_delivery))
                    .or_else(|| cause.downcast_ref::<ConfigError>().map(|_| (2, "settings", None)))
                    .or_else(|| cause.downcast_ref::<TemplateError>().map(|_| (2, "template", Some("unset MOVIE_BAG_TEMPLATES to use the built-in templates, or run \"movie-bag templates eject\" to write them to a folder".to_owned()))))
            })
            .unwrap_or((1, "failed", None));
        let mut message = error.to_string();
        // Messages of the use cases and of the database are complete: the errors of the driver behind them are left out.
        let is_complete = |error: &(dyn std::error::Error + 'static)| {
            error.is::<AppError>() || error.is::<StoreError>()
        };
        for (error, cause) in error.chain().zip(error.chain().skip(1)) {
            if is_complete(error) {
                break;
            }
            let cause = cause.to_string();
            // Many errors repeat their source.
            if !message.contains(&cause) {
                message = format!("{message}: {cause}");
            }
        }
        Self {
            exit,
            code,
            message: without_error_numbers(&message),
            hint,
        }
    }
}

type Verdict = (u8, &'static str, Option<String>);

/// What each refusal of a use case means on the terminal. Exhaustive: a new one must be decided here.
fn of_app(error: &AppError) -> Verdict {
    let hint = |text: &str| Some(text.to_owned());
    match error {
        AppError::InvalidEmail { .. } => (
            2,
            "invalid_email",
            hint("write one address such as ann@example.com"),
        ),
        AppError::WeakPassword(_) => (
            5,
            "weak_password",
            hint("choose another password, such as several words in a row"),
        ),
        AppError::AddressTaken(email) => (
            6,
            "email_already_exists",
            Some(format!(
                "run \"movie-bag user show --email {email}\" to see the account"
            )),
        ),
        AppError::SignupClosed => (1, "signup_closed", None),
        AppError::WrongPassword => (1, "unauthorized", None),
        AppError::NoSuchAccount(_) => (
            3,
            "email_does_not_exist",
            hint("run \"movie-bag user list\" to see all accounts"),
        ),
        AppError::BadToken => (
            4,
            "bad_token",
            hint(
                "paste the whole link from the newest mail, or run \"movie-bag forgot\" to send another",
            ),
        ),
        AppError::ExpiredToken => (
            4,
            "expired_token",
            hint("run \"movie-bag forgot\" to send another link"),
        ),
        AppError::NoSuchMail(_) => (
            3,
            "no_such_mail",
            hint("run \"movie-bag outbox list\" to see all mails; this one may have been sent"),
        ),
        AppError::MailHeld(_) => (
            1,
            "mail_held",
            hint("run the command again in a few seconds"),
        ),
        AppError::NoSuchMovie => (3, "movie_not_exists", None),
        AppError::MovieNameTaken => (6, "movie_already_exists", None),
        AppError::NotYourMovie(_) => (1, "not_your_movie", None),
        AppError::RateLimited { .. } => (1, "rate_limited", hint("try again later")),
        AppError::Busy { .. } => (7, "unavailable", hint("try again in a moment")),
        AppError::DatabaseBusy(_) => (7, "unavailable", hint("run the command again")),
        AppError::Unavailable(_) => (
            7,
            "unavailable",
            hint("run \"movie-bag check\" to find the cause"),
        ),
        AppError::Internal(_) => (1, "internal_error", None),
    }
}

fn of_store(error: &StoreError) -> Verdict {
    match error {
        StoreError::Unavailable(_) => (
            7,
            "unavailable",
            Some("run \"movie-bag check\" to find the cause".to_owned()),
        ),
        StoreError::Busy(_) => (7, "unavailable", Some("run the command again".to_owned())),
        StoreError::Broken(_) => (1, "database", None),
    }
}

fn of_copy(error: &CopyError) -> Verdict {
    let hint = |text: &str| Some(text.to_owned());
    match error {
        CopyError::Source(error) | CopyError::Target(error) => {
            let (exit, code, _) = of_store(error);
            (
                exit,
                code,
                hint(
                    "fix the cause and run the command again: it starts over, and the source is unchanged",
                ),
            )
        }
        CopyError::NotEmpty(_) => (6, "not_empty", hint("name an empty database with --to")),
        CopyError::Orphans(_) => (
            1,
            "orphans",
            hint(
                "delete those movies in the source or give them an owner, then run the command again",
            ),
        ),
        CopyError::Differs(_) => (
            1,
            "differs",
            hint(
                "stop the servers that use the source, then run the command again: it starts over",
            ),
        ),
    }
}

fn of_delivery(error: &DeliveryError) -> Verdict {
    match error {
        DeliveryError::Unreachable { hint, .. } => (7, "mail_server", Some(hint.clone())),
        DeliveryError::Transient { .. } => (7, "mail_refused", None),
        DeliveryError::Policy { hint, .. } => (7, "mail_refused", Some(hint.clone())),
        DeliveryError::Permanent { .. } => (1, "mail_refused", None),
        DeliveryError::Unsendable { hint, .. } => (1, "mail_unsendable", Some(hint.clone())),
    }
}

/// Returns the text without the numbers that the standard library appends to errors of the operating system. These errors
/// begin with a small letter then, as a cause after a colon does.
pub(super) fn without_error_numbers(text: &str) -> String {
    const MARK: &str = " (os error ";
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(MARK) {
        let numbered = after
            .split_once(')')
            .filter(|(number, _)| number.parse::<i32>().is_ok());
        let Some((_, after)) = numbered else {
            // A file name or the text of another program. It must not hide what follows.
            plain.push_str(before);
            plain.push_str(MARK);
            rest = after;
            continue;
        };
        let start = before.rfind([':', '(', '\n']).map_or(0, |at| at + 1);
        let (context, cause) = before.split_at(start);
        plain.push_str(context);
        let is_cause = !context.is_empty();
        plain.extend(cause.char_indices().map(|(at, char)| {
            // Either the cause begins here or a space stands before it.
            let is_first = is_cause && cause[..at].trim().is_empty();
            if is_first {
                char.to_ascii_lowercase()
            } else {
                char
            }
        }));
        rest = after;
    }
    plain.push_str(rest);
    plain
}

/// Shows a failure, and answers its exit code.
pub(super) fn failure(ui: &Ui, error: &anyhow::Error) -> ExitCode {
    let failure = Failure::from_error(error);
    show(ui, &failure);
    ExitCode::from(failure.exit)
}

fn show(ui: &Ui, failure: &Failure) {
    if failure.message.is_empty() {
        return;
    }
    if ui.is_json() {
        // Without stdout there is no place left to report to.
        let _ = ui.answer_json(
            &json!({"error": {"code": failure.code, "message": failure.message, "hint": failure.hint}}),
        );
    } else {
        ui.error(&failure.message, failure.hint.as_deref());
    }
}

/// Shows what is wrong with the arguments (or the help that was asked for), and answers the exit code.
pub(super) fn usage(error: &clap::Error, is_json: bool) -> ExitCode {
    use clap::error::ErrorKind;
    let is_answer = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if is_json && !is_answer {
        let ui = Ui::new(true, false, super::Color::Never);
        let text = error.to_string();
        // Its first paragraph: what is missing stands on lines of its own.
        let said = text.lines().take_while(|line| !line.is_empty());
        let message = said.map(str::trim).collect::<Vec<_>>().join(" ");
        let message = message.trim_start_matches("error: ");
        show(
            &ui,
            &Failure::usage(message, "run the command with --help to see its options"),
        );
    } else if is_answer {
        // A closed stdout is nobody who wants the help.
        let _ = error.print();
    } else {
        // The error repeats arguments, which scripts take from anywhere.
        Ui::new(false, false, super::Color::Auto).usage(&error.render());
    }
    if is_answer {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_are_shown_without_their_numbers() {
        for (text, shown) in [
            (
                "cannot read a: No such file or directory (os error 2)",
                "cannot read a: no such file or directory",
            ),
            (
                "no server (db:1: Connection refused (os error 111), db:2: Timed out (os error 110))",
                "no server (db:1: connection refused, db:2: timed out)",
            ),
            ("Permission denied (os error 13)", "Permission denied"),
            ("a (os error", "a (os error"),
            ("a: Ännlich (os error 2)", "a: Ännlich"),
            ("a: B (os error 2", "a: B (os error 2"),
            (
                "cannot read a (os error b: No such file or directory (os error 2)",
                "cannot read a (os error b: no such file or directory",
            ),
            ("a (os error x) b (os error -1) c", "a (os error x) b c"),
            ("plain", "plain"),
        ] {
            assert_eq!(without_error_numbers(text), shown);
        }
    }
}
