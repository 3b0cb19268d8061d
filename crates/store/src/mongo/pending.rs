//! Pending changes: the collection `movie_bag_pending`.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::error::Result;
use movie_bag_core::domain::email_address::EmailAddress;
use movie_bag_core::domain::id::{AccountId, PendingId};
use movie_bag_core::domain::pending::{PendingChange, PendingKind};
use movie_bag_core::ports::store::{PendingChanges, PutPending, StoreError};

use super::MongoStore;
use super::documents::{PendingDocument, date, decode, object_id};
use super::errors::backoff;
use super::paging::{fetch_page, server_limit};
use super::steps::{Outcome, Step};

/// Maximum number of expired changes that are deleted in one step.
const BATCH: usize = 1_000;

fn read(found: Document) -> Result<PendingChange> {
    decode::<PendingDocument>("movie_bag_pending", found)?.try_into()
}

impl MongoStore {
    async fn find_pending(&self, filter: Document) -> Result<Option<PendingChange>> {
        let found = self.collections.pending.find_one(filter).await?;
        found.map(read).transpose()
    }

    /// Stores a change, or replaces all but the ids of the one with its key.
    async fn put_change(
        &self,
        change: &PendingChange,
    ) -> std::result::Result<PendingChange, StoreError> {
        let mut tries = 0;
        while self.execute(Step::PutPending(change.into())).await? == Outcome::Taken {
            // Another process inserted it in the meantime.
            tokio::time::sleep(backoff(tries)).await;
            tries += 1;
        }
        let stored = self.run(self.find_pending(doc! { "key": change.key() }));
        Ok(stored.await?.unwrap_or_else(|| change.clone()))
    }
}

#[async_trait]
impl PendingChanges for MongoStore {
    async fn put_pending(
        &self,
        change: &PendingChange,
        most: Option<u64>,
    ) -> std::result::Result<PutPending, StoreError> {
        if let Some(most) = most {
            let count = || async {
                let of_kind = doc! { "kind": change.kind.name() };
                self.collections.pending.count_documents(of_kind).await
            };
            if self.run(count()).await? >= most {
                self.delete_expired_pending(change.requested_at).await?;
                if self.run(count()).await? >= most {
                    return Ok(PutPending::Full);
                }
            }
        }
        let stored = self.put_change(change).await?;
        Ok(PutPending::Stored(Box::new(stored)))
    }

    async fn pending_change(
        &self,
        id: PendingId,
    ) -> std::result::Result<Option<PendingChange>, StoreError> {
        self.run(self.find_pending(doc! { "_id": object_id(id.as_bytes()) }))
            .await
    }

    async fn pending_changes_of(
        &self,
        account: AccountId,
    ) -> std::result::Result<Vec<PendingChange>, StoreError> {
        let of_account = doc! { "account": object_id(account.as_bytes()) };
        self.run(async {
            let found = self.collections.pending.find(of_account);
            let found = found.sort(doc! { "requested_at": 1, "_id": 1 }).await?;
            found
                .and_then(|found| async { read(found) })
                .try_collect()
                .await
        })
        .await
    }

    async fn pending_changes(
        &self,
        after: Option<PendingId>,
        limit: usize,
    ) -> std::result::Result<Vec<PendingChange>, StoreError> {
        let after = after.map(|id| object_id(id.as_bytes()));
        let pending = &self.collections.pending;
        self.run(fetch_page(pending, doc! {}, doc! {}, after, limit, read))
            .await
    }

    async fn is_address_revertible(
        &self,
        address: &EmailAddress,
        now: Timestamp,
    ) -> std::result::Result<bool, StoreError> {
        let revertible = doc! {
            "kind": PendingKind::RevertAddress.name(),
            "folded": address.as_str().to_ascii_lowercase(),
            "expires_at": { "$gt": date(now) },
        };
        self.run(async { Ok(self.find_pending(revertible).await?.is_some()) })
            .await
    }

    async fn delete_pending(
        &self,
        changes: &[PendingChange],
    ) -> std::result::Result<(), StoreError> {
        for change in changes {
            self.execute(Step::DeletePending(change.into())).await?;
        }
        Ok(())
    }

    async fn delete_expired_pending(&self, now: Timestamp) -> std::result::Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let expired = self.run(async {
                // One server that implements the protocol leaves out equal dates for `$lte` (see `outbox.rs`).
                let just_after = DateTime::from_millis(now.as_millisecond().saturating_add(1));
                let expired = doc! { "expires_at": { "$lt": just_after } };
                let found = self.collections.pending.find(expired);
                let found = found.limit(server_limit(BATCH)).await?;
                let expired = found.and_then(|found| async { read(found) });
                expired.try_collect::<Vec<_>>().await
            });
            let expired = expired.await?;
            self.delete_pending(&expired).await?;
            deleted += expired.len() as u64;
            if expired.len() < BATCH {
                return Ok(deleted);
            }
        }
    }
}
