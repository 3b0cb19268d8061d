//! What the sink keeps: the newest messages, as bytes, with their envelopes, in memory.
//!
//! A message is kept before its 250 is sent and never changed; everything shown of it is derived later. The inbox is bounded by
//! count and by bytes, and drops its oldest messages to stay so. Bytes are counted by one [`Memory`], which also counts messages
//! on their way in. Events name messages by their ids, so that a slow subscriber holds no message. A [`Maildir`] keeps the same
//! messages on disk.

mod kept;
pub mod memory;
mod tags;
pub mod trash;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{OnceCell, broadcast};

use super::maildir::Maildir;
pub use super::received::{Identity, ReceivedMessage};
use super::search::Query;
use super::{Summary, auto_tags};
use crate::clock::{Rng, draw};
use crate::session::{MessageId, Received, Refusal};

use kept::{Entry, Kept, Limits};
use memory::Memory;
pub use tags::TagError;
use tags::clean_tags;

/// Events that a subscriber may be behind before it misses some.
const WAITING_EVENTS: usize = 256;

/// Size above which a message is read by one search at a time, in bytes. What is derived of a message takes several times its
/// size.
const LARGE: usize = 1024 * 1024;

/// Deleting more messages than this is one event, not one for each.
const EACH_DELETED: usize = 200;

/// What happened to the inbox.
#[derive(Debug, Clone)]
pub enum Event {
    /// A message arrived. It may be dropped before a subscriber reads this.
    New(Arrival),
    /// It was marked as read, or as not read.
    Read(MessageId, bool),
    /// Its tags are these now.
    Tagged(MessageId, Vec<String>),
    /// It was deleted, or dropped to make room.
    Deleted(MessageId),
    /// Many were deleted, or tags changed on many.
    Pruned,
    /// All were deleted.
    Emptied,
}

/// A message that arrived.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Its id.
    pub id: MessageId,
    /// Frame that announces it to websocket clients: rendered by the first subscriber that needs it, shared by all.
    pub(super) frame: Arc<OnceCell<Bytes>>,
}

/// Which messages are meant.
#[derive(Debug, Clone)]
pub enum Which {
    /// All of them.
    All,
    /// Those with these ids; one that is not there is passed over.
    Ids(Vec<String>),
    /// Those that a search finds.
    Matching(Query),
    /// All that were received before this time.
    Before(Timestamp),
    /// Those that a search finds among them.
    MatchingBefore(Query, Timestamp),
}

/// The kept messages. Shared by sessions, printer and web port.
pub struct Inbox {
    limits: Limits,
    rng: Arc<dyn Rng>,
    kept: Mutex<Kept>,
    events: broadcast::Sender<Event>,
    archive: Option<Maildir>,
    /// Held by the search that uses several threads; further searches use one thread each.
    parallel_search: Mutex<()>,
    /// Held by the search that reads a large message.
    large_message: Mutex<()>,
}

/// What happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages kept.
    pub accepted: u64,
    /// Their bytes.
    pub accepted_bytes: u64,
    /// Messages refused, for their size or for want of room.
    pub rejected: u64,
    /// Messages deleted because somebody said so.
    pub deleted: u64,
    /// Messages dropped to make room for newer ones.
    pub dropped: u64,
}

/// How full the inbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Messages kept now.
    pub messages: usize,
    /// Those nobody opened.
    pub unread: usize,
    /// The bytes they take.
    pub memory: u64,
}

impl Inbox {
    /// An empty inbox for the newest `max_messages` (at least one) that fit into `max_memory` bytes.
    pub fn new(max_messages: usize, max_memory: u64, rng: Arc<dyn Rng>) -> Inbox {
        Inbox {
            limits: Limits {
                messages: max_messages.max(1),
                memory: Memory::new(max_memory, 0),
            },
            rng,
            kept: Mutex::default(),
            events: broadcast::channel(WAITING_EVENTS).0,
            archive: None,
            parallel_search: Mutex::default(),
            large_message: Mutex::default(),
        }
    }

    /// The same empty inbox, which lets at least one message of this size in.
    pub fn with_largest_message(mut self, bytes: u64) -> Inbox {
        self.limits.memory = Memory::new(self.limits.memory.limit(), bytes);
        self
    }

    /// The same inbox, with what this Maildir holds in it, and whatever comes from now on kept there too.
    pub fn with_archive(mut self, archive: Maildir, held: Vec<ReceivedMessage>) -> Inbox {
        for message in held {
            let message = Arc::new(message);
            message.set_charge(self.limits.memory.charge(message.weight()));
            let (gone, _) = self.kept().push(&message, &self.limits);
            gone.iter()
                .for_each(|message| archive.remove(message, || false));
        }
        // What was there before is no news: the numbers are those of this run.
        self.kept().counts = Counts::default();
        self.archive = Some(archive);
        self
    }

    /// Whether keeping a message waits for a disk.
    pub fn is_on_disk(&self) -> bool {
        self.archive.is_some()
    }

    /// Keeps a message. When this returns `Ok`, it is kept.
    pub fn store(
        &self,
        received: Received,
        peer: SocketAddr,
        now: Timestamp,
    ) -> Result<Arc<ReceivedMessage>, Refusal> {
        let id = fresh_id(self.rng.as_ref());
        self.keep(
            ReceivedMessage::new(id, now, received, Some(peer)),
            Vec::new(),
        )
    }

    /// Keeps a message that came by no session.
    pub fn store_own(
        &self,
        received: Received,
        tags: Vec<String>,
        now: Timestamp,
    ) -> Result<Arc<ReceivedMessage>, Refusal> {
        let id = fresh_id(self.rng.as_ref());
        self.keep(ReceivedMessage::new(id, now, received, None), tags)
    }

    fn keep(
        &self,
        message: ReceivedMessage,
        mut tags: Vec<String>,
    ) -> Result<Arc<ReceivedMessage>, Refusal> {
        let message = Arc::new(message);
        if message.weight() > self.limits.memory.limit() {
            // To keep it would be to break the limit, to drop it after a 250 to break the promise.
            return Err(Refusal::TooLarge);
        }
        // Before it is written to disk, where it may wait beside many others.
        message.set_charge(self.limits.memory.charge(message.weight()));
        if let Some(archive) = &self.archive {
            archive.keep(&message).map_err(|error| {
                tracing::error!(%error, "cannot write a message to the store");
                Refusal::Unavailable(
                    "cannot write to the store, send this message again later".into(),
                )
            })?;
        }
        // Only now, since nothing is parsed before it is kept.
        tags.extend(auto_tags::of(&message));
        let tags = clean_tags(tags);
        let mut kept = self.kept();
        let is_tagged = !tags.is_empty();
        if is_tagged {
            message.set_tags(kept.accepted(tags));
        }
        let (gone, is_kept) = kept.push(&message, &self.limits);
        if self.events.receiver_count() > 0 {
            self.tell_deleted(&gone);
            if is_kept {
                self.tell(Event::New(Arrival {
                    id: message.id.clone(),
                    frame: Arc::default(),
                }));
            }
        }
        drop(kept);
        if !is_kept {
            self.remove_from_archive(&gone);
            self.remove_from_archive(&[message.identity()]);
            return Err(Refusal::Unavailable(
                "not enough memory for this message, send it again later".into(),
            ));
        }
        if let Some(archive) = self.archive.as_ref().filter(|_| is_tagged) {
            archive.note_tags(&message, || self.has(&message.id));
        }
        self.remove_from_archive(&gone);
        Ok(message)
    }

    /// The ledger of what messages take.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.limits.memory
    }

    /// Drops the oldest messages while the ledger is over its limit. Returns whether that was enough.
    pub fn make_room(&self) -> bool {
        let memory = &self.limits.memory;
        if !memory.is_over() {
            return true;
        }
        let mut kept = self.kept();
        let gone = kept.make_room(usize::MAX, memory);
        self.tell_deleted(&gone);
        drop(kept);
        self.remove_from_archive(&gone);
        !memory.is_over()
    }

    /// Drops the oldest messages for one that is on its way in, as [`Inbox::make_room`] does, unless those on their way in take
    /// their share already.
    pub fn make_room_for_incoming(&self) -> bool {
        !self.memory().has_too_much_incoming() && self.make_room()
    }

    /// Counts a message that was refused.
    pub fn note_rejected(&self) {
        self.kept().counts.rejected += 1;
    }

    /// Events from now on. A subscriber that is too far behind misses some, and its channel reports that.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// How many listen.
    #[cfg(test)]
    pub(crate) fn listeners(&self) -> usize {
        self.events.receiver_count()
    }

    /// The messages newest first: those from `start` on, at most `limit` of them (0: all), received before `before`.
    pub fn list(
        &self,
        start: usize,
        limit: usize,
        before: Option<Timestamp>,
    ) -> Vec<Arc<ReceivedMessage>> {
        let limit = if limit == 0 { usize::MAX } else { limit };
        let kept = self.kept();
        let newest_first = newest_first(&kept, before);
        let page = newest_first.skip(start).take(limit);
        page.map(|entry| Arc::clone(&entry.message)).collect()
    }

    /// Sequence numbers of the messages, newest first, as in [`Inbox::list`]. A list of them holds no message.
    pub fn sequences(&self, start: usize, limit: usize, before: Option<Timestamp>) -> Vec<u64> {
        let limit = if limit == 0 { usize::MAX } else { limit };
        let kept = self.kept();
        let newest_first = newest_first(&kept, before);
        let page = newest_first.skip(start).take(limit);
        page.map(|entry| entry.sequence).collect()
    }

    /// The message with this sequence number, if it is still kept.
    pub fn at(&self, sequence: u64) -> Option<Arc<ReceivedMessage>> {
        self.kept().at(sequence).cloned()
    }

    /// Sequence numbers of the messages that match a query, newest first. Parses every message, so it must run where nothing
    /// waits for it; holds one message for each of its threads.
    pub fn matching(&self, query: &Query, before: Option<Timestamp>) -> Vec<u64> {
        let all = self.sequences(0, 0, before);
        let alone = self.parallel_search.try_lock();
        let workers = match alone {
            Ok(_) => std::thread::available_parallelism().map_or(1, usize::from),
            Err(_) => 1,
        };
        let share = all.len().div_ceil(workers).max(1000);
        let found = |part: &[u64]| -> Vec<u64> {
            let matches = |sequence: u64| {
                let message = self.at(sequence);
                message.is_some_and(|message| self.fits(&message, query))
            };
            part.iter().copied().filter(|&one| matches(one)).collect()
        };
        std::thread::scope(|scope| {
            let parts: Vec<_> = all
                .chunks(share)
                .skip(1)
                .map(|part| scope.spawn(move || found(part)))
                .collect();
            let mut all_found = all.chunks(share).next().map(found).unwrap_or_default();
            for part in parts {
                all_found.extend(part.join().unwrap_or_default());
            }
            all_found
        })
    }

    /// The newest that a search finds.
    pub fn find_newest(&self, query: &Query) -> Option<Arc<ReceivedMessage>> {
        self.find_newest_after(query, None)
    }

    /// The newest that a search finds among those that came after the one with this id; where that is gone, among all.
    pub fn find_newest_after(
        &self,
        query: &Query,
        after: Option<&str>,
    ) -> Option<Arc<ReceivedMessage>> {
        let all = self.sequences(0, 0, None);
        all.into_iter()
            .filter_map(|sequence| self.at(sequence))
            .take_while(|message| Some(message.id.0.as_str()) != after)
            .find(|message| self.fits(message, query))
    }

    /// Whether a message matches a query. Large messages are read one at a time.
    pub fn fits(&self, message: &ReceivedMessage, query: &Query) -> bool {
        let _turn = (message.source.len() > LARGE).then(|| {
            let turn = self.large_message.lock();
            turn.unwrap_or_else(PoisonError::into_inner)
        });
        message.fits(query)
    }

    /// One message by its id.
    pub fn get(&self, id: &str) -> Option<Arc<ReceivedMessage>> {
        self.kept().get(&MessageId(id.to_owned())).cloned()
    }

    /// Returns whether a message is kept. The archive asks while it holds its lock, so never call it with `kept` held.
    fn has(&self, id: &MessageId) -> bool {
        self.kept().sequence(id).is_some()
    }

    /// The newest message.
    pub fn latest(&self) -> Option<Arc<ReceivedMessage>> {
        let kept = self.kept();
        kept.messages.back().map(|entry| Arc::clone(&entry.message))
    }

    /// Marks a message as opened.
    pub fn mark_read(&self, message: &ReceivedMessage) {
        let sequence = self.kept().sequence(&message.id);
        self.set_read_each(sequence.as_slice(), true);
    }

    /// Marks messages as read, or as not read.
    pub fn set_read(&self, which: Which, read: bool) {
        self.set_read_each(&self.select(&which), read);
    }

    fn set_read_each(&self, sequences: &[u64], read: bool) {
        let mut changed = Vec::new();
        let mut kept = self.kept();
        for &sequence in sequences {
            let Some(message) = kept.at(sequence).filter(|message| message.set_read(read)) else {
                continue;
            };
            changed.push((sequence, message.id.clone()));
            match read {
                true => kept.unread -= 1,
                false => kept.unread += 1,
            }
        }
        match changed.len() > EACH_DELETED {
            true => self.tell(Event::Pruned),
            false => changed
                .iter()
                .for_each(|(_, id)| self.tell(Event::Read(id.clone(), read))),
        }
        drop(kept);
        self.mark_in_archive(changed.iter().map(|(sequence, _)| *sequence));
    }

    /// Writes the marks of messages to the archive. Holds one of them at a time, so that all others can be dropped.
    fn mark_in_archive(&self, sequences: impl Iterator<Item = u64>) {
        let Some(archive) = &self.archive else { return };
        for message in sequences.filter_map(|sequence| self.at(sequence)) {
            archive.mark(&message, || self.has(&message.id));
        }
    }

    /// Deletes messages for good and returns how many there were. Of those that were deleted before and can be restored,
    /// those with the given ids are discarded, and all of them where no ids are given.
    pub fn delete(&self, which: Which) -> usize {
        // Also before the selection, which may take a while: a message that is restored in the meantime is selected, or it
        // cannot be restored.
        self.kept().trash.discard(&which);
        let chosen = self.select(&which);
        let mut kept = self.kept();
        let removed = kept.remove(&chosen);
        let gone: Vec<_> = removed.iter().map(Entry::identity).collect();
        kept.trash.discard(&which);
        match which {
            Which::All => self.tell(Event::Emptied),
            _ => self.tell_deleted(&gone),
        }
        drop(kept);
        // Their memory is free at once; removing their files may take a while.
        drop(removed);
        self.remove_from_archive(&gone);
        gone.len()
    }

    /// What happened since the start.
    pub fn counts(&self) -> Counts {
        self.kept().counts
    }

    /// How full it is.
    pub fn totals(&self) -> Totals {
        let kept = self.kept();
        Totals {
            messages: kept.messages.len(),
            unread: kept.unread,
            memory: kept.memory,
        }
    }

    /// The last words about it.
    pub fn summary(&self) -> Summary {
        let kept = self.kept();
        Summary {
            received: kept.counts.accepted,
            received_bytes: kept.counts.accepted_bytes,
            rejected: kept.counts.rejected,
            kept: kept.messages.len(),
            dropped: kept.counts.dropped,
        }
    }

    /// Returns the sequence numbers of messages. It holds none of them, so that new messages can displace them meanwhile.
    fn select(&self, which: &Which) -> Vec<u64> {
        match which {
            Which::All => self.sequences(0, 0, None),
            Which::Before(time) => self.sequences(0, 0, Some(*time)),
            Which::Ids(ids) => {
                let kept = self.kept();
                let known = ids.iter().cloned().map(MessageId);
                known.filter_map(|id| kept.sequence(&id)).collect()
            }
            Which::Matching(query) => self.matching(query, None),
            Which::MatchingBefore(query, time) => self.matching(query, Some(*time)),
        }
    }

    fn tell_deleted(&self, gone: &[Identity]) {
        match gone.len() > EACH_DELETED {
            true => self.tell(Event::Pruned),
            false => gone
                .iter()
                .for_each(|message| self.tell(Event::Deleted(message.id.clone()))),
        }
    }

    /// Said while the messages are held, so that everybody hears of events in the order in which they happened.
    fn tell(&self, event: Event) {
        // An error says that nobody listens.
        let _ = self.events.send(event);
    }

    /// Removes the files of messages, unless they have been restored meanwhile.
    fn remove_from_archive(&self, gone: &[Identity]) {
        if let Some(archive) = &self.archive {
            gone.iter()
                .for_each(|message| archive.remove(message, || self.has(&message.id)));
        }
    }

    /// A panic elsewhere leaves the numbers at worst off by one; the messages are worth more than that.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn newest_first(kept: &Kept, before: Option<Timestamp>) -> impl Iterator<Item = &Entry> {
    let newest_first = kept.messages.iter().rev();
    newest_first.filter(move |entry| before.is_none_or(|before| entry.message.received_at < before))
}

/// 128 random bits, written with 22 letters and digits.
fn fresh_id(rng: &dyn Rng) -> MessageId {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number = u128::from_le_bytes(draw(rng));
    let mut id = String::with_capacity(22);
    for _ in 0..22 {
        id.push(char::from(DIGITS[(number % 62) as usize]));
        number /= 62;
    }
    MessageId(id)
}

#[cfg(test)]
pub(crate) mod tests;
