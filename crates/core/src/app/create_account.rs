//! Creating an account: by open sign-up over HTTP, or by the administrator.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::application::App;
use super::deliver_outbox::Delivery;
use super::error::{AppError, parse_address};
use super::hand_over::DeliveryMode;
use crate::domain::account::Account;
use crate::domain::clock::draw;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{EventKind, Origin};
use crate::domain::id::AccountId;
use crate::domain::mail::MailKind;
use crate::domain::password::{PasswordHash, PasswordInput};
use crate::ports::store::AccountCreation;

pub struct NewAccount<'a> {
    /// Address as typed.
    pub email: &'a str,
    /// Password as typed.
    pub password: PasswordInput,
    /// Source of the request.
    pub origin: Origin,
}

impl App {
    /// Checks whether an account could be created with this address, before its password is entered.
    ///
    /// # Errors
    /// [`AppError::InvalidEmail`], [`AppError::AddressTaken`]; the database.
    pub async fn check_new_address(&self, email: &str) -> Result<EmailAddress, AppError> {
        let address = parse_address(email)?;
        let store = &self.store;
        // Several accounts whose addresses differ only by case are not found by another spelling, but they have the address.
        let taken = store.account_by_address(email, &address).await?.is_some()
            || store.is_address_taken(&address).await?;
        if taken {
            return Err(AppError::AddressTaken(address.to_string()));
        }
        Ok(address)
    }

    /// Creates an account.
    ///
    /// # Errors
    /// [`AppError::InvalidEmail`], [`AppError::AddressTaken`], [`AppError::WeakPassword`], [`AppError::Busy`]; the database.
    pub async fn create_account(&self, new: NewAccount<'_>) -> Result<Account, AppError> {
        // Checked before the expensive hash. The database enforces it when the account is created.
        let address = self.check_new_address(new.email).await?;
        self.rules
            .password_policy
            .check(&new.password, address.as_str())?;
        let account = self.new_account(&address, &new.password).await?;
        let event = self.event(account.id, EventKind::Created, &new.origin, "");
        let made = self.store.create_account(&account, &event, None);
        match made.await? {
            AccountCreation::Created => Ok(account),
            AccountCreation::AddressTaken => Err(AppError::AddressTaken(address.to_string())),
        }
    }

    /// Creates an account with a random password that is not stored, and mails its owner a link to choose one. Account and
    /// mail are created in one atomic step.
    ///
    /// # Errors
    /// [`AppError::InvalidEmail`], [`AppError::AddressTaken`], [`AppError::Busy`]; the database.
    pub async fn invite(
        &self,
        email: &str,
        origin: &Origin,
        mode: DeliveryMode,
    ) -> Result<(Account, Option<Delivery>), AppError> {
        let address = self.check_new_address(email).await?;
        let unguessable = URL_SAFE_NO_PAD.encode(draw::<32>(&*self.rng));
        let account = self
            .new_account(&address, &PasswordInput::new(unguessable))
            .await?;
        let event = self.event(account.id, EventKind::Created, origin, "invited");
        let mail = self.entry(&account, MailKind::Invitation, origin, mode);
        let made = self.store.create_account(&account, &event, Some(&mail));
        match made.await? {
            AccountCreation::Created => Ok((account, self.notify_owner(mail, mode).await)),
            AccountCreation::AddressTaken => Err(AppError::AddressTaken(address.to_string())),
        }
    }

    async fn new_account(
        &self,
        address: &EmailAddress,
        password: &PasswordInput,
    ) -> Result<Account, AppError> {
        let hash = self.hasher.hash(password, &*self.rng).await?;
        Ok(self.build_account(address, hash))
    }

    /// Returns an account with a new id. It is not stored yet.
    pub(super) fn build_account(
        &self,
        address: &EmailAddress,
        password_hash: PasswordHash,
    ) -> Account {
        Account {
            id: AccountId::new(self.clock.now(), draw(&*self.rng)),
            address: address.as_str().to_owned(),
            password_hash,
            revocation: None,
            disabling: None,
        }
    }
}
