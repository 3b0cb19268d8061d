//! Steps that create, change or delete an account.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Result;

use movie_bag_core::ports::store::Deletion;

use super::super::documents::{
    AccountDocument, EntryDocument, EventDocument, to_document, undelivered_filter,
};
use super::super::execution::Execution;
use super::Outcome;

impl Execution<'_> {
    pub(super) async fn create_account(
        &mut self,
        account: &AccountDocument,
        event: &EventDocument,
        mails: &[EntryDocument],
    ) -> Result<Outcome> {
        let mut document = to_document(account)?;
        document.insert("movies", Vec::<ObjectId>::new());
        if !self.insert_new(&self.collections.user, document).await? {
            return Ok(Outcome::Refused);
        }
        self.write_mails_and_event(mails, event).await?;
        Ok(Outcome::Done)
    }

    /// Claims the replacement of a credential. Returns whether it is replaced.
    pub(super) async fn replace_credential(
        &mut self,
        expected: &AccountDocument,
        disabling: Option<&ObjectId>,
        email: &str,
        password: &str,
    ) -> Result<bool> {
        // The account must not have been disabled since the caller read it: its reset tokens are void then. A transaction that
        // disables it conflicts with this one. Without transactions, an account that is disabled between this read and the claim
        // gets its new password nevertheless, as if the reset had preceded.
        self.lock(expected.id).await?;
        let is_expected = match disabling {
            Some(disabling) => doc! { "_id": expected.id, "disabling": disabling },
            None => doc! { "_id": expected.id, "disabling": { "$exists": true } },
        };
        let is_found = self
            .exists(&self.collections.revocations, is_expected)
            .await?;
        let is_unchanged = is_found == disabling.is_some();
        if is_unchanged
            && self
                .update(
                    &self.collections.user,
                    expected.unchanged_filter(),
                    doc! { "$set": { "email": email, "password": password } },
                )
                .await?
        {
            return Ok(true);
        }
        if self.is_in_transaction() {
            return Ok(false);
        }
        // With the journal, an earlier execution of this step may have replaced it: two salted hashes are never the same. Two
        // concurrent changes of an account to the same address may both succeed.
        let is_replaced = doc! { "_id": expected.id, "email": email, "password": password };
        self.exists(&self.collections.user, is_replaced).await
    }

    /// Does the rest of a replacement.
    pub(super) async fn finish_replacement(
        &mut self,
        event: &EventDocument,
        mails: &[EntryDocument],
        clears_limit: Option<&Bson>,
    ) -> Result<()> {
        self.write_notices_and_event(mails, event).await?;
        if let Some(tally) = clears_limit {
            self.delete(&self.collections.tallies, doc! { "_id": tally })
                .await?;
        }
        Ok(())
    }

    pub(super) async fn revoke_access(
        &mut self,
        account: &ObjectId,
        revocation: &ObjectId,
        replaces: Option<&ObjectId>,
        event: &EventDocument,
        mails: &[EntryDocument],
    ) -> Result<Outcome> {
        self.lock(*account).await?;
        if !self.account_exists(account).await? {
            return Ok(Outcome::Refused);
        }
        let set = doc! { "revocation": revocation };
        let is_replaced = self.replace_revocation(account, replaces, set).await?;
        let is_stored = doc! { "_id": account, "revocation": revocation };
        if !is_replaced
            && !self
                .exists(&self.collections.revocations, is_stored)
                .await?
        {
            return self.completed_or_refused(event).await;
        }
        if !self.write_notices_and_event(mails, event).await? {
            self.delete(&self.collections.revocations, doc! { "_id": account })
                .await?;
        }
        Ok(Outcome::Done)
    }

    /// Changes the stored revocation of an account, if it is the one that was read. Returns whether it was.
    ///
    /// Access tokens are bound to the stored revocation, so any other value ends them, in any order of the ids. The new value
    /// replaces only the one that was read: a repeated execution must not restore a revocation, and with it the sessions, that
    /// a later revocation has ended.
    async fn replace_revocation(
        &mut self,
        account: &ObjectId,
        replaces: Option<&ObjectId>,
        set: Document,
    ) -> Result<bool> {
        let set = doc! { "$set": set };
        match replaces {
            Some(before) => {
                let is_expected = doc! { "_id": account, "revocation": before };
                self.update(&self.collections.revocations, is_expected, set)
                    .await
            }
            None => {
                let is_expected = doc! { "_id": account, "revocation": { "$exists": false } };
                Ok(!self
                    .exists(&self.collections.revocations, doc! { "_id": account })
                    .await?
                    && self
                        .upsert(&self.collections.revocations, is_expected, set)
                        .await?)
            }
        }
    }

    pub(super) async fn disable_account(
        &mut self,
        account: &ObjectId,
        revocation: &ObjectId,
        replaces: Option<&ObjectId>,
        event: &EventDocument,
    ) -> Result<Outcome> {
        self.lock(*account).await?;
        if !self.account_exists(account).await? {
            return Ok(Outcome::Refused);
        }
        let set = doc! { "revocation": revocation, "disabling": revocation, "is_disabled": true };
        let is_replaced = self.replace_revocation(account, replaces, set).await?;
        // A repeated execution deletes no mails that were queued after the account was enabled again.
        let is_active = doc! { "_id": account, "disabling": revocation, "is_disabled": true };
        if !is_replaced
            && !self
                .exists(&self.collections.revocations, is_active)
                .await?
        {
            return self.completed_or_refused(event).await;
        }
        let is_of_account = undelivered_filter(*account);
        self.delete(&self.collections.outbox, is_of_account).await?;
        self.delete(&self.collections.pending, doc! { "account": account })
            .await?;
        self.finish_status_change(account, event).await
    }

    pub(super) async fn enable_account(
        &mut self,
        account: &ObjectId,
        disabling: &ObjectId,
        event: &EventDocument,
    ) -> Result<Outcome> {
        self.lock(*account).await?;
        if !self.account_exists(account).await? {
            return Ok(Outcome::Refused);
        }
        // The id of the event shows to a repeated execution that this step enabled the account.
        let is_expected = doc! { "_id": account, "disabling": disabling, "is_disabled": true };
        let set = doc! { "$set": { "is_disabled": false, "enabling": event.id } };
        let is_enabled = self
            .update(&self.collections.revocations, is_expected, set)
            .await?;
        let is_stored = doc! { "_id": account, "enabling": event.id };
        if !is_enabled
            && !self
                .exists(&self.collections.revocations, is_stored)
                .await?
        {
            return self.completed_or_refused(event).await;
        }
        self.finish_status_change(account, event).await
    }

    /// Writes the history of a change of status, or deletes the status of an account that was deleted meanwhile.
    async fn finish_status_change(
        &mut self,
        account: &ObjectId,
        event: &EventDocument,
    ) -> Result<Outcome> {
        if !self.write_mails_and_event(&[], event).await? {
            self.delete(&self.collections.revocations, doc! { "_id": account })
                .await?;
        }
        Ok(Outcome::Done)
    }

    pub(super) async fn is_disabled(&mut self, account: &ObjectId) -> Result<bool> {
        let is_disabled = doc! { "_id": account, "is_disabled": true };
        self.exists(&self.collections.revocations, is_disabled)
            .await
    }

    pub(super) async fn delete_account(&mut self, account: &ObjectId) -> Result<Outcome> {
        self.lock(*account).await?;
        let deleted = self
            .delete(&self.collections.user, doc! { "_id": account })
            .await?;
        let movies = self
            .delete(&self.collections.movie, doc! { "added_by": account })
            .await?;
        self.delete(&self.collections.revocations, doc! { "_id": account })
            .await?;
        self.delete(&self.collections.pending, doc! { "account": account })
            .await?;
        if self.is_in_transaction() {
            return Ok(match deleted {
                0 => Outcome::Refused,
                _ => Outcome::Deleted(Deletion {
                    movies,
                    ..Deletion::default()
                }),
            });
        }
        // The account existed when the step entered the journal. If it is missing, another execution of this step deleted it.
        let rest = self.sweep(account).await?;
        Ok(Outcome::Deleted(Deletion { movies, ..rest }))
    }

    /// Deletes mails and history of a deleted account: mails first, because settling a mail adds a history line.
    pub(super) async fn sweep(&mut self, account: &ObjectId) -> Result<Deletion> {
        let of_account = doc! { "account": account };
        let mails = self
            .delete(&self.collections.outbox, undelivered_filter(*account))
            .await?;
        // Mails that were sent a moment ago are deleted too: they contain the address of the client that requested them.
        self.delete(&self.collections.outbox, of_account.clone())
            .await?;
        Ok(Deletion {
            movies: 0,
            mails,
            events: self.delete(&self.collections.history, of_account).await?,
        })
    }
}
