//! Authentication of API calls by their access token.

use super::application::App;
use super::error::AppError;
use crate::domain::account::Account;
use crate::domain::token::{Purpose, Token};

/// Error of [`App::authenticate`].
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The token is malformed, expired, revoked, a reset token, or signed with another secret. These cases are not
    /// distinguished.
    #[error("Invalid access token: log in again")]
    InvalidToken,
    #[error(transparent)]
    App(#[from] AppError),
}

impl App {
    /// Returns the account of an access token. The credential is read each time, so that a reset on any server ends earlier
    /// sessions at the next request.
    ///
    /// # Errors
    /// [`AccessError`].
    pub async fn authenticate(&self, token: &Token) -> Result<Account, AccessError> {
        let verified = self
            .keys
            .verify(token, Purpose::Access, self.clock.now())
            .map_err(|_| AccessError::InvalidToken)?;
        let account = self
            .store
            .account(verified.account)
            .await
            .map_err(AppError::from)?;
        account
            .filter(|account| verified.fits(account) && !account.is_disabled())
            .ok_or(AccessError::InvalidToken)
    }

    /// Returns an account that [`App::authenticate`] returned as it is stored now. Verifying a password takes time, in which the
    /// session may have ended. A change of the address does not end it.
    ///
    /// # Errors
    /// [`AccessError`].
    pub(super) async fn authenticate_again(
        &self,
        before: &Account,
    ) -> Result<Account, AccessError> {
        let stored = self.store.account(before.id).await;
        let stored = stored
            .map_err(AppError::from)?
            .ok_or(AccessError::InvalidToken)?;
        let is_unchanged = stored
            == Account {
                address: stored.address.clone(),
                ..before.clone()
            };
        is_unchanged
            .then_some(stored)
            .ok_or(AccessError::InvalidToken)
    }
}
