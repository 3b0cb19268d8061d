//! What must be kept, as promises that any database can keep.
//!
//! A method is one atomic step: all of it lasts, or none, whenever the process dies; when it returns `Ok`, it lasts.
//! No transaction type leaves this room. The use cases know these traits alone; which database stands behind them is
//! chosen once, in [`crate::cli`]. Every database is put under the same suite, `store::contract`.
//!
//! Why there is no `begin` and `commit`: the steps that must not be torn apart are few, and named here, and a database
//! without transactions can keep each of them by the order of its writes.

#[cfg(test)]
mod contract;
mod database;
mod inspection;
#[cfg(feature = "mongodb")]
mod mongo;
#[cfg(not(feature = "mongodb"))]
#[path = "mongo_unsupported.rs"]
mod mongo;
pub mod sqlite;
// The end-to-end tests use the same server.
#[cfg(all(test, feature = "mongodb"))]
#[path = "../../tests/it/harness/mongodb.rs"]
mod test_server;

pub use self::database::{Database, MongoSettings, UnusableDatabase};
pub use self::inspection::{Inspection, SchemaState};

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::account::Account;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::Event;
use crate::domain::id::{AccountId, EntryId, LeaseId, MovieId, RevocationId};
use crate::domain::limit::{Limit, LimitKey, Tally, TooEarly};
use crate::domain::movie::{Movie, MovieChanges};
use crate::domain::outbox::{Entry, Lease, OutboxState, Outcome, Round};
use crate::domain::password::{PasswordHash, cost_at_start};

/// Why a step could not be done. Nothing of it has happened, except where `Unavailable` came after the database had
/// already decided: then asking again tells.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database can't be reached, does not let us in, or is too busy: later may go.
    #[error("cannot use the database: {0}")]
    Unavailable(String),
    /// Others wrote to the same documents again and again until the time was over: later may go.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// The database answered with something that can't be gone on with; a person has to look.
    #[error("database error: {0}")]
    Broken(String),
}

/// What came of making an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// It is there now.
    Created,
    /// Another account has that address; nothing changed.
    AddressTaken,
}

/// A change of an account's password or address, to be done only where the credential still is the expected one.
#[derive(Debug, Clone)]
pub struct CredentialChange {
    /// The account as it was read: its id, and the address and hash that must still stand there.
    pub expected: Account,
    /// The address from then on.
    pub address: String,
    /// The hash from then on.
    pub password_hash: PasswordHash,
    /// The line in the history, kept with the change.
    pub event: Event,
    /// The confirmations, queued with the change.
    pub mails: Vec<Entry>,
    /// The tally that is forgotten with the change: the failed logins with the password before.
    pub forgives: Option<LimitKey>,
}

/// What came of a [`CredentialChange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// The credential is changed, and history and confirmations are there.
    Replaced,
    /// Another account has the new address; nothing changed.
    AddressTaken,
    /// The credential was no longer the expected one, or the account is gone; nothing changed.
    Superseded,
}

/// What a call is counted against.
#[derive(Debug, Clone, Copy)]
pub struct Counting {
    /// How often it may be done.
    pub limit: Limit,
    /// By whom, or to whom.
    pub key: LimitKey,
    /// When it is done.
    pub now: Timestamp,
}

/// What came of queueing a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queueing {
    /// It is queued, and counted.
    Queued,
    /// There is no such account: it is counted, and nothing is queued.
    NoAccount,
    /// It is too early for another one; nothing changed.
    TooEarly(TooEarly),
}

/// Which entry may be leased by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// One that waits: a dead one is as good as none.
    Waiting,
    /// A dead one, too: it waits from then on.
    Any,
    /// A dead one, too, which stays dead.
    AsItIs,
}

/// What came of leasing one entry by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leasing {
    /// It is the caller's.
    Leased(Box<Entry>),
    /// Somebody else holds it: it is being sent.
    Held,
    /// There is none.
    NotFound,
}

/// What goes with an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deletion {
    /// Movies the account added.
    pub movies: u64,
    /// Its mails that are still in the outbox, waiting and dead.
    pub mails: u64,
    /// Lines of its history.
    pub events: u64,
}

/// What came of adding a movie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovieCreation {
    /// It is there now, also in its account's list.
    Created,
    /// Another movie has that name; nothing changed.
    NameTaken,
    /// The account is gone; nothing changed.
    OwnerGone,
}

/// What came of changing or deleting a movie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovieChange {
    /// Done.
    Done,
    /// There is no such movie.
    NotFound,
    /// Somebody else added it; nothing changed.
    NotOwner,
    /// Another movie has that name; nothing changed.
    NameTaken,
}

/// Stands for what the movies were at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoviesMark(pub(in crate::store) i64);

/// How much a database holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accounts.
    pub accounts: u64,
    /// Movies.
    pub movies: u64,
    /// Entries of the outbox, waiting and dead.
    pub mails: u64,
    /// Lines of history.
    pub events: u64,
}

/// Where a line of history stands among all of its database; no other can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventPlace([u8; 12]);

/// A part of what is copied from one database into another.
#[derive(Debug, Clone)]
pub enum Portion {
    /// Accounts; they come first, since all else belongs to them.
    Accounts(Vec<Account>),
    /// Movies.
    Movies(Vec<Movie>),
    /// Entries of the outbox.
    Mails(Vec<Entry>),
    /// Lines of history, in the order of their writing.
    Events(Vec<Event>),
}

/// Accounts and their credentials.
#[async_trait]
pub trait Accounts {
    /// Makes an account with the first line of its history, and queues `mail` with it. The database decides that an
    /// address is there once, also when twenty ask for it at the same time.
    async fn create_account(
        &self,
        account: &Account,
        event: &Event,
        mail: Option<&Entry>,
    ) -> Result<Creation, StoreError>;

    /// The account with this id.
    async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError>;

    /// The account with this address. `typed` is what was typed: an account written by others in that exact spelling
    /// wins, then the canonical form, then the one that matches case-insensitively; where several do, none.
    async fn account_by_address(
        &self,
        typed: &str,
        canonical: &EmailAddress,
    ) -> Result<Option<Account>, StoreError>;

    /// Whether any account has this address, in whichever capitals: then nobody else gets it.
    async fn is_address_taken(&self, canonical: &EmailAddress) -> Result<bool, StoreError>;

    /// Up to `limit` accounts in the order of their ids, from the one after `after`.
    async fn accounts(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError>;

    /// Up to `limit` groups of accounts whose addresses differ by capitals (of ASCII) alone: such are found by their exact
    /// spelling only. Walks through all accounts.
    async fn look_alikes(&self, limit: usize) -> Result<Vec<Vec<Account>>, StoreError>;

    /// Returns the number of accounts by the cost of their bcrypt hash; other hashes are left out. Reads all accounts.
    async fn hash_costs(&self) -> Result<BTreeMap<u32, u64>, StoreError>;

    /// Changes password or address where the credential (both of them) still is the expected one, and with it writes the
    /// history and queues the confirmations. Of any number at once with the same expectation exactly one is
    /// [`Replacement::Replaced`].
    async fn replace_credential(
        &self,
        change: &CredentialChange,
    ) -> Result<Replacement, StoreError>;

    /// Ends all logins of an account, writes the history and tells the owner; `false`, and nothing, where the account is
    /// gone.
    async fn revoke_access(
        &self,
        account: AccountId,
        revocation: RevocationId,
        event: &Event,
        mail: &Entry,
    ) -> Result<bool, StoreError>;

    /// What [`Accounts::delete_account`] would delete now; `None` where there is no such account.
    async fn deletion(&self, id: AccountId) -> Result<Option<Deletion>, StoreError>;

    /// Deletes an account, its movies, its mails and its history; `None` where there is none.
    async fn delete_account(&self, id: AccountId) -> Result<Option<Deletion>, StoreError>;
}

/// The queue of mails that are decided and not sent yet.
#[async_trait]
pub trait Outbox {
    /// Queues a mail, writes the history line that goes with it, and counts both where they are counted: all of it or
    /// nothing. Where there is no such account, the same work is done for nothing, so that the time does not tell. An
    /// entry may come with a lease: then it is its holder's from the start.
    async fn queue_mail(
        &self,
        entry: &Entry,
        event: &Event,
        counting: Option<Counting>,
    ) -> Result<Queueing, StoreError>;

    /// Leases waiting entries of a round that are held by nobody, those first that have been due the longest at `now`
    /// (equal times: by id), and counts the attempts. Up to `limit` of them, which is 1 or more, where the database can in one
    /// step, else one; none where none is due. Two that ask at once never get the same one.
    async fn lease_some(
        &self,
        round: Round,
        now: Timestamp,
        lease: Lease,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError>;

    /// Leases this entry, due or not, where it is as wanted, and counts the attempt.
    async fn lease_entry(
        &self,
        id: EntryId,
        wanted: Wanted,
        now: Timestamp,
        lease: Lease,
    ) -> Result<Leasing, StoreError>;

    /// Prolongs a lease; `false` where the holder no longer has it.
    async fn renew_lease(&self, id: EntryId, lease: Lease) -> Result<bool, StoreError>;

    /// Writes down what came of an attempt, with its line in the history, and ends the lease. [`Outcome::Sent`] and
    /// [`Outcome::Dropped`] take the entry out. `false`, and nothing changed, where the holder no longer has it.
    async fn settle(
        &self,
        id: EntryId,
        holder: LeaseId,
        outcome: &Outcome,
        event: &Event,
    ) -> Result<bool, StoreError>;

    /// Ends the lease of an entry that was not offered to the mail server: it is due as before, its attempt does not
    /// count, and where there is an error it is the entry's last one. `false`, and nothing changed, where the holder no
    /// longer has it.
    async fn give_back(&self, entry: &Entry, error: Option<&str>) -> Result<bool, StoreError>;

    /// The moment at which the next entry becomes due or free; `None` where nothing waits.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// How many entries wait and are dead, and since when the oldest waits. Answered by an index: it may be asked for every
    /// second.
    async fn outbox_state(&self) -> Result<OutboxState, StoreError>;

    /// Up to `limit` entries of all accounts, waiting and dead, in the order of their ids, from the one after `after`.
    async fn entries(&self, after: Option<EntryId>, limit: usize)
    -> Result<Vec<Entry>, StoreError>;

    /// One account's entries, waiting and dead, oldest request first.
    async fn entries_of(&self, account: AccountId) -> Result<Vec<Entry>, StoreError>;
}

/// Events of accounts. An account keeps its newest [`HISTORY_LINES`], a few more until a store next clears up, and of each
/// counted kind its newest [`COUNTED_LINES`].
///
/// [`HISTORY_LINES`]: crate::domain::event::HISTORY_LINES
/// [`COUNTED_LINES`]: crate::domain::event::COUNTED_LINES
#[async_trait]
pub trait History {
    /// Adds a line, or adds an event of a counted kind to the line of its day (which need not survive a power cut). Nothing
    /// happens where the account is gone.
    async fn record(&self, event: &Event) -> Result<(), StoreError>;

    /// The newest `limit` lines of an account, newest first (equal times: the one written last first,
    /// as far as one process wrote them).
    async fn history(&self, account: AccountId, limit: usize) -> Result<Vec<Event>, StoreError>;

    /// Deletes the lines of all accounts from before this moment; how many there were.
    async fn forget_before(&self, moment: Timestamp) -> Result<u64, StoreError>;
}

/// How often things were done. A tally outlives the process, and need not outlive a power cut.
#[async_trait]
pub trait Limits {
    /// What is kept of a key; a tally that may be forgotten may still be there.
    async fn tally(&self, key: LimitKey) -> Result<Option<Tally>, StoreError>;

    /// Counts one more, and answers what is kept from then on. Where it is too early, nothing is written. Of any number
    /// at once none is left out.
    async fn count(&self, counting: Counting) -> Result<Result<Tally, TooEarly>, StoreError>;

    /// Forgets what is kept of a key.
    async fn clear_tally(&self, key: LimitKey) -> Result<(), StoreError>;

    /// Deletes the tallies that may be forgotten at `now`; how many there were, as far as the database does not do so by
    /// itself.
    async fn forget_tallies(&self, now: Timestamp) -> Result<u64, StoreError>;
}

/// Movies.
#[async_trait]
pub trait Movies {
    /// Adds a movie; the database decides that a name is there once.
    async fn create_movie(&self, movie: &Movie) -> Result<MovieCreation, StoreError>;

    /// The movie with this id.
    async fn movie(&self, id: MovieId) -> Result<Option<Movie>, StoreError>;

    /// Up to `limit` movies in the order of their ids, from the one after `after`.
    async fn movies(&self, after: Option<MovieId>, limit: usize) -> Result<Vec<Movie>, StoreError>;

    /// A mark that is another one after each change of the movies, whoever made it, and perhaps after other changes:
    /// whatever was read after a mark was taken stands for as long as the mark is the same. `None` where that can't be
    /// told faster than the movies can be read.
    async fn movies_mark(&self) -> Result<Option<MoviesMark>, StoreError> {
        Ok(None)
    }

    /// Changes a movie for `by`, who must have added it.
    async fn change_movie(
        &self,
        id: MovieId,
        by: AccountId,
        changes: &MovieChanges,
    ) -> Result<MovieChange, StoreError>;

    /// Deletes a movie for `by`, who must have added it, also from its account's list.
    async fn delete_movie(&self, id: MovieId, by: AccountId) -> Result<MovieChange, StoreError>;
}

/// Moving all of one database into another.
///
/// A database that takes a copy in is marked as half copied until it is whole, and not worked on meanwhile; a copy that
/// was broken off is begun anew.
#[async_trait]
pub trait Copying {
    /// How much there is.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// Up to `limit` lines of all histories in the order of their writing, from the one after `after`.
    async fn events(
        &self,
        after: Option<EventPlace>,
        limit: usize,
    ) -> Result<Vec<(EventPlace, Event)>, StoreError>;

    /// Marks an empty database as half copied, by `holder`; what a copy that was broken off has left is cleared first.
    /// `false`, and nothing, where the database is in use.
    async fn begin_copy(&self, holder: LeaseId) -> Result<bool, StoreError>;

    /// Takes a portion in as it is, with its ids; answers how many were left out, since their account is gone. An error
    /// where another holder has begun meanwhile.
    async fn take_in(&self, holder: LeaseId, portion: &Portion) -> Result<u64, StoreError>;

    /// Takes the mark off. An error where another holder has begun meanwhile.
    async fn finish_copy(&self, holder: LeaseId) -> Result<(), StoreError>;

    /// Whether it is marked.
    async fn is_half_copied(&self) -> Result<bool, StoreError>;
}

/// Adds up the numbers of accounts whose hashes begin alike, by cost.
fn by_cost(beginnings: Vec<(String, i64)>) -> BTreeMap<u32, u64> {
    let mut costs = BTreeMap::new();
    for (beginning, accounts) in beginnings {
        if let Some(cost) = cost_at_start(&beginning) {
            *costs.entry(cost).or_default() += accounts.unsigned_abs();
        }
    }
    costs
}

/// What whoever copies is told where somebody else has begun to.
fn another_copy() -> StoreError {
    StoreError::Broken("another copy into this database has started".to_owned())
}

/// A database that keeps all of these promises.
#[async_trait]
pub trait Store: Accounts + Outbox + History + Limits + Movies + Send + Sync {
    /// Asks the database for a sign of life.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Waits until a background thread of the database has failed, and returns the cause. Never resolves for a database
    /// without one.
    async fn failure(&self) -> String {
        std::future::pending().await
    }
}

/// A database that can also be copied from and into.
pub trait CopyableStore: Store + Copying {}

impl<T: Store + Copying> CopyableStore for T {}
