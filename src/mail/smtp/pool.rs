//! Sessions between two mails: kept for a while, and used again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::session::Session;
use crate::mail::SENT_AT_ONCE;

/// The sessions that wait for a mail.
///
/// Whether the server has closed one meanwhile is not asked beforehand: it could do so right after the answer. Who takes
/// a session from here must be ready to open another one.
pub(super) struct Pool {
    state: Mutex<State>,
    /// Longer idle ones are closed; mail servers close theirs after minutes, and not gently.
    idle: Duration,
}

#[derive(Default)]
struct State {
    parked: Vec<(Session, Instant)>,
    is_swept: bool,
}

impl Pool {
    pub(super) fn new(idle: Duration) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            idle,
        })
    }

    /// The session that was used last, since it is the likeliest to be alive.
    pub(super) fn take(&self) -> Option<Session> {
        let (session, since) = self.state().parked.pop()?;
        (since.elapsed() <= self.idle).then_some(session)
    }

    pub(super) fn park(self: &Arc<Self>, session: Session) {
        let mut state = self.state();
        if state.parked.len() >= SENT_AT_ONCE {
            drop(state);
            tokio::spawn(session.close());
            return;
        }
        state.parked.push((session, Instant::now()));
        if !std::mem::replace(&mut state.is_swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self), self.idle));
        }
    }

    /// Takes out those that were idle for too long; notes it where none is left, and the sweeping ends.
    fn expired(&self) -> (Vec<Session>, bool) {
        let mut state = self.state();
        let young = |(_, since): &mut (Session, Instant)| since.elapsed() < self.idle;
        // The oldest come first.
        let old = state
            .parked
            .iter_mut()
            .position(young)
            .unwrap_or(state.parked.len());
        let expired = state
            .parked
            .drain(..old)
            .map(|(session, _)| session)
            .collect();
        state.is_swept = !state.parked.is_empty();
        (expired, !state.is_swept)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes idle sessions until there is none, or the pool is gone.
async fn sweep(pool: Weak<Pool>, idle: Duration) {
    loop {
        sleep(idle).await;
        let Some((expired, is_over)) = pool.upgrade().map(|pool| pool.expired()) else {
            return;
        };
        for session in expired {
            session.close().await;
        }
        if is_over {
            return;
        }
    }
}
