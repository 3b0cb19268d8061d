//! The outbox.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::{Outbox, StoreError};
use super::history::insert_event;
use super::{SqliteStore, failed, is_orphaned, parsed, timestamp};
use crate::domain::event::Event;
use crate::domain::id::{AccountId, EntryId, LeaseId};
use crate::domain::outbox::{Entry, Lease, Outcome};
use crate::domain::token::Fingerprint;

pub(super) const COLUMNS: &str = "id, account, kind, requested_at, origin, fingerprint, state, attempts, next_try_at, last_error, lease_holder, lease_until";

/// Queues a mail, as a part of a greater step.
pub(super) fn insert_entry(connection: &Connection, entry: &Entry) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO outbox ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        ))?
        .execute(params![
            entry.id.as_bytes(),
            entry.account.as_bytes(),
            entry.kind.name(),
            entry.requested_at.as_millisecond(),
            entry.origin.to_string(),
            entry.fingerprint.as_str(),
            entry.state.name(),
            entry.attempts,
            entry.next_try_at.as_millisecond(),
            entry.last_error,
            entry.lease.map(|lease| *lease.holder.as_bytes()),
            entry.lease.map(|lease| lease.until.as_millisecond()),
        ])
        .map(|_| ())
}

pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let holder: Option<[u8; 12]> = row.get("lease_holder")?;
    let until: Option<i64> = row.get("lease_until")?;
    let lease = match (holder, until) {
        (Some(holder), Some(until)) => Some(Lease {
            holder: LeaseId::from_bytes(holder),
            until: timestamp(until)?,
        }),
        _ => None,
    };
    Ok(Entry {
        id: EntryId::from_bytes(row.get("id")?),
        account: AccountId::from_bytes(row.get("account")?),
        kind: parsed(row, "kind")?,
        requested_at: timestamp(row.get("requested_at")?)?,
        origin: parsed(row, "origin")?,
        fingerprint: Fingerprint::from_stored(row.get::<_, String>("fingerprint")?),
        state: parsed(row, "state")?,
        attempts: row.get("attempts")?,
        next_try_at: timestamp(row.get("next_try_at")?)?,
        last_error: row.get("last_error")?,
        lease,
    })
}

#[async_trait]
impl Outbox for SqliteStore {
    async fn queue_mail(&self, entry: &Entry, event: &Event) -> Result<bool, StoreError> {
        let (entry, event) = (entry.clone(), event.clone());
        self.writer
            .write(move |connection| match insert_entry(connection, &entry) {
                Err(error) if is_orphaned(&error) => Ok(false),
                inserted => {
                    inserted.map_err(failed)?;
                    insert_event(connection, &event).map_err(failed)?;
                    Ok(true)
                }
            })
            .await
    }

    async fn lease_next(&self, now: Timestamp, lease: Lease) -> Result<Option<Entry>, StoreError> {
        // Asked of a reader first: with nothing to do, which is most of the time, nothing is written.
        let due = self.next_due().await?;
        if due.is_none_or(|due| due > now) {
            return Ok(None);
        }
        let sql = format!(
            "UPDATE outbox SET lease_holder = ?1, lease_until = ?2, attempts = attempts + 1
             WHERE id = (SELECT id FROM outbox WHERE state = 'waiting' AND free_at <= ?3 ORDER BY free_at, id LIMIT 1)
             RETURNING {COLUMNS}"
        );
        self.writer
            .write(move |connection| {
                let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
                let parameters = params![
                    lease.holder.as_bytes(),
                    lease.until.as_millisecond(),
                    now.as_millisecond()
                ];
                statement
                    .query_row(parameters, entry)
                    .optional()
                    .map_err(failed)
            })
            .await
    }

    async fn renew_lease(&self, id: EntryId, lease: Lease) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                connection
                    .prepare_cached(
                        "UPDATE outbox SET lease_until = ? WHERE id = ? AND lease_holder = ?",
                    )
                    .and_then(|mut statement| {
                        statement.execute(params![
                            lease.until.as_millisecond(),
                            id.as_bytes(),
                            lease.holder.as_bytes()
                        ])
                    })
                    .map(|changed| changed > 0)
                    .map_err(failed)
            })
            .await
    }

    async fn settle(
        &self,
        id: EntryId,
        holder: LeaseId,
        outcome: &Outcome,
        event: &Event,
    ) -> Result<bool, StoreError> {
        let (outcome, event) = (outcome.clone(), event.clone());
        self.writer
            .write(move |connection| {
                let (id, holder) = (id.as_bytes(), holder.as_bytes());
                let settled = match &outcome {
                    Outcome::Sent => connection
                        .prepare_cached("DELETE FROM outbox WHERE id = ? AND lease_holder = ?")
                        .and_then(|mut statement| statement.execute(params![id, holder])),
                    Outcome::Retry { at, error } => connection
                        .prepare_cached(
                            "UPDATE outbox SET next_try_at = ?, last_error = ?, lease_holder = NULL, lease_until = NULL
                             WHERE id = ? AND lease_holder = ?",
                        )
                        .and_then(|mut statement| statement.execute(params![at.as_millisecond(), error, id, holder])),
                    Outcome::Dead { error } => connection
                        .prepare_cached(
                            "UPDATE outbox SET state = 'dead', last_error = ?, lease_holder = NULL, lease_until = NULL
                             WHERE id = ? AND lease_holder = ?",
                        )
                        .and_then(|mut statement| statement.execute(params![error, id, holder])),
                };
                if settled.map_err(failed)? == 0 {
                    return Ok(false);
                }
                insert_event(connection, &event).map_err(failed)?;
                Ok(true)
            })
            .await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.readers
            .read(|connection| {
                connection
                    .prepare_cached("SELECT free_at FROM outbox WHERE state = 'waiting' ORDER BY free_at, id LIMIT 1")
                    .and_then(|mut statement| statement.query_row([], |row| timestamp(row.get(0)?)).optional())
                    .map_err(failed)
            })
            .await
    }

    async fn entries_of(&self, account: AccountId) -> Result<Vec<Entry>, StoreError> {
        self.readers
            .read(move |connection| {
                let sql = format!(
                    "SELECT {COLUMNS} FROM outbox WHERE account = ? ORDER BY requested_at, id"
                );
                let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
                let rows = statement
                    .query_map([account.as_bytes()], entry)
                    .map_err(failed)?;
                rows.collect::<Result<_, _>>().map_err(failed)
            })
            .await
    }
}
