//! Values as text for the pages. The text of a mail is shortened, and its control characters are replaced; the templates escape
//! HTML.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::invisible::is_ignorable;
use crate::unsafe_text::{escape_line, needs_escape};

/// Maximum length of a line of a mail, in bytes.
const MAX_LINE_BYTES: usize = 300;

/// Returns text for one line, cut to its maximum length.
pub(super) fn single_line(text: &str) -> String {
    truncated_line(text, MAX_LINE_BYTES)
}

/// Returns whether a text has no visible character.
pub(super) fn is_blank(text: &str) -> bool {
    let is_unseen = |char: char| char.is_whitespace() || char.is_control() || is_ignorable(char);
    text.chars().all(is_unseen)
}

/// Returns text for one line, cut to a number of bytes.
pub(super) fn truncated_line(text: &str, max_bytes: usize) -> String {
    match split_at_char(text, max_bytes) {
        (shown, 0) => escape_line(shown).into_owned(),
        (shown, _) => format!("{}…", escape_line(shown)),
    }
}

/// Returns text of several lines, cut to a number of bytes, and the number of bytes left out. Invisible characters, and those
/// that change the direction of text, are replaced by a mark.
pub(super) fn truncated_text(text: &str, max_bytes: usize) -> (String, usize) {
    let (shown, omitted) = split_at_char(text, max_bytes);
    let shown = shown.chars().map(|char| match char {
        '\n' | '\t' | '\r' => char,
        _ if needs_escape(char) => '\u{fffd}',
        _ => char,
    });
    (shown.collect(), omitted)
}

fn split_at_char(text: &str, max_bytes: usize) -> (&str, usize) {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (&text[..end], text.len() - end)
}

/// Formats a number of bytes, in the units of searches (`larger:10K`).
pub(super) fn format_bytes(bytes: usize) -> String {
    const K: f64 = 1024.0;
    let number = bytes as f64;
    if bytes == 1 {
        "1 byte".to_owned()
    } else if number < K {
        format!("{bytes} bytes")
    } else if number < 10.0 * K {
        format!("{:.1} KB", number / K)
    } else if number < K * K {
        format!("{:.0} KB", number / K)
    } else {
        format!("{:.1} MB", number / K / K)
    }
}

/// Formats a number with a comma before each three digits.
pub(super) fn format_number(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Formats a number of things: `1 message`, `2,000 messages`.
pub(super) fn format_count(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        number => format!("{} {noun}s", format_number(number)),
    }
}

/// A point in time, formatted for people and for scripts.
#[derive(Debug, Serialize)]
pub(super) struct When {
    /// RFC 3339 in UTC.
    exact: String,
    /// Time of day or date, in the zone of this machine. The script replaces it by that of the browser.
    short: String,
    /// Date and time of day, in the same zone.
    long: String,
}

impl When {
    /// Formats a time: the time of day if it is today, otherwise the date.
    pub(super) fn new(time: Timestamp, now: Timestamp) -> When {
        let local = time.to_zoned(TimeZone::system());
        let format = if local.date() == now.to_zoned(TimeZone::system()).date() {
            "%H:%M"
        } else {
            "%Y-%m-%d"
        };
        When {
            exact: format!("{time:.3}"),
            short: local.strftime(format).to_string(),
            long: local.strftime("%Y-%m-%d %H:%M").to_string(),
        }
    }
}

/// Remaining size of a list in bytes, which keeps every page small.
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn new(bytes: usize) -> Budget {
        Budget(bytes)
    }

    /// Returns the first items that fit by their sizes, at most `max_items`, and the number of omitted items.
    pub(super) fn take<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        max_items: usize,
        size: impl Fn(&T) -> usize,
    ) -> (Vec<T>, usize) {
        let (mut taken, mut omitted) = (Vec::new(), 0);
        for item in items {
            match self.0.checked_sub(size(&item)) {
                Some(rest) if omitted == 0 && taken.len() < max_items => {
                    self.0 = rest;
                    taken.push(item);
                }
                _ => omitted += 1,
            }
        }
        (taken, omitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_numbers_are_formatted_for_people() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1536, "1.5 KB"),
            (20 * 1024, "20 KB"),
            (3 * 1024 * 1024 / 2, "1.5 MB"),
        ] {
            assert_eq!(format_bytes(bytes), text);
        }
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(format_number),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(format_count(1, "message"), "1 message");
        assert_eq!(format_count(2_000, "message"), "2,000 messages");
    }

    #[test]
    fn text_of_a_mail_is_shortened_and_loses_control_characters() {
        assert_eq!(single_line("a\u{202e}b\r\nc"), "a\\u{202e}b\\x0d\\x0ac");
        assert_eq!(
            single_line(&"é".repeat(200)),
            format!("{}…", "é".repeat(150))
        );
        assert_eq!(
            truncated_text("a\tb\r\n\u{202e}\0é", 9),
            ("a\tb\r\n\u{fffd}\u{fffd}".to_owned(), 2)
        );
    }
}
