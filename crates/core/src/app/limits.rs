//! Rate limits of requests over HTTP. None applies on the terminal, which only the administrator can use.

use super::application::App;
use super::error::AppError;
use crate::domain::account::Account;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{EventKind, Origin};
use crate::domain::id::AccountId;
use crate::domain::limit::{Limit, LimitKey, TooEarly, client_network};
use crate::domain::span::format_seconds;
use crate::ports::store::LimitedCall;

impl App {
    /// Counts one sign-up, login, reset request, reset, or change of an own account, by its client, before any of its work is done.
    ///
    /// # Errors
    /// [`AppError::RateLimited`]; the database.
    pub(super) async fn admit(&self, origin: &Origin) -> Result<(), AppError> {
        let Origin::Client(address) = origin else {
            return Ok(());
        };
        let client = client_network(*address).to_string();
        self.admit_call(self.counting(Limit::Client, origin, &client))
            .await
    }

    /// Returns the call to be counted; `None` if it is not limited.
    pub(super) fn counting(
        &self,
        limit: Limit,
        origin: &Origin,
        subject: &str,
    ) -> Option<LimitedCall> {
        let is_limited = self.rules.limits && matches!(origin, Origin::Client(_));
        is_limited.then(|| LimitedCall {
            limit,
            key: self.keys.limit_key(limit, subject),
            now: self.clock.now(),
        })
    }

    /// Refuses a login during the delay of its address. The password is not verified then.
    pub(super) async fn refuse_delayed(
        &self,
        counting: Option<LimitedCall>,
    ) -> Result<(), AppError> {
        let Some(LimitedCall { limit, key, now }) = counting else {
            return Ok(());
        };
        let kept = self.store.limit_state(key).await?;
        limit
            .check(kept, now)
            .map_err(|early| self.limited(limit, early))
    }

    /// Counts a failed login, and records it in the history of the account. Guesses that began before the delay and end during
    /// it are refused like later ones: they reveal nothing.
    ///
    /// # Errors
    /// [`AppError::RateLimited`]; the database.
    pub(super) async fn count_failure(
        &self,
        counting: Option<LimitedCall>,
        account: AccountId,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let mut events = vec![self.event(account, EventKind::LoginFailed, origin, "")];
        if let Some(counting) = counting {
            let now = self.clock.now();
            let counted = self.store.count(LimitedCall { now, ..counting }).await?;
            let state = counted.map_err(|early| self.limited(counting.limit, early))?;
            if now < state.until {
                let delay = format_seconds(state.until.duration_since(now).unsigned_abs());
                let detail = format!("for {delay}, after {} wrong passwords", state.count);
                events.push(self.event(account, EventKind::LoginDelayed, origin, detail));
            }
        }
        // The response does not wait for this: an unknown address has no history, and the time must not reveal that.
        let app = self.clone();
        self.detached.spawn(async move {
            for event in events {
                if let Err(error) = app.store.record(&event).await {
                    tracing::warn!(%error, "cannot record a failed login in the history");
                }
            }
        });
        Ok(())
    }

    /// Clears the failures before a successful login, unless concurrent guesses have caused a delay.
    ///
    /// # Errors
    /// [`AppError::RateLimited`]; the database.
    pub(super) async fn forgive_failures(
        &self,
        counting: Option<LimitedCall>,
    ) -> Result<(), AppError> {
        let Some(counting) = counting else {
            return Ok(());
        };
        let now = self.clock.now();
        self.refuse_delayed(Some(LimitedCall { now, ..counting }))
            .await?;
        if self.store.limit_state(counting.key).await?.is_some() {
            self.store.clear_limit(counting.key).await?;
        }
        Ok(())
    }

    /// Returns the key of an account's failed logins, to be cleared when its password changes.
    pub(super) fn login_limit_key(&self, account: &Account) -> LimitKey {
        self.keys.limit_key(Limit::Login, &limited_address(account))
    }

    /// Counts a change of the password by the account owner. Each one sends a mail to an address that may belong to another
    /// person, since open sign-up does not verify addresses. Counted by address and not by account: an account can be deleted
    /// and created again.
    ///
    /// # Errors
    /// [`AppError::RateLimited`]; the database.
    pub(super) async fn admit_password_change(
        &self,
        account: &Account,
        origin: &Origin,
    ) -> Result<(), AppError> {
        let limit = Limit::PasswordChange;
        self.admit_call(self.counting(limit, origin, &limited_address(account)))
            .await
    }

    async fn admit_call(&self, counting: Option<LimitedCall>) -> Result<(), AppError> {
        let Some(counting) = counting else {
            return Ok(());
        };
        let counted = self.store.count(counting).await?;
        counted
            .map(|_| ())
            .map_err(|early| self.limited(counting.limit, early))
    }

    /// Counts a refusal in the metrics, and returns the error.
    pub(super) fn limited(&self, limit: Limit, early: TooEarly) -> AppError {
        self.metrics.limit_hit(limit);
        let wait = early.until.duration_since(self.clock.now());
        AppError::RateLimited {
            retry_after: wait.try_into().unwrap_or_default(),
        }
    }
}

/// Returns the address by which the calls of an account are counted, also those of a client that sends the stored address.
pub(super) fn limited_address(account: &Account) -> String {
    EmailAddress::parse(&account.address).map_or_else(
        |_| account.address.clone(),
        |address| address.as_str().to_owned(),
    )
}
