//! The steps that touch several documents: what each of them does, written once.
//!
//! A step can be performed within a transaction, or without one and more than once, also by two at the same time
//! (`journal.rs` tells why). So each of its writes says which document it is about by id, and it begins with a claim:
//! the one write that decides whether it takes place, and by which whoever performs it again sees that it did. What
//! makes an account or a movie is not made again: what was deleted meanwhile would come back.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::error::Result;
use serde::{Deserialize, Serialize};

use super::super::{Counting, Deletion};
use super::Collections;
use super::documents::{
    AccountDocument, EntryDocument, EventDocument, GONE, MovieDocument, OutcomeDocument, document,
};
use super::outbox::undelivered;
use super::turn::Turn;
use crate::domain::limit::TooEarly;

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
        email: String,
        password: String,
        event: EventDocument,
        mails: Vec<EntryDocument>,
        /// The tally that is forgotten with it.
        #[serde(default)]
        forgives: Option<Bson>,
    },
    RevokeAccess {
        account: ObjectId,
        revocation: ObjectId,
        event: EventDocument,
        mail: EntryDocument,
    },
    QueueMail {
        event: EventDocument,
        mail: EntryDocument,
        /// Within a transaction; on a standalone server it is counted before.
        #[serde(skip)]
        counting: Option<Counting>,
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
    /// It would be one too many; nothing changed.
    TooEarly(TooEarly),
}

impl Step {
    /// Whether it makes what others may delete.
    pub(super) fn makes(&self) -> bool {
        matches!(self, Self::CreateAccount { .. } | Self::CreateMovie { .. })
    }

    /// Whether a line of history goes with it.
    pub(super) fn writes_history(&self) -> bool {
        matches!(
            self,
            Self::CreateAccount { .. }
                | Self::ReplaceCredential { .. }
                | Self::RevokeAccess { .. }
                | Self::QueueMail { .. }
                | Self::Settle { .. }
        )
    }

    /// Whose step it is.
    pub(super) fn account(&self) -> ObjectId {
        match self {
            Self::CreateAccount { account, .. }
            | Self::ReplaceCredential {
                expected: account, ..
            } => account.id,
            Self::QueueMail { event, .. } | Self::Settle { event, .. } => event.account,
            Self::RevokeAccess { account, .. }
            | Self::DeleteAccount { account }
            | Self::Sweep { account } => *account,
            Self::CreateMovie { movie } => movie.added_by,
            Self::DeleteMovie { by, .. } => *by,
        }
    }
}

/// Does what a step says.
pub(super) async fn perform(at: &Collections, step: &Step, turn: &mut Turn<'_>) -> Result<Outcome> {
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
            email,
            password,
            event,
            mails,
            forgives,
        } => {
            let replaced = turn
                .update(
                    &at.user,
                    expected.still_stands(),
                    doc! { "$set": { "email": email, "password": password } },
                )
                .await?;
            if !replaced {
                // Salted hashes are never the same twice, so by the journal this may be what it did the first time. Two
                // who give an account the same address at once may both be told that they did.
                let is_replaced = doc! { "_id": expected.id, "email": email, "password": password };
                if turn.is_in_transaction() || !turn.exists(&at.user, is_replaced).await? {
                    return was_done(turn, at, event).await;
                }
            }
            for mail in mails {
                turn.put(&at.outbox, document(mail)?).await?;
            }
            turn.put(&at.history, document(event)?).await?;
            if let Some(tally) = forgives {
                turn.delete(&at.tallies, doc! { "_id": tally }).await?;
            }
            Ok(Outcome::Done)
        }
        Step::RevokeAccess {
            account,
            revocation,
            event,
            mail,
        } => {
            if !turn.exists(&at.user, doc! { "_id": account }).await? {
                return Ok(Outcome::Refused);
            }
            // Later ones are greater: performed again, this step does not take a later one back.
            turn.raise(&at.revocations, account, doc! { "revocation": revocation })
                .await?;
            turn.put(&at.outbox, document(mail)?).await?;
            turn.put(&at.history, document(event)?).await?;
            Ok(Outcome::Done)
        }
        Step::QueueMail {
            event,
            mail,
            counting,
        } => {
            if let Some(counting) = counting
                && turn.is_in_transaction()
                && let Err(early) = turn.count(&at.tallies, *counting).await?
            {
                return Ok(Outcome::TooEarly(early));
            }
            if !turn.exists(&at.user, doc! { "_id": event.account }).await? {
                // As much work as for one that is there.
                for whole in [document(mail)?, document(event)?] {
                    turn.put(&at.decoys, decoy(whole)).await?;
                }
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
            turn.delete(&at.revocations, doc! { "_id": account })
                .await?;
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
    Ok(Deletion {
        movies: 0,
        mails: turn.delete(&at.outbox, undelivered(*account)).await?,
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

/// What looks like a line or an entry, and is forgotten at once.
fn decoy(mut whole: Document) -> Document {
    whole.insert("at", DateTime::now());
    whole
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
