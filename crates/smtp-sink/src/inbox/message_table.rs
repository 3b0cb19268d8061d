//! Table of the stored messages, their counters and their tags. The inbox guards it with a lock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;

use super::counts::Counts;
use super::entry::Entry;
use super::tag_rules::tag_key;
use super::trash::Trash;
use crate::memory::Memory;
use crate::received::{Identity, ReceivedMessage};
use crate::session::MessageId;

/// Divisor of the memory limit: the maximum size of the messages that are dropped for one new message because readers hold
/// other messages.
const READER_SHARE: u64 = 16;

/// Maximum number of different tags in the inbox, since each list contains all of them.
const MAX_TAGS: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct MessageTable {
    /// Oldest first, which is the order of their sequence numbers.
    pub(super) messages: VecDeque<Entry>,
    /// Sequence number of each message.
    by_id: HashMap<MessageId, u64>,
    pub(super) memory: u64,
    pub(super) unread: usize,
    /// Tags in use, by the form in which they are compared.
    pub(super) tags: BTreeMap<String, Tag>,
    pub(super) counts: Counts,
    /// Deleted messages that can be restored.
    pub(super) trash: Trash,
    next_sequence: u64,
}

/// A tag in use.
#[derive(Debug)]
pub(super) struct Tag {
    /// Tag in the spelling of its first use.
    pub(super) name: String,
    /// Number of messages that have the tag.
    pub(super) messages: usize,
}

#[derive(Debug)]
pub(super) struct Limits {
    pub(super) messages: usize,
    pub(super) memory: Arc<Memory>,
}

impl MessageTable {
    /// Adds a message, which is already charged, as the newest. Returns the messages that were dropped for it, and whether it was
    /// added: memory that is held outside the inbox cannot be freed.
    pub(super) fn push(
        &mut self,
        message: &Arc<ReceivedMessage>,
        limits: &Limits,
    ) -> (Vec<Identity>, bool) {
        let weight = message.weight();
        let dropped = self.drop_oldest(limits.messages - 1, &limits.memory);
        if limits.memory.is_over() {
            return (dropped, false);
        }
        self.memory += weight;
        self.unread += usize::from(!message.is_read());
        self.counts.accepted += 1;
        self.counts.accepted_bytes += message.source.len() as u64;
        self.count_tags(&message.tags());
        self.by_id.insert(message.id.clone(), self.next_sequence);
        self.messages.push_back(Entry {
            sequence: self.next_sequence,
            message: Arc::clone(message),
        });
        self.next_sequence += 1;
        (dropped, true)
    }

    /// Drops the oldest messages until at most `max_messages` remain and the memory is within its limit. Returns the dropped
    /// messages.
    ///
    /// Dropping a message that a reader holds frees no memory yet, so further messages are dropped. Their size is limited by
    /// [`READER_SHARE`], so that a reader of many messages does not empty the inbox. Messages in the trash are dropped first.
    pub(super) fn drop_oldest(&mut self, max_messages: usize, memory: &Memory) -> Vec<Identity> {
        while memory.is_over() && self.trash.drop_oldest() {}
        let mut dropped = Vec::new();
        let excess = memory.used().saturating_sub(memory.limit());
        let (mut freed, mut still_held) = (0, 0);
        let max_held = memory.limit() / READER_SHARE;
        while self.messages.len() > max_messages || (freed < excess && still_held <= max_held) {
            let Some(Entry { message, .. }) = self.messages.pop_front() else {
                break;
            };
            self.unregister(&message);
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
                _ => still_held += message.weight(),
            }
            dropped.push(message.identity());
        }
        dropped
    }

    pub(super) fn get(&self, id: &MessageId) -> Option<&Arc<ReceivedMessage>> {
        self.at(*self.by_id.get(id)?)
    }

    pub(super) fn sequence(&self, id: &MessageId) -> Option<u64> {
        self.by_id.get(id).copied()
    }

    /// Returns the messages received before `before`, newest first.
    pub(super) fn newest_first(&self, before: Option<Timestamp>) -> impl Iterator<Item = &Entry> {
        let newest_first = self.messages.iter().rev();
        newest_first
            .filter(move |entry| before.is_none_or(|before| entry.message.received_at < before))
    }

    /// Removes messages and counts them as deleted. Returns those that were still stored.
    pub(super) fn remove(&mut self, sequences: &[u64]) -> Vec<Entry> {
        let mut removed = Vec::new();
        for &sequence in sequences {
            let Some(message) = self.at(sequence).cloned() else {
                continue;
            };
            if self.unregister(&message) {
                removed.push(Entry { sequence, message });
            }
        }
        if !removed.is_empty() {
            let by_id = &self.by_id;
            self.messages
                .retain(|entry| by_id.contains_key(&entry.message.id));
        }
        self.counts.deleted += removed.len() as u64;
        removed
    }

    /// Adds removed messages again at their former positions.
    pub(super) fn put_back(&mut self, entries: Vec<Entry>) {
        for Entry { sequence, message } in &entries {
            // Tags may have been renamed meanwhile, or there may be too many of them.
            let tags = self.accepted_tags(message.tags());
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

    /// Returns the message with this sequence number, if it is still stored.
    pub(super) fn at(&self, sequence: u64) -> Option<&Arc<ReceivedMessage>> {
        let first = self.messages.front()?.sequence;
        // The index, if no message after the first was deleted. It saves a search in the whole table for each message.
        let expected = usize::try_from(sequence.checked_sub(first)?).ok()?;
        if let Some(entry) = self.messages.get(expected)
            && entry.sequence == sequence
        {
            return Some(&entry.message);
        }
        let found = self
            .messages
            .binary_search_by_key(&sequence, |entry| entry.sequence);
        found.ok().map(|index| &self.messages[index].message)
    }

    /// Removes a message from the index and the counters, but not from the list. Returns false if it was already removed.
    fn unregister(&mut self, message: &ReceivedMessage) -> bool {
        if self.by_id.remove(&message.id).is_none() {
            return false;
        }
        self.memory -= message.weight();
        if !message.is_read() {
            self.unread -= 1;
        }
        self.uncount_tags(&message.tags());
        true
    }

    pub(super) fn count_tags(&mut self, tags: &[String]) {
        for tag in tags {
            let entry = self.tags.entry(tag_key(tag)).or_insert_with(|| Tag {
                name: tag.clone(),
                messages: 0,
            });
            entry.messages += 1;
        }
    }

    /// Returns tags in the spelling that is already in use.
    pub(super) fn with_known_spelling(&self, tags: Vec<String>) -> Vec<String> {
        let in_use = |tag: String| match self.tags.get(&tag_key(&tag)) {
            Some(known) => known.name.clone(),
            None => tag,
        };
        tags.into_iter().map(in_use).collect()
    }

    /// Returns tags in the spelling that is already in use, without new ones once there are [`MAX_TAGS`] in the inbox.
    pub(super) fn accepted_tags(&self, tags: Vec<String>) -> Vec<String> {
        let mut free = MAX_TAGS.saturating_sub(self.tags.len());
        let mut tags = self.with_known_spelling(tags);
        tags.retain(|tag| {
            let is_known = self.tags.contains_key(&tag_key(tag));
            if !is_known && free > 0 {
                free -= 1;
                return true;
            }
            is_known
        });
        tags
    }

    pub(super) fn uncount_tags(&mut self, tags: &[String]) {
        for tag in tags {
            if let Some(known) = self.tags.get_mut(&tag_key(tag)) {
                known.messages -= 1;
                if known.messages == 0 {
                    self.tags.remove(&tag_key(tag));
                }
            }
        }
    }
}
