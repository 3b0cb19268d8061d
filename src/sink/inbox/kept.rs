//! The messages themselves with their numbers, under the inbox's lock.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::Counts;
use super::tags::key;
use crate::sink::received::ReceivedMessage;
use crate::smtp::MessageId;

#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Oldest first.
    pub(super) messages: VecDeque<Arc<ReceivedMessage>>,
    pub(super) by_id: HashMap<MessageId, Arc<ReceivedMessage>>,
    pub(super) memory: u64,
    pub(super) unread: usize,
    /// The tags in use, by the form in which they are compared.
    pub(super) tags: BTreeMap<String, Tag>,
    pub(super) counts: Counts,
}

/// A tag in use.
#[derive(Debug)]
pub(super) struct Tag {
    /// Its spelling: that of its first use.
    pub(super) name: String,
    /// How many messages have it.
    pub(super) messages: usize,
}

impl Kept {
    /// Adds a message as the newest, and answers those that had to go for it.
    pub(super) fn push(
        &mut self,
        message: &Arc<ReceivedMessage>,
        max_messages: usize,
        max_memory: u64,
    ) -> Vec<Arc<ReceivedMessage>> {
        let weight = message.weight();
        let mut gone = Vec::new();
        while self.messages.len() >= max_messages || self.memory + weight > max_memory {
            let Some(oldest) = self.messages.pop_front() else {
                break;
            };
            self.forget(&oldest);
            self.counts.dropped += 1;
            if self.counts.dropped == 1 {
                tracing::warn!(
                    messages = self.messages.len() + 1,
                    bytes = self.memory,
                    "the inbox is full: for each new message the oldest is dropped"
                );
            }
            gone.push(oldest);
        }
        self.memory += weight;
        self.unread += usize::from(!message.is_read());
        self.counts.accepted += 1;
        self.counts.accepted_bytes += message.source.len() as u64;
        self.count_tags(&message.tags());
        self.by_id.insert(message.id.clone(), Arc::clone(message));
        self.messages.push_back(Arc::clone(message));
        gone
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
