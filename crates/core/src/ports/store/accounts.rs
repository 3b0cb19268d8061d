//! Accounts and their credentials.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::error::StoreError;
use crate::domain::account::Account;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::Event;
use crate::domain::id::{AccountId, RevocationId};
use crate::domain::limit::LimitKey;
use crate::domain::outbox::Entry;
use crate::domain::password::PasswordHash;

/// Result of [`Accounts::create_account`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountCreation {
    Created,
    /// Another account has the address. Nothing changed.
    AddressTaken,
}

/// Change of an account's password or address that takes effect only while the credential is the expected one.
#[derive(Debug, Clone)]
pub struct CredentialChange {
    /// The account as the caller read it. Its address, its hash and its last disabling must still be the stored ones.
    pub expected: Account,
    pub address: String,
    pub password_hash: PasswordHash,
    /// Line of the history that is written with the change.
    pub event: Event,
    /// Confirmations that are queued with the change.
    pub mails: Vec<Entry>,
    /// Rate limit that is cleared with the change: the failed logins with the previous password.
    pub clears_limit: Option<LimitKey>,
}

/// Result of a [`CredentialChange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replacement {
    /// The credential was replaced, the history written and the confirmations queued.
    Replaced,
    /// Another account has the new address. Nothing changed.
    AddressTaken,
    /// The credential is no longer the expected one, or the account does not exist. Nothing changed.
    Conflict,
}

/// Result of [`Accounts::disable_account`] and [`Accounts::enable_account`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusChange {
    Done,
    /// The account has this status already. Nothing changed.
    Unchanged,
    NoAccount,
}

/// Numbers of rows that are deleted together with an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deletion {
    /// Movies that the account added.
    pub movies: u64,
    /// Its entries in the outbox, waiting and dead.
    pub mails: u64,
    /// Lines of its history.
    pub events: u64,
}

#[async_trait]
pub trait Accounts {
    /// Creates an account with the first line of its history, and queues `mail`. The database enforces that an address is
    /// unique, also among concurrent calls.
    async fn create_account(
        &self,
        account: &Account,
        event: &Event,
        mail: Option<&Entry>,
    ) -> Result<AccountCreation, StoreError>;

    /// Returns the account with this id.
    async fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError>;

    /// Returns the account with this address, where `typed` is the text that a person entered. Other programs may have
    /// stored other spellings. The order of precedence is: an account in exactly the typed spelling, then one in the
    /// canonical form, then the only one that matches case-insensitively. Several of the last kind match none.
    async fn account_by_address(
        &self,
        typed: &str,
        canonical: &EmailAddress,
    ) -> Result<Option<Account>, StoreError>;

    /// Returns whether an account has this address in any case: then no other account can get it.
    async fn is_address_taken(&self, canonical: &EmailAddress) -> Result<bool, StoreError>;

    /// Returns up to `limit` accounts in the order of their ids, beginning after `after`.
    async fn accounts(
        &self,
        after: Option<AccountId>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError>;

    /// Returns up to `limit` groups of accounts whose addresses differ only by the case of ASCII letters. Such accounts are
    /// found only by their exact spelling. Reads all accounts.
    async fn accounts_differing_by_case(
        &self,
        limit: usize,
    ) -> Result<Vec<Vec<Account>>, StoreError>;

    /// Returns the number of accounts by the cost of their bcrypt hash; other hashes are left out. Reads all accounts.
    async fn hash_costs(&self) -> Result<BTreeMap<u32, u64>, StoreError>;

    /// Replaces the password or the address if the stored address, hash and last disabling are the expected ones. Writes the
    /// history and queues the confirmations in the same step, none for a disabled account. Of concurrent calls with the same
    /// expectation exactly one is [`Replacement::Replaced`].
    async fn replace_credential(
        &self,
        change: &CredentialChange,
    ) -> Result<Replacement, StoreError>;

    /// Ends all sessions of an account, writes the history and queues `mail`, the notice to the owner, none for a disabled
    /// account. Returns `false` and changes nothing if the account does not exist.
    async fn revoke_access(
        &self,
        account: AccountId,
        revocation: RevocationId,
        event: &Event,
        mail: Option<&Entry>,
    ) -> Result<bool, StoreError>;

    /// Disables an account: stores `id` as its last revocation and as its last disabling, deletes its pending changes and its mails, waiting and dead,
    /// and writes the history. Changes nothing if the account is disabled already.
    async fn disable_account(
        &self,
        account: AccountId,
        id: RevocationId,
        event: &Event,
    ) -> Result<StatusChange, StoreError>;

    /// Enables a disabled account, and writes the history. Its last disabling stays stored, so that older tokens stay void.
    async fn enable_account(
        &self,
        account: AccountId,
        event: &Event,
    ) -> Result<StatusChange, StoreError>;

    /// Returns what [`Accounts::delete_account`] would delete now, or `None` if the account does not exist.
    async fn deletion_preview(&self, id: AccountId) -> Result<Option<Deletion>, StoreError>;

    /// Deletes an account with its movies, its mails and its history. Returns `None` if the account does not exist.
    async fn delete_account(&self, id: AccountId) -> Result<Option<Deletion>, StoreError>;
}
