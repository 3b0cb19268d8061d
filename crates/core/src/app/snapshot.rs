//! State of a server for monitoring.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::application::App;
use super::hasher::HashLoad;
use crate::domain::outbox::OutboxState;
use crate::supervisor::TaskStatus;

/// Time limit of the query for the state of the outbox. The rest of a snapshot is useful without it.
const QUERY_TIMEOUT: Duration = Duration::from_secs(3);
/// Age up to which the state of the outbox is reused, so that frequent snapshots cost the database nothing.
pub const OUTBOX_STATE_MAX_AGE: Duration = Duration::from_secs(1);

/// State of a server at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub now: Timestamp,
    /// Load of the threads that hash passwords.
    pub hashes: HashLoad,
    /// State of the outbox; `None` if the database did not answer.
    pub outbox: Option<OutboxState>,
    /// Background tasks of this process.
    pub tasks: Vec<TaskStatus>,
}

impl App {
    /// Returns the present state of the server. It has no state of the outbox if the database does not answer.
    pub async fn snapshot(&self) -> Snapshot {
        Snapshot {
            outbox: self.recent_outbox_state().await,
            now: self.clock.now(),
            hashes: self.hasher.load(),
            tasks: self.supervisor.statuses(),
        }
    }

    async fn recent_outbox_state(&self) -> Option<OutboxState> {
        let app = self.clone();
        // A separate task, since a query that is dropped halfway costs a store its connection. Calls during a query wait
        // for its result.
        let query = self.detached.spawn(async move {
            let mut last = app.outbox_state.lock().await;
            if let Some((at, state)) = *last
                // A clock that was set back does not prolong the reuse.
                && (at..at + OUTBOX_STATE_MAX_AGE).contains(&app.clock.now())
            {
                return state;
            }
            let state = app.store.outbox_state().await.ok();
            *last = Some((app.clock.now(), state));
            state
        });
        timeout(QUERY_TIMEOUT, query).await.ok()?.ok()?
    }
}
