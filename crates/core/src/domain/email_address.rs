//! Email addresses: one mailbox, in one canonical form, so that one person has one account.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use super::unicode::is_ignorable;

/// The longest address that mail can carry (RFC 5321 4.5.3.1.3 less the angle brackets).
const LONGEST: usize = 254;
/// The longest local part (RFC 5321 4.5.3.1.1).
const LONGEST_LOCAL_PART: usize = 64;

/// One mailbox in canonical form: trimmed, NFKC, lower-case, the domain in its ASCII (IDNA) form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(String);

/// Why a text is not one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmailAddress {
    /// Nothing is there.
    #[error("it is empty")]
    Empty,
    /// No `@`, or nothing on one side of it.
    #[error("it does not have the form name@domain")]
    NotAMailbox,
    /// Several addresses, a display name or a comment: more than one mailbox and nothing else.
    #[error("it is more than one address")]
    NotOne,
    /// CR, LF, NUL, other control characters, spaces inside, or what is not seen.
    #[error("it contains a space, a control character or an invisible character")]
    Control,
    /// Longer than mail can carry.
    #[error("it is longer than 254 characters, or the part before @ is longer than 64")]
    TooLong,
    /// A character that the part before the @ can't have: then no mail server takes mail for it.
    #[error("the part before @ contains a character that is not allowed")]
    Character,
    /// The domain is no host name, also not in its IDNA form.
    #[error("its domain is not a valid domain name")]
    Domain,
}

impl EmailAddress {
    /// Parses what a person typed into canonical form.
    ///
    /// # Errors
    /// Refuses what is not exactly one mailbox: lists, display names, quoted local parts (which hide separators),
    /// control characters, and domains that IDNA (UTS 46) refuses.
    pub fn parse(text: &str) -> Result<Self, InvalidEmailAddress> {
        use InvalidEmailAddress as Invalid;
        let text = text.trim_matches([' ', '\t']);
        if text.is_empty() {
            return Err(Invalid::Empty);
        }
        // Bounded before it is normalised: NFKC can grow a text eighteenfold.
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

    /// The canonical form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The IDNA form by the rules for host names; `localhost` and other single labels are taken, since a laptop's
/// and a company's own mail use them.
fn ascii_domain(domain: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii_strict(domain).ok()?;
    let is_label = |label: &str| !label.is_empty() && label.len() <= 63;
    (ascii.len() <= 253 && ascii.split('.').all(is_label)).then_some(ascii)
}

/// RFC 5322 3.2.3 `atext`, with the letters and digits of all scripts (RFC 6531 3.3). What else that one would let
/// through, such as pictures and lone accents, mail libraries refuse: such an account could never get a mail.
fn is_atom_character(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

/// Control characters, white space and the characters that only change how their neighbours look: none of them
/// belongs in an address, and all of them are used to make one look like another.
fn is_forbidden(c: char) -> bool {
    c.is_control() || c.is_whitespace() || is_ignorable(c) || matches!(c, '\u{fff9}'..='\u{fffd}')
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The address as logs may show it: the first character and the domain.
pub fn masked(address: &str) -> String {
    match address.split_once('@') {
        Some((local, domain)) => format!(
            "{}…@{domain}",
            local.chars().next().map(String::from).unwrap_or_default()
        ),
        None => "…".to_owned(),
    }
}

/// A part of addresses that somebody looks for.
#[derive(Debug, Clone)]
pub struct AddressPart(String);

impl AddressPart {
    /// Takes what a person typed: capitals and the width of letters do not count.
    pub fn new(typed: &str) -> Self {
        Self(folded(typed))
    }

    /// Whether this address, as it is stored, has it.
    pub fn is_in(&self, address: &str) -> bool {
        folded(address).contains(&self.0)
    }
}

/// NFKC without capitals; lower-casing can undo the former, and so it is done once more.
fn folded(text: &str) -> String {
    let text: String = text.nfkc().collect();
    text.to_lowercase().nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::InvalidEmailAddress as Invalid;
    use super::*;

    #[test]
    fn a_part_is_found_in_any_capitals() {
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
    fn one_person_has_one_spelling() {
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
    fn what_is_not_one_mailbox_is_refused() {
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
    fn a_log_shows_no_whole_address() {
        assert_eq!(masked("ann@example.com"), "a…@example.com");
        assert_eq!(masked("nonsense"), "…");
    }

    mod fuzz {
        use super::*;
        use movie_bag_testkit::fuzz::Target;

        /// What stays invisible in most fonts, though Unicode calls some of it letters.
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
        fn what_is_taken_is_one_plain_mailbox_in_its_canonical_form() {
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
        fn no_character_at_all_comes_through_as_another_one() {
            for c in '\0'..=char::MAX {
                check(&format!("a{c}b@example.com"));
                // Most of them go the same way through IDNA, which takes its time.
                if u32::from(c) < 0x3000 || u32::from(c) % 16 == 0 {
                    check(&format!("ann@a{c}b.com"));
                }
            }
        }
    }
}
