//! Password hashes of other systems: those that are accepted as they are, and the names of those that are not.

use super::password::{COSTS, PasswordHash};

/// Length from which a text that begins like a hash is not a typed password.
const SHORTEST_HASH: usize = 20;

/// Prefixes of the hashes of other schemes, with the names of the schemes. bcrypt cannot verify them.
const OTHERS: &[(&str, &str)] = &[
    ("$argon2id$", "Argon2id"),
    ("$argon2i$", "Argon2i"),
    ("$argon2d$", "Argon2d"),
    ("argon2$", "Argon2, as Django writes it"),
    ("$scrypt$", "scrypt"),
    ("scrypt:", "scrypt, as Werkzeug writes it"),
    ("scrypt$", "scrypt, as Django writes it"),
    ("pbkdf2_sha256$", "PBKDF2, as Django writes it"),
    ("pbkdf2_sha1$", "PBKDF2, as Django writes it"),
    ("pbkdf2:", "PBKDF2, as Werkzeug writes it"),
    ("$pbkdf2", "PBKDF2"),
    ("bcrypt_sha256$", "bcrypt over SHA-256, as Django writes it"),
    ("$bcrypt-sha256$", "bcrypt over SHA-256"),
    ("$2x$", "the flawed bcrypt of old PHP versions ($2x$)"),
    ("$2$", "the first bcrypt ($2$)"),
    ("$1$", "MD5-crypt ($1$)"),
    ("$apr1$", "MD5-crypt of Apache ($apr1$)"),
    ("$5$", "SHA-256-crypt ($5$)"),
    ("$6$", "SHA-512-crypt ($6$)"),
    ("$y$", "yescrypt ($y$)"),
    ("$gy$", "yescrypt ($gy$)"),
    ("$7$", "scrypt ($7$)"),
    ("$P$", "phpass, as WordPress writes it ($P$)"),
    ("$H$", "phpass, as phpBB writes it ($H$)"),
    ("$S$", "SHA-512, as Drupal writes it ($S$)"),
    ("{SSHA", "salted SHA, as LDAP stores it"),
    ("{SHA", "SHA, as LDAP stores it"),
    ("{SMD5}", "salted MD5, as LDAP stores it"),
    ("{MD5}", "MD5, as LDAP stores it"),
    ("sha1$", "SHA-1, as Django wrote it"),
    ("md5$", "MD5, as Django wrote it"),
];

/// Prefixes that some systems put before a complete bcrypt hash.
const WRAPPINGS: &[&str] = &["bcrypt$", "{bcrypt}", "{CRYPT}"];

/// Names of bare digests in hex, by their length.
const DIGESTS: &[(usize, &str)] = &[
    (32, "plain MD5"),
    (40, "plain SHA-1"),
    (64, "plain SHA-256"),
    (128, "plain SHA-512"),
];

/// Reason why a hash is not accepted. It never contains the hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForeignHash {
    /// A hash of another scheme.
    #[error("cannot verify hashes of {0}")]
    Other(&'static str),
    /// A bcrypt hash with a prefix.
    #[error("the bcrypt hash has the prefix {0}")]
    Wrapped(&'static str),
    /// A bcrypt hash with a cost that is not verified.
    #[error("the bcrypt hash has cost {0}, but only 4 to 16 are supported")]
    Cost(u32),
    /// A malformed bcrypt hash.
    #[error(
        "the bcrypt hash is malformed: expected two digits of cost and 53 characters of salt and hash"
    )]
    Broken,
    /// Not a hash of a known scheme.
    #[error("it is not a bcrypt hash")]
    Unknown,
}

impl PasswordHash {
    /// Parses a bcrypt hash of another system: version `$2a$`, `$2b$` or `$2y$`, which differ only in errors that some programs
    /// once made, with a cost of 4 to 16. The text is kept as it is.
    ///
    /// # Errors
    /// Any other text, with the name of its scheme if it is known.
    pub fn parse_foreign(text: &str) -> Result<Self, ForeignHash> {
        let rest = ["$2a$", "$2b$", "$2y$"]
            .iter()
            .find_map(|version| text.strip_prefix(version));
        let Some(rest) = rest else {
            return Err(classify(text));
        };
        let cost = rest
            .split_once('$')
            .map(|(cost, _)| cost)
            .filter(|cost| cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|cost| cost.parse().ok())
            .ok_or(ForeignHash::Broken)?;
        // The code that verifies decides: it also checks the bits after the salt and the digest, which must be 0.
        if text.parse::<bcrypt::HashParts>().is_err() {
            return Err(ForeignHash::Broken);
        }
        if !COSTS.contains(&cost) {
            return Err(ForeignHash::Cost(cost));
        }
        Ok(Self::from_stored(text))
    }
}

/// Returns whether a text in place of a plaintext password is certainly a hash. A bare digest in hex is not: some people
/// generate passwords like that.
pub fn is_surely_a_hash(text: &str) -> bool {
    let begins = |start: &str| text.starts_with(start);
    text.len() >= SHORTEST_HASH
        && (["$2a$", "$2b$", "$2y$"].into_iter().any(begins)
            || OTHERS.iter().any(|(start, _)| begins(start))
            || wrapping_prefix(text).is_some())
}

fn classify(text: &str) -> ForeignHash {
    if let Some(prefix) = wrapping_prefix(text) {
        return ForeignHash::Wrapped(prefix);
    }
    let others = OTHERS.iter().find(|(start, _)| text.starts_with(start));
    if let Some((_, name)) = others {
        return ForeignHash::Other(name);
    }
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digest = DIGESTS.iter().find(|(length, _)| text.len() == *length);
    match digest {
        Some((_, name)) if is_hex => ForeignHash::Other(name),
        _ => ForeignHash::Unknown,
    }
}

fn wrapping_prefix(text: &str) -> Option<&'static str> {
    WRAPPINGS.iter().copied().find(|wrapping| {
        text.strip_prefix(wrapping)
            .is_some_and(|rest| rest.starts_with("$2"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of "correct horse".
    fn bcrypt_hash(version: bcrypt::Version) -> String {
        bcrypt::hash_with_salt("correct horse", 4, *b"sixteen of salt!")
            .unwrap()
            .format_for_version(version)
    }

    fn refusal(text: &str) -> ForeignHash {
        PasswordHash::parse_foreign(text).unwrap_err()
    }

    #[test]
    fn the_three_versions_of_bcrypt_are_accepted_unchanged_and_verify() {
        for version in [
            bcrypt::Version::TwoA,
            bcrypt::Version::TwoB,
            bcrypt::Version::TwoY,
        ] {
            let text = bcrypt_hash(version);
            let hash = PasswordHash::parse_foreign(&text).unwrap();
            assert_eq!(hash.as_str(), text);
            assert!(bcrypt::verify("correct horse", hash.as_str()).unwrap());
        }
    }

    #[test]
    fn costs_from_4_to_16_are_accepted() {
        let of_cost = |cost: &str| bcrypt_hash(bcrypt::Version::TwoB).replace("$04$", cost);
        for cost in ["$04$", "$10$", "$16$"] {
            assert!(
                PasswordHash::parse_foreign(&of_cost(cost)).is_ok(),
                "{cost}"
            );
        }
        for (cost, named) in [("$03$", 3), ("$00$", 0), ("$17$", 17), ("$31$", 31)] {
            assert_eq!(refusal(&of_cost(cost)), ForeignHash::Cost(named));
        }
        for cost in ["$4$", "$+4$", "$ 4$", "$004$", "$4.$", "$$"] {
            assert_eq!(refusal(&of_cost(cost)), ForeignHash::Broken, "{cost}");
        }
    }

    #[test]
    fn an_accepted_hash_verifies_with_any_last_characters() {
        let whole = bcrypt_hash(bcrypt::Version::TwoB);
        let alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+ \0";
        // The last characters of salt and hash.
        for place in [28, 59] {
            for character in alphabet.chars() {
                let mut text = whole.clone();
                text.replace_range(place..=place, &character.to_string());
                if let Ok(hash) = PasswordHash::parse_foreign(&text) {
                    let verified = bcrypt::verify("correct horse", hash.as_str());
                    assert_eq!(verified.unwrap(), text == whole, "{text}");
                }
            }
        }
        for broken in [
            whole[..59].to_owned(),
            format!("{whole}."),
            format!("{whole} "),
            format!("{}\n", &whole[..59]),
            whole.replace('$', "\u{ff04}"),
            format!("{}ä", &whole[..58]),
            "$2b$".to_owned(),
            "$2b$04$".to_owned(),
        ] {
            let refused = refusal(&broken);
            let expected = [ForeignHash::Broken, ForeignHash::Unknown];
            assert!(expected.contains(&refused), "{broken:?}: {refused}");
        }
    }

    #[test]
    fn hashes_of_other_schemes_are_refused_by_name() {
        for (text, name) in [
            ("$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "Argon2id"),
            ("argon2$argon2id$v=19$m=102400$c2FsdA$aGFzaA", "Django"),
            ("pbkdf2_sha256$600000$salt$aGFzaA=", "Django"),
            ("pbkdf2:sha256:600000$salt$68617368", "Werkzeug"),
            ("scrypt:32768:8:1$salt$68617368", "Werkzeug"),
            ("bcrypt_sha256$$2b$12$x", "SHA-256"),
            ("$2x$10$abcdefghijklmnopqrstuv", "$2x$"),
            ("$1$salt$hash", "MD5-crypt"),
            ("$5$salt$hash", "SHA-256-crypt"),
            ("$6$rounds=5000$salt$hash", "SHA-512-crypt"),
            ("$y$j9T$salt$hash", "yescrypt"),
            ("$7$C6..../....salt$hash", "scrypt"),
            ("$P$B12345678", "WordPress"),
            ("$H$912345678", "phpBB"),
            ("{SSHA}c2FsdGVk", "LDAP"),
            ("5f4dcc3b5aa765d61d8327deb882cf99", "MD5"),
            ("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8", "SHA-1"),
            (
                "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8",
                "SHA-256",
            ),
        ] {
            let refused = refusal(text);
            assert!(matches!(refused, ForeignHash::Other(_)), "{text}");
            assert!(refused.to_string().contains(name), "{text}: {refused}");
            assert!(!refused.to_string().contains(text));
        }
        let wrapped = format!("bcrypt${}", bcrypt_hash(bcrypt::Version::TwoB));
        assert_eq!(refusal(&wrapped), ForeignHash::Wrapped("bcrypt$"));
        for text in [
            "",
            "!",
            "correct horse",
            "$",
            "$$$$",
            "2b",
            "5f4dcc3b",
            "a password of thirty-two letters",
        ] {
            assert_eq!(refusal(text), ForeignHash::Unknown, "{text}");
        }
    }

    #[test]
    fn a_hash_is_distinguished_from_a_password() {
        assert!(is_surely_a_hash(&bcrypt_hash(bcrypt::Version::TwoY)));
        assert!(is_surely_a_hash("pbkdf2_sha256$600000$salt$aGFzaA="));
        for password in [
            "$1$ is too little",
            "5f4dcc3b5aa765d61d8327deb882cf99",
            "two dollars $2b$ or not",
        ] {
            assert!(!is_surely_a_hash(password), "{password}");
        }
    }
}
