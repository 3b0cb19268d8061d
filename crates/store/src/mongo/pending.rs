//! Pending changes: the collection `movie_bag_pending`.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::error::{Error, Result};
use movie_bag_core::domain::email_address::EmailAddress;
use movie_bag_core::domain::event::UnknownName;
use movie_bag_core::domain::id::{AccountId, PendingId};
use movie_bag_core::domain::pending::{PendingChange, PendingKind};
use movie_bag_core::ports::store::{PendingChanges, PutPending, StoreError};
use serde::{Deserialize, Serialize};

use super::MongoStore;
use super::documents::{date, decode, invalid, object_id, timestamp, to_document};
use super::errors::{backoff, is_duplicate};
use super::paging::{fetch_page, server_limit};

/// Maximum number of expired changes that are deleted in one step.
const BATCH: usize = 1_000;

/// A document in `movie_bag_pending`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PendingDocument {
    #[serde(rename = "_id")]
    id: ObjectId,
    /// There is one document at most for each key.
    key: String,
    kind: String,
    account: ObjectId,
    address: String,
    /// Address in lower case, for searches in any case.
    folded: String,
    origin: String,
    requested_at: DateTime,
    expires_at: DateTime,
}

impl From<&PendingChange> for PendingDocument {
    fn from(change: &PendingChange) -> Self {
        Self {
            id: object_id(change.id.as_bytes()),
            key: change.key(),
            kind: change.kind.name().to_owned(),
            account: object_id(change.account.as_bytes()),
            address: change.address.clone(),
            folded: change.address.to_ascii_lowercase(),
            origin: change.origin.to_string(),
            requested_at: date(change.requested_at),
            expires_at: date(change.expires_at),
        }
    }
}

impl TryFrom<PendingDocument> for PendingChange {
    type Error = Error;

    fn try_from(document: PendingDocument) -> Result<Self> {
        let unknown = |error: UnknownName| invalid(format!("pending {}: {error}", document.id));
        Ok(Self {
            id: PendingId::from_bytes(document.id.bytes()),
            kind: document.kind.parse().map_err(unknown)?,
            account: AccountId::from_bytes(document.account.bytes()),
            address: document.address,
            origin: document.origin.parse().map_err(unknown)?,
            requested_at: timestamp(document.requested_at)?,
            expires_at: timestamp(document.expires_at)?,
        })
    }
}

fn read(found: Document) -> Result<PendingChange> {
    decode::<PendingDocument>("movie_bag_pending", found)?.try_into()
}

impl MongoStore {
    async fn find_pending(&self, filter: Document) -> Result<Option<PendingChange>> {
        let found = self.collections.pending.find_one(filter).await?;
        found.map(read).transpose()
    }

    /// Stores a change, or replaces all but the ids of the one with its key.
    async fn put_change(&self, change: &PendingChange) -> Result<PendingChange> {
        let mut set = to_document(&PendingDocument::from(change))?;
        let mut new = Document::new();
        for field in ["_id", "kind", "account"] {
            new.insert(field, set.remove(field));
        }
        let is_same = doc! { "key": change.key() };
        let mut tries = 0;
        loop {
            let update = doc! { "$set": set.clone(), "$setOnInsert": new.clone() };
            let put = self.collections.pending.upsert_one(is_same.clone(), update);
            match put.await {
                // Another process inserted it in the meantime.
                Err(error) if is_duplicate(&error) => {
                    tokio::time::sleep(backoff(tries)).await;
                    tries += 1;
                }
                put => {
                    put?;
                    let stored = self.find_pending(is_same).await?;
                    return Ok(stored.unwrap_or_else(|| change.clone()));
                }
            }
        }
    }

    /// Deletes changes, their mails first: a mail without its change would be dead, and nothing would delete it.
    async fn delete_changes(&self, changes: &[PendingChange]) -> Result<()> {
        for change in changes {
            let mails = doc! {
                "account": object_id(change.account.as_bytes()),
                "kind": change.kind.name(),
                "recipient": &change.address,
            };
            self.collections.outbox.delete_many(mails).await?;
            let id = object_id(change.id.as_bytes());
            self.collections
                .pending
                .delete_one(doc! { "_id": id })
                .await?;
        }
        Ok(())
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
        let stored = self.run(self.put_change(change)).await?;
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
        self.run(self.delete_changes(changes)).await
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
                let expired: Vec<_> = found
                    .and_then(|found| async { read(found) })
                    .try_collect()
                    .await?;
                self.delete_changes(&expired).await?;
                Ok(expired.len())
            });
            let batch = expired.await?;
            deleted += batch as u64;
            if batch < BATCH {
                return Ok(deleted);
            }
        }
    }
}
