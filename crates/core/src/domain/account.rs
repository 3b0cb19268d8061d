//! Accounts.

use jiff::Timestamp;

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
    /// Last disabling, also after the account was enabled again.
    pub disabling: Option<Disabling>,
}

/// Disabling of an account. It was stored together with a revocation of the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disabling {
    pub id: RevocationId,
    /// Whether the account is disabled now.
    pub is_active: bool,
}

impl Account {
    /// Returns the disabling, if the account is disabled now.
    pub fn active_disabling(&self) -> Option<Disabling> {
        self.disabling.filter(|disabling| disabling.is_active)
    }

    pub fn is_disabled(&self) -> bool {
        self.active_disabling().is_some()
    }

    /// Returns the time since which the account is disabled, in seconds.
    pub fn disabled_since(&self) -> Option<Timestamp> {
        self.active_disabling()
            .map(|disabling| disabling.id.made_at())
    }
}
