//! Rendering and sending of mails: the traits [`Renderer`] and [`Mailer`].
//!
//! Implementations are independent of accounts and of the outbox. The use cases decide which account gets which mail
//! when, and whether a failed delivery is tried again.

use std::error::Error;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::mail_server::Capacity;
use crate::domain::outbox::{MailKind, Round};

/// Defines the kinds of mails: for each kind its subject, and a struct with the values of its templates. The names of the fields
/// are those of the template variables; the variant of [`Value`] determines how a value is formatted.
macro_rules! mails {
    ($(
        $(#[$doc:meta])*
        $kind:ident: $subject:literal {
            $($(#[$field_doc:meta])* $field:ident: $type:ty => $value:ident,)+
        }
    )+) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone)]
            pub struct $kind {
                $($(#[$field_doc])* pub $field: $type,)+
            }
        )+

        /// Mail with the values of its templates.
        #[derive(Debug, Clone)]
        pub enum Mail {
            $($(#[$doc])* $kind($kind),)+
        }

        impl Mail {
            /// Returns the mail kind.
            pub fn kind(&self) -> MailKind {
                match self {
                    $(Self::$kind(_) => MailKind::$kind,)+
                }
            }

            /// Returns the values of the templates, by the names of their variables.
            pub fn values(&self) -> Vec<(&'static str, Value<'_>)> {
                match self {
                    $(Self::$kind(mail) => vec![$((stringify!($field), Value::$value(&mail.$field)),)+],)+
                }
            }
        }

        impl MailKind {
            /// Returns the subject of the mails of this kind.
            pub const fn subject(self) -> &'static str {
                match self {
                    $(Self::$kind => $subject,)+
                }
            }

            /// Returns the names of the template variables, in the order of the documentation.
            pub const fn variables(self) -> &'static [&'static str] {
                match self {
                    $(Self::$kind => &[$(stringify!($field),)+],)+
                }
            }
        }
    };
}

mails! {
    /// Link to choose a new password.
    ResetPassword: "[Movie-bag] Reset your password" {
        /// Link with the token.
        url: String => Unchanged,
        /// Address of the account.
        email: String => UserInput,
        /// Period in which the link is valid, from the request.
        lifetime: Duration => Period,
        /// Time when the link expires.
        expires_at: Timestamp => Time,
        /// Time of the request.
        requested_at: Timestamp => Time,
        /// Source of the request, as a noun phrase that fits after "by".
        origin: String => UserInput,
    }

    /// Confirmation of a changed password.
    ResetSuccessful: "[Movie-bag] Your password was changed" {
        /// Address of the account.
        email: String => UserInput,
        /// Time of the change.
        at: Timestamp => Time,
        /// Source of the change, as a noun phrase that fits after "by".
        origin: String => UserInput,
        /// Page that requests a new link.
        forgot_url: String => Unchanged,
    }

    /// Link to choose the first password.
    Invitation: "[Movie-bag] Choose your password" {
        /// Link with the token.
        url: String => Unchanged,
        /// Address of the account.
        email: String => UserInput,
        /// Period in which the link is valid, from the invitation.
        lifetime: Duration => Period,
        /// Time when the link expires.
        expires_at: Timestamp => Time,
        /// Service that invites: host, port and path of its public URL.
        site: String => Unchanged,
    }

    /// Notice of a changed address, to the old and to the new one.
    AddressChanged: "[Movie-bag] Your email address was changed" {
        /// Address that this mail is sent to.
        email: String => UserInput,
        /// Time of the change.
        at: Timestamp => Time,
        /// Source of the change, as a noun phrase that fits after "by".
        origin: String => UserInput,
    }

    /// Notice that all sessions were ended.
    AccessRevoked: "[Movie-bag] You were logged out everywhere" {
        /// Address of the account.
        email: String => UserInput,
        /// Time of the revocation.
        at: Timestamp => Time,
        /// Source of the revocation, as a noun phrase that fits after "by".
        origin: String => UserInput,
        /// Page that requests a link to choose a new password.
        forgot_url: String => Unchanged,
    }
}

/// Value of a template variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text that may contain user input.
    UserInput(&'a str),
    /// Text from the service itself, which is inserted unchanged, such as a link.
    Unchanged(&'a str),
    /// Time.
    Time(&'a Timestamp),
    /// Period.
    Period(&'a Duration),
}

/// Rendered mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// Subject, on one line.
    pub subject: String,
    pub text: String,
    pub html: String,
}

pub trait Renderer: Send + Sync {
    /// Renders both parts.
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
