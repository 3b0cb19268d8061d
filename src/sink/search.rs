//! Search language of the inbox, which is Mailpit's: words that a message must all have, `from:` and other fields, `-` before
//! what it must not have.
//!
//! Pure: parses a text into a [`Query`], and reports whether a message fits it. Unlike in Mailpit, a term that cannot be read
//! is an error: ignoring it would make a query that deletes messages match more of them, up to all.

use std::borrow::Cow;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use thiserror::Error;

use super::view::{Digest, Mailbox};

/// Maximum length of a query, in bytes.
pub const MAX_QUERY: usize = 4096;

/// Maximum number of terms in a query. Each of them may read the whole text of every message.
pub const MAX_TERMS: usize = 64;

/// Characters of a term that an error repeats.
const MAX_QUOTED: usize = 60;

/// Error for a query that cannot be read; the message also says how to write it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueryError {
    /// Longer than [`MAX_QUERY`].
    #[error("a search has at most {MAX_QUERY} bytes")]
    TooLong,
    /// More terms than [`MAX_TERMS`].
    #[error("a search has at most {MAX_TERMS} words")]
    TooManyTerms,
    /// No term to search for is left, as in `-` or `,`.
    #[error("the search contains no word to search for")]
    Empty,
    /// A field without a value, as in `from:`.
    #[error("{0} has no value: write it directly after the colon, as in {0}VALUE")]
    NoValue(String),
    /// A size that is no number, as in `larger:abc`.
    #[error("invalid size in {0}: write a number of bytes, or one with K or M, as in larger:10K")]
    Size(String),
    /// A time that is none, as in `after:yesterday`.
    #[error(
        "invalid time in {0}: write a day or a time, as in after:2026-11-24 or \"after:2026-11-24 12:00\""
    )]
    Time(String),
    /// A value of `is:` or `has:` that is not one of the known ones.
    #[error(
        "unknown search {0}: write is:read, is:unread, is:tagged, has:attachment or has:inline"
    )]
    Flag(String),
}

/// Conditions that a message must meet to be found.
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

    /// Parses a query; times without a zone are in `zone`.
    ///
    /// # Errors
    /// The query has a term that cannot be read, no term, or too many.
    pub fn parse(text: &str, zone: &TimeZone) -> Result<Query, QueryError> {
        if text.len() > MAX_QUERY {
            return Err(QueryError::TooLong);
        }
        let words = words(text);
        if words.len() > MAX_TERMS {
            return Err(QueryError::TooManyTerms);
        }
        let terms = words.iter().filter_map(|word| term(word, zone).transpose());
        let terms: Vec<Term> = terms.collect::<Result<_, _>>()?;
        match terms.is_empty() {
            true => Err(QueryError::Empty),
            false => Ok(Query { terms }),
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

/// Fields that need a value. Another word with a colon, as in a URL, is searched for as text.
const FIELDS: [&str; 15] = [
    "to",
    "from",
    "cc",
    "bcc",
    "reply-to",
    "addressed",
    "subject",
    "message-id",
    "tag",
    "after",
    "before",
    "larger",
    "smaller",
    "is",
    "has",
];

/// Parses one term; `None` where a text has nothing but separators, which match everything.
fn term(word: &str, zone: &TimeZone) -> Result<Option<Term>, QueryError> {
    let bare = word.strip_prefix(['-', '!']);
    let mut is_negated = bare.is_some();
    let typed = bare.unwrap_or(word);
    let bare = typed.to_lowercase();
    let quoted = || match typed.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{}…", &typed[..end]),
        None => typed.to_owned(),
    };
    let size = |value| parse_size(value).ok_or_else(|| QueryError::Size(quoted()));
    let time = |value| parse_time(value, zone).ok_or_else(|| QueryError::Time(quoted()));
    let what = match bare.split_once(':') {
        Some((field, value)) => match field {
            _ if FIELDS.contains(&field) && value.trim().is_empty() => {
                return Err(QueryError::NoValue(format!("{field}:")));
            }
            "to" => What::To(value.to_owned()),
            "from" => What::From(value.to_owned()),
            "cc" => What::Cc(value.to_owned()),
            "bcc" => What::Bcc(value.to_owned()),
            "reply-to" => What::ReplyTo(value.to_owned()),
            "addressed" => What::Addressed(value.to_owned()),
            "subject" => What::Subject(value.to_owned()),
            "message-id" => match value.trim_matches(['<', '>']) {
                "" => return Err(QueryError::NoValue("message-id:".to_owned())),
                id => What::MessageId(id.to_owned()),
            },
            "tag" => What::Tag(value.to_owned()),
            "after" => What::After(time(value)?),
            "before" => What::Before(time(value)?),
            "larger" => What::Larger(size(value)?),
            "smaller" => What::Smaller(size(value)?),
            "is" if value == "unread" => {
                is_negated = !is_negated;
                What::Read
            }
            "is" if value == "read" => What::Read,
            "is" if value == "tagged" => What::Tagged,
            "has" if matches!(value, "attachment" | "attachments") => What::Attachments,
            "has" if matches!(value, "inline" | "inlines") => What::Inlines,
            "is" | "has" => return Err(QueryError::Flag(quoted())),
            _ => What::Text(searchable(&bare)),
        },
        None => What::Text(searchable(&bare)),
    };
    let is_blank = matches!(&what, What::Text(text) if text.is_empty());
    Ok((!is_blank).then_some(Term { is_negated, what }))
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

/// Parses a size such as `2.5MB`, in units of 1024.
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
    (number.is_finite() && number >= 0.0).then_some(number * unit)
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
        let query = Query::parse(query, &TimeZone::UTC).unwrap();
        query.fits(facts, || Cow::Borrowed(&digest), || searchable(TEXT))
    }

    #[test]
    fn all_terms_must_fit() {
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
    fn a_filter_that_cannot_be_read_is_an_error_and_not_a_match_of_everything() {
        let parse = |query: &str| Query::parse(query, &TimeZone::UTC).map(|_| ());
        for query in [
            "larger:abc",
            "-larger:abc",
            "smaller:10G",
            "larger:-1",
            "larger:1e9",
            "smaller:nan",
            "larger:inf",
        ] {
            let quoted = query.trim_start_matches('-').to_owned();
            assert_eq!(parse(query), Err(QueryError::Size(quoted)), "{query}");
        }
        for query in ["after:yesterday", "before:2026-13-01", "!before:x"] {
            let quoted = query.trim_start_matches('!').to_owned();
            assert_eq!(parse(query), Err(QueryError::Time(quoted)), "{query}");
        }
        for query in ["is:raed", "-is:raed", "has:attachement"] {
            let quoted = query.trim_start_matches('-').to_owned();
            assert_eq!(parse(query), Err(QueryError::Flag(quoted)), "{query}");
        }
        for field in FIELDS {
            let expected = Err(QueryError::NoValue(format!("{field}:")));
            for query in [
                format!("{field}:"),
                format!("-{field}: hello"),
                format!("{field}:\"\""),
            ] {
                assert_eq!(parse(&query), expected, "{query}");
            }
        }
        assert_eq!(
            parse("message-id:<>"),
            Err(QueryError::NoValue("message-id:".into()))
        );
        for query in ["", " ", "-", "!", ",", "\"\"", "-\" , \"", "<>"] {
            assert_eq!(parse(query), Err(QueryError::Empty), "{query}");
        }
    }

    #[test]
    fn a_query_is_bounded_in_length_and_in_terms() {
        let parse = |query: &str| Query::parse(query, &TimeZone::UTC).map(|_| ());
        assert_eq!(parse(&"-x ".repeat(MAX_TERMS)), Ok(()));
        assert_eq!(
            parse(&"-x ".repeat(MAX_TERMS + 1)),
            Err(QueryError::TooManyTerms)
        );
        assert_eq!(parse(&"é".repeat(MAX_QUERY / 2)), Ok(()));
        assert_eq!(parse(&"é".repeat(MAX_QUERY)), Err(QueryError::TooLong));
        // An error repeats no more than a line of it.
        let error = parse(&format!("larger:{}", "é".repeat(1000))).unwrap_err();
        assert!(error.to_string().len() < 300, "{error}");
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
            let query = Query::parse(query, &TimeZone::UTC).unwrap();
            assert_eq!(query.fits(facts, in_vain, in_vain), fits);
        }
        let query = Query::parse("subject:no hello", &TimeZone::UTC).unwrap();
        let digest = digest();
        assert!(!query.fits(facts, || Cow::Borrowed(&digest), in_vain));
    }

    #[test]
    fn texts_are_searched_without_what_divides_them() {
        assert_eq!(searchable(" <A>, (b)\t\"Ä\"\r\n ; "), "a b ä");
        assert_eq!(searchable(""), "");
    }
}
