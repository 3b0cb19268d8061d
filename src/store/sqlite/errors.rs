//! Conversion and classification of SQLite's errors.

use std::path::Path;

use rusqlite::ErrorCode;

use super::super::StoreError;

/// Extended code SQLITE_CONSTRAINT_FOREIGNKEY.
const FOREIGN_KEY: i32 = 787;
/// Extended code SQLITE_CONSTRAINT_UNIQUE. SQLITE_CONSTRAINT_PRIMARYKEY (1555) would be a duplicate random id.
const UNIQUE: i32 = 2067;

/// Converts an error: temporary failures become `Unavailable`, all others `Broken`.
pub(super) fn store_error(error: rusqlite::Error) -> StoreError {
    let code = error.sqlite_error_code();
    match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Unavailable(
            "another process has been writing for more than 5 seconds".to_owned(),
        ),
        Some(ErrorCode::DiskFull) => StoreError::Unavailable(
            "the disk is full; free some space, nothing was lost".to_owned(),
        ),
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            StoreError::Unavailable(error.to_string())
        }
        Some(ErrorCode::SystemIoFailure) => {
            StoreError::Unavailable(format!("{error}; the disk may be full or broken"))
        }
        Some(ErrorCode::NotADatabase) => StoreError::Broken(
            "it is not an SQLite database; name another file in MOVIE_BAG_DATABASE".to_owned(),
        ),
        _ => StoreError::Broken(error.to_string()),
    }
}

/// Returns a function that adds the name of the file to an error.
pub(super) fn add_path(path: &Path) -> impl Fn(StoreError) -> StoreError {
    let shown = path.display().to_string();
    move |error| match error {
        StoreError::Unavailable(why) if !why.contains(&shown) => {
            StoreError::Unavailable(format!("{shown}: {why}"))
        }
        StoreError::Broken(why) if !why.contains(&shown) => {
            StoreError::Broken(format!("{shown}: {why}"))
        }
        error => error,
    }
}

/// Whether a step failed because another row has the unique value.
pub(super) fn is_unique_violation(error: &rusqlite::Error) -> bool {
    extended_code(error) == Some(UNIQUE)
}

/// Whether a step failed because the referenced row does not exist.
pub(super) fn is_foreign_key_violation(error: &rusqlite::Error) -> bool {
    extended_code(error) == Some(FOREIGN_KEY)
}

fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}
