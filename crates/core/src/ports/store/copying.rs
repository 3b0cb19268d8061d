//! Copy of a whole database into another one.

use async_trait::async_trait;

use super::error::StoreError;
use crate::domain::account::Account;
use crate::domain::event::Event;
use crate::domain::id::LeaseId;
use crate::domain::movie::Movie;
use crate::domain::outbox::Entry;
use crate::domain::pending::PendingChange;

/// Numbers of rows in a database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub accounts: u64,
    /// Sign-ups and changes of addresses whose links were not used yet.
    pub pending_changes: u64,
    pub movies: u64,
    /// Entries of the outbox, waiting and dead.
    pub mails: u64,
    pub events: u64,
}

/// Position of a line among the histories of all accounts. Only the database that returned it can interpret it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPosition([u8; 12]);

impl EventPosition {
    /// Creates a position from the bytes by which the database orders the lines.
    pub fn from_bytes(bytes: [u8; 12]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes that the position was created from.
    pub fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

/// Rows that are written together into the target of a copy.
#[derive(Debug, Clone)]
pub enum CopyBatch {
    /// Accounts. They are written first, since the other rows belong to them.
    Accounts(Vec<Account>),
    /// Pending changes. They are written before the mails, some of which belong to them.
    PendingChanges(Vec<PendingChange>),
    Movies(Vec<Movie>),
    Mails(Vec<Entry>),
    /// Lines of history, in the order of their writing.
    Events(Vec<Event>),
}

/// Copy of a whole database into another one.
///
/// The target is marked as unfinished until the copy is complete, and a server does not use it meanwhile. An interrupted
/// copy is started anew.
#[async_trait]
pub trait Copying {
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// Returns up to `limit` lines of all histories in the order of their writing, beginning after `after`.
    async fn events(
        &self,
        after: Option<EventPosition>,
        limit: usize,
    ) -> Result<Vec<(EventPosition, Event)>, StoreError>;

    /// Marks an empty database as an unfinished copy by `holder`, and deletes first what an interrupted copy has left.
    /// Returns `false` and changes nothing if the database is in use.
    async fn begin_copy(&self, holder: LeaseId) -> Result<bool, StoreError>;

    /// Writes rows with their ids. Returns how many were left out because their account does not exist. Fails if another
    /// holder has begun a copy meanwhile.
    async fn write_batch(&self, holder: LeaseId, batch: &CopyBatch) -> Result<u64, StoreError>;

    /// Removes the mark. Fails if another holder has begun a copy meanwhile.
    async fn finish_copy(&self, holder: LeaseId) -> Result<(), StoreError>;

    /// Returns whether the database is marked as an unfinished copy.
    async fn is_copy_unfinished(&self) -> Result<bool, StoreError>;
}
