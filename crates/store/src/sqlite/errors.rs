//! Conversion and classification of SQLite's errors.

use std::path::Path;

use rusqlite::ErrorCode;

use movie_bag_core::ports::store::StoreError;

/// Extended code SQLITE_CONSTRAINT_FOREIGNKEY.
const FOREIGN_KEY: i32 = 787;
/// Extended code SQLITE_CONSTRAINT_UNIQUE. SQLITE_CONSTRAINT_PRIMARYKEY (1555) would be a duplicate random id.
const UNIQUE: i32 = 2067;

/// Converts an error: temporary failures become `Unavailable`, all others `Broken`.
pub(super) fn store_error(error: rusqlite::Error) -> StoreError {
    let converted = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::unavailable("another process has been writing for more than 5 seconds")
        }
        Some(ErrorCode::DiskFull) => {
            StoreError::unavailable("the disk is full; free some space, nothing was lost")
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            StoreError::unavailable(error.to_string())
        }
        Some(ErrorCode::SystemIoFailure) => {
            StoreError::unavailable(format!("{error}; the disk may be full or broken"))
        }
        Some(ErrorCode::NotADatabase) => StoreError::broken(
            "it is not an SQLite database; name another file in MOVIE_BAG_DATABASE",
        ),
        _ => StoreError::broken(error.to_string()),
    };
    converted.with_source(error)
}

/// Returns a function that adds the name of the file to an error.
pub(super) fn add_path(path: &Path) -> impl Fn(StoreError) -> StoreError {
    let shown = path.display().to_string();
    move |error| match error {
        StoreError::Unavailable(why) if !why.as_str().contains(&shown) => {
            StoreError::Unavailable(why.within(&shown))
        }
        StoreError::Broken(why) if !why.as_str().contains(&shown) => {
            StoreError::Broken(why.within(&shown))
        }
        error => error,
    }
}

/// Returns whether a step failed because another row has the unique value.
pub(super) fn is_unique_violation(error: &rusqlite::Error) -> bool {
    extended_code(error) == Some(UNIQUE)
}

/// Returns whether a step failed because the referenced row does not exist.
pub(super) fn is_foreign_key_violation(error: &rusqlite::Error) -> bool {
    extended_code(error) == Some(FOREIGN_KEY)
}

fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}
