//! How often something may be asked for over HTTP. The terminal is the operator's: no limit holds it.

use super::{App, AppError};
use crate::domain::account::Account;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{EventKind, Origin};
use crate::domain::limit::{Limit, LimitKey, TooEarly, client_network};
use crate::domain::span::in_seconds;
use crate::store::Counting;

impl App {
    /// Counts one sign-up, login, forgot or reset of a client, before any of its work is done.
    ///
    /// # Errors
    /// [`AppError::RateLimited`]; the database.
    pub(super) async fn admit(&self, origin: &Origin) -> Result<(), AppError> {
        let Origin::Client(address) = origin else {
            return Ok(());
        };
        let client = client_network(*address).to_string();
        let Some(counting) = self.counting(Limit::Client, origin, &client) else {
            return Ok(());
        };
        let counted = self.parts.store.count(counting).await?;
        counted
            .map(|_| ())
            .map_err(|early| self.limited(Limit::Client, early))
    }

    /// What a call is counted against; `None` where it is not limited.
    pub(super) fn counting(
        &self,
        limit: Limit,
        origin: &Origin,
        subject: &str,
    ) -> Option<Counting> {
        let is_limited = self.parts.rules.limits && matches!(origin, Origin::Client(_));
        is_limited.then(|| Counting {
            limit,
            key: self.parts.keys.limit_key(limit, subject),
            now: self.parts.clock.now(),
        })
    }

    /// Refuses a login while the address is delayed; nothing is verified then.
    pub(super) async fn refuse_delayed(&self, counting: Option<Counting>) -> Result<(), AppError> {
        let Some(Counting { limit, key, now }) = counting else {
            return Ok(());
        };
        let kept = self.parts.store.tally(key).await?;
        limit
            .check(kept, now)
            .map_err(|early| self.limited(limit, early))
    }

    /// Counts a login that failed. Guesses that were begun at once with those that brought the delay about are refused
    /// as if they had come later: they learn nothing.
    ///
    /// # Errors
    /// [`AppError::RateLimited`]; the database.
    pub(super) async fn count_failure(
        &self,
        counting: Option<Counting>,
        account: Option<&Account>,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let Some(counting) = counting else {
            return Ok(());
        };
        let now = self.parts.clock.now();
        let counted = self.parts.store.count(Counting { now, ..counting }).await?;
        let tally = counted.map_err(|early| self.limited(counting.limit, early))?;
        if let Some(account) = account
            && now < tally.until
        {
            let delay = tally.until.duration_since(now).unsigned_abs();
            let event = self.event(
                account.id,
                EventKind::LoginDelayed,
                origin,
                format!(
                    "for {}, after {} wrong passwords",
                    in_seconds(delay),
                    tally.count
                ),
            );
            // Not waited for: an unknown address has no history, and the time must not tell.
            let app = self.clone();
            tokio::spawn(async move {
                if let Err(error) = app.parts.store.record(&event).await {
                    tracing::warn!(%error, "a delay of logins could not be written down");
                }
            });
        }
        Ok(())
    }

    /// Forgets the failures before a login that succeeded, unless guesses at the same time have brought about a delay.
    ///
    /// # Errors
    /// [`AppError::RateLimited`]; the database.
    pub(super) async fn forgive_failures(
        &self,
        counting: Option<Counting>,
    ) -> Result<(), AppError> {
        let Some(counting) = counting else {
            return Ok(());
        };
        let now = self.parts.clock.now();
        self.refuse_delayed(Some(Counting { now, ..counting }))
            .await?;
        if self.parts.store.tally(counting.key).await?.is_some() {
            self.parts.store.clear_tally(counting.key).await?;
        }
        Ok(())
    }

    /// The tally of an account's failed logins, to be forgotten when its password is changed.
    pub(super) fn login_tally(&self, account: &Account) -> LimitKey {
        // The same key as for whoever types this address.
        let canonical = EmailAddress::parse(&account.address);
        let address = canonical
            .as_ref()
            .map_or(&*account.address, EmailAddress::as_str);
        self.parts.keys.limit_key(Limit::Login, address)
    }

    /// Counts a refusal, and says when it may be done again.
    pub(super) fn limited(&self, limit: Limit, early: TooEarly) -> AppError {
        self.parts.metrics.limit_hit(limit);
        let wait = early.until.duration_since(self.parts.clock.now());
        AppError::RateLimited {
            retry_after: wait.try_into().unwrap_or_default(),
        }
    }
}
