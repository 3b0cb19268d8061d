//! Logout and deletion by the account owner.

use super::application::App;
use super::authenticate::AccessError;
use super::error::AppError;
use crate::domain::account::Account;
use crate::domain::event::Origin;
use crate::domain::password::PasswordInput;
use crate::ports::store::Deletion;

impl App {
    /// Ends all sessions of the account that [`App::authenticate`] returned, also the caller's. No mail is sent: the caller ends
    /// the sessions, and the password stays the same.
    ///
    /// # Errors
    /// [`AppError::RateLimited`]; the database. [`AccessError::InvalidToken`] if the account was deleted meanwhile.
    pub async fn log_out(&self, account: &Account, origin: &Origin) -> Result<(), AccessError> {
        self.admit(origin).await?;
        if !self.end_sessions(account.id, origin, None).await? {
            return Err(AccessError::InvalidToken);
        }
        tracing::info!(client = %origin, account = %account.id, "logged out everywhere");
        Ok(())
    }

    /// Deletes the account that [`App::authenticate`] returned, with its movies, mails and history, for an owner who gives the
    /// password.
    ///
    /// # Errors
    /// [`AppError::WrongPassword`], which counts as a failed login; [`AppError::RateLimited`]; [`AppError::Busy`]; the database.
    /// [`AccessError::InvalidToken`] if the session has ended meanwhile.
    pub async fn delete_own_account(
        &self,
        account: &Account,
        password: &PasswordInput,
        origin: &Origin,
    ) -> Result<Deletion, AccessError> {
        self.admit(origin).await?;
        self.verify_owner(account, password, origin).await?;
        // A password that was replaced meanwhile, for example by a reset, no longer deletes the account.
        self.authenticate_again(account).await?;
        let deleted = self.store.delete_account(account.id).await;
        let deletion = deleted
            .map_err(AppError::from)?
            .ok_or(AccessError::InvalidToken)?;
        tracing::info!(client = %origin, account = %account.id, "account deleted");
        Ok(deletion)
    }
}
