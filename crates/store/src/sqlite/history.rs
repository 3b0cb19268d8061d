//! The history of accounts.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::super::{History, StoreError};
use super::{SqliteStore, failed, is_orphaned, parsed, timestamp};
use movie_bag_core::domain::event::{COUNTED_LINES, Event, HISTORY_LINES};
use movie_bag_core::domain::id::AccountId;

/// How many lines are forgotten in one step, so that nobody waits long behind it.
const AT_ONCE: usize = 1_000;

/// Adds a line, as a part of a greater step, and now and then drops the account's oldest ones beyond its limit: to find
/// out that there are none takes as long as there are lines.
pub(super) fn insert_event(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    insert_event_into(connection, "history", event)
}

/// The same for a table that is like it.
pub(super) fn insert_event_into(
    connection: &Connection,
    table: &str,
    event: &Event,
) -> rusqlite::Result<()> {
    insert_line_into(connection, table, event)?;
    if !is_time_to_cut() {
        return Ok(());
    }
    // A query around the parameter, since SQLite prepares a statement anew each time where one decides about an order.
    connection
        .prepare_cached(&format!(
            "DELETE FROM {table} WHERE account = (SELECT ?1) AND (at, number) <=
                 (SELECT at, number FROM {table} WHERE account = (SELECT ?1) ORDER BY at DESC, number DESC LIMIT 1 OFFSET {HISTORY_LINES})"
        ))?
        .execute([event.account.as_bytes()])
        .map(|_| ())
}

/// Whether this is one of the eighth part of all lines after which is cut; the first of a process is. Not every eighth:
/// lines come in turns, and an account's might never be among them.
fn is_time_to_cut() -> bool {
    const GOLDEN_RATIO: u32 = 0x9e37_79b9;
    static LINES: AtomicU32 = AtomicU32::new(0);
    LINES
        .fetch_add(1, Ordering::Relaxed)
        .wrapping_mul(GOLDEN_RATIO)
        >> 29
        == 0
}

/// Adds a line as it is.
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

pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    let at = row.get("at")?;
    let first_at: Option<i64> = row.get("first_at")?;
    Ok(Event {
        account: AccountId::from_bytes(row.get("account")?),
        at: timestamp(at)?,
        count: row.get("count")?,
        first_at: timestamp(first_at.unwrap_or(at))?,
        kind: parsed(row, "kind")?,
        origin: parsed(row, "origin")?,
        detail: row.get("detail")?,
    })
}

/// Takes it as done that a line of an account that is gone was not written.
fn unless_orphaned(written: rusqlite::Result<()>) -> Result<(), StoreError> {
    match written {
        Err(error) if is_orphaned(&error) => Ok(()),
        written => written.map_err(failed),
    }
}

#[async_trait]
impl History for SqliteStore {
    async fn record(&self, event: &Event) -> Result<(), StoreError> {
        let event = event.clone();
        if event.kind.is_counted() {
            // Logins are frequent, and a power cut may take the last of them from the count: no wait for the disk.
            let count =
                move |connection: &Connection| unless_orphaned(count_event(connection, &event));
            return self.writer.write_lightly(count).await;
        }
        self.writer
            .write(move |connection| unless_orphaned(insert_event(connection, &event)))
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
                    .map_err(failed)?;
                let rows = statement
                    .query_map(params![account.as_bytes(), limit as i64], event)
                    .map_err(failed)?;
                rows.collect::<Result<_, _>>().map_err(failed)
            })
            .await
    }

    async fn delete_events_before(&self, moment: Timestamp) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let deleted = self.writer.write(move |connection| {
                connection
                    .prepare_cached("DELETE FROM history WHERE number IN (SELECT number FROM history WHERE at < ? LIMIT ?)")
                    .and_then(|mut statement| statement.execute(params![moment.as_millisecond(), AT_ONCE as i64]))
                    .map_err(failed)
            });
            let deleted = deleted.await?;
            forgotten += deleted as u64;
            if deleted < AT_ONCE {
                return Ok(forgotten);
            }
        }
    }
}
