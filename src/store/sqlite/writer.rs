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

/// How many steps one commit takes at the most, so that the first of them does not wait for long.
const LONGEST_BATCH: usize = 128;
/// How many steps may wait; beyond that, callers wait to be let in.
const LONGEST_QUEUE: usize = 1024;

/// A step to be done, or an error to pass on to its caller. `Some` is how to answer once it is known whether the step
/// lasts; with `None` it has failed and been answered, and nothing of it may stay.
type Job = Box<dyn FnOnce(Result<&Connection, StoreError>) -> Option<Answer> + Send>;
type Answer = Box<dyn FnOnce(Result<(), StoreError>)>;

/// The way to the writing thread.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which owns the connection.
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(LONGEST_QUEUE);
        let named = std::thread::Builder::new().name("sqlite-writer".to_owned());
        let thread = named.spawn(move || run(connection, queue))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Does `step` in a transaction, and returns once it has lasted.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, answered) = oneshot::channel();
        // The caller may have hung up: the step is done all the same, and the answer goes nowhere.
        let job: Job = Box::new(move |connection| match connection.and_then(step) {
            Ok(value) => Some(Box::new(move |lasting| {
                drop(sender.send(lasting.map(|()| value)))
            })),
            Err(error) => {
                drop(sender.send(Err(error)));
                None
            }
        });
        let ended = || StoreError::Broken("the writing thread has ended".to_owned());
        self.jobs
            .as_ref()
            .ok_or_else(ended)?
            .send(job)
            .await
            .map_err(|_| ended())?;
        answered
            .await
            .map_err(|_| StoreError::Broken("a step was broken off by a defect".to_owned()))?
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

fn run(mut connection: Connection, mut queue: mpsc::Receiver<Job>) {
    while let Some(job) = queue.blocking_recv() {
        match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(transaction) => commit_batch(transaction, job, &mut queue),
            Err(error) => {
                // Those who waited behind it have waited as long: nobody is made to wait a second time. Who they are is
                // settled before the first is answered, since whoever comes after that has not waited.
                let error = failed(error);
                let mut waited = vec![job];
                while let Ok(job) = queue.try_recv() {
                    waited.push(job);
                }
                for job in waited {
                    drop(job(Err(error.clone())));
                }
            }
        }
    }
}

/// Does the first step and all that waits behind it, commits, and answers them.
fn commit_batch(mut transaction: Transaction<'_>, first: Job, queue: &mut mpsc::Receiver<Job>) {
    let mut answers = Vec::new();
    let mut next = Some(first);
    let mut taken = 0;
    while let Some(job) = next {
        answers.extend(do_step(&mut transaction, job));
        taken += 1;
        next = if taken < LONGEST_BATCH {
            queue.try_recv().ok()
        } else {
            None
        };
    }
    let lasting = transaction.commit().map_err(failed);
    for answer in answers {
        answer(lasting.clone());
    }
}

fn do_step(transaction: &mut Transaction<'_>, job: Job) -> Option<Answer> {
    let savepoint = match transaction.savepoint() {
        Ok(savepoint) => savepoint,
        Err(error) => return job(Err(failed(error))),
    };
    // A defect in one step must not end the thread; dropping the savepoint rolls the step back.
    let answer = catch_unwind(AssertUnwindSafe(|| job(Ok(&savepoint)))).ok()??;
    match savepoint.commit() {
        Ok(()) => Some(answer),
        Err(error) => {
            answer(Err(failed(error)));
            None
        }
    }
}
