//! Email addresses in canonical form, so that one mailbox has one account.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use super::unicode::is_ignorable;

/// Maximum length of an address in bytes (RFC 5321 4.5.3.1.3 without the angle brackets).
const LONGEST: usize = 254;
/// Maximum length of a local part in bytes (RFC 5321 4.5.3.1.1).
const LONGEST_LOCAL_PART: usize = 64;

/// Address of one mailbox in canonical form: trimmed, NFKC, lower case, the domain in its ASCII (IDNA) form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(String);

/// Reason why a text is not the address of one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmailAddress {
    #[error("it is empty")]
    Empty,
    /// There is no `@`, or nothing on one side of it.
    #[error("it does not have the form name@domain")]
    NotAMailbox,
    /// There are several addresses, a display name or a comment.
    #[error("it is more than one address")]
    NotOne,
    /// There are control characters, spaces inside, or invisible characters.
    #[error("it contains a space, a control character or an invisible character")]
    Control,
    /// The address is longer than SMTP allows.
    #[error("it is longer than 254 characters, or the part before @ is longer than 64")]
    TooLong,
    /// The local part has a character that no mail server accepts there.
    #[error("the part before @ contains a character that is not allowed")]
    Character,
    /// The domain is not a host name, not even in its IDNA form.
    #[error("its domain is not a valid domain name")]
    Domain,
}

impl EmailAddress {
    /// Parses text that a person typed.
    ///
    /// # Errors
    /// The text is not exactly one mailbox: lists, display names, quoted local parts (which hide separators), control
    /// characters, and domains that IDNA (UTS 46) refuses.
    pub fn parse(text: &str) -> Result<Self, InvalidEmailAddress> {
        use InvalidEmailAddress as Invalid;
        let text = text.trim_matches([' ', '\t']);
        if text.is_empty() {
            return Err(Invalid::Empty);
        }
        // Checked before the normalisation: NFKC can make a text 18 times longer.
        if text.len() > 4 * LONGEST {
            return Err(Invalid::TooLong);
        }
        let folded = folded(text);
        if folded.chars().any(is_forbidden) {
            return Err(Invalid::Control);
        }
        if folded.contains([',', ';', '<', '>', '"', '(', ')', '[', ']', '\\', ':']) {
            return Err(Invalid::NotOne);
        }
        let (local, domain) = folded.split_once('@').ok_or(Invalid::NotAMailbox)?;
        if domain.contains('@') {
            return Err(Invalid::NotOne);
        }
        // RFC 5321 4.1.2, Dot-string: atoms with single dots between.
        if domain.is_empty() || local.split('.').any(str::is_empty) {
            return Err(Invalid::NotAMailbox);
        }
        if !local.chars().all(|c| c == '.' || is_atom_character(c)) {
            return Err(Invalid::Character);
        }
        let domain = ascii_domain(domain).ok_or(Invalid::Domain)?;
        let address = format!("{local}@{domain}");
        if address.len() > LONGEST || local.len() > LONGEST_LOCAL_PART {
            return Err(Invalid::TooLong);
        }
        Ok(Self(address))
    }

    /// Returns the canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the IDNA form by the rules for host names, which include the lengths of labels and of the whole. `localhost` and other
/// single labels are accepted, since development machines and company networks use them.
fn ascii_domain(domain: &str) -> Option<String> {
    idna::domain_to_ascii_strict(domain).ok()
}

/// Returns whether a character is RFC 5322 3.2.3 `atext`, or a letter or digit of any script (RFC 6531 3.3). RFC 6531 also
/// allows others, such as emoji and lone accents, but mail libraries refuse them: such an account could never get a mail.
fn is_atom_character(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

/// Returns whether a character is a control character, white space, or one that only changes the appearance of its
/// neighbours. Such characters are not part of an address, and are used to make one address resemble another.
fn is_forbidden(c: char) -> bool {
    c.is_control() || c.is_whitespace() || is_ignorable(c) || matches!(c, '\u{fff9}'..='\u{fffd}')
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Masks an address for the log: the first character and the domain remain.
pub fn masked(address: &str) -> String {
    match address.split_once('@') {
        Some((local, domain)) => format!(
            "{}…@{domain}",
            local.chars().next().map(String::from).unwrap_or_default()
        ),
        None => "…".to_owned(),
    }
}

/// Search term for addresses.
#[derive(Debug, Clone)]
pub struct AddressPart(String);

impl AddressPart {
    /// Creates a search term from typed text. Case and width of letters are ignored.
    pub fn new(typed: &str) -> Self {
        Self(folded(typed))
    }

    /// Returns whether a stored address contains the term.
    pub fn is_in(&self, address: &str) -> bool {
        folded(address).contains(&self.0)
    }
}

/// Returns the NFKC form in lower case. Lower-casing can undo NFKC, so that is applied again.
fn folded(text: &str) -> String {
    let text: String = text.nfkc().collect();
    text.to_lowercase().nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::InvalidEmailAddress as Invalid;
    use super::*;

    #[test]
    fn a_search_term_matches_in_any_letter_case() {
        for (part, address, is_in) in [
            ("ANN", "joanna@example.com", true),
            ("ann@", "Ann@Example.com", true),
            ("ü", "MÜLLER@example.com", true),
            ("ｅｘａｍｐｌｅ", "ann@example.com", true),
            ("", "ann@example.com", true),
            ("%", "ann@example.com", false),
            (".*", "ann@example.com", false),
            ("bob", "ann@example.com", false),
        ] {
            assert_eq!(AddressPart::new(part).is_in(address), is_in, "{part}");
        }
    }

    #[test]
    fn spellings_of_one_mailbox_have_one_canonical_form() {
        for (typed, canonical) in [
            ("ann@example.com", "ann@example.com"),
            ("  Ann@Example.COM\t", "ann@example.com"),
            ("ａｎｎ@ｅｘａｍｐｌｅ.com", "ann@example.com"),
            ("ann@münchen.example", "ann@xn--mnchen-3ya.example"),
            ("ann@XN--MNCHEN-3YA.example", "ann@xn--mnchen-3ya.example"),
            ("ann+tag@example.com", "ann+tag@example.com"),
            ("o'hara@example.com", "o'hara@example.com"),
            ("用户@example.com", "用户@example.com"),
            ("root@localhost", "root@localhost"),
        ] {
            assert_eq!(
                EmailAddress::parse(typed).map(|a| a.0),
                Ok(canonical.to_owned()),
                "{typed}"
            );
        }
    }

    #[test]
    fn a_dotless_i_is_another_address() {
        assert_ne!(
            EmailAddress::parse("mıke@example.com"),
            EmailAddress::parse("mike@example.com")
        );
    }

    #[test]
    fn text_other_than_one_mailbox_is_refused() {
        let long = format!("{}@example.com", "a".repeat(65));
        let huge = "a".repeat(100_000);
        for (typed, why) in [
            ("", Invalid::Empty),
            (" ", Invalid::Empty),
            ("ann", Invalid::NotAMailbox),
            ("@example.com", Invalid::NotAMailbox),
            ("ann@", Invalid::NotAMailbox),
            ("ann..b@example.com", Invalid::NotAMailbox),
            (".ann@example.com", Invalid::NotAMailbox),
            ("ann@example.com,bob@example.com", Invalid::NotOne),
            ("ann@example.com@evil.example", Invalid::NotOne),
            ("Ann <ann@example.com>", Invalid::Control),
            ("<ann@example.com>", Invalid::NotOne),
            ("\"ann\"@example.com", Invalid::NotOne),
            ("ann@[127.0.0.1]", Invalid::NotOne),
            ("ann@example.com\r\nBcc: bob@example.com", Invalid::Control),
            ("ann@example.com\n", Invalid::Control),
            ("ann\0@example.com", Invalid::Control),
            ("ann\u{2028}@example.com", Invalid::Control),
            ("ann\u{200b}@example.com", Invalid::Control),
            ("ann@exa mple.com", Invalid::Control),
            ("😀@example.com", Invalid::Character),
            ("ADMİN@example.com", Invalid::Character),
            ("a\u{34f}b@example.com", Invalid::Control),
            ("ann@exam_ple.com", Invalid::Domain),
            ("ann@-example.com", Invalid::Domain),
            ("ann@example..com", Invalid::Domain),
            (&long, Invalid::TooLong),
            (&huge, Invalid::TooLong),
        ] {
            assert_eq!(EmailAddress::parse(typed), Err(why), "{typed:?}");
        }
    }

    #[test]
    fn the_longest_addresses_are_accepted() {
        let domain = |last: usize| [63, 63, last].map(|length| "d".repeat(length)).join(".");
        let local = "a".repeat(64);
        let longest = format!("{local}@{}", domain(61));
        assert_eq!(longest.len(), 254);
        assert_eq!(EmailAddress::parse(&longest).unwrap().to_string(), longest);
        // Letters of four bytes, which are written as `a`.
        let wide = format!("{}@{}", "\u{1d41a}".repeat(64), domain(61));
        assert_eq!(EmailAddress::parse(&wide).unwrap().as_str(), longest);
        for (typed, why) in [
            (format!("{local}@{}", domain(62)), Invalid::TooLong),
            (format!("{local}a@example.com"), Invalid::TooLong),
            (format!("a@{}.example", "d".repeat(64)), Invalid::Domain),
            (
                format!("a@{}.{}", domain(63), "d".repeat(62)),
                Invalid::Domain,
            ),
            ("a@example.com.".to_owned(), Invalid::Domain),
        ] {
            assert_eq!(EmailAddress::parse(&typed), Err(why), "{typed}");
        }
    }

    #[test]
    fn text_is_refused_unread_only_above_four_times_the_longest_address() {
        let refusal = |length| EmailAddress::parse(&",".repeat(length));
        assert_eq!(refusal(4 * LONGEST), Err(Invalid::NotOne));
        assert_eq!(refusal(4 * LONGEST + 1), Err(Invalid::TooLong));
    }

    #[test]
    fn a_masked_address_is_incomplete() {
        assert_eq!(masked("ann@example.com"), "a…@example.com");
        assert_eq!(masked("nonsense"), "…");
    }

    mod fuzz {
        use movie_bag_testkit::fuzz::Target;

        use super::*;

        /// Characters that most fonts do not show, although Unicode calls some of them letters.
        fn is_invisible(c: char) -> bool {
            matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{2060}'..='\u{206f}'
                | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}'
                | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
        }

        fn check(text: &str) {
            let Ok(address) = EmailAddress::parse(text) else {
                return;
            };
            let canonical = address.as_str();
            assert_eq!(EmailAddress::parse(canonical), Ok(address.clone()));
            let forbidden = |c: char| {
                c.is_control()
                    || c.is_whitespace()
                    || is_invisible(c)
                    || ",;<>\"()[]\\:".contains(c)
            };
            assert!(!canonical.contains(forbidden), "{canonical:?}");
            let (local, domain) = canonical.split_once('@').unwrap();
            assert!(domain.is_ascii() && !domain.contains(['@', '_']) && !local.is_empty());
            assert!(canonical.len() <= LONGEST && local.len() <= LONGEST_LOCAL_PART);
            let shown = masked(canonical);
            assert!(shown.split_once('@').unwrap().0 != local);
            assert!(
                canonical.parse::<lettre::Address>().is_ok(),
                "no mail goes to {canonical:?}"
            );
        }

        #[test]
        fn accepted_text_is_one_plain_mailbox_in_canonical_form() {
            let target = Target {
                name: "address",
                words: &[
                    "ann",
                    "@",
                    ".",
                    "example",
                    "com",
                    "xn--",
                    "xn--mnchen-3ya",
                    "+",
                    "'",
                    ",",
                    ";",
                    "<",
                    "\"",
                    "(",
                    ")",
                    ":",
                    "ａ",
                    "。",
                    "．",
                    "ß",
                    "ς",
                    "İ",
                    "K",
                    "\u{345}",
                    "\u{3164}",
                    "用户",
                    "-",
                ],
                seeds: vec![],
                cases: 3000,
            };
            target.run(|bytes| check(&String::from_utf8_lossy(bytes)));
        }

        #[test]
        fn no_character_is_accepted_as_another_one() {
            for c in '\0'..=char::MAX {
                check(&format!("a{c}b@example.com"));
                // Most characters take the same path through IDNA, which is slow.
                if u32::from(c) < 0x3000 || u32::from(c) % 16 == 0 {
                    check(&format!("ann@a{c}b.com"));
                }
            }
        }
    }
}
