//! The embedded database: one SQLite file, opened by the server and by commands at the same time.
//!
//! One thread writes (`writer.rs`), a few connections read (`readers.rs`); the steps themselves stand by subject in
//! `accounts.rs`, `outbox.rs`, `history.rs` and `movies.rs`. Nothing outside this folder knows SQL.

mod accounts;
mod copying;
mod history;
mod inspect;
mod limits;
mod movies;
mod outbox;
mod readers;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};

use super::{Store, StoreError};
use movie_bag_core::ports::error_detail::ErrorDetail;
use crate::private;
use readers::Readers;
use writer::Writer;

/// How long a step waits for another process that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How many pages of 4 KiB the write-ahead log has before it is folded into the file. The outbox writes the same few pages
/// again and again: the longer the log, the fewer of them are copied.
const LOG_PAGES: u32 = 4_000;
/// How many connections read at once: as many as the machines this is for have cores to spare.
const READERS: usize = 2;

/// The store in one SQLite file.
pub struct SqliteStore {
    // Fields are dropped in this order: the writer's connection is the last to close, and folds the log into the file.
    readers: Readers,
    /// Sees by its own `data_version` that somebody has written.
    watch: Mutex<Connection>,
    writer: Writer,
}

impl SqliteStore {
    /// Opens the file, makes it where it is not there (the file 0600, its folder 0700), and brings its schema up to
    /// date. Waits up to 5 seconds where another process is just writing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where the file can't be opened or made, [`StoreError::Broken`] where it is not a
    /// database of ours, or of a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let shown = path.display().to_string();
        create(path).map_err(|error| {
            StoreError::unavailable(format!(
                "cannot create {shown}: {error}; name a file in a writable folder"
            ))
            .with_source(error)
        })?;
        let at_path = at_path(path);
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(&at_path)?;
        // Before anything is changed in it.
        schema::refuse_foreign(&connection, &shown).map_err(&at_path)?;
        use_wal(&connection).map_err(&at_path)?;
        // Full durability: an acknowledged step survives a power cut, unless it says that it need not.
        let settings = format!(
            "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = {LOG_PAGES};"
        );
        connection
            .execute_batch(&settings)
            .map_err(|error| at_path(failed(error)))?;
        schema::migrate(&mut connection, &shown).map_err(&at_path)?;
        let read_only = || connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(&at_path);
        let hurried = || {
            let connection = read_only()?;
            connection.busy_timeout(Duration::ZERO).map_err(failed)?;
            Ok(connection)
        };
        let readers = (0..READERS)
            .map(|_| read_only())
            .collect::<Result<_, _>>()?;
        let quick = (0..READERS).map(|_| hurried()).collect::<Result<_, _>>()?;
        let writer = Writer::start(connection)
            .map_err(|error| StoreError::Unavailable(ErrorDetail::from_error(error)))?;
        Ok(Self {
            readers: Readers::new(readers, quick),
            watch: Mutex::new(hurried()?),
            writer,
        })
    }
}

/// Says of which file an error is.
fn at_path(path: &Path) -> impl Fn(StoreError) -> StoreError {
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

/// Makes the file before SQLite does, so that it and the log files beside it, which take over its mode, are the
/// owner's alone from the first moment.
fn create(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        private::make_folder(folder)?;
    }
    let file = private::writing().create(true).truncate(false).open(path);
    file.map(|_| ())
}

fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    // No URI names, and no mutex: each connection is used by one thread at a time.
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)
        .map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Switches a new file to write-ahead logging. SQLite does not wait by itself for this one lock, so that of several
/// processes that make the same file at once all but one would fail.
fn use_wal(connection: &Connection) -> Result<(), StoreError> {
    const PAUSE: Duration = Duration::from_millis(10);
    let began = Instant::now();
    loop {
        match connection
            .execute_batch("PRAGMA journal_mode = WAL")
            .map_err(failed)
        {
            Err(StoreError::Unavailable(_)) if began.elapsed() < BUSY_TIMEOUT => {
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

/// Tells what can be waited out from what a person has to look at.
fn failed(error: rusqlite::Error) -> StoreError {
    let failure = match error.sqlite_error_code() {
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
    failure.with_source(error)
}

/// Whether a step failed because a name is taken.
fn is_taken(error: &rusqlite::Error) -> bool {
    // 2067 is SQLITE_CONSTRAINT_UNIQUE; 1555, SQLITE_CONSTRAINT_PRIMARYKEY, would be an id drawn twice.
    error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == 2067)
}

/// Whether a step failed because what it refers to is gone.
fn is_orphaned(error: &rusqlite::Error) -> bool {
    // SQLITE_CONSTRAINT_FOREIGNKEY.
    error
        .sqlite_error()
        .is_some_and(|error| error.extended_code == 787)
}

/// A column that some other program may have written wrongly: an error, never a panic.
fn parsed<T>(row: &Row<'_>, column: &str) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let text: String = row.get(column)?;
    text.parse()
        .map_err(|error| FromSqlError::other(error).into())
}

fn timestamp(milliseconds: i64) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(milliseconds).map_err(|error| FromSqlError::other(error).into())
}

#[async_trait]
impl Store for SqliteStore {
    async fn ping(&self) -> Result<(), StoreError> {
        let look = |connection: &Connection| {
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
                row.get::<_, i64>(0)
            })
        };
        self.readers
            .read(move |connection| look(connection).map(|_| ()).map_err(failed))
            .await
    }

    async fn failure(&self) -> String {
        self.writer.failure().await
    }
}
