//! One message as the sink keeps it: its bytes, which never change, its envelope, and the marks people put on it.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use jiff::Timestamp;

use super::inbox::memory::Charge;
use super::search::Facts;
use super::view::{self, Digest};
use crate::smtp::auth::Login;
use crate::smtp::{Envelope, MessageId, Received, Transcript, Warning};

/// Bytes that a kept message takes beside those that are counted one by one: its structures, its entries in the inbox, and what
/// the allocator adds. Measured generously, so that the memory limit holds.
const OVERHEAD: usize = 1024;

/// Size up to which a digest is cached with its message, in bytes. It is a part of every message's weight, so that a list that
/// is read takes no memory that was not counted. Larger digests are derived again each time they are needed.
const CACHED_DIGEST: usize = 1024;

/// Bytes that a string takes beside its characters.
const STRING: usize = 48;

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
    /// How it came.
    pub session: SessionFacts,
    read: AtomicBool,
    tags: RwLock<Vec<String>>,
    /// Cached where it is small.
    digest: OnceLock<Box<Digest>>,
    /// Returned with the message, so that a dropped message counts for as long as an answer reads it.
    charge: OnceLock<Charge>,
}

/// What is known of the way a message came.
#[derive(Debug, Clone, Default)]
pub struct SessionFacts {
    /// Where the client was; none for a message that was written by the sink's own API.
    pub peer: Option<SocketAddr>,
    /// The name it gave.
    pub helo: String,
    /// The version of TLS; none where it came in clear text.
    pub tls: Option<String>,
    /// Who logged in.
    pub login: Option<Login>,
    /// What was said.
    pub transcript: Transcript,
    /// What was odd, though accepted.
    pub warnings: Vec<Warning>,
}

/// Id and time of a message, which are the name of its files on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its id.
    pub id: MessageId,
    /// When its last byte had arrived.
    pub received_at: Timestamp,
}

impl ReceivedMessage {
    /// Returns the name of its files on disk.
    pub fn identity(&self) -> Identity {
        Identity {
            id: self.id.clone(),
            received_at: self.received_at,
        }
    }

    /// A message that nobody opened yet.
    pub fn new(
        id: MessageId,
        received_at: Timestamp,
        received: Received,
        peer: Option<SocketAddr>,
    ) -> ReceivedMessage {
        ReceivedMessage {
            id,
            received_at,
            // What it grew by in advance goes back: a message is kept for long.
            source: Bytes::from(received.source.into_boxed_slice()),
            envelope: received.envelope,
            session: SessionFacts {
                peer,
                helo: received.helo,
                tls: received.tls,
                login: received.login,
                transcript: received.transcript,
                warnings: received.warnings,
            },
            read: AtomicBool::new(false),
            tags: RwLock::default(),
            digest: OnceLock::new(),
            charge: OnceLock::new(),
        }
    }

    /// True once it was opened.
    pub fn is_read(&self) -> bool {
        self.read.load(Ordering::Relaxed)
    }

    /// The tags it has, in order.
    pub fn tags(&self) -> Vec<String> {
        self.tags
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Who logged in to send it; empty where nobody did.
    pub fn username(&self) -> &str {
        self.session
            .login
            .as_ref()
            .map_or("", |login| login.user.as_str())
    }

    /// Returns the summary that lists show: cached where it is small, derived again where it is not.
    pub fn digest(&self) -> Cow<'_, Digest> {
        if let Some(digest) = self.digest.get() {
            return Cow::Borrowed(digest);
        }
        let digest = view::digest(self);
        match digest.size() <= CACHED_DIGEST {
            true => Cow::Borrowed(self.digest.get_or_init(|| Box::new(digest))),
            false => Cow::Owned(digest),
        }
    }

    /// Lists what is irregular: no header, damage in the message, and the SMTP session.
    pub fn warnings(&self) -> Vec<String> {
        let unreadable = (!self.digest().is_parsed)
            .then(|| "no header could be read, the source is shown".to_owned());
        let of_session = self.session.warnings.iter().map(ToString::to_string);
        let of_content = view::warnings(self);
        unreadable
            .into_iter()
            .chain(of_content)
            .chain(of_session)
            .collect()
    }

    /// Whether a search fits it that asks for these facts; see [`Query::fits`](super::search::Query::fits).
    pub fn fits(&self, query: &super::search::Query) -> bool {
        let tags = self.tags();
        let facts = Facts {
            received_at: self.received_at,
            size: self.source.len() as u64,
            is_read: self.is_read(),
            tags: &tags,
        };
        query.fits(facts, || self.digest(), || view::searchable(self))
    }

    /// Bytes that it is counted with: everything that is kept of it.
    pub fn weight(&self) -> u64 {
        let session = &self.session;
        let login = session.login.as_ref().map_or(0, |login| login.user.len());
        let own_tags = self.tags.read().unwrap_or_else(PoisonError::into_inner);
        // The index of tags has two more copies.
        let tags: usize = own_tags.iter().map(|tag| 3 * (tag.len() + STRING)).sum();
        let text = session.helo.len() + session.transcript.len() + login;
        let warnings = size_of_val(session.warnings.as_slice());
        let envelope = self.envelope.size();
        let all = self.source.len() + text + warnings + envelope + tags;
        (OVERHEAD + CACHED_DIGEST + all) as u64
    }

    /// Sets the charge for its weight. The inbox does so once, when it keeps the message.
    pub(super) fn set_charge(&self, charge: Charge) {
        let _ = self.charge.set(charge);
    }

    /// Marks it; true where that changed something. The inbox counts, so it alone may do this.
    pub(super) fn set_read(&self, read: bool) -> bool {
        self.read.swap(read, Ordering::Relaxed) != read
    }

    /// Replaces its tags, and answers those it had. The inbox counts, so it alone may do this.
    pub(super) fn set_tags(&self, tags: Vec<String>) -> Vec<String> {
        let mut own = self.tags.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *own, tags);
        drop(own);
        if let Some(charge) = self.charge.get() {
            charge.resize(self.weight());
        }
        old
    }
}
