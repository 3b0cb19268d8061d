//! Settings of the database.

use std::path::PathBuf;
use std::time::Duration;

use super::setting::{Definition, Reader, Secrecy, Setting, Subject};
use super::values::{self, TIME};

pub(crate) static DATABASE: Setting<DatabaseSettings> = Setting::new(
    "MOVIE_BAG_DATABASE",
    Subject::Database,
    &[Reader::Database],
    DatabaseSettings::parse,
)
.default_in_words("SQLite in the data folder")
.option("--database")
.form("`sqlite:PATH`, `mongodb://…` or `mongodb+srv://…`")
.means("Database, a SQLite file or MongoDB")
.details(
    "The file in the data folder is `movie-bag.sqlite3`. On Windows, a drive is part of the path: \
     `sqlite:C:\\data\\movies.sqlite3`. Characters in a MongoDB password that have a meaning in URLs must be \
     percent-encoded (`%40` for `@`). The user, the password and the options of the URI are never shown. Without a name in the URI, the \
     MongoDB database is `movie-bag`. See [Several servers on one MongoDB](operations.md#several-servers-on-one-mongodb).",
)
.secrecy(Secrecy::MayContainPassword);

pub(crate) static TIMEOUT: Setting<Duration> = Setting::new(
    "MOVIE_BAG_DATABASE_TIMEOUT",
    Subject::Database,
    &[Reader::Database],
    values::span,
)
.default("30s")
.form(TIME)
.means("Maximum time of a database operation on MongoDB")
.details(
    "It includes the election of a new primary. A server that is not reachable at startup ends `serve` with \
     exit code 7 within this time. On SQLite, an operation waits 5 seconds for another process that writes.",
);

/// Definitions of these settings, in the order of the documentation.
pub(super) static DEFINITIONS: &[&Definition] = &[&DATABASE.definition, &TIMEOUT.definition];

/// Location of the database.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum DatabaseSettings {
    /// Embedded database in this file.
    Sqlite(PathBuf),
    /// MongoDB at this URI, which may contain a password.
    Mongodb(String),
}

impl DatabaseSettings {
    /// Parses `sqlite:PATH`, `mongodb://…` or `mongodb+srv://…`.
    ///
    /// # Errors
    /// The form to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("mongodb://") || text.starts_with("mongodb+srv://") {
            return Ok(Self::Mongodb(text.to_owned()));
        }
        if text == "sqlite::memory:" {
            return Err(
                "an in-memory database would be lost after each command: name a file".to_owned(),
            );
        }
        match text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            // Other programs write `sqlite://path`, with the path after two slashes.
            Some(path) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                Ok(Self::Sqlite(without_slash_before_drive(path).into()))
            }
            None => Err("write sqlite:PATH or mongodb://…".to_owned()),
        }
    }
}

/// Removes the slash before the drive of a Windows path: `/C:/movies` occurs in URLs and is not a valid path.
fn without_slash_before_drive(path: &str) -> &str {
    match path.as_bytes() {
        [b'/', drive, b':', ..] if cfg!(windows) && drive.is_ascii_alphabetic() => &path[1..],
        _ => path,
    }
}

impl std::fmt::Display for DatabaseSettings {
    /// Formats the database without the user, the password and the options of a URI. If its parts cannot be identified, the
    /// whole URI is replaced, because any part of it may be the password. `url` refuses the URI of several hosts, and that of a
    /// password with a slash or a question mark, which is the kind that must not be shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Mongodb(uri) => {
                let (scheme, rest) = uri.split_once("://").unwrap_or(("mongodb", uri));
                let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
                let place = match place.rsplit_once('@') {
                    Some((_, place)) => place,
                    // The question mark may be part of the password.
                    None if options.contains('@') => "",
                    None => place,
                };
                let place = if is_plain_place(place) { place } else { "…" };
                write!(f, "{scheme}://{place}")
            }
        }
    }
}

/// Returns whether the text consists of hosts and a database name, so that no part of it can be a password.
fn is_plain_place(place: &str) -> bool {
    let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
    let is_word = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let is_host = |host: &str| {
        let (name, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
            Some((address, port)) => (address.replace(':', ""), port.trim_start_matches(':')),
            None => {
                let (name, port) = host.split_once(':').unwrap_or((host, ""));
                (name.to_owned(), port)
            }
        };
        !name.is_empty() && is_word(&name) && port.chars().all(|c| c.is_ascii_digit())
    };
    hosts.split(',').all(is_host) && is_word(database)
}

impl std::fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[test]
    fn uris_that_are_not_urls_are_shown_without_their_password() {
        for (uri, shown) in [
            (
                "mongodb://ann:secret@a:27017,b:27018/movies?replicaSet=r",
                "mongodb://a:27017,b:27018/movies",
            ),
            ("mongodb://ann:sec/ret@a/movies", "mongodb://a/movies"),
            ("mongodb://ann:sec?ret@a/movies", "mongodb://…"),
            ("mongodb://ann:sec/ret", "mongodb://…"),
        ] {
            assert!(Url::parse(uri).is_err(), "{uri}");
            let database = DatabaseSettings::parse(uri).unwrap();
            assert_eq!(database.to_string(), shown, "{uri}");
        }
    }
}
