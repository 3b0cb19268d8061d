//! The filter `wrap`, which breaks the lines of a text part after the values are filled in.
//!
//! It is a filter and not a step of rendering, so that a template of an administrator is sent with the lines that it has,
//! unless it uses the filter.

use std::borrow::Cow;

use tera::{Kwargs, State};

/// Width of a text part, in characters: RFC 3676 recommends at most 78, and quotes in replies need a margin.
pub(super) const WIDTH: usize = 72;

/// Breaks the lines of a text.
pub(super) fn filter(text: Cow<'_, str>, _: Kwargs, _: &State<'_>) -> String {
    let lines: Vec<String> = text
        .split('\n')
        .map(|line| wrap_line(line, WIDTH))
        .collect();
    lines.join("\n")
}

/// Breaks a line at spaces. A word is never broken, so a link stays whole on one line, however long it is.
fn wrap_line(line: &str, width: usize) -> String {
    let mut wrapped = String::with_capacity(line.len());
    let mut column = 0;
    for (number, word) in line.split(' ').enumerate() {
        let length = word.chars().count();
        if number > 0 {
            // A run of spaces has empty words in it, and no line begins with one.
            let is_full = column > 0 && column + 1 + length > width && !word.is_empty();
            wrapped.push(if is_full { '\n' } else { ' ' });
            column = if is_full { 0 } else { column + 1 };
        }
        wrapped.push_str(word);
        column += length;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn a_long_line_is_broken_at_spaces_and_a_short_one_stays() {
        for (line, broken) in [
            ("", ""),
            ("one two", "one two"),
            ("one two three", "one two\nthree"),
            ("  indented", "  indented"),
            ("one  two", "one  two"),
            ("1234567890", "1234567890"),
            ("12345678901 2", "12345678901\n2"),
            ("to 12345678901 2", "to\n12345678901\n2"),
            ("grün äöü", "grün äöü"),
            ("ends with a space ", "ends with\na space "),
        ] {
            assert_eq!(wrap_line(line, 10), broken, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_word_is_lost_or_broken_and_no_line_is_too_long(line in "[a-z ./:-]{0,200}") {
            let broken = wrap_line(&line, 20);
            prop_assert_eq!(broken.replace('\n', " "), line);
            for part in broken.lines() {
                prop_assert!(part.trim().chars().count() <= 20 || !part.trim().contains(' '), "{}", part);
            }
        }
    }
}
