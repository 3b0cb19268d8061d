//! Reasons that an administrator gives for a change. The history of the account keeps them.

use std::str::FromStr;

use super::terminal_text::needs_escape;

/// Maximum length of a reason, in characters: one line of a history, not a case file.
const LONGEST: usize = 200;

/// A reason in one line. It may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reason(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReason {
    #[error("a reason is one line without control characters")]
    Unprintable,
    #[error("a reason has at most {LONGEST} characters")]
    TooLong,
}

impl Reason {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Reason {
    type Err = InvalidReason;

    fn from_str(text: &str) -> Result<Self, InvalidReason> {
        let text = text.trim();
        if text.chars().any(needs_escape) {
            return Err(InvalidReason::Unprintable);
        }
        if text.chars().count() > LONGEST {
            return Err(InvalidReason::TooLong);
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_short_line() {
        let longest = "ä".repeat(LONGEST);
        for (text, reason) in [
            ("", Ok("")),
            (" abuse, ticket 4711\n", Ok("abuse, ticket 4711")),
            (&longest, Ok(&*longest)),
            (&format!("{longest}!"), Err(InvalidReason::TooLong)),
            ("two\nlines", Err(InvalidReason::Unprintable)),
            ("a\u{1b}[2Jb", Err(InvalidReason::Unprintable)),
            ("a\u{2028}b", Err(InvalidReason::Unprintable)),
            ("a\u{202e}b", Err(InvalidReason::Unprintable)),
        ] {
            let parsed = text.parse::<Reason>();
            let parsed = parsed.as_ref().map(Reason::as_str).map_err(|error| *error);
            assert_eq!(parsed, reason, "{text:?}");
        }
    }
}
