//! Change of the password by the account owner, and the step that all changes of a password share.

use super::application::App;
use super::authenticate::AccessError;
use super::deliver_outbox::Delivery;
use super::error::AppError;
use super::hand_over::DeliveryMode;
use super::manage_accounts::{TRIES, conflict_error};
use crate::domain::account::Account;
use crate::domain::event::{EventKind, Origin};
use crate::domain::mail::MailKind;
use crate::domain::password::PasswordInput;
use crate::domain::token::Token;
use crate::ports::store::{CredentialChange, Replacement};

/// Result of [`App::replace_password`].
pub(super) struct ReplacedPassword {
    /// The account with its new password.
    pub(super) account: Account,
    /// Result of delivering the confirmation with [`DeliveryMode::DeliverNow`].
    pub(super) confirmation: Option<Delivery>,
}

impl App {
    /// Changes the password of the account that [`App::authenticate`] returned, for an owner who gives the current password.
    /// All its sessions end and its reset tokens become void. Returns the access token of the caller's new session.
    ///
    /// # Errors
    /// [`AppError::WrongPassword`], which counts as a failed login; [`AppError::WeakPassword`]; [`AppError::RateLimited`];
    /// [`AppError::Busy`], [`AppError::DatabaseBusy`]; the database. [`AccessError::InvalidToken`] if another change of the
    /// password came first, which has ended the session.
    /// An error means that nothing has changed.
    pub async fn change_password(
        &self,
        account: Account,
        current: &PasswordInput,
        password: &PasswordInput,
        origin: &Origin,
    ) -> Result<Token, AccessError> {
        self.admit(origin).await?;
        self.verify_owner(&account, current, origin).await?;
        self.check_password(password, &account.address)?;
        self.admit_password_change(&account, origin).await?;
        let mut account = account;
        for _ in 0..TRIES {
            let (kind, mode) = (EventKind::PasswordChanged, DeliveryMode::Queue);
            let replaced = self.replace_password(account.clone(), password, kind, origin, mode);
            if let Some(replaced) = replaced.await? {
                tracing::info!(client = %origin, account = %account.id, "password changed");
                return Ok(self.access_token(&replaced.account));
            }
            account = self.authenticate_again(&account).await?;
            self.check_password(password, &account.address)?;
        }
        Err(conflict_error().into())
    }

    /// Replaces the password of an account, writes the history and notifies the owner, unless the account is disabled. The limit of failed logins begins anew.
    /// Returns `None` and changes nothing if the account is not as the caller read it.
    pub(super) async fn replace_password(
        &self,
        account: Account,
        password: &PasswordInput,
        kind: EventKind,
        origin: &Origin,
        mode: DeliveryMode,
    ) -> Result<Option<ReplacedPassword>, AppError> {
        // The salt makes the change unique, also for an unchanged password.
        let changed = Account {
            password_hash: self.hasher.hash(password, &*self.rng).await?,
            ..account.clone()
        };
        let mail = (!account.is_disabled())
            .then(|| self.entry(&changed, MailKind::ResetSuccessful, origin, mode));
        let change = CredentialChange {
            clears_limit: Some(self.login_limit_key(&account)),
            mails: mail.iter().cloned().collect(),
            event: self.event(account.id, kind, origin, ""),
            expected: account,
            address: changed.address.clone(),
            password_hash: changed.password_hash.clone(),
        };
        Ok(match self.store.replace_credential(&change).await? {
            Replacement::Replaced => Some(ReplacedPassword {
                account: changed,
                confirmation: match mail {
                    Some(mail) => self.notify_owner(mail, mode).await,
                    None => None,
                },
            }),
            // The address stays the same, so that no other account can have it.
            Replacement::Conflict | Replacement::AddressTaken => None,
        })
    }
}
