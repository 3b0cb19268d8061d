//! History of accounts: the collection `movie_bag_history`.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{DateTime, Document, doc};
use movie_bag_core::domain::event::{COUNTED_LINES, Event, HISTORY_LINES};
use movie_bag_core::domain::id::AccountId;
use movie_bag_core::ports::store::{History, StoreError};

use super::MongoStore;
use super::documents::{EventDocument, date, object_id};
use super::errors::{backoff, describe, is_server_conflict};
use super::paging::server_limit;
use super::steps::{Outcome, Step};

/// Number of lines written by a process between two trims of a history.
const TRIM_INTERVAL: u32 = 16;
/// Maximum number of old lines that are deleted in one step.
const BATCH: usize = 1_000;

impl MongoStore {
    /// Deletes the oldest lines of an account beyond its limit. It does so after some lines and not after each, because it
    /// costs a query. After a failure the next call tries again.
    pub(super) async fn trim_occasionally(&self, account: ObjectId) {
        let line = self.lines.fetch_add(1, Ordering::Relaxed);
        if !line.is_multiple_of(TRIM_INTERVAL) {
            return;
        }
        if let Err(error) = self.trim(account).await {
            tracing::debug!("cannot trim a history: {}", describe(&error));
        }
    }

    async fn trim(&self, account: ObjectId) -> mongodb::error::Result<()> {
        let beyond = self
            .collections
            .history
            .with_type::<EventDocument>()
            .find_one(doc! { "account": account })
            .sort(doc! { "at": -1, "_id": -1 })
            .skip(HISTORY_LINES as u64)
            .await?;
        let Some(beyond) = beyond else { return Ok(()) };
        let older = doc! { "account": account, "$or": [
            { "at": { "$lt": beyond.at } },
            { "at": beyond.at, "_id": { "$lte": beyond.id } },
        ] };
        self.collections
            .history
            .delete_many(older)
            .await
            .map(|_| ())
    }

    /// Adds an event of a counted kind to the line of its day. The line is inserted like every other line, so that it does not
    /// outlive its account. Counting changes an existing line and inserts none.
    async fn count_event(&self, event: &Event) -> Result<(), StoreError> {
        let line = EventDocument::for_day(event);
        if self.increment_line(&line, event.day()).await? {
            return Ok(());
        }
        let insert = Step::Record {
            event: line.clone(),
        };
        if self.execute(insert).await? == Outcome::Refused {
            return Ok(());
        }
        self.increment_line(&line, event.day()).await?;
        self.run(self.trim_counted(&line)).await
    }

    /// Counts an event in a line. Returns `false` if no such line exists.
    async fn increment_line(&self, line: &EventDocument, day: i64) -> Result<bool, StoreError> {
        const DAY: i64 = 86_400_000;
        let begin = DateTime::from_millis(day.saturating_mul(DAY));
        let end = DateTime::from_millis(day.saturating_add(1).saturating_mul(DAY));
        let increment = doc! {
            "$inc": { "count": 1_i64 },
            "$max": { "at": line.at },
            "$min": { "first_at": line.first_at },
            "$set": { "origin": &line.origin, "detail": &line.detail },
        };
        self.run(async {
            let mut tried = 0;
            loop {
                // The line is not selected by id, since a line that was copied from another database has a different id.
                let is_same_line = doc! {
                    "account": line.account,
                    "kind": &line.kind,
                    "at": { "$gte": begin, "$lt": end },
                };
                match self
                    .collections
                    .history
                    .update_one(is_same_line, increment.clone())
                    .await
                {
                    Err(error) if is_server_conflict(&error) => {
                        tokio::time::sleep(backoff(tried)).await;
                        tried += 1;
                    }
                    counted => return counted,
                }
            }
        })
        .await
    }

    /// Deletes an account's oldest lines of a counted kind beyond their limit.
    async fn trim_counted(&self, line: &EventDocument) -> mongodb::error::Result<()> {
        let same = doc! { "account": line.account, "kind": &line.kind };
        let beyond: Vec<Document> = self
            .collections
            .history
            .find(same)
            .sort(doc! { "at": -1, "_id": -1 })
            .skip(COUNTED_LINES as u64)
            .projection(doc! { "_id": 1 })
            .await?
            .try_collect()
            .await?;
        let ids: Vec<_> = beyond.iter().filter_map(|line| line.get("_id")).collect();
        if !ids.is_empty() {
            let is_beyond = doc! { "_id": { "$in": ids } };
            self.collections.history.delete_many(is_beyond).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl History for MongoStore {
    async fn record(&self, event: &Event) -> Result<(), StoreError> {
        if event.kind.is_counted() {
            return self.count_event(event).await;
        }
        let step = Step::Record {
            event: event.into(),
        };
        self.execute(step).await.map(|_| ())
    }

    async fn history(&self, account: AccountId, limit: usize) -> Result<Vec<Event>, StoreError> {
        let account = object_id(account.as_bytes());
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.run(async {
            self.complete_steps_of(account).await?;
            let found = self
                .collections
                .history
                .with_type::<EventDocument>()
                .find(doc! { "account": account })
                .sort(doc! { "at": -1, "_id": -1 })
                .limit(server_limit(limit))
                .await?;
            found
                .and_then(|event| async { event.try_into() })
                .try_collect()
                .await
        })
        .await
    }

    async fn delete_events_before(&self, moment: Timestamp) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let some = self.run(async {
                let old: Vec<Document> = self
                    .collections
                    .history
                    .find(doc! { "at": { "$lt": date(moment) } })
                    .projection(doc! { "_id": 1 })
                    .limit(server_limit(BATCH))
                    .await?
                    .try_collect()
                    .await?;
                let ids: Vec<_> = old.iter().filter_map(|line| line.get("_id")).collect();
                if ids.is_empty() {
                    return Ok(0);
                }
                let is_old = doc! { "_id": { "$in": ids } };
                self.collections.history.delete_many(is_old).await
            });
            match some.await? {
                0 => return Ok(forgotten),
                deleted => forgotten += deleted,
            }
        }
    }
}
