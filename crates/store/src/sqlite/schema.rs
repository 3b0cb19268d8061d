//! The schema and its versions. A database is brought up to date when it is opened, in one transaction.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::super::{SchemaState, StoreError};
use super::failed;

/// Marks the file as ours ("mbag"), so that another program's database is not taken for one.
const APPLICATION_ID: i32 = 0x6d62_6167;

/// The steps from an empty file to the present version; a step that was released never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_copying.sql"),
    include_str!("migrations/0003_rounds.sql"),
    include_str!("migrations/0004_limits.sql"),
    include_str!("migrations/0005_revocations.sql"),
    include_str!("migrations/0006_outbox_state.sql"),
    include_str!("migrations/0007_counted_lines.sql"),
];

/// Brings the database up to date. Several processes may do so at once: the first one that gets the write lock does the
/// work, and the others find it done.
pub(super) fn migrate(connection: &mut Connection, path: &str) -> Result<(), StoreError> {
    if version(connection)? == MIGRATIONS.len() && application(connection)? == APPLICATION_ID {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed)?;
    refuse_foreign(&transaction, path)?;
    let version = version(&transaction)?;
    refuse_newer(version, path)?;
    for migration in &MIGRATIONS[version..] {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    transaction
        .pragma_update(None, "application_id", APPLICATION_ID)
        .map_err(failed)?;
    transaction
        .pragma_update(None, "user_version", MIGRATIONS.len() as i64)
        .map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// How far a file is from what is worked on here.
pub(super) fn state(connection: &Connection, path: &Path) -> Result<SchemaState, StoreError> {
    let path = path.display().to_string();
    refuse_foreign(connection, &path)?;
    if is_empty(connection)? {
        return Ok(SchemaState::Empty);
    }
    let version = version(connection)?;
    refuse_newer(version, &path)?;
    Ok(if version < MIGRATIONS.len() {
        SchemaState::Older
    } else {
        SchemaState::Current
    })
}

/// A table or index, with what it was made by.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) name: String,
    sql: String,
}

/// All that was made in a database.
pub(super) fn objects(connection: &Connection) -> Result<Vec<Object>, StoreError> {
    let read = || {
        let mut statement =
            connection.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
        let objects = statement.query_map([], |row| {
            Ok(Object {
                name: row.get(0)?,
                sql: row.get(1)?,
            })
        })?;
        objects.collect::<rusqlite::Result<_>>()
    };
    read().map_err(failed)
}

/// A database in memory with nothing in it, as one is that is worked on.
pub(super) fn newest() -> Result<Connection, StoreError> {
    let connection = Connection::open_in_memory().map_err(failed)?;
    for migration in MIGRATIONS {
        connection.execute_batch(migration).map_err(failed)?;
    }
    Ok(connection)
}

/// Looks whether the file is ours, or nobody's yet.
pub(super) fn refuse_foreign(connection: &Connection, path: &str) -> Result<(), StoreError> {
    // In this order: a file that another process is making our own gets tables and mark in one step, so whoever sees
    // the tables first sees the mark behind them.
    if is_empty(connection)? || application(connection)? == APPLICATION_ID {
        return Ok(());
    }
    Err(StoreError::broken(format!(
        "{path} belongs to another program: name another file in MOVIE_BAG_DATABASE"
    )))
}

fn refuse_newer(version: usize, path: &str) -> Result<(), StoreError> {
    if version <= MIGRATIONS.len() {
        return Ok(());
    }
    Err(StoreError::broken(format!(
        "{path} was written by a newer movie-bag (schema {version}, this one knows {}): upgrade movie-bag",
        MIGRATIONS.len()
    )))
}

fn version(connection: &Connection) -> Result<usize, StoreError> {
    let version: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(failed)?;
    usize::try_from(version)
        .map_err(|_| StoreError::broken(format!("impossible schema version {version}")))
}

fn application(connection: &Connection) -> Result<i32, StoreError> {
    connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(failed)
}

fn is_empty(connection: &Connection) -> Result<bool, StoreError> {
    connection
        .query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| {
            row.get(0)
        })
        .map_err(failed)
}
