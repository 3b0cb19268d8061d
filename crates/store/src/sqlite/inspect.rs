//! Looks at a file without changing it.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::super::{Inspection, SchemaState, StoreError};
use super::{SqliteStore, at_path, connect, failed, schema, timestamp};

impl SqliteStore {
    /// Looks at a file that is there. Blocks.
    ///
    /// # Errors
    /// Those of [`SqliteStore::open`].
    pub fn inspect(path: &Path) -> Result<Inspection, StoreError> {
        look_at(path).map_err(at_path(path))
    }
}

fn look_at(path: &Path) -> Result<Inspection, StoreError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let state = schema::state(&connection, path)?;
    let (wanted, there) = match state {
        SchemaState::Current => (
            schema::objects(&schema::newest()?)?,
            schema::objects(&connection)?,
        ),
        SchemaState::Empty | SchemaState::Older => (Vec::new(), Vec::new()),
    };
    let (sound, missing): (Vec<_>, Vec<_>) = wanted
        .into_iter()
        .partition(|object| there.contains(object));
    let newest_event = match state {
        SchemaState::Empty => None,
        SchemaState::Older | SchemaState::Current => newest_event(&connection).map_err(failed)?,
    };
    Ok(Inspection {
        state,
        bytes: Some(bytes(path)),
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

/// The file with the log beside it.
fn bytes(path: &Path) -> u64 {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    [path.to_owned(), PathBuf::from(log)]
        .iter()
        .filter_map(|file| fs::metadata(file).ok())
        .map(|file| file.len())
        .sum()
}
