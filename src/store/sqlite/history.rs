//! The history of accounts.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::super::{History, StoreError};
use super::{SqliteStore, failed, is_orphaned, parsed, timestamp};
use crate::domain::event::Event;
use crate::domain::id::AccountId;

/// Adds a line, as a part of a greater step.
pub(super) fn insert_event(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO history (account, at, kind, origin, detail) VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![
            event.account.as_bytes(),
            event.at.as_millisecond(),
            event.kind.name(),
            event.origin.to_string(),
            event.detail,
        ])
        .map(|_| ())
}

pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        account: AccountId::from_bytes(row.get("account")?),
        at: timestamp(row.get("at")?)?,
        kind: parsed(row, "kind")?,
        origin: parsed(row, "origin")?,
        detail: row.get("detail")?,
    })
}

#[async_trait]
impl History for SqliteStore {
    async fn record(&self, event: &Event) -> Result<(), StoreError> {
        let event = event.clone();
        self.writer
            .write(move |connection| match insert_event(connection, &event) {
                Err(error) if is_orphaned(&error) => Ok(()),
                inserted => inserted.map_err(failed),
            })
            .await
    }

    async fn history(&self, account: AccountId, limit: usize) -> Result<Vec<Event>, StoreError> {
        self.readers
            .read(move |connection| {
                let mut statement = connection
                    .prepare_cached(
                        "SELECT account, at, kind, origin, detail FROM history WHERE account = ?
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
}
