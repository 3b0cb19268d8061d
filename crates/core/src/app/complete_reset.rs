//! Completing a reset: a token and a new password for a changed credential, once.

use super::{App, AppError, Delivery, DeliveryMode};
use crate::domain::account::Account;
use crate::domain::event::{EventKind, Origin};
use crate::domain::id::AccountId;
use crate::domain::outbox::MailKind;
use crate::domain::password::PasswordInput;
use crate::domain::token::{Purpose, Token, TokenError};
use crate::ports::metrics::ResetResult;
use crate::ports::store::{CredentialChange, Replacement};

/// A reset that is done.
#[derive(Debug, Clone)]
pub struct CompletedReset {
    /// Whose password it is now.
    pub account: AccountId,
    /// What came of the confirmation, where the caller delivers it.
    pub confirmation: Option<Delivery>,
}

/// What is counted of a reset.
fn result_of(redeemed: &Result<CompletedReset, AppError>) -> ResetResult {
    match redeemed {
        Ok(_) => ResetResult::Done,
        Err(AppError::BadToken) => ResetResult::BadToken,
        Err(AppError::ExpiredToken) => ResetResult::ExpiredToken,
        Err(AppError::WeakPassword(_)) => ResetResult::WeakPassword,
        Err(AppError::RateLimited { .. }) => ResetResult::Limited,
        Err(_) => ResetResult::Failed,
    }
}

impl App {
    /// Redeems a reset token: sets the password, queues the confirmation and writes the history, in one atomic step
    /// that the database takes only while the credential is still the one the token was made for.
    ///
    /// # Errors
    /// [`AppError::BadToken`] and [`AppError::ExpiredToken`]; [`AppError::WeakPassword`], which leaves the token
    /// usable; too many hashes waiting; the database. Nothing has changed then.
    pub async fn complete_reset(
        &self,
        token: &Token,
        password: &PasswordInput,
        origin: &Origin,
        handling: DeliveryMode,
    ) -> Result<CompletedReset, AppError> {
        let redeemed = self.redeem(token, password, origin, handling).await;
        let result = result_of(&redeemed);
        self.metrics.reset_attempted(result);
        redeemed
    }

    async fn redeem(
        &self,
        token: &Token,
        password: &PasswordInput,
        origin: &Origin,
        handling: DeliveryMode,
    ) -> Result<CompletedReset, AppError> {
        self.admit(origin).await?;
        let account = self.account_of_reset(token, origin).await?;
        if let Err(rule) = self.rules.password_policy.check(password, &account.address) {
            self.record_refusal(account.id, origin, &rule.to_string())
                .await?;
            return Err(rule.into());
        }
        let password_hash = self.hasher.hash(password, &*self.rng).await?;
        let changed = Account {
            password_hash: password_hash.clone(),
            ..account.clone()
        };
        let mail = self.entry(&changed, MailKind::ResetSuccessful, origin, handling);
        let event = self.event(account.id, EventKind::ResetDone, origin, "");
        let change = CredentialChange {
            clears_limit: Some(self.login_tally(&account)),
            address: account.address.clone(),
            expected: account,
            password_hash,
            event,
            mails: vec![mail.clone()],
        };
        match self.store.replace_credential(&change).await? {
            Replacement::Replaced => {
                tracing::info!(account = %changed.id, "password reset");
                Ok(CompletedReset {
                    account: changed.id,
                    confirmation: self.notify_owner(mail, handling).await,
                })
            }
            // A reset leaves the address as it is.
            Replacement::Conflict | Replacement::AddressTaken => {
                self.record_refusal(changed.id, origin, "the token was already used")
                    .await?;
                Err(AppError::BadToken)
            }
        }
    }

    /// Whether a reset token would be taken now; nothing is consumed, so that mail scanners may open links.
    ///
    /// # Errors
    /// Those of [`App::complete_reset`] that concern the token.
    pub async fn inspect_reset(&self, token: &Token) -> Result<(), AppError> {
        let verified = self.keys.verify(token, Purpose::Reset, self.clock.now())?;
        let account = self.store.account(verified.account).await?;
        account
            .filter(|account| verified.fits(account))
            .map(|_| ())
            .ok_or(AppError::BadToken)
    }

    async fn account_of_reset(&self, token: &Token, origin: &Origin) -> Result<Account, AppError> {
        let verified = match self.keys.verify(token, Purpose::Reset, self.clock.now()) {
            Err(TokenError::Expired { account }) => {
                self.record_refusal(account, origin, "the token had expired")
                    .await?;
                return Err(AppError::ExpiredToken);
            }
            verified => verified?,
        };
        let account = self
            .store
            .account(verified.account)
            .await?
            .ok_or(AppError::BadToken)?;
        if !verified.fits(&account) {
            self.record_refusal(
                account.id,
                origin,
                "the token was already used, or the credential has changed since",
            )
            .await?;
            return Err(AppError::BadToken);
        }
        Ok(account)
    }

    async fn record_refusal(
        &self,
        account: AccountId,
        origin: &Origin,
        why: &str,
    ) -> Result<(), AppError> {
        Ok(self
            .store
            .record(&self.event(account, EventKind::ResetRefused, origin, why))
            .await?)
    }
}
