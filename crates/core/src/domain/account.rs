//! The person's record: who it is and what proves it.

use super::id::{AccountId, RevocationId};
use super::password::PasswordHash;

/// An account as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its identity, for good.
    pub id: AccountId,
    /// The address in the spelling that is stored; mail goes to this one and to no other. We store
    /// [`super::email_address::EmailAddress`]es, but other programs may have written their own spelling.
    pub address: String,
    /// The credential: what the password is verified against.
    pub password_hash: PasswordHash,
    /// The last time that all its logins were ended without a change of the password.
    pub revocation: Option<RevocationId>,
}
