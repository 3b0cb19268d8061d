//! Outbox.

use async_trait::async_trait;
use jiff::Timestamp;
use movie_bag_core::domain::event::Event;
use movie_bag_core::domain::fingerprint::Fingerprint;
use movie_bag_core::domain::id::{AccountId, EntryId, LeaseId};
use movie_bag_core::domain::limit::TooEarly;
use movie_bag_core::domain::mail::MailKind;
use movie_bag_core::domain::outbox::{Entry, EntryState, Lease, OutboxState, Outcome, Round};
use movie_bag_core::ports::store::{
    LeaseMode, LeaseResult, LimitedCall, Outbox, QueueResult, StoreError,
};
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};

use super::SqliteStore;
use super::columns::{parse_column, timestamp};
use super::errors::store_error;
use super::history::{insert_event, insert_event_into};
use super::limits::count_call;

const COLUMNS: &str = "id, account, recipient, kind, requested_at, origin, fingerprint, state, attempts, next_try_at, last_error, lease_holder, lease_until";

/// Queues a mail as part of a larger step. Returns `false`, and queues nothing, if neither its account nor a sign-up for it
/// exists.
pub(super) fn insert_entry(connection: &Connection, entry: &Entry) -> rusqlite::Result<bool> {
    let condition = "WHERE EXISTS (SELECT 1 FROM account WHERE id = ?2)
        OR EXISTS (SELECT 1 FROM pending_change WHERE account = ?2 AND kind = 'confirm_signup')";
    insert_entry_into(connection, "outbox", entry, condition)
}

fn insert_entry_into(
    connection: &Connection,
    table: &str,
    entry: &Entry,
    condition: &str,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO {table} ({COLUMNS}) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13 {condition}"
        ))?
        .execute(params![
            entry.id.as_bytes(),
            entry.account.as_bytes(),
            entry.recipient,
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
        .map(|inserted| inserted > 0)
}

fn read_entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
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
        recipient: row.get("recipient")?,
        kind: parse_column(row, "kind")?,
        requested_at: timestamp(row.get("requested_at")?)?,
        origin: parse_column(row, "origin")?,
        fingerprint: Fingerprint::from_stored(row.get::<_, String>("fingerprint")?),
        state: parse_column(row, "state")?,
        attempts: row.get("attempts")?,
        next_try_at: timestamp(row.get("next_try_at")?)?,
        last_error: row.get("last_error")?,
        lease,
    })
}

/// Returns the FROM clause for the entries of a round. Kinds of a newer version are left to that version.
///
/// The clause names the index: the planner would read all waiting entries and sort them, which takes time in proportion to
/// their number.
fn round_clause(round: Round) -> String {
    let (index, attempts) = match round {
        Round::First => ("outbox_first_round", "= 0"),
        Round::Later => ("outbox_later_rounds", "> 0"),
    };
    let known: Vec<String> = MailKind::ALL
        .iter()
        .map(|kind| format!("'{kind}'"))
        .collect();
    format!(
        "outbox INDEXED BY {index} WHERE state = 'waiting' AND attempts {attempts} AND kind IN ({})",
        known.join(", ")
    )
}

/// Returns the time from which the next entry of a round may be leased.
fn first_free_at(connection: &Connection, round: Round) -> Result<Option<Timestamp>, StoreError> {
    let sql = format!(
        "SELECT free_at FROM {} ORDER BY free_at, id LIMIT 1",
        round_clause(round)
    );
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement
                .query_row([], |row| timestamp(row.get(0)?))
                .optional()
        })
        .map_err(store_error)
}

/// Leases up to `limit` entries that the clause `from` selects. Returns the cause for those that cannot be read.
///
/// The statement has no RETURNING, since SQLite creates a table with space for 20 pages for each such statement. Its LIMIT is
/// not bound, since SQLite prepares a statement anew each time a LIMIT is bound.
fn lease_matching(
    connection: &Connection,
    from: &str,
    parameters: impl Params,
    lease: Lease,
    limit: usize,
) -> rusqlite::Result<Vec<Result<Entry, (EntryId, rusqlite::Error)>>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM {from}"))?;
    let found = statement.query_map(parameters, |row| {
        let id = EntryId::from_bytes(row.get("id")?);
        Ok((id, read_entry(row)))
    })?;
    let found = found.take(limit).collect::<Result<Vec<_>, _>>()?;
    let mut leasing = connection.prepare_cached(
        "UPDATE outbox SET lease_holder = ?, lease_until = ?, attempts = attempts + 1 WHERE id = ?",
    )?;
    let lease_one = |(id, entry): (EntryId, rusqlite::Result<Entry>)| {
        let (holder, until) = (lease.holder.as_bytes(), lease.until.as_millisecond());
        leasing.execute(params![holder, until, id.as_bytes()])?;
        let leased = entry.map(|entry| Entry {
            attempts: entry.attempts + 1,
            lease: Some(lease),
            ..entry
        });
        Ok(leased.map_err(|error| (id, error)))
    };
    found.into_iter().map(lease_one).collect()
}

/// Marks an entry that cannot be read as dead, so that it does not block the entries behind it.
fn give_up(connection: &Connection, id: EntryId, error: &rusqlite::Error) -> rusqlite::Result<()> {
    tracing::error!(entry = %id, %error, "cannot read a mail in the outbox, so it is not sent");
    connection
        .prepare_cached("UPDATE outbox SET state = 'dead', last_error = ?, lease_holder = NULL, lease_until = NULL WHERE id = ?")?
        .execute(params![error.to_string(), id.as_bytes()])
        .map(|_| ())
}

/// Returns whether an account is disabled. An unknown account takes the same work.
pub(super) fn is_disabled(connection: &Connection, account: AccountId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM account WHERE id = ? AND is_disabled = 1")?
        .exists([account.as_bytes()])
}

/// Does the same work as the queueing of a mail, and stores nothing.
fn write_decoy(connection: &Connection, entry: &Entry, event: &Event) -> rusqlite::Result<()> {
    insert_entry_into(connection, "decoy_outbox", entry, "")?;
    insert_event_into(connection, "decoy_history", event)?;
    for table in ["decoy_outbox", "decoy_history"] {
        connection
            .prepare_cached(&format!("DELETE FROM {table}"))?
            .execute([])?;
    }
    Ok(())
}

#[async_trait]
impl Outbox for SqliteStore {
    async fn queue_mail(
        &self,
        entry: &Entry,
        event: &Event,
        counting: Option<LimitedCall>,
    ) -> Result<QueueResult, StoreError> {
        if let Some(counting) = counting
            && let Some(early) = self.check_limit(counting).await?
        {
            return Ok(QueueResult::TooEarly(early));
        }
        let (entry, event) = (entry.clone(), event.clone());
        self.writer
            .write(move |connection| {
                if let Some(counting) = counting
                    && let Err(early) = count_call(connection, counting)?
                {
                    return Ok(QueueResult::TooEarly(early));
                }
                let is_disabled = is_disabled(connection, entry.account).map_err(store_error)?;
                if !is_disabled && insert_entry(connection, &entry).map_err(store_error)? {
                    insert_event(connection, &event).map_err(store_error)?;
                    return Ok(QueueResult::Queued);
                }
                write_decoy(connection, &entry, &event).map_err(store_error)?;
                Ok(QueueResult::NoAccount)
            })
            .await
    }

    async fn queue_signup_mail(
        &self,
        entry: &Entry,
        counting: Option<LimitedCall>,
    ) -> Result<Result<(), TooEarly>, StoreError> {
        let entry = entry.clone();
        self.writer
            .write(move |connection| {
                if let Some(counting) = counting
                    && let Err(early) = count_call(connection, counting)?
                {
                    return Ok(Err(early));
                }
                // If the sign-up was confirmed or has expired in the meantime, there is nothing to send.
                insert_entry(connection, &entry).map_err(store_error)?;
                Ok(Ok(()))
            })
            .await
    }

    async fn lease_due(
        &self,
        round: Round,
        now: Timestamp,
        lease: Lease,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        // Query a reader first: most of the time nothing is due, and then nothing is written.
        let due = self
            .readers
            .read_inline(move |connection| first_free_at(connection, round));
        if due.await?.is_none_or(|due| due > now) {
            return Ok(Vec::new());
        }
        let next = format!(
            "{} AND free_at <= ? ORDER BY free_at, id",
            round_clause(round)
        );
        // A lease that a power cut undoes counts as ended.
        self.writer
            .write_without_flush(move |connection| {
                let now = [now.as_millisecond()];
                let leased =
                    lease_matching(connection, &next, now, lease, limit).map_err(store_error)?;
                let mut read = Vec::new();
                for leased in leased {
                    match leased {
                        Ok(entry) => read.push(entry),
                        Err((id, error)) => give_up(connection, id, &error).map_err(store_error)?,
                    }
                }
                Ok(read)
            })
            .await
    }

    async fn lease_entry(
        &self,
        id: EntryId,
        wanted: LeaseMode,
        now: Timestamp,
        lease: Lease,
    ) -> Result<LeaseResult, StoreError> {
        let state = match wanted {
            LeaseMode::WaitingOnly => " AND state = 'waiting'",
            LeaseMode::Revive | LeaseMode::KeepState => "",
        };
        let exists = format!("SELECT 1 FROM outbox WHERE id = ?{state}");
        let free = format!("outbox WHERE id = ?1 AND coalesce(lease_until, ?2) <= ?2{state}");
        self.writer
            .write(move |connection| {
                let parameters = params![id.as_bytes(), now.as_millisecond()];
                let leased = lease_matching(connection, &free, parameters, lease, 1)
                    .and_then(|found| {
                        found
                            .into_iter()
                            .next()
                            .transpose()
                            .map_err(|(_, error)| error)
                    })
                    .map_err(store_error)?;
                if let Some(mut entry) = leased {
                    if wanted == LeaseMode::Revive {
                        connection
                            .prepare_cached("UPDATE outbox SET state = 'waiting' WHERE id = ?")
                            .and_then(|mut statement| statement.execute([id.as_bytes()]))
                            .map_err(store_error)?;
                        entry.state = EntryState::Waiting;
                    }
                    return Ok(LeaseResult::Leased(Box::new(entry)));
                }
                let exists = connection
                    .prepare_cached(&exists)
                    .and_then(|mut statement| statement.exists([id.as_bytes()]))
                    .map_err(store_error)?;
                Ok(if exists {
                    LeaseResult::Held
                } else {
                    LeaseResult::NotFound
                })
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
                    .map_err(store_error)
            })
            .await
    }

    async fn settle(
        &self,
        id: EntryId,
        holder: LeaseId,
        outcome: &Outcome,
        event: Option<&Event>,
    ) -> Result<bool, StoreError> {
        let (outcome, event) = (outcome.clone(), event.cloned());
        self.writer
            .write(move |connection| {
                let (id, holder) = (id.as_bytes(), holder.as_bytes());
                let settled = match &outcome {
                    Outcome::Sent | Outcome::Dropped => connection
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
                if settled.map_err(store_error)? == 0 {
                    return Ok(false);
                }
                if let Some(event) = &event {
                    insert_event(connection, event).map_err(store_error)?;
                }
                Ok(true)
            })
            .await
    }

    async fn release_entry(&self, entry: &Entry, error: Option<&str>) -> Result<bool, StoreError> {
        let (id, error) = (entry.id, error.map(str::to_owned));
        let Some(lease) = entry.lease else {
            return Ok(false);
        };
        // If a power cut undoes this, the lease ends by itself.
        self.writer
            .write_without_flush(move |connection| {
                connection
                    .prepare_cached(
                        "UPDATE outbox SET attempts = max(attempts - 1, 0), last_error = coalesce(?, last_error),
                             lease_holder = NULL, lease_until = NULL
                         WHERE id = ? AND lease_holder = ?",
                    )
                    .and_then(|mut statement| {
                        statement.execute(params![error, id.as_bytes(), lease.holder.as_bytes()])
                    })
                    .map(|changed| changed > 0)
                    .map_err(store_error)
            })
            .await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.readers
            .read_inline(|connection| {
                let first = first_free_at(connection, Round::First)?;
                let later = first_free_at(connection, Round::Later)?;
                Ok(first.into_iter().chain(later).min())
            })
            .await
    }

    async fn outbox_state(&self) -> Result<OutboxState, StoreError> {
        self.readers
            .read(|connection| {
                let mut state = OutboxState::default();
                let mut statement = connection
                    .prepare_cached(
                        "SELECT state, count(*), min(requested_at) FROM outbox GROUP BY state",
                    )
                    .map_err(store_error)?;
                let mut rows = statement.query([]).map_err(store_error)?;
                while let Some(row) = rows.next().map_err(store_error)? {
                    let count = row.get::<_, i64>(1).map_err(store_error)?.unsigned_abs();
                    match parse_column(row, "state").map_err(store_error)? {
                        EntryState::Waiting => {
                            let since = row.get(2).and_then(timestamp).map_err(store_error)?;
                            state.waiting = count;
                            state.oldest_waiting_since = Some(since);
                        }
                        EntryState::Dead => state.dead = count,
                    }
                }
                Ok(state)
            })
            .await
    }

    async fn entries(
        &self,
        after: Option<EntryId>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.readers
            .read(move |connection| {
                let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
                let sql = format!("SELECT {COLUMNS} FROM outbox WHERE id > ? ORDER BY id LIMIT ?");
                let mut statement = connection.prepare_cached(&sql).map_err(store_error)?;
                let rows = statement
                    .query_map(params![after, limit as i64], read_entry)
                    .map_err(store_error)?;
                rows.collect::<Result<_, _>>().map_err(store_error)
            })
            .await
    }

    async fn entries_of(&self, account: AccountId) -> Result<Vec<Entry>, StoreError> {
        self.readers
            .read(move |connection| {
                let sql = format!(
                    "SELECT {COLUMNS} FROM outbox WHERE account = ? ORDER BY requested_at, id"
                );
                let mut statement = connection.prepare_cached(&sql).map_err(store_error)?;
                let rows = statement
                    .query_map([account.as_bytes()], read_entry)
                    .map_err(store_error)?;
                rows.collect::<Result<_, _>>().map_err(store_error)
            })
            .await
    }
}
