//! Searches of the inbox.

use std::sync::{Arc, PoisonError};

use jiff::Timestamp;

use super::Inbox;
use crate::received::ReceivedMessage;
use crate::search::Query;

/// Size above which a message is read by one search at a time, in bytes. The content derived from a message takes several times
/// its size.
const LARGE_MESSAGE: usize = 1024 * 1024;

/// Minimum number of messages for each thread of a search.
const MIN_SHARE: usize = 1000;

impl Inbox {
    /// Returns the sequence numbers of the messages that match a query, newest first. The search parses every message, so
    /// callers run it on a thread on which no other work waits. It holds one message for each of its threads.
    pub fn matching(&self, query: &Query, before: Option<Timestamp>) -> Vec<u64> {
        let all = self.sequences(0, 0, before);
        let permit = self.parallel_search.try_lock();
        let threads = match permit {
            Ok(_) => std::thread::available_parallelism().map_or(1, usize::from),
            Err(_) => 1,
        };
        let share = all.len().div_ceil(threads).max(MIN_SHARE);
        let find = |part: &[u64]| -> Vec<u64> {
            let is_match = |sequence: u64| {
                let message = self.at(sequence);
                message.is_some_and(|message| self.matches(&message, query))
            };
            let sequences = part.iter().copied();
            sequences.filter(|&sequence| is_match(sequence)).collect()
        };
        std::thread::scope(|scope| {
            let parts: Vec<_> = all
                .chunks(share)
                .skip(1)
                .map(|part| scope.spawn(move || find(part)))
                .collect();
            let mut found = all.chunks(share).next().map(find).unwrap_or_default();
            for part in parts {
                found.extend(part.join().unwrap_or_default());
            }
            found
        })
    }

    /// Returns the newest message that matches a query.
    pub fn find_newest(&self, query: &Query) -> Option<Arc<ReceivedMessage>> {
        self.find_newest_after(query, None)
    }

    /// Returns the newest matching message that arrived after the message with this id. If that message does not exist, all
    /// messages are searched.
    pub fn find_newest_after(
        &self,
        query: &Query,
        after: Option<&str>,
    ) -> Option<Arc<ReceivedMessage>> {
        let all = self.sequences(0, 0, None);
        all.into_iter()
            .filter_map(|sequence| self.at(sequence))
            .take_while(|message| Some(message.id.0.as_str()) != after)
            .find(|message| self.matches(message, query))
    }

    /// Returns whether a message matches a query. Large messages are read one at a time.
    pub fn matches(&self, message: &ReceivedMessage, query: &Query) -> bool {
        let _permit = (message.source.len() > LARGE_MESSAGE).then(|| {
            let permit = self.large_message.lock();
            permit.unwrap_or_else(PoisonError::into_inner)
        });
        message.matches(query)
    }
}
