//! History of accounts.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use movie_bag_core::domain::event::{COUNTED_LINES, Event, HISTORY_LINES};
use movie_bag_core::domain::id::AccountId;
use movie_bag_core::ports::store::{History, StoreError};
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::columns::{parse_column, timestamp};
use super::errors::{is_foreign_key_violation, store_error};

/// Maximum number of old lines that are deleted in one step, so that the steps behind it do not wait for long.
const BATCH: usize = 1_000;

/// Adds a line as part of a larger step. After some of the lines it deletes the account's oldest lines beyond the limit; it
/// does not do so after each line, because the search takes time in proportion to the number of lines.
pub(super) fn insert_event(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    insert_event_into(connection, "history", event)
}

/// Adds a line to another table with these columns.
pub(super) fn insert_event_into(
    connection: &Connection,
    table: &str,
    event: &Event,
) -> rusqlite::Result<()> {
    insert_line_into(connection, table, event)?;
    if !is_time_to_trim() {
        return Ok(());
    }
    // A subquery around the parameter: SQLite prepares a statement anew for each value of a parameter that may affect the
    // choice of an index.
    connection
        .prepare_cached(&format!(
            "DELETE FROM {table} WHERE account = (SELECT ?1) AND (at, number) <=
                 (SELECT at, number FROM {table} WHERE account = (SELECT ?1) ORDER BY at DESC, number DESC LIMIT 1 OFFSET {HISTORY_LINES})"
        ))?
        .execute([event.account.as_bytes()])
        .map(|_| ())
}

/// Returns whether to trim after this line: after one eighth of all lines, and after the first one of a process. Not
/// after every eighth line: lines may arrive in a fixed pattern, and those of one account might never be among them.
fn is_time_to_trim() -> bool {
    const GOLDEN_RATIO: u32 = 0x9e37_79b9;
    static LINES: AtomicU32 = AtomicU32::new(0);
    LINES
        .fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(GOLDEN_RATIO)
        >> 29
        == 0
}

/// Adds a line without trimming.
pub(super) fn insert_line(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    insert_line_into(connection, "history", event)
}

fn insert_line_into(connection: &Connection, table: &str, event: &Event) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO {table} (account, at, kind, origin, detail, count, first_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
        ))?
        .execute(params![
            event.account.as_bytes(),
            event.at.as_millisecond(),
            event.kind.name(),
            event.origin.to_string(),
            event.detail,
            event.count,
            event.first_at.as_millisecond(),
        ])
        .map(|_| ())
}

/// Adds an event of a counted kind to the line of its day, as part of a larger step.
fn count_event(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    const DAY: i64 = 86_400_000;
    let day = event.day() * DAY;
    let counted = connection
        .prepare_cached(
            "UPDATE history SET count = count + 1, at = max(at, ?1), first_at = min(coalesce(first_at, at), ?1), origin = ?2, detail = ?3
             WHERE number = (SELECT number FROM history WHERE account = ?4 AND kind = ?5 AND at >= ?6 AND at < ?7 ORDER BY at DESC, number DESC LIMIT 1)",
        )?
        .execute(params![
            event.at.as_millisecond(),
            event.origin.to_string(),
            event.detail,
            event.account.as_bytes(),
            event.kind.name(),
            day,
            day + DAY,
        ])?;
    if counted > 0 {
        return Ok(());
    }
    insert_event(connection, event)?;
    connection
        .prepare_cached(&format!(
            "DELETE FROM history WHERE number IN (SELECT number FROM history WHERE account = (SELECT ?1) AND kind = (SELECT ?2)
                 ORDER BY at DESC, number DESC LIMIT -1 OFFSET {COUNTED_LINES})"
        ))?
        .execute(params![event.account.as_bytes(), event.kind.name()])
        .map(|_| ())
}

pub(super) fn read_event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let at = row.get("at")?;
    let first_at: Option<i64> = row.get("first_at")?;
    Ok(Event {
        account: AccountId::from_bytes(row.get("account")?),
        at: timestamp(at)?,
        count: row.get("count")?,
        first_at: timestamp(first_at.unwrap_or(at))?,
        kind: parse_column(row, "kind")?,
        origin: parse_column(row, "origin")?,
        detail: row.get("detail")?,
    })
}

/// Treats a line for an account that does not exist as written.
fn ignore_missing_account(written: rusqlite::Result<()>) -> Result<(), StoreError> {
    match written {
        Err(error) if is_foreign_key_violation(&error) => Ok(()),
        written => written.map_err(store_error),
    }
}

#[async_trait]
impl History for SqliteStore {
    async fn record(&self, event: &Event) -> Result<(), StoreError> {
        let event = event.clone();
        if event.kind.is_counted() {
            // Logins are frequent, and a power cut may undo the count of the last ones: no wait for the disk.
            let count = move |connection: &Connection| {
                ignore_missing_account(count_event(connection, &event))
            };
            return self.writer.write_without_flush(count).await;
        }
        self.writer
            .write(move |connection| ignore_missing_account(insert_event(connection, &event)))
            .await
    }

    async fn history(&self, account: AccountId, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.readers
            .read(move |connection| {
                let mut statement = connection
                    .prepare_cached(
                        "SELECT account, at, kind, origin, detail, count, first_at FROM history WHERE account = ?
                         ORDER BY at DESC, number DESC LIMIT ?",
                    )
                    .map_err(store_error)?;
                let rows = statement
                    .query_map(params![account.as_bytes(), limit as i64], read_event)
                    .map_err(store_error)?;
                rows.collect::<Result<_, _>>().map_err(store_error)
            })
            .await
    }

    async fn delete_events_before(&self, moment: Timestamp) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let deleted = self.writer.write(move |connection| {
                connection
                    .prepare_cached("DELETE FROM history WHERE number IN (SELECT number FROM history WHERE at < ? LIMIT ?)")
                    .and_then(|mut statement| statement.execute(params![moment.as_millisecond(), BATCH as i64]))
                    .map_err(store_error)
            });
            let deleted = deleted.await?;
            forgotten += deleted as u64;
            if deleted < BATCH {
                return Ok(forgotten);
            }
        }
    }
}
