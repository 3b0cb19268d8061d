//! Copying a whole database into another.

use async_trait::async_trait;
use movie_bag_core::domain::event::Event;
use movie_bag_core::domain::id::LeaseId;
use movie_bag_core::ports::store::{CopyBatch, Copying, Counts, EventPosition, StoreError};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::superseded_copy::superseded_copy;
use super::SqliteStore;
use super::accounts::insert_account;
use super::errors::{is_foreign_key_violation, store_error};
use super::history::{insert_line, read_event};
use super::movies::insert_movie;
use super::outbox::insert_entry;
use super::pending::put_change;

fn count_all(connection: &Connection) -> Result<Counts, StoreError> {
    let count = |table: &str| {
        connection
            .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                row.get::<_, i64>(0).map(i64::unsigned_abs)
            })
            .map_err(store_error)
    };
    Ok(Counts {
        accounts: count("account")?,
        pending_changes: count("pending_change")?,
        movies: count("movie")?,
        mails: count("outbox")?,
        events: count("history")?,
    })
}

/// Returns the holder of an unfinished copy into this database.
fn find_holder(connection: &Connection) -> Result<Option<[u8; 12]>, StoreError> {
    connection
        .query_row("SELECT holder FROM half_copied", [], |row| row.get(0))
        .optional()
        .map_err(store_error)
}

/// Checks that this holder still copies into the database.
fn require_holder(connection: &Connection, holder: LeaseId) -> Result<(), StoreError> {
    if find_holder(connection)? == Some(*holder.as_bytes()) {
        Ok(())
    } else {
        Err(superseded_copy())
    }
}

/// Inserts all rows. Returns the number of those that were skipped because their account does not exist.
fn insert_all<T>(
    rows: &[T],
    insert: impl Fn(&T) -> rusqlite::Result<bool>,
) -> Result<u64, StoreError> {
    let mut left_out = 0;
    for row in rows {
        match insert(row) {
            Ok(true) => {}
            Ok(false) => left_out += 1,
            Err(error) if is_foreign_key_violation(&error) => left_out += 1,
            Err(error) => return Err(store_error(error)),
        }
    }
    Ok(left_out)
}

#[async_trait]
impl Copying for SqliteStore {
    async fn counts(&self) -> Result<Counts, StoreError> {
        self.readers.read(count_all).await
    }

    async fn events(
        &self,
        after: Option<EventPosition>,
        limit: usize,
    ) -> Result<Vec<(EventPosition, Event)>, StoreError> {
        // The first eight bytes of a place are the number of the row.
        let place = |number: i64| {
            let mut place = [0; 12];
            place[..8].copy_from_slice(&number.to_be_bytes());
            EventPosition::from_bytes(place)
        };
        let number = |position: EventPosition| {
            let [a, b, c, d, e, f, g, h, ..] = *position.as_bytes();
            i64::from_be_bytes([a, b, c, d, e, f, g, h])
        };
        self.readers
            .read(move |connection| {
                let mut statement = connection
                    .prepare_cached("SELECT number, account, at, kind, origin, detail, count, first_at FROM history WHERE number > ? ORDER BY number LIMIT ?")
                    .map_err(store_error)?;
                let rows = statement
                    .query_map(params![after.map_or(i64::MIN, number), limit as i64], |row| {
                        Ok((place(row.get("number")?), read_event(row)?))
                    })
                    .map_err(store_error)?;
                rows.collect::<Result<_, _>>().map_err(store_error)
            })
            .await
    }

    async fn begin_copy(&self, holder: LeaseId) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                if find_holder(connection)?.is_some() {
                    // Foreign keys and triggers delete the rest.
                    connection
                        .execute_batch("DELETE FROM account; DELETE FROM pending_change; DELETE FROM half_copied;")
                        .map_err(store_error)?;
                } else if count_all(connection)? != Counts::default() {
                    return Ok(false);
                }
                connection
                    .execute(
                        "INSERT INTO half_copied (holder) VALUES (?)",
                        [holder.as_bytes()],
                    )
                    .map_err(store_error)?;
                Ok(true)
            })
            .await
    }

    async fn write_batch(&self, holder: LeaseId, portion: &CopyBatch) -> Result<u64, StoreError> {
        let portion = portion.clone();
        self.writer
            .write(move |connection| {
                require_holder(connection, holder)?;
                match &portion {
                    CopyBatch::Accounts(accounts) => insert_all(accounts, |account| {
                        insert_account(connection, account).map(|()| true)
                    }),
                    CopyBatch::PendingChanges(changes) => insert_all(changes, |change| {
                        put_change(connection, change).map(|()| true)
                    }),
                    CopyBatch::Movies(movies) => insert_all(movies, |movie| {
                        insert_movie(connection, movie).map(|()| true)
                    }),
                    CopyBatch::Mails(mails) => {
                        insert_all(mails, |mail| insert_entry(connection, mail))
                    }
                    CopyBatch::Events(events) => insert_all(events, |event| {
                        insert_line(connection, event).map(|()| true)
                    }),
                }
            })
            .await
    }

    async fn finish_copy(&self, holder: LeaseId) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                require_holder(connection, holder)?;
                connection
                    .execute("DELETE FROM half_copied", [])
                    .map(|_| ())
                    .map_err(store_error)
            })
            .await
    }

    async fn is_copy_unfinished(&self) -> Result<bool, StoreError> {
        self.readers
            .read(|connection| Ok(find_holder(connection)?.is_some()))
            .await
    }
}
