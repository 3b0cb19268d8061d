//! Pool of sessions with the mail server. [`Connections`] decides when a connection may be opened, and which waiting mail gets
//! a session next.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use movie_bag_core::domain::mail_server::{Capacity, Connections, Source};
use movie_bag_core::domain::outbox::Round;
use movie_bag_core::ports::mail::DeliveryError;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::session::Session;

/// Sessions of one process.
///
/// An idle session is not checked before it is used again, since the server could close it right after the check. A mail
/// whose session is found closed waits for another one.
pub(super) struct Pool {
    state: Mutex<State>,
    /// Sessions that are being closed. They are not part of the state: a runtime that shuts down drops the task inside
    /// `spawn`, and with it a [`Permit`], which locks the state.
    closing: Mutex<JoinSet<()>>,
    /// Notified when the capacity may have changed.
    changed: Notify,
    /// Time after which an idle session is closed. Mail servers close sessions after minutes, and may do so without a reply.
    idle_limit: Duration,
}

struct State {
    connections: Connections,
    /// Idle sessions and when they became idle, the oldest first.
    idle: Vec<(Session, Instant)>,
    /// Mails in their first round, and mails in later rounds, that wait for a session.
    waiting: [VecDeque<oneshot::Sender<Grant>>; 2],
    /// The last failure to open a connection.
    last_error: Option<DeliveryError>,
    /// Whether a task runs that closes idle sessions.
    has_sweeper: bool,
}

/// Result that a waiting mail gets.
enum Grant {
    /// An idle session.
    Session(Permit, Session),
    /// The permit to open a connection.
    Connection(Permit),
    /// No session is open and none may be opened, because of this error.
    Paused(DeliveryError),
}

/// Permit for one connection, which is released on drop.
pub(super) struct Permit {
    pool: Arc<Pool>,
    round: Round,
    state: PermitState,
}

#[derive(PartialEq, Eq)]
enum PermitState {
    Opening,
    Open,
    /// The connection was released or kept as idle.
    Released,
}

impl Pool {
    pub(super) fn new(max_connections: usize, idle_limit: Duration) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                connections: Connections::new(max_connections),
                idle: Vec::new(),
                waiting: Default::default(),
                last_error: None,
                has_sweeper: false,
            }),
            closing: Mutex::default(),
            changed: Notify::new(),
            idle_limit,
        })
    }

    /// Waits for an idle session, or for the permit to open a connection.
    ///
    /// # Errors
    /// The last failure, while no session is open and none may be opened.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        round: Round,
    ) -> Result<(Permit, Option<Session>), DeliveryError> {
        let (sender, grant) = oneshot::channel();
        self.state().waiting[usize::from(round == Round::Later)].push_back(sender);
        self.dispatch();
        match grant.await {
            Ok(Grant::Session(permit, session)) => Ok((permit, Some(session))),
            Ok(Grant::Connection(permit)) => Ok((permit, None)),
            Ok(Grant::Paused(error)) => Err(error),
            Err(_) => Err(unknown_failure()),
        }
    }

    /// Returns the number of mails for which sessions are available.
    pub(super) fn capacity(&self) -> Capacity {
        self.state().connections.capacity(now())
    }

    /// Returns when [`Pool::capacity`] may have changed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Grants the available sessions and connections to the waiting mails.
    fn dispatch(self: &Arc<Self>) {
        // A grant whose mail no longer waits is returned after the lock is released.
        while let Some(grant) = self.grant_next() {
            match grant {
                Grant::Session(permit, session) => permit.keep(session),
                Grant::Connection(_) | Grant::Paused(_) => {}
            }
        }
    }

    /// Grants sessions and connections until none is available, and returns a grant whose mail no longer waits.
    fn grant_next(self: &Arc<Self>) -> Option<Grant> {
        let mut state = self.state();
        loop {
            for waiting in &mut state.waiting {
                while waiting.front().is_some_and(oneshot::Sender::is_closed) {
                    waiting.pop_front();
                }
            }
            let waiting = [0, 1].map(|round| !state.waiting[round].is_empty());
            if waiting == [false, false] {
                return None;
            }
            let Some((round, source)) = state.connections.next(now(), waiting) else {
                if state.connections.is_paused(now()) {
                    let error = state.last_error.clone().unwrap_or_else(unknown_failure);
                    for sender in state.waiting.iter_mut().flat_map(|queue| queue.drain(..)) {
                        let _ = sender.send(Grant::Paused(error.clone()));
                    }
                }
                return None;
            };
            let idle = match source {
                // The session that was used last, since it is the most likely to be alive.
                Source::Idle => state.idle.pop(),
                Source::New => None,
            };
            let permit = Permit {
                pool: Arc::clone(self),
                round,
                state: if idle.is_some() {
                    PermitState::Open
                } else {
                    PermitState::Opening
                },
            };
            let grant = match idle {
                Some((session, _)) => Grant::Session(permit, session),
                None => Grant::Connection(permit),
            };
            let queue = usize::from(round == Round::Later);
            if let Some(sender) = state.waiting[queue].pop_front()
                && let Err(unwanted) = sender.send(grant)
            {
                return Some(unwanted);
            }
        }
    }

    /// Closes the idle sessions, and waits for the sessions that are being closed.
    pub(super) async fn close(self: &Arc<Self>) {
        let idle = {
            let mut state = self.state();
            let idle = std::mem::take(&mut state.idle);
            state.connections.idle_closed(idle.len());
            idle
        };
        let mut closing = std::mem::take(&mut *self.closing());
        join_all(idle.into_iter().map(|(session, _)| session.close())).await;
        while closing.join_next().await.is_some() {}
    }

    /// Drops the idle sessions, after the server was found to have closed one of the same age.
    pub(super) fn drop_idle(self: &Arc<Self>) {
        let idle = {
            let mut state = self.state();
            let idle = std::mem::take(&mut state.idle);
            state.connections.idle_closed(idle.len());
            idle
        };
        drop(idle);
        self.dispatch();
    }

    fn spawn_closing(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut closing = self.closing();
        while closing.try_join_next().is_some() {}
        closing.spawn(task);
    }

    /// Removes the sessions that were idle for too long, and returns them and whether no idle session remains.
    fn take_expired(&self) -> (Vec<Session>, bool) {
        let mut state = self.state();
        let young = |(_, since): &mut (Session, Instant)| since.elapsed() < self.idle_limit;
        let old = state
            .idle
            .iter_mut()
            .position(young)
            .unwrap_or(state.idle.len());
        let expired = state
            .idle
            .drain(..old)
            .map(|(session, _)| session)
            .collect();
        state.connections.idle_closed(old);
        state.has_sweeper = !state.idle.is_empty();
        (expired, !state.has_sweeper)
    }

    fn closing(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.closing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Records that the connection is open.
    pub(super) fn opened(&mut self) {
        self.pool.state().connections.opened();
        self.state = PermitState::Open;
        self.pool.dispatch();
        self.pool.changed.notify_one();
    }

    /// Records that the connection could not be opened, which delays the next one. `jitter` is a random number. Returns
    /// whether no mail can be sent until the end of the delay.
    pub(super) fn failed(mut self, error: &DeliveryError, jitter: u32) -> bool {
        self.state = PermitState::Released;
        let now = now();
        let (until, is_paused) = {
            let mut state = self.pool.state();
            state.connections.failed(self.round, now, jitter);
            state.last_error = Some(error.clone());
            let until = state.connections.paused_until(now).unwrap_or(now);
            (until, state.connections.is_paused(now))
        };
        tokio::spawn(end_pause(Arc::downgrade(&self.pool), until.into()));
        self.pool.dispatch();
        self.pool.changed.notify_one();
        is_paused
    }

    /// Keeps the session for the next mail.
    pub(super) fn keep(mut self, session: Session) {
        self.state = PermitState::Released;
        let has_sweeper = {
            let mut state = self.pool.state();
            state.idle.push((session, Instant::now()));
            state.connections.idle(self.round);
            std::mem::replace(&mut state.has_sweeper, true)
        };
        if !has_sweeper {
            tokio::spawn(close_idle_sessions(
                Arc::downgrade(&self.pool),
                self.pool.idle_limit,
            ));
        }
        self.pool.dispatch();
    }

    /// Closes the session with QUIT. Until it is closed, its connection counts as used.
    pub(super) fn close(self, session: Session) {
        let pool = Arc::clone(&self.pool);
        pool.spawn_closing(async move {
            session.close().await;
            drop(self);
        });
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let connections = &mut self.pool.state().connections;
            match self.state {
                PermitState::Opening => connections.abandoned(self.round),
                PermitState::Open => connections.closed(self.round),
                PermitState::Released => return,
            }
        }
        self.pool.dispatch();
        self.pool.changed.notify_one();
    }
}

/// Error of a pause without a known cause. It does not occur: a pause begins with a failure.
fn unknown_failure() -> DeliveryError {
    DeliveryError::Unreachable {
        message: "cannot connect to the mail server".to_owned(),
        hint: "run \"movie-bag check\" to find the cause".to_owned(),
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Waits for the end of a delay, and grants the next connection.
async fn end_pause(pool: Weak<Pool>, until: Instant) {
    sleep_until(until).await;
    if let Some(pool) = pool.upgrade() {
        pool.dispatch();
        pool.changed.notify_one();
    }
}

/// Closes idle sessions until none remains, or until the pool is dropped.
async fn close_idle_sessions(pool: Weak<Pool>, idle_limit: Duration) {
    loop {
        sleep(idle_limit).await;
        let Some(pool) = pool.upgrade() else { return };
        let (expired, is_empty) = pool.take_expired();
        for session in expired {
            pool.spawn_closing(session.close());
        }
        if is_empty {
            return;
        }
    }
}
