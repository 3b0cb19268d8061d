//! The language in which messages are searched, as Mailpit has it: words that all must be there, `from:` and its like,
//! `-` before what must not.
//!
//! Pure: a text in, a [`Query`] out, and whether a message fits it. A term that makes no sense is passed over, since half a
//! word is what a person has typed while typing.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::view::{Digest, Mailbox};

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
    /// To, Cc or Bcc.
    Recipient(String),
    /// Exactly this address in To, Cc or Bcc.
    For(String),
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
    /// Whoever has this in the name or address that a message is from.
    pub fn sender(text: &str) -> Query {
        Query::only(What::From(text.to_lowercase()))
    }

    /// Whoever has this in the name or address of one whom a message is for.
    pub fn recipient(text: &str) -> Query {
        Query::only(What::Recipient(text.to_lowercase()))
    }

    /// Narrows it to what is for exactly this address, in any case, and has this in its subject.
    pub fn and_for(mut self, address: Option<&str>, subject: Option<&str>) -> Query {
        let address = address.map(|address| What::For(address.to_lowercase()));
        let subject = subject.map(|subject| What::Subject(subject.to_lowercase()));
        let more = address.into_iter().chain(subject).map(|what| Term {
            is_negated: false,
            what,
        });
        self.terms.extend(more);
        self
    }

    /// What has this text in it.
    pub fn text(text: &str) -> Query {
        Query::only(What::Text(searchable(text)))
    }

    fn only(what: What) -> Query {
        Query {
            terms: vec![Term {
                is_negated: false,
                what,
            }],
        }
    }

    /// Reads a query; times without a zone are in `zone`.
    pub fn parse(text: &str, zone: &TimeZone) -> Query {
        let terms = words(text).into_iter().filter_map(|word| term(&word, zone));
        Query {
            terms: terms.collect(),
        }
    }

    /// Whether a message fits every term. What is cheap to ask is asked first: the digest may have to be derived, and the
    /// text always has.
    pub fn fits<'d>(
        &self,
        facts: Facts<'_>,
        digest: impl FnOnce() -> Cow<'d, Digest>,
        text: impl FnOnce() -> String,
    ) -> bool {
        let holds = |cost: Cost, is_in: &dyn Fn(&What) -> bool| {
            let terms = self.terms.iter().filter(|term| term.what.cost() == cost);
            let mut wrong = terms.filter(|term| is_in(&term.what) == term.is_negated);
            wrong.next().is_none()
        };
        let asks = |cost: Cost| self.terms.iter().any(|term| term.what.cost() == cost);
        if !holds(Cost::Nothing, &|what| what.is_in_facts(facts)) {
            return false;
        }
        if asks(Cost::Digest) {
            let digest = digest();
            if !holds(Cost::Digest, &|what| what.is_in_digest(&digest)) {
                return false;
            }
        }
        if asks(Cost::Text) {
            let text = text();
            return holds(
                Cost::Text,
                &|what| matches!(what, What::Text(word) if text.contains(word)),
            );
        }
        true
    }
}

/// What must be derived of a message before a term can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cost {
    Nothing,
    Digest,
    Text,
}

impl What {
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
            _ => Cost::Digest,
        }
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

    fn is_in_digest(&self, digest: &Digest) -> bool {
        let from = std::slice::from_ref(&digest.from);
        match self {
            Self::From(text) => names(from, text),
            Self::To(text) => names(&digest.to, text),
            Self::Cc(text) => names(&digest.cc, text),
            Self::Bcc(text) => names(&digest.bcc, text),
            Self::ReplyTo(text) => names(&digest.reply_to, text),
            Self::Recipient(text) => [&digest.to, &digest.cc, &digest.bcc]
                .into_iter()
                .any(|list| names(list, text)),
            Self::For(address) => [&digest.to, &digest.cc, &digest.bcc]
                .into_iter()
                .flatten()
                .any(|mailbox| mailbox.address.to_lowercase() == *address),
            Self::Addressed(text) => {
                [&digest.to, &digest.cc, &digest.bcc, &digest.reply_to]
                    .into_iter()
                    .any(|list| names(list, text))
                    || names(from, text)
            }
            Self::Subject(text) => digest.subject.to_lowercase().contains(text),
            Self::MessageId(text) => digest.message_id.to_lowercase().contains(text),
            Self::Attachments => digest.attachments > 0,
            Self::Inlines => digest.inlines > 0,
            _ => true,
        }
    }
}

/// Whether one of these has the text in its name or its address.
fn names(list: &[Mailbox], text: &str) -> bool {
    list.iter().any(|mailbox| {
        let (name, address) = (mailbox.name.to_lowercase(), mailbox.address.to_lowercase());
        name.contains(text) || address.contains(text)
    })
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
    let mut searchable = String::with_capacity(text.len());
    add_searchable(&mut searchable, text);
    searchable
}

/// What each byte of ASCII becomes where it is searched: itself in lower case, or 0 where it divides.
const SEARCHABLE: [u8; 128] = {
    let mut table = [0; 128];
    let mut byte = 0;
    while byte < 128 {
        table[byte as usize] = match byte {
            b'<' | b'>' | b'"' | b',' | b';' | b'(' | b')' | b'\t' | b'\r' | b'\n' | b' ' => 0,
            other => other.to_ascii_lowercase(),
        };
        byte += 1;
    }
    table
};

/// Adds one more text to what can be searched, a blank before it. A search reads every message whole: this is its inner loop.
pub fn add_searchable(to: &mut String, text: &str) {
    let mut is_apart = !to.is_empty();
    for char in text.chars() {
        let byte = match u8::try_from(char) {
            Ok(byte) if byte.is_ascii() => SEARCHABLE[usize::from(byte)],
            _ => 1,
        };
        if byte == 0 {
            is_apart = !to.is_empty();
            continue;
        }
        if is_apart {
            to.push(' ');
            is_apart = false;
        }
        match char.is_ascii() {
            true => to.push(char::from(byte)),
            false => to.extend(char.to_lowercase()),
        }
    }
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
        Query::parse(query, &TimeZone::UTC).fits(
            facts,
            || Cow::Borrowed(&digest),
            || searchable(TEXT),
        )
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
        fn in_vain<T>() -> T {
            panic!("it was read in vain")
        }
        for (query, fits) in [("hello larger:1K", false), ("is:read", true)] {
            let query = Query::parse(query, &TimeZone::UTC);
            assert_eq!(query.fits(facts, in_vain, in_vain), fits);
        }
        let (query, digest) = (Query::parse("subject:no hello", &TimeZone::UTC), digest());
        assert!(!query.fits(facts, || Cow::Borrowed(&digest), in_vain));
    }

    #[test]
    fn texts_are_searched_without_what_divides_them() {
        assert_eq!(searchable(" <A>, (b)\t\"Ä\"\r\n ; "), "a b ä");
        assert_eq!(searchable(""), "");
    }
}
