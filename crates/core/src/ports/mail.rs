//! Rendering and sending of mails: the traits [`Renderer`] and [`Mailer`].
//!
//! Implementations are independent of accounts and of the outbox. The use cases decide which account gets which mail
//! when, and whether a failed delivery is tried again.

use std::error::Error;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::mail::Mail;
use crate::domain::mail_server::Capacity;
use crate::domain::outbox::Round;

/// Rendered mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Subject, on one line.
    pub subject: String,
    pub text: String,
    pub html: String,
}

pub trait Renderer: Send + Sync {
    /// Renders the subject and both parts.
    ///
    /// # Errors
    /// A template fails, or the result cannot be sent as a mail.
    fn render(&self, mail: &Mail) -> Result<Rendered, RenderError>;
}

/// Error of a renderer. Its message is that of the source.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RenderError(#[source] Box<dyn Error + Send + Sync>);

impl RenderError {
    /// Wraps an error of an implementation.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(source.into())
    }
}

/// Message that can be sent: one rendered mail with its addresses.
#[derive(Debug, Clone)]
pub struct Message {
    /// Message-ID without angle brackets. It is derived from the outbox entry, so that a mail server or client recognises
    /// a second delivery of the same mail.
    pub message_id: String,
    /// Value of the Date header.
    pub date: Timestamp,
    /// Sender: `Name <a@b>` or `a@b`.
    pub from: String,
    /// Recipient: one address, in the spelling that is stored.
    pub to: String,
    /// Subject, on one line.
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Confirmation of the mail server that it accepted a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Reply of the server: code and text.
    pub reply: String,
}

/// Client of a mail server.
///
/// Sending takes two steps: a session, then the message. A mail may wait long for a session, and its link would be old by
/// then, so the caller renders the mail only once it has the session.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Waits for a session. Mails in their first round and mails in later rounds wait in separate queues, which are served
    /// in turn.
    ///
    /// # Errors
    /// [`NoSession`]: the mail was not offered to the server.
    async fn session(&self, round: Round) -> Result<Box<dyn MailSession>, NoSession>;

    /// Returns the number of mails for which sessions are available now.
    fn capacity(&self) -> Capacity;

    /// Returns when [`Mailer::capacity`] may have changed.
    async fn capacity_changed(&self);

    /// Closes the idle sessions in the way that the protocol requires.
    async fn close(&self);
}

/// Session with the mail server, for one mail. A session that is dropped unused is kept for another mail.
#[async_trait]
pub trait MailSession: Send {
    /// Sends one message to the mail server.
    ///
    /// # Errors
    /// [`SendError`]. After a [`SendError::Message`] that is not permanent, the server may have accepted the message
    /// nevertheless.
    async fn send(self: Box<Self>, message: &Message) -> Result<Receipt, SendError>;
}

/// Failure to get a session: the server cannot be reached, or refuses the session or the login.
#[derive(Debug, Clone)]
pub struct NoSession {
    pub error: DeliveryError,
    /// Whether a connection was tried for this mail. Otherwise the error is that of an earlier connection, and the delay
    /// after it has not passed yet.
    pub was_attempted: bool,
}

/// Failure to send a message over a session.
#[derive(Debug, Clone)]
pub enum SendError {
    /// The message was not offered: the server had ended the session, and no other session is available.
    NoSession(NoSession),
    /// The message was offered, and not accepted.
    Message(DeliveryError),
}

/// Reason why the mail server did not accept a message.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DeliveryError {
    /// There was no session, or it broke off: connection refused, timeout, no TLS, login rejected.
    #[error("{message}")]
    Unreachable {
        /// Failure and cause, with the server's address.
        message: String,
        /// Advice for the administrator.
        hint: String,
    },
    /// The server refused the mail for now (4xx).
    #[error("{server} deferred the mail: {reply}")]
    Transient { server: String, reply: String },
    /// The server refused the mail for good (5xx).
    #[error("{server} rejected the mail: {reply}")]
    Permanent { server: String, reply: String },
    /// The server refused this client, its login, its HELO name or the sender, and would refuse other mails too.
    #[error("{message}")]
    Policy {
        /// Failure, with the server's address and reply.
        message: String,
        /// Advice for the administrator.
        hint: String,
        /// Reply without the parts that differ from mail to mail, so that replies can be compared.
        reply: String,
    },
    /// The message cannot be sent as it is: it is invalid, or the server lacks an extension that it needs.
    #[error("{message}")]
    Unsendable {
        /// Cause, with the server's address if the server lacks something.
        message: String,
        /// Advice for the administrator.
        hint: String,
    },
}

impl DeliveryError {
    /// Returns whether a retry cannot succeed.
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Permanent { .. } | Self::Unsendable { .. })
    }

    /// Returns the advice for the administrator.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { hint, .. }
            | Self::Policy { hint, .. }
            | Self::Unsendable { hint, .. } => Some(hint.clone()),
            Self::Transient { .. } | Self::Permanent { .. } => None,
        }
    }
}
