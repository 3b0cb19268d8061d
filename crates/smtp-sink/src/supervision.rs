//! Supervision of the background tasks of a sink: a task that ends or panics is never ignored.
//!
//! The sink starts its tasks by a [`TaskSupervisor`]. A program with a supervisor of its own passes it to
//! [`BoundSink::supervised_by`](super::BoundSink::supervised_by) and may restart tasks; otherwise [`RunOnce`] ends the sink with an
//! error. The tasks are `sink-smtp`, `sink-smtps` and `sink-inbox`; `sink-output` is the thread that calls
//! [`OnMessage`](super::OnMessage).

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use thiserror::Error;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};

/// Starts a task, and starts it again after it has failed. A resource that must survive a restart, such as a listening
/// socket, belongs to this function.
pub type StartTask = Box<dyn FnMut() -> BoxFuture<'static, io::Result<()>> + Send>;

/// Returns a future that resolves with the cause of the next failure, or with `None` once the thread has ended.
pub type NextFailure = Box<dyn FnMut() -> BoxFuture<'static, Option<String>> + Send>;

/// Runs the tasks of a sink.
pub trait TaskSupervisor: Send + Sync {
    /// Runs a task until `stop` is raised and the task has returned. Drops `start` once `stop` is raised.
    ///
    /// A task that ends before `stop` is raised has failed. Its panic must not reach the caller.
    ///
    /// # Errors
    /// The task has failed and is not started again. The sink then stops and returns the error.
    fn run(
        &self,
        task: &'static str,
        stop: watch::Receiver<bool>,
        start: StartTask,
    ) -> BoxFuture<'_, Result<(), TaskFailed>>;

    /// Receives the failures of a thread that recovers from them by itself, until `stop` is raised.
    fn watch(
        &self,
        task: &'static str,
        stop: watch::Receiver<bool>,
        next_failure: NextFailure,
    ) -> BoxFuture<'_, ()>;

    /// Returns the name of a task that is down, if there is one. `/readyz` reports it.
    fn down(&self) -> Option<&'static str>;
}

/// Error for a task that failed and was not restarted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("task {task} failed: {cause}")]
#[non_exhaustive]
pub struct TaskFailed {
    /// Name of the task.
    pub task: &'static str,
    /// Cause of the failure.
    pub cause: String,
}

impl TaskFailed {
    /// Returns the error that a [`TaskSupervisor`] reports.
    pub fn new(task: &'static str, cause: impl Into<String>) -> TaskFailed {
        TaskFailed {
            task,
            cause: cause.into(),
        }
    }
}

/// Runs each task once. A failure is logged and ends the sink, since a sink that receives nothing could not be
/// distinguished from a program that sends nothing. A panic of [`OnMessage`](super::OnMessage) is logged only: the
/// message is stored.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOnce;

impl TaskSupervisor for RunOnce {
    fn run(
        &self,
        task: &'static str,
        stop: watch::Receiver<bool>,
        mut start: StartTask,
    ) -> BoxFuture<'_, Result<(), TaskFailed>> {
        Box::pin(async move {
            let mut run = JoinSet::new();
            run.spawn(start());
            drop(start);
            let ended = run.join_next().await;
            let cause = ended.and_then(failure_cause);
            if is_raised(&stop) {
                if let Some(cause) = cause {
                    tracing::error!(task, cause, "a task failed while it stopped");
                }
                return Ok(());
            }
            let cause = cause.unwrap_or_else(|| "it ended unexpectedly".to_owned());
            tracing::error!(task, cause, "a task failed: the sink ends");
            Err(TaskFailed { task, cause })
        })
    }

    fn watch(
        &self,
        task: &'static str,
        mut stop: watch::Receiver<bool>,
        mut next_failure: NextFailure,
    ) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                tokio::select! {
                    biased;
                    _ = stop.wait_for(|stop| *stop) => break,
                    failure = next_failure() => match failure {
                        Some(cause) => tracing::error!(task, cause, "a task failed"),
                        None => {
                            tracing::error!(task, "a task ended unexpectedly");
                            break;
                        }
                    },
                }
            }
        })
    }

    fn down(&self) -> Option<&'static str> {
        None
    }
}

fn is_raised(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}

fn failure_cause(ended: Result<io::Result<()>, JoinError>) -> Option<String> {
    match ended {
        Ok(result) => result.err().map(|error| error.to_string()),
        Err(error) => Some(match error.try_into_panic() {
            Ok(panic) => panicked(&*panic),
            Err(error) => error.to_string(),
        }),
    }
}

fn panicked(panic: &(dyn Any + Send)) -> String {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    // A log entry is one line.
    let message = message.replace(|char: char| char.is_control(), " ");
    format!("it panicked: {message}")
}

/// Resolves once the future that started a thread has been dropped.
pub(super) struct Abandoned(oneshot::Receiver<Infallible>);

impl Abandoned {
    pub(super) async fn wait(self) {
        let _ = self.0.await;
    }
}

/// Runs `work` on a thread of its own, and ends with it. A panic of the thread continues in the caller.
///
/// `work` ends when the future is dropped, at [`Abandoned`]: a task that is restarted must not run twice.
pub(super) async fn on_thread(
    name: &'static str,
    work: impl FnOnce(Abandoned) -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    let (_alive, abandoned) = oneshot::channel();
    let (done, ended) = oneshot::channel();
    let thread = std::thread::Builder::new().name(name.to_owned());
    let spawned = thread.spawn(move || {
        let _ = done.send(catch_unwind(AssertUnwindSafe(|| {
            work(Abandoned(abandoned))
        })));
    });
    spawned.map_err(|error| {
        let cause = format!("its thread cannot be started: {error}");
        io::Error::new(error.kind(), cause)
    })?;
    match ended.await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => resume_unwind(panic),
        // The thread always sends.
        Err(_) => Ok(()),
    }
}

/// Creates a channel by which a thread reports the panics that it recovers from. Reports beyond the first that is not
/// received yet are dropped.
pub(super) fn reports() -> (Reporter, Reports) {
    let (sender, receiver) = mpsc::channel(1);
    (Reporter(sender), Reports(Arc::new(Mutex::new(receiver))))
}

/// Sender of reports.
pub(super) struct Reporter(mpsc::Sender<String>);

impl Reporter {
    /// Runs `work`, and reports its panic. The caller guarantees that the data which `work` changes is valid after a panic.
    pub(super) fn contain(&self, work: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
            let _ = self.0.try_send(panicked(&*panic));
        }
    }
}

/// Receiver of reports.
pub(super) struct Reports(Arc<Mutex<mpsc::Receiver<String>>>);

impl Reports {
    /// Waits for the next report. Returns `None` once the thread has ended.
    pub(super) fn next(&self) -> impl Future<Output = Option<String>> + Send + 'static {
        let receiver = Arc::clone(&self.0);
        async move { receiver.lock().await.recv().await }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    async fn failure(
        start: impl Fn() -> BoxFuture<'static, io::Result<()>> + Send + 'static,
    ) -> String {
        let (_stop, stopped) = watch::channel(false);
        let run = RunOnce.run("sink-smtp", stopped, Box::new(start));
        run.await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_task_that_runs_once_and_fails_is_an_error() {
        let ended = failure(|| Box::pin(async { Ok(()) })).await;
        assert_eq!(ended, "task sink-smtp failed: it ended unexpectedly");
        let failed = failure(|| Box::pin(async { Err(io::Error::other("no socket")) })).await;
        assert_eq!(failed, "task sink-smtp failed: no socket");
        let panicked = failure(|| Box::pin(async { panic!("a\nb") })).await;
        assert_eq!(panicked, "task sink-smtp failed: it panicked: a b");
        let thread = failure(|| Box::pin(on_thread("sink-inbox", |_| panic!("in a thread")))).await;
        assert_eq!(thread, "task sink-smtp failed: it panicked: in a thread");
    }

    #[tokio::test]
    async fn a_task_that_ends_at_the_stop_is_no_failure() {
        let (stop, stopped) = watch::channel(false);
        let stopping = stopped.clone();
        let start = move || -> BoxFuture<'static, io::Result<()>> {
            let mut stopping = stopping.clone();
            Box::pin(async move {
                let _ = stopping.wait_for(|stop| *stop).await;
                Err(io::Error::other("too late to matter"))
            })
        };
        let run = RunOnce.run("sink-smtp", stopped, Box::new(start));
        let (ended, _) = tokio::join!(run, async { stop.send_replace(true) });
        assert_eq!(ended, Ok(()));
    }

    #[tokio::test]
    async fn a_thread_ends_when_its_task_is_dropped() {
        let (ended, thread_end) = channel();
        let (started, thread_start) = oneshot::channel();
        let task = tokio::spawn(on_thread("sink-inbox", move |abandoned| {
            started.send(()).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().build()?;
            runtime.block_on(abandoned.wait());
            ended.send(()).unwrap();
            Ok(())
        }));
        thread_start.await.unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        tokio::task::spawn_blocking(move || thread_end.recv().unwrap())
            .await
            .unwrap();
    }
}
