//! Tokens: their purposes, and the checks that need only their text.
//!
//! A token is a signed statement that opens one thing for one account, until it expires. [`super::fingerprint`] binds it to
//! a credential. `app::token_keys` signs and verifies.

use std::fmt;

use super::event::named;
use super::id::AccountId;

/// Maximum length of a token, in bytes. Ours have at most 319.
pub const LONGEST: usize = 1024;
/// Length of the signature of a token: 32 bytes in base64url, without padding.
const SIGNATURE: usize = 43;

named! {
    /// Purpose of a token.
    Purpose {
        /// One password reset, and nothing else.
        Reset = "reset",
        /// Access to the API, and nothing else.
        Access = "access",
        /// One account for an address that its owner confirms.
        ConfirmSignup = "signup",
        /// One change of the address, to one that its owner confirms.
        ConfirmAddress = "email",
        /// Undoing one change of the address.
        RevertAddress = "revert",
    }
}

/// Text of a token. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Extracts the token from text that a person pasted: the token itself, or the whole link from the mail, possibly without
    /// its scheme. Neither a token nor such a link is a URL to a parser of URLs.
    ///
    /// A link to a page of the application has its token in any segment of the path, in the query or in the fragment
    /// ([`super::link_template`]). It is recognized by the form of a token.
    pub fn from_pasted(text: &str) -> Self {
        let text = text.trim_matches(|c: char| c.is_whitespace() || "<>\"'".contains(c));
        // Query and fragment, which mail programs append to a link, may contain another path.
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let last = path.rsplit_once("/reset/").map_or(path, |(_, token)| token);
        let end = last.find('/').unwrap_or(last.len());
        let segment = Self(last[..end].to_owned());
        if segment.is_well_formed() {
            return segment;
        }
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c));
        let mut tokens = words.map(|word| Self(word.trim_matches('.').to_owned()));
        // Without a token, the segment is refused with the reason, such as a link that was cut off.
        tokens.find(Self::is_well_formed).unwrap_or(segment)
    }

    /// Takes the token exactly as a program sent it.
    pub fn from_exact(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns whether the text has the form of a signed token: three parts in the alphabet of base64url, of which the last
    /// one has the length of a signature.
    ///
    /// Anyone can compute this: neither a secret nor an account is involved. A page may therefore report to the owner
    /// that a mail program cut the link off; a forger learns nothing from it.
    pub fn is_well_formed(&self) -> bool {
        let is_part = |part: &str| {
            let is_of_alphabet = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
            !part.is_empty() && part.bytes().all(is_of_alphabet)
        };
        let parts: Vec<&str> = self.0.splitn(4, '.').collect();
        matches!(parts[..], [header, payload, signature]
            if is_part(header) && is_part(payload) && is_part(signature) && signature.len() == SIGNATURE)
            && self.0.len() <= LONGEST
    }

    /// Returns the text of the token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Error of the verification of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The token is malformed, signed with another secret, or made for another purpose. These cases are not distinguished.
    #[error("Invalid token")]
    Invalid,
    /// The token is authentic and expired.
    #[error("Token has expired")]
    Expired {
        /// Account that the token was made for.
        account: AccountId,
    },
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn the_form_of_a_link_shows_whether_it_was_cut_off() {
        let (header, payload) = ("eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiJhbm4ifQ");
        let signature = "s".repeat(SIGNATURE);
        let signed = format!("{header}.{payload}");
        let good = format!("{signed}.{signature}");
        for token in [
            good.clone(),
            format!("{signed}.{}", "A".repeat(SIGNATURE)),
            format!("{payload}.{header}.{signature}"),
            good.to_uppercase(),
        ] {
            assert!(Token(token.clone()).is_well_formed(), "{token}");
        }
        // No prefix of a link, which is what a mail program leaves of it.
        for end in 0..good.len() {
            assert!(!Token(good[..end].to_owned()).is_well_formed(), "{end}");
        }
        for token in [
            format!("{good}A"),
            format!("{good}="),
            format!("{good}."),
            format!("{good}>"),
            format!(".{good}"),
            format!("{header}. {payload}.{signature}"),
            format!("{header}\u{e4}.{payload}.{signature}"),
            format!("{header}..{payload}.{signature}"),
            format!("{header}..{signature}"),
            format!("{}.{payload}.{signature}", "A".repeat(LONGEST)),
        ] {
            assert!(!Token(token.clone()).is_well_formed(), "{token}");
        }
    }

    #[test]
    fn a_pasted_link_contains_its_token() {
        for pasted in [
            "abc.def.ghi",
            " http://localhost:3000/reset/abc.def.ghi\n",
            "<https://x.example/a/reset/abc.def.ghi>",
            "x.example/reset/abc.def.ghi",
            "https://x.example/reset/abc.def.ghi?utm=1#top",
        ] {
            assert_eq!(
                Token::from_pasted(pasted).as_str(),
                "abc.def.ghi",
                "{pasted}"
            );
        }
    }

    fn well_formed() -> String {
        let token = format!(
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.{}",
            "s".repeat(SIGNATURE)
        );
        assert!(Token(token.clone()).is_well_formed());
        token
    }

    #[test]
    fn a_pasted_link_of_another_form_contains_its_token() {
        let token = well_formed();
        for link in [
            "https://app.example/reset?token={token}",
            "https://app.example/reset/confirm?lang=en&t={token}&step=2",
            "https://app.example/#/reset/{token}",
            "https://app.example/?utm_source=mail#token={token}",
            "https://app.example/{token}/password",
            "<http://localhost:5173/new-password#{token}>",
            "app.example/p?t={token}&utm_campaign=a.b.c",
            "https://app.example/reset/{token}.",
            "https://click.example/reset/x?to=https://app.example/{token}",
        ] {
            let pasted = link.replace("{token}", &token);
            assert_eq!(Token::from_pasted(&pasted).as_str(), token, "{pasted}");
        }
        // A link that was cut off has no token, and is refused.
        for cut in 1..token.len() {
            let pasted = format!("https://app.example/reset?token={}", &token[..cut]);
            assert!(!Token::from_pasted(&pasted).is_well_formed(), "{pasted}");
        }
    }

    proptest! {
        #[test]
        fn a_token_is_found_in_links_of_every_form(
            before in "(/|/reset/|/[a-z]{1,5}/|/[?]|/[?]lang=en&t=|/#|/#/reset[?]token=|#token=)",
            after in "(/[a-z]{1,5}|&[a-z]{1,5}=[a-z]{0,5}|[?#][a-z=&/]{0,9})?",
            open in "[ <\"'\n]{0,2}",
            close in "[ >\"'\n]{0,2}",
        ) {
            let token = well_formed();
            let form = format!("https://app.example{before}{{token}}{after}");
            if let Ok(template) = super::super::link_template::LinkTemplate::parse(&form) {
                let link = template.link("", &Token::from_exact(&*token));
                let pasted = format!("{open}{link}{close}");
                let found = Token::from_pasted(&pasted);
                prop_assert_eq!(found.as_str(), &token, "{}", pasted);
            }
        }

        #[test]
        fn text_that_a_mail_program_appends_to_a_link_changes_no_token(
            base in "(https?://[a-z.]{1,9}(/[a-z]{1,5}|/reset){0,2})",
            tail in "(/|[?#][a-z=&/]{0,9}|[?]to=/reset/[a-z]{0,5})?",
            open in "[ <\"'\n]{0,2}",
            close in "[ >\"'\n]{0,2}",
        ) {
            let pasted = format!("{open}{base}/reset/abc.def.ghi{tail}{close}");
            let token = Token::from_pasted(&pasted);
            prop_assert_eq!(token.as_str(), "abc.def.ghi", "{}", pasted);
        }
    }
}
