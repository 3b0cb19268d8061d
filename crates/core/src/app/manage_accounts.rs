//! Administration of accounts on the terminal.

use futures_util::future::join_all;

use super::application::App;
use super::deliver_outbox::Delivery;
use super::error::{AppError, parse_address};
use super::hand_over::DeliveryMode;
use crate::domain::account::Account;
use crate::domain::clock::draw;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{Event, EventKind, Origin};
use crate::domain::id::{AccountId, RevocationId};
use crate::domain::mail::MailKind;
use crate::domain::outbox::Entry;
use crate::domain::password::PasswordInput;
use crate::ports::store::{CredentialChange, Deletion, Replacement};

/// Number of attempts at a change that conflicts with other changes.
pub(super) const TRIES: usize = 5;

/// Account with its mails and its history.
#[derive(Debug, Clone)]
pub struct AccountDetails {
    pub account: Account,
    /// Mails that are not delivered yet.
    pub mails: Vec<Entry>,
    /// Newest lines of the history, newest first.
    pub history: Vec<Event>,
}

/// Result of a changed address.
#[derive(Debug, Clone)]
pub struct AddressChanged {
    /// Previous address.
    pub before: String,
    /// New address.
    pub now: EmailAddress,
    /// Results of the mails with [`DeliveryMode::DeliverNow`]; none if the account already had the address, or is disabled.
    pub mails: Vec<Delivery>,
    pub is_disabled: bool,
}

impl App {
    /// Returns up to `limit` accounts in the order of their ids, beginning after `after`.
    ///
    /// # Errors
    /// The database.
    pub async fn accounts(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Vec<Account>, AppError> {
        Ok(self.store.accounts(after, limit).await?)
    }

    /// Returns an account with its undelivered mails and the newest `events` lines of its history.
    ///
    /// # Errors
    /// [`AppError::InvalidEmail`], [`AppError::NoSuchAccount`]; the database.
    pub async fn account_details(
        &self,
        email: &str,
        events: usize,
    ) -> Result<AccountDetails, AppError> {
        let account = self.find_account(email).await?;
        let mails = self.store.entries_of(account.id).await?;
        let history = self.store.history(account.id, events).await?;
        Ok(AccountDetails {
            account,
            mails,
            history,
        })
    }

    /// Checks a password for an account or a new address, before it is entered a second time.
    ///
    /// # Errors
    /// [`AppError::WeakPassword`].
    pub fn check_password(&self, password: &PasswordInput, address: &str) -> Result<(), AppError> {
        Ok(self.rules.password_policy.check(password, address)?)
    }

    /// Sets an account's password, and notifies its owner by mail unless the account is disabled.
    ///
    /// # Errors
    /// [`AppError::InvalidEmail`], [`AppError::NoSuchAccount`], [`AppError::WeakPassword`], [`AppError::Busy`],
    /// [`AppError::DatabaseBusy`]; the database.
    pub async fn set_password(
        &self,
        email: &str,
        password: &PasswordInput,
        origin: &Origin,
        mode: DeliveryMode,
    ) -> Result<Option<Delivery>, AppError> {
        for _ in 0..TRIES {
            let account = self.find_account(email).await?;
            self.check_password(password, &account.address)?;
            let set =
                self.replace_password(account, password, EventKind::PasswordSet, origin, mode);
            if let Some(replaced) = set.await? {
                return Ok(replaced.confirmation);
            }
        }
        Err(conflict_error())
    }

    /// Changes the address of an account, and notifies its owner at the previous and at the new address unless the account is
    /// disabled. Reset links and invitations become void: they were mailed to the previous address. The results of the mails
    /// begin with the new address.
    ///
    /// # Errors
    /// [`AppError::InvalidEmail`], [`AppError::NoSuchAccount`], [`AppError::AddressTaken`], [`AppError::DatabaseBusy`]; the
    /// database.
    pub async fn set_address(
        &self,
        email: &str,
        to: &str,
        origin: &Origin,
        mode: DeliveryMode,
    ) -> Result<AddressChanged, AppError> {
        let to = parse_address(to)?;
        for _ in 0..TRIES {
            let account = self.find_account(email).await?;
            if account.address == to.as_str() {
                return Ok(AddressChanged {
                    is_disabled: account.is_disabled(),
                    before: account.address,
                    now: to,
                    mails: Vec::new(),
                });
            }
            // The account may get its own address in another case.
            let is_own = EmailAddress::parse(&account.address).is_ok_and(|own| own == to);
            if !is_own && self.store.is_address_taken(&to).await? {
                return Err(AppError::AddressTaken(to.to_string()));
            }
            let changed = Account {
                address: to.as_str().to_owned(),
                ..account.clone()
            };
            let notice = self.entry(&changed, MailKind::AddressChanged, origin, mode);
            let notice_before = Entry {
                recipient: Some(account.address.clone()),
                ..self.entry(&changed, MailKind::AddressChanged, origin, mode)
            };
            let detail = format!("from {} to {to}", account.address);
            let change = CredentialChange {
                clears_limit: None,
                mails: match account.is_disabled() {
                    true => Vec::new(),
                    false => vec![notice, notice_before],
                },
                event: self.event(account.id, EventKind::AddressChanged, origin, detail),
                expected: account,
                address: changed.address,
                password_hash: changed.password_hash,
            };
            match self.store.replace_credential(&change).await? {
                Replacement::Replaced => {
                    let mails = change.mails.into_iter();
                    let notified = join_all(mails.map(|mail| self.notify_owner(mail, mode))).await;
                    return Ok(AddressChanged {
                        is_disabled: change.expected.is_disabled(),
                        before: change.expected.address,
                        now: to,
                        mails: notified.into_iter().flatten().collect(),
                    });
                }
                Replacement::AddressTaken => return Err(AppError::AddressTaken(change.address)),
                Replacement::Conflict => {}
            }
        }
        Err(conflict_error())
    }

    /// Ends all sessions of an account, and notifies its owner. The password stays the same.
    ///
    /// # Errors
    /// [`AppError::InvalidEmail`], [`AppError::NoSuchAccount`]; [`AppError::AccountDisabled`], since a disabled account has no
    /// sessions; the database.
    pub async fn revoke_access(
        &self,
        email: &str,
        origin: &Origin,
        mode: DeliveryMode,
    ) -> Result<Option<Delivery>, AppError> {
        let account = self.find_account(email).await?;
        if account.is_disabled() {
            return Err(AppError::AccountDisabled(account.address));
        }
        let mail = self.entry(&account, MailKind::AccessRevoked, origin, mode);
        if !self.end_sessions(account.id, origin, Some(&mail)).await? {
            return Err(AppError::NoSuchAccount(email.to_owned()));
        }
        Ok(self.notify_owner(mail, mode).await)
    }

    /// Ends all sessions of an account, and queues `mail`. Returns `false` if the account does not exist.
    pub(super) async fn end_sessions(
        &self,
        account: AccountId,
        origin: &Origin,
        mail: Option<&Entry>,
    ) -> Result<bool, AppError> {
        let revocation = RevocationId::new(self.clock.now(), draw(&*self.rng));
        let event = self.event(account, EventKind::AccessRevoked, origin, "");
        let revoked = self.store.revoke_access(account, revocation, &event, mail);
        Ok(revoked.await?)
    }

    /// Returns an account with the numbers of rows that would be deleted with it, for a confirmation prompt.
    ///
    /// # Errors
    /// [`AppError::InvalidEmail`], [`AppError::NoSuchAccount`]; the database.
    pub async fn account_deletion(&self, email: &str) -> Result<(Account, Deletion), AppError> {
        let account = self.find_account(email).await?;
        let deletion = self.store.deletion_preview(account.id).await?;
        deletion
            .map(|deletion| (account, deletion))
            .ok_or_else(|| AppError::NoSuchAccount(email.to_owned()))
    }

    /// Deletes an account with its movies, mails and history.
    ///
    /// # Errors
    /// [`AppError::InvalidEmail`], [`AppError::NoSuchAccount`]; the database.
    pub async fn delete_account(&self, email: &str) -> Result<Deletion, AppError> {
        let account = self.find_account(email).await?;
        self.store
            .delete_account(account.id)
            .await?
            .ok_or_else(|| AppError::NoSuchAccount(email.to_owned()))
    }
}

/// Error after repeated conflicts with other changes of the same account.
pub(super) fn conflict_error() -> AppError {
    AppError::DatabaseBusy("other requests keep changing the account: try again later".into())
}
