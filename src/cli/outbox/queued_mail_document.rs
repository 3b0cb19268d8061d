//! JSON of an undelivered mail, for `outbox list` and `user show`.

use jiff::Timestamp;
use movie_bag_core::domain::mail::MailKind;
use movie_bag_core::domain::outbox::{Entry, EntryState};

use crate::cli::document::documents;

documents! {
    pub(in crate::cli) struct QueuedMailDocument<'a> {
        /// Id of the mail, for `outbox retry` and `outbox drop`.
        id: String,
        /// Mail kind.
        kind: MailKind,
        /// Whether another attempt follows, or the mail was given up.
        state: EntryState,
        /// When the mail was requested.
        requested_at: Timestamp,
        /// Number of attempts so far.
        attempts: u32,
        /// Time of the next attempt; valid only if the state is `waiting`.
        next_try_at: Timestamp,
        /// Error of the last attempt.
        last_error: Option<&'a str>,
    }
}

impl<'a> QueuedMailDocument<'a> {
    /// Returns the document of an entry, without the address.
    pub(in crate::cli) fn of(entry: &'a Entry) -> Self {
        Self {
            id: entry.id.to_string(),
            kind: entry.kind,
            state: entry.state,
            requested_at: entry.requested_at,
            attempts: entry.attempts,
            next_try_at: entry.next_try_at,
            last_error: entry.last_error.as_deref(),
        }
    }
}
