//! The outbox: mails that are decided and not sent yet.
//!
//! An entry names an account and a kind; the text, the link and its token are made when it is sent, so that
//! nothing in the database can be redeemed.
//!
//! ```text
//!            queue                lease                      sent, dropped by hand
//! (decided) ───────▶ waiting ───────────────▶ waiting, held ──────▶ (gone; the history keeps it)
//!                     ▲  ▲ lease ran out       │        │
//!                     │  └─────────────────────┤        │ permanent failure, superseded, too late
//!                     └── transient failure ───┘        ▼
//!                         (next try later)             dead (kept, visible, can be leased by hand)
//! ```

use std::time::Duration;

use jiff::Timestamp;

use super::event::{Origin, named};
use super::fingerprint::Fingerprint;
use super::id::{AccountId, EntryId, LeaseId};

/// How long a lease lasts; a running attempt renews it.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often a running attempt renews its lease.
pub const RENEWAL: Duration = Duration::from_secs(5);
/// The longest wait between two attempts, before jitter.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

named! {
    /// Which pair of templates a mail is made from.
    MailKind {
        /// The link to choose a new password.
        ResetPassword = "reset_password",
        /// The confirmation that the password was changed.
        ResetSuccessful = "reset_successful",
        /// The link to choose the first password.
        Invitation = "invitation",
        /// The address was changed.
        AddressChanged = "address_changed",
        /// All logins were ended.
        AccessRevoked = "access_revoked",
    }
}

named! {
    /// Whether an entry will be tried again.
    EntryState {
        /// It will.
        Waiting = "waiting",
        /// Given up for good, the reason kept.
        Dead = "dead",
    }
}

/// One worker's hold on an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it.
    pub holder: LeaseId,
    /// From this moment on it is free again.
    pub until: Timestamp,
}

/// One mail that is not delivered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its identity, also in the Message-ID, so that a repeat is recognised.
    pub id: EntryId,
    /// Whom it is for; the address is read from the account when it is sent, unless another one is named.
    pub account: AccountId,
    /// The address that the account had before, where that one is to hear of the change.
    pub recipient: Option<String>,
    /// Which mail it is.
    pub kind: MailKind,
    /// When it was asked for; a token's lifetime begins here.
    pub requested_at: Timestamp,
    /// From where it was asked for.
    pub origin: Origin,
    /// The credential of that moment. A mail with a link is not sent once this no longer fits.
    pub fingerprint: Fingerprint,
    /// Whether it will be tried again.
    pub state: EntryState,
    /// How many attempts were begun.
    pub attempts: u32,
    /// Not before this moment.
    pub next_try_at: Timestamp,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// Who is at it.
    pub lease: Option<Lease>,
}

/// The queue has two rounds, so that new mails never stand behind old failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// No attempt was begun yet.
    First,
    /// At least one was.
    Later,
}

/// How the outbox stands, all accounts together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxState {
    /// Entries that wait, those that are being sent at the moment too.
    pub waiting: u64,
    /// Entries that were given up.
    pub dead: u64,
    /// When the one that waits the longest was asked for; `None` where nothing waits.
    pub oldest_waiting_since: Option<Timestamp>,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The mail server took it: the entry goes.
    Sent,
    /// A person took it out unsent: the entry goes.
    Dropped,
    /// Not this time.
    Retry {
        /// When to try again.
        at: Timestamp,
        /// Why it failed.
        error: String,
    },
    /// Never.
    Dead {
        /// Why.
        error: String,
    },
}

/// How long to wait after the attempt number `attempts` (from 1): 1, 2, 4, 8 … seconds, at most 10 minutes, give
/// or take a fifth. `chance` is drawn evenly from all `u32`, so that many entries do not come back in step.
pub fn backoff(attempts: u32, chance: u32) -> Duration {
    let doubled = 1u64
        .checked_shl(attempts.saturating_sub(1))
        .filter(|_| attempts <= 32)
        .unwrap_or(u64::MAX);
    let wait = Duration::from_secs(doubled).min(LONGEST_WAIT);
    let factor = 0.8 + 0.4 * f64::from(chance) / f64::from(u32::MAX);
    wait.mul_f64(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_ten_minutes_give_or_take_a_fifth() {
        for (attempts, seconds) in [
            (0, 1),
            (1, 1),
            (2, 2),
            (3, 4),
            (4, 8),
            (10, 512),
            (11, 600),
            (64, 600),
            (u32::MAX, 600),
        ] {
            let middle = Duration::from_secs(seconds);
            assert_eq!(backoff(attempts, 0), middle.mul_f64(0.8), "{attempts}");
            assert_eq!(
                backoff(attempts, u32::MAX),
                middle.mul_f64(1.2),
                "{attempts}"
            );
        }
    }
}
