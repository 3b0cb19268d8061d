//! Failure of a command: exit code, message and hint. The only place that maps errors of the libraries to exit codes.

use std::fmt;

use movie_bag_core::app::{AppError, CopyError};
use movie_bag_core::ports::mail::DeliveryError;
use movie_bag_core::ports::store::StoreError;
use movie_bag_core::supervisor::TaskFailed;
use movie_bag_mail::templates::TemplateError;

use crate::config::ConfigError;
use crate::error_code::ErrorCode;
use crate::exit_code::ExitCode;

/// Failure of a command, as it is shown.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) exit: ExitCode,
    /// Name of the failure in JSON.
    pub(crate) code: ErrorCode,
    /// Message: the failure, then its causes from the nearest to the deepest one.
    pub(crate) message: String,
    /// Imperative sentence with the next step of the user.
    pub(crate) hint: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// Returns a failure with a hint.
    pub(crate) fn new(
        code: ErrorCode,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            exit: code.exit(),
            code,
            message: without_error_numbers(&message.into()),
            hint: Some(hint.into()),
        }
    }

    /// Returns a failure without a hint: the message names all that can be done.
    pub(crate) fn without_hint(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            hint: None,
            ..Self::new(code, message, "")
        }
    }

    /// Returns a failure for wrong usage.
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(ErrorCode::Usage, message, hint)
    }

    /// Returns the failure of a command that was ended by Ctrl-C.
    pub(crate) fn interrupted() -> Self {
        Self::without_hint(ErrorCode::Interrupted, "interrupted")
    }

    /// Returns an exit code without a message, for a command that has reported the failure in its answer.
    pub(crate) fn silent(exit: ExitCode) -> Self {
        Self {
            exit,
            code: ErrorCode::Failed,
            message: String::new(),
            hint: None,
        }
    }

    /// Returns the failure of a process whose supervisor has given up a task.
    pub(crate) fn from_task(failed: &TaskFailed) -> Self {
        Self::new(
            ErrorCode::Task,
            failed.to_string(),
            "read the log for the cause of each failure, and let a service manager restart the process",
        )
    }

    /// Classifies an error by the first cause with a known type.
    pub(crate) fn from_error(error: &anyhow::Error) -> Self {
        if let Some(failure) = error.downcast_ref::<Self>() {
            return failure.clone();
        }
        let (code, hint) = error
            .chain()
            .find_map(|cause| {
                cause
                    .downcast_ref::<AppError>()
                    .map(classify_app)
                    .or_else(|| cause.downcast_ref::<StoreError>().map(classify_store))
                    .or_else(|| cause.downcast_ref::<CopyError>().map(classify_copy))
                    .or_else(|| cause.downcast_ref::<DeliveryError>().map(classify_delivery))
                    .or_else(|| cause.downcast_ref::<ConfigError>().map(|_| (ErrorCode::Settings, None)))
                    .or_else(|| cause.downcast_ref::<TemplateError>().map(|_| (ErrorCode::Template, Some("unset MOVIE_BAG_TEMPLATES to use the built-in templates, or run \"movie-bag templates eject\" to write them to a folder".to_owned()))))
            })
            .unwrap_or((ErrorCode::Failed, None));
        let mut message = error.to_string();
        // Messages of use cases and of the database are complete: errors of the driver behind them are left out.
        let is_complete = |error: &(dyn std::error::Error + 'static)| {
            error.is::<AppError>() || error.is::<StoreError>()
        };
        for (error, cause) in error.chain().zip(error.chain().skip(1)) {
            if is_complete(error) {
                break;
            }
            let cause = cause.to_string();
            // Many errors repeat the message of their source.
            if !message.contains(&cause) {
                message = format!("{message}: {cause}");
            }
        }
        Self {
            exit: code.exit(),
            code,
            message: without_error_numbers(&message),
            hint,
        }
    }
}

/// Name in JSON, and hint.
type Classification = (ErrorCode, Option<String>);

/// Classifies an error of a use case. Exhaustive: a new error must be classified here.
fn classify_app(error: &AppError) -> Classification {
    let hint = |text: &str| Some(text.to_owned());
    match error {
        AppError::InvalidEmail { .. } => (
            ErrorCode::InvalidEmail,
            hint("write one address such as ann@example.com"),
        ),
        AppError::WeakPassword(_) => (
            ErrorCode::WeakPassword,
            hint("choose another password, such as several words in a row"),
        ),
        AppError::AddressTaken(email) => (
            ErrorCode::EmailAlreadyExists,
            Some(format!(
                "run \"movie-bag user show --email {email}\" to see the account"
            )),
        ),
        AppError::SignupClosed => (ErrorCode::SignupClosed, None),
        AppError::WrongPassword => (ErrorCode::Unauthorized, None),
        AppError::NoSuchAccount(_) => (
            ErrorCode::EmailDoesNotExist,
            hint("run \"movie-bag user list\" to see all accounts"),
        ),
        AppError::AccountDisabled(email) => (
            ErrorCode::AccountDisabled,
            Some(format!(
                "run \"movie-bag user enable {email}\" to enable it, or \"movie-bag user show --email {email}\" for the reason"
            )),
        ),
        AppError::BadToken => (
            ErrorCode::BadToken,
            hint(
                "paste the whole link from the newest mail, or run \"movie-bag forgot\" to send another",
            ),
        ),
        AppError::ExpiredToken => (
            ErrorCode::ExpiredToken,
            hint("run \"movie-bag forgot\" to send another link"),
        ),
        AppError::NoSuchMail(_) => (
            ErrorCode::NoSuchMail,
            hint("run \"movie-bag outbox list\" to see all mails; this one may have been sent"),
        ),
        AppError::MailHeld(_) => (
            ErrorCode::MailHeld,
            hint("run the command again in a few seconds"),
        ),
        AppError::NoSuchMovie => (ErrorCode::MovieNotExists, None),
        AppError::MovieNameTaken => (ErrorCode::MovieAlreadyExists, None),
        AppError::NotYourMovie(_) => (ErrorCode::NotYourMovie, None),
        AppError::RateLimited { .. } => (ErrorCode::RateLimited, hint("try again later")),
        AppError::Busy { .. } => (ErrorCode::Unavailable, hint("try again in a moment")),
        AppError::DatabaseBusy(_) => (ErrorCode::Unavailable, hint("run the command again")),
        AppError::Unavailable(_) => (
            ErrorCode::Unavailable,
            hint("run \"movie-bag check\" to find the cause"),
        ),
        AppError::Internal(_) => (ErrorCode::InternalError, None),
    }
}

fn classify_store(error: &StoreError) -> Classification {
    match error {
        StoreError::Unavailable(_) => (
            ErrorCode::Unavailable,
            Some("run \"movie-bag check\" to find the cause".to_owned()),
        ),
        StoreError::Busy(_) => (
            ErrorCode::Unavailable,
            Some("run the command again".to_owned()),
        ),
        StoreError::Broken(_) => (ErrorCode::Database, None),
    }
}

fn classify_copy(error: &CopyError) -> Classification {
    let hint = |text: &str| Some(text.to_owned());
    match error {
        CopyError::Source(error) | CopyError::Target(error) => {
            let (code, _) = classify_store(error);
            (
                code,
                hint(
                    "fix the cause and run the command again: it starts over, and the source is unchanged",
                ),
            )
        }
        CopyError::NotEmpty(_) => (
            ErrorCode::NotEmpty,
            hint("name an empty database with --to"),
        ),
        CopyError::Orphans(_) => (
            ErrorCode::Orphans,
            hint(
                "delete those movies in the source or give them an owner, then run the command again",
            ),
        ),
        CopyError::Differs(_) => (
            ErrorCode::Differs,
            hint(
                "stop the servers that use the source, then run the command again: it starts over",
            ),
        ),
    }
}

fn classify_delivery(error: &DeliveryError) -> Classification {
    match error {
        DeliveryError::Unreachable { hint, .. } => (ErrorCode::MailServer, Some(hint.clone())),
        DeliveryError::Transient { .. } => (ErrorCode::MailDeferred, None),
        DeliveryError::Policy { hint, .. } => (ErrorCode::MailDeferred, Some(hint.clone())),
        DeliveryError::Permanent { .. } => (ErrorCode::MailRefused, None),
        DeliveryError::Unsendable { hint, .. } => (ErrorCode::MailUnsendable, Some(hint.clone())),
    }
}

/// Removes the numbers that the standard library appends to errors of the operating system. The first letter of such an error
/// becomes lower case, as usual for a cause after a colon.
pub(crate) fn without_error_numbers(text: &str) -> String {
    const MARKER: &str = " (os error ";
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(MARKER) {
        let numbered = after
            .split_once(')')
            .filter(|(number, _)| number.parse::<i32>().is_ok());
        let Some((_, after)) = numbered else {
            // Part of a file name or of the text of another program. Later numbers must still be removed.
            plain.push_str(before);
            plain.push_str(MARKER);
            rest = after;
            continue;
        };
        let start = before.rfind([':', '(', '\n']).map_or(0, |at| at + 1);
        let (context, cause) = before.split_at(start);
        plain.push_str(context);
        let is_cause = !context.is_empty();
        plain.extend(cause.char_indices().map(|(at, char)| {
            // The cause may be preceded by a space.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_system_errors_are_removed() {
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
