//! Inbox: the newest messages with their envelopes, in memory.
//!
//! A message is stored before the client receives 250 and never changes. Everything shown of it is derived later. The inbox is
//! limited by number and by memory, and drops its oldest messages to stay within its limits. One [`Memory`] counts stored and
//! incoming messages. Events contain ids, so that a slow subscriber holds no message. A [`Maildir`] stores the same messages on
//! disk.

mod counts;
mod entry;
mod event;
mod message_table;
mod random_id;
mod restoration;
mod search;
mod selection;
mod tag_rules;
mod tags;
pub mod trash;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::broadcast;

pub use counts::{Counts, Summary, Totals};
pub use event::{Arrival, Event};
pub use selection::Selection;
pub use tag_rules::TagError;

use crate::auto_tags;
use crate::clock::Rng;
use crate::maildir::Maildir;
use crate::memory::Memory;
use crate::received::{Identity, ReceivedMessage};
use crate::session::{MessageId, Received, Refusal};
use entry::Entry;
use message_table::{Limits, MessageTable};
use random_id::random_id;
use tag_rules::clean_tags;

/// Maximum number of events that a subscriber may be behind before it misses some.
const MAX_QUEUED_EVENTS: usize = 256;

/// Maximum number of changed or deleted messages for which each has an event of its own. More of them are one event.
const MAX_SINGLE_EVENTS: usize = 200;

/// Shared by the SMTP sessions, the web port, and the output of a program.
pub struct Inbox {
    limits: Limits,
    rng: Arc<dyn Rng>,
    table: Mutex<MessageTable>,
    events: broadcast::Sender<Event>,
    archive: Option<Maildir>,
    /// Held by the search that uses several threads; further searches use one thread each.
    parallel_search: Mutex<()>,
    /// Held by the search that reads a large message.
    large_message: Mutex<()>,
}

impl Inbox {
    /// Returns an empty inbox for the newest `max_messages` (at least one) that fit into `max_memory` bytes.
    pub fn new(max_messages: usize, max_memory: u64, rng: Arc<dyn Rng>) -> Inbox {
        Inbox {
            limits: Limits {
                messages: max_messages.max(1),
                memory: Memory::new(max_memory, 0),
            },
            rng,
            table: Mutex::default(),
            events: broadcast::channel(MAX_QUEUED_EVENTS).0,
            archive: None,
            parallel_search: Mutex::default(),
            large_message: Mutex::default(),
        }
    }

    /// Lets at least one incoming message of this size in.
    pub fn with_largest_message(mut self, bytes: u64) -> Inbox {
        self.limits.memory = Memory::new(self.limits.memory.limit(), bytes);
        self
    }

    /// Stores all messages in this Maildir as well, and adds the messages that it holds.
    pub fn with_archive(mut self, archive: Maildir, held: Vec<ReceivedMessage>) -> Inbox {
        for message in held {
            let message = Arc::new(message);
            message.set_charge(self.limits.memory.charge(message.weight()));
            let (dropped, _) = self.lock().push(&message, &self.limits);
            dropped
                .iter()
                .for_each(|message| archive.remove(message, || false));
        }
        // The counters start with this run, so they do not include messages of earlier runs.
        self.lock().counts = Counts::default();
        self.archive = Some(archive);
        self
    }

    /// Returns whether storing a message waits for a disk.
    pub fn is_on_disk(&self) -> bool {
        self.archive.is_some()
    }

    /// Stores a message of an SMTP session.
    pub fn store(
        &self,
        received: Received,
        peer: SocketAddr,
        now: Timestamp,
    ) -> Result<Arc<ReceivedMessage>, Refusal> {
        let id = random_id(self.rng.as_ref());
        let message = ReceivedMessage::new(id, now, received, Some(peer));
        self.insert(message, Vec::new())
    }

    /// Stores a message of the sink's own API.
    pub fn store_own(
        &self,
        received: Received,
        tags: Vec<String>,
        now: Timestamp,
    ) -> Result<Arc<ReceivedMessage>, Refusal> {
        let id = random_id(self.rng.as_ref());
        self.insert(ReceivedMessage::new(id, now, received, None), tags)
    }

    fn insert(
        &self,
        message: ReceivedMessage,
        mut tags: Vec<String>,
    ) -> Result<Arc<ReceivedMessage>, Refusal> {
        let message = Arc::new(message);
        if message.weight() > self.limits.memory.limit() {
            // Storing it would exceed the limit, and dropping it after a 250 would break the promise that the 250 makes.
            return Err(Refusal::TooLarge);
        }
        // Charged before it is written to disk, since many messages may wait for the disk at the same time.
        message.set_charge(self.limits.memory.charge(message.weight()));
        if let Some(archive) = &self.archive {
            archive.store(&message).map_err(|error| {
                tracing::error!(%error, "cannot write a message to the store");
                Refusal::Unavailable(
                    "cannot write to the store, send this message again later".into(),
                )
            })?;
        }
        // Read after the message is on disk, since no message is parsed before it is stored.
        tags.extend(auto_tags::read_tags(&message));
        let tags = clean_tags(tags);
        let mut table = self.lock();
        let is_tagged = !tags.is_empty();
        if is_tagged {
            message.set_tags(table.accepted_tags(tags));
        }
        let (dropped, is_stored) = table.push(&message, &self.limits);
        if self.events.receiver_count() > 0 {
            self.publish_deleted(&dropped);
            if is_stored {
                self.publish(Event::New(Arrival {
                    id: message.id.clone(),
                    frame: Arc::default(),
                }));
            }
        }
        drop(table);
        if !is_stored {
            self.remove_from_archive(&dropped);
            self.remove_from_archive(&[message.identity()]);
            return Err(Refusal::Unavailable(
                "not enough memory for this message, send it again later".into(),
            ));
        }
        if let Some(archive) = self.archive.as_ref().filter(|_| is_tagged) {
            archive.write_tags(&message, || self.contains(&message.id));
        }
        self.remove_from_archive(&dropped);
        Ok(message)
    }

    /// Returns the account of the memory of messages.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.limits.memory
    }

    /// Drops the oldest messages while more memory is in use than permitted. Returns whether that was enough.
    pub fn free_memory(&self) -> bool {
        let memory = &self.limits.memory;
        if !memory.is_over() {
            return true;
        }
        let mut table = self.lock();
        let dropped = table.drop_oldest(usize::MAX, memory);
        self.publish_deleted(&dropped);
        drop(table);
        self.remove_from_archive(&dropped);
        !memory.is_over()
    }

    /// Frees memory for an incoming message, as [`Inbox::free_memory`] does, unless all incoming messages together exceed their
    /// share.
    pub fn free_memory_for_incoming(&self) -> bool {
        !self.memory().has_too_much_incoming() && self.free_memory()
    }

    /// Counts a message that was refused.
    pub fn count_rejected(&self) {
        self.lock().counts.rejected += 1;
    }

    /// Subscribes to later events. A subscriber that is too far behind misses events, and its channel reports that.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    #[cfg(test)]
    pub(crate) fn subscribers(&self) -> usize {
        self.events.receiver_count()
    }

    /// Returns messages received before `before`, newest first: those from `start` on, at most `limit` of them, or all if
    /// `limit` is 0.
    pub fn list(
        &self,
        start: usize,
        limit: usize,
        before: Option<Timestamp>,
    ) -> Vec<Arc<ReceivedMessage>> {
        let limit = if limit == 0 { usize::MAX } else { limit };
        let table = self.lock();
        let page = table.newest_first(before).skip(start).take(limit);
        page.map(|entry| Arc::clone(&entry.message)).collect()
    }

    /// Returns the sequence numbers of the messages that [`Inbox::list`] returns. Sequence numbers keep no message in memory.
    pub fn sequences(&self, start: usize, limit: usize, before: Option<Timestamp>) -> Vec<u64> {
        let limit = if limit == 0 { usize::MAX } else { limit };
        let table = self.lock();
        let page = table.newest_first(before).skip(start).take(limit);
        page.map(|entry| entry.sequence).collect()
    }

    /// Returns the message with this sequence number, if it is still stored.
    pub fn at(&self, sequence: u64) -> Option<Arc<ReceivedMessage>> {
        self.lock().at(sequence).cloned()
    }

    pub fn get(&self, id: &str) -> Option<Arc<ReceivedMessage>> {
        self.lock().get(&MessageId(id.to_owned())).cloned()
    }

    /// Returns whether a message is stored. The archive calls this while it holds its own lock, so the lock of the table must
    /// not be held during a call of the archive.
    fn contains(&self, id: &MessageId) -> bool {
        self.lock().sequence(id).is_some()
    }

    /// Returns the newest message.
    pub fn latest(&self) -> Option<Arc<ReceivedMessage>> {
        let table = self.lock();
        let newest = table.messages.back();
        newest.map(|entry| Arc::clone(&entry.message))
    }

    pub fn mark_read(&self, message: &ReceivedMessage) {
        let sequence = self.lock().sequence(&message.id);
        self.set_read_each(sequence.as_slice(), true);
    }

    /// Marks messages as read or unread.
    pub fn set_read(&self, selection: Selection, read: bool) {
        self.set_read_each(&self.select(&selection), read);
    }

    fn set_read_each(&self, sequences: &[u64], read: bool) {
        let mut changed = Vec::new();
        let mut table = self.lock();
        for &sequence in sequences {
            let Some(message) = table.at(sequence).filter(|message| message.set_read(read)) else {
                continue;
            };
            changed.push((sequence, message.id.clone()));
            if read {
                table.unread -= 1;
            } else {
                table.unread += 1;
            }
        }
        if changed.len() > MAX_SINGLE_EVENTS {
            self.publish(Event::Pruned);
        } else {
            for (_, id) in &changed {
                self.publish(Event::Read(id.clone(), read));
            }
        }
        drop(table);
        self.mark_in_archive(changed.iter().map(|(sequence, _)| *sequence));
    }

    /// Writes the marks of messages to the archive. Holds one message at a time, so that all others can be dropped.
    fn mark_in_archive(&self, sequences: impl Iterator<Item = u64>) {
        let Some(archive) = &self.archive else { return };
        for message in sequences.filter_map(|sequence| self.at(sequence)) {
            archive.mark(&message, || self.contains(&message.id));
        }
    }

    /// Deletes messages for good and returns their number. In the trash, messages that are selected by id are discarded too, or
    /// all messages for any other selection.
    pub fn delete(&self, selection: Selection) -> usize {
        // The trash is also emptied before the search for the selected messages, which may take a while: a message that is
        // restored meanwhile is found by that search, or it cannot be restored.
        self.lock().trash.discard_selected(&selection);
        let selected = self.select(&selection);
        let mut table = self.lock();
        let removed = table.remove(&selected);
        let identities: Vec<_> = removed.iter().map(Entry::identity).collect();
        table.trash.discard_selected(&selection);
        match selection {
            Selection::All => self.publish(Event::Emptied),
            _ => self.publish_deleted(&identities),
        }
        drop(table);
        // Frees their memory at once; removing their files may take a while.
        drop(removed);
        self.remove_from_archive(&identities);
        identities.len()
    }

    /// Returns the counters since the start.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Returns the current numbers of messages.
    pub fn totals(&self) -> Totals {
        let table = self.lock();
        Totals {
            messages: table.messages.len(),
            unread: table.unread,
            memory: table.memory,
        }
    }

    pub fn summary(&self) -> Summary {
        let table = self.lock();
        Summary {
            received: table.counts.accepted,
            received_bytes: table.counts.accepted_bytes,
            rejected: table.counts.rejected,
            kept: table.messages.len(),
            dropped: table.counts.dropped,
        }
    }

    /// Returns the sequence numbers of the selected messages. Sequence numbers keep no message in memory, so new messages can
    /// displace the selected ones.
    fn select(&self, selection: &Selection) -> Vec<u64> {
        match selection {
            Selection::All => self.sequences(0, 0, None),
            Selection::Before(time) => self.sequences(0, 0, Some(*time)),
            Selection::Ids(ids) => {
                let table = self.lock();
                let ids = ids.iter().cloned().map(MessageId);
                ids.filter_map(|id| table.sequence(&id)).collect()
            }
            Selection::Matching(query) => self.matching(query, None),
            Selection::MatchingBefore(query, time) => self.matching(query, Some(*time)),
        }
    }

    fn publish_deleted(&self, deleted: &[Identity]) {
        if deleted.len() > MAX_SINGLE_EVENTS {
            self.publish(Event::Pruned);
        } else {
            for message in deleted {
                self.publish(Event::Deleted(message.id.clone()));
            }
        }
    }

    /// Publishes an event. The caller holds the lock of the table, so that all subscribers receive events in the order of the
    /// changes.
    fn publish(&self, event: Event) {
        // An error means that there is no subscriber.
        let _ = self.events.send(event);
    }

    /// Removes the files of messages, unless they have been restored meanwhile.
    fn remove_from_archive(&self, removed: &[Identity]) {
        if let Some(archive) = &self.archive {
            for message in removed {
                archive.remove(message, || self.contains(&message.id));
            }
        }
    }

    /// Locks the table of messages. After a panic of another thread, a count is wrong by one at worst, which matters less than
    /// the messages.
    fn lock(&self) -> MutexGuard<'_, MessageTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
pub(crate) mod tests;
