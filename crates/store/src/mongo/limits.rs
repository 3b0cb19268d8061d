//! Tallies of rate limits: the collection `movie_bag_tallies`. An index of it deletes expired tallies.

use async_trait::async_trait;
use jiff::Timestamp;
use mongodb::bson::doc;
use mongodb::error::Result;
use mongodb::options::{ReadConcern, WriteConcern};
use movie_bag_core::domain::limit::{LimitKey, LimitState, TooEarly};
use movie_bag_core::ports::store::{LimitedCall, Limits, StoreError};

use super::MongoStore;
use super::errors::{backoff, is_duplicate, is_server_conflict};
use super::tally_documents::{decode_tally, key_id, tally_update, unchanged_tally};

impl MongoStore {
    async fn find_tally(&self, key: LimitKey) -> Result<Option<LimitState>> {
        let found = self
            .collections
            .tallies
            .find_one(doc! { "_id": key_id(key) })
            .read_concern(ReadConcern::local())
            .await?;
        found.as_ref().map(decode_tally).transpose()
    }

    /// Checks a limit without counting, so that a refused call writes nothing.
    pub(super) async fn check_limit(
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
        self.run(self.find_tally(key)).await
    }

    async fn count(
        &self,
        counting: LimitedCall,
    ) -> std::result::Result<std::result::Result<LimitState, TooEarly>, StoreError> {
        let key = counting.key;
        self.run(async {
            let mut tried = 0;
            loop {
                let kept = self.find_tally(key).await?;
                let counted = match counting.limit.count(kept, counting.now) {
                    Ok(counted) => counted,
                    Err(early) => return Ok(Err(early)),
                };
                // If another call was counted in the meantime, this one is counted on top of it. The tally is on a
                // majority of the members before the call is allowed, so that a failover loses none. A power cut of a
                // standalone server may.
                let update = self.collections.tallies.update_with(
                    unchanged_tally(key, kept.as_ref()),
                    tally_update(counting, &counted),
                    kept.is_none(),
                    Some(WriteConcern::majority()),
                );
                match update.await {
                    Err(error) if is_duplicate(&error) || is_server_conflict(&error) => {
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
        self.run(async {
            let cleared = self
                .collections
                .tallies
                .delete_one(doc! { "_id": key_id(key) });
            cleared.await.map(|_| ())
        })
        .await
    }

    async fn delete_expired_limits(&self, _: Timestamp) -> std::result::Result<u64, StoreError> {
        // An index of the collection deletes them (see `indexes.rs`).
        Ok(0)
    }
}
