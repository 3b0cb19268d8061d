//! Documents of the collection `movie_bag_tallies`.

use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};
use mongodb::error::Result;
use movie_bag_core::domain::limit::{LimitKey, LimitState};
use movie_bag_core::ports::store::LimitedCall;

use super::documents::{date, invalid, timestamp};

/// Returns the id of a key's document.
pub(super) fn key_id(key: LimitKey) -> Bson {
    Bson::Binary(Binary {
        subtype: BinarySubtype::Generic,
        bytes: key.0.to_vec(),
    })
}

pub(super) fn decode_tally(document: &Document) -> Result<LimitState> {
    Ok(LimitState {
        count: u32::try_from(document.get_i64("count")?).map_err(invalid)?,
        until: timestamp(*document.get_datetime("until")?)?,
    })
}

/// Returns the update that stores a tally.
pub(super) fn tally_update(counting: LimitedCall, tally: &LimitState) -> Document {
    doc! { "$set": {
        "count": i64::from(tally.count),
        "until": date(tally.until),
        "kept_until": date(counting.limit.expires_at(tally)),
    } }
}

/// Matches a key's document while it holds this tally; without a tally, while no such document exists.
pub(super) fn unchanged_tally(key: LimitKey, tally: Option<&LimitState>) -> Document {
    match tally {
        Some(tally) => {
            doc! { "_id": key_id(key), "count": i64::from(tally.count), "until": date(tally.until) }
        }
        None => doc! { "_id": key_id(key), "count": { "$exists": false } },
    }
}
