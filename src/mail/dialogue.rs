//! What was said to a mail server, step by step, and the mail that tries the way: for people who look for what is wrong
//! with their mail settings.
//!
//! No credential and no link is ever in it.

use jiff::Timestamp;

use super::{DeliveryError, Message};

/// One step of the way, or the one at which it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What was being done: `connect`, `EHLO`, `RCPT`.
    pub name: &'static str,
    /// Whether it went well.
    pub is_done: bool,
    /// What came of it, with the server's words.
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

/// What was said, and what came of it: what was asked for, such as the receipt of a mail, or why there is none and what
/// may help.
#[derive(Debug, Clone)]
pub struct Dialogue<T> {
    /// In their order.
    pub steps: Vec<Step>,
    /// How it ended.
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

/// The mail that tries the way; `unique` tells it from others like it.
pub fn test_mail(from: &str, to: &str, at: Timestamp, unique: &str) -> Message {
    let domain = from
        .rsplit_once('@')
        .map_or("localhost", |(_, domain)| domain.trim_end_matches('>'));
    let said = format!(
        "This is a test mail of movie-bag, sent at {}.",
        at.strftime("%Y-%m-%d %H:%M:%S UTC")
    );
    let meant = "That you read it means that mails about passwords will come as well.";
    Message {
        message_id: format!("test_mail.{unique}@{domain}"),
        date: at,
        from: from.to_owned(),
        to: to.to_owned(),
        subject: "[Movie-bag] Test mail".to_owned(),
        text: format!("{said}\n{meant}\n"),
        html: format!(
            "<!doctype html>\n<html lang=\"en\">\n<body>\n<p>{said}</p>\n<p>{meant}</p>\n</body>\n</html>\n"
        ),
    }
}
