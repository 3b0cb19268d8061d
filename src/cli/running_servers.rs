//! Records of the running servers, from which a command detects that it uses another database than they do.
//!
//! A record is a file with a second file next to it that the server keeps locked, because a locked file cannot be read on
//! Windows. A record without a lock was left by a server that was killed. The folder depends on the user alone, since server
//! and command may read different settings. Records are a convenience: if they cannot be written or read, there is no warning.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use movie_bag_core::app::system::SystemRng;
use movie_bag_core::domain::clock::draw;

use super::database;
use super::ui::Ui;
use crate::config::{DatabaseSettings, Settings, Source};
use crate::private_files;

/// Record of the server in this process; removed when it is dropped.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    /// Locked until the process ends, however it ends.
    _lock: File,
}

impl Drop for Record {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(lock_path(&self.path));
    }
}

/// Records the server in this process, and removes the records of servers that were killed.
pub(super) fn record(settings: &Settings, address: SocketAddr) -> Option<Record> {
    let folder = folder()?;
    remove_stale(&folder);
    write(&folder, &settings.database, address).ok()
}

/// Warns if servers run and none of them uses the database of this command. A database that an option names is a deliberate
/// choice.
pub(super) fn warn_of_other_database(ui: &Ui, settings: &Settings) {
    if matches!(
        database::source(settings, "MOVIE_BAG_DATABASE"),
        Source::Flag(_)
    ) {
        return;
    }
    let servers = folder().map(|folder| read(&folder)).unwrap_or_default();
    let database = identity(&settings.database);
    let Some((address, other)) = servers.first() else {
        return;
    };
    if servers.iter().all(|(_, other)| *other != database) {
        ui.warn(&format!(
            "this command uses {}, but the server on {address} uses {other}",
            database::format_with_source(settings)
        ));
    }
}

fn folder() -> Option<PathBuf> {
    let folder = dirs::state_dir().or_else(dirs::data_local_dir)?;
    Some(folder.join("movie-bag").join("servers"))
}

fn write(folder: &Path, database: &DatabaseSettings, address: SocketAddr) -> io::Result<Record> {
    private_files::create_folder(folder)?;
    let name = format!("{:016x}", u64::from_ne_bytes(draw(&SystemRng)));
    let path = folder.join(name);
    // Locked before the record exists, so that a server that starts at the same time does not remove it as stale.
    let lock = private_files::write_options()
        .create_new(true)
        .open(lock_path(&path))?;
    lock.lock()?;
    let mut record = private_files::write_options()
        .create_new(true)
        .open(&path)?;
    write!(record, "{address}\n{}\n", identity(database))?;
    Ok(Record { path, _lock: lock })
}

/// Returns the addresses and databases of the running servers.
fn read(folder: &Path) -> Vec<(String, String)> {
    let running = |path: PathBuf| {
        let lock = File::open(lock_path(&path)).ok()?;
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {}
            _ => return None,
        }
        let text = fs::read_to_string(&path).ok()?;
        let (address, database) = text.trim_end().split_once('\n')?;
        Some((address.to_owned(), database.to_owned()))
    };
    files(folder).filter_map(running).collect()
}

fn remove_stale(folder: &Path) {
    for path in files(folder) {
        let is_running = match File::open(lock_path(&path)) {
            Ok(lock) => lock.try_lock().is_err(),
            Err(_) => false,
        };
        if !is_running {
            let _ = fs::remove_file(&path);
            let _ = fs::remove_file(lock_path(&path));
        }
    }
}

/// Returns the records in a folder.
fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.extension().is_none())
}

fn lock_path(record: &Path) -> PathBuf {
    record.with_extension("lock")
}

/// Returns a name of the database that is the same in every working directory. It contains no password.
fn identity(database: &DatabaseSettings) -> String {
    match database {
        DatabaseSettings::Sqlite(path) => match path.canonicalize() {
            Ok(path) => DatabaseSettings::Sqlite(path).to_string(),
            Err(_) => database::format_location(database),
        },
        DatabaseSettings::Mongodb(_) => database.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_killed_servers_are_ignored_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let database = DatabaseSettings::Mongodb("mongodb://ann:secret@db/movies".to_owned());
        let address = "127.0.0.1:3000".parse().unwrap();
        fs::write(folder.join("left"), "127.0.0.1:1\nsqlite:/x\n").unwrap();
        let record = write(folder, &database, address).unwrap();
        let server = ("127.0.0.1:3000", "mongodb://db/movies");
        let expected = [(server.0.to_owned(), server.1.to_owned())];
        assert_eq!(read(folder), expected);
        remove_stale(folder);
        assert_eq!(files(folder).count(), 1);
        assert_eq!(read(folder), expected);
        drop(record);
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    }
}
