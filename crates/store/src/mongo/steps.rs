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

use super::super::{Deletion, LimitedCall};
use super::Collections;
use super::documents::{
    AccountDocument, EntryDocument, EventDocument, GONE, MovieDocument, OutcomeDocument, document,
};
use super::link::Collision;
use super::outbox::undelivered;
use super::turn::Turn;
use movie_bag_core::domain::limit::TooEarly;

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
        /// Within a transaction; on a standalone server it is counted before.
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
    /// The rest of a deletion, after its commit: it collides with every mail of the account that is being sent.
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
                | Self::Record { .. }
                | Self::Settle { .. }
        )
    }

    /// Mails and the line of history that the step writes for an account that existed before it.
    fn traces(&self) -> Option<(&[EntryDocument], &EventDocument)> {
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

    /// Whose step it is.
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

/// Does what a step says.
pub(super) async fn perform(at: &Collections, step: &Step, turn: &mut Turn<'_>) -> Result<Outcome> {
    let outcome = decide(at, step, turn).await?;
    if outcome == Outcome::Refused
        && turn.is_again()
        && let Some((mails, event)) = step.traces()
        && !turn.exists(&at.user, doc! { "_id": event.account }).await?
    {
        // The process that died may have written these after the deletion of the account.
        take_back(turn, at, mails, event).await?;
    }
    Ok(outcome)
}

async fn decide(at: &Collections, step: &Step, turn: &mut Turn<'_>) -> Result<Outcome> {
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
            put_all(turn, at, mail.as_slice(), event).await?;
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
            put_all(turn, at, mails, event).await?;
            if let Some(tally) = clears_limit {
                turn.delete(&at.tallies, doc! { "_id": tally }).await?;
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
            turn.lock(&at.locks, *account).await?;
            if !turn.exists(&at.user, doc! { "_id": account }).await? {
                return Ok(Outcome::Refused);
            }
            // Access tokens are bound to the stored revocation, so any other value ends them, in whatever order the ids
            // are. It replaces the one that was read, and no other: performed again, this step must not bring back a
            // revocation, and with it the sessions, that a later one has ended.
            let is_expected = match replaces {
                Some(before) => doc! { "_id": account, "revocation": before },
                None => doc! { "_id": account, "revocation": { "$exists": false } },
            };
            let set = doc! { "$set": { "revocation": revocation } };
            let is_replaced = match replaces {
                Some(_) => turn.update(&at.revocations, is_expected, set).await?,
                None => {
                    !turn
                        .exists(&at.revocations, doc! { "_id": account })
                        .await?
                        && turn.upsert(&at.revocations, is_expected, set).await?
                }
            };
            let is_stored = doc! { "_id": account, "revocation": revocation };
            if !is_replaced && !turn.exists(&at.revocations, is_stored).await? {
                return was_done(turn, at, event).await;
            }
            if !put_all(turn, at, std::slice::from_ref(mail), event).await? {
                turn.delete(&at.revocations, doc! { "_id": account })
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
                && turn.is_in_transaction()
                && let Err(early) = turn.count(&at.tallies, *counting).await?
            {
                return Ok(Outcome::TooEarly(early));
            }
            turn.lock(&at.locks, event.account).await?;
            if !turn.exists(&at.user, doc! { "_id": event.account }).await? {
                // As much work as for an account that exists.
                for whole in [document(mail)?, document(event)?] {
                    turn.put(&at.decoys, decoy(whole)).await?;
                }
                return Ok(Outcome::Refused);
            }
            let is_there = put_all(turn, at, std::slice::from_ref(mail), event).await?;
            Ok(if is_there {
                Outcome::Done
            } else {
                Outcome::Refused
            })
        }
        Step::Record { event } => {
            turn.lock(&at.locks, event.account).await?;
            if turn.exists(&at.user, doc! { "_id": event.account }).await? {
                put_all(turn, at, &[], event).await?;
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
            if !turn.exists(&at.user, doc! { "_id": event.account }).await? {
                // The entry goes with its account. One write: a second one could wait for the deletion of the account,
                // which may wait for the first.
                let is_own = doc! { "_id": entry, "$or": [{ "lease.holder": holder }, { "settled": event.id }] };
                return Ok(match turn.delete(&at.outbox, is_own).await? {
                    0 => Outcome::Refused,
                    _ => Outcome::Done,
                });
            }
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
            // The deletion of the account also deletes the entry, before it deletes the history: in a transaction it waits
            // here, or this collides with it.
            if !put_all(turn, at, &[], event).await? {
                turn.delete(&at.outbox, doc! { "_id": entry }).await?;
            } else if outcome.state == GONE && !turn.is_in_transaction() {
                // Only now may the database drop it: until then the entry shows that the mail was sent.
                turn.update(&at.outbox, doc! { "_id": entry }, droppable())
                    .await?;
            }
            Ok(Outcome::Done)
        }
        Step::DeleteAccount { account } => {
            turn.lock(&at.locks, *account).await?;
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
            let mut is_listed = turn.update(&at.user, owner, listed).await?;
            if !is_listed {
                let owner = doc! { "_id": movie.added_by, "movies": null };
                let listed = doc! { "$set": { "movies": [movie.id] } };
                is_listed = turn.update(&at.user, owner, listed).await?;
            }
            if turn.is_in_transaction() {
                // A server whose transactions read what others commit meanwhile does not report this as a collision.
                if !is_listed
                    && !turn
                        .exists(&at.user, doc! { "_id": movie.added_by })
                        .await?
                {
                    return Err(Collision::error());
                }
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

/// Queues mails and adds a line to the history of their account; `false`, and none of it remains, where the account was
/// deleted meanwhile. In a transaction the deletion collides instead.
async fn put_all(
    turn: &mut Turn<'_>,
    at: &Collections,
    mails: &[EntryDocument],
    event: &EventDocument,
) -> Result<bool> {
    for mail in mails {
        turn.put(&at.outbox, document(mail)?).await?;
    }
    turn.put(&at.history, document(event)?).await?;
    if turn.is_in_transaction() || turn.exists(&at.user, doc! { "_id": event.account }).await? {
        return Ok(true);
    }
    // The deletion may have been over before these were written.
    take_back(turn, at, mails, event).await?;
    Ok(false)
}

/// Deletes what [`put_all`] wrote.
async fn take_back(
    turn: &mut Turn<'_>,
    at: &Collections,
    mails: &[EntryDocument],
    event: &EventDocument,
) -> Result<()> {
    for mail in mails {
        turn.delete(&at.outbox, doc! { "_id": mail.id }).await?;
    }
    turn.delete(&at.history, doc! { "_id": event.id }).await?;
    Ok(())
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
    let of_account = doc! { "account": account };
    let mails = turn.delete(&at.outbox, undelivered(*account)).await?;
    // Those that were sent a moment ago, too: they name the client that asked for them.
    turn.delete(&at.outbox, of_account.clone()).await?;
    Ok(Deletion {
        movies: 0,
        mails,
        events: turn.delete(&at.history, of_account).await?,
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
