//! What the administrator does with accounts on the terminal.

use super::{App, AppError, Delivery, Handling};
use crate::domain::account::Account;
use crate::domain::event::{Event, EventKind, Origin};
use crate::domain::id::AccountId;
use crate::domain::outbox::{Entry, MailKind};
use crate::domain::password::PasswordInput;
use crate::store::{CredentialChange, Deletion, Replacement};

/// How often a change that another one overtook is begun anew.
const TRIES: usize = 5;

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
        Ok(self.parts.store.accounts(after, limit).await?)
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
        let mails = self.parts.store.entries_of(account.id).await?;
        let history = self.parts.store.history(account.id, events).await?;
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
        Ok(self.parts.rules.password_policy.check(password, address)?)
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
        handling: Handling,
    ) -> Result<Option<Delivery>, AppError> {
        for _ in 0..TRIES {
            let account = self.account_named(email).await?;
            self.check_password(password, &account.address)?;
            // Anew for each try: by its salt a change can be told from every other one.
            let changed = Account {
                password_hash: self.parts.hasher.hash(password).await?,
                ..account.clone()
            };
            let change = CredentialChange {
                forgives: Some(self.login_tally(&account)),
                mail: self.entry(&changed, MailKind::ResetSuccessful, origin, handling),
                event: self.event(account.id, EventKind::PasswordSet, origin, ""),
                expected: account,
                password_hash: changed.password_hash,
            };
            match self.parts.store.replace_credential(&change).await? {
                Replacement::Replaced => return self.hand_over(change.mail, handling).await,
                Replacement::Superseded => {}
            }
        }
        Err(AppError::Unavailable(
            "the account's password is being changed by others again and again: try later"
                .to_owned(),
        ))
    }

    /// Deletes an account with its movies, waiting mails and history.
    ///
    /// # Errors
    /// An address that is no mailbox or unknown; the database.
    pub async fn delete_account(&self, email: &str) -> Result<Deletion, AppError> {
        let account = self.account_named(email).await?;
        self.parts
            .store
            .delete_account(account.id)
            .await?
            .ok_or(AppError::NoSuchAccount)
    }
}
