//! What is kept of limits.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::super::{LimitedCall, Limits, StoreError};
use super::{SqliteStore, failed, timestamp};
use movie_bag_core::domain::limit::{LimitKey, LimitState, TooEarly};

/// How many tallies are forgotten in one step, so that nobody waits long behind it.
const AT_ONCE: usize = 1_000;

fn tally(connection: &Connection, key: LimitKey) -> Result<Option<LimitState>, StoreError> {
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
        .map_err(failed)
}

/// Counts, as a part of a greater step.
pub(super) fn count(
    connection: &Connection,
    counting: LimitedCall,
) -> Result<Result<LimitState, TooEarly>, StoreError> {
    let LimitedCall { limit, key, now } = counting;
    let counted = limit.count(tally(connection, key)?, now);
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
                    limit.kept_until(tally).as_millisecond()
                ])
            })
            .map_err(failed)?;
    }
    Ok(counted)
}

/// Forgets a key, as a part of a greater step.
pub(super) fn clear(connection: &Connection, key: LimitKey) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM tally WHERE key = ?")?
        .execute([key.0])
        .map(|_| ())
}

impl SqliteStore {
    /// Whether it is too early, asked of a reader: a refused call writes nothing.
    pub(super) async fn too_early(
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
            .glance(move |connection| tally(connection, key))
            .await
    }

    async fn count(
        &self,
        counting: LimitedCall,
    ) -> Result<Result<LimitState, TooEarly>, StoreError> {
        if let Some(early) = self.too_early(counting).await? {
            return Ok(Err(early));
        }
        self.writer
            .write_lightly(move |connection| count(connection, counting))
            .await
    }

    async fn clear_limit(&self, key: LimitKey) -> Result<(), StoreError> {
        self.writer
            .write_lightly(move |connection| clear(connection, key).map_err(failed))
            .await
    }

    async fn delete_expired_limits(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let deleted = self.writer.write_lightly(move |connection| {
                connection
                    .prepare_cached("DELETE FROM tally WHERE key IN (SELECT key FROM tally WHERE kept_until <= ? LIMIT ?)")
                    .and_then(|mut statement| statement.execute(params![now.as_millisecond(), AT_ONCE as i64]))
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
