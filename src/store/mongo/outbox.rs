//! The outbox: the collection `movie_bag_outbox`.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::bson::{DateTime, Document, doc};

use super::super::{Outbox, StoreError};
use super::MongoStore;
use super::documents::{
    EntryDocument, LeaseDocument, SENT, date, document, free_at, object_id, timestamp,
};
use super::steps::{Outcome, Step};
use crate::domain::event::Event;
use crate::domain::id::{AccountId, EntryId, LeaseId};
use crate::domain::outbox::{self, Entry, EntryState, Lease};

/// Those that wait, the ones that are due the longest first.
fn waiting() -> Document {
    doc! { "state": EntryState::Waiting.name() }
}

fn by_urgency() -> Document {
    doc! { "free_at": 1, "_id": 1 }
}

#[async_trait]
impl Outbox for MongoStore {
    async fn queue_mail(&self, entry: &Entry, event: &Event) -> Result<bool, StoreError> {
        let step = Step::QueueMail {
            event: event.into(),
            mail: entry.into(),
        };
        Ok(self.step(step).await? == Outcome::Done)
    }

    async fn lease_next(&self, now: Timestamp, lease: Lease) -> Result<Option<Entry>, StoreError> {
        let mut due = waiting();
        // Dates are whole milliseconds, so this is "at `now` or before"; `$lte` on a compound index leaves out equal
        // dates on one server that speaks the protocol.
        let just_after = DateTime::from_millis(now.as_millisecond().saturating_add(1));
        due.insert("free_at", doc! { "$lt": just_after });
        self.within(async {
            // Looked for and then taken by a conditional update, which finds it by its id: whoever was faster has
            // changed the number of attempts, and the next one is looked for.
            loop {
                let found = self
                    .at
                    .outbox
                    .clone_with_type::<EntryDocument>()
                    .find_one(due.clone())
                    .sort(by_urgency())
                    .await?;
                let Some(entry) = found else {
                    return Ok(None);
                };
                let is_free = doc! { "_id": entry.id, "state": EntryState::Waiting.name(), "attempts": entry.attempts, "free_at": entry.free_at };
                let free_at = free_at(entry.next_try_at, Some(lease));
                let hold = doc! {
                    "$set": { "lease": document(&LeaseDocument::from(lease))?, "free_at": free_at },
                    "$inc": { "attempts": 1_i64 },
                };
                if self.at.outbox.update_one(is_free, hold).await?.matched_count == 0 {
                    continue;
                }
                // A step that queued it and was left unfinished is completed before the mail can be gone.
                self.touch(entry.account).await?;
                let mut held = entry;
                held.lease = Some(lease.into());
                held.attempts += 1;
                return held.try_into().map(Some);
            }
        })
        .await
    }

    async fn renew_lease(&self, id: EntryId, lease: Lease) -> Result<bool, StoreError> {
        let is_held = doc! { "_id": object_id(id.as_bytes()), "lease.holder": object_id(lease.holder.as_bytes()) };
        let until = date(lease.until);
        self.within(async {
            let renewed = self.at.outbox.update_one(
                is_held,
                doc! { "$set": { "lease.until": until }, "$max": { "free_at": until } },
            );
            Ok(renewed.await?.matched_count > 0)
        })
        .await
    }

    async fn settle(
        &self,
        id: EntryId,
        holder: LeaseId,
        outcome: &outbox::Outcome,
        event: &Event,
    ) -> Result<bool, StoreError> {
        let step = Step::Settle {
            entry: object_id(id.as_bytes()),
            holder: object_id(holder.as_bytes()),
            outcome: outcome.into(),
            event: event.into(),
        };
        Ok(self.step(step).await? == Outcome::Done)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.within(async {
            let first = self
                .at
                .outbox
                .find_one(waiting())
                .sort(by_urgency())
                .projection(doc! { "free_at": 1 })
                .await?;
            first
                .map(|first| timestamp(*first.get_datetime("free_at")?))
                .transpose()
        })
        .await
    }

    async fn entries_of(&self, account: AccountId) -> Result<Vec<Entry>, StoreError> {
        let account = object_id(account.as_bytes());
        self.within(async {
            self.touch(account).await?;
            let found = self
                .at
                .outbox
                .clone_with_type::<EntryDocument>()
                .find(doc! { "account": account, "state": { "$ne": SENT } })
                .sort(doc! { "requested_at": 1, "_id": 1 })
                .await?;
            found
                .and_then(|entry| async { entry.try_into() })
                .try_collect()
                .await
        })
        .await
    }
}
