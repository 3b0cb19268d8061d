//! Disabling of accounts by the administrator, and its reversal.
//!
//! Disabling ends all sessions, and makes all reset links, invitations and queued mails void for good: tokens are bound to the
//! last revocation or to the last disabling, both of which are stored anew. Enabling therefore revives none of them.
//!
//! The owner is not notified, since no mail is sent to a disabled account.

use super::application::App;
use super::error::AppError;
use crate::domain::clock::draw;
use crate::domain::event::{EventKind, Origin};
use crate::domain::id::RevocationId;
use crate::domain::reason::Reason;
use crate::ports::store::StatusChange;

/// Result of disabling or enabling an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedStatus {
    /// Address as it is stored.
    pub address: String,
    /// Whether the status was another one before. If not, nothing was changed and no history written.
    pub changed: bool,
}

impl App {
    /// Disables an account. The history keeps the reason.
    ///
    /// # Errors
    /// [`AppError::InvalidEmail`], [`AppError::NoSuchAccount`]; the database.
    pub async fn disable_account(
        &self,
        email: &str,
        reason: &Reason,
        origin: &Origin,
    ) -> Result<ChangedStatus, AppError> {
        let account = self.find_account(email).await?;
        let id = RevocationId::new(self.clock.now(), draw(&*self.rng));
        let event = self.event(account.id, EventKind::Disabled, origin, reason.as_str());
        let change = self.store.disable_account(account.id, id, &event).await?;
        changed_status(email, account.address, change)
    }

    /// Enables a disabled account. The owner can log in again with the same password.
    ///
    /// # Errors
    /// [`AppError::InvalidEmail`], [`AppError::NoSuchAccount`]; the database.
    pub async fn enable_account(
        &self,
        email: &str,
        reason: &Reason,
        origin: &Origin,
    ) -> Result<ChangedStatus, AppError> {
        let account = self.find_account(email).await?;
        let event = self.event(account.id, EventKind::Enabled, origin, reason.as_str());
        let change = self.store.enable_account(account.id, &event).await?;
        changed_status(email, account.address, change)
    }
}

fn changed_status(
    email: &str,
    address: String,
    change: StatusChange,
) -> Result<ChangedStatus, AppError> {
    let changed = match change {
        StatusChange::Done => true,
        StatusChange::Unchanged => false,
        StatusChange::NoAccount => return Err(AppError::NoSuchAccount(email.to_owned())),
    };
    Ok(ChangedStatus { address, changed })
}
