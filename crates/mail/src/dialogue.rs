//! Session with a mail server as a list of steps, and the test mail, for an administrator who checks the mail settings.
//!
//! A dialogue never contains a password or a link.

use jiff::Timestamp;

use movie_bag_core::ports::mail::{DeliveryError, Message, Rendered};

/// Step of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Name of the step: `connect`, `EHLO`, `RCPT`.
    pub name: &'static str,
    /// Whether the step succeeded.
    pub is_done: bool,
    /// Result, with the server's reply.
    pub detail: String,
}

impl Step {
    /// Returns a step that succeeded.
    pub fn done(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            is_done: true,
            detail: detail.into(),
        }
    }

    /// Returns the step at which the session failed.
    pub fn failed(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            is_done: false,
            ..Self::done(name, detail)
        }
    }
}

/// Steps of a session, and its result, such as the receipt of a mail, or the error with a hint.
#[derive(Debug, Clone)]
pub struct Dialogue<T> {
    /// Steps, in their order.
    pub steps: Vec<Step>,
    /// Result of the session.
    pub outcome: Result<T, (DeliveryError, Option<String>)>,
}

impl<T> Dialogue<T> {
    /// Returns a dialogue that failed before its next step.
    pub fn failed(steps: Vec<Step>, error: DeliveryError) -> Self {
        let hint = error.hint();
        Self {
            steps,
            outcome: Err((error, hint)),
        }
    }
}

/// Returns a test mail: a rendered reset mail with a subject that marks it as a test. `unique` is a part of its Message-ID.
pub fn test_mail(from: &str, to: &str, at: Timestamp, unique: &str, reset: Rendered) -> Message {
    let domain = from
        .rsplit_once('@')
        .map_or("localhost", |(_, domain)| domain.trim_end_matches('>'));
    Message {
        message_id: format!("test_mail.{unique}@{domain}"),
        date: at,
        from: from.to_owned(),
        to: to.to_owned(),
        subject: format!("Test mail: {}", reset.subject),
        text: reset.text,
        html: reset.html,
    }
}
