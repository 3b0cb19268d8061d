//! Stored message with its position in the inbox.

use std::sync::Arc;

use crate::received::{Identity, ReceivedMessage};

#[derive(Debug)]
pub(super) struct Entry {
    /// Number of the message in the order of arrival.
    pub(super) sequence: u64,
    pub(super) message: Arc<ReceivedMessage>,
}

impl Entry {
    /// Returns the id and time that the names of its files on disk contain.
    pub(super) fn identity(&self) -> Identity {
        self.message.identity()
    }
}
