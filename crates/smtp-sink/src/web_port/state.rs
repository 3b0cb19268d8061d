//! State that the handlers of the web port share.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};

use super::background::SearchQueue;
use super::bounded_response::ResponseMemory;
use crate::clock::{Clock, Rng};
use crate::faults::Faults;
use crate::inbox::Inbox;
use crate::supervision::{RunOnce, TaskSupervisor};

/// Maximum number of websocket clients.
const MAX_WEBSOCKETS: usize = 256;

#[derive(Clone)]
pub(crate) struct WebState {
    pub(super) inbox: Arc<Inbox>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    pub(super) faults: Arc<Faults>,
    pub(super) started: Timestamp,
    pub(super) options: Arc<WebOptions>,
    stopped: watch::Receiver<bool>,
    /// Supervisor whose tasks `/readyz` reports.
    pub(super) supervisor: Arc<dyn TaskSupervisor>,
    pub(super) response_memory: ResponseMemory,
    /// Free slots for websocket clients.
    pub(super) websockets: Arc<Semaphore>,
    pub(super) searches: SearchQueue,
}

/// Settings of the web port.
#[derive(Debug, Clone)]
pub(crate) struct WebOptions {
    /// Permitted host names, in addition to `localhost` and IP addresses.
    pub(crate) hosts: Vec<String>,
    /// User name and password for HTTP basic authentication.
    pub(crate) auth: Option<(String, String)>,
    /// Address of the SMTP server.
    pub(crate) smtp_addr: SocketAddr,
    /// Maximum size of a message, in bytes.
    pub(crate) max_size: u64,
}

impl WebState {
    /// Returns the state of a web port that starts now and is served until `stopped` is true.
    pub(crate) fn new(
        inbox: Arc<Inbox>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        faults: Arc<Faults>,
        options: WebOptions,
        stopped: watch::Receiver<bool>,
    ) -> WebState {
        WebState {
            inbox,
            started: clock.now(),
            clock,
            rng,
            faults,
            options: Arc::new(options),
            stopped,
            supervisor: Arc::new(RunOnce),
            response_memory: ResponseMemory::default(),
            websockets: Arc::new(Semaphore::new(MAX_WEBSOCKETS)),
            searches: SearchQueue::new(),
        }
    }

    /// Returns the state of a web port that listens nowhere, for tests that call handlers directly.
    #[cfg(test)]
    pub(crate) fn for_tests(inbox: Arc<Inbox>, clock: Arc<dyn Clock>) -> WebState {
        let options = WebOptions {
            hosts: vec![],
            auth: None,
            smtp_addr: ([127, 0, 0, 1], 1025).into(),
            max_size: 1 << 20,
        };
        let rng = Arc::new(crate::inbox::tests::Counting::default());
        let stopped = watch::channel(false).1;
        WebState::new(inbox, clock, rng, Arc::default(), options, stopped)
    }

    /// Sets the supervisor whose tasks `/readyz` reports.
    pub(crate) fn with_readiness(self, supervisor: Arc<dyn TaskSupervisor>) -> WebState {
        WebState { supervisor, ..self }
    }

    /// Waits until the server stops.
    pub(super) async fn stopping(&self) {
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }
}
