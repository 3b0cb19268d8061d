//! Text from outside, escaped for a terminal: messages, replies of servers, database contents, file names.
//!
//! This is the only definition of the characters that a terminal must not receive raw. Each format escapes the text that
//! it prints; `cli::ui` and the log escape everything once more at the point of output, so that a forgotten field cannot
//! reach the terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns whether a terminal would interpret this character as a command, or show the text around it in another order or
/// on another line.
///
/// That is all of C0, DEL and C1, the marks, embeddings, overrides and isolates of bidirectional text, the line and
/// paragraph separators, and the deprecated format and annotation characters. Characters that are only invisible, such as
/// joiners and the tags of flags, are part of ordinary text.
pub fn needs_escape(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{206f}'
                | '\u{fff9}'..='\u{fffb}'
        )
}

/// Escapes text for one line of a terminal; a tab becomes spaces.
pub fn escape_line(text: &str) -> Cow<'_, str> {
    escape(
        text,
        |_| false,
        |char, safe| match char {
            '\t' => safe.push_str("    "),
            _ if char.is_ascii() => {
                let _ = write!(safe, "\\x{:02x}", u32::from(char));
            }
            _ => safe.extend(char.escape_unicode()),
        },
    )
}

/// Escapes text line by line.
pub fn escape_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(escape_line).collect();
    lines.join("\n")
}

/// Escapes a JSON document of any number of lines. The document keeps its meaning, because JSON allows control characters
/// nowhere and every other character only within strings.
pub fn escape_json(json: &str) -> Cow<'_, str> {
    escape(json, |char| char == '\n', push_json_escape)
}

/// Escapes finished output. Safe parts stay unchanged: line ends, tabs and, if `has_styles` is set, the sequences that
/// choose a colour or style. JSON within the output stays JSON.
pub fn escape_output(text: &str, has_styles: bool) -> Cow<'_, str> {
    if !has_styles {
        return escape(text, is_layout, push_json_escape);
    }
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        let (before, sequence) = rest.split_at(at);
        safe.push_str(&escape(before, is_layout, push_json_escape));
        let length = style_length(sequence);
        match length {
            0 => push_json_escape('\u{1b}', &mut safe),
            _ => safe.push_str(&sequence[..length]),
        }
        rest = &sequence[length.max(1)..];
    }
    safe.push_str(&escape(rest, is_layout, push_json_escape));
    Cow::Owned(safe)
}

fn is_layout(char: char) -> bool {
    matches!(char, '\n' | '\t')
}

/// Returns the length of the sequence `ESC [ digits ; … m` at the start of a text; 0 if there is none.
fn style_length(text: &str) -> usize {
    let parameters = text.strip_prefix("\u{1b}[").unwrap_or_default();
    let length = parameters
        .bytes()
        .take_while(|byte| byte.is_ascii_digit() || *byte == b';')
        .count();
    match parameters.as_bytes().get(length) {
        Some(b'm') => length + 3,
        _ => 0,
    }
}

fn push_json_escape(char: char, safe: &mut String) {
    for unit in char.encode_utf16(&mut [0; 2]) {
        let _ = write!(safe, "\\u{unit:04x}");
    }
}

fn escape(
    text: &str,
    is_kept: impl Fn(char) -> bool,
    push_escape: impl Fn(char, &mut String),
) -> Cow<'_, str> {
    let is_escaped = |char: char| needs_escape(char) && !is_kept(char);
    if !text.chars().any(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match is_escaped(char) {
            true => push_escape(char, &mut safe),
            false => safe.push(char),
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\u{7}\u{7f}\u{9b}31m\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}\u{206f}\u{fff9}\r\0z";

    #[test]
    fn no_control_character_of_a_terminal_remains() {
        for safe in [
            escape_line(HOSTILE).into_owned(),
            escape_lines(HOSTILE),
            escape_json(HOSTILE).into_owned(),
            escape_output(HOSTILE, false).into_owned(),
            escape_output(HOSTILE, true).into_owned(),
        ] {
            assert!(!safe.chars().any(needs_escape), "{safe}");
            assert!(safe.starts_with('a') && safe.ends_with('z'), "{safe}");
        }
        assert_eq!(escape_line("\u{1b}[m\tx\u{202e}"), "\\x1b[m    x\\u{202e}");
        assert_eq!(escape_lines("a\u{7}\nb"), "a\\x07\nb");
    }

    #[test]
    fn ordinary_text_stays_as_it_is() {
        for text in [
            "",
            "jürgen@bücher.example",
            "שלום مرحبا",
            "👩\u{200d}👧 ❤\u{fe0f} 🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        ] {
            assert_eq!(escape_line(text), text);
            assert_eq!(escape_output(text, true), text);
        }
        assert_eq!(escape_output("a\tb\n", false), "a\tb\n");
    }

    #[test]
    fn escaped_json_has_the_same_value() {
        let value = serde_json::json!({ "text": HOSTILE, "many": ["\u{fffa}", "\n"] });
        let escaped = escape_json(&value.to_string()).into_owned();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&escaped).unwrap(),
            value
        );
        assert_eq!(escape_output(&escaped, false), escaped);
    }

    #[test]
    fn only_styles_remain_and_only_if_they_are_expected() {
        let styled = "\u{1b}[1;32mgood\u{1b}[0m";
        assert_eq!(escape_output(styled, true), styled);
        assert_eq!(escape_output("\u{1b}[32mx", false), "\\u001b[32mx");
        for sequence in [
            "\u{1b}[2J",
            "\u{1b}]0;t\u{7}",
            "\u{1b}",
            "\u{1b}[",
            "\u{1b}[1",
        ] {
            let safe = escape_output(sequence, true).into_owned();
            assert!(
                safe.starts_with("\\u001b") && !safe.chars().any(needs_escape),
                "{safe}"
            );
        }
    }
}
