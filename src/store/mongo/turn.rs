//! The writes of a step, within a transaction or without one.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, Result};
use mongodb::{ClientSession, Collection};

use super::super::Counting;
use super::limits;
use super::link::code;
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

    /// Raises values of a document that may not be there yet to these, where they are lower.
    pub(super) async fn raise(
        &mut self,
        collection: &Collection<Document>,
        id: &ObjectId,
        values: Document,
    ) -> Result<()> {
        let action = collection
            .update_one(doc! { "_id": id }, doc! { "$max": values })
            .upsert(true);
        match &mut self.session {
            Some(session) => action.session(&mut **session).await?,
            None => action.await?,
        };
        self.has_written = true;
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

    /// Counts one more, within the transaction: another one that counts on the same tally makes it begin anew.
    pub(super) async fn count(
        &mut self,
        tallies: &Collection<Document>,
        counting: Counting,
    ) -> Result<std::result::Result<Tally, TooEarly>> {
        let id = limits::id_of(counting.key);
        let action = tallies.find_one(doc! { "_id": id.clone() });
        let found = match &mut self.session {
            Some(session) => action.session(&mut **session).await?,
            None => action.await?,
        };
        let kept = found.as_ref().map(limits::tally).transpose()?;
        let counted = counting.limit.count(kept, counting.now);
        if let Ok(tally) = &counted {
            let action = tallies
                .update_one(doc! { "_id": id }, limits::set(counting, tally))
                .upsert(true);
            match &mut self.session {
                Some(session) => action.session(&mut **session).await?,
                None => action.await?,
            };
            self.has_written = true;
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
