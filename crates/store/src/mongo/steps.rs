//! Steps: the changes that concern several documents.
//!
//! A step is performed in a transaction, or without one. In the second case it may be performed more than once, also by two
//! processes at the same time (`journal.rs` explains why). Therefore each of its writes selects a document by id, and a step
//! begins with a claim: the one write that decides whether the step takes effect, and that shows a repeated execution that it
//! did. A repeated execution does not insert an account or a movie again: it might have been deleted since.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::error::Result;
use serde::{Deserialize, Serialize};

use super::super::{Deletion, LimitedCall};
use super::collections::Collections;
use super::documents::{
    AccountDocument, EntryDocument, EventDocument, GONE, MovieDocument, OutcomeDocument,
    to_document, undelivered_filter,
};
use super::errors::WriteConflict;
use super::execution::Execution;
use movie_bag_core::domain::limit::TooEarly;

/// A step in the format of the journal. It has no `Debug`, so that the hashes in it cannot be logged.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    CreateAccount {
        account: AccountDocument,
        event: EventDocument,
        mail: Option<EntryDocument>,
    },
    ReplaceCredential {
        expected: AccountDocument,
        email: String,
        password: String,
        event: EventDocument,
        mails: Vec<EntryDocument>,
        /// Tally to delete. Journals of earlier versions have this name.
        #[serde(default, rename = "forgives")]
        clears_limit: Option<Bson>,
    },
    RevokeAccess {
        account: ObjectId,
        revocation: ObjectId,
        /// The revocation that was stored when this one was decided, if any.
        #[serde(default)]
        replaces: Option<ObjectId>,
        event: EventDocument,
        mail: EntryDocument,
    },
    QueueMail {
        event: EventDocument,
        mail: EntryDocument,
        /// Limit to count in the transaction. On a standalone server it is counted before the step.
        #[serde(skip)]
        counting: Option<LimitedCall>,
    },
    /// Adds a line to the history of an account that exists.
    Record {
        event: EventDocument,
    },
    Settle {
        entry: ObjectId,
        holder: ObjectId,
        outcome: OutcomeDocument,
        event: EventDocument,
    },
    DeleteAccount {
        account: ObjectId,
    },
    /// Second part of a deletion, after the commit of the first one: it conflicts with every mail of the account that is being
    /// sent.
    Sweep {
        account: ObjectId,
    },
    CreateMovie {
        movie: MovieDocument,
    },
    DeleteMovie {
        movie: ObjectId,
        by: ObjectId,
    },
}

/// Result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Deleted(Deletion),
    /// The document to change does not exist or is not as expected; nothing changed.
    Refused,
    /// Another document has the unique value; nothing changed.
    Taken,
    /// The limit is reached; nothing changed.
    TooEarly(TooEarly),
}

impl Step {
    /// Whether the step inserts a document that other steps may delete.
    pub(super) fn creates(&self) -> bool {
        matches!(self, Self::CreateAccount { .. } | Self::CreateMovie { .. })
    }

    /// Whether the step adds a line to a history.
    pub(super) fn writes_history(&self) -> bool {
        matches!(
            self,
            Self::CreateAccount { .. }
                | Self::ReplaceCredential { .. }
                | Self::RevokeAccess { .. }
                | Self::QueueMail { .. }
                | Self::Record { .. }
                | Self::Settle { .. }
        )
    }

    /// Returns the mails and the history line that the step inserts for an existing account.
    fn mails_and_event(&self) -> Option<(&[EntryDocument], &EventDocument)> {
        match self {
            Self::ReplaceCredential { mails, event, .. } => Some((mails, event)),
            Self::RevokeAccess { mail, event, .. } | Self::QueueMail { mail, event, .. } => {
                Some((std::slice::from_ref(mail), event))
            }
            Self::Record { event } | Self::Settle { event, .. } => Some((&[], event)),
            Self::CreateAccount { .. }
            | Self::DeleteAccount { .. }
            | Self::Sweep { .. }
            | Self::CreateMovie { .. }
            | Self::DeleteMovie { .. } => None,
        }
    }

    /// Returns the account that the step concerns.
    pub(super) fn account(&self) -> ObjectId {
        match self {
            Self::CreateAccount { account, .. }
            | Self::ReplaceCredential {
                expected: account, ..
            } => account.id,
            Self::QueueMail { event, .. } | Self::Record { event } | Self::Settle { event, .. } => {
                event.account
            }
            Self::RevokeAccess { account, .. }
            | Self::DeleteAccount { account }
            | Self::Sweep { account } => *account,
            Self::CreateMovie { movie } => movie.added_by,
            Self::DeleteMovie { by, .. } => *by,
        }
    }
}

/// Performs a step.
pub(super) async fn perform(
    collections: &Collections,
    step: &Step,
    execution: &mut Execution<'_>,
) -> Result<Outcome> {
    let outcome = decide(collections, step, execution).await?;
    if outcome == Outcome::Refused
        && execution.is_repeated()
        && let Some((mails, event)) = step.mails_and_event()
        && !execution
            .exists(&collections.user, doc! { "_id": event.account })
            .await?
    {
        // The process that died may have inserted these after the deletion of the account.
        delete_mails_and_event(execution, collections, mails, event).await?;
    }
    Ok(outcome)
}

async fn decide(
    collections: &Collections,
    step: &Step,
    execution: &mut Execution<'_>,
) -> Result<Outcome> {
    match step {
        Step::CreateAccount {
            account,
            event,
            mail,
        } => {
            let mut document = to_document(account)?;
            document.insert("movies", Vec::<ObjectId>::new());
            if !execution.insert_new(&collections.user, document).await? {
                return Ok(Outcome::Refused);
            }
            write_mails_and_event(execution, collections, mail.as_slice(), event).await?;
            Ok(Outcome::Done)
        }
        Step::ReplaceCredential {
            expected,
            email,
            password,
            event,
            mails,
            clears_limit,
        } => {
            let replaced = execution
                .update(
                    &collections.user,
                    expected.unchanged_filter(),
                    doc! { "$set": { "email": email, "password": password } },
                )
                .await?;
            if !replaced {
                // With the journal, an earlier execution of this step may have replaced it: two salted hashes are never
                // the same. Two concurrent changes of an account to the same address may both succeed.
                let is_replaced = doc! { "_id": expected.id, "email": email, "password": password };
                if execution.is_in_transaction()
                    || !execution.exists(&collections.user, is_replaced).await?
                {
                    return completed_or_refused(execution, collections, event).await;
                }
            }
            write_mails_and_event(execution, collections, mails, event).await?;
            if let Some(tally) = clears_limit {
                execution
                    .delete(&collections.tallies, doc! { "_id": tally })
                    .await?;
            }
            Ok(Outcome::Done)
        }
        Step::RevokeAccess {
            account,
            revocation,
            replaces,
            event,
            mail,
        } => {
            execution.lock(&collections.locks, *account).await?;
            if !execution
                .exists(&collections.user, doc! { "_id": account })
                .await?
            {
                return Ok(Outcome::Refused);
            }
            // Access tokens are bound to the stored revocation, so any other value ends them, whatever the order of the
            // ids. The new value replaces only the one that was read: a repeated execution must not restore a revocation,
            // and with it the sessions, that a later revocation has ended.
            let is_expected = match replaces {
                Some(before) => doc! { "_id": account, "revocation": before },
                None => doc! { "_id": account, "revocation": { "$exists": false } },
            };
            let set = doc! { "$set": { "revocation": revocation } };
            let is_replaced = match replaces {
                Some(_) => {
                    execution
                        .update(&collections.revocations, is_expected, set)
                        .await?
                }
                None => {
                    !execution
                        .exists(&collections.revocations, doc! { "_id": account })
                        .await?
                        && execution
                            .upsert(&collections.revocations, is_expected, set)
                            .await?
                }
            };
            let is_stored = doc! { "_id": account, "revocation": revocation };
            if !is_replaced
                && !execution
                    .exists(&collections.revocations, is_stored)
                    .await?
            {
                return completed_or_refused(execution, collections, event).await;
            }
            if !write_mails_and_event(execution, collections, std::slice::from_ref(mail), event)
                .await?
            {
                execution
                    .delete(&collections.revocations, doc! { "_id": account })
                    .await?;
            }
            Ok(Outcome::Done)
        }
        Step::QueueMail {
            event,
            mail,
            counting,
        } => {
            if let Some(counting) = counting
                && execution.is_in_transaction()
                && let Err(early) = execution.count(&collections.tallies, *counting).await?
            {
                return Ok(Outcome::TooEarly(early));
            }
            execution.lock(&collections.locks, event.account).await?;
            if !execution
                .exists(&collections.user, doc! { "_id": event.account })
                .await?
            {
                // The same amount of work as for an account that exists.
                for document in [to_document(mail)?, to_document(event)?] {
                    execution
                        .insert_missing(&collections.decoys, decoy(document))
                        .await?;
                }
                return Ok(Outcome::Refused);
            }
            let is_written =
                write_mails_and_event(execution, collections, std::slice::from_ref(mail), event)
                    .await?;
            Ok(if is_written {
                Outcome::Done
            } else {
                Outcome::Refused
            })
        }
        Step::Record { event } => {
            execution.lock(&collections.locks, event.account).await?;
            if execution
                .exists(&collections.user, doc! { "_id": event.account })
                .await?
            {
                write_mails_and_event(execution, collections, &[], event).await?;
                return Ok(Outcome::Done);
            }
            Ok(Outcome::Refused)
        }
        Step::Settle {
            entry,
            holder,
            outcome,
            event,
        } => {
            if !execution
                .exists(&collections.user, doc! { "_id": event.account })
                .await?
            {
                // The entry is deleted with its account. A single write: a second one could wait for the deletion of the
                // account, which may wait for the first write.
                let is_own = doc! { "_id": entry, "$or": [{ "lease.holder": holder }, { "settled": event.id }] };
                return Ok(match execution.delete(&collections.outbox, is_own).await? {
                    0 => Outcome::Refused,
                    _ => Outcome::Done,
                });
            }
            let is_held = doc! { "_id": entry, "lease.holder": holder };
            let settled = execution
                .update(
                    &collections.outbox,
                    is_held,
                    settle_update(outcome, event, execution.is_in_transaction()),
                )
                .await?;
            let is_settled = doc! { "_id": entry, "settled": event.id };
            if !settled && !execution.exists(&collections.outbox, is_settled).await? {
                return completed_or_refused(execution, collections, event).await;
            }
            // The deletion of the account deletes the entry before it deletes the history. In a transaction it therefore waits
            // here, or this step conflicts with it.
            if !write_mails_and_event(execution, collections, &[], event).await? {
                execution
                    .delete(&collections.outbox, doc! { "_id": entry })
                    .await?;
            } else if outcome.state == GONE && !execution.is_in_transaction() {
                // Expiry may begin only now: until here the entry shows that the mail was sent.
                execution
                    .update(&collections.outbox, doc! { "_id": entry }, expiry_update())
                    .await?;
            }
            Ok(Outcome::Done)
        }
        Step::DeleteAccount { account } => {
            execution.lock(&collections.locks, *account).await?;
            let deleted = execution
                .delete(&collections.user, doc! { "_id": account })
                .await?;
            let movies = execution
                .delete(&collections.movie, doc! { "added_by": account })
                .await?;
            execution
                .delete(&collections.revocations, doc! { "_id": account })
                .await?;
            if execution.is_in_transaction() {
                return Ok(match deleted {
                    0 => Outcome::Refused,
                    _ => Outcome::Deleted(Deletion {
                        movies,
                        ..Deletion::default()
                    }),
                });
            }
            // The account existed when the step entered the journal. If it is gone, another execution of this step deleted it.
            let rest = sweep(execution, collections, account).await?;
            Ok(Outcome::Deleted(Deletion { movies, ..rest }))
        }
        Step::Sweep { account } => Ok(Outcome::Deleted(
            sweep(execution, collections, account).await?,
        )),
        Step::CreateMovie { movie } => {
            if !execution
                .exists(&collections.user, doc! { "_id": movie.added_by })
                .await?
                || !execution
                    .insert_new(&collections.movie, to_document(movie)?)
                    .await?
            {
                return Ok(Outcome::Refused);
            }
            // In a transaction this conflicts with the account's deletion, so that no movie without an owner is left.
            let owner = doc! { "_id": movie.added_by, "movies": { "$type": "array" } };
            let listed = doc! { "$addToSet": { "movies": movie.id } };
            let mut is_listed = execution.update(&collections.user, owner, listed).await?;
            if !is_listed {
                let owner = doc! { "_id": movie.added_by, "movies": null };
                let listed = doc! { "$set": { "movies": [movie.id] } };
                is_listed = execution.update(&collections.user, owner, listed).await?;
            }
            if execution.is_in_transaction() {
                // A server whose transactions read what others commit meanwhile does not report this as a conflict.
                if !is_listed
                    && !execution
                        .exists(&collections.user, doc! { "_id": movie.added_by })
                        .await?
                {
                    return Err(WriteConflict::error());
                }
                return Ok(Outcome::Done);
            }
            // Another process may have deleted movie or account between these writes, before it could see the other document.
            if !execution
                .exists(&collections.movie, doc! { "_id": movie.id })
                .await?
            {
                remove_from_list(execution, collections, &movie.id, &movie.added_by).await?;
            } else if !execution
                .exists(&collections.user, doc! { "_id": movie.added_by })
                .await?
            {
                execution
                    .delete(&collections.movie, doc! { "_id": movie.id })
                    .await?;
                return Ok(Outcome::Refused);
            }
            Ok(Outcome::Done)
        }
        Step::DeleteMovie { movie, by } => {
            let deleted = execution
                .delete(&collections.movie, doc! { "_id": movie, "added_by": by })
                .await?;
            remove_from_list(execution, collections, movie, by).await?;
            // With the journal: the movie existed when the step entered the journal.
            let is_done = deleted > 0 || !execution.is_in_transaction();
            Ok(if is_done {
                Outcome::Done
            } else {
                Outcome::Refused
            })
        }
    }
}

/// Queues mails and adds a line to the history of their account. Returns `false`, and leaves none of it, if the account was
/// deleted meanwhile. In a transaction the deletion conflicts instead.
async fn write_mails_and_event(
    execution: &mut Execution<'_>,
    collections: &Collections,
    mails: &[EntryDocument],
    event: &EventDocument,
) -> Result<bool> {
    for mail in mails {
        execution
            .insert_missing(&collections.outbox, to_document(mail)?)
            .await?;
    }
    execution
        .insert_missing(&collections.history, to_document(event)?)
        .await?;
    if execution.is_in_transaction()
        || execution
            .exists(&collections.user, doc! { "_id": event.account })
            .await?
    {
        return Ok(true);
    }
    // The deletion may have ended before these writes.
    delete_mails_and_event(execution, collections, mails, event).await?;
    Ok(false)
}

/// Deletes the documents that [`write_mails_and_event`] inserts.
async fn delete_mails_and_event(
    execution: &mut Execution<'_>,
    collections: &Collections,
    mails: &[EntryDocument],
    event: &EventDocument,
) -> Result<()> {
    for mail in mails {
        execution
            .delete(&collections.outbox, doc! { "_id": mail.id })
            .await?;
    }
    execution
        .delete(&collections.history, doc! { "_id": event.id })
        .await?;
    Ok(())
}

/// Removes a movie from its account's list.
async fn remove_from_list(
    execution: &mut Execution<'_>,
    collections: &Collections,
    movie: &ObjectId,
    by: &ObjectId,
) -> Result<()> {
    let owner = doc! { "_id": by, "movies": movie };
    let unlisted = doc! { "$pull": { "movies": movie } };
    execution
        .update(&collections.user, owner, unlisted)
        .await
        .map(|_| ())
}

/// Deletes mails and history of a deleted account: mails first, because settling a mail adds a history line.
async fn sweep(
    execution: &mut Execution<'_>,
    collections: &Collections,
    account: &ObjectId,
) -> Result<Deletion> {
    let of_account = doc! { "account": account };
    let mails = execution
        .delete(&collections.outbox, undelivered_filter(*account))
        .await?;
    // Also those that were sent a moment ago: they contain the address of the client that requested them.
    execution
        .delete(&collections.outbox, of_account.clone())
        .await?;
    Ok(Deletion {
        movies: 0,
        mails,
        events: execution.delete(&collections.history, of_account).await?,
    })
}

/// Returns the outcome after a claim that matched nothing: either the step is refused, or another process has completed it.
async fn completed_or_refused(
    execution: &mut Execution<'_>,
    collections: &Collections,
    event: &EventDocument,
) -> Result<Outcome> {
    let done = execution
        .exists(&collections.history, doc! { "_id": event.id })
        .await?;
    Ok(if done {
        Outcome::Done
    } else {
        Outcome::Refused
    })
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

fn settle_update(outcome: &OutcomeDocument, event: &EventDocument, is_atomic: bool) -> Document {
    let mut set = doc! { "state": &outcome.state, "settled": event.id };
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
