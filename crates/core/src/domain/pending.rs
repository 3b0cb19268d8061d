//! Pending changes: requests that take effect only once the owner of a mailbox opens the link that was mailed to it.
//!
//! ```text
//! sign-up            ──▶ ConfirmSignup  ──(link in the new mailbox)──▶ account
//! change of address  ──▶ ConfirmAddress ──(link in the new mailbox)──▶ address changed, and
//!                        RevertAddress  ──(link in the old mailbox)──▶ address as before, password void
//! ```
//!
//! A pending change reserves nothing: until it takes effect there is no account, no password and no new address, and others
//! may take the address meanwhile (pre-hijacking: Sudhodanan and Paverd, USENIX Security 2022).

use std::time::Duration;

use jiff::Timestamp;

use super::event::{Origin, named};
use super::id::{AccountId, PendingId};
use super::mail::MailKind;
use super::token::Purpose;

/// Lifetime of a link that confirms an address.
pub const CONFIRMATION_LIFETIME: Duration = Duration::from_secs(86_400);
/// Lifetime of a link that reverts a change of the address.
pub const REVERT_LIFETIME: Duration = Duration::from_secs(7 * 86_400);

named! {
    /// Kind of a pending change. The name is that of the mail with its link.
    PendingKind {
        /// An account is to be created. Its id is drawn in advance.
        ConfirmSignup = "confirm_signup",
        /// The account is to get this address.
        ConfirmAddress = "confirm_address",
        /// The account had this address, and may get it back.
        RevertAddress = "revert_address",
    }
}

impl PendingKind {
    /// Returns the purpose of the token in the link.
    pub fn purpose(self) -> Purpose {
        match self {
            Self::ConfirmSignup => Purpose::ConfirmSignup,
            Self::ConfirmAddress => Purpose::ConfirmAddress,
            Self::RevertAddress => Purpose::RevertAddress,
        }
    }

    /// Returns the kind of the mail with the link.
    pub fn mail(self) -> MailKind {
        match self {
            Self::ConfirmSignup => MailKind::ConfirmSignup,
            Self::ConfirmAddress => MailKind::ConfirmAddress,
            Self::RevertAddress => MailKind::RevertAddress,
        }
    }

    /// Returns the path of the page that its link opens.
    pub fn path(self) -> &'static str {
        match self {
            Self::ConfirmSignup => "confirm-signup",
            Self::ConfirmAddress => "confirm-email",
            Self::RevertAddress => "revert-email",
        }
    }

    /// Returns the lifetime of the link, from the request.
    pub fn lifetime(self) -> Duration {
        match self {
            Self::ConfirmSignup | Self::ConfirmAddress => CONFIRMATION_LIFETIME,
            Self::RevertAddress => REVERT_LIFETIME,
        }
    }
}

/// Change that takes effect when its link is opened and confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingChange {
    pub id: PendingId,
    pub kind: PendingKind,
    /// Account that is changed. For a sign-up it does not exist yet.
    pub account: AccountId,
    /// Address in its canonical form, or for [`PendingKind::RevertAddress`] as it was stored. The link is mailed to it.
    pub address: String,
    pub origin: Origin,
    pub requested_at: Timestamp,
    pub expires_at: Timestamp,
}

impl PendingChange {
    /// Returns the key of which there is one pending change at most: a repeated request replaces the one before.
    pub fn key(&self) -> String {
        let Self {
            kind,
            account,
            address,
            ..
        } = self;
        match kind {
            PendingKind::ConfirmSignup => format!("{kind} {address}"),
            PendingKind::ConfirmAddress => format!("{kind} {account}"),
            PendingKind::RevertAddress => format!("{kind} {account} {address}"),
        }
    }
}
