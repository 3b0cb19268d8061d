//! Steps that queue or settle a mail, and the lines of the history that steps write.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::error::Result;

use movie_bag_core::ports::store::LimitedCall;

use super::super::documents::{EntryDocument, EventDocument, GONE, OutcomeDocument, to_document};
use super::super::execution::Execution;
use super::Outcome;

impl Execution<'_> {
    pub(super) async fn queue_mail(
        &mut self,
        event: &EventDocument,
        mail: &EntryDocument,
        counting: Option<LimitedCall>,
    ) -> Result<Outcome> {
        if let Some(counting) = counting
            && self.is_in_transaction()
            && let Err(early) = self.count(counting).await?
        {
            return Ok(Outcome::TooEarly(early));
        }
        self.lock(event.account).await?;
        let exists = self.account_exists(&event.account).await?;
        // Both reads for an unknown account too, which takes the same amount of work.
        let is_disabled = self.is_disabled(&event.account).await?;
        if is_disabled && self.is_repeated() {
            // The process that died may have inserted these before the account was disabled.
            self.delete_mails_and_event(std::slice::from_ref(mail), event)
                .await?;
        }
        if !exists || is_disabled {
            for document in [to_document(mail)?, to_document(event)?] {
                self.insert_missing(&self.collections.decoys, decoy(document))
                    .await?;
            }
            return Ok(Outcome::Refused);
        }
        let mails = std::slice::from_ref(mail);
        let mut is_written = self.write_mails_and_event(mails, event).await?;
        if is_written && !self.is_in_transaction() && self.is_disabled(&event.account).await? {
            // The account was disabled meanwhile, perhaps before these writes.
            self.delete_mails_and_event(mails, event).await?;
            is_written = false;
        }
        Ok(if is_written {
            Outcome::Done
        } else {
            Outcome::Refused
        })
    }

    pub(super) async fn record(&mut self, event: &EventDocument) -> Result<Outcome> {
        self.lock(event.account).await?;
        if self.account_exists(&event.account).await? {
            self.write_mails_and_event(&[], event).await?;
            return Ok(Outcome::Done);
        }
        Ok(Outcome::Refused)
    }

    pub(super) async fn settle(
        &mut self,
        entry: &ObjectId,
        holder: &ObjectId,
        outcome: &OutcomeDocument,
        event: &EventDocument,
    ) -> Result<Outcome> {
        if !self.account_exists(&event.account).await? {
            // The entry is deleted with its account. A single write: a second one could wait for the deletion of the
            // account, which may wait for the first write.
            let is_own =
                doc! { "_id": entry, "$or": [{ "lease.holder": holder }, { "settled": event.id }] };
            return Ok(match self.delete(&self.collections.outbox, is_own).await? {
                0 => Outcome::Refused,
                _ => Outcome::Done,
            });
        }
        let is_held = doc! { "_id": entry, "lease.holder": holder };
        let settled = self
            .update(
                &self.collections.outbox,
                is_held,
                settle_update(outcome, event.id, self.is_in_transaction()),
            )
            .await?;
        let is_settled = doc! { "_id": entry, "settled": event.id };
        if !settled && !self.exists(&self.collections.outbox, is_settled).await? {
            return self.completed_or_refused(event).await;
        }
        // The deletion of the account deletes the entry before it deletes the history. In a transaction it therefore waits
        // here, or this step conflicts with it.
        if !self.write_mails_and_event(&[], event).await? {
            self.delete(&self.collections.outbox, doc! { "_id": entry })
                .await?;
        } else if outcome.state == GONE && !self.is_in_transaction() {
            // Expiry may begin only now: until here the entry shows that the mail was sent.
            self.update(
                &self.collections.outbox,
                doc! { "_id": entry },
                expiry_update(),
            )
            .await?;
        }
        Ok(Outcome::Done)
    }

    /// Queues mails and adds a line to the history of their account. Returns `false`, and leaves none of it, if the account was
    /// deleted meanwhile. In a transaction the deletion conflicts instead.
    pub(super) async fn write_mails_and_event(
        &mut self,
        mails: &[EntryDocument],
        event: &EventDocument,
    ) -> Result<bool> {
        for mail in mails {
            self.insert_missing(&self.collections.outbox, to_document(mail)?)
                .await?;
        }
        self.insert_missing(&self.collections.history, to_document(event)?)
            .await?;
        if self.is_in_transaction() || self.account_exists(&event.account).await? {
            return Ok(true);
        }
        // The deletion may have ended before these writes.
        self.delete_mails_and_event(mails, event).await?;
        Ok(false)
    }

    /// Does the same as [`Execution::write_mails_and_event`] for notices to the owner, which are not queued if the account is
    /// disabled.
    pub(super) async fn write_notices_and_event(
        &mut self,
        mails: &[EntryDocument],
        event: &EventDocument,
    ) -> Result<bool> {
        let was_disabled = self.is_disabled(&event.account).await?;
        let queued = if was_disabled { &[] } else { mails };
        let is_written = self.write_mails_and_event(queued, event).await?;
        // Without a transaction, the account may be disabled meanwhile, and an earlier execution may have queued the mails.
        if !self.is_in_transaction() && (was_disabled || self.is_disabled(&event.account).await?) {
            self.delete_mails(mails).await?;
        }
        Ok(is_written)
    }

    async fn delete_mails(&mut self, mails: &[EntryDocument]) -> Result<()> {
        for mail in mails {
            self.delete(&self.collections.outbox, doc! { "_id": mail.id })
                .await?;
        }
        Ok(())
    }

    /// Deletes the documents that [`Execution::write_mails_and_event`] inserts.
    pub(super) async fn delete_mails_and_event(
        &mut self,
        mails: &[EntryDocument],
        event: &EventDocument,
    ) -> Result<()> {
        self.delete_mails(mails).await?;
        self.delete(&self.collections.history, doc! { "_id": event.id })
            .await?;
        Ok(())
    }

    /// Returns the outcome after a claim that matched nothing: either the step is refused, or another process has completed it.
    pub(super) async fn completed_or_refused(&mut self, event: &EventDocument) -> Result<Outcome> {
        let done = self
            .exists(&self.collections.history, doc! { "_id": event.id })
            .await?;
        Ok(if done {
            Outcome::Done
        } else {
            Outcome::Refused
        })
    }
}

/// Turns a history line or an entry into a document that expires at once.
fn decoy(mut document: Document) -> Document {
    document.insert("at", DateTime::now());
    document
}

/// Returns the update that lets an entry expire, by the server's clock.
fn expiry_update() -> Document {
    doc! { "$currentDate": { "gone_at": true } }
}

/// Returns the update that settles an entry. The mark shows to a repetition of the step that it took effect.
pub(super) fn settle_update(
    outcome: &OutcomeDocument,
    mark: ObjectId,
    is_atomic: bool,
) -> Document {
    let mut set = doc! { "state": &outcome.state, "settled": mark };
    if let Some(error) = &outcome.error {
        set.insert("last_error", error);
    }
    if let Some(at) = outcome.next_try_at {
        set.insert("next_try_at", at);
        set.insert("free_at", at);
    }
    let mut update = doc! { "$set": set, "$unset": { "lease": "" } };
    if is_atomic && outcome.state == GONE {
        update.extend(expiry_update());
    }
    update
}
