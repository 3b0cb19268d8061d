//! Thread that performs all writes. SQLite allows only one writer at a time, and a single thread can commit all waiting
//! steps with one flush to the disk (group commit).
//!
//! Each step runs in its own savepoint, so that its failure affects no other step. Its caller gets the result after the
//! commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use movie_bag_core::ports::store::StoreError;
use movie_bag_core::supervisor::{Reporter, Reports, fault_points, reports};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::errors::store_error;

/// Maximum number of steps in one commit, so that the first of them does not wait for long.
const MAX_BATCH: usize = 128;
/// Maximum number of waiting steps. Beyond it, callers wait for a place in the queue.
const MAX_QUEUE: usize = 1024;

/// A step to run, or an error for its caller. It returns a function that sends the result once the commit has succeeded or
/// failed. `None` means that the step has failed and sent its error; its changes must be rolled back.
type Step = Box<dyn FnOnce(Result<&Connection, StoreError>) -> Option<Answer> + Send>;
type Answer = Box<dyn FnOnce(Result<(), StoreError>)>;

struct Job {
    step: Step,
    durability: Durability,
}

/// Event that an acknowledged step survives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Durability {
    ProcessExit,
    PowerCut,
}

/// Handle of the writing thread.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    failures: Reports,
}

impl Writer {
    /// Starts the thread, which owns the connection.
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(MAX_QUEUE);
        let named = std::thread::Builder::new().name("sqlite-writer".to_owned());
        let (reporter, failures) = reports();
        let thread = named.spawn(move || run(connection, queue, &reporter))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
            failures,
        })
    }

    /// Waits for the next panic of the thread outside of a step, or its end, and returns the cause.
    pub(super) async fn failure(&self) -> String {
        self.failures.next().await
    }

    /// Runs `step` in a transaction, and returns when it is on the disk.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.queue(Durability::PowerCut, step).await
    }

    /// Runs `step` in a transaction without waiting for the disk. A power cut may undo it; the end of the process does not.
    pub(super) async fn write_without_flush<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.queue(Durability::ProcessExit, step).await
    }

    async fn queue<T: Send + 'static>(
        &self,
        durability: Durability,
        step: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, result) = oneshot::channel();
        // The caller may have been cancelled. The step runs nevertheless, and its result is dropped.
        let step: Step = Box::new(move |connection| match connection.and_then(step) {
            Ok(value) => Some(Box::new(move |committed| {
                drop(sender.send(committed.map(|()| value)))
            })),
            Err(error) => {
                drop(sender.send(Err(error)));
                None
            }
        });
        let ended = || StoreError::broken("the writing thread has ended");
        self.jobs
            .as_ref()
            .ok_or_else(ended)?
            .send(Job { step, durability })
            .await
            .map_err(|_| ended())?;
        result
            .await
            .map_err(|_| StoreError::broken("a step failed because of a defect"))?
    }
}

#[cfg(test)]
impl Writer {
    /// Returns the number of steps that the thread has not taken from the queue yet.
    pub(super) fn queued(&self) -> usize {
        let jobs = self.jobs.as_ref().unwrap();
        jobs.max_capacity() - jobs.capacity()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // The thread writes all queued steps first.
            let _ = thread.join();
        }
    }
}

/// Writes until all senders are dropped. After a panic it continues with the next steps: the drop of the transaction has
/// rolled it back, and the callers of its steps have received an error.
fn run(mut connection: Connection, mut queue: mpsc::Receiver<Job>, reporter: &Reporter) {
    let mut has_ended = false;
    while !has_ended {
        let ended = reporter.contain(|| write_all(&mut connection, &mut queue));
        has_ended = ended.is_some();
    }
}

fn write_all(connection: &mut Connection, queue: &mut mpsc::Receiver<Job>) {
    let mut present = None;
    while let Some(first) = queue.blocking_recv() {
        fault_points::hit("database");
        let mut batch = vec![first];
        while batch.len() < MAX_BATCH
            && let Ok(job) = queue.try_recv()
        {
            batch.push(job);
        }
        let durability = batch.iter().map(|job| job.durability).max();
        if present != durability {
            if let Err(error) = set_durability(connection, durability) {
                fail_all(batch, &store_error(error));
                continue;
            }
            present = durability;
        }
        match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(transaction) => commit_batch(transaction, batch),
            Err(error) => {
                // The jobs in the queue have waited as long, so they fail, too, instead of waiting a second time. They are
                // collected before the first caller gets its error: jobs that arrive afterwards have not waited.
                while let Ok(job) = queue.try_recv() {
                    batch.push(job);
                }
                fail_all(batch, &store_error(error));
            }
        }
    }
}

fn fail_all(batch: Vec<Job>, error: &StoreError) {
    for job in batch {
        drop((job.step)(Err(error.clone())));
    }
}

/// With the write-ahead log, `synchronous = FULL` flushes each commit to the disk, and NORMAL leaves it in the cache of the
/// operating system (<https://www.sqlite.org/pragma.html#pragma_synchronous>).
fn set_durability(connection: &Connection, durability: Option<Durability>) -> rusqlite::Result<()> {
    connection.execute_batch(match durability {
        Some(Durability::ProcessExit) => "PRAGMA synchronous = NORMAL",
        Some(Durability::PowerCut) | None => "PRAGMA synchronous = FULL",
    })
}

/// Runs all steps of a batch, commits, and sends the results.
fn commit_batch(transaction: Transaction<'_>, batch: Vec<Job>) {
    let mut answers = Vec::with_capacity(batch.len());
    let mut jobs = batch.into_iter();
    for job in jobs.by_ref() {
        answers.extend(run_step(&transaction, job.step));
        // After a full or failing disk SQLite has rolled back the transaction: each later step would be its own commit.
        if transaction.is_autocommit() {
            let why = "the disk is full or failing: all steps in progress were rolled back";
            let error = StoreError::unavailable(why.to_owned());
            fail_all(jobs.collect(), &error);
            answers
                .into_iter()
                .for_each(|answer| answer(Err(error.clone())));
            return;
        }
    }
    let committed = transaction.commit().map_err(store_error);
    for answer in answers {
        answer(committed.clone());
    }
}

/// Runs a step in a savepoint, so that its failure affects no other step. The savepoint uses cached statements: otherwise
/// SQLite would parse them for each step.
fn run_step(connection: &Connection, step: Step) -> Option<Answer> {
    let savepoint = |sql: &str| -> rusqlite::Result<()> {
        connection.prepare_cached(sql)?.execute([]).map(|_| ())
    };
    if let Err(error) = savepoint("SAVEPOINT step") {
        return step(Err(store_error(error)));
    }
    // A panic in one step must not end the thread.
    let answer = catch_unwind(AssertUnwindSafe(|| step(Ok(connection))))
        .ok()
        .flatten();
    if let Some(answer) = answer {
        match savepoint("RELEASE step") {
            Ok(()) => return Some(answer),
            Err(error) => answer(Err(store_error(error))),
        }
    }
    // If this fails, SQLite has rolled back the transaction, which the caller detects.
    let _ = savepoint("ROLLBACK TO step").and_then(|()| savepoint("RELEASE step"));
    None
}
