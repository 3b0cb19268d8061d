//! From an access token to the account it speaks for.

use super::{App, AppError};
use crate::domain::account::Account;
use crate::domain::token::{Purpose, Token};

/// Why an access token opens nothing.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Broken, foreign, expired, a reset token, or from before a reset: told apart to nobody.
    #[error("Invalid access token: log in again")]
    InvalidToken,
    /// It could not be found out.
    #[error(transparent)]
    App(#[from] AppError),
}

impl App {
    /// The account for which an access token speaks. The credential is looked up each time, so that a reset on any
    /// server ends earlier logins at the next request.
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
            .filter(|account| verified.fits(account))
            .ok_or(AccessError::InvalidToken)
    }
}
