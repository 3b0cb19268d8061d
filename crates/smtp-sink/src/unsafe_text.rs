//! Characters of a message that a terminal would interpret, or that show the text around them in another order. The pages
//! escape them too: a subject line shows what it contains.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns whether a terminal would interpret this character as a command, or show the text around it in another order or
/// on another line.
///
/// That is all of C0, DEL and C1, the marks, embeddings, overrides and isolates of bidirectional text, the line and paragraph
/// separators, and the deprecated format and annotation characters. Characters that are only invisible, such as joiners and
/// the tags of flags, are part of ordinary text.
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

/// Escapes text for one line; a tab becomes spaces.
pub fn escape_line(text: &str) -> Cow<'_, str> {
    if !text.chars().any(needs_escape) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match char {
            '\t' => safe.push_str("    "),
            _ if !needs_escape(char) => safe.push(char),
            _ if char.is_ascii() => {
                let _ = write!(safe, "\\x{:02x}", u32::from(char));
            }
            _ => safe.extend(char.escape_unicode()),
        }
    }
    Cow::Owned(safe)
}
