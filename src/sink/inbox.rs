//! What the sink keeps: the newest messages, as bytes, with their envelopes, in memory.
//!
//! A message is kept before its 250 is said and never changed; everything shown of it is derived later. The inbox
//! is bounded by count and by bytes, and drops its oldest messages to stay so.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;

use super::Summary;
use super::view::{self, Digest};
use crate::domain::clock::{Rng, draw};
use crate::smtp::{Envelope, MessageId, Received, Refusal, Transcript, Warning};

/// What a kept message takes beside its bytes; measured generously, so that the memory limit holds.
const OVERHEAD: u64 = 1024;

/// One accepted message with its envelope and arrival time.
#[derive(Debug)]
pub struct ReceivedMessage {
    /// 22 characters of `[0-9A-Za-z]`.
    pub id: MessageId,
    /// When its last byte had come.
    pub received_at: Timestamp,
    /// The bytes as the client sent them, dot-stuffing undone.
    pub source: Bytes,
    /// SMTP sender and recipients.
    pub envelope: Envelope,
    /// What the session told about it.
    pub session: SessionFacts,
    read: AtomicBool,
    digest: OnceLock<Digest>,
}

/// What a session told about one of its messages.
#[derive(Debug, Clone)]
pub struct SessionFacts {
    /// Where the client was.
    pub peer: SocketAddr,
    /// The name it gave.
    pub helo: String,
    /// What was said.
    pub transcript: Transcript,
    /// What was odd, though accepted.
    pub warnings: Vec<Warning>,
}

impl ReceivedMessage {
    /// True once somebody opened it.
    pub fn is_read(&self) -> bool {
        self.read.load(Ordering::Relaxed)
    }

    /// What a list shows of it; derived once, then kept.
    pub fn digest(&self) -> &Digest {
        self.digest.get_or_init(|| view::digest(self))
    }

    fn weight(&self) -> u64 {
        let recipients: usize = self
            .envelope
            .recipients
            .iter()
            .map(|to| to.address.len() + 64)
            .sum();
        OVERHEAD + (self.source.len() + self.session.transcript.len() + recipients) as u64
    }
}

/// The kept messages. Shared by sessions, printer and web port.
pub struct Inbox {
    max_messages: usize,
    max_memory: u64,
    rng: Arc<dyn Rng>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Oldest first.
    messages: VecDeque<Arc<ReceivedMessage>>,
    by_id: HashMap<MessageId, Arc<ReceivedMessage>>,
    memory: u64,
    unread: usize,
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
        }
    }

    /// Keeps a message. When this returns `Ok`, it is kept.
    pub fn store(
        &self,
        received: Received,
        peer: SocketAddr,
        now: Timestamp,
    ) -> Result<Arc<ReceivedMessage>, Refusal> {
        let message = Arc::new(ReceivedMessage {
            id: fresh_id(self.rng.as_ref()),
            received_at: now,
            source: Bytes::from(received.source),
            envelope: received.envelope,
            session: SessionFacts {
                peer,
                helo: received.helo,
                transcript: received.transcript,
                warnings: received.warnings,
            },
            read: AtomicBool::new(false),
            digest: OnceLock::new(),
        });
        let weight = message.weight();
        if weight > self.max_memory {
            // To keep it would be to break the limit, to drop it after a 250 to break the promise.
            return Err(Refusal::TooLarge);
        }
        let mut kept = self.kept();
        while kept.messages.len() >= self.max_messages || kept.memory + weight > self.max_memory {
            let Some(oldest) = kept.messages.pop_front() else {
                break;
            };
            kept.forget(&oldest);
            kept.counts.dropped += 1;
            if kept.counts.dropped == 1 {
                tracing::warn!(
                    messages = kept.messages.len() + 1,
                    bytes = kept.memory,
                    "the inbox is full: for each new message the oldest is dropped"
                );
            }
        }
        kept.memory += weight;
        kept.unread += 1;
        kept.counts.accepted += 1;
        kept.counts.accepted_bytes += message.source.len() as u64;
        kept.by_id.insert(message.id.clone(), Arc::clone(&message));
        kept.messages.push_back(Arc::clone(&message));
        Ok(message)
    }

    /// Counts a message that was refused.
    pub fn note_rejected(&self) {
        self.kept().counts.rejected += 1;
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
        newest_first
            .filter(|message| before.is_none_or(|before| message.received_at < before))
            .skip(start)
            .take(limit)
            .cloned()
            .collect()
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
    pub fn mark_read(&self, message: &ReceivedMessage) {
        let mut kept = self.kept();
        if !message.read.swap(true, Ordering::Relaxed) && kept.by_id.contains_key(&message.id) {
            kept.unread -= 1;
        }
    }

    /// Deletes all messages.
    pub fn clear(&self) {
        let mut kept = self.kept();
        let counts = kept.counts;
        let deleted = counts.deleted + kept.messages.len() as u64;
        *kept = Kept {
            counts: Counts { deleted, ..counts },
            ..Kept::default()
        };
    }

    /// Deletes the messages with these ids; an id that is not there is passed over.
    pub fn delete(&self, ids: &[String]) {
        let mut kept = self.kept();
        let mut gone = 0;
        for id in ids {
            if let Some(message) = kept.by_id.get(&MessageId(id.clone())).cloned() {
                kept.forget(&message);
                gone += 1;
            }
        }
        if gone > 0 {
            let Kept {
                messages,
                by_id,
                counts,
                ..
            } = &mut *kept;
            messages.retain(|message| by_id.contains_key(&message.id));
            counts.deleted += gone;
        }
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
            kept: kept.messages.len(),
            dropped: kept.counts.dropped,
        }
    }

    /// A panic elsewhere leaves the numbers at worst off by one; the messages are worth more than that.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Takes a message out of everything but the list.
    fn forget(&mut self, message: &ReceivedMessage) {
        self.by_id.remove(&message.id);
        self.memory -= message.weight();
        if !message.is_read() {
            self.unread -= 1;
        }
    }
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
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::smtp::Recipient;

    /// Draws 0, 1, 2, …: no two ids are the same.
    #[derive(Default)]
    pub(crate) struct Counting(AtomicU64);

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
        inbox.delete(&[first.id.0.clone(), "nothing".into()]);
        inbox.mark_read(&first);
        assert_eq!((inbox.totals().messages, inbox.totals().unread), (1, 1));
        assert!(inbox.get(&first.id.0).is_none());
        inbox.clear();
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
}
