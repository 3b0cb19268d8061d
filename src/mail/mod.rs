//! From what a mail says to a message on its way.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// One mail, addressed and rendered, ready to be sent.
#[derive(Debug, Clone)]
pub struct Message {
    /// Without angle brackets.
    pub message_id: String,
    /// The Date header.
    pub date: Timestamp,
    /// `Name <a@b>` or `a@b`.
    pub from: String,
    /// The one mailbox.
    pub to: String,
    /// One line.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// What the SMTP server answered to an accepted message.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Its reply.
    pub reply: String,
}

/// Why a message was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DeliveryError {
    /// Nothing answers.
    #[error("{0}")]
    Unreachable(String),
}

impl DeliveryError {
    /// Whether trying again is of no use.
    pub fn is_permanent(&self) -> bool {
        false
    }
    /// What may help.
    pub fn hint(&self) -> Option<String> {
        None
    }
}

/// A way out for mails.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends.
    async fn send(&self, message: &Message) -> Result<Receipt, DeliveryError>;
    /// Connects and says goodbye.
    async fn probe(&self) -> Result<Receipt, DeliveryError>;
}

/// What a mail says.
#[derive(Debug, Clone)]
pub enum Mail {
    /// reset
    ResetPassword(ResetPassword),
    /// done
    ResetSuccessful(ResetSuccessful),
    /// invited
    Invitation(Invitation),
}

/// reset
#[derive(Debug, Clone)]
pub struct ResetPassword {
    /// link
    pub url: String,
    /// to
    pub email: String,
    /// end
    pub expires_at: Timestamp,
    /// how long
    pub lifetime: Duration,
    /// when
    pub requested_at: Timestamp,
    /// where
    pub origin: String,
}

/// done
#[derive(Debug, Clone)]
pub struct ResetSuccessful {
    /// to
    pub email: String,
    /// when
    pub at: Timestamp,
    /// where
    pub origin: String,
    /// link
    pub forgot_url: String,
}

/// invited
#[derive(Debug, Clone)]
pub struct Invitation {
    /// link
    pub url: String,
    /// to
    pub email: String,
    /// end
    pub expires_at: Timestamp,
    /// how long
    pub lifetime: Duration,
}

/// Text.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// one line
    pub subject: String,
    /// text
    pub text: String,
    /// html
    pub html: String,
}

/// Why not.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct RenderError(String);

/// From a kind to its text.
pub trait Renderer: Send + Sync {
    /// Renders.
    fn render(&self, mail: &Mail) -> Result<Rendered, RenderError>;
}
