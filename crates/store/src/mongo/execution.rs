//! Reads and writes of a step, in a transaction or without one.

use mongodb::ClientSession;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::error::Result;
use movie_bag_core::domain::limit::{LimitState, TooEarly};
use movie_bag_core::ports::store::LimitedCall;

use super::collections::Collections;
use super::errors::{WriteConflict, is_duplicate};
use super::tally_documents::{decode_tally, key_id, tally_update, unchanged_tally};
use super::timed_collection::TimedCollection;

/// One execution of a step.
pub(super) struct Execution<'a> {
    pub(super) collections: &'a Collections,
    /// Session with the transaction, if any.
    session: Option<&'a mut ClientSession>,
    /// Whether the step was found in the journal, so that another process may have executed it, wholly or in part.
    is_repeated: bool,
    /// Whether the step has changed anything so far.
    pub(super) has_written: bool,
}

impl<'a> Execution<'a> {
    pub(super) fn in_transaction(
        collections: &'a Collections,
        session: &'a mut ClientSession,
    ) -> Self {
        Self {
            collections,
            session: Some(session),
            is_repeated: false,
            has_written: false,
        }
    }

    pub(super) fn with_journal(collections: &'a Collections, is_repeated: bool) -> Self {
        Self {
            collections,
            session: None,
            is_repeated,
            has_written: false,
        }
    }

    pub(super) fn is_in_transaction(&self) -> bool {
        self.session.is_some()
    }

    pub(super) fn is_repeated(&self) -> bool {
        self.is_repeated
    }

    /// Updates one document. Returns whether one matched.
    pub(super) async fn update(
        &mut self,
        collection: &TimedCollection,
        filter: Document,
        update: Document,
    ) -> Result<bool> {
        let is_matched = match &mut self.session {
            Some(session) => {
                let update = collection.driver().update_one(filter, update);
                update.session(&mut **session).await?.matched_count > 0
            }
            None => collection.update_one(filter, update).await?,
        };
        self.has_written |= is_matched;
        Ok(is_matched)
    }

    /// Inserts the document that a step creates. A repeated execution inserts nothing, since the document may have been
    /// deleted since; it returns whether the document exists.
    pub(super) async fn insert_new(
        &mut self,
        collection: &TimedCollection,
        whole: Document,
    ) -> Result<bool> {
        if self.is_repeated {
            let id = whole.get("_id").cloned();
            return self.exists(collection, doc! { "_id": id }).await;
        }
        match &mut self.session {
            Some(session) => {
                let insert = collection.driver().insert_one(whole);
                insert.session(&mut **session).await?;
            }
            None => collection.insert_one(whole).await?,
        }
        self.has_written = true;
        Ok(true)
    }

    /// Inserts a document unless one with its id exists.
    pub(super) async fn insert_missing(
        &mut self,
        collection: &TimedCollection,
        mut whole: Document,
    ) -> Result<()> {
        let id = whole.remove("_id");
        let (filter, update) = (doc! { "_id": id }, doc! { "$setOnInsert": whole });
        let put = self.send_upsert(collection, filter, update).await;
        if self.session.is_none() && put.as_ref().is_err_and(is_duplicate) {
            // Another process inserted it in the meantime.
            return Ok(());
        }
        self.has_written = true;
        put
    }

    /// Updates the document that matches, or inserts one if none does. Returns `false` if a document with this id exists and
    /// does not match.
    pub(super) async fn upsert(
        &mut self,
        collection: &TimedCollection,
        filter: Document,
        update: Document,
    ) -> Result<bool> {
        match self.send_upsert(collection, filter, update).await {
            // Another writer inserted it in the meantime. Within a transaction this ends the transaction.
            Err(error) if is_duplicate(&error) && self.session.is_none() => return Ok(false),
            Err(error) if is_duplicate(&error) => return Err(WriteConflict::error()),
            upserted => upserted?,
        }
        self.has_written = true;
        Ok(true)
    }

    async fn send_upsert(
        &mut self,
        collection: &TimedCollection,
        filter: Document,
        update: Document,
    ) -> Result<()> {
        match &mut self.session {
            Some(session) => {
                let upsert = collection.driver().update_one(filter, update).upsert(true);
                upsert.session(&mut **session).await.map(|_| ())
            }
            None => collection.upsert_one(filter, update).await,
        }
    }

    /// Makes this transaction conflict with every other one that locks the same account. The server detects two writes to
    /// one document, but neither a write that depends on a read nor an insert during a delete. The document carries no
    /// information and expires by itself (see `indexes.rs`), so an unknown account is locked in the same way. Without a
    /// transaction this does nothing.
    pub(super) async fn lock(&mut self, account: ObjectId) -> Result<()> {
        if self.session.is_none() {
            return Ok(());
        }
        // The counter makes each write a real change: a server may skip an update that changes nothing.
        let increment = doc! { "$inc": { "turns": 1_i64 }, "$currentDate": { "at": true } };
        self.upsert(&self.collections.locks, doc! { "_id": account }, increment)
            .await?;
        Ok(())
    }

    pub(super) async fn account_exists(&mut self, account: &ObjectId) -> Result<bool> {
        self.exists(&self.collections.user, doc! { "_id": account })
            .await
    }

    pub(super) async fn exists(
        &mut self,
        collection: &TimedCollection,
        filter: Document,
    ) -> Result<bool> {
        let action = collection.find_one(filter).projection(doc! { "_id": 1 });
        let found = match &mut self.session {
            Some(session) => action.session(&mut **session).await?,
            None => action.await?,
        };
        Ok(found.is_some())
    }

    /// Counts one call in the transaction. The write takes effect only while the tally is the one that was read; otherwise the
    /// transaction restarts. So the count is right also on a server whose transactions read what others commit meanwhile.
    pub(super) async fn count(
        &mut self,
        counting: LimitedCall,
    ) -> Result<std::result::Result<LimitState, TooEarly>> {
        let tallies = &self.collections.tallies;
        let action = tallies.find_one(doc! { "_id": key_id(counting.key) });
        let found = match &mut self.session {
            Some(session) => action.session(&mut **session).await?,
            None => action.await?,
        };
        let kept = found.as_ref().map(decode_tally).transpose()?;
        let counted = counting.limit.count(kept, counting.now);
        if let Ok(tally) = &counted {
            let update = tally_update(counting, tally);
            let is_unchanged = unchanged_tally(counting.key, kept.as_ref());
            let is_counted = match kept {
                Some(_) => self.update(tallies, is_unchanged, update).await?,
                None => self.upsert(tallies, is_unchanged, update).await?,
            };
            if !is_counted {
                return Err(WriteConflict::error());
            }
        }
        Ok(counted)
    }

    /// Deletes all documents that match. Returns their number.
    pub(super) async fn delete(
        &mut self,
        collection: &TimedCollection,
        filter: Document,
    ) -> Result<u64> {
        let deleted = match &mut self.session {
            Some(session) => {
                let delete = collection.driver().delete_many(filter);
                delete.session(&mut **session).await?.deleted_count
            }
            None => collection.delete_many(filter).await?,
        };
        self.has_written |= deleted > 0;
        Ok(deleted)
    }
}
