//! From what a mail says to a message on its way: `render` makes its text, `smtp` hands it to a mail server, and
//! `dialogue` tells what was said there.
//!
//! The use cases know the two traits here, [`Renderer`] and [`Mailer`]. Nobody here knows an account or the outbox: who
//! gets which mail when, and whether it is tried again, is decided in [`crate::app`].

pub mod dialogue;
pub mod render;
pub mod smtp;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::mail_server::Capacity;
use crate::domain::outbox::Round;
use crate::templates::TemplateError;

/// Mail with the values of its templates.
#[derive(Debug, Clone)]
pub enum Mail {
    /// Link to choose a new password.
    ResetPassword(ResetPassword),
    /// Confirmation of a changed password.
    ResetSuccessful(ResetSuccessful),
    /// Link to choose the first password.
    Invitation(Invitation),
    /// Notice of a changed address.
    AddressChanged(AddressChanged),
    /// Notice that all sessions were ended.
    AccessRevoked(AccessRevoked),
}

/// Link to choose a new password.
#[derive(Debug, Clone)]
pub struct ResetPassword {
    /// Link with the token.
    pub url: String,
    /// Address of the account.
    pub email: String,
    /// Time when the link expires.
    pub expires_at: Timestamp,
    /// Period in which the link is valid, from the request.
    pub lifetime: Duration,
    /// Time of the request.
    pub requested_at: Timestamp,
    /// Source of the request, as a noun phrase that fits after "by".
    pub origin: String,
}

/// Confirmation of a changed password.
#[derive(Debug, Clone)]
pub struct ResetSuccessful {
    /// Address of the account.
    pub email: String,
    /// Time of the change.
    pub at: Timestamp,
    /// Source of the change, as a noun phrase that fits after "by".
    pub origin: String,
    /// Page that requests a new link.
    pub forgot_url: String,
}

/// Link to choose the first password.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// Link with the token.
    pub url: String,
    /// Address of the account.
    pub email: String,
    /// Time when the link expires.
    pub expires_at: Timestamp,
    /// Period in which the link is valid, from the invitation.
    pub lifetime: Duration,
    /// Service that invites: host, port and path of its public URL.
    pub site: String,
}

/// Notice of a changed address, to the old and to the new one.
#[derive(Debug, Clone)]
pub struct AddressChanged {
    /// Address that this mail goes to.
    pub email: String,
    /// Time of the change.
    pub at: Timestamp,
    /// Source of the change, as a noun phrase that fits after "by".
    pub origin: String,
}

/// Notice that all sessions were ended.
#[derive(Debug, Clone)]
pub struct AccessRevoked {
    /// Address of the account.
    pub email: String,
    /// Time of the revocation.
    pub at: Timestamp,
    /// Source of the revocation, as a noun phrase that fits after "by".
    pub origin: String,
    /// Page that requests a link to choose a new password.
    pub forgot_url: String,
}

/// Rendered mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Subject, on one line.
    pub subject: String,
    /// Text part.
    pub text: String,
    /// HTML part.
    pub html: String,
}

/// Renders mails.
pub trait Renderer: Send + Sync {
    /// Renders both parts.
    ///
    /// # Errors
    /// A template that fails, or a result that cannot be sent.
    fn render(&self, mail: &Mail) -> Result<Rendered, TemplateError>;
}

/// One mail, addressed and rendered, ready to be sent.
#[derive(Debug, Clone)]
pub struct Message {
    /// Made with the outbox entry, so that a repeat is recognised; without angle brackets.
    pub message_id: String,
    /// The Date header.
    pub date: Timestamp,
    /// `Name <a@b>` or `a@b`.
    pub from: String,
    /// One mailbox, in the spelling that is stored.
    pub to: String,
    /// One line.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// What the mail server answered to a message that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its reply, code and words.
    pub reply: String,
}

/// A mail server. In two steps, since a mail is made only once there is a session for it: it may wait long, and its link
/// would be too old then.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Waits for a session. Mails of the first and of later rounds get theirs in turn.
    ///
    /// # Errors
    /// [`NoSession`]: the mail has not been offered to the server.
    async fn session(&self, round: Round) -> Result<Box<dyn MailSession>, NoSession>;

    /// Number of mails that sessions can be had for now.
    fn capacity(&self) -> Capacity;

    /// Returns when [`Mailer::capacity`] may have changed.
    async fn capacity_changed(&self);

    /// Ends the sessions that no mail is sent over, in order.
    async fn close(&self);
}

/// A session with the mail server, for one mail. Dropped unused, it is kept for another one.
#[async_trait]
pub trait MailSession: Send {
    /// Hands one message to the mail server.
    ///
    /// # Errors
    /// [`SendError`]; after one of the message that is not permanent the server may have taken it all the same.
    async fn send(self: Box<Self>, message: &Message) -> Result<Receipt, SendError>;
}

/// Why there is no session: the server cannot be reached, refuses to talk, or refuses the login.
#[derive(Debug, Clone)]
pub struct NoSession {
    /// The failure.
    pub error: DeliveryError,
    /// Whether a connection was tried for this mail; else this is the failure of another one, and the delay after it is
    /// not over.
    pub is_tried: bool,
}

/// Why a message was not taken.
#[derive(Debug, Clone)]
pub enum SendError {
    /// It was not offered: the session had ended, and there is no other one.
    NoSession(NoSession),
    /// It was.
    Message(DeliveryError),
}

/// Why the mail server did not take a message.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DeliveryError {
    /// No conversation came about, or it broke off: refused, timed out, no TLS.
    #[error("{what}")]
    Unreachable {
        /// What happened, with the server's address.
        what: String,
        /// What may help.
        hint: String,
    },
    /// The server refused for now (4xx).
    #[error("{server} deferred the mail: {reply}")]
    Transient {
        /// The server's address.
        server: String,
        /// Its own words.
        reply: String,
    },
    /// The server refused for good (5xx).
    #[error("{server} rejected the mail: {reply}")]
    Permanent {
        /// The server's address.
        server: String,
        /// Its own words.
        reply: String,
    },
    /// The server refused this client, its login, its HELO name or the sender, and would refuse other mails too.
    #[error("{what}")]
    Policy {
        /// The failure, with the server's address and words.
        what: String,
        /// The hint.
        hint: String,
        /// The reply without what differs from mail to mail, to be compared.
        reply: String,
    },
    /// The message can't be sent as it is: it is wrong, or the server lacks an extension that it needs.
    #[error("{what}")]
    Unsendable {
        /// What is in the way, with the server's address where it is the server.
        what: String,
        /// What may help.
        hint: String,
    },
}

impl DeliveryError {
    /// Whether trying again is of no use.
    pub fn is_permanent(&self) -> bool {
        matches!(self, Self::Permanent { .. } | Self::Unsendable { .. })
    }

    /// What may help.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { hint, .. }
            | Self::Policy { hint, .. }
            | Self::Unsendable { hint, .. } => Some(hint.clone()),
            Self::Transient { .. } | Self::Permanent { .. } => None,
        }
    }
}
