//! Making an account: by sign-up over HTTP, or by the administrator.

use super::{App, AppError};
use crate::domain::account::Account;
use crate::domain::clock::draw;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{EventKind, Origin};
use crate::domain::id::AccountId;
use crate::domain::password::PasswordInput;
use crate::store::Creation;

/// What an account is made from.
pub struct NewAccount<'a> {
    /// The address as typed.
    pub email: &'a str,
    /// The password as typed.
    pub password: PasswordInput,
    /// From where it is asked for.
    pub origin: Origin,
}

impl App {
    /// Makes an account for whoever asks, where sign-up is open.
    ///
    /// # Errors
    /// [`AppError::SignupClosed`], and those of [`App::create_account`].
    pub async fn sign_up(&self, new: NewAccount<'_>) -> Result<Account, AppError> {
        if !self.parts.rules.signup_open {
            return Err(AppError::SignupClosed);
        }
        self.create_account(new).await
    }

    /// Whether an account could be made with this address, before its password is asked for.
    ///
    /// # Errors
    /// An address that is no mailbox or taken; the database.
    pub async fn check_new_address(&self, email: &str) -> Result<EmailAddress, AppError> {
        let address = EmailAddress::parse(email)?;
        match self.parts.store.account_by_address(email, &address).await? {
            Some(_) => Err(AppError::AddressTaken),
            None => Ok(address),
        }
    }

    /// Makes an account.
    ///
    /// # Errors
    /// An address that is no mailbox or taken, a password that the policy refuses, too many hashes waiting, the
    /// database.
    pub async fn create_account(&self, new: NewAccount<'_>) -> Result<Account, AppError> {
        // Asked before the costly hash; the database decides again, and for good, when the account is made.
        let address = self.check_new_address(new.email).await?;
        self.parts
            .rules
            .password_policy
            .check(&new.password, address.as_str())?;
        let account = Account {
            id: AccountId::new(self.parts.clock.now(), draw(&*self.parts.rng)),
            address: address.as_str().to_owned(),
            password_hash: self.parts.hasher.hash(&new.password).await?,
        };
        let event = self.event(account.id, EventKind::Created, &new.origin, "");
        match self
            .parts
            .store
            .create_account(&account, &event, None)
            .await?
        {
            Creation::Created => Ok(account),
            Creation::AddressTaken => Err(AppError::AddressTaken),
        }
    }
}
