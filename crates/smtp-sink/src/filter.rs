//! Selection of messages, and the error of a wait that no message ended.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use thiserror::Error;

use crate::message::Message;
use crate::received::ReceivedMessage;
use crate::search::{Query, QueryError};
use crate::session::MessageId;

/// Conditions that a message must meet.
///
/// ```
/// use movie_bag_smtp_sink::Filter;
///
/// let filter = Filter::to("ann@example.com").and(Filter::subject("reset"));
/// assert_eq!(filter.to_string(), "to ann@example.com and with \"reset\" in the subject");
/// ```
#[derive(Clone)]
#[must_use]
pub struct Filter {
    conditions: Vec<Condition>,
    after: Option<MessageId>,
}

#[derive(Clone)]
enum Condition {
    To(String),
    From(String),
    Subject(String),
    Search(String, Query),
    Matching(Arc<dyn Fn(&Message) -> bool + Send + Sync>),
}

impl Filter {
    /// Selects every message.
    pub fn any() -> Filter {
        Filter {
            conditions: Vec::new(),
            after: None,
        }
    }

    /// Selects messages with this address as a recipient: of the SMTP transaction, or in To, Cc or Bcc. Case is ignored. Of
    /// `Ann <ann@example.com>`, only the address in angle brackets counts. Spaces around the address are ignored.
    pub fn to(address: impl Into<String>) -> Filter {
        Filter::of(Condition::To(bare_address(&address.into())))
    }

    /// Selects messages with this address as the sender: of the SMTP transaction, or in From. Case is ignored.
    /// Accepts the same forms of an address as [`Filter::to`].
    pub fn from(address: impl Into<String>) -> Filter {
        Filter::of(Condition::From(bare_address(&address.into())))
    }

    /// Selects messages with this text in the decoded subject. Case is ignored.
    pub fn subject(text: impl Into<String>) -> Filter {
        Filter::of(Condition::Subject(text.into()))
    }

    /// Selects messages that a search of the web inbox finds, such as `from:shop has:attachment -subject:test`. The language is
    /// Mailpit's. Times without a zone are in UTC.
    ///
    /// # Errors
    /// A term of the search cannot be parsed.
    pub fn search(query: impl Into<String>) -> Result<Filter, QueryError> {
        let text = query.into();
        let query = Query::parse(&text, &TimeZone::UTC)?;
        Ok(Filter::of(Condition::Search(text, query)))
    }

    /// Selects messages for which `condition` returns true. Each message that is considered is parsed for it.
    ///
    /// [`Sink::wait_for`](crate::Sink::wait_for) calls `condition` on a thread for blocking work, where it delays no session. A
    /// panic of `condition` continues in the caller.
    pub fn matching(condition: impl Fn(&Message) -> bool + Send + Sync + 'static) -> Filter {
        Filter::of(Condition::Matching(Arc::new(condition)))
    }

    /// Also requires the conditions of another filter.
    pub fn and(mut self, other: Filter) -> Filter {
        self.conditions.extend(other.conditions);
        self.after = other.after.or(self.after);
        self
    }

    /// Also requires that a message arrived after the one with this id. If that one is not stored any more, every message
    /// counts.
    pub fn after(mut self, id: &MessageId) -> Filter {
        self.after = Some(id.clone());
        self
    }

    fn of(condition: Condition) -> Filter {
        Filter {
            conditions: vec![condition],
            after: None,
        }
    }

    /// Returns whether a message meets all conditions except [`Filter::after`], which depends on other messages.
    pub(crate) fn matches(&self, message: &ReceivedMessage) -> bool {
        self.conditions
            .iter()
            .all(|condition| condition.holds_for(message))
    }

    /// Returns the id of [`Filter::after`].
    pub(crate) fn after_id(&self) -> Option<&MessageId> {
        self.after.as_ref()
    }

    /// Returns whether this message is the one of [`Filter::after`].
    pub(crate) fn starts_after(&self, message: &ReceivedMessage) -> bool {
        self.after.as_ref() == Some(&message.id)
    }
}

/// Returns the address in the last angle brackets, or all of a text without them, without spaces around it.
fn bare_address(text: &str) -> String {
    let text = text.trim();
    let bracketed = text
        .strip_suffix('>')
        .and_then(|text| text.rsplit_once('<'));
    let address = bracketed.map_or(text, |(_, address)| address);
    address.trim().to_owned()
}

impl Condition {
    fn holds_for(&self, message: &ReceivedMessage) -> bool {
        let is = |found: &str, wanted: &String| found.eq_ignore_ascii_case(wanted);
        match self {
            Self::To(address) => {
                let digest = message.digest();
                // Recipients that no header names are in `bcc` of the digest.
                let mut named = digest.to.iter().chain(&digest.cc).chain(&digest.bcc);
                named.any(|mailbox| is(&mailbox.address, address))
            }
            Self::From(address) => {
                is(&message.envelope.sender, address) || is(&message.digest().from.address, address)
            }
            Self::Subject(text) => {
                let subject = message.digest().subject.to_lowercase();
                subject.contains(&text.to_lowercase())
            }
            Self::Search(_, query) => message.matches(query),
            Self::Matching(condition) => condition(&Message::from(message)),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::To(address) => write!(f, "to {address}"),
            Self::From(address) => write!(f, "from {address}"),
            Self::Subject(text) => write!(f, "with {text:?} in the subject"),
            Self::Search(text, _) => write!(f, "found by the search {text:?}"),
            Self::Matching(_) => f.write_str("that meets a condition of the caller"),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let conditions = self.conditions.iter().map(ToString::to_string);
        let after = self
            .after
            .as_ref()
            .map(|id| format!("after the message {id}"));
        let all: Vec<_> = conditions.chain(after).collect();
        f.write_str(&all.join(" and "))
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({self})")
    }
}

/// Error of a wait for a message. Its `Debug` is its text, so that `unwrap` in a test shows the messages that arrived.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WaitError {
    /// No message was selected in time.
    #[error("no message{} within {timeout:?}; {}", with_space(filter), arrivals(arrived, after.is_some(), *rejected))]
    #[non_exhaustive]
    Timeout {
        /// The filter, as text.
        filter: String,
        /// Message of [`Filter::after`], if any.
        after: Option<MessageId>,
        /// Time for which the sink waited.
        timeout: Duration,
        /// Stored messages that the filter did not select, newest first, each as a line of text. Those before
        /// [`Filter::after`] are left out.
        arrived: Vec<String>,
        /// Messages that the sink refused since its start, because of their size or because no memory was free.
        rejected: u64,
    },
    /// The sink has stopped because of a failure, which is in the log and in the result of [`Sink::stop`](crate::Sink::stop).
    #[error("the sink has stopped")]
    Stopped,
}

impl fmt::Debug for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Maximum number of messages that the text of an error lists.
const MAX_LISTED: usize = 20;

fn with_space(filter: &str) -> String {
    match filter {
        "" => String::new(),
        filter => format!(" {filter}"),
    }
}

fn arrivals(arrived: &[String], is_after: bool, rejected: u64) -> String {
    let mut text = match arrived.len() {
        0 if is_after => "no later message arrived".to_owned(),
        0 => "no message arrived".to_owned(),
        1 => "one message arrived:".to_owned(),
        count => format!("{count} messages arrived:"),
    };
    for line in arrived.iter().take(MAX_LISTED) {
        text.push_str("\n  ");
        text.push_str(line);
    }
    if arrived.len() > MAX_LISTED {
        text.push_str(&format!("\n  and {} more", arrived.len() - MAX_LISTED));
    }
    if rejected > 0 {
        let separator = if arrived.is_empty() { "; " } else { "\n" };
        text.push_str(&format!("{separator}messages refused: {rejected}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::tests::stored_message;

    #[test]
    fn a_filter_selects_by_address_subject_search_and_condition() {
        let message = stored_message(
            b"From: Shop <shop@example.com>\r\nTo: Ann <ann@example.com>\r\nSubject: =?utf-8?q?=C3=9Cber?= reset\r\n\r\nHi\r\n",
            "bounce@example.com",
            &["ann@example.com", "hidden@example.com"],
        );
        for filter in [
            Filter::any(),
            Filter::to("ANN@example.com"),
            Filter::to(" ann@example.com\n"),
            Filter::to("\"A. <Ann>\" <ann@example.com>"),
            Filter::from("Shop < shop@example.com >"),
            Filter::to("hidden@example.com"),
            Filter::from("shop@Example.com"),
            Filter::from("bounce@example.com"),
            Filter::subject("über RESET"),
            Filter::search("from:shop hi").unwrap(),
            Filter::matching(|message| message.text == "Hi\r\n"),
            Filter::to("ann@example.com").and(Filter::subject("reset")),
        ] {
            assert!(filter.matches(&message), "{filter}");
        }
        for filter in [
            Filter::to("an@example.com"),
            Filter::from("ann@example.com"),
            Filter::subject("resets"),
            Filter::search("-from:shop").unwrap(),
            Filter::matching(|_| false),
            Filter::to("ann@example.com").and(Filter::subject("confirm")),
        ] {
            assert!(!filter.matches(&message), "{filter}");
        }
        assert!(Filter::search("larger:abc").is_err());
    }

    #[test]
    fn an_error_lists_what_arrived() {
        let error = |arrived: usize, rejected| {
            let error = WaitError::Timeout {
                filter: Filter::to("ann@example.com").to_string(),
                after: None,
                timeout: Duration::from_secs(5),
                arrived: (0..arrived)
                    .map(|number| format!("line {number}"))
                    .collect(),
                rejected,
            };
            error.to_string()
        };
        assert_eq!(
            error(0, 0),
            "no message to ann@example.com within 5s; no message arrived"
        );
        assert_eq!(
            error(1, 2),
            "no message to ann@example.com within 5s; one message arrived:\n  line 0\nmessages refused: 2"
        );
        let later = WaitError::Timeout {
            filter: String::new(),
            after: Some(MessageId("1".to_owned())),
            timeout: Duration::from_secs(5),
            arrived: Vec::new(),
            rejected: 0,
        };
        assert_eq!(
            format!("{later:?}"),
            "no message within 5s; no later message arrived"
        );
        assert!(error(25, 0).ends_with("\n  line 19\n  and 5 more"));
    }
}
