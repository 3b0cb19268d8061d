//! Conditions of a search, and their evaluation.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::content::{Digest, Mailbox};
use crate::search_text::normalize;

/// Conditions that a message must meet to be found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    pub(super) terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Term {
    pub(super) is_negated: bool,
    pub(super) condition: Condition,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// Anywhere in the message. Like all texts here, it is in lower case.
    Text(String),
    To(String),
    From(String),
    Cc(String),
    Bcc(String),
    ReplyTo(String),
    /// In To, Cc or Bcc.
    Recipient(String),
    /// Exactly this address in To, Cc or Bcc.
    For(String),
    /// In From, To, Cc, Bcc or Reply-To.
    Addressed(String),
    Subject(String),
    MessageId(String),
    /// The whole tag, in any case.
    Tag(String),
    Read,
    Tagged,
    Attachments,
    Inlines,
    After(Timestamp),
    Before(Timestamp),
    Larger(f64),
    Smaller(f64),
}

/// Properties of a message other than its content.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Time at which the message was received.
    pub received_at: Timestamp,
    /// Size in bytes.
    pub size: u64,
    /// Whether the message was opened.
    pub is_read: bool,
    /// Tags.
    pub tags: &'a [String],
}

impl Query {
    /// Matches messages with this text in the name or address of From.
    pub fn sender(text: &str) -> Query {
        Query::only(Condition::From(text.to_lowercase()))
    }

    /// Matches messages with this text in a name or address of To, Cc or Bcc.
    pub fn recipient(text: &str) -> Query {
        Query::only(Condition::Recipient(text.to_lowercase()))
    }

    /// Also requires exactly this address as a recipient, in any case, and this text in the subject.
    pub fn and_for(mut self, address: Option<&str>, subject: Option<&str>) -> Query {
        let address = address.map(|address| Condition::For(address.to_lowercase()));
        let subject = subject.map(|subject| Condition::Subject(subject.to_lowercase()));
        let more = address.into_iter().chain(subject).map(|condition| Term {
            is_negated: false,
            condition,
        });
        self.terms.extend(more);
        self
    }

    /// Matches messages that contain this text.
    pub fn text(text: &str) -> Query {
        Query::only(Condition::Text(normalize(text)))
    }

    fn only(condition: Condition) -> Query {
        Query {
            terms: vec![Term {
                is_negated: false,
                condition,
            }],
        }
    }

    /// Reports whether a message matches every term. Cheap conditions are evaluated first: the digest may have to be derived,
    /// and the text always has.
    pub fn matches<'d>(
        &self,
        facts: Facts<'_>,
        digest: impl FnOnce() -> Cow<'d, Digest>,
        text: impl FnOnce() -> String,
    ) -> bool {
        let all_hold = |cost: Cost, holds: &dyn Fn(&Condition) -> bool| {
            let mut terms = self.terms.iter();
            terms.all(|term| {
                term.condition.cost() != cost || holds(&term.condition) != term.is_negated
            })
        };
        let needs = |cost: Cost| self.terms.iter().any(|term| term.condition.cost() == cost);
        if !all_hold(Cost::Nothing, &|condition| condition.holds_for_facts(facts)) {
            return false;
        }
        if needs(Cost::Digest) {
            let digest = digest();
            if !all_hold(Cost::Digest, &|condition| {
                condition.holds_for_digest(&digest)
            }) {
                return false;
            }
        }
        if needs(Cost::Text) {
            let text = text();
            return all_hold(
                Cost::Text,
                &|condition| matches!(condition, Condition::Text(word) if text.contains(word)),
            );
        }
        true
    }
}

/// Data that must be derived from a message before a condition can be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cost {
    Nothing,
    Digest,
    Text,
}

impl Condition {
    fn cost(&self) -> Cost {
        match self {
            Self::Tag(_)
            | Self::Read
            | Self::Tagged
            | Self::After(_)
            | Self::Before(_)
            | Self::Larger(_)
            | Self::Smaller(_) => Cost::Nothing,
            Self::Text(_) => Cost::Text,
            Self::From(_)
            | Self::To(_)
            | Self::Cc(_)
            | Self::Bcc(_)
            | Self::ReplyTo(_)
            | Self::Recipient(_)
            | Self::For(_)
            | Self::Addressed(_)
            | Self::Subject(_)
            | Self::MessageId(_)
            | Self::Attachments
            | Self::Inlines => Cost::Digest,
        }
    }

    /// Evaluates conditions of [`Cost::Nothing`]. All others are listed, so that the compiler reports a new one: a condition that
    /// always holds would delete every message.
    fn holds_for_facts(&self, facts: Facts<'_>) -> bool {
        match self {
            Self::Tag(name) => facts.tags.iter().any(|tag| tag.to_lowercase() == *name),
            Self::Read => facts.is_read,
            Self::Tagged => !facts.tags.is_empty(),
            Self::After(time) => facts.received_at >= *time,
            Self::Before(time) => facts.received_at < *time,
            Self::Larger(bytes) => facts.size as f64 > *bytes,
            Self::Smaller(bytes) => (facts.size as f64) < *bytes,
            Self::Text(_)
            | Self::From(_)
            | Self::To(_)
            | Self::Cc(_)
            | Self::Bcc(_)
            | Self::ReplyTo(_)
            | Self::Recipient(_)
            | Self::For(_)
            | Self::Addressed(_)
            | Self::Subject(_)
            | Self::MessageId(_)
            | Self::Attachments
            | Self::Inlines => true,
        }
    }

    fn holds_for_digest(&self, digest: &Digest) -> bool {
        let from = std::slice::from_ref(&digest.from);
        match self {
            Self::From(text) => any_contains(from, text),
            Self::To(text) => any_contains(&digest.to, text),
            Self::Cc(text) => any_contains(&digest.cc, text),
            Self::Bcc(text) => any_contains(&digest.bcc, text),
            Self::ReplyTo(text) => any_contains(&digest.reply_to, text),
            Self::Recipient(text) => [&digest.to, &digest.cc, &digest.bcc]
                .into_iter()
                .any(|list| any_contains(list, text)),
            Self::For(address) => [&digest.to, &digest.cc, &digest.bcc]
                .into_iter()
                .flatten()
                .any(|mailbox| mailbox.address.to_lowercase() == *address),
            Self::Addressed(text) => {
                [&digest.to, &digest.cc, &digest.bcc, &digest.reply_to]
                    .into_iter()
                    .any(|list| any_contains(list, text))
                    || any_contains(from, text)
            }
            Self::Subject(text) => digest.subject.to_lowercase().contains(text),
            Self::MessageId(text) => digest.message_id.to_lowercase().contains(text),
            Self::Attachments => digest.attachments > 0,
            Self::Inlines => digest.inlines > 0,
            Self::Text(_)
            | Self::Tag(_)
            | Self::After(_)
            | Self::Before(_)
            | Self::Larger(_)
            | Self::Smaller(_)
            | Self::Read
            | Self::Tagged => true,
        }
    }
}

/// Returns whether a name or address contains the text.
fn any_contains(list: &[Mailbox], text: &str) -> bool {
    list.iter().any(|mailbox| {
        let (name, address) = (mailbox.name.to_lowercase(), mailbox.address.to_lowercase());
        name.contains(text) || address.contains(text)
    })
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    fn mailbox(name: &str, address: &str) -> Mailbox {
        Mailbox {
            name: name.into(),
            address: address.into(),
        }
    }

    fn digest() -> Digest {
        Digest {
            from: mailbox("Ann Smith", "ann@example.com"),
            to: vec![mailbox("", "Bob@example.com")],
            reply_to: vec![mailbox("", "help@example.org")],
            subject: "Reset your password".into(),
            message_id: "1@x".into(),
            attachments: 1,
            ..Digest::default()
        }
    }

    const TEXT: &str = "Reset your Password <ann@example.com> \"(Hello)\"\n World, report.pdf";

    fn fits(query: &str) -> bool {
        let tags = ["News".to_owned()];
        let facts = Facts {
            received_at: "2026-11-24T12:00:00Z".parse().unwrap(),
            size: 2048,
            is_read: false,
            tags: &tags,
        };
        let digest = digest();
        let query = Query::parse(query, &TimeZone::UTC).unwrap();
        query.matches(facts, || Cow::Borrowed(&digest), || normalize(TEXT))
    }

    #[test]
    fn a_message_matches_if_every_term_does() {
        for query in [
            "reset",
            "RESET pass",
            "\"your password\"",
            "subject:\"reset your\"",
            "subject:reset hello",
            "from:ann to:bob",
            "from:smith",
            "addressed:help",
            "reply-to:example.org",
            "message-id:<1@x>",
            "tag:news",
            "is:unread is:tagged",
            "!is:read",
            "has:attachment has:attachments",
            "-has:inline -cc:bob",
            "after:2026-11-24 before:2026-11-25",
            "after:2026/11/24",
            "before:2026-11-24T12:00:01Z",
            "larger:1K smaller:2.1kb",
            "smaller:1MB",
            "larger:0",
            "- , ! reset \"\"",
            "-https://elsewhere.example/",
            "hello world",
            "report.pdf",
        ] {
            assert!(fits(query), "{query}");
        }
        for query in [
            "nothing",
            "reset nothing",
            "-reset",
            "to:ann",
            "tag:new",
            "is:read",
            "-is:unread",
            "has:inline",
            "after:2026-11-25",
            "before:2026-11-24T12:00:00Z",
            "larger:2K",
            "smaller:2K",
            "unknown:field",
        ] {
            assert!(!fits(query), "{query}");
        }
    }

    #[test]
    fn cheap_conditions_are_evaluated_first() {
        let facts = Facts {
            received_at: Timestamp::UNIX_EPOCH,
            size: 1,
            is_read: true,
            tags: &[],
        };
        fn never<T>() -> T {
            panic!("derived although not needed")
        }
        for (query, fits) in [("hello larger:1K", false), ("is:read", true)] {
            let query = Query::parse(query, &TimeZone::UTC).unwrap();
            assert_eq!(query.matches(facts, never, never), fits);
        }
        let query = Query::parse("subject:no hello", &TimeZone::UTC).unwrap();
        let digest = digest();
        assert!(!query.matches(facts, || Cow::Borrowed(&digest), never));
    }
}
