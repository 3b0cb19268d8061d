//! Read-only inspection of a file, for `check`.

use std::fs;
use std::path::{Path, PathBuf};

use movie_bag_core::ports::store::{Inspection, SchemaState, StoreError};
use rusqlite::{Connection, OpenFlags};

use super::columns::timestamp;
use super::errors::{add_path, store_error};
use super::{SqliteStore, connect, schema};

impl SqliteStore {
    /// Inspects an existing file without changing it. Blocks.
    ///
    /// # Errors
    /// Those of [`SqliteStore::open`].
    pub fn inspect(path: &Path) -> Result<Inspection, StoreError> {
        collect(path).map_err(add_path(path))
    }
}

fn collect(path: &Path) -> Result<Inspection, StoreError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let state = schema::read_state(&connection, path)?;
    let (required, existing) = match state {
        SchemaState::Current => (
            schema::list_objects(&schema::open_reference()?)?,
            schema::list_objects(&connection)?,
        ),
        SchemaState::Empty | SchemaState::Older => (Vec::new(), Vec::new()),
    };
    let (sound, missing): (Vec<_>, Vec<_>) = required
        .into_iter()
        .partition(|object| existing.contains(object));
    let newest_event = match state {
        SchemaState::Empty => None,
        SchemaState::Older | SchemaState::Current => {
            newest_event(&connection).map_err(store_error)?
        }
    };
    Ok(Inspection {
        state,
        bytes: Some(size(path)),
        free_bytes: None,
        sound: sound.len(),
        missing: missing.into_iter().map(|object| object.name).collect(),
        server_time: None,
        newest_event,
    })
}

fn newest_event(connection: &Connection) -> rusqlite::Result<Option<jiff::Timestamp>> {
    let newest: Option<i64> =
        connection.query_row("SELECT max(at) FROM history", [], |row| row.get(0))?;
    newest.map(timestamp).transpose()
}

/// Returns the size of the file and its log.
fn size(path: &Path) -> u64 {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    [path.to_owned(), PathBuf::from(log)]
        .iter()
        .filter_map(|file| fs::metadata(file).ok())
        .map(|file| file.len())
        .sum()
}
