//! Client against a server with scripted replies: correct, wrong, or none.

mod encryption;
mod failures;
mod server;
mod sessions;

use async_trait::async_trait;
use movie_bag_core::domain::outbox::Round;
use movie_bag_core::ports::mail::{
    DeliveryError, Mailer as _, Message, NoSession, Receipt, SendError,
};

use super::SmtpMailer;

/// Sends a mail over a session, as the use cases do.
#[async_trait]
trait SendMail {
    async fn try_send(&self, message: &Message) -> Result<Receipt, SendError>;

    /// Sends a mail, for tests that need not distinguish a failure of the server from one of the mail.
    async fn send(&self, message: &Message) -> Result<Receipt, DeliveryError> {
        self.try_send(message).await.map_err(|error| match error {
            SendError::NoSession(NoSession { error, .. }) | SendError::Message(error) => error,
        })
    }
}

#[async_trait]
impl SendMail for SmtpMailer {
    async fn try_send(&self, message: &Message) -> Result<Receipt, SendError> {
        let session = self.session(Round::First).await;
        session.map_err(SendError::NoSession)?.send(message).await
    }
}

fn message() -> Message {
    Message {
        message_id: "reset_password.0123@movie-bag.com".to_owned(),
        date: jiff::Timestamp::UNIX_EPOCH,
        from: "support@movie-bag.com".to_owned(),
        to: "ann@example.com".to_owned(),
        subject: "[Movie-bag] Reset your password".to_owned(),
        text: "Hello\n\n.\n..\nhttps://movies.example/reset/x\n".to_owned(),
        html: "<p>https://movies.example/reset/x</p>\n".to_owned(),
    }
}

/// Returns the period in the message of a timeout, in seconds.
fn seconds_waited(error: &str) -> f64 {
    let (_, period) = error.split_once(" (").unwrap();
    let (seconds, _) = period.split_once(" s)").unwrap();
    seconds.parse().unwrap()
}
