//! Storage of accounts, their mails and history, rate limits and movies.
//!
//! A method is one atomic step: either all of it takes effect or none of it, whenever the process dies. Once it returns
//! `Ok`, the change is durable, unless the method states otherwise. Transaction types do not leave an implementation.
//!
//! There is no `begin` and `commit`: the steps that must be atomic are few and each is a method here. A database without
//! transactions can implement each of them by the order of its writes.
//!
//! Every implementation must pass the same contract suite.

mod accounts;
mod copying;
mod error;
mod history;
mod inspection;
mod limits;
mod movies;
mod outbox;
mod pending;

use async_trait::async_trait;

pub use accounts::{
    AccountCreation, Accounts, CredentialChange, Deletion, Replacement, StatusChange,
};
pub use copying::{CopyBatch, Copying, Counts, EventPosition};
pub use error::StoreError;
pub use history::History;
pub use inspection::{Inspection, SchemaState};
pub use limits::{LimitedCall, Limits};
pub use movies::{MovieChange, MovieCreation, Movies, MoviesVersion};
pub use outbox::{LeaseMode, LeaseResult, Outbox, QueueResult};
pub use pending::{PendingChanges, PutPending};

/// Database of a server.
#[async_trait]
pub trait Store:
    Accounts + PendingChanges + Outbox + History + Limits + Movies + Send + Sync
{
    /// Checks that the database answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Waits until a background thread of the database has failed, and returns the cause. Never resolves for a database
    /// without one.
    async fn failure(&self) -> String {
        std::future::pending().await
    }

    /// Ends the connections to the database, before the process ends. Nothing may be called afterwards.
    async fn close(&self) {}
}

/// Database that can be the source and the target of a copy.
pub trait CopyableStore: Store + Copying {}

impl<T: Store + Copying> CopyableStore for T {}
