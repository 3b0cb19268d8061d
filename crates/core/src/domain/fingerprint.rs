//! Fingerprints: keyed digests that bind a token or an outbox entry to the credential it was made for.
//!
//! When the credential changes, every reset token of the account is void, without a table of tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::account::Account;
use super::limit::{Limit, LimitKey};
use super::pending::{PendingChange, PendingKind};
use super::token::Purpose;

/// Length of a short fingerprint, in bytes.
const SHORT: usize = 16;

/// Keyed digest of a credential. It cannot be redeemed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Takes a fingerprint as it is stored.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text that is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Key of the digests. It is derived from the secret that signs tokens, so that a digest is never a signature.
#[derive(Clone)]
pub struct FingerprintKey(Hmac<Sha256>);

impl FingerprintKey {
    /// Derives the key from a secret.
    pub fn derive(secret: &[u8]) -> Self {
        let mac = |key: &[u8]| {
            <Hmac<Sha256>>::new_from_slice(key)
                .unwrap_or_else(|_| unreachable!("HMAC accepts keys of any length (RFC 2104 3)"))
        };
        let mut derived = mac(secret);
        derived.update(b"movie-bag credential fingerprint v1");
        Self(mac(&derived.finalize().into_bytes()))
    }

    /// Returns the fingerprint of the account's present credential for a purpose.
    pub fn fingerprint(&self, purpose: Purpose, account: &Account) -> Fingerprint {
        let digest = self.bind(purpose, account).finalize().into_bytes();
        Fingerprint(URL_SAFE_NO_PAD.encode(digest))
    }

    /// Returns the first 128 bits of the fingerprint: as many as no attacker can guess (RFC 2104 5), in a token that is kept short.
    pub fn short_fingerprint(&self, purpose: Purpose, account: &Account) -> Fingerprint {
        let digest = self.bind(purpose, account).finalize().into_bytes();
        Fingerprint(URL_SAFE_NO_PAD.encode(&digest[..SHORT]))
    }

    /// Returns whether a fingerprint, whole or short, is that of the account's present credential.
    pub fn matches(&self, fingerprint: &Fingerprint, purpose: Purpose, account: &Account) -> bool {
        is_digest(fingerprint, self.bind(purpose, account))
    }

    /// Returns the short fingerprint of a pending change. A change of the address that is to be confirmed is bound to the
    /// present credential of the account too.
    pub fn pending_fingerprint(
        &self,
        change: &PendingChange,
        account: Option<&Account>,
    ) -> Fingerprint {
        let digest = self.bind_pending(change, account).finalize().into_bytes();
        Fingerprint(URL_SAFE_NO_PAD.encode(&digest[..SHORT]))
    }

    /// Returns whether a fingerprint is that of a pending change.
    pub fn matches_pending(
        &self,
        fingerprint: &Fingerprint,
        change: &PendingChange,
        account: Option<&Account>,
    ) -> bool {
        is_digest(fingerprint, self.bind_pending(change, account))
    }

    /// Returns the digest under which a limit is stored, so that the database does not reveal its subject.
    pub fn limit_key(&self, limit: Limit, subject: &str) -> LimitKey {
        let mac = self.digest(&[b"limit", limit.name().as_bytes(), subject.as_bytes()]);
        LimitKey(mac.finalize().into_bytes().into())
    }

    /// Digests everything that the purpose depends on. For a reset that includes the address, since the mail went there.
    /// For access it includes the last revocation, which ends all sessions. For a reset it includes the last disabling, which
    /// ends all reset tokens; accounts that were never disabled keep the fingerprints of earlier versions.
    fn bind(&self, purpose: Purpose, account: &Account) -> Hmac<Sha256> {
        let (address, ended_by) = match purpose {
            Purpose::Reset => (
                account.address.as_bytes(),
                account.disabling.map(|disabling| disabling.id),
            ),
            Purpose::Access
            | Purpose::ConfirmSignup
            | Purpose::ConfirmAddress
            | Purpose::RevertAddress => (b"".as_slice(), account.revocation),
        };
        let ended_by = ended_by.as_ref().map_or(b"".as_slice(), |id| id.as_bytes());
        self.digest(&[
            purpose.name().as_bytes(),
            account.id.as_bytes().as_slice(),
            address,
            account.password_hash.as_str().as_bytes(),
            ended_by,
        ])
    }

    fn bind_pending(&self, change: &PendingChange, account: Option<&Account>) -> Hmac<Sha256> {
        let present = account.filter(|_| change.kind == PendingKind::ConfirmAddress);
        self.digest(&[
            change.kind.purpose().name().as_bytes(),
            change.id.as_bytes(),
            change.account.as_bytes(),
            change.address.as_bytes(),
            present.map_or(b"", |account| account.address.as_bytes()),
            present.map_or(b"", |account| account.password_hash.as_str().as_bytes()),
        ])
    }

    fn digest(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in parts {
            // The length precedes each part, so that no two lists of parts give the same bytes.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

/// Compares a fingerprint, whole or short, with a digest in constant time.
fn is_digest(fingerprint: &Fingerprint, mac: Hmac<Sha256>) -> bool {
    let Ok(digest) = URL_SAFE_NO_PAD.decode(fingerprint.as_str()) else {
        return false;
    };
    match digest.len() {
        SHORT => mac.verify_truncated_left(&digest).is_ok(),
        _ => mac.verify_slice(&digest).is_ok(),
    }
}
