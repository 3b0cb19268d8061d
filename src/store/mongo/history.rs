//! The history of accounts: the collection `movie_bag_history`.

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::bson::doc;

use super::super::{History, StoreError};
use super::MongoStore;
use super::accounts::bounded;
use super::documents::{EventDocument, document, object_id};
use crate::domain::event::Event;
use crate::domain::id::AccountId;

#[async_trait]
impl History for MongoStore {
    async fn record(&self, event: &Event) -> Result<(), StoreError> {
        let event = EventDocument::from(event);
        self.within(async {
            let account = self.at.user.find_one(doc! { "_id": event.account });
            if account.projection(doc! { "_id": 1 }).await?.is_some() {
                self.at.history.insert_one(document(&event)?).await?;
            }
            Ok(())
        })
        .await
    }

    async fn history(&self, account: AccountId, limit: usize) -> Result<Vec<Event>, StoreError> {
        let account = object_id(account.as_bytes());
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.within(async {
            self.touch(account).await?;
            let found = self
                .at
                .history
                .clone_with_type::<EventDocument>()
                .find(doc! { "account": account })
                .sort(doc! { "at": -1, "_id": -1 })
                .limit(bounded(limit))
                .await?;
            found
                .and_then(|event| async { event.try_into() })
                .try_collect()
                .await
        })
        .await
    }
}
