//! Copy of a database into another, empty one, with a comparison at the end.
//!
//! It is the only use case with two databases, so it is not a method of [`super::App`]. The source is never changed. The
//! target is marked as unfinished until the copy is complete, also if the process dies.

use jiff::Timestamp;

use crate::domain::account::Account;
use crate::domain::clock::{Rng, draw};
use crate::domain::event::Event;
use crate::domain::id::{AccountId, EntryId, LeaseId, MovieId};
use crate::domain::movie::Movie;
use crate::domain::outbox::Entry;
use crate::domain::pending::PendingChange;
use crate::ports::store::{CopyBatch, CopyableStore, Counts, EventPosition, StoreError};

/// Number of rows that are copied in one step.
const BATCH: usize = 500;
/// Number of accounts, and of movies, that are compared with all rows that belong to them.
const SAMPLES: usize = 100;
/// Number of lines of an account's history that are compared.
const LINES: usize = 1_000;

#[derive(Debug, Clone, thiserror::Error)]
pub enum CopyError {
    #[error("cannot read the source: {0}")]
    Source(#[source] StoreError),
    #[error("cannot write the target: {0}")]
    Target(#[source] StoreError),
    #[error("cannot copy: the target is not empty (accounts: {}, movies: {})", .0.accounts, .0.movies)]
    NotEmpty(Counts),
    /// The source has movies of accounts that do not exist, which the target cannot store.
    #[error("cannot copy {0} movies: the accounts that added them do not exist")]
    Orphans(u64),
    /// The copy differs from the source.
    #[error("the copy differs from the source: {0}")]
    Differs(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyReport {
    /// Numbers of rows in both databases.
    pub counts: Counts,
    /// Number of mails that were left out because their accounts do not exist.
    pub mails_left_out: u64,
    /// Number of lines of history that were left out because their accounts do not exist.
    pub events_left_out: u64,
    /// Number of accounts and movies that were compared, each with all rows that belong to it.
    pub compared: usize,
}

/// Copies everything from `source` into `target`. `progress` is called with the numbers of copied rows and of all rows.
///
/// # Errors
/// See [`CopyError`]. Except after [`CopyError::NotEmpty`], the target stays marked as unfinished, and the next copy into it
/// starts anew.
pub async fn copy(
    source: &dyn CopyableStore,
    target: &dyn CopyableStore,
    now: Timestamp,
    rng: &dyn Rng,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<CopyReport, CopyError> {
    let all = source.counts().await.map_err(CopyError::Source)?;
    let total = all.accounts + all.pending_changes + all.movies + all.mails + all.events;
    let holder = LeaseId::new(now, draw(rng));
    if !target.begin_copy(holder).await.map_err(CopyError::Target)? {
        let there = target.counts().await.map_err(CopyError::Target)?;
        return Err(CopyError::NotEmpty(there));
    }
    let mut copying = Run {
        source,
        target,
        holder,
        rng,
        progress,
        done: 0,
        total,
        seen: 0,
    };
    let accounts = copying.accounts().await?;
    copying.pending_changes().await?;
    let movies = copying.movies().await?;
    let mails_left_out = copying.mails().await?;
    let events_left_out = copying.events().await?;

    let mut expected = source.counts().await.map_err(CopyError::Source)?;
    expected.mails = expected.mails.saturating_sub(mails_left_out);
    expected.events = expected.events.saturating_sub(events_left_out);
    let counts = target.counts().await.map_err(CopyError::Target)?;
    if counts != expected {
        return Err(CopyError::Differs(format!(
            "{expected:?} in the source, {counts:?} in the target"
        )));
    }
    copying.compare_accounts(&accounts).await?;
    copying.compare_movies(&movies).await?;
    target
        .finish_copy(holder)
        .await
        .map_err(CopyError::Target)?;
    Ok(CopyReport {
        counts,
        mails_left_out,
        events_left_out,
        compared: accounts.len() + movies.len(),
    })
}

/// State of a running copy.
struct Run<'a> {
    source: &'a dyn CopyableStore,
    target: &'a dyn CopyableStore,
    holder: LeaseId,
    rng: &'a dyn Rng,
    progress: &'a (dyn Fn(u64, u64) + Sync),
    done: u64,
    total: u64,
    /// Number of rows from which the present sample was drawn.
    seen: u64,
}

impl Run<'_> {
    async fn accounts(&mut self) -> Result<Vec<AccountId>, CopyError> {
        let (mut after, mut samples) = (None, Vec::new());
        self.seen = 0;
        loop {
            let accounts = self.source.accounts(after, BATCH).await;
            let accounts = accounts.map_err(CopyError::Source)?;
            let Some(last) = accounts.last() else {
                return Ok(samples);
            };
            after = Some(last.id);
            for account in &accounts {
                self.draw_sample(&mut samples, account.id);
            }
            self.write(accounts.len(), CopyBatch::Accounts(accounts))
                .await?;
        }
    }

    async fn pending_changes(&mut self) -> Result<(), CopyError> {
        let mut after = None;
        loop {
            let changes = self.source.pending_changes(after, BATCH).await;
            let changes = changes.map_err(CopyError::Source)?;
            let Some(last) = changes.last() else {
                return Ok(());
            };
            after = Some(last.id);
            self.write(changes.len(), CopyBatch::PendingChanges(changes))
                .await?;
        }
    }

    async fn movies(&mut self) -> Result<Vec<MovieId>, CopyError> {
        let (mut after, mut samples) = (None, Vec::new());
        let mut orphans = 0;
        self.seen = 0;
        loop {
            let movies = self.source.movies(after, BATCH).await;
            let movies = movies.map_err(CopyError::Source)?;
            let Some(last) = movies.last() else {
                break;
            };
            after = Some(last.id);
            for movie in &movies {
                self.draw_sample(&mut samples, movie.id);
            }
            orphans += self.write(movies.len(), CopyBatch::Movies(movies)).await?;
        }
        if orphans > 0 {
            return Err(CopyError::Orphans(orphans));
        }
        Ok(samples)
    }

    async fn mails(&mut self) -> Result<u64, CopyError> {
        let mut after: Option<EntryId> = None;
        let mut left_out = 0;
        loop {
            let mails = self.source.entries(after, BATCH).await;
            let mails = mails.map_err(CopyError::Source)?;
            let Some(last) = mails.last() else {
                return Ok(left_out);
            };
            after = Some(last.id);
            left_out += self.write(mails.len(), CopyBatch::Mails(mails)).await?;
        }
    }

    async fn events(&mut self) -> Result<u64, CopyError> {
        let mut after: Option<EventPosition> = None;
        let mut left_out = 0;
        loop {
            let events = self.source.events(after, BATCH).await;
            let events = events.map_err(CopyError::Source)?;
            let Some((place, _)) = events.last() else {
                return Ok(left_out);
            };
            after = Some(*place);
            let events: Vec<_> = events.into_iter().map(|(_, event)| event).collect();
            left_out += self.write(events.len(), CopyBatch::Events(events)).await?;
        }
    }

    async fn write(&mut self, rows: usize, batch: CopyBatch) -> Result<u64, CopyError> {
        let taken = self.target.write_batch(self.holder, &batch).await;
        let left_out = taken.map_err(CopyError::Target)?;
        self.done += rows as u64;
        (self.progress)(self.done, self.total.max(self.done));
        Ok(left_out)
    }

    /// Keeps each of all rows with the same probability (reservoir sampling, algorithm R).
    fn draw_sample<T>(&mut self, samples: &mut Vec<T>, row: T) {
        self.seen += 1;
        if samples.len() < SAMPLES {
            samples.push(row);
            return;
        }
        let position = u64::from_be_bytes(draw(self.rng)) % self.seen;
        if let Some(sample) = usize::try_from(position)
            .ok()
            .and_then(|position| samples.get_mut(position))
        {
            *sample = row;
        }
    }

    async fn compare_accounts(&self, samples: &[AccountId]) -> Result<(), CopyError> {
        for &id in samples {
            let original = whole_account(self.source, id).await;
            let copy = whole_account(self.target, id).await;
            if original.map_err(CopyError::Source)? != copy.map_err(CopyError::Target)? {
                return Err(CopyError::Differs(format!("account {id} differs")));
            }
        }
        Ok(())
    }

    async fn compare_movies(&self, samples: &[MovieId]) -> Result<(), CopyError> {
        for &id in samples {
            let there: Option<Movie> = self.source.movie(id).await.map_err(CopyError::Source)?;
            if there != self.target.movie(id).await.map_err(CopyError::Target)? {
                return Err(CopyError::Differs(format!("movie {id} differs")));
            }
        }
        Ok(())
    }
}

/// An account with all that belongs to it.
type WholeAccount = (Option<Account>, Vec<PendingChange>, Vec<Entry>, Vec<Event>);

async fn whole_account(
    store: &dyn CopyableStore,
    id: AccountId,
) -> Result<WholeAccount, StoreError> {
    Ok((
        store.account(id).await?,
        store.pending_changes_of(id).await?,
        store.entries_of(id).await?,
        store.history(id, LINES).await?,
    ))
}
