//! Outbox: mails that are queued and not sent yet.
//!
//! An entry names an account and a mail kind. The text, the link and its token are created at sending, so that nothing
//! in the database can be redeemed.
//!
//! ```text
//!            queue                lease                      sent, dropped by hand
//! (request) ───────▶ waiting ───────────────▶ waiting, held ──────▶ (gone; the history keeps it)
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
use super::mail::MailKind;

/// Duration of a lease. A running attempt renews it.
pub const LEASE: Duration = Duration::from_secs(15);
/// Interval in which a running attempt renews its lease.
pub const RENEWAL: Duration = Duration::from_secs(5);
/// Longest delay between two attempts, before jitter.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

named! {
    /// State of an entry.
    EntryState {
        /// The mail will be attempted again.
        Waiting = "waiting",
        /// The mail was given up. The entry is kept with the last error.
        Dead = "dead",
    }
}

/// Exclusive hold on an entry until a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    pub holder: LeaseId,
    pub until: Timestamp,
}

/// Mail that is not delivered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Id. It is part of the Message-ID, so that clients recognise a second delivery.
    pub id: EntryId,
    /// Account. The mail goes to its address at the time of sending, unless there is a `recipient`.
    pub account: AccountId,
    /// Previous address of the account, for the notice of a changed address.
    pub recipient: Option<String>,
    pub kind: MailKind,
    /// Time of the request. The lifetime of the token begins here.
    pub requested_at: Timestamp,
    pub origin: Origin,
    /// Fingerprint of the credential at that time. A mail with a link is not sent once this no longer fits.
    pub fingerprint: Fingerprint,
    pub state: EntryState,
    /// Number of attempts that were begun.
    pub attempts: u32,
    pub next_try_at: Timestamp,
    /// Error of the last failed attempt.
    pub last_error: Option<String>,
    /// Current lease, if any. It may have expired.
    pub lease: Option<Lease>,
}

/// Round of an entry. There are two, so that new mails never wait behind failed ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// No attempt was begun.
    First,
    /// At least one attempt was begun.
    Later,
}

/// State of the outbox of all accounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxState {
    /// Number of waiting entries, including those that are being sent.
    pub waiting: u64,
    pub dead: u64,
    /// Time of the request of the oldest waiting entry; `None` if no entry is waiting.
    pub oldest_waiting_since: Option<Timestamp>,
}

/// Outcome of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The mail server accepted the mail: the entry is deleted.
    Sent,
    /// The administrator dropped the mail: the entry is deleted.
    Dropped,
    /// The attempt failed and is retried.
    Retry { at: Timestamp, error: String },
    /// The mail is given up.
    Dead { error: String },
}

/// Returns the delay after the attempt number `attempts` (from 1): 1, 2, 4, 8 … seconds, at most 10 minutes, plus or minus
/// a fifth. `chance` is drawn evenly from all `u32`, so that many entries are not retried at the same time.
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
    fn the_delay_doubles_up_to_ten_minutes_with_jitter_of_a_fifth() {
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
