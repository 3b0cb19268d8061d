//! Tokens: signed statements that open one thing for one account, for a time.
//!
//! JWTs signed with HS256 and nothing else (RFC 7519, RFC 8725 3.1, 3.2). Each names its purpose, which the verifier
//! demands (RFC 8725 3.11), and carries a fingerprint of the credential it was made for: when the credential changes,
//! every reset token of the account is void, without a table of tokens.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::account::Account;
use super::clock::{Rng, draw};
use super::id::AccountId;
use super::limit::{Limit, LimitKey};
use super::password::PasswordHash;

/// A longer text is no token of ours: theirs are about 330 bytes.
pub const LONGEST: usize = 1024;
/// Length of the signature of a token: 32 bytes in base64url, without padding.
const SIGNATURE: usize = 43;

/// What a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// A reset, and nothing else.
    Reset,
    /// The API, and nothing else.
    Access,
}

/// A token as it travels. It shows itself only where it is written out on purpose.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Placeholder of the length of a reset token, for a test mail. It is not a JWT, so no key verifies it.
pub fn unusable_token() -> String {
    const TEXT: &str = "this-is-a-test-and-not-a-reset-token-";
    struct Zeros;
    impl Rng for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }
    let account = Account {
        id: AccountId::new(Timestamp::UNIX_EPOCH, [0; 8]),
        address: String::new(),
        password_hash: PasswordHash::from_stored(""),
        revocation: None,
    };
    // A present-day time: its digits count.
    let at = Timestamp::from_second(1_800_000_000).unwrap_or_default();
    let keys = TokenKeys::new(&[0; 32], None);
    let token = keys.issue(Purpose::Reset, &account, at, Duration::ZERO, &Zeros);
    let length = token.as_str().len();
    TEXT.chars().cycle().take(length).collect()
}

impl Token {
    /// Takes the token from what a person pasted: the token itself, or the whole link from the mail.
    pub fn from_pasted(text: &str) -> Self {
        let text = text.trim_matches(|c: char| c.is_whitespace() || "<>\"'".contains(c));
        // What a mail program hangs on a link may name another path.
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let last = path.rsplit_once("/reset/").map_or(path, |(_, token)| token);
        let end = last.find('/').unwrap_or(last.len());
        Self(last[..end].to_owned())
    }

    /// Takes the token as a program sent it, to the letter.
    pub fn from_exact(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns whether the text has the form of a signed token: three parts in the alphabet of base64url, of which the last
    /// one has the length of a signature.
    ///
    /// Anyone can compute this: neither a secret nor an account takes part. A page may therefore tell an owner that a mail
    /// program cut the link off, and a forger learns nothing.
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

    /// The token in clear.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// A keyed digest that binds a token or an outbox entry to the credential it was made for. It redeems nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Takes a fingerprint as it is stored.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text that is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a token opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Broken, foreign, or made for another purpose: told apart to nobody.
    #[error("Invalid token")]
    Invalid,
    /// Authentic, but its time is over.
    #[error("Token has expired")]
    Expired {
        /// Whose it was.
        account: AccountId,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    sub: String,
    iat: i64,
    exp: i64,
    jti: String,
    purpose: Purpose,
    fingerprint: String,
}

/// One secret, ready to sign, verify and bind.
#[derive(Clone)]
struct Key {
    encoding: EncodingKey,
    decoding: DecodingKey,
    /// Keyed with a key of its own, so that a digest is never a signature.
    binding: Hmac<Sha256>,
}

impl Key {
    fn new(secret: &[u8]) -> Self {
        let mac = |key: &[u8]| {
            <Hmac<Sha256>>::new_from_slice(key)
                .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length (RFC 2104 3)"))
        };
        let mut derived = mac(secret);
        derived.update(b"movie-bag credential fingerprint v1");
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            binding: mac(&derived.finalize().into_bytes()),
        }
    }

    /// Binds to what the purpose depends on: a reset to the address too, since the mail went there; a login to the last
    /// time that all logins were ended.
    fn bind(&self, purpose: Purpose, account: &Account) -> Hmac<Sha256> {
        let address: &[u8] = match purpose {
            Purpose::Reset => account.address.as_bytes(),
            Purpose::Access => b"",
        };
        let revocation = account.revocation.as_ref();
        let revocation: &[u8] = match purpose {
            Purpose::Reset => b"",
            Purpose::Access => revocation.map_or(b"", |id| id.as_bytes()),
        };
        let name: &[u8] = match purpose {
            Purpose::Reset => b"reset",
            Purpose::Access => b"access",
        };
        self.digest(&[
            name,
            account.id.as_bytes().as_slice(),
            address,
            account.password_hash.as_str().as_bytes(),
            revocation,
        ])
    }

    fn digest(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.binding.clone();
        for part in parts {
            // The length before each part, so that no two lists of them give the same bytes.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }

    fn fits(&self, fingerprint: &str, purpose: Purpose, account: &Account) -> bool {
        // `verify_slice` compares in constant time.
        URL_SAFE_NO_PAD
            .decode(fingerprint)
            .is_ok_and(|digest| self.bind(purpose, account).verify_slice(&digest).is_ok())
    }
}

/// The secrets that sign and verify: the current one, and while it is rotated the previous one, which only verifies.
#[derive(Clone)]
pub struct TokenKeys {
    current: Key,
    previous: Option<Key>,
}

/// A token that is authentic, for the demanded purpose, and in time. Whether it still fits its account is asked next.
pub struct VerifiedToken {
    /// Whose it is.
    pub account: AccountId,
    purpose: Purpose,
    fingerprint: String,
    key: Key,
}

impl VerifiedToken {
    /// Whether the credential is still the one that the token was made for.
    pub fn fits(&self, account: &Account) -> bool {
        account.id == self.account && self.key.fits(&self.fingerprint, self.purpose, account)
    }
}

impl TokenKeys {
    /// Takes the secrets as they stand, 32 bytes or more.
    pub fn new(secret: &[u8], previous: Option<&[u8]>) -> Self {
        Self {
            current: Key::new(secret),
            previous: previous.map(Key::new),
        }
    }

    /// The fingerprint of an account's credential for resets.
    pub fn fingerprint(&self, account: &Account) -> Fingerprint {
        self.fingerprint_for(Purpose::Reset, account)
    }

    fn fingerprint_for(&self, purpose: Purpose, account: &Account) -> Fingerprint {
        Fingerprint(
            URL_SAFE_NO_PAD.encode(self.current.bind(purpose, account).finalize().into_bytes()),
        )
    }

    /// Whether an outbox entry's fingerprint still fits the account, also when made with the previous secret.
    pub fn fits(&self, fingerprint: &Fingerprint, account: &Account) -> bool {
        std::iter::once(&self.current)
            .chain(&self.previous)
            .any(|key| key.fits(&fingerprint.0, Purpose::Reset, account))
    }

    /// Whom a limit is about, without saying so to who reads the database.
    pub fn limit_key(&self, limit: Limit, subject: &str) -> LimitKey {
        let mac = self
            .current
            .digest(&[b"limit", limit.name().as_bytes(), subject.as_bytes()]);
        LimitKey(mac.finalize().into_bytes().into())
    }

    /// Makes a token for the account's present credential, valid from `issued_at` for `lifetime`.
    pub fn issue(
        &self,
        purpose: Purpose,
        account: &Account,
        issued_at: Timestamp,
        lifetime: Duration,
        rng: &dyn Rng,
    ) -> Token {
        let issued_at = issued_at.as_second();
        let claims = Claims {
            sub: account.id.to_string(),
            iat: issued_at,
            exp: issued_at.saturating_add_unsigned(lifetime.as_secs()),
            jti: URL_SAFE_NO_PAD.encode(draw::<16>(rng)),
            purpose,
            fingerprint: self.fingerprint_for(purpose, account).0,
        };
        let token = jsonwebtoken::encode(
            &Header::new(Algorithm::HS256),
            &claims,
            &self.current.encoding,
        );
        Token(token.unwrap_or_else(|error| {
            unreachable!("HMAC signs any claims of plain strings and numbers: {error}")
        }))
    }

    /// Verifies signature, form, purpose and time, in this order.
    ///
    /// # Errors
    /// [`TokenError::Expired`] only for an authentic token of this purpose, from its very second of expiry on
    /// (RFC 7519 4.1.4, no leeway); [`TokenError::Invalid`] for all else.
    pub fn verify(
        &self,
        token: &Token,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<VerifiedToken, TokenError> {
        if token.0.len() > LONGEST {
            return Err(TokenError::Invalid);
        }
        let (claims, key) = std::iter::once(&self.current)
            .chain(&self.previous)
            .find_map(|key| authentic_claims(&token.0, key).map(|claims| (claims, key)))
            .ok_or(TokenError::Invalid)?;
        let account = claims.sub.parse().map_err(|_| TokenError::Invalid)?;
        if claims.purpose != purpose {
            return Err(TokenError::Invalid);
        }
        if now.as_second() >= claims.exp {
            return Err(TokenError::Expired { account });
        }
        Ok(VerifiedToken {
            account,
            purpose,
            fingerprint: claims.fingerprint,
            key: key.clone(),
        })
    }
}

/// Only HS256 by the list, and time not here: the library would read the machine's clock and allow a leeway.
fn authentic_claims(token: &str, key: &Key) -> Option<Claims> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation)
        .ok()
        .map(|data| data.claims)
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, prop_assume, proptest};

    use super::*;
    use crate::domain::password::PasswordHash;

    struct Fixed;
    impl Rng for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    const SECRET: &[u8] = b"a secret of thirty-two bytes or more";
    const DAY: Duration = Duration::from_secs(86_400);

    fn account() -> Account {
        Account {
            id: AccountId::from_bytes([1; 12]),
            address: "ann@example.com".to_owned(),
            password_hash: PasswordHash::from_stored("$2b$12$first"),
            revocation: None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn keys() -> TokenKeys {
        TokenKeys::new(SECRET, None)
    }

    fn reset_token() -> Token {
        keys().issue(Purpose::Reset, &account(), at(1_000), DAY, &Fixed)
    }

    fn verify(token: &str, now: i64) -> Result<VerifiedToken, TokenError> {
        keys().verify(&Token::from_exact(token), Purpose::Reset, at(now))
    }

    #[test]
    fn a_token_fits_the_credential_it_was_made_for_and_no_other() {
        let verified = verify(reset_token().as_str(), 1_001).ok().unwrap();
        assert!(verified.fits(&account()));
        let changed = [
            Account {
                password_hash: PasswordHash::from_stored("$2b$12$second"),
                ..account()
            },
            Account {
                address: "bob@example.com".to_owned(),
                ..account()
            },
            Account {
                id: AccountId::from_bytes([2; 12]),
                ..account()
            },
        ];
        assert!(changed.iter().all(|account| !verified.fits(account)));
    }

    #[test]
    fn a_token_expires_exactly_at_the_limit() {
        let token = reset_token();
        assert!(verify(token.as_str(), 1_000 + 86_399).is_ok());
        assert_eq!(
            verify(token.as_str(), 1_000 + 86_400).err(),
            Some(TokenError::Expired {
                account: account().id
            })
        );
    }

    #[test]
    fn a_token_opens_only_what_it_is_for() {
        let access = keys().issue(Purpose::Access, &account(), at(1_000), DAY, &Fixed);
        assert_eq!(
            verify(access.as_str(), 1_001).err(),
            Some(TokenError::Invalid)
        );
        assert_eq!(
            keys()
                .verify(&reset_token(), Purpose::Access, at(1_001))
                .err(),
            Some(TokenError::Invalid)
        );
        // An expired one of another purpose is no authentic reset token, and does not say "expired".
        assert_eq!(
            verify(access.as_str(), 1_000_000).err(),
            Some(TokenError::Invalid)
        );
    }

    #[test]
    fn an_access_token_survives_a_change_of_address_and_not_of_password() {
        let access = keys().issue(Purpose::Access, &account(), at(1_000), DAY, &Fixed);
        let verified = keys()
            .verify(&access, Purpose::Access, at(1_001))
            .ok()
            .unwrap();
        assert!(verified.fits(&Account {
            address: "bob@example.com".to_owned(),
            ..account()
        }));
        assert!(!verified.fits(&Account {
            password_hash: PasswordHash::from_stored("$2b$12$second"),
            ..account()
        }));
    }

    #[test]
    fn the_previous_secret_verifies_and_never_signs() {
        let rotated = TokenKeys::new(b"another secret of thirty-two bytes!!", Some(SECRET));
        let verified = rotated
            .verify(&reset_token(), Purpose::Reset, at(1_001))
            .ok()
            .unwrap();
        assert!(verified.fits(&account()));
        assert!(rotated.fits(&keys().fingerprint(&account()), &account()));
        let fresh = rotated.issue(Purpose::Reset, &account(), at(1_000), DAY, &Fixed);
        assert_eq!(
            verify(fresh.as_str(), 1_001).err(),
            Some(TokenError::Invalid)
        );
    }

    #[test]
    fn other_algorithms_and_games_with_the_form_are_one_refusal() {
        let good = reset_token().0;
        let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
        let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let key = EncodingKey::from_secret(SECRET);
        let claims: serde_json::Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        let hs512 = jsonwebtoken::encode(&Header::new(Algorithm::HS512), &claims, &key).unwrap();
        let mut more = claims.clone();
        more["admin"] = true.into();
        let extra_claim =
            jsonwebtoken::encode(&Header::new(Algorithm::HS256), &more, &key).unwrap();
        for token in [
            String::new(),
            "null".to_owned(),
            format!("{}.{payload}.", encoded(r#"{"typ":"JWT","alg":"none"}"#)),
            format!(
                "{}.{payload}.{signature}",
                encoded(r#"{"alg":"HS256","kid":"../../dev/null"}"#)
            ),
            hs512,
            extra_claim,
            good[..good.len() - 1].to_owned(),
            format!("{good}="),
            format!("{good}."),
            format!(".{good}"),
            format!("{header}..{signature}"),
            good.to_uppercase(),
            format!(" {good}"),
            format!(
                "{header}.{payload}.{}",
                signature.chars().rev().collect::<String>()
            ),
            "a".repeat(1_000_000),
        ] {
            assert_eq!(
                verify(&token, 1_001).err(),
                Some(TokenError::Invalid),
                "{}",
                token.chars().take(300).collect::<String>()
            );
        }
    }

    #[test]
    fn the_form_of_a_link_shows_whether_it_was_cut_off() {
        let good = reset_token().0;
        let (signed, signature) = good.rsplit_once('.').unwrap();
        let (header, payload) = signed.split_once('.').unwrap();
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
    fn the_whole_link_pasted_from_a_mail_gives_its_token() {
        for pasted in [
            "abc.def.ghi",
            " http://localhost:3000/reset/abc.def.ghi\n",
            "<https://x.example/a/reset/abc.def.ghi>",
            "https://x.example/reset/abc.def.ghi?utm=1#top",
        ] {
            assert_eq!(
                Token::from_pasted(pasted).as_str(),
                "abc.def.ghi",
                "{pasted}"
            );
        }
    }

    mod fuzz {
        use super::*;
        use crate::fuzz::Target;

        #[test]
        fn whatever_is_no_token_of_ours_is_one_and_the_same_refusal() {
            let reset = reset_token();
            let access = keys().issue(Purpose::Access, &account(), at(1_000), DAY, &Fixed);
            let link = format!("http://localhost:3000/reset/{}", reset.as_str());
            let seeds = [reset.as_str(), access.as_str(), &link];
            let target = Target {
                name: "token",
                words: &[
                    ".",
                    "/reset/",
                    "?",
                    "#",
                    "=",
                    "-",
                    "_",
                    "A",
                    "<",
                    ">",
                    "\"",
                    " ",
                    "eyJ",
                    "eyJhbGciOiJub25lIn0",
                    "e30",
                    "http://localhost:3000",
                ],
                seeds: seeds.map(|seed| seed.as_bytes().to_vec()).to_vec(),
                cases: 1500,
            };
            target.run(|bytes| {
                let text = String::from_utf8_lossy(bytes);
                let pasted = Token::from_pasted(&text);
                assert!(!pasted.as_str().contains(['?', '#', '/']));
                for token in [Token::from_exact(text), pasted] {
                    for purpose in [Purpose::Reset, Purpose::Access] {
                        let ours = match purpose {
                            Purpose::Reset => &reset,
                            Purpose::Access => &access,
                        };
                        // Also when the time of the real ones is over: then "expired" would be the wrong word.
                        for now in [1_001, 10_000_000] {
                            let verdict = keys().verify(&token, purpose, at(now));
                            assert!(
                                token == *ours || verdict.err() == Some(TokenError::Invalid),
                                "{}",
                                token.as_str()
                            );
                        }
                    }
                }
            });
        }

        proptest! {
            #[test]
            fn no_changed_byte_goes_unnoticed(position in 0_usize..300, byte in 33_u8..127) {
                let mut token = reset_token().0.into_bytes();
                let position = position % token.len();
                prop_assume!(token[position] != byte);
                token[position] = byte;
                prop_assert!(verify(std::str::from_utf8(&token).unwrap(), 1_001).is_err());
            }

            #[test]
            fn what_a_mail_program_hangs_on_a_link_changes_no_token(
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
}
