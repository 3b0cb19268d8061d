//! Parser of the search language.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use thiserror::Error;

use super::query::{Condition, Query, Term};
use crate::search_text::normalize;

/// Maximum length of a query, in bytes.
pub const MAX_QUERY: usize = 4096;

/// Maximum number of terms in a query. Each of them may read the whole text of every message.
pub const MAX_TERMS: usize = 64;

/// Maximum number of characters of a term that an error repeats.
const MAX_QUOTED: usize = 60;

/// Error for a query that cannot be parsed; its message names the right syntax.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Longer than 4,096 bytes.
    #[error("a search has at most {MAX_QUERY} bytes")]
    TooLong,
    /// More than 64 terms.
    #[error("a search has at most {MAX_TERMS} words")]
    TooManyTerms,
    /// No term to search for, as in `-` or `,`.
    #[error("the search contains no word to search for")]
    Empty,
    /// Field without a value, as in `from:`.
    #[error("{0} has no value: write it directly after the colon, as in {0}VALUE")]
    NoValue(String),
    /// Size that is not a number, as in `larger:abc`.
    #[error("invalid size in {0}: write a number of bytes, or one with K or M, as in larger:10K")]
    Size(String),
    /// Invalid time, as in `after:yesterday`.
    #[error(
        "invalid time in {0}: write a day or a time, as in after:2026-11-24 or \"after:2026-11-24 12:00\""
    )]
    Time(String),
    /// Unknown value of `is:` or `has:`.
    #[error(
        "unknown search {0}: write is:read, is:unread, is:tagged, has:attachment or has:inline"
    )]
    Flag(String),
}

impl Query {
    /// Parses a query; times without a zone are in `zone`.
    ///
    /// # Errors
    /// The query has a term that cannot be parsed, no term, or too many.
    pub fn parse(text: &str, zone: &TimeZone) -> Result<Query, QueryError> {
        if text.len() > MAX_QUERY {
            return Err(QueryError::TooLong);
        }
        let words = split_words(text);
        if words.len() > MAX_TERMS {
            return Err(QueryError::TooManyTerms);
        }
        let terms = words
            .iter()
            .filter_map(|word| parse_term(word, zone).transpose());
        let terms: Vec<Term> = terms.collect::<Result<_, _>>()?;
        if terms.is_empty() {
            return Err(QueryError::Empty);
        }
        Ok(Query { terms })
    }
}

/// Splits a query at white space outside of double quotes, and removes the quotes.
fn split_words(text: &str) -> Vec<String> {
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

/// Parses one term; `None` for a text of separators, which matches everything.
fn parse_term(word: &str, zone: &TimeZone) -> Result<Option<Term>, QueryError> {
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
    let condition = match bare.split_once(':') {
        Some((field, value)) => match field {
            _ if FIELDS.contains(&field) && value.trim().is_empty() => {
                return Err(QueryError::NoValue(format!("{field}:")));
            }
            "to" => Condition::To(value.to_owned()),
            "from" => Condition::From(value.to_owned()),
            "cc" => Condition::Cc(value.to_owned()),
            "bcc" => Condition::Bcc(value.to_owned()),
            "reply-to" => Condition::ReplyTo(value.to_owned()),
            "addressed" => Condition::Addressed(value.to_owned()),
            "subject" => Condition::Subject(value.to_owned()),
            "message-id" => match value.trim_matches(['<', '>']) {
                "" => return Err(QueryError::NoValue("message-id:".to_owned())),
                id => Condition::MessageId(id.to_owned()),
            },
            "tag" => Condition::Tag(value.to_owned()),
            "after" => Condition::After(time(value)?),
            "before" => Condition::Before(time(value)?),
            "larger" => Condition::Larger(size(value)?),
            "smaller" => Condition::Smaller(size(value)?),
            "is" if value == "unread" => {
                is_negated = !is_negated;
                Condition::Read
            }
            "is" if value == "read" => Condition::Read,
            "is" if value == "tagged" => Condition::Tagged,
            "has" if matches!(value, "attachment" | "attachments") => Condition::Attachments,
            "has" if matches!(value, "inline" | "inlines") => Condition::Inlines,
            "is" | "has" => return Err(QueryError::Flag(quoted())),
            _ => Condition::Text(normalize(&bare)),
        },
        None => Condition::Text(normalize(&bare)),
    };
    let is_blank = matches!(&condition, Condition::Text(text) if text.is_empty());
    Ok((!is_blank).then_some(Term {
        is_negated,
        condition,
    }))
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

/// Parses a time with a zone, a time without one, or a day.
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

    #[test]
    fn an_invalid_term_is_an_error_and_does_not_match_everything() {
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
    fn the_length_and_the_number_of_terms_are_limited() {
        let parse = |query: &str| Query::parse(query, &TimeZone::UTC).map(|_| ());
        assert_eq!(parse(&"-x ".repeat(MAX_TERMS)), Ok(()));
        assert_eq!(
            parse(&"-x ".repeat(MAX_TERMS + 1)),
            Err(QueryError::TooManyTerms)
        );
        assert_eq!(parse(&"é".repeat(MAX_QUERY / 2)), Ok(()));
        assert_eq!(parse(&"é".repeat(MAX_QUERY)), Err(QueryError::TooLong));
        // An error repeats a limited part of the query.
        let error = parse(&format!("larger:{}", "é".repeat(1000))).unwrap_err();
        assert!(error.to_string().len() < 300, "{error}");
    }

    #[test]
    fn a_day_begins_at_midnight_of_the_given_zone() {
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
}
