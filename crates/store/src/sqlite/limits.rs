//! Tallies of rate limits.

use async_trait::async_trait;
use jiff::Timestamp;
use movie_bag_core::domain::limit::{LimitKey, LimitState, TooEarly};
use movie_bag_core::ports::store::{LimitedCall, Limits, StoreError};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::SqliteStore;
use super::columns::timestamp;
use super::errors::store_error;

/// Maximum number of expired tallies that are deleted in one step, so that the steps behind it do not wait for long.
const BATCH: usize = 1_000;

fn find_tally(connection: &Connection, key: LimitKey) -> Result<Option<LimitState>, StoreError> {
    connection
        .prepare_cached("SELECT count, until FROM tally WHERE key = ?")
        .and_then(|mut statement| {
            statement
                .query_row([key.0], |row| {
                    Ok(LimitState {
                        count: row.get("count")?,
                        until: timestamp(row.get("until")?)?,
                    })
                })
                .optional()
        })
        .map_err(store_error)
}

/// Counts a call as part of a larger step.
pub(super) fn count_call(
    connection: &Connection,
    counting: LimitedCall,
) -> Result<Result<LimitState, TooEarly>, StoreError> {
    let LimitedCall { limit, key, now } = counting;
    let counted = limit.count(find_tally(connection, key)?, now);
    if let Ok(tally) = &counted {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO tally (key, count, until, kept_until) VALUES (?, ?, ?, ?)",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    key.0,
                    tally.count,
                    tally.until.as_millisecond(),
                    limit.expires_at(tally).as_millisecond()
                ])
            })
            .map_err(store_error)?;
    }
    Ok(counted)
}

/// Deletes a tally as part of a larger step.
pub(super) fn delete_tally(connection: &Connection, key: LimitKey) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM tally WHERE key = ?")?
        .execute([key.0])
        .map(|_| ())
}

impl SqliteStore {
    /// Checks a limit on a reader without counting, so that a refused call writes nothing.
    pub(super) async fn check_limit(
        &self,
        counting: LimitedCall,
    ) -> Result<Option<TooEarly>, StoreError> {
        let kept = self.limit_state(counting.key).await?;
        Ok(counting.limit.check(kept, counting.now).err())
    }
}

#[async_trait]
impl Limits for SqliteStore {
    async fn limit_state(&self, key: LimitKey) -> Result<Option<LimitState>, StoreError> {
        self.readers
            .read_inline(move |connection| find_tally(connection, key))
            .await
    }

    async fn count(
        &self,
        counting: LimitedCall,
    ) -> Result<Result<LimitState, TooEarly>, StoreError> {
        if let Some(early) = self.check_limit(counting).await? {
            return Ok(Err(early));
        }
        self.writer
            .write_without_flush(move |connection| count_call(connection, counting))
            .await
    }

    async fn clear_limit(&self, key: LimitKey) -> Result<(), StoreError> {
        self.writer
            .write_without_flush(move |connection| {
                delete_tally(connection, key).map_err(store_error)
            })
            .await
    }

    async fn delete_expired_limits(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let deleted = self.writer.write_without_flush(move |connection| {
                connection
                    .prepare_cached("DELETE FROM tally WHERE key IN (SELECT key FROM tally WHERE kept_until <= ? LIMIT ?)")
                    .and_then(|mut statement| statement.execute(params![now.as_millisecond(), BATCH as i64]))
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
