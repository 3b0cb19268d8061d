//! Import of accounts of another system: record by record, many concurrently, and idempotent.
//!
//! The import is independent of files and lines. The caller calls [`Import::take`] for one record after the other, and
//! polls up to [`Import::AT_ONCE`] of the futures concurrently: then all cores hash, and the database commits many
//! together.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use super::application::App;
use super::error::{AppError, parse_address};
use super::manage_accounts::{TRIES, conflict_error};
use crate::domain::account::Account;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{EventKind, Origin};
use crate::domain::password::{PasswordHash, PasswordInput};
use crate::ports::store::{AccountCreation, CredentialChange, Replacement};

/// Detail of the event in the history of an account.
const DETAIL: &str = "imported";

#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Whether an existing account gets the credential of its record.
    pub update: bool,
    /// Whether only the outcomes are reported, without any change.
    pub dry_run: bool,
    /// Source of the request.
    pub origin: Origin,
}

/// Account of another system.
pub struct Record {
    /// Address as it is stored there.
    pub email: String,
    pub credential: NewCredential,
}

pub enum NewCredential {
    /// Plaintext password, to be hashed. The policy applies.
    Password(PasswordInput),
    /// Hash that the other system made.
    Hash(PasswordHash),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportOutcome {
    Created,
    /// The existing account got the credential of the record.
    Updated,
    /// The existing account was not changed.
    Unchanged,
}

/// State of a running import.
pub struct Import {
    app: App,
    how: ImportOptions,
    turns: Turns,
    /// In a dry run: digests of the accounts that would have been created.
    would_be: Mutex<HashSet<u64>>,
}

impl App {
    pub fn import(&self, how: ImportOptions) -> Import {
        Import {
            app: self.clone(),
            how,
            turns: Turns::default(),
            would_be: Mutex::default(),
        }
    }
}

impl Import {
    /// Number of records that may be imported concurrently: enough that many share a commit, fewer than may wait to be hashed,
    /// and no more than a slow database server can finish within the time limit of one step.
    pub const AT_ONCE: usize = 32;

    /// Imports a record. Records of one address are imported in the order of these calls: the first one creates the account,
    /// the next ones find it.
    ///
    /// No mail is sent: informing the owners is up to the administrator. A plaintext password that fits the account already
    /// changes nothing. Otherwise the credential is replaced in one atomic step, which ends sessions and voids reset links.
    ///
    /// # Errors
    /// [`AppError::InvalidEmail`]; [`AppError::AddressTaken`] if several accounts have the address in different cases;
    /// [`AppError::WeakPassword`]; the database.
    pub fn take(
        &self,
        record: Record,
    ) -> impl Future<Output = Result<ImportOutcome, AppError>> + use<'_> {
        let address = parse_address(&record.email);
        let turn = address
            .as_ref()
            .ok()
            .map(|address| self.turns.queue(address));
        async move {
            let address = address?;
            let _turn = match turn {
                Some(turn) => Some(turn.wait().await),
                None => None,
            };
            self.import_record(&record, &address).await
        }
    }

    async fn import_record(
        &self,
        record: &Record,
        address: &EmailAddress,
    ) -> Result<ImportOutcome, AppError> {
        let store = &self.app.store;
        let mut was_taken = false;
        for _ in 0..TRIES {
            let account = store.account_by_address(&record.email, address).await?;
            let done = match account {
                Some(_) if !self.how.update => Some(ImportOutcome::Unchanged),
                Some(account) => self.update(account, &record.credential).await?,
                None if store.is_address_taken(address).await? => {
                    was_taken = true;
                    None
                }
                None => self.create(address, &record.credential).await?,
            };
            if let Some(done) = done {
                return Ok(done);
            }
        }
        // Several accounts whose addresses differ only by case are not found, but they have the address.
        Err(if was_taken {
            AppError::AddressTaken(record.email.clone())
        } else {
            conflict_error()
        })
    }

    /// Returns `None` if another change came first.
    async fn create(
        &self,
        address: &EmailAddress,
        credential: &NewCredential,
    ) -> Result<Option<ImportOutcome>, AppError> {
        if let NewCredential::Password(password) = credential {
            self.app.check_password(password, address.as_str())?;
        }
        if self.how.dry_run {
            return Ok(Some(self.would_create(address)));
        }
        let account = self
            .app
            .build_account(address, self.hash(credential).await?);
        let origin = &self.how.origin;
        let event = self
            .app
            .event(account.id, EventKind::Created, origin, DETAIL);
        let made = self.app.store.create_account(&account, &event, None);
        Ok(match made.await? {
            AccountCreation::Created => Some(ImportOutcome::Created),
            AccountCreation::AddressTaken => None,
        })
    }

    fn would_create(&self, address: &EmailAddress) -> ImportOutcome {
        let mut digest = DefaultHasher::new();
        address.hash(&mut digest);
        let mut would_be = self.would_be.lock().unwrap_or_else(PoisonError::into_inner);
        match (would_be.insert(digest.finish()), self.how.update) {
            (true, _) => ImportOutcome::Created,
            (false, true) => ImportOutcome::Updated,
            (false, false) => ImportOutcome::Unchanged,
        }
    }

    /// Returns `None` if another change came first.
    async fn update(
        &self,
        account: Account,
        credential: &NewCredential,
    ) -> Result<Option<ImportOutcome>, AppError> {
        let fits = match credential {
            NewCredential::Hash(hash) => *hash == account.password_hash,
            // To find out, it would have to be hashed.
            NewCredential::Password(_) if self.how.dry_run => false,
            NewCredential::Password(password) => {
                let hasher = &self.app.hasher;
                hasher
                    .verify(password, Some(&account.password_hash), 0)
                    .await?
            }
        };
        if fits {
            return Ok(Some(ImportOutcome::Unchanged));
        }
        if let NewCredential::Password(password) = credential {
            self.app.check_password(password, &account.address)?;
        }
        if self.how.dry_run {
            return Ok(Some(ImportOutcome::Updated));
        }
        let origin = &self.how.origin;
        let change = CredentialChange {
            address: account.address.clone(),
            password_hash: self.hash(credential).await?,
            event: self
                .app
                .event(account.id, EventKind::PasswordSet, origin, DETAIL),
            mails: Vec::new(),
            clears_limit: Some(self.app.login_limit_key(&account)),
            expected: account,
        };
        let replaced = self.app.store.replace_credential(&change);
        Ok(match replaced.await? {
            Replacement::Replaced => Some(ImportOutcome::Updated),
            Replacement::AddressTaken | Replacement::Conflict => None,
        })
    }

    async fn hash(&self, credential: &NewCredential) -> Result<PasswordHash, AppError> {
        match credential {
            NewCredential::Password(password) => {
                self.app.hasher.hash(password, &*self.app.rng).await
            }
            NewCredential::Hash(hash) => Ok(hash.clone()),
        }
    }
}

/// Queues of records, one for each address that is being imported.
#[derive(Default)]
struct Turns(Mutex<Queues>);

#[derive(Default)]
struct Queues {
    /// Number of the last turn of each queue, and a channel that closes when it ends.
    last: HashMap<EmailAddress, (u64, oneshot::Receiver<()>)>,
    queued: u64,
}

impl Turns {
    /// Appends a turn to the queue of an address.
    fn queue(&self, address: &EmailAddress) -> Turn<'_> {
        let (ends, ended) = oneshot::channel();
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        queues.queued += 1;
        let number = queues.queued;
        let before = queues.last.insert(address.clone(), (number, ended));
        Turn {
            turns: self,
            address: address.clone(),
            number,
            before: before.map(|(_, ended)| ended),
            _ends: ends,
        }
    }
}

/// Turn of one record. It ends when it is dropped.
struct Turn<'a> {
    turns: &'a Turns,
    address: EmailAddress,
    number: u64,
    before: Option<oneshot::Receiver<()>>,
    /// Nothing is sent: the next turn waits until this is dropped.
    _ends: oneshot::Sender<()>,
}

impl Turn<'_> {
    /// Waits until the previous turn has ended.
    async fn wait(mut self) -> Self {
        if let Some(before) = self.before.take() {
            let _ = before.await;
        }
        self
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut queues = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if queues
            .last
            .get(&self.address)
            .is_some_and(|(number, _)| *number == self.number)
        {
            queues.last.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn queues_are_removed_when_their_last_turn_ends() {
        let turns = Turns::default();
        let addresses = ["ann@example.com", "bob@example.com"];
        let queued = (0..10).map(|number| {
            let address = EmailAddress::parse(addresses[number % 2]).unwrap();
            turns.queue(&address)
        });
        let mut queued: Vec<_> = queued.collect();
        assert_eq!(turns.0.lock().unwrap().last.len(), 2);
        // This turn ends before its predecessor.
        drop(queued.remove(4));
        join_all(
            queued
                .into_iter()
                .map(|turn| async { drop(turn.wait().await) }),
        )
        .await;
        assert!(turns.0.lock().unwrap().last.is_empty());
    }
}
