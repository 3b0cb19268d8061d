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

/// What a mail says: for each kind the values that its templates show.
#[derive(Debug, Clone)]
pub enum Mail {
    /// The link to choose a new password.
    ResetPassword(ResetPassword),
    /// The confirmation that the password was changed.
    ResetSuccessful(ResetSuccessful),
    /// The link to choose the first password.
    Invitation(Invitation),
    /// The address was changed.
    AddressChanged(AddressChanged),
    /// All logins were ended.
    AccessRevoked(AccessRevoked),
}

/// The link to choose a new password.
#[derive(Debug, Clone)]
pub struct ResetPassword {
    /// The whole link, token and all.
    pub url: String,
    /// Whom it is for.
    pub email: String,
    /// When the link stops working.
    pub expires_at: Timestamp,
    /// How long it works from the request on.
    pub lifetime: Duration,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Source of the request, as a noun phrase that fits after "by".
    pub origin: String,
}

/// The confirmation that the password was changed.
#[derive(Debug, Clone)]
pub struct ResetSuccessful {
    /// Whom it is for.
    pub email: String,
    /// When it was changed.
    pub at: Timestamp,
    /// Source of the request, as a noun phrase that fits after "by".
    pub origin: String,
    /// Where a new link is asked for, if it was somebody else.
    pub forgot_url: String,
}

/// The link to choose the first password.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// The whole link, token and all.
    pub url: String,
    /// Whom it is for.
    pub email: String,
    /// When the link stops working.
    pub expires_at: Timestamp,
    /// How long it works from the invitation on.
    pub lifetime: Duration,
    /// The service that invites: host, port and path of its public URL.
    pub site: String,
}

/// The address was changed; goes to the one before and to the one from then on.
#[derive(Debug, Clone)]
pub struct AddressChanged {
    /// Which of the two it goes to.
    pub email: String,
    /// When it was changed.
    pub at: Timestamp,
    /// Source of the request, as a noun phrase that fits after "by".
    pub origin: String,
}

/// All logins were ended.
#[derive(Debug, Clone)]
pub struct AccessRevoked {
    /// Whom it is for.
    pub email: String,
    /// When they were ended.
    pub at: Timestamp,
    /// Source of the request, as a noun phrase that fits after "by".
    pub origin: String,
    /// Where a new password can be chosen.
    pub forgot_url: String,
}

/// A mail in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// The part for readers of plain text.
    pub text: String,
    /// The part for everybody else.
    pub html: String,
}

/// From what a mail says to its words.
pub trait Renderer: Send + Sync {
    /// Renders both parts.
    ///
    /// # Errors
    /// Where a template fails, or the result could not travel as it is.
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
