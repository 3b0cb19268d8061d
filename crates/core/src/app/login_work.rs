//! Work of a login: that of the most expensive password hash of any account.
//!
//! A login reveals nothing about an address only if it takes the same time for every address. Hashes may have any cost: the
//! one that was configured when the password was set, or that of another system. So each login does the work of the most
//! expensive hash in the database, whether or not the address is known and the password fits: a correct guess may still be
//! refused because of the delay, and its time must not reveal it.
//!
//! The price is that one account with a hash of cost 14 makes all logins four times as expensive as cost 12 does. The log
//! and `check --deploy` report the number of such accounts; a new password solves it. The alternatives are worse. Rehashing
//! the password at a successful login omits the accounts whose owners do not log in, and ends all other sessions of the
//! account, since those are bound to the hash. Choosing costs for unknown addresses with the frequencies of the accounts
//! reveals an account to everyone who can guess the age of its hash.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::application::App;
use super::error::AppError;
use crate::domain::password::{COSTS, PasswordHash};
use crate::ports::error_detail::ErrorDetail;

/// Age at which a count of the costs is renewed. Only other programs and commands change them by more than this process
/// sees: a hash above the counted costs is noticed at the first login for its account.
const RENEWED_AFTER: Duration = Duration::from_secs(600);

/// Time for which a login waits for the first count, on a database of millions of accounts that is not in memory yet.
const FIRST_COUNT: Duration = Duration::from_secs(30);

impl App {
    /// Returns the cost of the work that a login takes. Counts the costs of all stored hashes before the first login, and
    /// repeats the count at intervals while logins continue.
    ///
    /// # Errors
    /// The database, at the first count.
    pub async fn login_cost(&self) -> Result<u32, AppError> {
        let work = &self.login_work;
        if work.highest.load(Ordering::Relaxed) == 0 {
            let counted = timeout(FIRST_COUNT, self.count_first()).await;
            counted.map_err(|_| {
                AppError::Unavailable("still counting the costs of password hashes".into())
            })??;
        } else if let Ok(guard) = Arc::clone(&work.counted_at).try_lock_owned() {
            let now = self.clock.now();
            // A clock that was set back does not prolong it.
            let is_fresh = guard.is_some_and(|at| (at..at + RENEWED_AFTER).contains(&now));
            if !is_fresh {
                let app = self.clone();
                self.detached.spawn(async move {
                    if let Err(error) = app.count_costs(guard).await {
                        tracing::warn!(%error, "cannot count the costs of password hashes");
                    }
                });
            }
        }
        Ok(work.highest.load(Ordering::Relaxed))
    }

    /// Starts the first count. A server calls it at its start, so that no login waits for it. If it fails, the first login
    /// counts again and reports the error.
    pub fn start_first_count(&self) {
        let app = self.clone();
        self.detached.spawn(async move { app.count_first().await });
    }

    /// Counts the costs unless that was done.
    ///
    /// # Errors
    /// The database.
    async fn count_first(&self) -> Result<(), AppError> {
        let guard = Arc::clone(&self.login_work.counted_at).lock_owned().await;
        if guard.is_some() {
            return Ok(());
        }
        let app = self.clone();
        // A task of its own: a query that is dropped halfway costs a store its connection.
        let counting = self
            .detached
            .spawn(async move { app.count_costs(guard).await });
        let counted = counting.await;
        counted.map_err(|error| AppError::Internal(ErrorDetail::from_error(error)))?
    }

    /// Raises the work of a login to the cost of a hash that was verified.
    pub(super) fn notice_cost(&self, hash: &PasswordHash) {
        if let Some(cost) = hash.cost().filter(|cost| COSTS.contains(cost)) {
            self.login_work.highest.fetch_max(cost, Ordering::Relaxed);
        }
    }

    async fn count_costs(
        &self,
        mut counted_at: OwnedMutexGuard<Option<Timestamp>>,
    ) -> Result<(), AppError> {
        let set = self.hasher.cost();
        let costs = self.store.hash_costs().await;
        if costs.is_ok() || counted_at.is_some() {
            // A failed renewal is not repeated at every login.
            *counted_at = Some(self.clock.now());
        }
        let costs = costs?;
        let verified = costs.keys().copied().filter(|cost| COSTS.contains(cost));
        let highest = verified.max().unwrap_or(set).max(set);
        let before = self.login_work.highest.swap(highest, Ordering::Relaxed);
        if highest != before && highest > set {
            let dearer = costs
                .range(set + 1..)
                .filter(|(cost, _)| COSTS.contains(cost));
            let accounts: u64 = dearer.map(|(_, accounts)| accounts).sum();
            tracing::warn!(
                accounts,
                dearest = highest,
                set,
                "some password hashes have a higher cost than MOVIE_BAG_BCRYPT_COST: every login takes as long as the most expensive one"
            );
        }
        let refused = costs.range(COSTS.end() + 1..);
        let refused: u64 = refused.map(|(_, accounts)| accounts).sum();
        if refused > 0 && before == 0 {
            tracing::warn!(
                accounts = refused,
                "password hashes with a cost above {} are not verified: these accounts need a password reset",
                COSTS.end()
            );
        }
        Ok(())
    }
}
