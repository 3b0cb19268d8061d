//! Minimal in-memory store for tests of the handlers. The contract suite of `movie-bag-store` tests the promises of real stores.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use movie_bag_core::domain::account::{Account, Disabling};
use movie_bag_core::domain::email_address::EmailAddress;
use movie_bag_core::domain::event::Event;
use movie_bag_core::domain::id::{AccountId, EntryId, LeaseId, MovieId, PendingId, RevocationId};
use movie_bag_core::domain::limit::{LimitKey, LimitState, TooEarly};
use movie_bag_core::domain::movie::{Movie, MovieChanges};
use movie_bag_core::domain::outbox::{Entry, Lease, OutboxState, Outcome, Round};
use movie_bag_core::domain::pending::PendingChange;
use movie_bag_core::ports::store::{
    AccountCreation, Accounts, CredentialChange, Deletion, History, LeaseMode, LeaseResult,
    LimitedCall, Limits, MovieChange, MovieCreation, Movies, Outbox, PendingChanges, PutPending,
    QueueResult, Replacement, StatusChange, Store, StoreError,
};

pub(super) struct MemoryStore {
    pub(super) accounts: Mutex<BTreeMap<AccountId, Account>>,
    pub(super) movies: Mutex<BTreeMap<MovieId, Movie>>,
    pub(super) mails: Mutex<Vec<Entry>>,
    pub(super) pending: Mutex<BTreeMap<String, PendingChange>>,
    pub(super) tallies: Mutex<HashMap<LimitKey, LimitState>>,
    /// Most calls fail with [`StoreError::Unavailable`].
    pub(super) is_down: AtomicBool,
    /// Pings panic.
    pub(super) panics: AtomicBool,
    /// Each ping consumes one permit and waits while there is none.
    pub(super) pings: Semaphore,
    /// Number of calls of [`Outbox::outbox_state`], each of which takes some time.
    pub(super) outbox_state_calls: AtomicUsize,
}

impl MemoryStore {
    pub(super) fn new() -> Self {
        Self {
            accounts: Mutex::default(),
            movies: Mutex::default(),
            mails: Mutex::default(),
            pending: Mutex::default(),
            tallies: Mutex::default(),
            is_down: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            pings: Semaphore::new(1_000),
            outbox_state_calls: AtomicUsize::new(0),
        }
    }

    fn check_reachable(&self) -> Result<(), StoreError> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("disk I/O error in SELECT"));
        }
        Ok(())
    }
}

#[async_trait]
impl Accounts for MemoryStore {
    async fn create_account(
        &self,
        account: &Account,
        _: &Event,
        _: Option<&Entry>,
    ) -> Result<AccountCreation, StoreError> {
        self.accounts
            .lock()
            .unwrap()
            .insert(account.id, account.clone());
        Ok(AccountCreation::Created)
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        self.check_reachable()?;
        Ok(self.accounts.lock().unwrap().get(&id).cloned())
    }

    async fn account_by_address(
        &self,
        _: &str,
        canonical: &EmailAddress,
    ) -> Result<Option<Account>, StoreError> {
        self.check_reachable()?;
        let accounts = self.accounts.lock().unwrap();
        let mut found = accounts
            .values()
            .filter(|account| account.address == canonical.as_str());
        Ok(found.next().cloned())
    }

    async fn accounts(&self, _: Option<AccountId>, _: usize) -> Result<Vec<Account>, StoreError> {
        Ok(self.accounts.lock().unwrap().values().cloned().collect())
    }

    async fn hash_costs(&self) -> Result<BTreeMap<u32, u64>, StoreError> {
        let accounts = self.accounts.lock().unwrap();
        let mut costs = BTreeMap::new();
        for cost in accounts
            .values()
            .filter_map(|account| account.password_hash.cost())
        {
            *costs.entry(cost).or_default() += 1;
        }
        Ok(costs)
    }

    async fn replace_credential(
        &self,
        change: &CredentialChange,
    ) -> Result<Replacement, StoreError> {
        match self.accounts.lock().unwrap().get_mut(&change.expected.id) {
            Some(account) if *account == change.expected => {
                account.address.clone_from(&change.address);
                account.password_hash = change.password_hash.clone();
                Ok(Replacement::Replaced)
            }
            _ => Ok(Replacement::Conflict),
        }
    }

    async fn revoke_access(
        &self,
        account: AccountId,
        revocation: RevocationId,
        _: &Event,
        _: Option<&Entry>,
    ) -> Result<bool, StoreError> {
        let mut accounts = self.accounts.lock().unwrap();
        let account = accounts.get_mut(&account);
        Ok(account
            .map(|account| account.revocation = Some(revocation))
            .is_some())
    }

    async fn disable_account(
        &self,
        id: AccountId,
        revocation: RevocationId,
        _: &Event,
    ) -> Result<StatusChange, StoreError> {
        let mut accounts = self.accounts.lock().unwrap();
        let Some(account) = accounts.get_mut(&id) else {
            return Ok(StatusChange::NoAccount);
        };
        if account.is_disabled() {
            return Ok(StatusChange::Unchanged);
        }
        account.revocation = Some(revocation);
        account.disabling = Some(Disabling {
            id: revocation,
            is_active: true,
        });
        let mut mails = self.mails.lock().unwrap();
        mails.retain(|mail| mail.account != id);
        Ok(StatusChange::Done)
    }

    async fn enable_account(&self, id: AccountId, _: &Event) -> Result<StatusChange, StoreError> {
        let mut accounts = self.accounts.lock().unwrap();
        Ok(
            match accounts.get_mut(&id).map(|account| &mut account.disabling) {
                None => StatusChange::NoAccount,
                Some(Some(disabling)) if disabling.is_active => {
                    disabling.is_active = false;
                    StatusChange::Done
                }
                Some(_) => StatusChange::Unchanged,
            },
        )
    }

    async fn is_address_taken(&self, canonical: &EmailAddress) -> Result<bool, StoreError> {
        let found = self.account_by_address("", canonical).await?;
        Ok(found.is_some())
    }

    /// Returns nothing, since this store holds canonical addresses only.
    async fn accounts_differing_by_case(&self, _: usize) -> Result<Vec<Vec<Account>>, StoreError> {
        Ok(Vec::new())
    }

    async fn deletion_preview(&self, id: AccountId) -> Result<Option<Deletion>, StoreError> {
        let account = self.account(id).await?;
        Ok(account.map(|_| Deletion::default()))
    }

    async fn delete_account(&self, id: AccountId) -> Result<Option<Deletion>, StoreError> {
        let deleted = self.accounts.lock().unwrap().remove(&id);
        Ok(deleted.map(|_| Deletion::default()))
    }
}

#[async_trait]
impl Outbox for MemoryStore {
    async fn queue_mail(
        &self,
        entry: &Entry,
        _: &Event,
        counting: Option<LimitedCall>,
    ) -> Result<QueueResult, StoreError> {
        if let Some(counting) = counting
            && let Err(early) = self.count(counting).await?
        {
            return Ok(QueueResult::TooEarly(early));
        }
        let is_there = self
            .accounts
            .lock()
            .unwrap()
            .get(&entry.account)
            .is_some_and(|account| !account.is_disabled());
        Ok(if is_there {
            self.mails.lock().unwrap().push(entry.clone());
            QueueResult::Queued
        } else {
            QueueResult::NoAccount
        })
    }

    async fn queue_signup_mail(
        &self,
        entry: &Entry,
        counting: Option<LimitedCall>,
    ) -> Result<Result<(), TooEarly>, StoreError> {
        if let Some(counting) = counting
            && let Err(early) = self.count(counting).await?
        {
            return Ok(Err(early));
        }
        self.mails.lock().unwrap().push(entry.clone());
        Ok(Ok(()))
    }

    async fn lease_entry(
        &self,
        _: EntryId,
        _: LeaseMode,
        _: Timestamp,
        _: Lease,
    ) -> Result<LeaseResult, StoreError> {
        Ok(LeaseResult::NotFound)
    }

    async fn entries(&self, _: Option<EntryId>, _: usize) -> Result<Vec<Entry>, StoreError> {
        Ok(Vec::new())
    }

    async fn lease_due(
        &self,
        _: Round,
        _: Timestamp,
        _: Lease,
        _: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        Ok(Vec::new())
    }

    async fn release_entry(&self, _: &Entry, _: Option<&str>) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn renew_lease(&self, _: EntryId, _: Lease) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn settle(
        &self,
        _: EntryId,
        _: LeaseId,
        _: &Outcome,
        _: Option<&Event>,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn outbox_state(&self) -> Result<OutboxState, StoreError> {
        self.outbox_state_calls.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.check_reachable()?;
        Ok(OutboxState::default())
    }

    async fn entries_of(&self, _: AccountId) -> Result<Vec<Entry>, StoreError> {
        Ok(self.mails.lock().unwrap().clone())
    }
}

#[async_trait]
impl PendingChanges for MemoryStore {
    async fn put_pending(
        &self,
        change: &PendingChange,
        most: Option<u64>,
    ) -> Result<PutPending, StoreError> {
        let mut pending = self.pending.lock().unwrap();
        if most.is_some_and(|most| pending.len() as u64 >= most) {
            return Ok(PutPending::Full);
        }
        let known = pending.get(&change.key());
        let stored = PendingChange {
            id: known.map_or(change.id, |known| known.id),
            account: known.map_or(change.account, |known| known.account),
            ..change.clone()
        };
        pending.insert(change.key(), stored.clone());
        Ok(PutPending::Stored(Box::new(stored)))
    }

    async fn pending_change(&self, id: PendingId) -> Result<Option<PendingChange>, StoreError> {
        let pending = self.pending.lock().unwrap();
        Ok(pending.values().find(|change| change.id == id).cloned())
    }

    async fn pending_changes_of(
        &self,
        account: AccountId,
    ) -> Result<Vec<PendingChange>, StoreError> {
        let pending = self.pending.lock().unwrap();
        let of_account = pending.values().filter(|change| change.account == account);
        Ok(of_account.cloned().collect())
    }

    async fn pending_changes(
        &self,
        _: Option<PendingId>,
        _: usize,
    ) -> Result<Vec<PendingChange>, StoreError> {
        Ok(self.pending.lock().unwrap().values().cloned().collect())
    }

    async fn is_address_revertible(
        &self,
        _: &EmailAddress,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn delete_pending(&self, changes: &[PendingChange]) -> Result<(), StoreError> {
        let mut pending = self.pending.lock().unwrap();
        pending.retain(|_, kept| changes.iter().all(|change| change.id != kept.id));
        Ok(())
    }

    async fn delete_expired_pending(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[async_trait]
impl History for MemoryStore {
    async fn record(&self, _: &Event) -> Result<(), StoreError> {
        Ok(())
    }

    async fn delete_events_before(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn history(&self, _: AccountId, _: usize) -> Result<Vec<Event>, StoreError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Limits for MemoryStore {
    async fn limit_state(&self, key: LimitKey) -> Result<Option<LimitState>, StoreError> {
        Ok(self.tallies.lock().unwrap().get(&key).copied())
    }

    async fn count(
        &self,
        counting: LimitedCall,
    ) -> Result<Result<LimitState, TooEarly>, StoreError> {
        let mut tallies = self.tallies.lock().unwrap();
        let kept = tallies.get(&counting.key).copied();
        let counted = counting.limit.count(kept, counting.now);
        if let Ok(tally) = counted {
            tallies.insert(counting.key, tally);
        }
        Ok(counted)
    }

    async fn clear_limit(&self, key: LimitKey) -> Result<(), StoreError> {
        self.tallies.lock().unwrap().remove(&key);
        Ok(())
    }

    async fn delete_expired_limits(&self, _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[async_trait]
impl Movies for MemoryStore {
    async fn create_movie(&self, movie: &Movie) -> Result<MovieCreation, StoreError> {
        let mut movies = self.movies.lock().unwrap();
        if movies.values().any(|other| other.name == movie.name) {
            return Ok(MovieCreation::NameTaken);
        }
        movies.insert(movie.id, movie.clone());
        Ok(MovieCreation::Created)
    }

    async fn movie(&self, id: MovieId) -> Result<Option<Movie>, StoreError> {
        Ok(self.movies.lock().unwrap().get(&id).cloned())
    }

    async fn movies(&self, after: Option<MovieId>, limit: usize) -> Result<Vec<Movie>, StoreError> {
        self.check_reachable()?;
        let movies = self.movies.lock().unwrap();
        let page = movies
            .values()
            .filter(|movie| after.is_none_or(|after| movie.id > after));
        let page: Vec<_> = page.take(limit).cloned().collect();
        if page.iter().any(|movie| movie.name == "unreadable") {
            return Err(StoreError::broken("a row can't be read"));
        }
        Ok(page)
    }

    async fn change_movie(
        &self,
        id: MovieId,
        by: AccountId,
        changes: &MovieChanges,
    ) -> Result<MovieChange, StoreError> {
        match self.movies.lock().unwrap().get_mut(&id) {
            None => Ok(MovieChange::NotFound),
            Some(movie) if movie.added_by != by => Ok(MovieChange::NotOwner),
            Some(movie) => {
                changes.clone().apply(movie);
                Ok(MovieChange::Done)
            }
        }
    }

    async fn delete_movie(&self, id: MovieId, by: AccountId) -> Result<MovieChange, StoreError> {
        let mut movies = self.movies.lock().unwrap();
        match movies.get(&id) {
            None => Ok(MovieChange::NotFound),
            Some(movie) if movie.added_by != by => Ok(MovieChange::NotOwner),
            Some(_) => {
                movies.remove(&id);
                Ok(MovieChange::Done)
            }
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn ping(&self) -> Result<(), StoreError> {
        assert!(!self.panics.load(Ordering::SeqCst), "asked to panic");
        self.pings.acquire().await.unwrap().forget();
        self.check_reachable()
    }
}
