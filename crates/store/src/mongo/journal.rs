//! How a step is kept whole: all of it happens, or nothing.
//!
//! ```text
//! replica set, cluster     start transaction ─▶ perform ─▶ commit             begun anew after a collision
//! standalone server        write the step into the journal ─▶ perform ─▶ strike it out
//!                                  │ dies anywhere in between
//!                                  ▼
//!                          who next starts, or touches that account, performs it again
//! ```
//!
//! A step in the journal may be performed by two at the same time, and once more after it was done. Where the database
//! lets a step down before its claim, and for good, the step is struck out again and has failed.

use std::sync::{Mutex, PoisonError};

use futures_util::TryStreamExt as _;
use mongodb::ClientSession;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::error::{Result, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use serde::{Deserialize, Serialize};

use super::super::{Deletion, StoreError};
use super::MongoStore;
use super::documents::{AccountDocument, document, read};
use super::link::{backoff, in_words, is_conflict, is_transient};
use super::steps::{Outcome, Step, perform};
use super::timed_collection::within_time;
use super::turn::{Turn, is_duplicate};

/// For how long, in milliseconds, somebody may be about to perform what they have written into the journal: far longer
/// than a step may take.
const STILL_AT_IT: i64 = 60_000;

/// A document in `movie_bag_journal`.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct JournalDocument {
    #[serde(rename = "_id")]
    id: ObjectId,
    account: ObjectId,
    step: Step,
}

impl JournalDocument {
    fn new(step: Step) -> Self {
        Self {
            id: ObjectId::new(),
            account: step.account(),
            step,
        }
    }

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
        let last_conflict = Mutex::new(None);
        let performing = async {
            if self.has_transactions {
                self.in_transaction(&step, &last_conflict).await
            } else {
                self.by_journal(step).await
            }
        };
        let outcome = match within_time(self.link.timeout(), performing).await {
            Some(outcome) => outcome.map_err(|error| self.link.failed(&error))?,
            None => {
                let conflict = last_conflict
                    .into_inner()
                    .unwrap_or_else(PoisonError::into_inner);
                return Err(match conflict {
                    Some(conflict) => self.link.contended(&conflict),
                    None => self.link.too_slow(),
                });
            }
        };
        if outcome == Outcome::Done && has_event {
            // What is done is done: if this takes too long, the next one does it.
            let trimming = async {
                self.trim_now_and_then(account).await;
                Ok(())
            };
            let _ = self.within(trimming).await;
        }
        Ok(outcome)
    }

    async fn in_transaction(
        &self,
        step: &Step,
        last_conflict: &Mutex<Option<String>>,
    ) -> Result<Outcome> {
        // What is to be done after the commit, written down with it.
        let then = match step {
            Step::DeleteAccount { account } => {
                Some(JournalDocument::new(Step::Sweep { account: *account }))
            }
            _ => None,
        };
        let outcome = self.committed(step, then.as_ref(), last_conflict).await?;
        match (outcome, then) {
            (Outcome::Deleted(deletion), Some(then)) => {
                // In a transaction, too: a delete beside all transactions would wait for each of them in turn.
                let rest = self.committed(&then.step, None, last_conflict).await?;
                self.at.journal.delete_one(doc! { "_id": then.id }).await?;
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

    /// Performs a step in a transaction, begun anew after each collision, and writes down what is left to do with it.
    async fn committed(
        &self,
        step: &Step,
        then: Option<&JournalDocument>,
        last_conflict: &Mutex<Option<String>>,
    ) -> Result<Outcome> {
        let mut session = self.client.start_session().await?;
        let mut tries = 0;
        let performed = loop {
            session.start_transaction().await?;
            let tried = async {
                let mut turn = Turn::in_transaction(&mut session);
                let outcome = perform(&self.at, step, &mut turn).await?;
                if let (Outcome::Deleted(_), Some(then)) = (outcome, then) {
                    turn.put(&self.at.journal, document(then)?).await?;
                }
                Ok(outcome)
            };
            let performed = match tried.await {
                Ok(outcome) => commit(&mut session).await.map(|()| outcome),
                Err(error) => {
                    // Where this fails, the server ends the transaction by itself.
                    let _ = session.abort_transaction().await;
                    Err(error)
                }
            };
            match performed {
                Err(error) if is_transient(&error) => {
                    let why = in_words(&error);
                    tracing::debug!(tries, why, "restarting a transaction");
                    // A lost connection is reported as such.
                    *last_conflict.lock().unwrap_or_else(PoisonError::into_inner) =
                        is_conflict(&error).then_some(why);
                    tokio::time::sleep(backoff(tries)).await;
                    tries += 1;
                }
                performed => break performed,
            }
        };
        taken(performed)
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
                    tracing::debug!(step = ?id, "completed a step in movie_bag_journal");
                    completed = true;
                }
                Ok(false) => {}
                Err(error) if self.link.passes(&error) => return Err(error),
                Err(error) => {
                    let why = in_words(&error);
                    tracing::error!(step = ?id, why, "cannot complete a step in movie_bag_journal");
                }
            }
        }
        Ok(completed)
    }
}

/// Commits, and asks again while the server does not confirm the commit. The caller limits the time.
async fn commit(session: &mut ClientSession) -> Result<()> {
    let mut tried = 0;
    loop {
        match session.commit_transaction().await {
            Err(error) if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) => {
                tokio::time::sleep(backoff(tried)).await;
                tried += 1;
            }
            committed => return committed,
        }
    }
}

/// A name that is taken is an outcome.
fn taken(performed: Result<Outcome>) -> Result<Outcome> {
    match performed {
        Err(error) if is_duplicate(&error) => Ok(Outcome::Taken),
        performed => performed,
    }
}
