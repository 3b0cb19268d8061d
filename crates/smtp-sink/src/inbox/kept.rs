//! The messages themselves with their numbers, under the inbox's lock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::Counts;
use super::memory::Memory;
use super::tags::key;
use super::trash::Trash;
use crate::received::{Identity, ReceivedMessage};
use crate::session::MessageId;

/// Part of the limit that is dropped for one new message in place of what readers hold.
const LOST_TO_READERS: u64 = 16;

/// Different tags in the inbox. Each list names all of them.
pub(super) const MOST_TAGS: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Oldest first, so in the order of their sequence numbers.
    pub(super) messages: VecDeque<Entry>,
    /// Sequence number of each message.
    by_id: HashMap<MessageId, u64>,
    pub(super) memory: u64,
    pub(super) unread: usize,
    /// The tags in use, by the form in which they are compared.
    pub(super) tags: BTreeMap<String, Tag>,
    pub(super) counts: Counts,
    /// Deleted messages that can be restored.
    pub(super) trash: Trash,
    next: u64,
}

/// A kept message with its place in the inbox.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) sequence: u64,
    pub(super) message: Arc<ReceivedMessage>,
}

impl Entry {
    /// Returns the name of the message's files on disk.
    pub(super) fn identity(&self) -> Identity {
        self.message.identity()
    }
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
    /// Adds a message that is charged already as the newest. Returns the messages that were dropped for it, and whether it fits
    /// at all: memory that others than the inbox hold cannot be taken back.
    pub(super) fn push(
        &mut self,
        message: &Arc<ReceivedMessage>,
        limits: &Limits,
    ) -> (Vec<Identity>, bool) {
        let weight = message.weight();
        let dropped = self.make_room(limits.messages - 1, &limits.memory);
        if limits.memory.is_over() {
            return (dropped, false);
        }
        self.memory += weight;
        self.unread += usize::from(!message.is_read());
        self.counts.accepted += 1;
        self.counts.accepted_bytes += message.source.len() as u64;
        self.count_tags(&message.tags());
        self.by_id.insert(message.id.clone(), self.next);
        self.messages.push_back(Entry {
            sequence: self.next,
            message: Arc::clone(message),
        });
        self.next += 1;
        (dropped, true)
    }

    /// Drops the oldest messages until at most `most` are left and the memory is within its limit. Returns the dropped ones.
    ///
    /// A message that a reader holds is not free yet, so others are dropped in its place, up to [`LOST_TO_READERS`] of the
    /// limit: a reader that holds many must not empty the inbox. Deleted messages give way before any of them.
    pub(super) fn make_room(&mut self, most: usize, memory: &Memory) -> Vec<Identity> {
        while memory.is_over() && self.trash.drop_oldest() {}
        let mut dropped = Vec::new();
        let owed = memory.used().saturating_sub(memory.limit());
        let (mut freed, mut lost) = (0, 0);
        let most_lost = memory.limit() / LOST_TO_READERS;
        while self.messages.len() > most || (freed < owed && lost <= most_lost) {
            let Some(Entry { message, .. }) = self.messages.pop_front() else {
                break;
            };
            self.forget(&message);
            self.counts.dropped += 1;
            if self.counts.dropped == 1 {
                tracing::warn!(
                    messages = self.messages.len() + 1,
                    bytes = self.memory,
                    "the inbox is full: each new message replaces the oldest one"
                );
            }
            match Arc::strong_count(&message) {
                1 => freed += message.weight(),
                _ => lost += message.weight(),
            }
            dropped.push(message.identity());
        }
        dropped
    }

    /// Returns the message with this id.
    pub(super) fn get(&self, id: &MessageId) -> Option<&Arc<ReceivedMessage>> {
        self.at(*self.by_id.get(id)?)
    }

    /// Returns the sequence number of the message with this id.
    pub(super) fn sequence(&self, id: &MessageId) -> Option<u64> {
        self.by_id.get(id).copied()
    }

    /// Removes messages and counts them as deleted. Returns those that were still kept.
    pub(super) fn remove(&mut self, sequences: &[u64]) -> Vec<Entry> {
        let mut gone = Vec::new();
        for &sequence in sequences {
            let Some(message) = self.at(sequence).cloned() else {
                continue;
            };
            if self.forget(&message) {
                gone.push(Entry { sequence, message });
            }
        }
        if !gone.is_empty() {
            let by_id = &self.by_id;
            self.messages
                .retain(|entry| by_id.contains_key(&entry.message.id));
        }
        self.counts.deleted += gone.len() as u64;
        gone
    }

    /// Puts removed messages back at their places.
    pub(super) fn put_back(&mut self, entries: Vec<Entry>) {
        for Entry { sequence, message } in &entries {
            // Tags may have been renamed meanwhile, or there may be too many of them.
            let tags = self.accepted(message.tags());
            self.count_tags(&tags);
            message.set_tags(tags);
            self.memory += message.weight();
            self.unread += usize::from(!message.is_read());
            self.by_id.insert(message.id.clone(), *sequence);
        }
        self.counts.deleted -= entries.len() as u64;
        self.messages.extend(entries);
        let messages = self.messages.make_contiguous();
        messages.sort_by_key(|entry| entry.sequence);
    }

    /// The message with this sequence number, if it is still kept.
    pub(super) fn at(&self, sequence: u64) -> Option<&Arc<ReceivedMessage>> {
        let found = self
            .messages
            .binary_search_by_key(&sequence, |entry| entry.sequence);
        found.ok().map(|index| &self.messages[index].message)
    }

    /// Takes a message out of everything but the list; false where it was gone already.
    fn forget(&mut self, message: &ReceivedMessage) -> bool {
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

    /// The same tags as [`Kept::spelled`] returns them, without new ones once there are [`MOST_TAGS`] in the inbox.
    pub(super) fn accepted(&self, tags: Vec<String>) -> Vec<String> {
        let mut free = MOST_TAGS.saturating_sub(self.tags.len());
        let mut tags = self.spelled(tags);
        tags.retain(|tag| {
            let is_known = self.tags.contains_key(&key(tag));
            if !is_known && free > 0 {
                free -= 1;
                return true;
            }
            is_known
        });
        tags
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
