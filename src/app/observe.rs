//! Looking at the server from outside: what it has counted, and how hashing and outbox stand at this moment.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{App, AppError};
use crate::domain::outbox::OutboxState;
use crate::metrics::{Metrics, Moment};

/// How long the database may take; whoever looks wants the rest all the same.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long an answer of the database is reused, so that frequent requests for metrics cost it nothing.
pub(crate) const FRESH: Duration = Duration::from_secs(1);

/// State of the outbox at the last look, and the time of that look. Locked during a look.
pub(super) type LastLook = Mutex<Option<(Timestamp, Option<OutboxState>)>>;

impl App {
    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.parts.metrics
    }

    /// All that is counted, with how hashing and outbox stand now, as OpenMetrics text. Where the database does not answer,
    /// it says so, and leaves the outbox out.
    ///
    /// # Errors
    /// A defect in what is shown.
    pub async fn show_metrics(&self) -> Result<String, AppError> {
        let moment = Moment {
            outbox: self.outbox_just_now().await,
            now: self.parts.clock.now(),
            hashes: self.parts.hasher.load(),
            tasks: self.supervisor.statuses(),
        };
        let text = self.parts.metrics.text(&moment);
        text.map_err(|error| AppError::Internal(format!("cannot render metrics: {error}")))
    }

    async fn outbox_just_now(&self) -> Option<OutboxState> {
        let app = self.clone();
        // A task of its own, since a query that is dropped half-way costs a store its connection. Those that come while it
        // runs wait for the same answer.
        let look = tokio::spawn(async move {
            let mut last = app.last_look.lock().await;
            if let Some((at, state)) = *last
                // A clock that was set back does not prolong it.
                && (at..at + FRESH).contains(&app.parts.clock.now())
            {
                return state;
            }
            let state = app.parts.store.outbox_state().await.ok();
            *last = Some((app.parts.clock.now(), state));
            state
        });
        timeout(PATIENCE, look).await.ok()?.ok()?
    }
}
