//! The messages themselves with their numbers, under the inbox's lock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::Counts;
use super::memory::Memory;
use super::tags::key;
use crate::sink::received::ReceivedMessage;
use crate::smtp::MessageId;

#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Oldest first, so in the order of their sequence numbers.
    pub(super) messages: VecDeque<Entry>,
    pub(super) by_id: HashMap<MessageId, Arc<ReceivedMessage>>,
    pub(super) memory: u64,
    pub(super) unread: usize,
    /// The tags in use, by the form in which they are compared.
    pub(super) tags: BTreeMap<String, Tag>,
    pub(super) counts: Counts,
    next: u64,
}

/// A kept message with its place in the inbox.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) sequence: u64,
    pub(super) message: Arc<ReceivedMessage>,
}

/// A tag in use.
#[derive(Debug)]
pub(super) struct Tag {
    /// Its spelling: that of its first use.
    pub(super) name: String,
    /// How many messages have it.
    pub(super) messages: usize,
}

/// Limits of what is kept.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) messages: usize,
    pub(super) memory: Arc<Memory>,
}

impl Kept {
    /// Adds a message that is charged already as the newest. Returns the messages that were dropped for it, and whether it fits at all:
    /// memory that others than the inbox hold cannot be taken back.
    pub(super) fn push(
        &mut self,
        message: &Arc<ReceivedMessage>,
        limits: &Limits,
    ) -> (Vec<Arc<ReceivedMessage>>, bool) {
        let weight = message.weight();
        let dropped = self.make_room(limits.messages - 1, &limits.memory);
        // The last references to the dropped messages are in this list, so their memory counts as free.
        let free: u64 = dropped.iter().map(freed).sum();
        if limits.memory.used() > limits.memory.limit() + free {
            return (dropped, false);
        }
        self.memory += weight;
        self.unread += usize::from(!message.is_read());
        self.counts.accepted += 1;
        self.counts.accepted_bytes += message.source.len() as u64;
        self.count_tags(&message.tags());
        self.by_id.insert(message.id.clone(), Arc::clone(message));
        self.messages.push_back(Entry {
            sequence: self.next,
            message: Arc::clone(message),
        });
        self.next += 1;
        (dropped, true)
    }

    /// Drops the oldest messages until at most `most` are left and the memory is within its limit. Returns the dropped ones.
    pub(super) fn make_room(&mut self, most: usize, memory: &Memory) -> Vec<Arc<ReceivedMessage>> {
        let mut dropped = Vec::new();
        let mut free = 0;
        while self.messages.len() > most || memory.used() > memory.limit() + free {
            let Some(Entry { message, .. }) = self.messages.pop_front() else {
                break;
            };
            self.forget(&message);
            self.counts.dropped += 1;
            if self.counts.dropped == 1 {
                tracing::warn!(
                    messages = self.messages.len() + 1,
                    bytes = self.memory,
                    "the inbox is full: for each new message the oldest is dropped"
                );
            }
            free += freed(&message);
            dropped.push(message);
        }
        dropped
    }

    /// The message with this sequence number, if it is still kept.
    pub(super) fn at(&self, sequence: u64) -> Option<&Arc<ReceivedMessage>> {
        let found = self
            .messages
            .binary_search_by_key(&sequence, |entry| entry.sequence);
        found.ok().map(|index| &self.messages[index].message)
    }

    /// Takes a message out of everything but the list; false where it was gone already.
    pub(super) fn forget(&mut self, message: &ReceivedMessage) -> bool {
        if self.by_id.remove(&message.id).is_none() {
            return false;
        }
        self.memory -= message.weight();
        if !message.is_read() {
            self.unread -= 1;
        }
        self.discount_tags(&message.tags());
        true
    }

    pub(super) fn count_tags(&mut self, tags: &[String]) {
        for tag in tags {
            let entry = self.tags.entry(key(tag)).or_insert_with(|| Tag {
                name: tag.clone(),
                messages: 0,
            });
            entry.messages += 1;
        }
    }

    /// The same tags, each in the spelling that is in use already.
    pub(super) fn spelled(&self, tags: Vec<String>) -> Vec<String> {
        let in_use = |tag: String| match self.tags.get(&key(&tag)) {
            Some(known) => known.name.clone(),
            None => tag,
        };
        tags.into_iter().map(in_use).collect()
    }

    pub(super) fn discount_tags(&mut self, tags: &[String]) {
        for tag in tags {
            if let Some(known) = self.tags.get_mut(&key(tag)) {
                known.messages -= 1;
                if known.messages == 0 {
                    self.tags.remove(&key(tag));
                }
            }
        }
    }
}

/// Bytes that are free once this reference is dropped: none while an answer still reads the message.
fn freed(message: &Arc<ReceivedMessage>) -> u64 {
    match Arc::strong_count(message) {
        1 => message.weight(),
        _ => 0,
    }
}
