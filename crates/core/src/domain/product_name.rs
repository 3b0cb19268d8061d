//! Name of the product in mails and pages.

use std::borrow::Cow;
use std::fmt;

use unicode_normalization::UnicodeNormalization;

use super::terminal_text::needs_escape;
use super::unicode::is_ignorable;

/// Maximum length, in characters: a subject with the name fits in the list of messages of a mail program.
const LONGEST: usize = 60;

/// Name of the product that accounts belong to, as people see it. It is one line of visible characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductName(Cow<'static, str>);

/// Rule that a product name breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProductName {
    #[error("write a name of at most {LONGEST} characters")]
    TooLong,
    #[error("write a name on one line, without control characters and invisible characters")]
    Invisible,
    #[error("write a name with at least one letter or digit")]
    NoLetter,
}

impl ProductName {
    /// Name if no other is set.
    pub const DEFAULT: Self = Self(Cow::Borrowed("Movie-bag"));

    /// Parses a name, without the spaces around it.
    ///
    /// Joiners are refused together with other invisible characters, although a few scripts use them: most of these
    /// characters hide text or change its order, which a subject must not do.
    ///
    /// # Errors
    /// The first rule that the name breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidProductName> {
        let text = text.trim_matches(' ');
        if text.chars().any(|c| needs_escape(c) || is_ignorable(c)) {
            return Err(InvalidProductName::Invisible);
        }
        if text.chars().count() > LONGEST {
            return Err(InvalidProductName::TooLong);
        }
        if !text.contains(char::is_alphanumeric) {
            return Err(InvalidProductName::NoLetter);
        }
        Ok(Self(Cow::Owned(text.to_owned())))
    }

    /// Returns the name as people see it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the name in the form in which passwords are compared with it: without differences of case and width.
    pub(super) fn folded(&self) -> String {
        self.0.nfkc().collect::<String>().to_lowercase()
    }
}

impl fmt::Display for ProductName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_of_visible_characters() {
        for (text, name) in [
            ("Movie-bag", "Movie-bag"),
            ("  Ann & Bob's <Films> ", "Ann & Bob's <Films>"),
            ("Фильмотека", "Фильмотека"),
            ("7", "7"),
            (&"ä".repeat(60), &"ä".repeat(60)),
        ] {
            assert_eq!(
                ProductName::parse(text).map(|name| name.to_string()),
                Ok(name.to_owned())
            );
        }
        for (text, rule) in [
            ("", InvalidProductName::NoLetter),
            (" ", InvalidProductName::NoLetter),
            ("-- !", InvalidProductName::NoLetter),
            (&"ä".repeat(61), InvalidProductName::TooLong),
            (
                "Films\r\nBcc: eve@example.com",
                InvalidProductName::Invisible,
            ),
            ("Films\n", InvalidProductName::Invisible),
            ("Films\0", InvalidProductName::Invisible),
            ("Films\t1", InvalidProductName::Invisible),
            ("Films\u{2028}1", InvalidProductName::Invisible),
            ("Films\u{202e}1", InvalidProductName::Invisible),
            ("Films\u{200b}1", InvalidProductName::Invisible),
            ("Films\u{9b}1", InvalidProductName::Invisible),
        ] {
            assert_eq!(ProductName::parse(text), Err(rule), "{text:?}");
        }
        assert_eq!(
            ProductName::parse(ProductName::DEFAULT.as_str()),
            Ok(ProductName::DEFAULT)
        );
    }
}
