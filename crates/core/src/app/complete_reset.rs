//! Redeeming a reset token: it sets a new password, once.

use super::application::App;
use super::deliver_outbox::Delivery;
use super::error::AppError;
use super::hand_over::DeliveryMode;
use crate::domain::account::Account;
use crate::domain::event::{EventKind, Origin};
use crate::domain::id::AccountId;
use crate::domain::password::PasswordInput;
use crate::domain::token::{Purpose, Token, TokenError};
use crate::ports::metrics::ResetResult;

/// Result of a completed reset.
#[derive(Debug, Clone)]
pub struct CompletedReset {
    /// Account whose password was set.
    pub account: AccountId,
    /// Result of delivering the confirmation with [`DeliveryMode::DeliverNow`].
    pub confirmation: Option<Delivery>,
}

/// Returns the label under which an attempt is counted.
fn reset_label(redeemed: &Result<CompletedReset, AppError>) -> ResetResult {
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
    /// Redeems a reset token: sets the password, queues the confirmation and writes the history. This is one atomic step,
    /// which the database does only while the credential is still the one that the token was made for.
    ///
    /// # Errors
    /// [`AppError::BadToken`] and [`AppError::ExpiredToken`]; [`AppError::AccountDisabled`] on the terminal, and
    /// [`AppError::BadToken`] over HTTP, if the account is disabled; [`AppError::WeakPassword`], after which the token can still be
    /// redeemed; [`AppError::RateLimited`]; [`AppError::Busy`]; the database. An error means that nothing has changed.
    pub async fn complete_reset(
        &self,
        token: &Token,
        password: &PasswordInput,
        origin: &Origin,
        mode: DeliveryMode,
    ) -> Result<CompletedReset, AppError> {
        let redeemed = self.redeem(token, password, origin, mode).await;
        let result = reset_label(&redeemed);
        self.metrics.reset_attempted(result);
        redeemed
    }

    async fn redeem(
        &self,
        token: &Token,
        password: &PasswordInput,
        origin: &Origin,
        mode: DeliveryMode,
    ) -> Result<CompletedReset, AppError> {
        self.admit(origin).await?;
        let account = self.account_of_reset(token, origin).await?;
        if let Err(rule) = self.rules.password_policy.check(password, &account.address) {
            self.record_refusal(account.id, origin, &rule.to_string())
                .await?;
            return Err(rule.into());
        }
        let id = account.id;
        let done = self.replace_password(account, password, EventKind::ResetDone, origin, mode);
        let Some(replaced) = done.await? else {
            self.record_refusal(id, origin, "the token was already used")
                .await?;
            return Err(AppError::BadToken);
        };
        tracing::info!(account = %id, "password reset");
        Ok(CompletedReset {
            account: id,
            confirmation: replaced.confirmation,
        })
    }

    /// Checks whether a reset token could be redeemed now. This does not redeem it, so that mail scanners may open links.
    ///
    /// # Errors
    /// Those of [`App::complete_reset`] that concern the token.
    pub async fn inspect_reset(&self, token: &Token) -> Result<(), AppError> {
        let verified = self.keys.verify(token, Purpose::Reset, self.clock.now())?;
        let account = self.store.account(verified.account).await?;
        account
            .filter(|account| verified.fits(account) && !account.is_disabled())
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
        if account.is_disabled() {
            self.record_refusal(account.id, origin, "the account is disabled")
                .await?;
            return Err(match origin {
                Origin::Client(_) => AppError::BadToken,
                Origin::Terminal(_) => AppError::AccountDisabled(account.address),
            });
        }
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
