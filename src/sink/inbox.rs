//! What the sink keeps: the newest messages, as bytes, with their envelopes, in memory.
//!
//! A message is kept before its 250 is said and never changed; everything shown of it is derived later. The inbox
//! is bounded by count and by bytes, and drops its oldest messages to stay so. Whoever wants to hear of what happens to it
//! subscribes; a [`Maildir`] keeps the same messages on disk.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::broadcast;

use super::Summary;
use super::maildir::Maildir;
pub use super::received::{ReceivedMessage, SessionFacts};
use super::search::Query;
use crate::domain::clock::{Rng, draw};
use crate::smtp::{MessageId, Received, Refusal};

/// Events that a listener may be behind before it misses some.
const WAITING_EVENTS: usize = 1024;

/// Deleting more messages than this is one event, not one for each.
const EACH_DELETED: usize = 200;

/// The longest tag, in characters.
const LONGEST_TAG: usize = 100;

/// What happened to the inbox.
#[derive(Debug, Clone)]
pub enum Event {
    /// A message came.
    New(Arc<ReceivedMessage>),
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

/// Which messages are meant.
#[derive(Debug, Clone)]
pub enum Which {
    /// All of them.
    All,
    /// Those with these ids; one that is not there is passed over.
    Ids(Vec<String>),
    /// Those that a search finds.
    Matching(Query),
}

/// The kept messages. Shared by sessions, printer and web port.
pub struct Inbox {
    max_messages: usize,
    max_memory: u64,
    rng: Arc<dyn Rng>,
    kept: Mutex<Kept>,
    events: broadcast::Sender<Event>,
    archive: Option<Maildir>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Oldest first.
    messages: VecDeque<Arc<ReceivedMessage>>,
    by_id: HashMap<MessageId, Arc<ReceivedMessage>>,
    memory: u64,
    unread: usize,
    /// How many messages have each tag.
    tags: BTreeMap<String, usize>,
    counts: Counts,
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
            max_messages: max_messages.max(1),
            max_memory,
            rng,
            kept: Mutex::default(),
            events: broadcast::channel(WAITING_EVENTS).0,
            archive: None,
        }
    }

    /// The same inbox, with what this Maildir holds in it, and whatever comes from now on kept there too.
    pub fn with_archive(mut self, archive: Maildir, held: Vec<ReceivedMessage>) -> Inbox {
        for message in held {
            let message = Arc::new(message);
            let gone = self
                .kept()
                .push(&message, self.max_messages, self.max_memory);
            gone.iter().for_each(|message| archive.remove(message));
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
        self.keep(ReceivedMessage::new(id, now, received, Some(peer)))
    }

    /// Keeps a message that came by no session.
    pub fn store_own(
        &self,
        received: Received,
        tags: Vec<String>,
        now: Timestamp,
    ) -> Result<Arc<ReceivedMessage>, Refusal> {
        let id = fresh_id(self.rng.as_ref());
        let message = ReceivedMessage::new(id, now, received, None);
        message.set_tags(clean_tags(tags));
        self.keep(message)
    }

    fn keep(&self, message: ReceivedMessage) -> Result<Arc<ReceivedMessage>, Refusal> {
        let message = Arc::new(message);
        if message.weight() > self.max_memory {
            // To keep it would be to break the limit, to drop it after a 250 to break the promise.
            return Err(Refusal::TooLarge);
        }
        if let Some(archive) = &self.archive {
            archive.keep(&message).map_err(|error| {
                tracing::error!(%error, "a message could not be written to the store");
                Refusal::Unavailable(
                    "the store can't be written, send this message again later".into(),
                )
            })?;
        }
        let mut kept = self.kept();
        let gone = kept.push(&message, self.max_messages, self.max_memory);
        if self.events.receiver_count() > 0 {
            self.tell_deleted(&gone);
            self.tell(Event::New(Arc::clone(&message)));
        }
        drop(kept);
        self.remove_from_archive(&gone);
        Ok(message)
    }

    /// Counts a message that was refused.
    pub fn note_rejected(&self) {
        self.kept().counts.rejected += 1;
    }

    /// What happens from now on. Who is more than a thousand events behind misses some, and is told so.
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
        let newest_first = kept.messages.iter().rev();
        match before {
            None => newest_first.skip(start).take(limit).cloned().collect(),
            Some(before) => newest_first
                .filter(|message| message.received_at < before)
                .skip(start)
                .take(limit)
                .cloned()
                .collect(),
        }
    }

    /// All that a search finds, newest first. Reads what it has not read before, so it takes its time: call it where
    /// nothing waits.
    pub fn search(&self, query: &Query, before: Option<Timestamp>) -> Vec<Arc<ReceivedMessage>> {
        let all = self.list(0, 0, before);
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let share = all.len().div_ceil(workers).max(1000);
        let found = |part: &[Arc<ReceivedMessage>]| -> Vec<_> {
            part.iter()
                .filter(|message| message.fits(query))
                .cloned()
                .collect()
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
        let all = self.list(0, 0, None);
        all.into_iter()
            .take_while(|message| Some(message.id.0.as_str()) != after)
            .find(|message| message.fits(query))
    }

    /// One message by its id.
    pub fn get(&self, id: &str) -> Option<Arc<ReceivedMessage>> {
        self.kept().by_id.get(&MessageId(id.to_owned())).cloned()
    }

    /// The newest message.
    pub fn latest(&self) -> Option<Arc<ReceivedMessage>> {
        self.kept().messages.back().cloned()
    }

    /// Marks a message as opened.
    pub fn mark_read(&self, message: &Arc<ReceivedMessage>) {
        self.set_read_each(std::slice::from_ref(message), true);
    }

    /// Marks messages as read, or as not read.
    pub fn set_read(&self, which: Which, read: bool) {
        self.set_read_each(&self.select(which), read);
    }

    fn set_read_each(&self, messages: &[Arc<ReceivedMessage>], read: bool) {
        let mut changed = Vec::new();
        let mut kept = self.kept();
        for message in messages {
            if !kept.by_id.contains_key(&message.id) || !message.set_read(read) {
                continue;
            }
            match read {
                true => kept.unread -= 1,
                false => kept.unread += 1,
            }
            changed.push(message);
        }
        match changed.len() > EACH_DELETED {
            true => self.tell(Event::Pruned),
            false => changed
                .iter()
                .for_each(|message| self.tell(Event::Read(message.id.clone(), read))),
        }
        drop(kept);
        if let Some(archive) = &self.archive {
            changed.iter().for_each(|message| archive.mark(message));
        }
    }

    /// The tags there are, in order, and how many messages have each.
    pub fn tags(&self) -> BTreeMap<String, usize> {
        self.kept().tags.clone()
    }

    /// Gives these messages these tags, and takes any others from them.
    pub fn set_tags(&self, ids: &[String], tags: &[String]) {
        let tags = clean_tags(tags.to_vec());
        let messages = self.select(Which::Ids(ids.to_vec()));
        self.retag(&messages, |_| Some(tags.clone()));
    }

    /// Gives a tag another name wherever it is.
    pub fn rename_tag(&self, tag: &str, name: &str) {
        self.change_tag(tag, |own| *own = name.to_owned());
    }

    /// Takes a tag from all messages.
    pub fn remove_tag(&self, tag: &str) {
        // A name that no tag can have: it is cleaned away.
        self.change_tag(tag, String::clear);
    }

    fn change_tag(&self, tag: &str, change: impl Fn(&mut String)) {
        let messages = self.select(Which::All);
        self.retag(&messages, |mut tags| {
            let own = tags.iter_mut().find(|own| own.eq_ignore_ascii_case(tag))?;
            change(own);
            Some(clean_tags(tags))
        });
    }

    fn retag(
        &self,
        messages: &[Arc<ReceivedMessage>],
        new_tags: impl Fn(Vec<String>) -> Option<Vec<String>>,
    ) {
        let mut changed = Vec::new();
        let mut kept = self.kept();
        for message in messages {
            if !kept.by_id.contains_key(&message.id) {
                continue;
            }
            if let Some(tags) = new_tags(message.tags()) {
                kept.count_tags(&tags);
                let old = message.set_tags(tags.clone());
                kept.discount_tags(&old);
                changed.push((message, tags));
            }
        }
        match &changed[..] {
            [(message, tags)] => self.tell(Event::Tagged(message.id.clone(), tags.clone())),
            [] => {}
            _ => self.tell(Event::Pruned),
        }
        drop(kept);
        if let Some(archive) = &self.archive {
            changed
                .iter()
                .for_each(|(message, _)| archive.mark(message));
        }
    }

    /// Deletes messages, and answers how many there were.
    pub fn delete(&self, which: Which) -> usize {
        let everything = matches!(which, Which::All);
        let chosen = self.select(which);
        let mut kept = self.kept();
        let gone: Vec<_> = chosen
            .into_iter()
            .filter(|message| kept.forget(message))
            .collect();
        let Kept {
            messages,
            by_id,
            counts,
            ..
        } = &mut *kept;
        if !gone.is_empty() {
            messages.retain(|message| by_id.contains_key(&message.id));
            counts.deleted += gone.len() as u64;
        }
        match everything {
            true => self.tell(Event::Emptied),
            false => self.tell_deleted(&gone),
        }
        drop(kept);
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

    fn select(&self, which: Which) -> Vec<Arc<ReceivedMessage>> {
        match which {
            Which::All => self.list(0, 0, None),
            Which::Ids(ids) => ids.iter().filter_map(|id| self.get(id)).collect(),
            Which::Matching(query) => self.search(&query, None),
        }
    }

    fn tell_deleted(&self, gone: &[Arc<ReceivedMessage>]) {
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

    fn remove_from_archive(&self, gone: &[Arc<ReceivedMessage>]) {
        if let Some(archive) = &self.archive {
            gone.iter().for_each(|message| archive.remove(message));
        }
    }

    /// A panic elsewhere leaves the numbers at worst off by one; the messages are worth more than that.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Adds a message as the newest, and answers those that had to go for it.
    fn push(
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

    fn count_tags(&mut self, tags: &[String]) {
        for tag in tags {
            *self.tags.entry(tag.clone()).or_default() += 1;
        }
    }

    fn discount_tags(&mut self, tags: &[String]) {
        for tag in tags {
            if let Some(count) = self.tags.get_mut(tag) {
                *count -= 1;
                if *count == 0 {
                    self.tags.remove(tag);
                }
            }
        }
    }
}

/// Tags as they are kept: no blanks around, none twice, none empty, in order.
fn clean_tags(tags: Vec<String>) -> Vec<String> {
    let mut clean: Vec<String> = tags
        .iter()
        .map(|tag| {
            let printable = tag.chars().filter(|char| !char.is_control());
            let short: String = printable.take(LONGEST_TAG).collect();
            short.trim().to_owned()
        })
        .filter(|tag| !tag.is_empty())
        .collect();
    clean.sort_unstable();
    clean.dedup();
    clean
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
pub(crate) mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use bytes::Bytes;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::smtp::{Envelope, Recipient, Transcript};

    /// Draws 0, 1, 2, …: no two ids are the same.
    #[derive(Default)]
    pub(crate) struct Counting(AtomicU64);

    impl From<u64> for Counting {
        fn from(first: u64) -> Self {
            Self(AtomicU64::new(first))
        }
    }

    impl Rng for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            let drawn = self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes();
            bytes.fill(0);
            bytes[..8].copy_from_slice(&drawn);
        }
    }

    /// A message as a session hands it over.
    pub(crate) fn received(source: &[u8], from: &str, to: &[&str]) -> Received {
        Received {
            tls: None,
            login: None,
            source: source.to_vec(),
            envelope: Envelope {
                sender: from.into(),
                params: vec![],
                recipients: to
                    .iter()
                    .map(|address| Recipient {
                        address: (*address).into(),
                        params: vec![],
                    })
                    .collect(),
            },
            helo: "client".into(),
            transcript: Transcript::default(),
            warnings: vec![],
        }
    }

    /// A message as the inbox keeps it.
    pub(crate) fn kept(source: &[u8], from: &str, to: &[&str]) -> Arc<ReceivedMessage> {
        keep(
            &Inbox::new(10, 1 << 30, Arc::new(Counting::default())),
            source,
            from,
            to,
        )
    }

    fn keep(inbox: &Inbox, source: &[u8], from: &str, to: &[&str]) -> Arc<ReceivedMessage> {
        let peer = SocketAddr::from(([127, 0, 0, 1], 4000));
        inbox
            .store(
                received(source, from, to),
                peer,
                "2026-11-23T10:11:12.5Z".parse().unwrap(),
            )
            .unwrap()
    }

    fn sources(inbox: &Inbox) -> Vec<Bytes> {
        inbox
            .list(0, 0, None)
            .iter()
            .map(|message| message.source.clone())
            .collect()
    }

    #[test]
    fn the_newest_messages_are_kept_and_come_first() {
        let inbox = Inbox::new(2, 1 << 30, Arc::new(Counting::default()));
        for source in ["a", "b", "c"] {
            keep(&inbox, source.as_bytes(), "x@y", &["z@y"]);
        }
        assert_eq!(sources(&inbox), ["c", "b"]);
        assert_eq!(
            inbox.summary(),
            Summary {
                received: 3,
                received_bytes: 3,
                rejected: 0,
                kept: 2,
                dropped: 1
            }
        );
        assert_eq!(inbox.totals().unread, 2);
        assert_eq!(inbox.latest().unwrap().source, "c");
    }

    #[test]
    fn memory_is_bounded_too_and_what_can_never_fit_is_refused() {
        let inbox = Inbox::new(100, 10_000, Arc::new(Counting::default()));
        for _ in 0..5 {
            keep(&inbox, &[b'x'; 3000], "x@y", &["z@y"]);
            assert!(inbox.totals().memory <= 10_000);
        }
        assert_eq!(inbox.totals().messages, 2);
        let peer = SocketAddr::from(([127, 0, 0, 1], 4000));
        let verdict = inbox.store(
            received(&[b'x'; 10_000], "x@y", &[]),
            peer,
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(verdict.err(), Some(Refusal::TooLarge));
        assert_eq!(inbox.totals().messages, 2, "and nothing was dropped for it");
    }

    #[test]
    fn reading_and_deleting_keep_the_numbers_right() {
        let inbox = Inbox::new(100, 1 << 30, Arc::new(Counting::default()));
        let first = keep(&inbox, b"a", "x@y", &[]);
        let second = keep(&inbox, b"b", "x@y", &[]);
        inbox.mark_read(&first);
        inbox.mark_read(&first);
        assert_eq!(inbox.totals().unread, 1);
        inbox.delete(Which::Ids(vec![first.id.0.clone(), "nothing".into()]));
        inbox.mark_read(&first);
        assert_eq!((inbox.totals().messages, inbox.totals().unread), (1, 1));
        assert!(inbox.get(&first.id.0).is_none());
        inbox.delete(Which::All);
        inbox.mark_read(&second);
        assert_eq!(
            inbox.totals(),
            Totals {
                messages: 0,
                unread: 0,
                memory: 0
            }
        );
        assert_eq!(inbox.counts().deleted, 2);
    }

    #[test]
    fn an_id_has_22_letters_and_digits() {
        let rng = Counting::default();
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| fresh_id(&rng).0).collect();
        assert_eq!(ids.len(), 1000);
        assert!(
            ids.iter()
                .all(|id| id.len() == 22 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        );
    }

    #[test]
    fn tags_are_counted_renamed_and_taken_away() {
        let inbox = Inbox::new(100, 1 << 30, Arc::new(Counting::default()));
        let first = keep(&inbox, b"a", "x@y", &[]);
        let second = keep(&inbox, b"b", "x@y", &[]);
        let ids = [first.id.0.clone(), second.id.0.clone()];
        let tags = |list: &[(&str, usize)]| -> BTreeMap<String, usize> {
            list.iter()
                .map(|&(tag, count)| (tag.into(), count))
                .collect()
        };
        inbox.set_tags(&ids, &[" b ".into(), "a".into(), "".into(), "b".into()]);
        inbox.set_tags(&ids[..1], &["a".into()]);
        assert_eq!(inbox.tags(), tags(&[("a", 2), ("b", 1)]));
        inbox.rename_tag("B", "a");
        assert_eq!(second.tags(), ["a"]);
        inbox.rename_tag("a", "new");
        assert_eq!(inbox.tags(), tags(&[("new", 2)]));
        inbox.delete(Which::Ids(vec![ids[0].clone()]));
        inbox.remove_tag("new");
        assert_eq!((inbox.tags(), second.tags()), (tags(&[]), vec![]));
    }

    #[test]
    fn events_tell_what_happened_in_its_order() {
        let inbox = Inbox::new(2, 1 << 30, Arc::new(Counting::default()));
        let mut events = inbox.subscribe();
        let first = keep(&inbox, b"a", "x@y", &[]);
        inbox.mark_read(&first);
        inbox.mark_read(&first);
        inbox.set_tags(std::slice::from_ref(&first.id.0), &["t".into()]);
        inbox.set_read(
            Which::Matching(Query::parse("tag:t", &TimeZone::UTC)),
            false,
        );
        keep(&inbox, b"b", "x@y", &[]);
        keep(&inbox, b"c", "x@y", &[]);
        inbox.delete(Which::All);
        let mut told = Vec::new();
        while let Ok(event) = events.try_recv() {
            told.push(match event {
                Event::New(message) => format!("new {}", String::from_utf8_lossy(&message.source)),
                Event::Read(_, read) => format!("read {read}"),
                Event::Tagged(_, tags) => format!("tags {tags:?}"),
                Event::Deleted(_) => "deleted".to_owned(),
                Event::Pruned => "pruned".to_owned(),
                Event::Emptied => "emptied".to_owned(),
            });
        }
        assert_eq!(
            told,
            [
                "new a",
                "read true",
                "tags [\"t\"]",
                "read false",
                "new b",
                "deleted",
                "new c",
                "emptied"
            ]
        );
    }

    #[test]
    fn a_search_finds_the_same_on_any_number_of_threads() {
        let inbox = Inbox::new(10_000, 1 << 30, Arc::new(Counting::default()));
        for number in 0..2500 {
            let source = format!("Subject: number {number}\r\n\r\nbody");
            keep(&inbox, source.as_bytes(), "x@y", &[]);
        }
        let query = Query::parse("subject:\"number 24\"", &TimeZone::UTC);
        let found = inbox.search(&query, None);
        let numbers: Vec<_> = found
            .iter()
            .map(|message| message.digest().subject.as_str())
            .collect();
        assert_eq!(numbers.len(), 111);
        assert_eq!((numbers[0], numbers[110]), ("number 2499", "number 24"));
        assert_eq!(inbox.find_newest(&query).unwrap().id, found[0].id);
    }
}
