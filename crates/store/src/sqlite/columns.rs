//! Conversion of columns. Another program may have written invalid values: they cause an error, never a panic.

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::FromSqlError;

pub(super) fn parse_column<T>(row: &Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: String = row.get(column)?;
    text.parse()
        .map_err(|error| FromSqlError::other(error).into())
}

pub(super) fn timestamp(milliseconds: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(milliseconds).map_err(|error| FromSqlError::other(error).into())
}
