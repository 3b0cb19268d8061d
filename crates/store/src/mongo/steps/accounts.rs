//! Steps that create, change or delete an account.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, doc};
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

    pub(super) async fn replace_credential(
        &mut self,
        expected: &AccountDocument,
        email: &str,
        password: &str,
        event: &EventDocument,
        mails: &[EntryDocument],
        clears_limit: Option<&Bson>,
    ) -> Result<Outcome> {
        let replaced = self
            .update(
                &self.collections.user,
                expected.unchanged_filter(),
                doc! { "$set": { "email": email, "password": password } },
            )
            .await?;
        if !replaced {
            // With the journal, an earlier execution of this step may have replaced it: two salted hashes are never
            // the same. Two concurrent changes of an account to the same address may both succeed.
            let is_replaced = doc! { "_id": expected.id, "email": email, "password": password };
            if self.is_in_transaction() || !self.exists(&self.collections.user, is_replaced).await?
            {
                return self.completed_or_refused(event).await;
            }
        }
        self.write_mails_and_event(mails, event).await?;
        if let Some(tally) = clears_limit {
            self.delete(&self.collections.tallies, doc! { "_id": tally })
                .await?;
        }
        Ok(Outcome::Done)
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
        // Access tokens are bound to the stored revocation, so any other value ends them, in any order of the
        // ids. The new value replaces only the one that was read: a repeated execution must not restore a revocation,
        // and with it the sessions, that a later revocation has ended.
        let is_expected = match replaces {
            Some(before) => doc! { "_id": account, "revocation": before },
            None => doc! { "_id": account, "revocation": { "$exists": false } },
        };
        let set = doc! { "$set": { "revocation": revocation } };
        let is_replaced = match replaces {
            Some(_) => {
                self.update(&self.collections.revocations, is_expected, set)
                    .await?
            }
            None => {
                !self
                    .exists(&self.collections.revocations, doc! { "_id": account })
                    .await?
                    && self
                        .upsert(&self.collections.revocations, is_expected, set)
                        .await?
            }
        };
        let is_stored = doc! { "_id": account, "revocation": revocation };
        if !is_replaced
            && !self
                .exists(&self.collections.revocations, is_stored)
                .await?
        {
            return self.completed_or_refused(event).await;
        }
        if !self.write_mails_and_event(mails, event).await? {
            self.delete(&self.collections.revocations, doc! { "_id": account })
                .await?;
        }
        Ok(Outcome::Done)
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
