//! Dialogue with a mail server, step by step, and the test mail: for people who look for mistakes in their mail settings.
//!
//! A dialogue never contains a credential or a link.

use jiff::Timestamp;

use movie_bag_core::ports::mail::{DeliveryError, Message, Rendered};

/// One step of the way, or the one at which it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Name of the step: `connect`, `EHLO`, `RCPT`.
    pub name: &'static str,
    /// Whether it went well.
    pub is_done: bool,
    /// Result, with the server's reply.
    pub said: String,
}

impl Step {
    /// One that went well.
    pub fn done(name: &'static str, said: impl Into<String>) -> Self {
        Self {
            name,
            is_done: true,
            said: said.into(),
        }
    }

    /// The one at which it ended.
    pub fn failed(name: &'static str, said: impl Into<String>) -> Self {
        Self {
            is_done: false,
            ..Self::done(name, said)
        }
    }
}

/// Steps of a session, and its result: what was asked for, such as the receipt of a mail, or the error with a hint.
#[derive(Debug, Clone)]
pub struct Dialogue<T> {
    /// In their order.
    pub steps: Vec<Step>,
    /// Result of the whole.
    pub outcome: Result<T, (DeliveryError, Option<String>)>,
}

impl<T> Dialogue<T> {
    /// One that ended before anything was said.
    pub fn failed(steps: Vec<Step>, error: DeliveryError) -> Self {
        let hint = error.hint();
        Self {
            steps,
            outcome: Err((error, hint)),
        }
    }
}

/// A test mail: a reset mail as the templates render it, with a subject that says what it is. `unique` goes into its
/// Message-ID.
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
