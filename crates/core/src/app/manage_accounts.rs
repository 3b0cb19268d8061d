//! What the administrator does with accounts on the terminal.

use futures_util::future::join_all;

use super::{App, AppError, Delivery, DeliveryMode, parse_address};
use crate::domain::account::Account;
use crate::domain::clock::draw;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{Event, EventKind, Origin};
use crate::domain::id::{AccountId, RevocationId};
use crate::domain::outbox::{Entry, MailKind};
use crate::domain::password::PasswordInput;
use crate::ports::store::{CredentialChange, Deletion, Replacement};

/// How often a change that another one overtook is begun anew.
pub(super) const TRIES: usize = 5;

/// An account with all that is known about it.
#[derive(Debug, Clone)]
pub struct AccountDetails {
    /// The account.
    pub account: Account,
    /// Its mails that are not delivered yet.
    pub mails: Vec<Entry>,
    /// The newest lines of its history, newest first.
    pub history: Vec<Event>,
}

/// An address that was changed.
#[derive(Debug, Clone)]
pub struct AddressChanged {
    /// The address before.
    pub before: String,
    /// The address from now on.
    pub now: EmailAddress,
    /// What came of the mails, where the caller delivers them; none where nothing was to be changed.
    pub mails: Vec<Delivery>,
}

impl App {
    /// Up to `limit` accounts in the order of their ids, from the one after `after`.
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

    /// One account with its waiting mails and the newest `events` lines of its history.
    ///
    /// # Errors
    /// An address that is no mailbox or unknown; the database.
    pub async fn account_details(
        &self,
        email: &str,
        events: usize,
    ) -> Result<AccountDetails, AppError> {
        let account = self.account_named(email).await?;
        let mails = self.store.entries_of(account.id).await?;
        let history = self.store.history(account.id, events).await?;
        Ok(AccountDetails {
            account,
            mails,
            history,
        })
    }

    /// Whether a password would be taken for this account or new address, before it is asked for a second time.
    ///
    /// # Errors
    /// [`AppError::WeakPassword`].
    pub fn check_password(&self, password: &PasswordInput, address: &str) -> Result<(), AppError> {
        Ok(self.rules.password_policy.check(password, address)?)
    }

    /// Sets an account's password and tells its owner by mail.
    ///
    /// # Errors
    /// An address that is no mailbox or unknown, a password that the policy refuses, the database.
    pub async fn set_password(
        &self,
        email: &str,
        password: &PasswordInput,
        origin: &Origin,
        handling: DeliveryMode,
    ) -> Result<Option<Delivery>, AppError> {
        for _ in 0..TRIES {
            let account = self.account_named(email).await?;
            self.check_password(password, &account.address)?;
            // Anew for each try: by its salt a change can be told from every other one.
            let changed = Account {
                password_hash: self.hasher.hash(password, &*self.rng).await?,
                ..account.clone()
            };
            let mail = self.entry(&changed, MailKind::ResetSuccessful, origin, handling);
            let change = CredentialChange {
                clears_limit: Some(self.login_tally(&account)),
                mails: vec![mail.clone()],
                event: self.event(account.id, EventKind::PasswordSet, origin, ""),
                expected: account,
                address: changed.address,
                password_hash: changed.password_hash,
            };
            match self.store.replace_credential(&change).await? {
                Replacement::Replaced => return Ok(self.notify_owner(mail, handling).await),
                Replacement::AddressTaken => return Err(AppError::AddressTaken(change.address)),
                Replacement::Conflict => {}
            }
        }
        Err(overtaken())
    }

    /// Gives an account another address and tells its owner at both, the one before and the new one. Reset links and
    /// invitations end: they were mailed to the one before. Answers what came of each mail, the new address first.
    ///
    /// # Errors
    /// An address that is no mailbox, unknown, or another account's; the database.
    pub async fn set_address(
        &self,
        email: &str,
        to: &str,
        origin: &Origin,
        handling: DeliveryMode,
    ) -> Result<AddressChanged, AppError> {
        let to = parse_address(to)?;
        for _ in 0..TRIES {
            let account = self.account_named(email).await?;
            if account.address == to.as_str() {
                return Ok(AddressChanged {
                    before: account.address,
                    now: to,
                    mails: Vec::new(),
                });
            }
            // Its own address in other capitals may be given to it.
            let is_own = EmailAddress::parse(&account.address).is_ok_and(|own| own == to);
            if !is_own && self.store.is_address_taken(&to).await? {
                return Err(AppError::AddressTaken(to.to_string()));
            }
            let changed = Account {
                address: to.as_str().to_owned(),
                ..account.clone()
            };
            let told = self.entry(&changed, MailKind::AddressChanged, origin, handling);
            let told_before = Entry {
                recipient: Some(account.address.clone()),
                ..self.entry(&changed, MailKind::AddressChanged, origin, handling)
            };
            let detail = format!("from {} to {to}", account.address);
            let change = CredentialChange {
                clears_limit: None,
                mails: vec![told, told_before],
                event: self.event(account.id, EventKind::AddressChanged, origin, detail),
                expected: account,
                address: changed.address,
                password_hash: changed.password_hash,
            };
            match self.store.replace_credential(&change).await? {
                Replacement::Replaced => {
                    let mails = change.mails.into_iter();
                    let told = join_all(mails.map(|mail| self.notify_owner(mail, handling))).await;
                    return Ok(AddressChanged {
                        before: change.expected.address,
                        now: to,
                        mails: told.into_iter().flatten().collect(),
                    });
                }
                Replacement::AddressTaken => return Err(AppError::AddressTaken(change.address)),
                Replacement::Conflict => {}
            }
        }
        Err(overtaken())
    }

    /// Ends all logins of an account and tells its owner; the password stays.
    ///
    /// # Errors
    /// An address that is no mailbox or unknown; the database.
    pub async fn revoke_access(
        &self,
        email: &str,
        origin: &Origin,
        handling: DeliveryMode,
    ) -> Result<Option<Delivery>, AppError> {
        let account = self.account_named(email).await?;
        let revocation = RevocationId::new(self.clock.now(), draw(&*self.rng));
        let mail = self.entry(&account, MailKind::AccessRevoked, origin, handling);
        let event = self.event(account.id, EventKind::AccessRevoked, origin, "");
        let store = &self.store;
        let revoked = store.revoke_access(account.id, revocation, &event, &mail);
        if !revoked.await? {
            return Err(AppError::NoSuchAccount(email.to_owned()));
        }
        Ok(self.notify_owner(mail, handling).await)
    }

    /// One account with what would go with it: to be shown before it is deleted.
    ///
    /// # Errors
    /// An address that is no mailbox or unknown; the database.
    pub async fn account_deletion(&self, email: &str) -> Result<(Account, Deletion), AppError> {
        let account = self.account_named(email).await?;
        let deletion = self.store.deletion_preview(account.id).await?;
        deletion
            .map(|deletion| (account, deletion))
            .ok_or_else(|| AppError::NoSuchAccount(email.to_owned()))
    }

    /// Deletes an account with its movies, waiting mails and history.
    ///
    /// # Errors
    /// An address that is no mailbox or unknown; the database.
    pub async fn delete_account(&self, email: &str) -> Result<Deletion, AppError> {
        let account = self.account_named(email).await?;
        self.store
            .delete_account(account.id)
            .await?
            .ok_or_else(|| AppError::NoSuchAccount(email.to_owned()))
    }
}

/// Error after repeated conflicts with other changes of the same account.
pub(super) fn overtaken() -> AppError {
    AppError::DatabaseBusy("other requests keep changing the account: try again later".into())
}
