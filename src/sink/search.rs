//! The language in which messages are searched, as Mailpit has it: words that all must be there, `from:` and its like,
//! `-` before what must not.
//!
//! Pure: a text in, a [`Query`] out, and whether a [`Subject`] fits it. A term that makes no sense is passed over, since
//! half a word is what a person has typed while typing.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

/// What a message must be to be found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
struct Term {
    is_negated: bool,
    what: What,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    /// Anywhere; in lower case, as all texts here.
    Text(String),
    To(String),
    From(String),
    Cc(String),
    Bcc(String),
    ReplyTo(String),
    /// Any of those five.
    Addressed(String),
    Subject(String),
    MessageId(String),
    /// To the letter, but for its case.
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

/// What is known of a message that is searched; all texts in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// `name <address>` of each, with blanks between.
    pub from: String,
    /// Those of To.
    pub to: String,
    /// Those of Cc.
    pub cc: String,
    /// Those of Bcc.
    pub bcc: String,
    /// Those of Reply-To.
    pub reply_to: String,
    /// The subject.
    pub subject: String,
    /// The Message-ID without angle brackets.
    pub message_id: String,
    /// What words are looked for in.
    pub text: String,
    /// Whether it has attachments.
    pub has_attachments: bool,
    /// Whether it has parts that belong into its HTML.
    pub has_inlines: bool,
}

/// What is known of a message beside its content.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// When it came.
    pub received_at: Timestamp,
    /// Its bytes.
    pub size: u64,
    /// Whether somebody opened it.
    pub is_read: bool,
    /// Its tags.
    pub tags: &'a [String],
}

impl Query {
    /// Reads a query; times without a zone are in `zone`.
    pub fn parse(text: &str, zone: &TimeZone) -> Query {
        let terms = words(text).into_iter().filter_map(|word| term(&word, zone));
        Query {
            terms: terms.collect(),
        }
    }

    /// Whether a message fits every term. What is cheap to ask is asked first: `subject` may have to be made.
    pub fn fits<'s>(&self, facts: Facts<'_>, subject: impl FnOnce() -> &'s Subject) -> bool {
        let (of_content, of_facts): (Vec<&Term>, Vec<&Term>) = self
            .terms
            .iter()
            .partition(|term| term.what.is_of_content());
        if !of_facts
            .iter()
            .all(|term| term.what.is_in_facts(facts) != term.is_negated)
        {
            return false;
        }
        if of_content.is_empty() {
            return true;
        }
        let subject = subject();
        of_content
            .iter()
            .all(|term| term.what.is_in(subject) != term.is_negated)
    }
}

impl What {
    fn is_of_content(&self) -> bool {
        !matches!(
            self,
            Self::Tag(_)
                | Self::Read
                | Self::Tagged
                | Self::After(_)
                | Self::Before(_)
                | Self::Larger(_)
                | Self::Smaller(_)
        )
    }

    fn is_in_facts(&self, facts: Facts<'_>) -> bool {
        match self {
            Self::Tag(name) => facts.tags.iter().any(|tag| tag.to_lowercase() == *name),
            Self::Read => facts.is_read,
            Self::Tagged => !facts.tags.is_empty(),
            Self::After(time) => facts.received_at >= *time,
            Self::Before(time) => facts.received_at < *time,
            Self::Larger(bytes) => facts.size as f64 > *bytes,
            Self::Smaller(bytes) => (facts.size as f64) < *bytes,
            _ => true,
        }
    }

    fn is_in(&self, subject: &Subject) -> bool {
        match self {
            Self::Text(text) => subject.text.contains(text),
            Self::To(text) => subject.to.contains(text),
            Self::From(text) => subject.from.contains(text),
            Self::Cc(text) => subject.cc.contains(text),
            Self::Bcc(text) => subject.bcc.contains(text),
            Self::ReplyTo(text) => subject.reply_to.contains(text),
            Self::Addressed(text) => [
                &subject.to,
                &subject.from,
                &subject.cc,
                &subject.bcc,
                &subject.reply_to,
            ]
            .into_iter()
            .any(|list| list.contains(text)),
            Self::Subject(text) => subject.subject.contains(text),
            Self::MessageId(text) => subject.message_id.contains(text),
            Self::Attachments => subject.has_attachments,
            Self::Inlines => subject.has_inlines,
            _ => true,
        }
    }
}

/// Cuts at blanks outside of double quotes, and takes the quotes out.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut is_quoted = false;
    for char in text.chars() {
        match char {
            '"' => is_quoted = !is_quoted,
            char if char.is_whitespace() && !is_quoted => {
                words.push(std::mem::take(&mut word));
            }
            char => word.push(char),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

fn term(word: &str, zone: &TimeZone) -> Option<Term> {
    let bare = word.strip_prefix(['-', '!']);
    let is_negated = bare.is_some();
    let bare = bare.unwrap_or(word).to_lowercase();
    if bare.is_empty() {
        return None;
    }
    let what = match bare.split_once(':') {
        Some((field, value)) => match field {
            "to" => What::To(value.to_owned()),
            "from" => What::From(value.to_owned()),
            "cc" => What::Cc(value.to_owned()),
            "bcc" => What::Bcc(value.to_owned()),
            "reply-to" => What::ReplyTo(value.to_owned()),
            "addressed" => What::Addressed(value.to_owned()),
            "subject" => What::Subject(value.to_owned()),
            "message-id" => What::MessageId(value.trim_matches(['<', '>']).to_owned()),
            "tag" => What::Tag(value.to_owned()),
            "after" => What::After(parse_time(value, zone)?),
            "before" => What::Before(parse_time(value, zone)?),
            "larger" => What::Larger(parse_size(value)?),
            "smaller" => What::Smaller(parse_size(value)?),
            "is" if value == "unread" => {
                return Some(Term {
                    is_negated: !is_negated,
                    what: What::Read,
                });
            }
            "is" if value == "read" => What::Read,
            "is" if value == "tagged" => What::Tagged,
            "has" if matches!(value, "attachment" | "attachments") => What::Attachments,
            "has" if matches!(value, "inline" | "inlines") => What::Inlines,
            _ => What::Text(searchable(&bare)),
        },
        None => What::Text(searchable(&bare)),
    };
    Some(Term { is_negated, what })
}

/// As texts are made to be searched: in lower case, with one blank for each run of what divides.
pub fn searchable(text: &str) -> String {
    let divides = |char: char| "<>\",;()\t\r\n ".contains(char);
    let lower = text.to_lowercase();
    let words = lower.split(divides).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// `2.5MB`, in units of 1024.
fn parse_size(text: &str) -> Option<f64> {
    let end = text
        .find(|char: char| char.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = match unit {
        "" | "b" => 1.0,
        "k" | "kb" => 1024.0,
        "m" | "mb" => 1024.0 * 1024.0,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    number.is_finite().then_some(number * unit)
}

/// A time with its zone, or one without, or a day, in the forms that people write.
pub fn parse_time(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim().to_ascii_uppercase().replace('/', "-");
    let local = |time: DateTime| {
        time.to_zoned(zone.clone())
            .ok()
            .map(|zoned| zoned.timestamp())
    };
    let midnight = |day: Date| local(day.to_datetime(Time::midnight()));
    text.parse::<Timestamp>()
        .ok()
        .or_else(|| text.parse::<DateTime>().ok().and_then(local))
        .or_else(|| text.parse::<Date>().ok().and_then(midnight))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject {
            from: "ann smith ann@example.com".into(),
            to: "bob@example.com".into(),
            reply_to: "help@example.org".into(),
            subject: "reset your password".into(),
            message_id: "1@x".into(),
            text: searchable(
                "Reset your Password <ann@example.com> \"(Hello)\"\n World, report.pdf",
            ),
            has_attachments: true,
            ..Subject::default()
        }
    }

    fn fits(query: &str) -> bool {
        let tags = ["News".to_owned()];
        let facts = Facts {
            received_at: "2026-11-24T12:00:00Z".parse().unwrap(),
            size: 2048,
            is_read: false,
            tags: &tags,
        };
        let subject = subject();
        Query::parse(query, &TimeZone::UTC).fits(facts, || &subject)
    }

    #[test]
    fn all_terms_must_fit() {
        for query in [
            "",
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
            // What makes no sense is passed over.
            "after:yesterday larger:x reset",
            "- ! reset",
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
    fn a_day_begins_in_the_zone_of_who_asks() {
        let zone = TimeZone::fixed(jiff::tz::offset(-5));
        let day = parse_time("2026-11-24", &zone).unwrap();
        assert_eq!(day.to_string(), "2026-11-24T05:00:00Z");
        assert_eq!(
            parse_time("2026-11-24t10:00:00+02:00", &zone)
                .unwrap()
                .to_string(),
            "2026-11-24T08:00:00Z"
        );
    }

    #[test]
    fn what_is_cheap_is_asked_first() {
        let facts = Facts {
            received_at: Timestamp::UNIX_EPOCH,
            size: 1,
            is_read: true,
            tags: &[],
        };
        let query = Query::parse("hello larger:1K", &TimeZone::UTC);
        assert!(!query.fits(facts, || panic!("it was read in vain")));
        let query = Query::parse("is:read", &TimeZone::UTC);
        assert!(query.fits(facts, || panic!("it was read in vain")));
    }
}
