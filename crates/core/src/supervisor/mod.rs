//! Supervision of background tasks: a task that ends or panics is logged, restarted after a growing delay, and reported to
//! readiness and metrics. A task that keeps failing ends the process.
//!
//! [`Supervisor::run`] runs a future again and again. A thread
//! that recovers from panics by itself reports them ([`reports`]), and [`Supervisor::watch`] counts each as a failure.
//! A resource that must survive a restart, such as a listening socket, belongs to the factory of the task; the factory is
//! dropped when the task is asked to stop. `docs/operations.md` lists all tasks.
//!
//! Tests inject failures by [`fault_points`].

pub mod fault_points;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::VecDeque;
use std::fmt::{self, Display};
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep};

/// Cause of failure for a task that returned without having been asked to stop.
const ENDED: &str = "it ended unexpectedly";

/// Rules for restarts.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Delay of the first restart; each further one within [`Policy::window`] doubles it.
    pub first_delay: Duration,
    /// Longest delay of a restart.
    pub longest_delay: Duration,
    /// Time for which a restarted task must run before it counts as up.
    pub settling_time: Duration,
    /// Number of failures within [`Policy::window`] after which the supervisor gives up.
    pub max_failures: usize,
    /// Period in which failures are counted.
    pub window: Duration,
}

impl Default for Policy {
    /// Gives up after seven seconds at the earliest. A service manager that restarts the process two seconds later, as in
    /// `docs/operations.md`, stays below its own limit for restarts.
    fn default() -> Self {
        Self {
            first_delay: Duration::from_millis(500),
            longest_delay: Duration::from_secs(8),
            settling_time: Duration::from_secs(3),
            max_failures: 5,
            window: Duration::from_secs(60),
        }
    }
}

impl Policy {
    fn delay(&self, failures: usize) -> Duration {
        let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
        self.first_delay
            .saturating_mul(factor)
            .min(self.longest_delay)
    }
}

/// State of a task at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskStatus {
    pub name: &'static str,
    /// Whether the task runs, and after a restart whether the task has run for [`Policy::settling_time`].
    pub is_up: bool,
    pub restarts: u64,
}

/// Error for a task that failed repeatedly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("task {task} failed {failures} times in a row: {cause}")]
pub struct TaskFailed {
    pub task: &'static str,
    /// Number of failures within [`Policy::window`].
    pub failures: usize,
    pub cause: String,
}

/// Result of a supervised future.
pub trait Outcome {
    /// Cause of failure, if the result is an error.
    fn cause(self) -> Option<String>;
}

impl Outcome for () {
    fn cause(self) -> Option<String> {
        None
    }
}

impl<E: Display> Outcome for Result<(), E> {
    fn cause(self) -> Option<String> {
        self.err().map(|error| replace_controls(&error.to_string()))
    }
}

/// Restarts tasks. Clones share their state.
#[derive(Clone, Default)]
pub struct Supervisor(Arc<Shared>);

#[derive(Default)]
struct Shared {
    policy: Policy,
    tasks: Mutex<Vec<TaskStatus>>,
    given_up: watch::Sender<Option<TaskFailed>>,
}

impl Supervisor {
    pub fn new(policy: Policy) -> Self {
        Self(Arc::new(Shared {
            policy,
            ..Shared::default()
        }))
    }

    /// Returns the state of every task, in the order of their start.
    pub fn statuses(&self) -> Vec<TaskStatus> {
        self.tasks().clone()
    }

    /// Returns the name of a task that is down, if there is one.
    pub fn down(&self) -> Option<&'static str> {
        let tasks = self.tasks();
        tasks.iter().find(|task| !task.is_up).map(|task| task.name)
    }

    /// Returns the task that failed repeatedly, if there is one.
    pub fn given_up(&self) -> Option<TaskFailed> {
        self.0.given_up.borrow().clone()
    }

    /// Waits until a task has failed repeatedly. The caller ends the process.
    pub async fn gave_up(&self) -> TaskFailed {
        let mut given_up = self.0.given_up.subscribe();
        let failed = given_up.wait_for(Option::is_some).await;
        match failed.ok().and_then(|failed| failed.clone()) {
            Some(failed) => failed,
            // The sender lives as long as `self`, and the value is present.
            None => pending().await,
        }
    }

    /// Runs a task until `stop` is raised and the task has returned, and restarts it whenever it ends before. Returns early
    /// if the supervisor gives up.
    pub async fn run<T>(
        &self,
        name: &'static str,
        stop: watch::Receiver<bool>,
        mut make: impl FnMut() -> T,
    ) where
        T: Future<Output: Outcome + Send> + Send + 'static,
    {
        let make = move || {
            let task = make();
            async move {
                tokio::select! {
                    outcome = task => outcome.cause(),
                    () = fault_points::reached(name) => None,
                }
            }
        };
        self.keep_running(name, stop, make).await;
    }

    /// Counts failures of a thread that goes on by itself, until `stop` is raised. `next_failure` waits for the next one, and
    /// returns its cause.
    pub async fn watch<T>(
        &self,
        name: &'static str,
        stop: watch::Receiver<bool>,
        mut next_failure: impl FnMut() -> T,
    ) where
        T: Future<Output = String> + Send + 'static,
    {
        let stops = stop.clone();
        let make = move || failure_before_stop(next_failure(), stops.clone());
        self.keep_running(name, stop, make).await;
    }

    async fn keep_running<T>(
        &self,
        name: &'static str,
        mut stop: watch::Receiver<bool>,
        make: impl FnMut() -> T,
    ) where
        T: Future<Output = Option<String>> + Send + 'static,
    {
        let policy = self.0.policy;
        let registration = self.register(name);
        let mut make = Some(make);
        let mut failures: VecDeque<Instant> = VecDeque::new();
        while let Some(next) = &mut make {
            let mut task = JoinSet::new();
            task.spawn(next());
            let mut is_settling = !failures.is_empty();
            let settled = sleep(policy.settling_time);
            tokio::pin!(settled);
            let cause = loop {
                tokio::select! {
                    biased;
                    ended = task.join_next() => break failure_cause(ended),
                    () = wait_until_raised(&mut stop), if make.is_some() => make = None,
                    () = &mut settled, if is_settling => {
                        is_settling = false;
                        tracing::info!(task = name, "a restarted task is running again");
                        self.note(name, |task| task.is_up = true);
                    }
                }
            };
            if make.is_none() || has_stopped(&stop) {
                // A failure during the stop is logged, and has no other effect.
                if let Some(cause) = cause {
                    tracing::error!(task = name, cause, "a task failed while it stopped");
                }
                break;
            }
            let cause = cause.unwrap_or_else(|| ENDED.to_owned());
            self.note(name, |task| task.is_up = false);
            let now = Instant::now();
            failures.push_back(now);
            failures.retain(|at| now.duration_since(*at) < policy.window);
            if failures.len() >= policy.max_failures {
                return registration.give_up(failures.len(), cause);
            }
            let delay = policy.delay(failures.len());
            tracing::error!(
                task = name,
                cause,
                "a task failed and is restarted in {delay:?}"
            );
            tokio::select! {
                () = sleep(delay) => self.note(name, |task| task.restarts += 1),
                () = wait_until_raised(&mut stop) => break,
            }
        }
        registration.end();
    }

    fn register(&self, name: &'static str) -> Registration {
        let mut tasks = self.tasks();
        if !tasks.iter().any(|task| task.name == name) {
            tasks.push(TaskStatus {
                name,
                is_up: true,
                restarts: 0,
            });
        }
        Registration {
            supervisor: self.clone(),
            name,
            is_over: false,
        }
    }

    fn note(&self, name: &str, change: impl FnOnce(&mut TaskStatus)) {
        if let Some(task) = self.tasks().iter_mut().find(|task| task.name == name) {
            change(task);
        }
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<TaskStatus>> {
        self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.tasks().iter()).finish()
    }
}

/// Membership of a task in its supervisor. A supervising loop that panics counts as giving up: nothing else would restart the
/// task.
struct Registration {
    supervisor: Supervisor,
    name: &'static str,
    is_over: bool,
}

impl Registration {
    /// The task was asked to stop.
    fn end(mut self) {
        self.is_over = true;
    }

    fn give_up(mut self, failures: usize, cause: String) {
        self.is_over = true;
        self.fail(failures, cause);
    }

    fn fail(&self, failures: usize, cause: String) {
        let task = self.name;
        tracing::error!(
            task,
            cause,
            failures,
            "a task failed repeatedly: the process ends"
        );
        self.supervisor.note(task, |task| task.is_up = false);
        let failed = TaskFailed {
            task,
            failures,
            cause,
        };
        self.supervisor.0.given_up.send_if_modified(|given_up| {
            let is_first = given_up.is_none();
            given_up.get_or_insert(failed);
            is_first
        });
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if !self.is_over && std::thread::panicking() {
            self.fail(1, "its supervision panicked".to_owned());
        }
    }
}

/// Returns the cause of a thread's failure, or `None` once `stop` is raised. At a stop the thread ends too, which is not a
/// failure.
async fn failure_before_stop(
    failure: impl Future<Output = String>,
    mut stop: watch::Receiver<bool>,
) -> Option<String> {
    tokio::select! {
        biased;
        // The owner of the thread stops it.
        () = wait_until_raised(&mut stop) => None,
        cause = failure => Some(cause),
    }
}

/// Resolves once the flag is raised or its owner is dropped.
async fn wait_until_raised(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|raised| *raised).await;
}

fn has_stopped(stop: &watch::Receiver<bool>) -> bool {
    *stop.borrow() || stop.has_changed().is_err()
}

fn failure_cause(ended: Option<Result<Option<String>, JoinError>>) -> Option<String> {
    match ended {
        Some(Ok(cause)) => cause,
        Some(Err(error)) => Some(match error.try_into_panic() {
            Ok(panic) => panicked(&*panic),
            Err(error) => error.to_string(),
        }),
        None => None,
    }
}

/// Creates a channel by which a thread reports the panics that it recovers from. Reports beyond the first that is not
/// received yet are dropped.
pub fn reports() -> (Reporter, Reports) {
    let (sender, receiver) = mpsc::channel(1);
    (
        Reporter(sender),
        Reports(Arc::new(tokio::sync::Mutex::new(receiver))),
    )
}

/// Sender of reports.
#[derive(Debug, Clone)]
pub struct Reporter(mpsc::Sender<String>);

impl Reporter {
    /// Runs `work`, and reports its panic. The caller guarantees that the data which `work` changes is valid after a panic.
    pub fn contain<T>(&self, work: impl FnOnce() -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(value) => Some(value),
            Err(panic) => {
                let _ = self.0.try_send(panicked(&*panic));
                None
            }
        }
    }
}

/// Receiver of reports.
#[derive(Debug, Clone)]
pub struct Reports(Arc<tokio::sync::Mutex<mpsc::Receiver<String>>>);

impl Reports {
    /// Waits for the next report; the end of the thread is one.
    pub fn next(&self) -> impl Future<Output = String> + Send + 'static {
        let receiver = Arc::clone(&self.0);
        async move {
            let report = receiver.lock().await.recv().await;
            report.unwrap_or_else(|| "its thread has ended".to_owned())
        }
    }
}

/// Logs every panic with its location as one entry, in place of the lines that the standard library writes to stderr: a log
/// in JSON keeps one document per line.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let thread = std::thread::current();
        let location = panic.location().map(ToString::to_string);
        // Captured only if RUST_BACKTRACE requests it.
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured)
            .then(|| replace_controls(&backtrace.to_string()));
        tracing::error!(
            message_of_panic = panic_message(panic.payload()),
            location,
            thread = thread.name(),
            backtrace,
            "a task or a request panicked"
        );
    }));
}

fn panicked(panic: &(dyn Any + Send)) -> String {
    format!("it panicked: {}", panic_message(panic))
}

/// Returns the message of a panic.
fn panic_message(panic: &dyn Any) -> String {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    replace_controls(message.unwrap_or("no message"))
}

/// Replaces line breaks and other control characters: a log entry is one line.
fn replace_controls(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(shown).collect()
}
