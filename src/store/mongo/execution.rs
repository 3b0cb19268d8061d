//! The writes of a step, within a transaction or without one.

use mongodb::ClientSession;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, Result};

use super::super::Counting;
use super::limits;
use super::link::{Collision, code};
use super::timed_collection::TimedCollection;
use crate::domain::limit::{Tally, TooEarly};

/// One performance of a step.
pub(super) struct Turn<'a> {
    /// The transaction that it is within.
    session: Option<&'a mut ClientSession>,
    /// Whether it is by somebody who found the step in the journal.
    is_again: bool,
    /// Whether anything is changed by now.
    pub(super) has_written: bool,
}

impl<'a> Turn<'a> {
    pub(super) fn in_transaction(session: &'a mut ClientSession) -> Self {
        Self {
            session: Some(session),
            is_again: false,
            has_written: false,
        }
    }

    pub(super) fn by_journal(is_again: bool) -> Self {
        Self {
            session: None,
            is_again,
            has_written: false,
        }
    }

    pub(super) fn is_in_transaction(&self) -> bool {
        self.session.is_some()
    }

    /// Whether another process may have performed a part of the step.
    pub(super) fn is_again(&self) -> bool {
        self.is_again
    }

    /// Updates one document; whether there was one.
    pub(super) async fn update(
        &mut self,
        collection: &TimedCollection,
        filter: Document,
        update: Document,
    ) -> Result<bool> {
        let is_there = match &mut self.session {
            Some(session) => {
                let update = collection.driver().update_one(filter, update);
                update.session(&mut **session).await?.matched_count > 0
            }
            None => collection.update_one(filter, update).await?,
        };
        self.has_written |= is_there;
        Ok(is_there)
    }

    /// Makes what a step is there to make; `false` where it is performed again and that is not there.
    pub(super) async fn make(
        &mut self,
        collection: &TimedCollection,
        whole: Document,
    ) -> Result<bool> {
        if self.is_again {
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

    /// Inserts a document, unless one with its id is there.
    pub(super) async fn put(
        &mut self,
        collection: &TimedCollection,
        mut whole: Document,
    ) -> Result<()> {
        let id = whole.remove("_id");
        let (filter, update) = (doc! { "_id": id }, doc! { "$setOnInsert": whole });
        let put = self.send_upsert(collection, filter, update).await;
        if self.session.is_none() && put.as_ref().is_err_and(is_duplicate) {
            // Two do it at once, and the other one was faster.
            return Ok(());
        }
        self.has_written = true;
        put
    }

    /// Updates a document that matches, or inserts one where `filter` matches none and its id is free; `false` where a
    /// document with this id exists and does not match.
    pub(super) async fn upsert(
        &mut self,
        collection: &TimedCollection,
        filter: Document,
        update: Document,
    ) -> Result<bool> {
        match self.send_upsert(collection, filter, update).await {
            // Another writer inserted it in the meantime. Within a transaction this ends the transaction.
            Err(error) if is_duplicate(&error) && self.session.is_none() => return Ok(false),
            Err(error) if is_duplicate(&error) => return Err(Collision::error()),
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

    /// Makes this transaction collide with every other one that locks the same account: the server detects two writes to
    /// one document, and neither a write that depends on a read nor an insert beside a delete. The document carries no
    /// information and expires by itself (see `indexes.rs`), so an unknown account is locked in the same way. Without a
    /// transaction there is nothing to lock.
    pub(super) async fn lock(&mut self, locks: &TimedCollection, account: ObjectId) -> Result<()> {
        if self.session.is_none() {
            return Ok(());
        }
        // The counter makes each write a real change: a server may skip an update that changes nothing.
        let turn = doc! { "$inc": { "turns": 1_i64 }, "$currentDate": { "at": true } };
        self.upsert(locks, doc! { "_id": account }, turn).await?;
        Ok(())
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

    /// Counts one more, within the transaction. The write takes effect only while the tally is the one that was read, also
    /// on a server whose transactions read what others commit meanwhile; otherwise the transaction begins anew.
    pub(super) async fn count(
        &mut self,
        tallies: &TimedCollection,
        counting: Counting,
    ) -> Result<std::result::Result<Tally, TooEarly>> {
        let action = tallies.find_one(doc! { "_id": limits::id_of(counting.key) });
        let found = match &mut self.session {
            Some(session) => action.session(&mut **session).await?,
            None => action.await?,
        };
        let kept = found.as_ref().map(limits::tally).transpose()?;
        let counted = counting.limit.count(kept, counting.now);
        if let Ok(tally) = &counted {
            let set = limits::set(counting, tally);
            let is_unchanged = limits::still_says(counting.key, kept.as_ref());
            let is_counted = match kept {
                Some(_) => self.update(tallies, is_unchanged, set).await?,
                None => self.upsert(tallies, is_unchanged, set).await?,
            };
            if !is_counted {
                return Err(Collision::error());
            }
        }
        Ok(counted)
    }

    /// Deletes all that match; how many there were.
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

/// Whether a write failed because of a unique index.
pub(super) fn is_duplicate(error: &Error) -> bool {
    const DUPLICATE_KEY: i32 = 11_000;
    code(error) == Some(DUPLICATE_KEY)
}
