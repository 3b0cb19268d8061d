//! Steps of pending changes.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::error::Result;

use super::super::documents::{OutcomeDocument, PendingDocument, to_document};
use super::super::execution::Execution;
use super::Outcome;
use super::mails::settle_update;

impl Execution<'_> {
    pub(super) async fn put_pending(&mut self, change: &PendingDocument) -> Result<Outcome> {
        let whole = to_document(change)?;
        let mut set: Document = whole.clone();
        for kept in ["_id", "key", "kind", "account"] {
            set.remove(kept);
        }
        let pending = &self.collections.pending;
        let is_same = doc! { "key": &change.key };
        if self.update(pending, is_same, doc! { "$set": set }).await?
            || self.insert_new(pending, whole).await?
        {
            return Ok(Outcome::Done);
        }
        Ok(Outcome::Refused)
    }

    /// Deletes the mails first: one without its change would be dead, and nothing would delete it.
    pub(super) async fn delete_pending(&mut self, change: &PendingDocument) -> Result<Outcome> {
        let is_replaced = doc! { "_id": change.id, "requested_at": { "$ne": change.requested_at } };
        if self.exists(&self.collections.pending, is_replaced).await? {
            return Ok(Outcome::Refused);
        }
        let mails = doc! {
            "account": change.account,
            "kind": &change.kind,
            "recipient": &change.address,
        };
        self.delete(&self.collections.outbox, mails).await?;
        let is_same = doc! { "_id": change.id, "requested_at": change.requested_at };
        self.delete(&self.collections.pending, is_same).await?;
        Ok(Outcome::Done)
    }

    pub(super) async fn settle_signup(
        &mut self,
        entry: &ObjectId,
        holder: &ObjectId,
        outcome: &OutcomeDocument,
        mark: ObjectId,
    ) -> Result<Outcome> {
        let outbox = &self.collections.outbox;
        let is_held = doc! { "_id": entry, "lease.holder": holder };
        let settled = settle_update(outcome, mark, true);
        let is_settled = doc! { "_id": entry, "settled": mark };
        Ok(
            if self.update(outbox, is_held, settled).await?
                || self.exists(outbox, is_settled).await?
            {
                Outcome::Done
            } else {
                Outcome::Refused
            },
        )
    }
}
