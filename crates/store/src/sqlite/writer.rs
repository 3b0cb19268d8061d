//! The one thread that writes, and why there is only one: SQLite has one writer at a time anyway, and a thread that
//! takes all that waits can commit it with one flush to the disk instead of one each (group commit).
//!
//! Each step runs in a savepoint of its own, so that its failure takes nothing else with it, and is answered only when
//! the commit has lasted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::super::StoreError;
use super::failed;
use movie_bag_core::supervisor::{Reporter, Reports, fault_points, reports};

/// How many steps one commit takes at the most, so that the first of them does not wait for long.
const LONGEST_BATCH: usize = 128;
/// How many steps may wait; beyond that, callers wait to be let in.
const LONGEST_QUEUE: usize = 1024;

/// A step to be done, or an error to pass on to its caller. `Some` is how to answer once it is known whether the step
/// lasts; with `None` it has failed and been answered, and nothing of it may stay.
type Step = Box<dyn FnOnce(Result<&Connection, StoreError>) -> Option<Answer> + Send>;
type Answer = Box<dyn FnOnce(Result<(), StoreError>)>;

/// A step, and how long it must last.
struct Job {
    step: Step,
    lasting: Lasting,
}

/// What an answered step outlives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lasting {
    /// This process.
    Process,
    /// A power cut.
    PowerCut,
}

/// The way to the writing thread.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    failures: Reports,
}

impl Writer {
    /// Starts the thread, which owns the connection.
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(LONGEST_QUEUE);
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

    /// Does `step` in a transaction, and returns once it is on the disk.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.queue(Lasting::PowerCut, step).await
    }

    /// The same for what may be lost with the power, though not with the process: nobody waits for the disk.
    pub(super) async fn write_lightly<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.queue(Lasting::Process, step).await
    }

    async fn queue<T: Send + 'static>(
        &self,
        lasting: Lasting,
        step: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answered) = oneshot::channel();
        // The caller may have hung up: the step is done all the same, and the answer goes nowhere.
        let step: Step = Box::new(move |connection| match connection.and_then(step) {
            Ok(value) => Some(Box::new(move |lasting| {
                drop(sender.send(lasting.map(|()| value)))
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
            .send(Job { step, lasting })
            .await
            .map_err(|_| ended())?;
        answered
            .await
            .map_err(|_| StoreError::broken("a step failed because of a defect"))?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // What was queued is written before the process ends.
            let _ = thread.join();
        }
    }
}

/// Writes until all senders are gone. After a panic it goes on with the next steps: the transaction was rolled back when it
/// was dropped, and the callers of its steps have received an error.
fn run(mut connection: Connection, mut queue: mpsc::Receiver<Job>, reporter: &Reporter) {
    let mut is_over = false;
    while !is_over {
        let ended = reporter.contain(|| write_all(&mut connection, &mut queue));
        is_over = ended.is_some();
    }
}

fn write_all(connection: &mut Connection, queue: &mut mpsc::Receiver<Job>) {
    let mut now_lasting = None;
    while let Some(first) = queue.blocking_recv() {
        fault_points::hit("database");
        let mut batch = vec![first];
        while batch.len() < LONGEST_BATCH
            && let Ok(job) = queue.try_recv()
        {
            batch.push(job);
        }
        let lasting = batch.iter().map(|job| job.lasting).max();
        if now_lasting != lasting {
            if let Err(error) = lasts(connection, lasting) {
                refuse(batch, &failed(error));
                continue;
            }
            now_lasting = lasting;
        }
        match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(transaction) => commit_batch(transaction, batch),
            Err(error) => {
                // Those who waited behind it have waited as long: nobody is made to wait a second time. Who they are is
                // settled before the first is answered, since whoever comes after that has not waited.
                while let Ok(job) = queue.try_recv() {
                    batch.push(job);
                }
                refuse(batch, &failed(error));
            }
        }
    }
}

fn refuse(batch: Vec<Job>, error: &StoreError) {
    for job in batch {
        drop((job.step)(Err(error.clone())));
    }
}

/// With the write-ahead log, a commit is flushed to the disk where `synchronous` is FULL, and lasts by the system's own
/// cache where it is NORMAL (<https://www.sqlite.org/pragma.html#pragma_synchronous>).
fn lasts(connection: &Connection, lasting: Option<Lasting>) -> rusqlite::Result<()> {
    connection.execute_batch(match lasting {
        Some(Lasting::Process) => "PRAGMA synchronous = NORMAL",
        Some(Lasting::PowerCut) | None => "PRAGMA synchronous = FULL",
    })
}

/// Does all steps of a batch, commits, and answers them.
fn commit_batch(transaction: Transaction<'_>, batch: Vec<Job>) {
    let mut answers = Vec::with_capacity(batch.len());
    let mut jobs = batch.into_iter();
    for job in jobs.by_ref() {
        answers.extend(do_step(&transaction, job.step));
        // A full disk or a failing one makes SQLite roll back all of it: what came after would be a commit of its own.
        if transaction.is_autocommit() {
            let why = "the disk is full or failing: all steps in progress were rolled back";
            let error = StoreError::unavailable(why.to_owned());
            refuse(jobs.collect(), &error);
            answers
                .into_iter()
                .for_each(|answer| answer(Err(error.clone())));
            return;
        }
    }
    let lasting = transaction.commit().map_err(failed);
    for answer in answers {
        answer(lasting.clone());
    }
}

/// Does a step so that its failure takes nothing else with it. The savepoint is one of prepared statements: SQLite would
/// read its words anew for each step.
fn do_step(connection: &Connection, step: Step) -> Option<Answer> {
    let savepoint = |sql: &str| -> rusqlite::Result<()> {
        connection.prepare_cached(sql)?.execute([]).map(|_| ())
    };
    if let Err(error) = savepoint("SAVEPOINT step") {
        return step(Err(failed(error)));
    }
    // A defect in one step must not end the thread.
    let answer = catch_unwind(AssertUnwindSafe(|| step(Ok(connection))))
        .ok()
        .flatten();
    if let Some(answer) = answer {
        match savepoint("RELEASE step") {
            Ok(()) => return Some(answer),
            Err(error) => answer(Err(failed(error))),
        }
    }
    // Where this fails SQLite has rolled all back, and the caller sees it.
    let _ = savepoint("ROLLBACK TO step").and_then(|()| savepoint("RELEASE step"));
    None
}
