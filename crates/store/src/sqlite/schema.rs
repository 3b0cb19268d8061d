//! Schema and migrations. A database is migrated when it is opened, in one transaction.

use std::path::Path;

use movie_bag_core::ports::store::{SchemaState, StoreError};
use rusqlite::{Connection, TransactionBehavior};

use super::errors::store_error;

/// Marks a file as a database of movie-bag ("mbag"), so that a database of another program is not mistaken for one.
const APPLICATION_ID: i32 = 0x6d62_6167;

/// Migrations from an empty file to the present version. A released migration never changes.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_initial.sql"),
    include_str!("migrations/0002_copying.sql"),
    include_str!("migrations/0003_rounds.sql"),
    include_str!("migrations/0004_limits.sql"),
    include_str!("migrations/0005_revocations.sql"),
    include_str!("migrations/0006_outbox_state.sql"),
    include_str!("migrations/0007_counted_lines.sql"),
    include_str!("migrations/0008_pending_changes.sql"),
    include_str!("migrations/0009_disabling.sql"),
];

/// Migrates the database. If several processes do so at once, the first one that gets the write lock does the work, and the
/// others find it done.
pub(super) fn migrate(connection: &mut Connection, path: &str) -> Result<(), StoreError> {
    if read_version(connection)? == MIGRATIONS.len()
        && read_application_id(connection)? == APPLICATION_ID
    {
        return Ok(());
    }
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(store_error)?;
    refuse_foreign(&transaction, path)?;
    let version = read_version(&transaction)?;
    refuse_newer(version, path)?;
    for migration in &MIGRATIONS[version..] {
        transaction.execute_batch(migration).map_err(store_error)?;
    }
    transaction
        .pragma_update(None, "application_id", APPLICATION_ID)
        .map_err(store_error)?;
    transaction
        .pragma_update(None, "user_version", MIGRATIONS.len() as i64)
        .map_err(store_error)?;
    transaction.commit().map_err(store_error)
}

/// Compares a file with the schema of this version.
pub(super) fn read_state(connection: &Connection, path: &Path) -> Result<SchemaState, StoreError> {
    let path = path.display().to_string();
    refuse_foreign(connection, &path)?;
    if is_empty(connection)? {
        return Ok(SchemaState::Empty);
    }
    let version = read_version(connection)?;
    refuse_newer(version, &path)?;
    Ok(if version < MIGRATIONS.len() {
        SchemaState::Older
    } else {
        SchemaState::Current
    })
}

/// A table or index.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SchemaObject {
    pub(super) name: String,
    sql: String,
}

pub(super) fn list_objects(connection: &Connection) -> Result<Vec<SchemaObject>, StoreError> {
    let read = || {
        let mut statement =
            connection.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL")?;
        let objects = statement.query_map([], |row| {
            Ok(SchemaObject {
                name: row.get(0)?,
                sql: row.get(1)?,
            })
        })?;
        objects.collect::<rusqlite::Result<_>>()
    };
    read().map_err(store_error)
}

/// Opens an empty database in memory with the present schema, for comparison.
pub(super) fn open_reference() -> Result<Connection, StoreError> {
    let connection = Connection::open_in_memory().map_err(store_error)?;
    for migration in MIGRATIONS {
        connection.execute_batch(migration).map_err(store_error)?;
    }
    Ok(connection)
}

/// Checks that the file is a database of movie-bag, or empty.
pub(super) fn refuse_foreign(connection: &Connection, path: &str) -> Result<(), StoreError> {
    // In this order: another process may be creating the database. Tables and application id appear in one transaction, so a
    // process that sees the tables also sees the id.
    if is_empty(connection)? || read_application_id(connection)? == APPLICATION_ID {
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

fn read_version(connection: &Connection) -> Result<usize, StoreError> {
    let version: i64 = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(store_error)?;
    usize::try_from(version)
        .map_err(|_| StoreError::broken(format!("impossible schema version {version}")))
}

fn read_application_id(connection: &Connection) -> Result<i32, StoreError> {
    connection
        .pragma_query_value(None, "application_id", |row| row.get(0))
        .map_err(store_error)
}

fn is_empty(connection: &Connection) -> Result<bool, StoreError> {
    connection
        .query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| {
            row.get(0)
        })
        .map_err(store_error)
}
