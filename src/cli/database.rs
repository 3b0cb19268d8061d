//! Access of a command to its database, and messages that name the database with the source of its setting.

use std::path::absolute;

use movie_bag_core::app::AppError;
use movie_bag_core::domain::id::EntryId;
use movie_bag_store::sqlite::is_file_in_use;

use crate::config::{DatabaseSettings, Settings, Source};
use crate::error_code::ErrorCode;
use crate::failure::Failure;

/// Access that a command needs. Only [`Access::Create`] creates a missing database: an empty database in the wrong place
/// would appear to be a system without accounts.
#[derive(Debug, Clone)]
pub(super) enum Access {
    /// The command only reads.
    Read,
    /// The command changes existing data.
    Change(Absence),
    /// The command may add the first account.
    Create,
}

/// Failure of a changing command if the database does not exist. The exit code is the same as for a database without the
/// account or the mail.
#[derive(Debug, Clone)]
pub(super) struct Absence {
    code: ErrorCode,
    /// Start of the message, before the part about the database.
    message: Option<String>,
}

impl Absence {
    /// Returns the failure data of a command that needs the database only.
    pub(super) fn needs_database() -> Self {
        Self {
            code: ErrorCode::NoDatabase,
            message: None,
        }
    }

    /// Returns the failure data of a command that needs this account.
    pub(super) fn needs_account(email: &str) -> Self {
        Self {
            code: ErrorCode::EmailDoesNotExist,
            message: Some(AppError::NoSuchAccount(email.to_owned()).to_string()),
        }
    }

    /// Returns the failure data of a command that needs this mail.
    pub(super) fn needs_mail(id: EntryId) -> Self {
        Self {
            code: ErrorCode::NoSuchMail,
            message: Some(AppError::NoSuchMail(id).to_string()),
        }
    }

    /// Returns the failure data of a command that needs the account of its token.
    pub(super) fn needs_token_account() -> Self {
        Self {
            code: ErrorCode::BadToken,
            message: Some("invalid reset token".to_owned()),
        }
    }
}

/// Returns the failure of a command if the database does not exist.
pub(super) fn missing_failure(settings: &Settings, absence: Absence) -> Failure {
    let place = format!("no database at {}", format_with_source(settings));
    Failure::new(
        absence.code,
        match absence.message {
            Some(message) => format!("{message}: {place}"),
            None => place,
        },
        "name the server's env file with --env-file or its database with --database; \"movie-bag serve\" creates a new one",
    )
}

/// Returns the message after the database was created.
pub(super) fn created_message(settings: &Settings) -> String {
    format!("Created database {}.", format_with_source(settings))
}

/// Returns whether the database is a file that does not exist yet.
pub(super) fn is_missing_file(settings: &Settings) -> bool {
    match &settings.database {
        DatabaseSettings::Sqlite(path) => !is_file_in_use(path),
        DatabaseSettings::Mongodb(_) => false,
    }
}

/// Formats the database with the source of its name: `sqlite:/srv/movies.db (MOVIE_BAG_DATABASE from .env line 3)`.
pub(super) fn format_with_source(settings: &Settings) -> String {
    format!(
        "{} ({})",
        format_location(&settings.database),
        origin(settings)
    )
}

/// Formats the database, with an absolute path, because a relative one depends on the working directory.
pub(super) fn format_location(database: &DatabaseSettings) -> String {
    match database {
        DatabaseSettings::Sqlite(path) => match absolute(path) {
            Ok(path) => DatabaseSettings::Sqlite(path).to_string(),
            Err(_) => database.to_string(),
        },
        DatabaseSettings::Mongodb(_) => database.to_string(),
    }
}

/// Returns the source of a setting.
pub(super) fn source<'a>(settings: &'a Settings, key: &str) -> &'a Source {
    let reported = settings.report.iter().find(|reported| reported.key == key);
    reported.map_or(&Source::Default, |reported| &reported.source)
}

fn origin(settings: &Settings) -> String {
    const DATABASE: &str = "MOVIE_BAG_DATABASE";
    const DATA_DIR: &str = "MOVIE_BAG_DATA_DIR";
    match (source(settings, DATABASE), source(settings, DATA_DIR)) {
        (Source::Flag(option), _) => (*option).to_owned(),
        (Source::Default, Source::Default) => format!("default; {DATABASE} is not set"),
        (Source::Default, source) => format!("{DATA_DIR} from {source}"),
        (source, _) => format!("{DATABASE} from {source}"),
    }
}

/// Names the database in the hint for an account that does not exist, because it may exist in another database.
pub(super) fn name_in_hint(error: anyhow::Error, settings: &Settings) -> anyhow::Error {
    match error.downcast_ref() {
        Some(AppError::NoSuchAccount(_)) => Failure {
            hint: Some(format!(
                "run \"movie-bag user list\" to see all accounts in {}",
                format_with_source(settings)
            )),
            ..Failure::from_error(&error)
        }
        .into(),
        _ => error,
    }
}
