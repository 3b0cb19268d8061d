//! Sink that runs in the background.
//!
//! It has a thread and a runtime of its own: the runtime of a test may be blocked by the test, have its time paused, or end
//! before the sink.

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::builder::SinkBuilder;
use crate::error::SinkError;
use crate::filter::{Filter, WaitError};
use crate::inbox::Summary;
use crate::inbox_handle::InboxHandle;
use crate::message::Message;
use crate::supervision::TaskFailed;

/// Running sink. When it is dropped, the sink has stopped: its sockets are closed, and its threads have ended.
///
/// A sink can be shared, also as a `static`, and used on any thread and any executor. Tests that run at the same time each start a
/// sink of their own, or wait for different addresses.
///
/// ```
/// # use std::time::Duration;
/// use movie_bag_smtp_sink::{Filter, Sink, WaitError};
///
/// // In a test without a runtime.
/// let sink = Sink::builder().start_blocking()?;
/// let waited = sink.wait_for_blocking(Filter::any(), Duration::from_millis(1));
/// assert!(matches!(waited, Err(WaitError::Timeout { .. })));
/// # Ok::<(), movie_bag_smtp_sink::SinkError>(())
/// ```
pub struct Sink {
    started: Started,
    background: Background,
}

/// Properties of a sink that runs.
struct Started {
    smtp_addr: SocketAddr,
    smtps_addr: Option<SocketAddr>,
    web_addr: Option<SocketAddr>,
    authority: Option<String>,
    inbox: InboxHandle,
    runtime: Handle,
}

impl Sink {
    /// Returns a builder with the default settings.
    pub fn builder() -> SinkBuilder {
        SinkBuilder::default()
    }

    pub(crate) async fn start(builder: SinkBuilder) -> Result<Sink, SinkError> {
        let (ready, started) = oneshot::channel();
        let background = Background::spawn(builder, move |outcome| drop(ready.send(outcome)))?;
        match started.await {
            Ok(started) => Ok(Sink {
                started: started?,
                background,
            }),
            Err(_) => background.panicked(),
        }
    }

    pub(crate) fn start_blocking(builder: SinkBuilder) -> Result<Sink, SinkError> {
        let (ready, started) = mpsc::channel();
        let background = Background::spawn(builder, move |outcome| drop(ready.send(outcome)))?;
        match started.recv() {
            Ok(started) => Ok(Sink {
                started: started?,
                background,
            }),
            Err(_) => background.panicked(),
        }
    }

    /// Returns the address of SMTP, with the real port.
    pub fn smtp_addr(&self) -> SocketAddr {
        self.started.smtp_addr
    }

    /// Returns the address of SMTP over TLS, with the real port; `None` without [`SinkBuilder::tls`].
    pub fn smtps_addr(&self) -> Option<SocketAddr> {
        self.started.smtps_addr
    }

    /// Returns the address of the web inbox, with the real port; `None` without [`SinkBuilder::web`].
    pub fn web_addr(&self) -> Option<SocketAddr> {
        self.started.web_addr
    }

    /// Returns the authority of a certificate that was issued at the start, in PEM, for clients that verify certificates.
    /// `None` without TLS, and with a certificate from a file.
    pub fn authority_pem(&self) -> Option<&str> {
        self.started.authority.as_deref()
    }

    /// Returns the newest message that the filter selects, also if it arrived before the call. If there is none, waits for the
    /// first one to arrive.
    ///
    /// [`Filter::after`] leaves out messages that a test has seen. The timeout uses real time, even if a test has paused the
    /// time of its runtime. It limits the wait for an arrival: stored messages are considered even if it is zero, and a message
    /// that has arrived is parsed to the end. A dropped future waits no longer.
    ///
    /// # Errors
    /// [`WaitError::Timeout`] after `timeout`; its text lists the messages that arrived. [`WaitError::Stopped`] if the sink has
    /// failed.
    ///
    /// # Panics
    /// If a condition of [`Filter::matching`] panics.
    pub async fn wait_for(&self, filter: Filter, timeout: Duration) -> Result<Message, WaitError> {
        // The sink waits on its own runtime, since the runtime of the caller may have no timer or paused time.
        let mut waiting = JoinSet::new();
        let wait = self.started.inbox.clone().wait_within(filter, timeout);
        waiting.spawn_on(wait, &self.started.runtime);
        match waiting.join_next().await {
            Some(Ok(waited)) => waited,
            Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
            Some(Err(_)) | None => Err(WaitError::Stopped),
        }
    }

    /// Does the same as [`Sink::wait_for`], for callers that are not `async`.
    ///
    /// # Errors
    /// [`WaitError::Timeout`] after `timeout`; its text lists the messages that arrived. [`WaitError::Stopped`] if the sink has
    /// failed.
    ///
    /// # Panics
    /// If a condition of [`Filter::matching`] panics.
    pub fn wait_for_blocking(
        &self,
        filter: Filter,
        timeout: Duration,
    ) -> Result<Message, WaitError> {
        let (done, waited) = mpsc::channel();
        let wait = self.started.inbox.clone().wait_within(filter, timeout);
        let mut waiting = JoinSet::new();
        waiting.spawn_on(wait, &self.started.runtime);
        self.started.runtime.spawn(async move {
            let _ = done.send(waiting.join_next().await);
        });
        match waited.recv() {
            Ok(Some(Ok(waited))) => waited,
            Ok(Some(Err(error))) if error.is_panic() => resume_unwind(error.into_panic()),
            Ok(_) | Err(_) => Err(WaitError::Stopped),
        }
    }

    /// Returns all stored messages in the order of their arrival.
    pub fn messages(&self) -> Vec<Message> {
        self.started.inbox.messages()
    }

    /// Deletes all stored messages, also those in the Maildir of [`SinkBuilder::store`].
    pub fn clear(&self) {
        self.started.inbox.clear();
    }

    /// Returns the inbox, which stays usable after the sink has stopped.
    pub fn inbox(&self) -> InboxHandle {
        self.started.inbox.clone()
    }

    /// Stops the sink: sends 421 to the clients, and waits up to three seconds for their connections to end. A sink that is
    /// dropped closes them at once.
    ///
    /// # Errors
    /// A task of the sink has failed, now or before.
    pub async fn stop(self) -> Result<Summary, TaskFailed> {
        self.background.stop().await
    }

    /// Does the same as [`Sink::stop`], for callers that are not `async`.
    ///
    /// # Errors
    /// A task of the sink has failed, now or before.
    pub fn stop_blocking(self) -> Result<Summary, TaskFailed> {
        self.background.stop_blocking()
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sink")
            .field("smtp_addr", &self.started.smtp_addr)
            .field("smtps_addr", &self.started.smtps_addr)
            .field("web_addr", &self.started.web_addr)
            .finish_non_exhaustive()
    }
}

/// Result of a sink; `None` if it did not start, or was dropped.
type Outcome = Option<Result<Summary, TaskFailed>>;

/// Thread of a sink.
struct Background {
    /// Requests the end of all connections.
    stop: Option<oneshot::Sender<()>>,
    /// Ends the thread at once when it is dropped.
    abort: Option<oneshot::Sender<Infallible>>,
    /// Resolves when the thread is about to end.
    ended: oneshot::Receiver<()>,
    thread: Option<JoinHandle<Outcome>>,
}

impl Background {
    fn spawn(
        builder: SinkBuilder,
        ready: impl FnOnce(Result<Started, SinkError>) + Send + 'static,
    ) -> Result<Background, SinkError> {
        let (stop, stopped) = oneshot::channel();
        let (abort, aborted) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new().name("smtp-sink".to_owned());
        let spawned = thread.spawn(move || {
            let outcome = run(builder, ready, stopped, aborted);
            let _ = end.send(());
            outcome
        });
        Ok(Background {
            stop: Some(stop),
            abort: Some(abort),
            ended,
            thread: Some(spawned.map_err(SinkError::Thread)?),
        })
    }

    async fn stop(mut self) -> Result<Summary, TaskFailed> {
        self.request_stop();
        let _ = (&mut self.ended).await;
        self.join()
    }

    fn stop_blocking(mut self) -> Result<Summary, TaskFailed> {
        self.request_stop();
        self.join()
    }

    fn request_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits for the thread of a sink that has started.
    fn join(mut self) -> Result<Summary, TaskFailed> {
        let outcome = self.thread.take().map(JoinHandle::join);
        match outcome {
            Some(Ok(Some(outcome))) => outcome,
            Some(Err(panic)) => resume_unwind(panic),
            // Only a thread that did not start, or was aborted, has no outcome.
            Some(Ok(None)) | None => unreachable!("a sink that stops has started"),
        }
    }

    /// Continues the panic of a thread that ended before it reported a start.
    fn panicked(mut self) -> ! {
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(panic)) => resume_unwind(panic),
            _ => unreachable!("a thread that does not panic reports its start"),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.abort.take());
        if let Some(thread) = self.thread.take() {
            // The panic hook has printed the panic.
            let _ = thread.join();
        }
    }
}

/// Runs a sink on this thread until it stops, fails or is aborted. All its threads have ended when this returns.
fn run(
    builder: SinkBuilder,
    ready: impl FnOnce(Result<Started, SinkError>),
    stopped: oneshot::Receiver<()>,
    aborted: oneshot::Receiver<Infallible>,
) -> Outcome {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            ready(Err(SinkError::Thread(error)));
            return None;
        }
    };
    let (alive, all_ended) = mpsc::channel::<Infallible>();
    let outcome = runtime.block_on(async {
        let sink = match builder.bind().await {
            Ok(sink) => sink.with_alive(alive),
            Err(error) => {
                ready(Err(error));
                return None;
            }
        };
        ready(Ok(Started {
            smtp_addr: sink.smtp_addr(),
            smtps_addr: sink.smtps_addr(),
            web_addr: sink.web_addr(),
            authority: sink.authority_pem().map(str::to_owned),
            inbox: sink.inbox(),
            runtime: Handle::current(),
        }));
        let stop = async {
            if stopped.await.is_err() {
                pending::<()>().await;
            }
        };
        tokio::select! {
            biased;
            _ = aborted => None,
            outcome = sink.run(None, stop) => Some(outcome),
        }
    });
    // Aborts the tasks, which closes their sockets, and waits for writes to the Maildir.
    drop(runtime);
    // An error means that all senders have been dropped.
    let _ = all_ended.recv();
    outcome
}
