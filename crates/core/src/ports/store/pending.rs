//! Pending changes.
//!
//! Each method concerns one record. The use cases order their writes so that a record without its change, and a change whose
//! record is left over, are harmless: a token fits only while its change can still take effect.

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::StoreError;
use crate::domain::email_address::EmailAddress;
use crate::domain::id::{AccountId, PendingId};
use crate::domain::pending::PendingChange;

/// Result of [`PendingChanges::put_pending`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutPending {
    /// The record as it is stored: a repeated request keeps the ids of the one before.
    Stored(Box<PendingChange>),
    /// As many records as allowed exist. Nothing changed.
    Full,
}

#[async_trait]
pub trait PendingChanges {
    /// Stores a pending change. If there is one with its key, that one keeps its ids and gets the new address, origin and times.
    /// With `most`, the call is refused for every key once so many records that have not expired at the time of the request are
    /// stored; concurrent calls may exceed it by their number.
    async fn put_pending(
        &self,
        change: &PendingChange,
        most: Option<u64>,
    ) -> Result<PutPending, StoreError>;

    /// Returns the pending change with this id, expired or not.
    async fn pending_change(&self, id: PendingId) -> Result<Option<PendingChange>, StoreError>;

    /// Returns the pending changes of an account, or the sign-up that is to create it, the oldest request first.
    async fn pending_changes_of(
        &self,
        account: AccountId,
    ) -> Result<Vec<PendingChange>, StoreError>;

    /// Returns up to `limit` pending changes of all kinds in the order of their ids, beginning after `after`.
    async fn pending_changes(
        &self,
        after: Option<PendingId>,
        limit: usize,
    ) -> Result<Vec<PendingChange>, StoreError>;

    /// Returns whether an account had this address, in any case, and may still get it back: then no one else gets it without a
    /// proof that the mailbox is theirs.
    async fn is_address_revertible(
        &self,
        address: &EmailAddress,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Deletes pending changes, and the mails that wait for them. Those that do not exist, or that a later request has replaced, are
    /// left out.
    async fn delete_pending(&self, changes: &[PendingChange]) -> Result<(), StoreError>;

    /// Deletes the pending changes that have expired at `now`, and the mails that wait for them. Returns their number.
    async fn delete_expired_pending(&self, now: Timestamp) -> Result<u64, StoreError>;
}
