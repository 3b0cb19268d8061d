//! Making an account: by sign-up over HTTP, or by the administrator.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{App, AppError, Delivery, DeliveryMode, parse_address};
use crate::domain::account::Account;
use crate::domain::clock::draw;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{EventKind, Origin};
use crate::domain::id::AccountId;
use crate::domain::outbox::MailKind;
use crate::domain::password::{PasswordHash, PasswordInput};
use crate::ports::store::AccountCreation;

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
        if !self.rules.signup_open {
            return Err(AppError::SignupClosed);
        }
        self.admit(&new.origin).await?;
        self.create_account(new).await
    }

    /// Whether an account could be made with this address, before its password is asked for.
    ///
    /// # Errors
    /// An address that is no mailbox or taken; the database.
    pub async fn check_new_address(&self, email: &str) -> Result<EmailAddress, AppError> {
        let address = parse_address(email)?;
        let store = &self.store;
        // Where several differ by capitals alone, none is found by another spelling, and yet the address is theirs.
        let taken = store.account_by_address(email, &address).await?.is_some()
            || store.is_address_taken(&address).await?;
        if taken {
            return Err(AppError::AddressTaken(address.to_string()));
        }
        Ok(address)
    }

    /// Makes an account.
    ///
    /// # Errors
    /// An address that is no mailbox or taken, a password that the policy refuses, too many hashes waiting, the
    /// database.
    pub async fn create_account(&self, new: NewAccount<'_>) -> Result<Account, AppError> {
        // Asked before the costly hash; the database decides again, and for good, when the account is made.
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

    /// Makes an account whose password nobody knows, and mails its owner a link to choose one: account and mail are
    /// made in one atomic step.
    ///
    /// # Errors
    /// An address that is no mailbox or taken, too many hashes waiting, the database.
    pub async fn invite(
        &self,
        email: &str,
        origin: &Origin,
        handling: DeliveryMode,
    ) -> Result<(Account, Option<Delivery>), AppError> {
        let address = self.check_new_address(email).await?;
        let unguessable = URL_SAFE_NO_PAD.encode(draw::<32>(&*self.rng));
        let account = self
            .new_account(&address, &PasswordInput::new(unguessable))
            .await?;
        let event = self.event(account.id, EventKind::Created, origin, "invited");
        let mail = self.entry(&account, MailKind::Invitation, origin, handling);
        let made = self.store.create_account(&account, &event, Some(&mail));
        match made.await? {
            AccountCreation::Created => Ok((account, self.notify_owner(mail, handling).await)),
            AccountCreation::AddressTaken => Err(AppError::AddressTaken(address.to_string())),
        }
    }

    async fn new_account(
        &self,
        address: &EmailAddress,
        password: &PasswordInput,
    ) -> Result<Account, AppError> {
        let hash = self.hasher.hash(password, &*self.rng).await?;
        Ok(self.account_with(address, hash))
    }

    /// An account that is to be made, with an id of its own.
    pub(super) fn account_with(
        &self,
        address: &EmailAddress,
        password_hash: PasswordHash,
    ) -> Account {
        Account {
            id: AccountId::new(self.clock.now(), draw(&*self.rng)),
            address: address.as_str().to_owned(),
            password_hash,
            revocation: None,
        }
    }
}
