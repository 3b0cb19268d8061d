//! Pending changes.

use async_trait::async_trait;
use jiff::Timestamp;
use movie_bag_core::domain::email_address::EmailAddress;
use movie_bag_core::domain::id::{AccountId, PendingId};
use movie_bag_core::domain::pending::{PendingChange, PendingKind};
use movie_bag_core::ports::store::{PendingChanges, PutPending, StoreError};
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};

use super::SqliteStore;
use super::columns::{parse_column, timestamp};
use super::errors::store_error;

const COLUMNS: &str = "id, kind, account, address, origin, requested_at, expires_at";
/// Maximum number of expired changes that are deleted in one step, so that the steps behind it do not wait for long.
const BATCH: usize = 1_000;

fn read_change(row: &Row<'_>) -> rusqlite::Result<PendingChange> {
    Ok(PendingChange {
        id: PendingId::from_bytes(row.get("id")?),
        kind: parse_column(row, "kind")?,
        account: AccountId::from_bytes(row.get("account")?),
        address: row.get("address")?,
        origin: parse_column(row, "origin")?,
        requested_at: timestamp(row.get("requested_at")?)?,
        expires_at: timestamp(row.get("expires_at")?)?,
    })
}

/// Stores a change, or replaces all but the ids of the one with its key, as part of a larger step.
pub(super) fn put_change(connection: &Connection, change: &PendingChange) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&format!(
            "INSERT INTO pending_change (key, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (key) DO UPDATE SET address = excluded.address, origin = excluded.origin,
                 requested_at = excluded.requested_at, expires_at = excluded.expires_at"
        ))?
        .execute(params![
            change.key(),
            change.id.as_bytes(),
            change.kind.name(),
            change.account.as_bytes(),
            change.address,
            change.origin.to_string(),
            change.requested_at.as_millisecond(),
            change.expires_at.as_millisecond(),
        ])
        .map(|_| ())
}

fn select(
    connection: &Connection,
    condition: &str,
    parameters: impl Params,
) -> Result<Vec<PendingChange>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM pending_change WHERE {condition}");
    let mut statement = connection.prepare_cached(&sql).map_err(store_error)?;
    let rows = statement
        .query_map(parameters, read_change)
        .map_err(store_error)?;
    rows.collect::<Result<_, _>>().map_err(store_error)
}

fn delete_expired(connection: &Connection, now: Timestamp) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(&format!(
            "DELETE FROM pending_change WHERE id IN (SELECT id FROM pending_change WHERE expires_at <= ? LIMIT {BATCH})"
        ))?
        .execute([now.as_millisecond()])
}

#[async_trait]
impl PendingChanges for SqliteStore {
    async fn put_pending(
        &self,
        change: &PendingChange,
        most: Option<u64>,
    ) -> Result<PutPending, StoreError> {
        let change = change.clone();
        self.writer
            .write(move |connection| {
                if let Some(most) = most {
                    delete_expired(connection, change.requested_at).map_err(store_error)?;
                    let stored: i64 = connection
                        .prepare_cached("SELECT count(*) FROM pending_change WHERE kind = ?")
                        .and_then(|mut statement| {
                            statement.query_row([change.kind.name()], |row| row.get(0))
                        })
                        .map_err(store_error)?;
                    if stored.unsigned_abs() >= most {
                        return Ok(PutPending::Full);
                    }
                }
                put_change(connection, &change).map_err(store_error)?;
                let stored = select(connection, "key = ?", [change.key()])?;
                let stored = stored.into_iter().next();
                Ok(PutPending::Stored(Box::new(stored.unwrap_or(change))))
            })
            .await
    }

    async fn pending_change(&self, id: PendingId) -> Result<Option<PendingChange>, StoreError> {
        self.readers
            .read_inline(move |connection| Ok(select(connection, "id = ?", [id.as_bytes()])?.pop()))
            .await
    }

    async fn pending_changes_of(
        &self,
        account: AccountId,
    ) -> Result<Vec<PendingChange>, StoreError> {
        self.readers
            .read_inline(move |connection| {
                let condition = "account = ? ORDER BY requested_at, id";
                select(connection, condition, [account.as_bytes()])
            })
            .await
    }

    async fn pending_changes(
        &self,
        after: Option<PendingId>,
        limit: usize,
    ) -> Result<Vec<PendingChange>, StoreError> {
        self.readers
            .read(move |connection| {
                let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
                let parameters = params![after, limit as i64];
                select(connection, "id > ? ORDER BY id LIMIT ?", parameters)
            })
            .await
    }

    async fn is_address_revertible(
        &self,
        address: &EmailAddress,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let address = address.as_str().to_owned();
        self.readers
            .read_inline(move |connection| {
                let kind = PendingKind::RevertAddress.name();
                connection
                    .prepare_cached(
                        "SELECT 1 FROM pending_change WHERE kind = ? AND address = ? COLLATE NOCASE AND expires_at > ?",
                    )
                    .and_then(|mut statement| {
                        let parameters = params![kind, address, now.as_millisecond()];
                        statement.query_row(parameters, |_| Ok(())).optional()
                    })
                    .map(|found| found.is_some())
                    .map_err(store_error)
            })
            .await
    }

    async fn delete_pending(&self, changes: &[PendingChange]) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let requests = changes
            .iter()
            .map(|change| (change.id, change.requested_at));
        let requests: Vec<_> = requests.collect();
        self.writer
            .write(move |connection| {
                for (id, requested_at) in &requests {
                    // A trigger deletes the mails.
                    connection
                        .prepare_cached(
                            "DELETE FROM pending_change WHERE id = ? AND requested_at = ?",
                        )
                        .and_then(|mut statement| {
                            statement.execute(params![id.as_bytes(), requested_at.as_millisecond()])
                        })
                        .map_err(store_error)?;
                }
                Ok(())
            })
            .await
    }

    async fn delete_expired_pending(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let step = self
                .writer
                .write(move |connection| delete_expired(connection, now).map_err(store_error));
            let batch = step.await?;
            deleted += batch as u64;
            if batch < BATCH {
                return Ok(deleted);
            }
        }
    }
}
