//! Field values with parameters: Content-Type and Content-Disposition, with the continuations and charsets of RFC 2231.

use std::borrow::Cow;

use super::fields::unfolded;
use super::text;

/// Maximum number of parameters of one field. No program writes as many, even though each continuation of a file name is one.
const MAX_PARAMETERS: usize = 1_000;

/// Value such as `text/csv; charset=utf-8; name="a.csv"`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameterized {
    /// Text before the first `;`, in lower case and without comments.
    pub value: String,
    parameters: Vec<(String, String)>,
}

struct Piece {
    name: String,
    index: usize,
    is_encoded: bool,
    value: String,
}

impl Parameterized {
    /// Parses the value of a field.
    pub fn parse(raw: &[u8]) -> Parameterized {
        let line = unfolded(raw);
        let end = line.find(';').unwrap_or(line.len());
        let value = without_comments(&line[..end])
            .trim()
            .trim_end_matches('.')
            .to_ascii_lowercase();
        let mut rest = line.get(end + 1..).unwrap_or_default();
        let mut parameters: Vec<(String, String)> = Vec::new();
        let mut pieces: Vec<Piece> = Vec::new();
        for _ in 0..MAX_PARAMETERS {
            let Some((name, text, after)) = next_parameter(rest) else {
                break;
            };
            rest = after;
            let name = name.to_ascii_lowercase();
            match name.split_once('*') {
                None if name.is_empty() => {}
                None => parameters.push((name, text.into_owned())),
                Some((base, section)) => {
                    let (number, is_encoded) = match section.strip_suffix('*') {
                        Some(number) => (number, true),
                        None => (section, section.is_empty()),
                    };
                    pieces.push(Piece {
                        name: base.to_owned(),
                        index: number.parse().unwrap_or(0),
                        is_encoded,
                        value: text.into_owned(),
                    });
                }
            }
        }
        pieces.sort_by(|a, b| (&a.name, a.index).cmp(&(&b.name, b.index)));
        for group in pieces.chunk_by(|a, b| a.name == b.name) {
            // The form of RFC 2231 has precedence over the plain one, which is for old programs (RFC 6266 4.3).
            parameters.insert(0, (group[0].name.clone(), join(group)));
        }
        Parameterized { value, parameters }
    }

    /// Returns a parameter by its name, in lower case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut found = self.parameters.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, value)| value.as_str())
    }

    /// Returns a parameter that is a name for people. Encoded words in it are decoded, although RFC 2047 forbids them there.
    pub fn name(&self, name: &str) -> Option<String> {
        let value = self.parameter(name)?;
        let decoded = text::decode_words(value);
        let decoded = decoded.trim();
        (!decoded.is_empty()).then(|| decoded.to_owned())
    }
}

/// Parses one parameter; returns its name, its value without quotes, and the rest of the text.
fn next_parameter(text: &str) -> Option<(&str, Cow<'_, str>, &str)> {
    let text = text.trim_start_matches(|char: char| char.is_whitespace() || char == ';');
    if text.is_empty() {
        return None;
    }
    let end = text.find(['=', ';']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let name = name.trim();
    let Some(rest) = rest.strip_prefix('=') else {
        return Some((name, Cow::Borrowed(""), rest));
    };
    let rest = rest.trim_start();
    if let Some(quoted) = rest.strip_prefix('"') {
        let (value, rest) = unquote(quoted);
        let end = rest.find(';').unwrap_or(rest.len());
        return Some((name, Cow::Owned(value), &rest[end..]));
    }
    // A space requires quotes, but many programs write file names with spaces and without quotes.
    let end = rest.find(';').unwrap_or(rest.len());
    Some((name, Cow::Borrowed(rest[..end].trim()), &rest[end..]))
}

/// Parses a quoted string after its first quote; returns it and the rest of the text. Without a closing quote it ends with the
/// text.
fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next() {
                // Windows paths have single backslashes.
                Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                Some((_, other)) => value.extend(['\\', other]),
                None => value.push('\\'),
            },
            _ => value.push(char),
        }
    }
    (value, "")
}

/// Joins the pieces of one parameter (RFC 2231 3 and 4).
fn join(pieces: &[Piece]) -> String {
    let mut charset = "";
    let mut bytes = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let mut value = piece.value.as_str();
        if index == 0
            && piece.is_encoded
            && let Some((named, rest)) = value.split_once('\'')
        {
            charset = named;
            value = rest.split_once('\'').map_or(rest, |(_, value)| value);
        }
        if piece.is_encoded {
            bytes.extend(decode_percent(value.as_bytes()));
        } else {
            bytes.extend(value.as_bytes());
        }
    }
    text::decode(&bytes, charset).0.into_owned()
}

fn decode_percent(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let hex = text
            .get(at + 1..at + 3)
            .and_then(|hex| str::from_utf8(hex).ok());
        match hex
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .filter(|_| byte == b'%')
        {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}

/// Removes comments in parentheses, including nested ones.
fn without_comments(text: &str) -> String {
    let mut depth = 0_usize;
    let outside = text.chars().filter(|char| match char {
        '(' => {
            depth += 1;
            false
        }
        ')' => {
            let is_comment = depth > 0;
            depth = depth.saturating_sub(1);
            !is_comment
        }
        _ => depth == 0,
    });
    outside.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_in_the_forms_that_mail_programs_write() {
        for (raw, name, value) in [
            ("a/b; boundary=x", "boundary", "x"),
            ("a/b; boundary=\"x y\"; c=d", "boundary", "x y"),
            // Folded between the `=` and its value.
            ("a/b; boundary=\r\n \"x\"", "boundary", "x"),
            ("a/b;\r\n\tboundary = x ;", "boundary", "x"),
            ("a/b; name=my file.pdf; x=y", "name", "my file.pdf"),
            ("a/b; name=\"a;b\\\"c\\d\"", "name", "a;b\"c\\d"),
            ("a/b; name=\"never closed", "name", "never closed"),
            ("a/b; NAME=x; name=y", "name", "x"),
            ("a/b; x; name=y", "name", "y"),
            ("a/b; name*=utf-8''%C3%A9.txt", "name", "é.txt"),
            ("a/b; name=old; name*=utf-8'en'new", "name", "new"),
            (
                "a/b; name*1*=%A9; name*0*=utf-8''%C3; name*2=\"%41\"",
                "name",
                "é%41",
            ),
            ("a/b; name*0=a; name*1=b", "name", "ab"),
            ("a/b; name*=%zz", "name", "%zz"),
        ] {
            let read = Parameterized::parse(raw.as_bytes());
            assert_eq!(read.parameter(name), Some(value), "{raw}");
            assert_eq!(read.value, "a/b", "{raw}");
        }
        let named = Parameterized::parse(b"x; name=\"=?utf-8?q?=C3=A9_a?=\"");
        assert_eq!(named.name("name").as_deref(), Some("é a"));
        assert_eq!(
            Parameterized::parse(b"Text/Plain (a (b) c); x=y").value,
            "text/plain"
        );
        assert_eq!(Parameterized::parse(b";;;=").parameter(""), None);
    }
}
