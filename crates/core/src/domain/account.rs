//! Accounts.

use super::id::{AccountId, RevocationId};
use super::password::PasswordHash;

/// Account as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Id. It never changes.
    pub id: AccountId,
    /// Address as it is stored. Mails go to this spelling only. movie-bag stores the canonical form
    /// ([`super::email_address::EmailAddress`]), but other programs may have stored another spelling.
    pub address: String,
    pub password_hash: PasswordHash,
    /// Last revocation, which ended all sessions without a change of the password.
    pub revocation: Option<RevocationId>,
}
