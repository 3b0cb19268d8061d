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
//! [`perform`] is the same for both. A step in the journal may be performed by two at the same time, and once more
//! after it was done, so each of its writes says which document it is about by id, and it begins with a claim: the one
//! write that decides whether it takes place, and by which whoever performs it again sees that it did. What makes an
//! account or a movie is not made again: what was deleted meanwhile would come back. Where the database lets a step down
//! before its claim, and for good, the step is struck out again and has failed.

use futures_util::{FutureExt as _, TryStreamExt as _};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::error::{Error, Result};
use mongodb::{ClientSession, Collection};
use serde::{Deserialize, Serialize};

use super::super::{Deletion, StoreError};
use super::documents::{
    AccountDocument, EntryDocument, EventDocument, GONE, MovieDocument, OutcomeDocument, document,
    read,
};
use super::link::{code, in_words};
use super::{Collections, MongoStore};

/// For how long, in milliseconds, somebody may be about to perform what they have written into the journal: far longer
/// than a step may take.
const STILL_AT_IT: i64 = 60_000;

/// A step, as the journal keeps it. It has no `Debug`, and so no way into a log: there are hashes in it.
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
    /// The rest of a deletion: outside the transaction, in which it would collide with every mail that is being sent.
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
    /// Whether it makes what others may delete.
    fn makes(&self) -> bool {
        matches!(self, Self::CreateAccount { .. } | Self::CreateMovie { .. })
    }

    /// Whether a line of history goes with it.
    fn writes_history(&self) -> bool {
        matches!(
            self,
            Self::CreateAccount { .. }
                | Self::ReplaceCredential { .. }
                | Self::QueueMail { .. }
                | Self::Settle { .. }
        )
    }

    /// Whose step it is.
    fn account(&self) -> ObjectId {
        match self {
            Self::CreateAccount { account, .. }
            | Self::ReplaceCredential {
                expected: account, ..
            } => account.id,
            Self::QueueMail { event, .. } | Self::Settle { event, .. } => event.account,
            Self::DeleteAccount { account } | Self::Sweep { account } => *account,
            Self::CreateMovie { movie } => movie.added_by,
            Self::DeleteMovie { by, .. } => *by,
        }
    }
}

/// A document in `movie_bag_journal`.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct JournalDocument {
    #[serde(rename = "_id")]
    id: ObjectId,
    account: ObjectId,
    step: Step,
}

/// One performance of a step.
struct Turn<'a> {
    /// The transaction that it is within.
    session: Option<&'a mut ClientSession>,
    /// Whether it is by somebody who found the step in the journal.
    is_again: bool,
    /// Whether anything is changed by now.
    has_written: bool,
}

impl<'a> Turn<'a> {
    fn in_transaction(session: &'a mut ClientSession) -> Self {
        Self {
            session: Some(session),
            is_again: false,
            has_written: false,
        }
    }

    fn by_journal(is_again: bool) -> Self {
        Self {
            session: None,
            is_again,
            has_written: false,
        }
    }

    fn is_in_transaction(&self) -> bool {
        self.session.is_some()
    }

    /// Updates one document; whether there was one.
    async fn update(
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
    async fn make(&mut self, collection: &Collection<Document>, whole: Document) -> Result<bool> {
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
    async fn put(&mut self, collection: &Collection<Document>, mut whole: Document) -> Result<()> {
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

    async fn exists(
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

    /// Deletes all that match; how many there were.
    async fn delete(&mut self, collection: &Collection<Document>, filter: Document) -> Result<u64> {
        let action = collection.delete_many(filter);
        let deleted = match &mut self.session {
            Some(session) => action.session(&mut **session).await?,
            None => action.await?,
        };
        self.has_written |= deleted.deleted_count > 0;
        Ok(deleted.deleted_count)
    }
}

/// Does what a step says.
async fn perform(at: &Collections, step: &Step, turn: &mut Turn<'_>) -> Result<Outcome> {
    match step {
        Step::CreateAccount {
            account,
            event,
            mail,
        } => {
            let mut whole = document(account)?;
            whole.insert("movies", Vec::<ObjectId>::new());
            if !turn.make(&at.user, whole).await? {
                return Ok(Outcome::Refused);
            }
            if let Some(mail) = mail {
                turn.put(&at.outbox, document(mail)?).await?;
            }
            turn.put(&at.history, document(event)?).await?;
            Ok(Outcome::Done)
        }
        Step::ReplaceCredential {
            expected,
            password,
            event,
            mail,
        } => {
            let replaced = turn
                .update(
                    &at.user,
                    expected.still_stands(),
                    doc! { "$set": { "password": password } },
                )
                .await?;
            // Salted hashes are never the same twice: this one can only be there by this step.
            let is_replaced = doc! { "_id": expected.id, "password": password };
            if !replaced && !turn.exists(&at.user, is_replaced).await? {
                return was_done(turn, at, event).await;
            }
            turn.put(&at.outbox, document(mail)?).await?;
            turn.put(&at.history, document(event)?).await?;
            Ok(Outcome::Done)
        }
        Step::QueueMail { event, mail } => {
            if !turn.exists(&at.user, doc! { "_id": event.account }).await? {
                return Ok(Outcome::Refused);
            }
            turn.put(&at.outbox, document(mail)?).await?;
            turn.put(&at.history, document(event)?).await?;
            if !turn.is_in_transaction()
                && !turn.exists(&at.user, doc! { "_id": event.account }).await?
            {
                // Deleted meanwhile, by somebody who may not have seen these two.
                turn.delete(&at.outbox, doc! { "_id": mail.id }).await?;
                turn.delete(&at.history, doc! { "_id": event.id }).await?;
                return Ok(Outcome::Refused);
            }
            Ok(Outcome::Done)
        }
        Step::Settle {
            entry,
            holder,
            outcome,
            event,
        } => {
            let is_held = doc! { "_id": entry, "lease.holder": holder };
            let settled = turn
                .update(
                    &at.outbox,
                    is_held,
                    settlement(outcome, event, turn.is_in_transaction()),
                )
                .await?;
            let is_settled = doc! { "_id": entry, "settled": event.id };
            if !settled && !turn.exists(&at.outbox, is_settled).await? {
                return was_done(turn, at, event).await;
            }
            if turn.exists(&at.user, doc! { "_id": event.account }).await? {
                turn.put(&at.history, document(event)?).await?;
                if outcome.state == GONE && !turn.is_in_transaction() {
                    // Only now may the database drop it: nobody could tell any more that it was sent.
                    turn.update(&at.outbox, doc! { "_id": entry }, droppable())
                        .await?;
                }
            } else {
                // It was asked for in the moment of the account's deletion, and goes with it.
                turn.delete(&at.outbox, doc! { "_id": entry }).await?;
            }
            Ok(Outcome::Done)
        }
        Step::DeleteAccount { account } => {
            let deleted = turn.delete(&at.user, doc! { "_id": account }).await?;
            let movies = turn.delete(&at.movie, doc! { "added_by": account }).await?;
            if turn.is_in_transaction() {
                return Ok(match deleted {
                    0 => Outcome::Refused,
                    _ => Outcome::Deleted(Deletion {
                        movies,
                        ..Deletion::default()
                    }),
                });
            }
            // It was there when the step was written down: if it is gone, then by somebody who performed the same step.
            let rest = sweep(turn, at, account).await?;
            Ok(Outcome::Deleted(Deletion { movies, ..rest }))
        }
        Step::Sweep { account } => Ok(Outcome::Deleted(sweep(turn, at, account).await?)),
        Step::CreateMovie { movie } => {
            if !turn
                .exists(&at.user, doc! { "_id": movie.added_by })
                .await?
                || !turn.make(&at.movie, document(movie)?).await?
            {
                return Ok(Outcome::Refused);
            }
            // In a transaction this collides with the account's deletion, so that no movie of nobody is left.
            let owner = doc! { "_id": movie.added_by, "movies": { "$type": "array" } };
            let listed = doc! { "$addToSet": { "movies": movie.id } };
            if !turn.update(&at.user, owner, listed).await? {
                let owner = doc! { "_id": movie.added_by, "movies": null };
                let listed = doc! { "$set": { "movies": [movie.id] } };
                turn.update(&at.user, owner, listed).await?;
            }
            if turn.is_in_transaction() {
                return Ok(Outcome::Done);
            }
            // Movie or account may have been deleted between the writes, by somebody who did not see the other one.
            if !turn.exists(&at.movie, doc! { "_id": movie.id }).await? {
                unlist(turn, at, &movie.id, &movie.added_by).await?;
            } else if !turn
                .exists(&at.user, doc! { "_id": movie.added_by })
                .await?
            {
                turn.delete(&at.movie, doc! { "_id": movie.id }).await?;
                return Ok(Outcome::Refused);
            }
            Ok(Outcome::Done)
        }
        Step::DeleteMovie { movie, by } => {
            let deleted = turn
                .delete(&at.movie, doc! { "_id": movie, "added_by": by })
                .await?;
            unlist(turn, at, movie, by).await?;
            // By the journal: it was there when the step was written down.
            let is_done = deleted > 0 || !turn.is_in_transaction();
            Ok(if is_done {
                Outcome::Done
            } else {
                Outcome::Refused
            })
        }
    }
}

/// Takes a movie out of its account's list.
async fn unlist(
    turn: &mut Turn<'_>,
    at: &Collections,
    movie: &ObjectId,
    by: &ObjectId,
) -> Result<()> {
    let owner = doc! { "_id": by, "movies": movie };
    let unlisted = doc! { "$pull": { "movies": movie } };
    turn.update(&at.user, owner, unlisted).await.map(|_| ())
}

/// Deletes what is left of an account that is gone: its mails first, since whoever settles one writes a line after it.
async fn sweep(turn: &mut Turn<'_>, at: &Collections, account: &ObjectId) -> Result<Deletion> {
    let unsent = doc! { "account": account, "state": { "$ne": GONE } };
    Ok(Deletion {
        movies: 0,
        mails: turn.delete(&at.outbox, unsent).await?,
        events: turn
            .delete(&at.history, doc! { "account": account })
            .await?,
    })
}

/// After a claim that found nothing: either the step is not to be, or somebody else has performed it whole.
async fn was_done(turn: &mut Turn<'_>, at: &Collections, event: &EventDocument) -> Result<Outcome> {
    let done = turn.exists(&at.history, doc! { "_id": event.id }).await?;
    Ok(if done {
        Outcome::Done
    } else {
        Outcome::Refused
    })
}

/// Lets the database drop an entry, by its own clock.
fn droppable() -> Document {
    doc! { "$currentDate": { "gone_at": true } }
}

fn settlement(outcome: &OutcomeDocument, event: &EventDocument, is_whole: bool) -> Document {
    let mut set = doc! { "state": &outcome.state, "settled": event.id };
    if let Some(error) = &outcome.error {
        set.insert("last_error", error);
    }
    if let Some(at) = outcome.next_try_at {
        set.insert("next_try_at", at);
        set.insert("free_at", at);
    }
    let mut settlement = doc! { "$set": set, "$unset": { "lease": "" } };
    if is_whole && outcome.state == GONE {
        settlement.extend(droppable());
    }
    settlement
}

impl JournalDocument {
    fn new(step: Step) -> Self {
        Self {
            id: ObjectId::new(),
            account: step.account(),
            step,
        }
    }
}

impl JournalDocument {
    /// Whether whoever wrote it may still be at it.
    fn is_young(&self) -> bool {
        let age =
            ObjectId::new().timestamp().timestamp_millis() - self.id.timestamp().timestamp_millis();
        age < STILL_AT_IT
    }
}

impl MongoStore {
    /// Takes a step: in a transaction where there are any, by the journal where not.
    pub(super) async fn step(&self, step: Step) -> std::result::Result<Outcome, StoreError> {
        let (account, has_event) = (step.account(), step.writes_history());
        let outcome = self.within(async {
            if self.has_transactions {
                self.in_transaction(&step).await
            } else {
                self.by_journal(step).await
            }
        });
        let outcome = outcome.await?;
        if outcome == Outcome::Done && has_event {
            self.trim_now_and_then(account).await;
        }
        Ok(outcome)
    }

    async fn in_transaction(&self, step: &Step) -> Result<Outcome> {
        // What is to be done after the commit, written down with it.
        let then = match step {
            Step::DeleteAccount { account } => {
                Some(JournalDocument::new(Step::Sweep { account: *account }))
            }
            _ => None,
        };
        let mut session = self.client.start_session().await?;
        let performed = session
            .start_transaction()
            .and_run((&self.at, step, &then), |session, (at, step, then)| {
                async move {
                    let mut turn = Turn::in_transaction(session);
                    let outcome = perform(at, step, &mut turn).await?;
                    if let (Outcome::Deleted(_), Some(then)) = (outcome, then) {
                        turn.put(&at.journal, document(then)?).await?;
                    }
                    Ok(outcome)
                }
                .boxed()
            })
            .await;
        match (taken(performed)?, then) {
            (Outcome::Deleted(deletion), Some(then)) => {
                let rest = self.perform_and_strike(&then).await?;
                Ok(match rest {
                    Outcome::Deleted(rest) => Outcome::Deleted(Deletion {
                        movies: deletion.movies,
                        ..rest
                    }),
                    outcome => outcome,
                })
            }
            (outcome, _) => Ok(outcome),
        }
    }

    async fn by_journal(&self, step: Step) -> Result<Outcome> {
        let entry = JournalDocument::new(step);
        self.at.journal.insert_one(document(&entry)?).await?;
        self.perform_and_strike(&entry).await
    }

    /// Performs what stands in the journal, and strikes it out; also where it can't be done at all, since nobody could.
    pub(super) async fn perform_and_strike(&self, entry: &JournalDocument) -> Result<Outcome> {
        let mut turn = Turn::by_journal(false);
        let performed = taken(perform(&self.at, &entry.step, &mut turn).await);
        if let Err(error) = &performed
            && (turn.has_written || self.link.passes(error))
        {
            return performed;
        }
        self.at.journal.delete_one(doc! { "_id": entry.id }).await?;
        performed
    }

    /// The same for a step of somebody else; `false` where it is left alone, since they may be just about to perform it.
    async fn complete(&self, entry: &JournalDocument) -> Result<bool> {
        let outcome = taken(perform(&self.at, &entry.step, &mut Turn::by_journal(true)).await)?;
        if outcome == Outcome::Refused && entry.step.makes() && entry.is_young() {
            return Ok(false);
        }
        self.at.journal.delete_one(doc! { "_id": entry.id }).await?;
        Ok(true)
    }

    /// Performs again what the journal still has of an account; whether anything was completed. Only a standalone server
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
        let left: Vec<Document> = self
            .at
            .journal
            .find(which)
            .sort(doc! { "_id": 1 })
            .await?
            .try_collect()
            .await?;
        let mut completed = false;
        for entry in left {
            let id = entry.get("_id").cloned();
            let step = async { self.complete(&read("movie_bag_journal", entry)?).await };
            match step.await {
                Ok(true) => {
                    tracing::debug!(step = ?id, "a step in movie_bag_journal is completed");
                    completed = true;
                }
                Ok(false) => {}
                Err(error) if self.link.passes(&error) => return Err(error),
                Err(error) => {
                    let why = in_words(&error);
                    tracing::error!(step = ?id, why, "a step in movie_bag_journal can't be completed");
                }
            }
        }
        Ok(completed)
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
    code(error) == Some(DUPLICATE_KEY)
}
