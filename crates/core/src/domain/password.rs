//! Passwords: the plaintext for the duration of one call, the policy, and the stored hash.
//!
//! The policy applies when a password is set (NIST SP 800-63B-4 3.1.1.2). A login accepts any password that fits the hash.

use std::fmt;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use unicode_normalization::{UnicodeNormalization, is_nfc};
use zeroize::Zeroizing;

use super::product_name::ProductName;

/// Maximum length for bcrypt, which ignores further bytes silently (<https://www.usenix.org/legacy/events/usenix99/provos.html>).
pub const LONGEST_BYTES: usize = 72;

/// Plaintext password. It is erased from memory when it goes out of scope, and has neither `Debug` nor `Serialize`.
pub struct PasswordInput(Zeroizing<String>);

impl PasswordInput {
    /// Takes the text that a person typed.
    pub fn new(typed: impl Into<String>) -> Self {
        Self(Zeroizing::new(typed.into()))
    }

    /// Returns the form that is hashed: NFC, so that a password is the same on every keyboard.
    pub fn normalized(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.nfc().collect())
    }

    /// Returns the forms from which a hash of another program may have been made: NFC, and the typed form if it differs.
    pub fn candidates(&self) -> Vec<Zeroizing<String>> {
        let mut forms = vec![self.normalized()];
        if !is_nfc(&self.0) {
            forms.push(self.0.clone());
        }
        forms
    }

    /// Returns whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether both entries of a prompt are the same password.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.normalized() == other.normalized()
    }
}

/// Rule that a password breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer code points than the minimum.
    #[error("the password is too short: at least {minimum} characters are needed")]
    TooShort {
        /// Minimum in code points.
        minimum: usize,
    },
    /// More bytes than bcrypt uses.
    #[error("the password is too long: at most 72 bytes in UTF-8 are allowed")]
    TooLong,
    /// bcrypt ignores everything after a NUL.
    #[error("the password must not contain a NUL character")]
    Nul,
    /// The password is on the list of common passwords.
    #[error("the password is one of the most common ones, which attackers try first")]
    Common,
    #[error("the password must not be the email address")]
    IsAddress,
    /// The password is the name of the product.
    #[error("the password must not be the name of this service")]
    IsServiceName,
    /// The password differs little from the address or the name of the product.
    #[error("the password is too similar to the email address or the name of this service")]
    Derived,
}

/// Requirements for new passwords.
#[derive(Debug, Clone)]
pub struct PasswordPolicy {
    /// Minimum length in code points.
    pub min_length: usize,
    /// Name that is not a password.
    pub product: ProductName,
}

impl PasswordPolicy {
    /// Checks a new password for the account with `address`.
    ///
    /// # Errors
    /// The first rule that the password breaks.
    pub fn check(&self, password: &PasswordInput, address: &str) -> Result<(), WeakPassword> {
        let typed = password.0.chars().count();
        let password = password.normalized();
        // Both forms must be long enough: some characters normalise to three.
        if typed.min(password.chars().count()) < self.min_length {
            return Err(WeakPassword::TooShort {
                minimum: self.min_length,
            });
        }
        if password.len() > LONGEST_BYTES {
            return Err(WeakPassword::TooLong);
        }
        if password.contains('\0') {
            return Err(WeakPassword::Nul);
        }
        // Surrounding spaces, case and full-width letters do not make a password harder to guess.
        let bare = password.nfkc().collect::<String>().trim().to_lowercase();
        let local_part = address.rsplit_once('@').map_or(address, |(local, _)| local);
        if bare == address.to_lowercase() || bare == local_part.to_lowercase() {
            return Err(WeakPassword::IsAddress);
        }
        let [name, name_letters] = self.names();
        if letters(&bare) == name_letters {
            return Err(WeakPassword::IsServiceName);
        }
        if is_guessed_soon(&bare, &[]) {
            return Err(WeakPassword::Common);
        }
        if is_guessed_soon(&bare, &[address, local_part, &name, &name_letters]) {
            return Err(WeakPassword::Derived);
        }
        Ok(())
    }

    /// Returns the strength of a password, from 0 (guessed at once) to 4, with a hint for the person who types it.
    pub fn strength(&self, password: &PasswordInput, address: &str) -> (u8, Option<String>) {
        let [name, name_letters] = self.names();
        let estimate = zxcvbn::zxcvbn(&password.normalized(), &[address, &name, &name_letters]);
        let hint = estimate.feedback().and_then(|feedback| {
            feedback
                .warning()
                .map(|warning| warning.to_string())
                .or_else(|| feedback.suggestions().first().map(ToString::to_string))
        });
        (u8::from(estimate.score()), hint)
    }

    /// Returns the name of the product as passwords are compared with it, and its letters and digits alone.
    fn names(&self) -> [String; 2] {
        let name = self.product.folded();
        let name_letters = letters(&name);
        [name, name_letters]
    }
}

fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// Returns whether an attacker who tries these words and the most common passwords first needs no more guesses than
/// zxcvbn's list of common passwords has entries. That covers every entry of the list, also those for which zxcvbn finds
/// a shorter way (`drowssap`, `poiuytrewq`), and passwords that are guessed as early, such as `abcdefgh`, a single common
/// word or `movie-bag1` (NIST SP 800-63B-4 3.1.1.2). Passwords that are longer than every entry are never refused:
/// repetition alone breaks no rule.
fn is_guessed_soon(password: &str, words: &[&str]) -> bool {
    /// Length of the list. The estimate for an entry is its rank plus one.
    const LIST: u64 = 30_000;
    /// Length of its longest entry in characters.
    const LONGEST_ENTRY: usize = 20;
    password.chars().count() <= LONGEST_ENTRY
        && zxcvbn::zxcvbn(password, words).guesses() <= LIST + 1
}

/// bcrypt hash as it is stored: `$2a$`, `$2b$` or `$2y$`, two digits of cost, 22 characters of salt, 31 of hash.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes any text that is stored: an account whose hash no password can fit must still be listed, and can be reset.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text that is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Prefixes of the versions of bcrypt that are verified.
const VERSIONS: [&str; 3] = ["$2a$", "$2b$", "$2y$"];

/// Costs of the hashes that are verified (base-2 logarithms of their rounds). Each step doubles the time: 16 takes about 5
/// seconds, and every login takes as long as the most expensive hash of all accounts.
pub const COSTS: RangeInclusive<u32> = 4..=16;

/// Returns the cost that a bcrypt hash states in its first 7 characters, `$2b$12$`; `None` for anything else.
pub fn cost_at_start(hash: &str) -> Option<u32> {
    let rest = VERSIONS
        .iter()
        .find_map(|version| hash.strip_prefix(version))?;
    let (cost, _) = rest.split_once('$')?;
    let is_number = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
    cost.parse().ok().filter(|_| is_number)
}

/// Parts of a bcrypt hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashParts {
    /// Base-2 logarithm of the number of rounds, 4 to 31.
    pub cost: u32,
    pub salt: [u8; 16],
    /// Digest of the password.
    pub digest: [u8; 23],
}

/// bcrypt's Base64, without padding. The last letter of salt and digest has unused bits; some programs have set them.
const BCRYPT64: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

impl PasswordHash {
    /// Formats a hash of version `2b`.
    pub fn from_parts(parts: &HashParts) -> Self {
        let HashParts { cost, salt, digest } = parts;
        let (salt, digest) = (BCRYPT64.encode(salt), BCRYPT64.encode(digest));
        Self(format!("$2b${cost:02}${salt}{digest}"))
    }

    /// Returns the parts of a bcrypt hash; `None` for any other text.
    pub fn parts(&self) -> Option<HashParts> {
        let cost = cost_at_start(&self.0)?;
        let (_, salt_and_digest) = self.0.split_at_checked(7)?;
        if salt_and_digest.len() != 53 {
            return None;
        }
        let (salt, digest) = salt_and_digest.split_at_checked(22)?;
        Some(HashParts {
            cost: Some(cost).filter(|cost| (4..=31).contains(cost))?,
            salt: BCRYPT64.decode(salt).ok()?.try_into().ok()?,
            digest: BCRYPT64.decode(digest).ok()?.try_into().ok()?,
        })
    }

    /// Returns the cost of a bcrypt hash (the base-2 logarithm of its rounds), 4 to 31; `None` for any other text.
    pub fn cost(&self) -> Option<u32> {
        self.parts().map(|parts| parts.cost)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: PasswordPolicy = PasswordPolicy {
        min_length: 8,
        product: ProductName::DEFAULT,
    };

    fn check(password: &str) -> Result<(), WeakPassword> {
        POLICY.check(&PasswordInput::new(password), "annabella@example.com")
    }

    #[test]
    fn passwords_of_any_script_and_with_spaces_are_accepted() {
        for password in [
            "correct horse battery",
            "пароль-длинный-и-свой",
            "長い合言葉をここに",
            &"xy".repeat(36),
            &"a".repeat(64),
            "lovelace-1815 ",
        ] {
            assert_eq!(check(password), Ok(()), "{password}");
        }
    }

    #[test]
    fn two_entries_are_compared_in_one_form() {
        let is_same =
            |one: &str, other: &str| PasswordInput::new(one).is_same_as(&PasswordInput::new(other));
        assert!(is_same("gr\u{fc}n", "gru\u{308}n"));
        assert!(!is_same("gr\u{fc}n", "grun"));
        assert!(PasswordInput::new("").is_empty() && !PasswordInput::new(" ").is_empty());
    }

    #[test]
    fn the_strength_is_a_score_with_a_hint_for_weak_passwords() {
        let strength =
            |text: &str| POLICY.strength(&PasswordInput::new(text), "annabella@example.com");
        let (score, hint) = strength("password");
        assert_eq!(score, 0);
        assert!(hint.is_some_and(|hint| !hint.is_empty()));
        assert_eq!(strength("annabella@example.com").0, 0);
        assert_eq!(strength("kilo-lantern-93-porcupine"), (4, None));
    }

    #[test]
    fn the_cost_is_read_only_from_complete_bcrypt_hashes() {
        let rest = "abcdefghijklmnopqrstuvwxyz./ABCDEFGHIJKLMNOPQRSTUVWXY";
        for (text, cost) in [
            (format!("$2b$12${rest}"), Some(12)),
            (format!("$2a$04${rest}"), Some(4)),
            (format!("$2y$31${rest}"), Some(31)),
            (format!("$2b$03${rest}"), None),
            (format!("$2b$32${rest}"), None),
            (format!("$2x$12${rest}"), None),
            (format!("$2b$12${rest}x"), None),
            (format!("$2b$1${rest}"), None),
            (format!("$2b$+5${rest}"), None),
            ("$argon2id$v=19$m=65536".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(PasswordHash::from_stored(&text).cost(), cost, "{text}");
        }
    }

    #[test]
    fn each_rule_refuses_with_its_reason() {
        for (password, rule) in [
            ("", WeakPassword::TooShort { minimum: 8 }),
            ("1234567", WeakPassword::TooShort { minimum: 8 }),
            ("äöüäöüä", WeakPassword::TooShort { minimum: 8 }),
            // Three characters each in the form that is hashed.
            (
                "\u{fb2c}\u{fb2c}\u{fb2c}",
                WeakPassword::TooShort { minimum: 8 },
            ),
            (&"xy".repeat(37), WeakPassword::TooLong),
            (&"ä".repeat(37), WeakPassword::TooLong),
            ("nine\0nine", WeakPassword::Nul),
            ("password1", WeakPassword::Common),
            ("PASSWORD", WeakPassword::Common),
            ("12345678", WeakPassword::Common),
            ("iloveyou", WeakPassword::Common),
            ("zzzzzzzzzzzz", WeakPassword::Common),
            // These passwords are on the list, although zxcvbn finds shorter ways to them.
            ("passw0rd", WeakPassword::Common),
            ("drowssap", WeakPassword::Common),
            ("p@ssw0rd", WeakPassword::Common),
            ("poiuytrewq", WeakPassword::Common),
            ("321654987", WeakPassword::Common),
            ("44332211", WeakPassword::Common),
            ("987654321a", WeakPassword::Common),
            ("iloveyou!", WeakPassword::Common),
            ("1qaz2wsx3edc4rfv", WeakPassword::Common),
            ("ｐａｓｓｗｏｒｄ", WeakPassword::Common),
            (" password ", WeakPassword::Common),
            (" Ａnnabella@Example.com ", WeakPassword::IsAddress),
            ("annabella@example.com", WeakPassword::IsAddress),
            ("Annabella", WeakPassword::IsAddress),
            ("Movie-Bag", WeakPassword::IsServiceName),
            ("movie-bag1", WeakPassword::Derived),
            ("Annabella1!", WeakPassword::Derived),
        ] {
            assert_eq!(check(password), Err(rule), "{password:?}");
        }
    }

    #[test]
    fn the_name_of_the_product_is_no_password_in_any_spelling() {
        let policy = |name| PasswordPolicy {
            min_length: 8,
            product: ProductName::parse(name).unwrap(),
        };
        let check = |name, password: &str| {
            policy(name).check(&PasswordInput::new(password), "annabella@example.com")
        };
        for (name, password, rule) in [
            ("Filmotheque", "filmotheque", WeakPassword::IsServiceName),
            ("Filmotheque", "FILMO-theque ", WeakPassword::IsServiceName),
            ("Example Films", "examplefilms", WeakPassword::IsServiceName),
            ("Фильмотека", "фильмотека", WeakPassword::IsServiceName),
            (
                "Ｆｉｌｍｏｔｈｅｑｕｅ",
                "filmotheque",
                WeakPassword::IsServiceName,
            ),
            ("Filmotheque", "filmotheque1", WeakPassword::Derived),
        ] {
            assert_eq!(check(name, password), Err(rule), "{name}: {password}");
        }
        assert_eq!(check("Filmotheque", "movie-bag1"), Ok(()));
        let strength = |name| {
            policy(name)
                .strength(&PasswordInput::new("filmotheque"), "")
                .0
        };
        assert!(strength("Filmotheque") < strength("Movie-bag"));
    }

    #[test]
    fn composed_and_decomposed_are_one_password() {
        let (composed, decomposed) = (
            PasswordInput::new("gr\u{fc}n"),
            PasswordInput::new("gru\u{308}n"),
        );
        assert!(composed.is_same_as(&decomposed));
        assert_eq!(composed.candidates().len(), 1);
        assert_eq!(decomposed.candidates().len(), 2);
    }

    #[test]
    fn debug_output_does_not_contain_the_hash() {
        assert_eq!(
            format!("{:?}", PasswordHash::from_stored("$2b$12$secret")),
            "PasswordHash(…)"
        );
    }
}
