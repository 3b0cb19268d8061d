//! What is kept of limits: the collection `movie_bag_tallies`, of which the database itself forgets what is over.

use async_trait::async_trait;
use jiff::Timestamp;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, doc};
use mongodb::error::Result;
use mongodb::options::{ReadConcern, WriteConcern};

use super::super::{LimitedCall, Limits, StoreError};
use super::MongoStore;
use super::documents::{date, timestamp, wrong};
use super::link::{backoff, is_collision};
use super::turn::is_duplicate;
use movie_bag_core::domain::limit::{LimitKey, LimitState, TooEarly};

/// The id of a key's document.
pub(super) fn id_of(key: LimitKey) -> Bson {
    Bson::Binary(Binary {
        subtype: BinarySubtype::Generic,
        bytes: key.0.to_vec(),
    })
}

/// What a document says.
pub(super) fn tally(found: &Document) -> Result<LimitState> {
    Ok(LimitState {
        count: u32::try_from(found.get_i64("count")?).map_err(wrong)?,
        until: timestamp(*found.get_datetime("until")?)?,
    })
}

/// What a document is to say.
pub(super) fn set(counting: LimitedCall, tally: &LimitState) -> Document {
    doc! { "$set": {
        "count": i64::from(tally.count),
        "until": date(tally.until),
        "kept_until": date(counting.limit.kept_until(tally)),
    } }
}

/// Matches a key's document while it holds this tally; without one, while there is no such document.
pub(super) fn still_says(key: LimitKey, tally: Option<&LimitState>) -> Document {
    match tally {
        Some(tally) => {
            doc! { "_id": id_of(key), "count": i64::from(tally.count), "until": date(tally.until) }
        }
        None => doc! { "_id": id_of(key), "count": { "$exists": false } },
    }
}

impl MongoStore {
    async fn find_tally(&self, key: LimitKey) -> Result<Option<LimitState>> {
        let found = self
            .at
            .tallies
            .find_one(doc! { "_id": id_of(key) })
            .read_concern(ReadConcern::local())
            .await?;
        found.as_ref().map(tally).transpose()
    }

    /// Whether it is too early: a refused call writes nothing.
    pub(super) async fn too_early(
        &self,
        counting: LimitedCall,
    ) -> std::result::Result<Option<TooEarly>, StoreError> {
        let kept = self.limit_state(counting.key).await?;
        Ok(counting.limit.check(kept, counting.now).err())
    }
}

#[async_trait]
impl Limits for MongoStore {
    async fn limit_state(
        &self,
        key: LimitKey,
    ) -> std::result::Result<Option<LimitState>, StoreError> {
        self.within(self.find_tally(key)).await
    }

    async fn count(
        &self,
        counting: LimitedCall,
    ) -> std::result::Result<std::result::Result<LimitState, TooEarly>, StoreError> {
        let key = counting.key;
        self.within(async {
            let mut tried = 0;
            loop {
                let kept = self.find_tally(key).await?;
                let counted = match counting.limit.count(kept, counting.now) {
                    Ok(counted) => counted,
                    Err(early) => return Ok(Err(early)),
                };
                // Where another call was faster, it is counted on top of that one. A majority has the tally before the
                // call is let through, so that a failover forgets none; a power cut of a standalone server may.
                let update = self.at.tallies.update_with(
                    still_says(key, kept.as_ref()),
                    set(counting, &counted),
                    kept.is_none(),
                    Some(WriteConcern::majority()),
                );
                match update.await {
                    Err(error) if is_duplicate(&error) || is_collision(&error) => {
                        tokio::time::sleep(backoff(tried)).await;
                        tried += 1;
                    }
                    is_counted => {
                        if is_counted? {
                            return Ok(Ok(counted));
                        }
                    }
                }
            }
        })
        .await
    }

    async fn clear_limit(&self, key: LimitKey) -> std::result::Result<(), StoreError> {
        self.within(async {
            let cleared = self.at.tallies.delete_one(doc! { "_id": id_of(key) });
            cleared.await.map(|_| ())
        })
        .await
    }

    async fn delete_expired_limits(&self, _: Timestamp) -> std::result::Result<u64, StoreError> {
        // An index of the collection does (see `indexes.rs`).
        Ok(0)
    }
}
