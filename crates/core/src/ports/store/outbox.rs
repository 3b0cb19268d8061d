//! Persistent queue of mails that are not sent yet.

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::StoreError;
use super::limits::LimitedCall;
use crate::domain::event::Event;
use crate::domain::id::{AccountId, EntryId, LeaseId};
use crate::domain::limit::TooEarly;
use crate::domain::outbox::{Entry, Lease, OutboxState, Outcome, Round};

/// Result of [`Outbox::queue_mail`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueResult {
    /// The mail was queued and the call counted.
    Queued,
    /// The account does not exist or is disabled. The call was counted, and no mail queued.
    NoAccount,
    /// The rate limit refused the call. Nothing changed.
    TooEarly(TooEarly),
}

/// States of entries that [`Outbox::lease_entry`] may lease, and its effect on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseMode {
    /// Leases a waiting entry. A dead one counts as not found.
    WaitingOnly,
    /// Leases a waiting or dead entry. A dead one becomes a waiting one.
    Revive,
    /// Leases a waiting or dead entry, whose state stays as it is.
    KeepState,
}

/// Result of [`Outbox::lease_entry`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseResult {
    /// The caller holds the lease.
    Leased(Box<Entry>),
    /// Another worker holds the lease: the mail is being sent.
    Held,
    NotFound,
}

#[async_trait]
pub trait Outbox {
    /// Queues a mail, writes its line in the history, and counts the call against its rate limit. If the account does not
    /// exist or is disabled, the same amount of work is done without effect, so that the time does not reveal it. An entry may
    /// have a lease, which then holds from the start.
    async fn queue_mail(
        &self,
        entry: &Entry,
        event: &Event,
        call: Option<LimitedCall>,
    ) -> Result<QueueResult, StoreError>;

    /// Queues the mail of a sign-up, whose account does not exist yet, and counts the call against its rate limit.
    async fn queue_signup_mail(
        &self,
        entry: &Entry,
        call: Option<LimitedCall>,
    ) -> Result<Result<(), TooEarly>, StoreError>;

    /// Leases waiting entries of a round that have no valid lease and are due at `now`, and counts the attempts. The entries
    /// that have been due for longest come first, and among equal times those with the lower id.
    ///
    /// Leases up to `limit` entries (at least 1) if the database can do that in one step, otherwise one; none if none is
    /// due. Concurrent calls never lease the same entry.
    async fn lease_due(
        &self,
        round: Round,
        now: Timestamp,
        lease: Lease,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError>;

    /// Leases this entry, due or not, and counts the attempt.
    async fn lease_entry(
        &self,
        id: EntryId,
        mode: LeaseMode,
        now: Timestamp,
        lease: Lease,
    ) -> Result<LeaseResult, StoreError>;

    /// Extends a lease. Returns `false` if its holder has lost it.
    async fn renew_lease(&self, id: EntryId, lease: Lease) -> Result<bool, StoreError>;

    /// Stores the outcome of an attempt with its line in the history, and ends the lease. [`Outcome::Sent`] and
    /// [`Outcome::Dropped`] delete the entry. The mail of a sign-up has no line, since there is no account. Returns `false` and
    /// changes nothing if the holder has lost the lease.
    async fn settle(
        &self,
        id: EntryId,
        holder: LeaseId,
        outcome: &Outcome,
        event: Option<&Event>,
    ) -> Result<bool, StoreError>;

    /// Ends the lease of an entry that was not offered to the mail server. It is due as before and its attempt does not
    /// count; an error becomes its last error. Returns `false` and changes nothing if the holder has lost the lease.
    async fn release_entry(&self, entry: &Entry, error: Option<&str>) -> Result<bool, StoreError>;

    /// Returns the time at which the next entry becomes due or its lease expires, or `None` if no entry is waiting.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Returns the numbers of waiting and dead entries, and the time of the oldest waiting one. Must be answered by an
    /// index: the caller may call this every second.
    async fn outbox_state(&self) -> Result<OutboxState, StoreError>;

    /// Returns up to `limit` entries of all accounts, waiting and dead, in the order of their ids, beginning after `after`.
    async fn entries(&self, after: Option<EntryId>, limit: usize)
    -> Result<Vec<Entry>, StoreError>;

    /// Returns the entries of one account, waiting and dead, the oldest request first.
    async fn entries_of(&self, account: AccountId) -> Result<Vec<Entry>, StoreError>;
}
