//! The writes of a step, within a transaction or without one.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, Result};
use mongodb::{ClientSession, Collection};

use super::super::Counting;
use super::limits;
use super::link::{Collision, code};
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
        collection: &Collection<Document>,
        filter: Document,
        update: Document,
    ) -> Result<bool> {
        let action = collection.update_one(filter, update);
        let updated = match &mut self.session {
            Some(session) => action.session(&mut **session).await,
            None => action.await,
        };
        let is_there = updated?.matched_count > 0;
        self.has_written |= is_there;
        Ok(is_there)
    }

    /// Makes what a step is there to make; `false` where it is performed again and that is not there.
    pub(super) async fn make(
        &mut self,
        collection: &Collection<Document>,
        whole: Document,
    ) -> Result<bool> {
        if self.is_again {
            let id = whole.get("_id").cloned();
            return self.exists(collection, doc! { "_id": id }).await;
        }
        let action = collection.insert_one(whole);
        match &mut self.session {
            Some(session) => action.session(&mut **session).await?,
            None => action.await?,
        };
        self.has_written = true;
        Ok(true)
    }

    /// Inserts a document, unless one with its id is there.
    pub(super) async fn put(
        &mut self,
        collection: &Collection<Document>,
        mut whole: Document,
    ) -> Result<()> {
        let id = whole.remove("_id");
        let action = collection
            .update_one(doc! { "_id": id }, doc! { "$setOnInsert": whole })
            .upsert(true);
        let put = match &mut self.session {
            Some(session) => action.session(&mut **session).await,
            None => match action.await {
                // Two do it at once, and the other one was faster.
                Err(error) if is_duplicate(&error) => return Ok(()),
                put => put,
            },
        };
        self.has_written = true;
        put.map(|_| ())
    }

    /// Updates a document that matches, or inserts one where `filter` matches none and its id is free; `false` where a
    /// document with this id exists and does not match.
    pub(super) async fn upsert(
        &mut self,
        collection: &Collection<Document>,
        filter: Document,
        update: Document,
    ) -> Result<bool> {
        let action = collection.update_one(filter, update).upsert(true);
        let upserted = match &mut self.session {
            Some(session) => action.session(&mut **session).await,
            None => action.await,
        };
        match upserted {
            // Another writer inserted it in the meantime. Within a transaction this ends the transaction.
            Err(error) if is_duplicate(&error) && self.session.is_none() => return Ok(false),
            Err(error) if is_duplicate(&error) => return Err(Collision::error()),
            upserted => upserted?,
        };
        self.has_written = true;
        Ok(true)
    }

    /// Makes this transaction collide with every other one that locks the same account: the server detects two writes to
    /// one document, and neither a write that depends on a read nor an insert beside a delete. The document carries no
    /// information and expires by itself (see `indexes.rs`), so an unknown account is locked in the same way. Without a
    /// transaction there is nothing to lock.
    pub(super) async fn lock(
        &mut self,
        locks: &Collection<Document>,
        account: ObjectId,
    ) -> Result<()> {
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
        collection: &Collection<Document>,
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
        tallies: &Collection<Document>,
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
        collection: &Collection<Document>,
        filter: Document,
    ) -> Result<u64> {
        let action = collection.delete_many(filter);
        let deleted = match &mut self.session {
            Some(session) => action.session(&mut **session).await?,
            None => action.await?,
        };
        self.has_written |= deleted.deleted_count > 0;
        Ok(deleted.deleted_count)
    }
}

/// Whether a write failed because of a unique index.
pub(super) fn is_duplicate(error: &Error) -> bool {
    const DUPLICATE_KEY: i32 = 11_000;
    code(error) == Some(DUPLICATE_KEY)
}
