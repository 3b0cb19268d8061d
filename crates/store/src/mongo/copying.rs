//! Copying a whole database into another.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::error::Result;
use movie_bag_core::domain::event::Event;
use movie_bag_core::domain::id::LeaseId;
use movie_bag_core::ports::store::{CopyBatch, Copying, Counts, EventPosition, StoreError};
use serde::Serialize;

use super::super::superseded_copy::superseded_copy;
use super::MongoStore;
use super::documents::{
    AccountDocument, EntryDocument, EventDocument, GONE, MovieDocument, PendingDocument,
    RevocationDocument, object_id, to_document,
};
use super::paging::{ids_after, server_limit};
use super::timed_collection::TimedCollection;

/// Id of the document in `movie_bag_meta` that marks an unfinished copy.
const UNFINISHED_COPY: &str = "half_copied";

impl MongoStore {
    /// Checks that this holder still copies into the database.
    async fn require_holder(&self, holder: LeaseId) -> std::result::Result<(), StoreError> {
        let is_held = doc! { "_id": UNFINISHED_COPY, "holder": object_id(holder.as_bytes()) };
        let found = self.run(async { self.collections.meta.find_one(is_held).await });
        found.await?.map(|_| ()).ok_or_else(superseded_copy)
    }

    async fn count_all(&self) -> Result<Counts> {
        let count = async |collection: &TimedCollection, filter: Document| {
            collection.count_documents(filter).await
        };
        Ok(Counts {
            accounts: count(&self.collections.user, doc! {}).await?,
            pending_changes: count(&self.collections.pending, doc! {}).await?,
            movies: count(&self.collections.movie, doc! {}).await?,
            mails: count(&self.collections.outbox, doc! { "state": { "$ne": GONE } }).await?,
            events: count(&self.collections.history, doc! {}).await?,
        })
    }
}

/// Inserts all documents. The driver splits them into commands, which carry no time limit: a copy that failed restarts on an
/// empty database.
async fn insert_all(
    collection: &TimedCollection,
    documents: impl Iterator<Item = Result<Document>>,
) -> Result<()> {
    let documents: Vec<Document> = documents.collect::<Result<_>>()?;
    if !documents.is_empty() {
        collection.driver().insert_many(documents).await?;
    }
    Ok(())
}

fn to_documents<'a, T, D>(values: &'a [T]) -> impl Iterator<Item = Result<Document>>
where
    D: From<&'a T> + Serialize,
{
    values.iter().map(|value| to_document(&D::from(value)))
}

#[async_trait]
impl Copying for MongoStore {
    async fn counts(&self) -> std::result::Result<Counts, StoreError> {
        self.run(self.count_all()).await
    }

    async fn events(
        &self,
        after: Option<EventPosition>,
        limit: usize,
    ) -> std::result::Result<Vec<(EventPosition, Event)>, StoreError> {
        self.run(async {
            let found = self
                .collections
                .history
                .with_type::<EventDocument>()
                .find(ids_after(
                    after.map(|position| object_id(position.as_bytes())),
                ))
                .sort(doc! { "_id": 1 })
                .limit(server_limit(limit))
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
        let take_over = self.collections.meta.update_one(
            doc! { "_id": UNFINISHED_COPY },
            doc! { "$set": { "holder": holder } },
        );
        if self.run(take_over).await? {
            for collection in [
                &self.collections.user,
                &self.collections.movie,
                &self.collections.outbox,
                &self.collections.history,
                &self.collections.revocations,
                &self.collections.pending,
                &self.collections.locks,
            ] {
                // The deletion has no time limit, since its duration depends on the number of documents.
                let cleared = collection.delete_many(doc! {}).await;
                cleared.map_err(|error| self.connection.store_error(&error))?;
            }
            return Ok(true);
        }
        if self.counts().await? != Counts::default() {
            return Ok(false);
        }
        let mark = doc! { "_id": UNFINISHED_COPY, "holder": holder };
        self.run(self.collections.meta.insert_one(mark)).await?;
        Ok(true)
    }

    async fn write_batch(
        &self,
        holder: LeaseId,
        portion: &CopyBatch,
    ) -> std::result::Result<u64, StoreError> {
        self.require_holder(holder).await?;
        self.run(async {
            match portion {
                CopyBatch::Accounts(accounts) => {
                    let documents = to_documents::<_, AccountDocument>(accounts).map(|account| {
                        let mut account = account?;
                        account.insert("movies", Vec::<ObjectId>::new());
                        Ok(account)
                    });
                    insert_all(&self.collections.user, documents).await?;
                    let revocations = accounts.iter().filter_map(RevocationDocument::of);
                    let revocations = revocations.map(|revocation| to_document(&revocation));
                    insert_all(&self.collections.revocations, revocations).await?;
                }
                CopyBatch::PendingChanges(changes) => {
                    insert_all(
                        &self.collections.pending,
                        to_documents::<_, PendingDocument>(changes),
                    )
                    .await?;
                }
                CopyBatch::Movies(movies) => {
                    insert_all(
                        &self.collections.movie,
                        to_documents::<_, MovieDocument>(movies),
                    )
                    .await?;
                    let mut movies_by_account: BTreeMap<_, Vec<ObjectId>> = BTreeMap::new();
                    for movie in movies {
                        movies_by_account
                            .entry(object_id(movie.added_by.as_bytes()))
                            .or_default()
                            .push(object_id(movie.id.as_bytes()));
                    }
                    for (account, movies) in movies_by_account {
                        let added = doc! { "$push": { "movies": { "$each": movies } } };
                        self.collections
                            .user
                            .update_one(doc! { "_id": account }, added)
                            .await?;
                    }
                }
                CopyBatch::Mails(mails) => {
                    insert_all(
                        &self.collections.outbox,
                        to_documents::<_, EntryDocument>(mails),
                    )
                    .await?;
                }
                CopyBatch::Events(events) => {
                    insert_all(
                        &self.collections.history,
                        to_documents::<_, EventDocument>(events),
                    )
                    .await?;
                }
            }
            Ok(0)
        })
        .await
    }

    async fn finish_copy(&self, holder: LeaseId) -> std::result::Result<(), StoreError> {
        let is_held = doc! { "_id": UNFINISHED_COPY, "holder": object_id(holder.as_bytes()) };
        let deleted = self.run(self.collections.meta.delete_one(is_held));
        if deleted.await? == 0 {
            return Err(superseded_copy());
        }
        Ok(())
    }

    async fn is_copy_unfinished(&self) -> std::result::Result<bool, StoreError> {
        let mark = doc! { "_id": UNFINISHED_COPY };
        self.run(async { Ok(self.collections.meta.find_one(mark).await?.is_some()) })
            .await
    }
}
