//! The steps that touch several documents, each written once, whole or not at all.
//!
//! ```text
//! replica set, cluster     start transaction ─▶ perform ─▶ commit             retried by the driver's rules
//! standalone server        write the step into the journal ─▶ perform ─▶ strike it out
//!                                  │ dies anywhere in between
//!                                  ▼
//!                          who next starts, or touches that account, performs it again
//! ```
//!
//! [`perform`] is the same for both. So that a step may be performed twice, also at the same time by two, each of its
//! writes says which document it is about by id, and begins with a claim: the one write that decides whether the step
//! takes place. On a standalone server a step is decided once it stands in the journal.

use futures_util::FutureExt as _;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, ErrorKind, Result, WriteFailure};
use mongodb::{ClientSession, Collection};
use serde::{Deserialize, Serialize};

use super::super::{Deletion, StoreError};
use super::documents::{
    AccountDocument, EntryDocument, EventDocument, MovieDocument, OutcomeDocument, SENT, document,
};
use super::{Collections, MongoStore};

/// A step, as the journal keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    CreateAccount {
        account: AccountDocument,
        event: EventDocument,
        mail: Option<EntryDocument>,
    },
    ReplaceCredential {
        expected: AccountDocument,
        password: String,
        event: EventDocument,
        mail: EntryDocument,
    },
    QueueMail {
        event: EventDocument,
        mail: EntryDocument,
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
    CreateMovie {
        movie: MovieDocument,
    },
    DeleteMovie {
        movie: ObjectId,
        by: ObjectId,
    },
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is done.
    Done,
    /// It is done, and this went.
    Deleted(Deletion),
    /// What it was to change is not there, or no longer as expected; nothing changed.
    Refused,
    /// A name that must be unique is taken; nothing changed.
    Taken,
}

impl Step {
    /// Whose step it is.
    fn account(&self) -> ObjectId {
        match self {
            Self::CreateAccount { account, .. }
            | Self::ReplaceCredential {
                expected: account, ..
            } => account.id,
            Self::QueueMail { event, .. } | Self::Settle { event, .. } => event.account,
            Self::DeleteAccount { account } => *account,
            Self::CreateMovie { movie } => movie.added_by,
            Self::DeleteMovie { by, .. } => *by,
        }
    }
}

/// A document in `movie_bag_journal`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct JournalDocument {
    #[serde(rename = "_id")]
    id: ObjectId,
    account: ObjectId,
    step: Step,
}

/// Writes, within a transaction or not.
struct Hand<'a>(Option<&'a mut ClientSession>);

impl Hand<'_> {
    /// Updates one document; whether there was one.
    async fn update(
        &mut self,
        collection: &Collection<Document>,
        filter: Document,
        update: Document,
    ) -> Result<bool> {
        let action = collection.update_one(filter, update);
        let updated = match &mut self.0 {
            Some(session) => action.session(&mut **session).await,
            None => action.await,
        };
        Ok(updated?.matched_count > 0)
    }

    /// Inserts a document, unless one with its id is there.
    async fn put(&mut self, collection: &Collection<Document>, whole: Document) -> Result<()> {
        let id = whole.get("_id").cloned();
        let action = collection
            .update_one(doc! { "_id": id }, doc! { "$setOnInsert": whole })
            .upsert(true);
        match &mut self.0 {
            Some(session) => action.session(&mut **session).await?,
            None => action.await?,
        };
        Ok(())
    }

    async fn exists(
        &mut self,
        collection: &Collection<Document>,
        filter: Document,
    ) -> Result<bool> {
        let action = collection.find_one(filter).projection(doc! { "_id": 1 });
        let found = match &mut self.0 {
            Some(session) => action.session(&mut **session).await?,
            None => action.await?,
        };
        Ok(found.is_some())
    }

    /// Deletes all that match; how many there were.
    async fn delete(&mut self, collection: &Collection<Document>, filter: Document) -> Result<u64> {
        let action = collection.delete_many(filter);
        let deleted = match &mut self.0 {
            Some(session) => action.session(&mut **session).await?,
            None => action.await?,
        };
        Ok(deleted.deleted_count)
    }
}

/// Does what a step says.
async fn perform(
    at: &Collections,
    step: &Step,
    session: Option<&mut ClientSession>,
) -> Result<Outcome> {
    let mut hand = Hand(session);
    match step {
        Step::CreateAccount {
            account,
            event,
            mail,
        } => {
            let mut whole = document(account)?;
            whole.insert("movies", Vec::<ObjectId>::new());
            hand.put(&at.user, whole).await?;
            if let Some(mail) = mail {
                hand.put(&at.outbox, document(mail)?).await?;
            }
            hand.put(&at.history, document(event)?).await?;
            Ok(Outcome::Done)
        }
        Step::ReplaceCredential {
            expected,
            password,
            event,
            mail,
        } => {
            let is_expected = doc! { "_id": expected.id, "email": &expected.email, "password": &expected.password };
            let replaced = hand
                .update(
                    &at.user,
                    is_expected,
                    doc! { "$set": { "password": password } },
                )
                .await?;
            // Salted hashes are never the same twice: this one can only be there by this step.
            let is_replaced = doc! { "_id": expected.id, "password": password };
            if !replaced && !hand.exists(&at.user, is_replaced).await? {
                return was_done(&mut hand, at, event).await;
            }
            hand.put(&at.outbox, document(mail)?).await?;
            hand.put(&at.history, document(event)?).await?;
            Ok(Outcome::Done)
        }
        Step::QueueMail { event, mail } => {
            if !hand.exists(&at.user, doc! { "_id": event.account }).await? {
                return Ok(Outcome::Refused);
            }
            hand.put(&at.outbox, document(mail)?).await?;
            hand.put(&at.history, document(event)?).await?;
            Ok(Outcome::Done)
        }
        Step::Settle {
            entry,
            holder,
            outcome,
            event,
        } => {
            let is_held = doc! { "_id": entry, "lease.holder": holder };
            let settled = hand
                .update(&at.outbox, is_held, settlement(outcome, event))
                .await?;
            let is_settled = doc! { "_id": entry, "settled": event.id };
            if !settled && !hand.exists(&at.outbox, is_settled).await? {
                return was_done(&mut hand, at, event).await;
            }
            hand.put(&at.history, document(event)?).await?;
            Ok(Outcome::Done)
        }
        Step::DeleteAccount { account } => {
            let deleted = hand.delete(&at.user, doc! { "_id": account }).await?;
            let deletion = Deletion {
                movies: hand.delete(&at.movie, doc! { "added_by": account }).await?,
                mails: hand
                    .delete(
                        &at.outbox,
                        doc! { "account": account, "state": { "$ne": SENT } },
                    )
                    .await?,
                events: hand
                    .delete(&at.history, doc! { "account": account })
                    .await?,
            };
            Ok(if deleted > 0 {
                Outcome::Deleted(deletion)
            } else {
                Outcome::Refused
            })
        }
        Step::CreateMovie { movie } => {
            if !hand
                .exists(&at.user, doc! { "_id": movie.added_by })
                .await?
            {
                return Ok(Outcome::Refused);
            }
            hand.put(&at.movie, document(movie)?).await?;
            // In a transaction this collides with the account's deletion, so that no movie of nobody is left.
            hand.update(
                &at.user,
                doc! { "_id": movie.added_by },
                doc! { "$addToSet": { "movies": movie.id } },
            )
            .await?;
            Ok(Outcome::Done)
        }
        Step::DeleteMovie { movie, by } => {
            let deleted = hand
                .delete(&at.movie, doc! { "_id": movie, "added_by": by })
                .await?;
            hand.update(
                &at.user,
                doc! { "_id": by },
                doc! { "$pull": { "movies": movie } },
            )
            .await?;
            Ok(if deleted > 0 {
                Outcome::Done
            } else {
                Outcome::Refused
            })
        }
    }
}

/// After a claim that found nothing: either the step is not to be, or somebody else has performed it whole.
async fn was_done(hand: &mut Hand<'_>, at: &Collections, event: &EventDocument) -> Result<Outcome> {
    let done = hand.exists(&at.history, doc! { "_id": event.id }).await?;
    Ok(if done {
        Outcome::Done
    } else {
        Outcome::Refused
    })
}

fn settlement(outcome: &OutcomeDocument, event: &EventDocument) -> Document {
    let mut set = doc! { "state": &outcome.state, "settled": event.id };
    if let Some(error) = &outcome.error {
        set.insert("last_error", error);
    }
    if let Some(at) = outcome.next_try_at {
        set.insert("next_try_at", at);
        set.insert("free_at", at);
    }
    let mut update = doc! { "$set": set, "$unset": { "lease": "" } };
    if outcome.state == SENT {
        // By the server's clock, which is the one that drops it.
        update.insert("$currentDate", doc! { "gone_at": true });
    }
    update
}

impl MongoStore {
    /// Takes a step: in a transaction where there are any, by the journal where not.
    pub(super) async fn step(&self, step: Step) -> std::result::Result<Outcome, StoreError> {
        let outcome = self.within(async {
            if self.has_transactions {
                self.in_transaction(&step).await
            } else {
                self.by_journal(step).await
            }
        });
        outcome.await
    }

    async fn in_transaction(&self, step: &Step) -> Result<Outcome> {
        let mut session = self.client.start_session().await?;
        let performed = session
            .start_transaction()
            .and_run((&self.at, step), |session, (at, step)| {
                async move { perform(at, step, Some(session)).await }.boxed()
            })
            .await;
        taken(performed)
    }

    async fn by_journal(&self, step: Step) -> Result<Outcome> {
        let entry = JournalDocument {
            id: ObjectId::new(),
            account: step.account(),
            step,
        };
        self.at.journal.insert_one(document(&entry)?).await?;
        self.perform_and_strike(&entry).await
    }

    async fn perform_and_strike(&self, entry: &JournalDocument) -> Result<Outcome> {
        let mut performed = perform(&self.at, &entry.step, None).await;
        if performed.as_ref().is_err_and(is_duplicate) {
            // Somebody else may be performing the same step: then its document is there by now.
            performed = perform(&self.at, &entry.step, None).await;
        }
        let outcome = taken(performed)?;
        self.at.journal.delete_one(doc! { "_id": entry.id }).await?;
        Ok(outcome)
    }

    /// Performs again what the journal still has of an account; whether there was anything. Only a standalone server
    /// is worked on by the journal.
    pub(super) async fn touch(&self, account: ObjectId) -> Result<bool> {
        if self.has_transactions {
            return Ok(false);
        }
        self.resume(doc! { "account": account }).await
    }

    /// Performs again those steps in the journal that made the credential what it is now, so that a change that builds
    /// on theirs can't hide them.
    pub(super) async fn touch_credential(&self, account: &AccountDocument) -> Result<()> {
        if self.has_transactions {
            return Ok(());
        }
        self.resume(
            doc! { "account": account.id, "step.replace_credential.password": &account.password },
        )
        .await
        .map(|_| ())
    }

    /// Performs again what the journal has, in the order of writing. A step that can't be performed is left for a
    /// person to look at, and told.
    pub(super) async fn resume(&self, which: Document) -> Result<bool> {
        use futures_util::TryStreamExt as _;
        let left: Vec<Document> = self
            .at
            .journal
            .find(which)
            .sort(doc! { "_id": 1 })
            .await?
            .try_collect()
            .await?;
        for entry in &left {
            let id = entry.get("_id").cloned();
            let resumed = match mongodb::bson::deserialize_from_document(entry.clone()) {
                Ok(entry) => self.perform_and_strike(&entry).await.map(|_| ()),
                Err(error) => Err(error.into()),
            };
            match resumed {
                Err(error) if self.link.failed(&error).is_unavailable() => return Err(error),
                Err(error) => {
                    tracing::error!(step = ?id, error = %error.kind, "a step in movie_bag_journal can't be completed")
                }
                Ok(()) => {
                    tracing::info!(step = ?id, "a step that was left unfinished is completed")
                }
            }
        }
        Ok(!left.is_empty())
    }
}

/// A name that is taken is an outcome.
fn taken(performed: Result<Outcome>) -> Result<Outcome> {
    match performed {
        Err(error) if is_duplicate(&error) => Ok(Outcome::Taken),
        performed => performed,
    }
}

/// Whether a write failed because of a unique index.
pub(super) fn is_duplicate(error: &Error) -> bool {
    const DUPLICATE_KEY: i32 = 11_000;
    match &*error.kind {
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.code == DUPLICATE_KEY,
        ErrorKind::Command(error) => error.code == DUPLICATE_KEY,
        _ => false,
    }
}
