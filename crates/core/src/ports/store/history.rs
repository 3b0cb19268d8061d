//! History of accounts.

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::StoreError;
use crate::domain::event::Event;
use crate::domain::id::AccountId;

/// History of accounts.
///
/// An account keeps its newest [`HISTORY_LINES`], a few more until the next cleanup, and of each counted kind its newest
/// [`COUNTED_LINES`].
///
/// [`HISTORY_LINES`]: crate::domain::event::HISTORY_LINES
/// [`COUNTED_LINES`]: crate::domain::event::COUNTED_LINES
#[async_trait]
pub trait History {
    /// Adds a line. An event of a counted kind increments the line of its day instead, which need not survive a power
    /// failure. Has no effect if the account does not exist.
    async fn record(&self, event: &Event) -> Result<(), StoreError>;

    /// Returns the newest `limit` lines of an account, newest first. Lines of the same time that one process wrote are in
    /// the reverse order of writing.
    async fn history(&self, account: AccountId, limit: usize) -> Result<Vec<Event>, StoreError>;

    /// Deletes the lines of all accounts that are older than `moment`, and returns their number.
    async fn delete_events_before(&self, moment: Timestamp) -> Result<u64, StoreError>;
}
