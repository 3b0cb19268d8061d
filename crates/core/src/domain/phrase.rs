//! Doc comments as phrases of the documentation.

/// Returns a doc comment as a phrase: without the capital letter at its beginning and the full stop at its end. A name such as
/// HTML or Message-ID keeps its letters.
pub fn phrase(comment: &str) -> String {
    let text = comment.trim();
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut chars = text.chars();
    let first = chars.next();
    let word = chars.as_str().split(' ').next().unwrap_or_default();
    if word.contains(char::is_uppercase) {
        return text.to_owned();
    }
    let first = first.into_iter().flat_map(char::to_lowercase);
    first.chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_has_neither_a_capital_letter_nor_a_full_stop() {
        for (comment, expected) in [
            (" Id of the account.", "id of the account"),
            ("HTML part.", "HTML part"),
            (
                "Message-ID without brackets.",
                "Message-ID without brackets",
            ),
            (" `true`; otherwise an error.", "`true`; otherwise an error"),
            ("A mail", "a mail"),
            ("", ""),
        ] {
            assert_eq!(phrase(comment), expected);
        }
    }
}
