//! Stored message: its bytes, which never change, its envelope, and the marks that users set.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use jiff::Timestamp;

use super::content::{self, Content, Digest};
use super::memory::Charge;
use super::search::Facts;
use crate::session::auth::Login;
use crate::session::{Envelope, MessageId, Received, Transcript, Warning};

/// Memory of a stored message beyond what is counted individually, in bytes: its structures, its entries in the inbox, and the
/// overhead of the allocator. The value is generous, so that the memory limit holds.
const OVERHEAD: usize = 1024;

/// Maximum size of a digest that is cached with its message, in bytes. The weight of every message includes it, so that reading a
/// list uses no memory that was not counted. Larger digests are derived again on each use.
const MAX_CACHED_DIGEST: usize = 1024;

/// Memory of a string beyond its characters, in bytes.
const STRING: usize = 48;

/// Message as it is stored: its bytes, its envelope and the time of its arrival. [`Message`](crate::Message) is its parsed form.
/// `Debug` shows the number of its bytes in place of them.
#[non_exhaustive]
pub struct ReceivedMessage {
    /// 22 characters of `[0-9A-Za-z]`.
    pub id: MessageId,
    /// Time at which the last byte of the message arrived.
    pub received_at: Timestamp,
    /// Bytes as the client sent them, with dot-stuffing undone.
    pub source: Bytes,
    /// Sender and recipients of the SMTP transaction.
    pub envelope: Envelope,
    /// SMTP session the message arrived in.
    pub session: SessionFacts,
    read: AtomicBool,
    tags: RwLock<Vec<String>>,
    /// Cached if it is small.
    digest: OnceLock<Box<Digest>>,
    /// Returned when the message is dropped, so that a deleted message counts for as long as a response reads it.
    charge: OnceLock<Charge>,
}

impl fmt::Debug for ReceivedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedMessage")
            .field("id", &self.id.0)
            .field("received_at", &self.received_at)
            .field("source", &format_args!("{} bytes", self.source.len()))
            .field("envelope", &self.envelope)
            .field("is_read", &self.is_read())
            .field("tags", &self.tags())
            .finish_non_exhaustive()
    }
}

/// Properties of the SMTP session that a message arrived in.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SessionFacts {
    /// Address of the client; `None` for a message from the sink's own API.
    pub peer: Option<SocketAddr>,
    /// Host name that the client gave in EHLO, HELO or LHLO.
    pub helo: String,
    /// Version of TLS; `None` for a plaintext connection.
    pub tls: Option<String>,
    /// Login of the session, if any.
    pub login: Option<Login>,
    /// Commands and replies.
    pub transcript: Transcript,
    /// Accepted deviations from the standards.
    pub warnings: Vec<Warning>,
}

/// Id and time of a message, which form the names of its files on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Id of the message.
    pub id: MessageId,
    /// Time at which the last byte of the message arrived.
    pub received_at: Timestamp,
}

impl ReceivedMessage {
    /// Returns the identity of the message on disk.
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            id: self.id.clone(),
            received_at: self.received_at,
        }
    }

    /// Returns an unread message without tags.
    pub fn new(
        id: MessageId,
        received_at: Timestamp,
        received: Received,
        peer: Option<SocketAddr>,
    ) -> ReceivedMessage {
        ReceivedMessage {
            id,
            received_at,
            // Spare capacity is freed, since a message is stored for long.
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

    /// Returns whether the message was opened.
    pub fn is_read(&self) -> bool {
        self.read.load(Ordering::Relaxed)
    }

    /// Returns the tags of the message, in order.
    pub fn tags(&self) -> Vec<String> {
        self.tags
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns the user name of the login; empty without one.
    pub fn username(&self) -> &str {
        self.session
            .login
            .as_ref()
            .map_or("", |login| login.user.as_str())
    }

    /// Returns the summary for lists. A small one is cached, a large one is derived again.
    pub fn digest(&self) -> Cow<'_, Digest> {
        if let Some(digest) = self.digest.get() {
            return Cow::Borrowed(digest);
        }
        let digest = content::read_digest(&self.source, &self.envelope);
        if digest.size() > MAX_CACHED_DIGEST {
            return Cow::Owned(digest);
        }
        Cow::Borrowed(self.digest.get_or_init(|| Box::new(digest)))
    }

    /// Derives text, HTML and attachments. They are not cached.
    pub fn content(&self) -> Content {
        content::read_content(&self.source)
    }

    /// Lists irregularities: a missing header, defects of the message, and deviations in the SMTP session.
    pub fn warnings(&self) -> Vec<String> {
        let unreadable = (!self.digest().is_parsed)
            .then(|| "no header could be read, the source is shown".to_owned());
        let of_session = self.session.warnings.iter().map(ToString::to_string);
        let of_content = content::list_defects(&self.source);
        unreadable
            .into_iter()
            .chain(of_content)
            .chain(of_session)
            .collect()
    }

    /// Returns whether the message matches a query; see [`Query::matches`](super::search::Query::matches).
    pub(crate) fn matches(&self, query: &super::search::Query) -> bool {
        let tags = self.tags();
        let facts = Facts {
            received_at: self.received_at,
            size: self.source.len() as u64,
            is_read: self.is_read(),
            tags: &tags,
        };
        let search_text =
            || content::read_search_text(&self.source, &self.digest(), &self.envelope);
        query.matches(facts, || self.digest(), search_text)
    }

    /// Returns the memory that the message is charged for, in bytes.
    pub(crate) fn weight(&self) -> u64 {
        let session = &self.session;
        let login = session.login.as_ref().map_or(0, |login| login.user.len());
        let own_tags = self.tags.read().unwrap_or_else(PoisonError::into_inner);
        // The index of tags holds two more copies.
        let tags: usize = own_tags.iter().map(|tag| 3 * (tag.len() + STRING)).sum();
        let text = session.helo.len() + session.transcript.len() + login;
        let warnings = size_of_val(session.warnings.as_slice());
        let envelope = self.envelope.size();
        let all = self.source.len() + text + warnings + envelope + tags;
        (OVERHEAD + MAX_CACHED_DIGEST + all) as u64
    }

    /// Sets the charge for the weight of the message. The inbox calls this once, when it stores the message.
    pub(super) fn set_charge(&self, charge: Charge) {
        let _ = self.charge.set(charge);
    }

    /// Marks the message as read or unread, and returns whether the mark changed. Only the inbox may call this, since it counts
    /// unread messages.
    pub(super) fn set_read(&self, read: bool) -> bool {
        self.read.swap(read, Ordering::Relaxed) != read
    }

    /// Replaces the tags of the message and returns the old ones. Only the inbox may call this, since it counts tags.
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
