//! Signs and verifies tokens.
//!
//! Tokens are JWTs signed with HS256, and no other algorithm is accepted (RFC 7519, RFC 8725 3.1, 3.2). Each names its
//! purpose, which the verifier demands (RFC 8725 3.11), and carries a fingerprint of the credential it was made for.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::error::AppError;
use crate::domain::account::Account;
use crate::domain::clock::{Rng, draw};
use crate::domain::fingerprint::{Fingerprint, FingerprintKey};
use crate::domain::id::{AccountId, PendingId};
use crate::domain::limit::{Limit, LimitKey};
use crate::domain::password::PasswordHash;
use crate::domain::pending::{PendingChange, PendingKind};
use crate::domain::token::{LONGEST, Purpose, Token, TokenError};

/// Returns a placeholder of the length of a reset token, for a test mail. It is not a JWT, so no key verifies it.
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
        disabling: None,
    };
    // A present-day time: its digits count.
    let at = Timestamp::from_second(1_800_000_000).unwrap_or_default();
    let keys = TokenKeys::new(&[0; 32], None);
    let token = keys.issue(Purpose::Reset, &account, at, Duration::ZERO, &Zeros);
    let length = token.as_str().len();
    TEXT.chars().cycle().take(length).collect()
}

/// Claims of a token. Tokens in the long form have `purpose` for `use`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    sub: String,
    iat: i64,
    exp: i64,
    jti: String,
    #[serde(rename = "use", alias = "purpose")]
    purpose: String,
    fingerprint: String,
}

/// Claims of a token in the long form.
#[derive(Serialize)]
struct LongClaims {
    sub: String,
    iat: i64,
    exp: i64,
    jti: String,
    purpose: String,
    fingerprint: String,
}

impl From<Claims> for LongClaims {
    fn from(claims: Claims) -> Self {
        let Claims {
            sub,
            iat,
            exp,
            jti,
            purpose,
            fingerprint,
        } = claims;
        Self {
            sub,
            iat,
            exp,
            jti,
            purpose,
            fingerprint,
        }
    }
}

/// Form of the tokens that are issued. Both forms are verified.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TokenForm {
    /// At most 270 characters: no `typ` (RFC 7519 5.1 makes it optional), and a fingerprint of 128 bits.
    #[default]
    Short,
    /// At most 319 characters: the only form that servers of earlier versions verify.
    Long,
}

/// One secret, ready to sign, to verify and to fingerprint.
#[derive(Clone)]
struct Key {
    encoding: EncodingKey,
    decoding: DecodingKey,
    fingerprints: FingerprintKey,
}

impl Key {
    fn new(secret: &[u8]) -> Self {
        Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            fingerprints: FingerprintKey::derive(secret),
        }
    }
}

/// Secrets for tokens: the current one, and during a rotation the previous one, which only verifies.
#[derive(Clone)]
pub struct TokenKeys {
    current: Key,
    previous: Option<Key>,
    form: TokenForm,
}

/// Token that is authentic, for the demanded purpose, and not expired. The caller checks next whether it still fits its
/// account.
pub struct VerifiedToken {
    /// Account that the token was made for.
    pub account: AccountId,
    purpose: Purpose,
    fingerprint: Fingerprint,
    key: FingerprintKey,
}

impl VerifiedToken {
    /// Returns whether the credential is still the one that the token was made for.
    pub fn fits(&self, account: &Account) -> bool {
        account.id == self.account && self.key.matches(&self.fingerprint, self.purpose, account)
    }
}

impl TokenKeys {
    /// Creates the keys from secrets of 32 bytes or more.
    pub fn new(secret: &[u8], previous: Option<&[u8]>) -> Self {
        Self {
            current: Key::new(secret),
            previous: previous.map(Key::new),
            form: TokenForm::default(),
        }
    }

    /// Issues tokens of this form.
    #[must_use]
    pub fn with_form(self, form: TokenForm) -> Self {
        Self { form, ..self }
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    /// Returns the fingerprint of an account's credential for resets.
    pub fn fingerprint(&self, account: &Account) -> Fingerprint {
        let key = &self.current.fingerprints;
        key.fingerprint(Purpose::Reset, account)
    }

    /// Returns whether an outbox entry's fingerprint still fits the account, also if it was made with the previous secret.
    pub fn fits(&self, fingerprint: &Fingerprint, account: &Account) -> bool {
        self.all().any(|key| {
            let key = &key.fingerprints;
            key.matches(fingerprint, Purpose::Reset, account)
        })
    }

    /// Returns the fingerprint of a pending change.
    pub fn pending_fingerprint(
        &self,
        change: &PendingChange,
        account: Option<&Account>,
    ) -> Fingerprint {
        let key = &self.current.fingerprints;
        key.pending_fingerprint(change, account)
    }

    /// Returns the key under which a limit for `subject` is stored.
    pub fn limit_key(&self, limit: Limit, subject: &str) -> LimitKey {
        self.current.fingerprints.limit_key(limit, subject)
    }

    /// Creates a token for the account's present credential, valid from `issued_at` for `lifetime`.
    pub fn issue(
        &self,
        purpose: Purpose,
        account: &Account,
        issued_at: Timestamp,
        lifetime: Duration,
        rng: &dyn Rng,
    ) -> Token {
        let fingerprints = &self.current.fingerprints;
        let fingerprint = match self.form {
            TokenForm::Short => fingerprints.short_fingerprint(purpose, account),
            TokenForm::Long => fingerprints.fingerprint(purpose, account),
        };
        let issued_at = issued_at.as_second();
        let claims = Claims {
            sub: account.id.to_string(),
            iat: issued_at,
            exp: issued_at.saturating_add_unsigned(lifetime.as_secs()),
            jti: URL_SAFE_NO_PAD.encode(draw::<16>(rng)),
            purpose: purpose.name().to_owned(),
            fingerprint: fingerprint.as_str().to_owned(),
        };
        self.sign(claims, self.form)
    }

    /// Creates the token of a pending change, for the account's present credential. Servers of earlier versions know no
    /// pending changes, so there is no long form of it.
    pub fn issue_pending(
        &self,
        change: &PendingChange,
        account: Option<&Account>,
        rng: &dyn Rng,
    ) -> Token {
        let fingerprints = &self.current.fingerprints;
        let fingerprint = fingerprints.pending_fingerprint(change, account);
        let claims = Claims {
            sub: change.id.to_string(),
            iat: change.requested_at.as_second(),
            exp: change.expires_at.as_second(),
            jti: URL_SAFE_NO_PAD.encode(draw::<16>(rng)),
            purpose: change.kind.purpose().name().to_owned(),
            fingerprint: fingerprint.as_str().to_owned(),
        };
        self.sign(claims, TokenForm::Short)
    }

    fn sign(&self, claims: Claims, form: TokenForm) -> Token {
        let mut header = Header::new(Algorithm::HS256);
        let key = &self.current.encoding;
        let token = match form {
            TokenForm::Short => {
                header.typ = None;
                jsonwebtoken::encode(&header, &claims, key)
            }
            TokenForm::Long => jsonwebtoken::encode(&header, &LongClaims::from(claims), key),
        };
        Token::from_exact(token.unwrap_or_else(|error| {
            unreachable!("HMAC signs any claims of plain strings and numbers: {error}")
        }))
    }

    /// Verifies signature, form, purpose and time, in this order.
    ///
    /// # Errors
    /// [`TokenError::Expired`] only for an authentic token of this purpose, from the second of its expiry on
    /// (RFC 7519 4.1.4, no leeway); [`TokenError::Invalid`] in all other cases.
    pub fn verify(
        &self,
        token: &Token,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<VerifiedToken, TokenError> {
        let (claims, key) = self.authentic(token, purpose).ok_or(TokenError::Invalid)?;
        let account = claims.sub.parse().map_err(|_| TokenError::Invalid)?;
        if now.as_second() >= claims.exp {
            return Err(TokenError::Expired { account });
        }
        Ok(VerifiedToken {
            account,
            purpose,
            fingerprint: Fingerprint::from_stored(claims.fingerprint),
            key: key.fingerprints.clone(),
        })
    }
}

/// Token of a pending change that is authentic and not expired. The caller checks next whether it still fits the change.
pub struct VerifiedPending {
    /// Pending change that the token was made for.
    pub id: PendingId,
    fingerprint: Fingerprint,
    key: FingerprintKey,
}

impl VerifiedPending {
    /// Returns whether the change, and for a change of the address the credential, is still the one that the token was made
    /// for.
    pub fn fits(&self, change: &PendingChange, account: Option<&Account>) -> bool {
        change.id == self.id && self.key.matches_pending(&self.fingerprint, change, account)
    }
}

impl TokenKeys {
    /// Verifies the token of a pending change, as [`TokenKeys::verify`] does.
    ///
    /// # Errors
    /// [`AppError::ExpiredToken`] only for an authentic token of this kind; [`AppError::BadToken`] in all other cases.
    pub fn verify_pending(
        &self,
        token: &Token,
        kind: PendingKind,
        now: Timestamp,
    ) -> Result<VerifiedPending, AppError> {
        let (claims, key) = self
            .authentic(token, kind.purpose())
            .ok_or(AppError::BadToken)?;
        let id = claims.sub.parse().map_err(|_| AppError::BadToken)?;
        if now.as_second() >= claims.exp {
            return Err(AppError::ExpiredToken);
        }
        Ok(VerifiedPending {
            id,
            fingerprint: Fingerprint::from_stored(claims.fingerprint),
            key: key.fingerprints.clone(),
        })
    }

    /// Returns the claims of a token whose signature, form and purpose are right, with the key that signed it.
    fn authentic(&self, token: &Token, purpose: Purpose) -> Option<(Claims, &Key)> {
        if token.as_str().len() > LONGEST {
            return None;
        }
        self.all()
            .find_map(|key| authentic_claims(token, key).map(|claims| (claims, key)))
            .filter(|(claims, _)| claims.purpose == purpose.name())
    }
}

/// Returns the claims of a token whose signature is valid. The time is not checked here: the library would read the clock of
/// the machine and allow a leeway.
fn authentic_claims(token: &Token, key: &Key) -> Option<Claims> {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Claims>(token.as_str(), &key.decoding, &validation)
        .ok()
        .map(|data| data.claims)
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assume, proptest};

    use super::*;
    use crate::domain::account::Disabling;
    use crate::domain::id::RevocationId;

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
            disabling: None,
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
    fn a_token_is_verified_for_its_purpose_only() {
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
        // An expired token of another purpose is reported as invalid and not as expired.
        assert_eq!(
            verify(access.as_str(), 1_000_000).err(),
            Some(TokenError::Invalid)
        );
    }

    #[test]
    fn our_tokens_are_well_formed_and_have_at_most_270_characters() {
        // The time of the most digits before the year 2286.
        let latest = at(9_999_000_000);
        for purpose in Purpose::ALL {
            let token = keys().issue(*purpose, &account(), latest, DAY, &Fixed);
            assert!(token.is_well_formed(), "{}", token.as_str());
            assert!(token.as_str().len() <= 270, "{}", token.as_str());
        }
        assert!(!Token::from_exact(unusable_token()).is_well_formed());
    }

    #[test]
    fn an_access_token_survives_a_change_of_address_and_ends_with_the_password() {
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
    fn a_disabling_ends_reset_tokens_for_good_and_other_accounts_keep_their_fingerprints() {
        let verified = verify(reset_token().as_str(), 1_001).ok().unwrap();
        let disabled = |id: u8, is_active| Account {
            disabling: Some(Disabling {
                id: RevocationId::from_bytes([id; 12]),
                is_active,
            }),
            ..account()
        };
        for account in [disabled(1, true), disabled(1, false)] {
            assert!(!verified.fits(&account));
        }
        let fresh = keys().fingerprint(&disabled(1, false));
        assert!(keys().fits(&fresh, &disabled(1, true)));
        assert!(!keys().fits(&fresh, &disabled(2, false)));
        // Tokens and queued mails of earlier versions stay valid.
        assert_eq!(
            keys().fingerprint(&account()).as_str(),
            "KaeFIVlJVERMocQXmjEa1bdPjlJPVvqhNuGAp8alVcY"
        );
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
    fn both_forms_are_verified_and_a_shorter_fingerprint_is_not() {
        let issued = |form| {
            let keys = keys().with_form(form);
            keys.issue(Purpose::Reset, &account(), at(1_800_000_000), DAY, &Fixed)
        };
        let (short, long) = (issued(TokenForm::Short), issued(TokenForm::Long));
        assert_eq!((short.as_str().len(), long.as_str().len()), (268, 317));
        for token in [&short, &long] {
            let verified = verify(token.as_str(), 1_800_000_001).ok().unwrap();
            assert!(verified.fits(&account()));
            assert!(!verified.fits(&Account {
                password_hash: PasswordHash::from_stored("$2b$12$second"),
                ..account()
            }));
        }
        let whole = keys().fingerprint(&account());
        let digest = URL_SAFE_NO_PAD.decode(whole.as_str()).unwrap();
        for length in 0..=digest.len() {
            let part = Fingerprint::from_stored(URL_SAFE_NO_PAD.encode(&digest[..length]));
            let fits = keys().fits(&part, &account());
            assert_eq!(fits, matches!(length, 16 | 32), "{length}");
        }
    }

    #[test]
    fn other_algorithms_and_malformed_tokens_get_the_same_refusal() {
        let good = reset_token().as_str().to_owned();
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

    mod fuzz {
        use movie_bag_testkit::fuzz::Target;

        use super::*;

        #[test]
        fn every_foreign_token_gets_the_same_refusal() {
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
                            _ => &access,
                        };
                        // The result is the same after the real tokens have expired.
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
            fn every_changed_byte_is_detected(position in 0_usize..300, byte in 33_u8..127) {
                let mut token = reset_token().as_str().to_owned().into_bytes();
                let position = position % token.len();
                prop_assume!(token[position] != byte);
                token[position] = byte;
                prop_assert!(verify(std::str::from_utf8(&token).unwrap(), 1_001).is_err());
            }

        }
    }
}
