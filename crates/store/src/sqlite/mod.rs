//! Store in one SQLite file, which the server and commands can open at the same time.
//!
//! One thread writes (`writer.rs`), a few connections read (`readers.rs`). The steps are in one file for each subject:
//! `accounts.rs`, `outbox.rs`, `history.rs` and so on.

mod accounts;
mod columns;
mod copying;
mod errors;
mod history;
mod inspect;
mod limits;
mod movies;
mod outbox;
mod pending;
mod private_file;
mod readers;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags};

use errors::{add_path, store_error};
use movie_bag_core::ports::store::{CopyableStore, Inspection, Store, StoreError};
use readers::Readers;
use writer::Writer;

/// Time for which a step waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Number of pages (4 KiB each) in the write-ahead log at which it is copied into the file. The outbox writes the same few
/// pages again and again: the longer the log, the fewer copies of them.
const LOG_PAGES: u32 = 4_000;
/// Number of connections that read: one for each core that a small machine can spare.
const READERS: usize = 2;

/// Opens a file, or creates it. Returns also whether it is new.
pub(super) async fn open(path: &Path) -> Result<(Arc<dyn CopyableStore>, bool), StoreError> {
    let is_new = !is_file_in_use(path);
    let store = block(path, SqliteStore::open).await?;
    Ok((Arc::new(store), is_new))
}

/// Opens a file that exists.
pub(super) async fn open_existing(
    path: &Path,
) -> Result<Option<Arc<dyn CopyableStore>>, StoreError> {
    if !is_file_in_use(path) {
        return Ok(None);
    }
    let store = block(path, SqliteStore::open).await?;
    Ok(Some(Arc::new(store)))
}

/// Inspects a file that exists without changing it.
pub(super) async fn inspect(path: &Path) -> Result<Option<Inspection>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    block(path, SqliteStore::inspect).await.map(Some)
}

/// Runs a function off the async threads: it may wait for another process.
async fn block<T: Send + 'static>(
    path: &Path,
    run: impl FnOnce(&Path) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let path = path.to_owned();
    let running = tokio::task::spawn_blocking(move || run(&path));
    running
        .await
        .map_err(|error| StoreError::broken(error.to_string()))?
}

/// Returns whether a file holds an SQLite database or anything else. A file that cannot be inspected counts: opening it
/// reports why.
pub fn is_file_in_use(path: &Path) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match path.metadata() {
        Ok(metadata) => metadata.is_dir() || metadata.len() > 0,
        Err(error) => !matches!(error.kind(), NotFound | NotADirectory),
    }
}

/// Store in one SQLite file.
pub struct SqliteStore {
    // Fields are dropped in this order. The writer's connection is the last one to close, and then SQLite copies the log into
    // the file.
    readers: Readers,
    /// Connection whose `data_version` shows that another connection has written.
    change_watch: Mutex<Connection>,
    writer: Writer,
}

impl SqliteStore {
    /// Opens the file, creates it if it does not exist (mode 0600, its folder 0700), and migrates its schema. Waits up to 5
    /// seconds for another process that writes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the file cannot be opened or created. [`StoreError::Broken`] if it is not a database of
    /// movie-bag, or if a newer version wrote it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let shown = path.display().to_string();
        private_file::create(path).map_err(|error| {
            StoreError::unavailable(format!(
                "cannot create {shown}: {error}; name a file in a writable folder"
            ))
            .with_source(error)
        })?;
        let with_path = add_path(path);
        let mut connection =
            connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(&with_path)?;
        // Before any change.
        schema::refuse_foreign(&connection, &shown).map_err(&with_path)?;
        enable_wal(&connection).map_err(&with_path)?;
        // Full durability: an acknowledged step survives a power cut, unless its method documents otherwise.
        let settings = format!(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = {LOG_PAGES};"
        );
        connection
            .execute_batch(&settings)
            .map_err(|error| with_path(store_error(error)))?;
        schema::migrate(&mut connection, &shown).map_err(&with_path)?;
        let read_only = || connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(&with_path);
        let hurried = || {
            let connection = read_only()?;
            connection
                .busy_timeout(Duration::ZERO)
                .map_err(store_error)?;
            Ok(connection)
        };
        let readers = (0..READERS)
            .map(|_| read_only())
            .collect::<Result<_, _>>()?;
        let quick = (0..READERS).map(|_| hurried()).collect::<Result<_, _>>()?;
        let writer = Writer::start(connection)
            .map_err(|error| StoreError::unavailable(error.to_string()).with_source(error))?;
        Ok(Self {
            readers: Readers::new(readers, quick),
            change_watch: Mutex::new(hurried()?),
            writer,
        })
    }
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    // URI file names stay off. No mutex: only one thread at a time uses a connection.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(store_error)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(store_error)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Switches a new file to write-ahead logging. SQLite itself does not wait for this lock: if several processes create the same
/// file, all but one would fail.
fn enable_wal(connection: &Connection) -> Result<(), StoreError> {
    const PAUSE: Duration = Duration::from_millis(10);
    let began = Instant::now();
    loop {
        match connection
            .execute_batch("PRAGMA journal_mode = WAL")
            .map_err(store_error)
        {
            Err(StoreError::Unavailable(_)) if began.elapsed() < BUSY_TIMEOUT => {
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn ping(&self) -> Result<(), StoreError> {
        let query = |connection: &Connection| {
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
                row.get::<_, i64>(0)
            })
        };
        self.readers
            .read(move |connection| query(connection).map(|_| ()).map_err(store_error))
            .await
    }

    async fn failure(&self) -> String {
        self.writer.failure().await
    }
}
