//! The database of a command: what the command may do to it, and where its name comes from.

use std::path::absolute;

use super::report::Failure;
use crate::app::AppError;
use crate::config::{DatabaseSettings, Settings, Source};
use crate::domain::id::EntryId;
use crate::store::sqlite::is_file_in_use;

/// Rights of a command where the database does not exist. Only [`Access::Create`] creates one: an empty database in the
/// wrong place looks like a system without accounts.
#[derive(Debug, Clone)]
pub(super) enum Access {
    /// The command only reads.
    Read,
    /// The command changes what exists.
    Change(Absence),
    /// The command may add the first account.
    Create,
}

/// Failure of a command that changes something, where there is no database: the same exit code as for a database that
/// lacks the account or the mail.
#[derive(Debug, Clone)]
pub(super) struct Absence {
    exit: u8,
    code: &'static str,
    /// Message before the one about the database.
    message: Option<String>,
}

impl Absence {
    /// The command needs nothing in particular.
    pub(super) fn of_database() -> Self {
        Self {
            exit: 7,
            code: "no_database",
            message: None,
        }
    }

    /// The command needs this account.
    pub(super) fn of_account(email: &str) -> Self {
        Self {
            exit: 3,
            code: "email_does_not_exist",
            message: Some(AppError::NoSuchAccount(email.to_owned()).to_string()),
        }
    }

    /// The command needs this mail.
    pub(super) fn of_mail(id: EntryId) -> Self {
        Self {
            exit: 3,
            code: "no_such_mail",
            message: Some(AppError::NoSuchMail(id).to_string()),
        }
    }

    /// The command needs the account that its token is for.
    pub(super) fn of_token() -> Self {
        Self {
            exit: 4,
            code: "bad_token",
            message: Some("invalid reset token".to_owned()),
        }
    }
}

/// Returns the failure of a command for which the database has to exist.
pub(super) fn missing(settings: &Settings, absence: Absence) -> Failure {
    let place = format!("no database at {}", described(settings));
    Failure::new(
        absence.exit,
        absence.code,
        match absence.message {
            Some(message) => format!("{message}: {place}"),
            None => place,
        },
        "name the server's env file with --env-file or its database with --database; \"movie-bag serve\" creates a new one",
    )
}

/// Returns the message about a database that was created.
pub(super) fn created(settings: &Settings) -> String {
    format!("Created database {}.", described(settings))
}

/// Whether the database is a file that does not exist yet.
pub(super) fn is_missing_file(settings: &Settings) -> bool {
    match &settings.database {
        DatabaseSettings::Sqlite(path) => !is_file_in_use(path),
        DatabaseSettings::Mongodb(_) => false,
    }
}

/// Formats the database and where its name comes from: `sqlite:/srv/movies.db (MOVIE_BAG_DATABASE from .env line 3)`.
pub(super) fn described(settings: &Settings) -> String {
    format!("{} ({})", shown(&settings.database), origin(settings))
}

/// Formats the database, with an absolute path: surprises come from the working directory.
pub(super) fn shown(database: &DatabaseSettings) -> String {
    match database {
        DatabaseSettings::Sqlite(path) => match absolute(path) {
            Ok(path) => DatabaseSettings::Sqlite(path).to_string(),
            Err(_) => database.to_string(),
        },
        DatabaseSettings::Mongodb(_) => database.to_string(),
    }
}

/// Returns where the name of the database comes from.
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

/// Adds the name of the database to the hint for an account that does not exist: it may exist in another one.
pub(super) fn name_in_hint(error: anyhow::Error, settings: &Settings) -> anyhow::Error {
    match error.downcast_ref() {
        Some(AppError::NoSuchAccount(_)) => Failure {
            hint: Some(format!(
                "run \"movie-bag user list\" to see all accounts in {}",
                described(settings)
            )),
            ..Failure::from_error(&error)
        }
        .into(),
        _ => error,
    }
}
