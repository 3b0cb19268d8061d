//! Execution of steps: each step takes effect as a whole or not at all.
//!
//! ```text
//! replica set, cluster     start transaction ─▶ perform ─▶ commit             restarted after a conflict
//! standalone server        insert the step into the journal ─▶ perform ─▶ delete it from the journal
//!                                  │ the process dies in between
//!                                  ▼
//!                          the next start, or the next operation on that account, performs it again
//! ```
//!
//! Two processes may perform a step of the journal at the same time, and a step may be performed again after it was
//! completed. If the database rejects a step permanently before its claim, the step is deleted from the journal and has
//! failed.

use std::sync::{Mutex, PoisonError};

use futures_util::TryStreamExt as _;
use mongodb::ClientSession;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::error::{Result, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use movie_bag_core::ports::store::{Deletion, StoreError};
use serde::{Deserialize, Serialize};

use super::MongoStore;
use super::documents::{AccountDocument, decode, to_document};
use super::errors::{backoff, describe, is_conflict, is_duplicate, is_temporary, is_transient};
use super::execution::Execution;
use super::steps::perform::perform;
use super::steps::{Outcome, Step};
use super::timed_collection::run_with_limit;

/// Age in milliseconds up to which the process that inserted a journal entry may still be performing it: far longer than a
/// step may take.
const MAX_STEP_AGE: i64 = 60_000;

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

    /// Returns whether the process that inserted the entry may still be performing it.
    fn is_young(&self) -> bool {
        let age =
            ObjectId::new().timestamp().timestamp_millis() - self.id.timestamp().timestamp_millis();
        age < MAX_STEP_AGE
    }
}

impl MongoStore {
    /// Executes a step, in a transaction if the server supports them, else with the journal.
    pub(super) async fn execute(&self, step: Step) -> std::result::Result<Outcome, StoreError> {
        let (account, has_event) = (step.account(), step.writes_history());
        let last_conflict = Mutex::new(None);
        let execution = async {
            if self.has_transactions {
                self.execute_in_transaction(&step, &last_conflict).await
            } else {
                self.execute_with_journal(step).await
            }
        };
        let outcome = match run_with_limit(self.connection.timeout, execution).await {
            Some(outcome) => outcome.map_err(|error| self.connection.store_error(&error))?,
            None => {
                let conflict = last_conflict
                    .into_inner()
                    .unwrap_or_else(PoisonError::into_inner);
                return Err(match conflict {
                    Some(conflict) => self.connection.contention_error(&conflict),
                    None => self.connection.timeout_error(),
                });
            }
        };
        if outcome == Outcome::Done && has_event {
            // The step has succeeded. If trimming exceeds the time limit, a later step does it.
            let trimming = async {
                self.trim_occasionally(account).await;
                Ok(())
            };
            let _ = self.run(trimming).await;
        }
        Ok(outcome)
    }

    async fn execute_in_transaction(
        &self,
        step: &Step,
        last_conflict: &Mutex<Option<String>>,
    ) -> Result<Outcome> {
        // The step after the commit. It is inserted into the journal in the same transaction.
        let next = match step {
            Step::DeleteAccount { account } => {
                Some(JournalDocument::new(Step::Sweep { account: *account }))
            }
            _ => None,
        };
        let outcome = self.commit_step(step, next.as_ref(), last_conflict).await?;
        match (outcome, next) {
            (Outcome::Deleted(deletion), Some(next)) => {
                // The second part runs in a transaction too: a delete outside of a transaction would wait for each conflicting one in turn.
                let rest = self.commit_step(&next.step, None, last_conflict).await?;
                self.collections
                    .journal
                    .delete_one(doc! { "_id": next.id })
                    .await?;
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

    /// Performs a step in a transaction, restarts it after each conflict, and inserts the next step into the journal with it.
    async fn commit_step(
        &self,
        step: &Step,
        next: Option<&JournalDocument>,
        last_conflict: &Mutex<Option<String>>,
    ) -> Result<Outcome> {
        let mut session = self.client.start_session().await?;
        let mut tries = 0;
        let performed = loop {
            session.start_transaction().await?;
            let tried = async {
                let mut execution = Execution::in_transaction(&self.collections, &mut session);
                let outcome = perform(step, &mut execution).await?;
                if let (Outcome::Deleted(_), Some(next)) = (outcome, next) {
                    execution
                        .insert_missing(&self.collections.journal, to_document(next)?)
                        .await?;
                }
                Ok(outcome)
            };
            let performed = match tried.await {
                Ok(outcome) => commit(&mut session).await.map(|()| outcome),
                Err(error) => {
                    // If this fails, the server aborts the transaction by itself.
                    let _ = session.abort_transaction().await;
                    Err(error)
                }
            };
            match performed {
                Err(error) if is_transient(&error) => {
                    let why = describe(&error);
                    tracing::debug!(tries, why, "restarting a transaction");
                    // A lost connection is not reported as a conflict.
                    *last_conflict.lock().unwrap_or_else(PoisonError::into_inner) =
                        is_conflict(&error).then_some(why);
                    tokio::time::sleep(backoff(tries)).await;
                    tries += 1;
                }
                performed => break performed,
            }
        };
        map_duplicate(performed)
    }

    async fn execute_with_journal(&self, step: Step) -> Result<Outcome> {
        let entry = JournalDocument::new(step);
        self.collections
            .journal
            .insert_one(to_document(&entry)?)
            .await?;
        self.execute_entry(&entry).await
    }

    /// Performs a journal entry and deletes it. It is deleted also after a permanent failure, since no process could complete
    /// it.
    pub(super) async fn execute_entry(&self, entry: &JournalDocument) -> Result<Outcome> {
        let mut execution = Execution::with_journal(&self.collections, false);
        let performed = map_duplicate(perform(&entry.step, &mut execution).await);
        if let Err(error) = &performed
            && (execution.has_written || is_temporary(error))
        {
            return performed;
        }
        self.collections
            .journal
            .delete_one(doc! { "_id": entry.id })
            .await?;
        performed
    }

    /// Performs and deletes a journal entry of another process. Returns `false` for an entry that is kept because that process
    /// may still be performing it.
    async fn complete_entry(&self, entry: &JournalDocument) -> Result<bool> {
        let mut execution = Execution::with_journal(&self.collections, true);
        let outcome = map_duplicate(perform(&entry.step, &mut execution).await)?;
        if outcome == Outcome::Refused && entry.step.creates() && entry.is_young() {
            return Ok(false);
        }
        self.collections
            .journal
            .delete_one(doc! { "_id": entry.id })
            .await?;
        Ok(true)
    }

    /// Completes the steps of an account in the journal. Returns whether there were any. Only standalone servers use the
    /// journal.
    pub(super) async fn complete_steps_of(&self, account: ObjectId) -> Result<bool> {
        if self.has_transactions {
            return Ok(false);
        }
        self.complete_steps(doc! { "account": account }).await
    }

    /// Completes the steps in the journal that set the present credential, so that a change that follows cannot hide them.
    pub(super) async fn complete_credential_change(&self, account: &AccountDocument) -> Result<()> {
        if self.has_transactions {
            return Ok(());
        }
        self.complete_steps(
            doc! { "account": account.id, "step.replace_credential.password": &account.password },
        )
        .await
        .map(|_| ())
    }

    /// Completes the matching steps of the journal in the order of writing. Returns whether there were any. A step that cannot
    /// be completed is logged and kept for an administrator.
    pub(super) async fn complete_steps(&self, filter: Document) -> Result<bool> {
        let unfinished: Vec<Document> = self
            .collections
            .journal
            .find(filter)
            .sort(doc! { "_id": 1 })
            .await?
            .try_collect()
            .await?;
        let mut completed = false;
        for entry in unfinished {
            let id = entry.get("_id").cloned();
            let step = async {
                self.complete_entry(&decode("movie_bag_journal", entry)?)
                    .await
            };
            match step.await {
                Ok(true) => {
                    tracing::debug!(step = ?id, "completed a step in movie_bag_journal");
                    completed = true;
                }
                Ok(false) => {}
                Err(error) if is_temporary(&error) => return Err(error),
                Err(error) => {
                    let why = describe(&error);
                    tracing::error!(step = ?id, why, "cannot complete a step in movie_bag_journal");
                }
            }
        }
        Ok(completed)
    }
}

/// Commits, and repeats the commit until the server confirms it. The caller limits the time.
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

/// Converts the violation of a unique index to an outcome.
fn map_duplicate(performed: Result<Outcome>) -> Result<Outcome> {
    match performed {
        Err(error) if is_duplicate(&error) => Ok(Outcome::Taken),
        performed => performed,
    }
}
