//! One message as the sink keeps it: its bytes, which never change, its envelope, and the marks people put on it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

use bytes::Bytes;
use jiff::Timestamp;

use super::search::Facts;
use super::view::{self, Digest};
use crate::smtp::auth::Login;
use crate::smtp::{Envelope, MessageId, Received, Transcript, Warning};

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
    /// How it came.
    pub session: SessionFacts,
    read: AtomicBool,
    tags: RwLock<Vec<String>>,
    /// On its own, since most messages are never looked at.
    digest: OnceLock<Box<Digest>>,
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

impl ReceivedMessage {
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
        }
    }

    /// True once somebody opened it.
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

    /// What a list shows of it; derived once, then kept.
    pub fn digest(&self) -> &Digest {
        self.digest.get_or_init(|| Box::new(view::digest(self)))
    }

    /// Lists what is irregular: no header, damage in the message, and the SMTP session.
    pub fn warnings(&self) -> Vec<String> {
        let unreadable = (!self.digest().is_parsed)
            .then(|| "no header could be read: it is shown as it came".to_owned());
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

    /// The bytes it is counted with.
    pub fn weight(&self) -> u64 {
        let recipients: usize = self
            .envelope
            .recipients
            .iter()
            .map(|to| to.address.len() + 64)
            .sum();
        OVERHEAD + (self.source.len() + self.session.transcript.len() + recipients) as u64
    }

    /// Marks it; true where that changed something. The inbox counts, so it alone may do this.
    pub(super) fn set_read(&self, read: bool) -> bool {
        self.read.swap(read, Ordering::Relaxed) != read
    }

    /// Replaces its tags, and answers those it had. The inbox counts, so it alone may do this.
    pub(super) fn set_tags(&self, tags: Vec<String>) -> Vec<String> {
        let mut own = self.tags.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut own, tags)
    }
}
