//! Documents of the collections, and their conversion to domain values. The fields of `user` and `movie` are those of
//! MongoEngine. Other fields in them stay unchanged.

use jiff::Timestamp;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{self, DateTime, Document, doc};
use mongodb::error::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use movie_bag_core::domain::account::{Account, Disabling};
use movie_bag_core::domain::event::{Event, UnknownName};
use movie_bag_core::domain::fingerprint::Fingerprint;
use movie_bag_core::domain::id::{AccountId, EntryId, LeaseId, MovieId, PendingId, RevocationId};
use movie_bag_core::domain::movie::Movie;
use movie_bag_core::domain::outbox::{Entry, EntryState, Lease, Outcome};
use movie_bag_core::domain::password::PasswordHash;
use movie_bag_core::domain::pending::PendingChange;

pub(super) fn object_id(bytes: &[u8; 12]) -> ObjectId {
    ObjectId::from_bytes(*bytes)
}

/// Converts a time to BSON, which has a resolution of milliseconds.
pub(super) fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.as_millisecond())
}

/// Returns the error for a value that another program may have written: invalid data must not cause a panic.
pub(super) fn invalid(reason: impl std::fmt::Display) -> Error {
    Error::custom(reason.to_string())
}

pub(super) fn timestamp(date: DateTime) -> Result<Timestamp> {
    Timestamp::from_millisecond(date.timestamp_millis()).map_err(invalid)
}

/// Converts a document that another program may have written. The error names the document.
pub(super) fn decode<T: DeserializeOwned>(collection: &str, document: Document) -> Result<T> {
    let id = document.get("_id").cloned();
    bson::deserialize_from_document(document).map_err(|error| {
        let id = id.map_or_else(String::new, |id| match id.as_object_id() {
            Some(id) => id.to_hex(),
            None => id.to_string(),
        });
        invalid(format!("cannot read {collection} {id}: {error}"))
    })
}

pub(super) fn to_document(value: &impl Serialize) -> Result<Document> {
    Ok(bson::serialize_to_document(value)?)
}

/// A document in `user`, without the fields that we do not read. It has no `Debug`, so that the hash cannot be logged.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct AccountDocument {
    #[serde(rename = "_id")]
    pub(super) id: ObjectId,
    pub(super) email: String,
    /// Empty if another program wrote none. Then no password matches, and a reset sets one.
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) password: String,
}

/// Treats null as a missing field.
fn null_as_default<'de, D, T>(deserializer: D) -> std::result::Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl AccountDocument {
    /// Matches the account while its address and credential are the same as in this document.
    pub(super) fn unchanged_filter(&self) -> Document {
        let password = match self.password.as_str() {
            // Null also matches a missing field.
            "" => doc! { "$in": ["", null] },
            password => doc! { "$eq": password },
        };
        doc! { "_id": self.id, "email": &self.email, "password": password }
    }
}

impl From<&Account> for AccountDocument {
    fn from(account: &Account) -> Self {
        Self {
            id: object_id(account.id.as_bytes()),
            email: account.address.clone(),
            password: account.password_hash.as_str().to_owned(),
        }
    }
}

impl AccountDocument {
    /// Converts to an account, with the data of other collections.
    pub(super) fn into_account(self, ended: Option<RevocationDocument>) -> Account {
        let revocation_id = |id: ObjectId| RevocationId::from_bytes(id.bytes());
        let disabling = ended.as_ref().and_then(|ended| {
            Some(Disabling {
                id: revocation_id(ended.disabling?),
                is_active: ended.is_disabled,
            })
        });
        Account {
            id: AccountId::from_bytes(self.id.bytes()),
            address: self.email,
            password_hash: PasswordHash::from_stored(self.password),
            revocation: ended.map(|ended| revocation_id(ended.revocation)),
            disabling,
        }
    }
}

/// A document in `movie_bag_revocations`.
#[derive(Serialize, Deserialize)]
pub(super) struct RevocationDocument {
    #[serde(rename = "_id")]
    pub(super) account: ObjectId,
    pub(super) revocation: ObjectId,
    /// Last disabling. It was stored together with a revocation, so that earlier versions, which require one, read the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) disabling: Option<ObjectId>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_disabled: bool,
}

impl RevocationDocument {
    /// Returns the document for an account whose sessions were ended.
    pub(super) fn of(account: &Account) -> Option<Self> {
        let disabling = account.disabling.map(|disabling| disabling.id);
        Some(Self {
            account: object_id(account.id.as_bytes()),
            revocation: object_id(account.revocation.or(disabling)?.as_bytes()),
            disabling: disabling.map(|id| object_id(id.as_bytes())),
            is_disabled: account.is_disabled(),
        })
    }
}

/// A document in `movie`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct MovieDocument {
    #[serde(rename = "_id")]
    pub(super) id: ObjectId,
    pub(super) name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) casts: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(super) genres: Vec<String>,
    pub(super) added_by: ObjectId,
}

impl From<&Movie> for MovieDocument {
    fn from(movie: &Movie) -> Self {
        Self {
            id: object_id(movie.id.as_bytes()),
            name: movie.name.clone(),
            casts: movie.casts.clone(),
            genres: movie.genres.clone(),
            added_by: object_id(movie.added_by.as_bytes()),
        }
    }
}

impl From<MovieDocument> for Movie {
    fn from(document: MovieDocument) -> Self {
        Self {
            id: MovieId::from_bytes(document.id.bytes()),
            name: document.name,
            casts: document.casts,
            genres: document.genres,
            added_by: AccountId::from_bytes(document.added_by.bytes()),
        }
    }
}

/// A document in `movie_bag_history`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct EventDocument {
    /// Sorts by the second of writing and, within one process, by the order of writing. It orders lines of the same
    /// millisecond.
    #[serde(rename = "_id")]
    pub(super) id: ObjectId,
    pub(super) account: ObjectId,
    pub(super) at: DateTime,
    pub(super) kind: String,
    pub(super) origin: String,
    pub(super) detail: String,
    /// Number of events, if the line may stand for several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<i64>,
    /// Time of the first of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) first_at: Option<DateTime>,
}

impl From<&Event> for EventDocument {
    fn from(event: &Event) -> Self {
        let is_counted = event.kind.is_counted();
        Self {
            id: ObjectId::new(),
            account: object_id(event.account.as_bytes()),
            at: date(event.at),
            kind: event.kind.name().to_owned(),
            origin: event.origin.to_string(),
            detail: event.detail.clone(),
            count: is_counted.then(|| event.count.into()),
            first_at: is_counted.then(|| date(event.first_at)),
        }
    }
}

impl EventDocument {
    /// Returns the line of a counted kind for the day of an event, with a count of 0. Its id is derived from account, kind and
    /// day, so that only one of several processes inserts it.
    pub(super) fn for_day(event: &Event) -> Self {
        let day = event.day();
        let mut digest = Sha256::new_with_prefix(event.account.as_bytes());
        digest.update(day.to_be_bytes());
        digest.update(event.kind.name());
        // Like every ObjectId, it starts with a time.
        let second = u32::try_from(day.saturating_mul(86_400)).unwrap_or_default();
        let mut id = [0; 12];
        id[..4].copy_from_slice(&second.to_be_bytes());
        id[4..].copy_from_slice(&digest.finalize()[..8]);
        Self {
            id: ObjectId::from_bytes(id),
            count: Some(0),
            ..event.into()
        }
    }
}

impl TryFrom<EventDocument> for Event {
    type Error = Error;

    fn try_from(document: EventDocument) -> Result<Self> {
        let unknown = |error: UnknownName| invalid(format!("history {}: {error}", document.id));
        // A process that died may have inserted a line without counting its event.
        let count = document.count.unwrap_or(1).max(1);
        Ok(Self {
            account: AccountId::from_bytes(document.account.bytes()),
            at: timestamp(document.at)?,
            count: u32::try_from(count).unwrap_or(u32::MAX),
            first_at: timestamp(document.first_at.unwrap_or(document.at))?,
            kind: document.kind.parse().map_err(unknown)?,
            origin: document.origin.parse().map_err(unknown)?,
            detail: document.detail,
        })
    }
}

/// A lease within an entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LeaseDocument {
    holder: ObjectId,
    pub(super) until: DateTime,
}

impl From<Lease> for LeaseDocument {
    fn from(lease: Lease) -> Self {
        Self {
            holder: object_id(lease.holder.as_bytes()),
            until: date(lease.until),
        }
    }
}

/// A document in `movie_bag_outbox`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct EntryDocument {
    #[serde(rename = "_id")]
    pub(super) id: ObjectId,
    pub(super) account: ObjectId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recipient: Option<String>,
    kind: String,
    requested_at: DateTime,
    origin: String,
    fingerprint: String,
    pub(super) state: String,
    pub(super) attempts: i64,
    /// Whether an attempt has started: the entry is in the later round.
    is_again: bool,
    pub(super) next_try_at: DateTime,
    last_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) lease: Option<LeaseDocument>,
    /// Time from which a worker may lease the entry: it is due, and no lease holds it.
    pub(super) free_at: DateTime,
}

impl From<&Entry> for EntryDocument {
    fn from(entry: &Entry) -> Self {
        Self {
            id: object_id(entry.id.as_bytes()),
            account: object_id(entry.account.as_bytes()),
            recipient: entry.recipient.clone(),
            kind: entry.kind.name().to_owned(),
            requested_at: date(entry.requested_at),
            origin: entry.origin.to_string(),
            fingerprint: entry.fingerprint.as_str().to_owned(),
            state: entry.state.name().to_owned(),
            attempts: entry.attempts.into(),
            is_again: entry.attempts > 0,
            next_try_at: date(entry.next_try_at),
            last_error: entry.last_error.clone(),
            lease: entry.lease.map(LeaseDocument::from),
            free_at: free_at(date(entry.next_try_at), entry.lease),
        }
    }
}

/// Returns the time from which another worker may lease an entry.
pub(super) fn free_at(next_try_at: DateTime, lease: Option<Lease>) -> DateTime {
    lease.map_or(next_try_at, |lease| date(lease.until).max(next_try_at))
}

impl TryFrom<EntryDocument> for Entry {
    type Error = Error;

    fn try_from(document: EntryDocument) -> Result<Self> {
        let unknown = |error: UnknownName| invalid(format!("outbox {}: {error}", document.id));
        Ok(Self {
            id: EntryId::from_bytes(document.id.bytes()),
            account: AccountId::from_bytes(document.account.bytes()),
            recipient: document.recipient,
            kind: document.kind.parse().map_err(unknown)?,
            requested_at: timestamp(document.requested_at)?,
            origin: document.origin.parse().map_err(unknown)?,
            fingerprint: Fingerprint::from_stored(document.fingerprint),
            state: document.state.parse().map_err(unknown)?,
            attempts: u32::try_from(document.attempts).map_err(invalid)?,
            next_try_at: timestamp(document.next_try_at)?,
            last_error: document.last_error,
            lease: document
                .lease
                .map(|lease| {
                    Ok::<_, Error>(Lease {
                        holder: LeaseId::from_bytes(lease.holder.bytes()),
                        until: timestamp(lease.until)?,
                    })
                })
                .transpose()?,
        })
    }
}

/// A document in `movie_bag_pending`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PendingDocument {
    #[serde(rename = "_id")]
    pub(super) id: ObjectId,
    /// There is one document at most for each key.
    pub(super) key: String,
    pub(super) kind: String,
    pub(super) account: ObjectId,
    pub(super) address: String,
    /// Address in lower case, for searches in any case.
    folded: String,
    origin: String,
    pub(super) requested_at: DateTime,
    expires_at: DateTime,
}

impl From<&PendingChange> for PendingDocument {
    fn from(change: &PendingChange) -> Self {
        Self {
            id: object_id(change.id.as_bytes()),
            key: change.key(),
            kind: change.kind.name().to_owned(),
            account: object_id(change.account.as_bytes()),
            address: change.address.clone(),
            folded: change.address.to_ascii_lowercase(),
            origin: change.origin.to_string(),
            requested_at: date(change.requested_at),
            expires_at: date(change.expires_at),
        }
    }
}

impl TryFrom<PendingDocument> for PendingChange {
    type Error = Error;

    fn try_from(document: PendingDocument) -> Result<Self> {
        let unknown = |error: UnknownName| invalid(format!("pending {}: {error}", document.id));
        Ok(Self {
            id: PendingId::from_bytes(document.id.bytes()),
            kind: document.kind.parse().map_err(unknown)?,
            account: AccountId::from_bytes(document.account.bytes()),
            address: document.address,
            origin: document.origin.parse().map_err(unknown)?,
            requested_at: timestamp(document.requested_at)?,
            expires_at: timestamp(document.expires_at)?,
        })
    }
}

/// Outcome of a delivery attempt, as part of a step.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct OutcomeDocument {
    /// [`GONE`], or the state of an entry that remains.
    pub(super) state: String,
    pub(super) next_try_at: Option<DateTime>,
    pub(super) error: Option<String>,
}

/// State of an entry that was sent or dropped. It is hidden, and an index deletes it after a while (see `indexes.rs`). Until
/// then it prevents a repeated step from queueing the same mail again.
pub(super) const GONE: &str = "gone";

/// Matches an account's entries, waiting and dead.
pub(super) fn undelivered_filter(account: ObjectId) -> Document {
    doc! { "account": account, "state": { "$ne": GONE } }
}

impl From<&Outcome> for OutcomeDocument {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Sent | Outcome::Dropped => Self {
                state: GONE.to_owned(),
                next_try_at: None,
                error: None,
            },
            Outcome::Retry { at, error } => Self {
                state: EntryState::Waiting.name().to_owned(),
                next_try_at: Some(date(*at)),
                error: Some(error.clone()),
            },
            Outcome::Dead { error } => Self {
                state: EntryState::Dead.name().to_owned(),
                next_try_at: None,
                error: Some(error.clone()),
            },
        }
    }
}
