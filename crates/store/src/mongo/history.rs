//! The history of accounts: the collection `movie_bag_history`.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{DateTime, Document, doc};

use super::super::{History, StoreError};
use super::MongoStore;
use super::accounts::bounded;
use super::documents::{EventDocument, date, object_id};
use super::link::{backoff, in_words, is_collision};
use super::steps::{Outcome, Step};
use movie_bag_core::domain::event::{COUNTED_LINES, Event, HISTORY_LINES};
use movie_bag_core::domain::id::AccountId;

/// Every how many lines that a process writes an account's history is cut to its limit.
const TRIMMED_EVERY: u32 = 16;
/// How many lines are forgotten in one step.
const AT_ONCE: usize = 1_000;

impl MongoStore {
    /// Drops the oldest lines of an account beyond its limit, after some lines and not after each, since it is asked
    /// of the database. A failure is left to the next one.
    pub(super) async fn trim_now_and_then(&self, account: ObjectId) {
        let line = self.lines.fetch_add(1, Ordering::Relaxed);
        if !line.is_multiple_of(TRIMMED_EVERY) {
            return;
        }
        if let Err(error) = self.trim(account).await {
            tracing::debug!("cannot trim a history: {}", in_words(&error));
        }
    }

    async fn trim(&self, account: ObjectId) -> mongodb::error::Result<()> {
        let beyond = self
            .at
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
        self.at.history.delete_many(older).await.map(|_| ())
    }
}

impl MongoStore {
    /// Adds an event of a counted kind to the line of its day. The line is inserted as every other line is, so that it does
    /// not outlive its account; counting changes a line that exists and inserts none.
    async fn count_event(&self, event: &Event) -> Result<(), StoreError> {
        let line = EventDocument::of_day(event);
        if self.add_to(&line, event.day()).await? {
            return Ok(());
        }
        let begun = Step::Record {
            event: line.clone(),
        };
        if self.step(begun).await? == Outcome::Refused {
            return Ok(());
        }
        self.add_to(&line, event.day()).await?;
        self.within(self.trim_counted(&line)).await
    }

    /// Counts one more in a line; `false` where there is no such line.
    async fn add_to(&self, line: &EventDocument, day: i64) -> Result<bool, StoreError> {
        const DAY: i64 = 86_400_000;
        let begin = DateTime::from_millis(day.saturating_mul(DAY));
        let end = DateTime::from_millis(day.saturating_add(1).saturating_mul(DAY));
        let one_more = doc! {
            "$inc": { "count": 1_i64 },
            "$max": { "at": line.at },
            "$min": { "first_at": line.first_at },
            "$set": { "origin": &line.origin, "detail": &line.detail },
        };
        self.within(async {
            let mut tried = 0;
            loop {
                // Not by the id: a line that was copied from another database has another one.
                let this = doc! {
                    "account": line.account,
                    "kind": &line.kind,
                    "at": { "$gte": begin, "$lt": end },
                };
                match self.at.history.update_one(this, one_more.clone()).await {
                    Err(error) if is_collision(&error) => {
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
            .at
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
            let these = doc! { "_id": { "$in": ids } };
            self.at.history.delete_many(these).await?;
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
        self.step(step).await.map(|_| ())
    }

    async fn history(&self, account: AccountId, limit: usize) -> Result<Vec<Event>, StoreError> {
        let account = object_id(account.as_bytes());
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.within(async {
            self.touch(account).await?;
            let found = self
                .at
                .history
                .with_type::<EventDocument>()
                .find(doc! { "account": account })
                .sort(doc! { "at": -1, "_id": -1 })
                .limit(bounded(limit))
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
            let some = self.within(async {
                let old: Vec<Document> = self
                    .at
                    .history
                    .find(doc! { "at": { "$lt": date(moment) } })
                    .projection(doc! { "_id": 1 })
                    .limit(bounded(AT_ONCE))
                    .await?
                    .try_collect()
                    .await?;
                let ids: Vec<_> = old.iter().filter_map(|line| line.get("_id")).collect();
                if ids.is_empty() {
                    return Ok(0);
                }
                let these = doc! { "_id": { "$in": ids } };
                self.at.history.delete_many(these).await
            });
            match some.await? {
                0 => return Ok(forgotten),
                deleted => forgotten += deleted,
            }
        }
    }
}
