//! Moving all of a database into another.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::error::Result;
use serde::Serialize;

use super::super::{CopyBatch, Copying, Counts, EventPosition, StoreError, another_copy};
use super::MongoStore;
use super::accounts::{bounded, later_than};
use super::documents::{
    AccountDocument, EntryDocument, EventDocument, GONE, MovieDocument, RevocationDocument,
    document, object_id,
};
use super::timed_collection::TimedCollection;
use movie_bag_core::domain::event::Event;
use movie_bag_core::domain::id::LeaseId;

/// The id of the mark in `movie_bag_meta`.
const MARK: &str = "half_copied";

impl MongoStore {
    async fn must_hold(&self, who: LeaseId) -> std::result::Result<(), StoreError> {
        let is_ours = doc! { "_id": MARK, "holder": object_id(who.as_bytes()) };
        let held = self.within(async { self.at.meta.find_one(is_ours).await });
        held.await?.map(|_| ()).ok_or_else(another_copy)
    }

    async fn count(&self) -> Result<Counts> {
        let of = async |collection: &TimedCollection, filter: Document| {
            collection.count_documents(filter).await
        };
        Ok(Counts {
            accounts: of(&self.at.user, doc! {}).await?,
            movies: of(&self.at.movie, doc! {}).await?,
            mails: of(&self.at.outbox, doc! { "state": { "$ne": GONE } }).await?,
            events: of(&self.at.history, doc! {}).await?,
        })
    }
}

/// Inserts all of a portion. The driver splits it into commands, which carry no time limit: a copy that failed is begun
/// anew on an empty database.
async fn insert_all(
    collection: &TimedCollection,
    whole: impl Iterator<Item = Result<Document>>,
) -> Result<()> {
    let whole: Vec<Document> = whole.collect::<Result<_>>()?;
    if !whole.is_empty() {
        collection.driver().insert_many(whole).await?;
    }
    Ok(())
}

fn as_documents<'a, T, D>(values: &'a [T]) -> impl Iterator<Item = Result<Document>>
where
    D: From<&'a T> + Serialize,
{
    values.iter().map(|value| document(&D::from(value)))
}

#[async_trait]
impl Copying for MongoStore {
    async fn counts(&self) -> std::result::Result<Counts, StoreError> {
        self.within(self.count()).await
    }

    async fn events(
        &self,
        after: Option<EventPosition>,
        limit: usize,
    ) -> std::result::Result<Vec<(EventPosition, Event)>, StoreError> {
        self.within(async {
            let found = self
                .at
                .history
                .with_type::<EventDocument>()
                .find(later_than(
                    after.map(|position| object_id(position.as_bytes())),
                ))
                .sort(doc! { "_id": 1 })
                .limit(bounded(limit))
                .await?;
            found
                .and_then(|event| async {
                    Ok((
                        EventPosition::from_bytes(event.id.bytes()),
                        event.try_into()?,
                    ))
                })
                .try_collect()
                .await
        })
        .await
    }

    async fn begin_copy(&self, holder: LeaseId) -> std::result::Result<bool, StoreError> {
        let holder = object_id(holder.as_bytes());
        let ours = doc! { "$set": { "holder": holder } };
        let take_over = self.at.meta.update_one(doc! { "_id": MARK }, ours);
        if self.within(take_over).await? {
            for collection in [
                &self.at.user,
                &self.at.movie,
                &self.at.outbox,
                &self.at.history,
                &self.at.revocations,
                &self.at.locks,
            ] {
                // Without a limit in time: it takes as long as there is much.
                let cleared = collection.delete_many(doc! {}).await;
                cleared.map_err(|error| self.link.failed(&error))?;
            }
            return Ok(true);
        }
        if self.counts().await? != Counts::default() {
            return Ok(false);
        }
        let mark = doc! { "_id": MARK, "holder": holder };
        self.within(self.at.meta.insert_one(mark)).await?;
        Ok(true)
    }

    async fn write_batch(
        &self,
        holder: LeaseId,
        portion: &CopyBatch,
    ) -> std::result::Result<u64, StoreError> {
        self.must_hold(holder).await?;
        self.within(async {
            match portion {
                CopyBatch::Accounts(accounts) => {
                    let whole = as_documents::<_, AccountDocument>(accounts).map(|account| {
                        let mut account = account?;
                        account.insert("movies", Vec::<ObjectId>::new());
                        Ok(account)
                    });
                    insert_all(&self.at.user, whole).await?;
                    let revoked = accounts.iter().filter_map(|account| {
                        let revocation = account.revocation?;
                        Some(document(&RevocationDocument {
                            account: object_id(account.id.as_bytes()),
                            revocation: object_id(revocation.as_bytes()),
                        }))
                    });
                    insert_all(&self.at.revocations, revoked).await?;
                }
                CopyBatch::Movies(movies) => {
                    insert_all(&self.at.movie, as_documents::<_, MovieDocument>(movies)).await?;
                    let mut of_accounts: BTreeMap<_, Vec<ObjectId>> = BTreeMap::new();
                    for movie in movies {
                        of_accounts
                            .entry(object_id(movie.added_by.as_bytes()))
                            .or_default()
                            .push(object_id(movie.id.as_bytes()));
                    }
                    for (account, movies) in of_accounts {
                        let added = doc! { "$push": { "movies": { "$each": movies } } };
                        self.at
                            .user
                            .update_one(doc! { "_id": account }, added)
                            .await?;
                    }
                }
                CopyBatch::Mails(mails) => {
                    insert_all(&self.at.outbox, as_documents::<_, EntryDocument>(mails)).await?;
                }
                CopyBatch::Events(events) => {
                    insert_all(&self.at.history, as_documents::<_, EventDocument>(events)).await?;
                }
            }
            Ok(0)
        })
        .await
    }

    async fn finish_copy(&self, holder: LeaseId) -> std::result::Result<(), StoreError> {
        let is_ours = doc! { "_id": MARK, "holder": object_id(holder.as_bytes()) };
        let unmarked = self.within(self.at.meta.delete_one(is_ours));
        if unmarked.await? == 0 {
            return Err(another_copy());
        }
        Ok(())
    }

    async fn is_copy_unfinished(&self) -> std::result::Result<bool, StoreError> {
        self.within(async { Ok(self.at.meta.find_one(doc! { "_id": MARK }).await?.is_some()) })
            .await
    }
}
