//! Character references, such as `&amp;` and `&#8364;`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use encoding_rs::WINDOWS_1252;

/// All named references of the HTML Standard, one per line and sorted: the name, with its semicolon if it requires one, and code
/// points in hexadecimal. A table of string slices would take six times as much space in the binary, since each slice is
/// relocated at the start.
const NAMES: &str = include_str!("entities.txt");

/// Code points by name.
static TABLE: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| {
    let lines = NAMES.lines();
    lines.filter_map(|line| line.split_once(' ')).collect()
});

/// Maximum length of a name that requires no semicolon. There are 106 of them.
const MAX_BARE_NAME: usize = 6;

/// Maximum length of a name, without its semicolon.
const MAX_NAME: usize = 31;

/// Replaces the character references of a text.
pub fn decode_text(text: &str) -> Cow<'_, str> {
    decode(text, |_| true)
}

/// Replaces the character references of an attribute. A reference without a semicolon is none before `=`, so that `?a=1&copy=2`
/// stays a link.
pub fn decode_attribute(value: &str) -> Cow<'_, str> {
    decode(value, |after| {
        !after.starts_with(|next: char| next == '=' || next.is_ascii_alphanumeric())
    })
}

/// Replaces character references. `is_bare` returns whether a named reference without a semicolon is permitted before a text.
fn decode(text: &str, is_bare: fn(&str) -> bool) -> Cow<'_, str> {
    let Some(first) = text.find('&') else {
        return Cow::Borrowed(text);
    };
    let mut out = String::with_capacity(text.len());
    let (before, mut rest) = text.split_at(first);
    out.push_str(before);
    while let Some(after) = rest.strip_prefix('&') {
        let after = match after.strip_prefix('#') {
            Some(number) => push_number(&mut out, number),
            None => push_named(&mut out, after, is_bare),
        }
        .unwrap_or_else(|| {
            out.push('&');
            after
        });
        let next = after.find('&').unwrap_or(after.len());
        out.push_str(&after[..next]);
        rest = &after[next..];
    }
    Cow::Owned(out)
}

/// Appends the character of a numeric reference, and returns the text behind it.
fn push_number<'a>(out: &mut String, text: &'a str) -> Option<&'a str> {
    let (digits, radix) = match text.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let end = digits.find(|char: char| !char.is_digit(radix));
    let (digits, after) = digits.split_at(end.unwrap_or(digits.len()));
    if digits.is_empty() {
        return None;
    }
    // Leading zeros are permitted in any number. A number that does not fit is no character.
    let code = u32::from_str_radix(digits, radix).unwrap_or(u32::MAX);
    match u8::try_from(code) {
        Ok(0) => out.push(char::REPLACEMENT_CHARACTER),
        Ok(byte @ 0x80..=0x9f) => {
            out.push_str(&WINDOWS_1252.decode_without_bom_handling(&[byte]).0);
        }
        _ => out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)),
    }
    Some(after.strip_prefix(';').unwrap_or(after))
}

/// Appends the characters of a named reference, and returns the text behind it.
fn push_named<'a>(out: &mut String, text: &'a str, is_bare: fn(&str) -> bool) -> Option<&'a str> {
    let length = text
        .bytes()
        .take(MAX_NAME + 1)
        .take_while(u8::is_ascii_alphanumeric)
        .count();
    let has_semicolon = text.as_bytes().get(length) == Some(&b';');
    // Each name with a semicolon is longer than those without one that it begins with.
    let closed = has_semicolon.then_some(length + 1);
    let bare = (2..=length.min(MAX_BARE_NAME)).rev();
    let (size, characters) = closed
        .into_iter()
        .chain(bare)
        .find_map(|size| Some((size, characters(&text[..size])?)))?;
    let after = &text[size..];
    if closed != Some(size) && !is_bare(after) {
        return None;
    }
    out.extend(characters);
    Some(after)
}

/// Returns the characters of a name in [`NAMES`].
fn characters(name: &str) -> Option<impl Iterator<Item = char>> {
    let codes = TABLE.get(name)?.split(' ');
    Some(codes.filter_map(|code| char::from_u32(u32::from_str_radix(code, 16).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_decoded_as_browsers_do() {
        for (html, text) in [
            ("1 &lt; 2 &amp;&amp; 3", "1 < 2 && 3"),
            ("&unknown; &; & &amp", "&unknown; &; & &"),
            (
                "&copy2026 &notin; &notit; &NotEqualTilde;",
                "©2026 ∉ ¬it; ≂̸",
            ),
            ("&AMP;&Amp;", "&&Amp;"),
            ("&#65;&#x42;&#X43&#0068;", "ABCD"),
            ("&#;&#x;&#xg", "&#;&#x;&#xg"),
            ("&#128;&#x99;&#x81;", "€™\u{81}"),
            (
                "&#0;&#xd800;&#x110000;&#99999999999;",
                "\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
            ),
            ("&CounterClockwiseContourIntegral;", "∳"),
        ] {
            assert_eq!(decode_text(html), text);
        }
    }

    #[test]
    fn a_parameter_of_a_link_is_no_reference() {
        for (html, text) in [
            ("?a=1&copy=2&reg3&lt", "?a=1&copy=2&reg3<"),
            ("?a=1&amp;b=2&copy;=3", "?a=1&b=2©=3"),
        ] {
            assert_eq!(decode_attribute(html), text);
        }
    }

    #[test]
    fn all_names_are_within_the_maximum_lengths() {
        assert_eq!(TABLE.len(), 2231);
        assert!(NAMES.lines().is_sorted());
        for (name, codes) in TABLE.iter() {
            let maximum = if name.ends_with(';') {
                MAX_NAME + 1
            } else {
                MAX_BARE_NAME
            };
            assert!((2..=maximum).contains(&name.len()), "{name}");
            assert_eq!(characters(name).unwrap().count(), codes.split(' ').count());
        }
    }
}
