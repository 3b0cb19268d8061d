//! Connections to the mail server: opened as [`Connections`] allows, kept between two mails, and handed to the mails that
//! wait, in turn.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::session::Session;
use movie_bag_core::domain::mail_server::{Capacity, Connections, Source};
use movie_bag_core::domain::outbox::Round;
use movie_bag_core::ports::mail::DeliveryError;

/// The sessions of one process.
///
/// Whether the server has closed an idle one is not asked beforehand: it could do so right after the answer. A mail that
/// gets such a session asks for another one.
pub(super) struct Pool {
    state: Mutex<State>,
    /// Sessions that are being closed. Not in the state: a runtime that shuts down drops the task within `spawn`, and with it a
    /// [`Hold`], which locks the state.
    goodbyes: Mutex<JoinSet<()>>,
    /// Rings when more or fewer mails can be worked on.
    changed: Notify,
    /// Sessions that are idle for longer are closed; mail servers close theirs after minutes, and not gently.
    idle: Duration,
}

struct State {
    connections: Connections,
    idle: Vec<(Session, Instant)>,
    /// Mails of the first and of the later rounds that wait for a session.
    waiting: [VecDeque<oneshot::Sender<Grant>>; 2],
    /// The last failure to open a connection.
    last_error: Option<DeliveryError>,
    is_swept: bool,
}

/// Answer to a waiting mail.
enum Grant {
    Session(Hold, Session),
    Connection(Hold),
    Paused(DeliveryError),
}

/// The right to one connection; it is free again when this is dropped.
pub(super) struct Hold {
    pool: Arc<Pool>,
    round: Round,
    stage: Stage,
}

#[derive(PartialEq, Eq)]
enum Stage {
    Opening,
    Open,
    Done,
}

impl Pool {
    pub(super) fn new(most: usize, idle: Duration) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                connections: Connections::new(most),
                idle: Vec::new(),
                waiting: Default::default(),
                last_error: None,
                is_swept: false,
            }),
            goodbyes: Mutex::default(),
            changed: Notify::new(),
            idle,
        })
    }

    /// Waits for a session, or for the right to open a connection, which comes without one.
    ///
    /// # Errors
    /// The last failure, while no session is open and none may be opened.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        round: Round,
    ) -> Result<(Hold, Option<Session>), DeliveryError> {
        let (sender, grant) = oneshot::channel();
        self.state().waiting[usize::from(round == Round::Later)].push_back(sender);
        self.dispatch();
        match grant.await {
            Ok(Grant::Session(hold, session)) => Ok((hold, Some(session))),
            Ok(Grant::Connection(hold)) => Ok((hold, None)),
            Ok(Grant::Paused(error)) => Err(error),
            Err(_) => Err(unknown_failure()),
        }
    }

    /// Number of mails that sessions can be had for.
    pub(super) fn capacity(&self) -> Capacity {
        self.state().connections.capacity(now())
    }

    /// Returns when [`Pool::capacity`] may have changed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Gives the waiting mails what there is.
    fn dispatch(self: &Arc<Self>) {
        // A grant whose mail no longer waits goes back once the lock is released.
        while let Some(grant) = self.grant_next() {
            match grant {
                Grant::Session(hold, session) => hold.park(session),
                Grant::Connection(_) | Grant::Paused(_) => {}
            }
        }
    }

    /// Gives grants until there is none left to give, or until its mail no longer waits.
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
                // The one that was used last, since it is the likeliest to be alive.
                Source::Idle => state.idle.pop(),
                Source::New => None,
            };
            let hold = Hold {
                pool: Arc::clone(self),
                round,
                stage: if idle.is_some() {
                    Stage::Open
                } else {
                    Stage::Opening
                },
            };
            let grant = match idle {
                Some((session, _)) => Grant::Session(hold, session),
                None => Grant::Connection(hold),
            };
            let queue = usize::from(round == Round::Later);
            if let Some(sender) = state.waiting[queue].pop_front()
                && let Err(unwanted) = sender.send(grant)
            {
                return Some(unwanted);
            }
        }
    }

    /// Closes the idle sessions, and waits for those that are being closed.
    pub(super) async fn close(self: &Arc<Self>) {
        let idle = {
            let mut state = self.state();
            let idle = std::mem::take(&mut state.idle);
            state.connections.idle_closed(idle.len());
            idle
        };
        let mut goodbyes = std::mem::take(&mut *self.goodbyes());
        join_all(idle.into_iter().map(|(session, _)| session.close())).await;
        while goodbyes.join_next().await.is_some() {}
    }

    /// Drops the idle sessions: one of the same age was found to be closed by the server.
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

    fn say_goodbye(&self, goodbye: impl Future<Output = ()> + Send + 'static) {
        let mut goodbyes = self.goodbyes();
        while goodbyes.try_join_next().is_some() {}
        goodbyes.spawn(goodbye);
    }

    /// Takes out those that were idle for too long, and whether none is left.
    fn expired(&self) -> (Vec<Session>, bool) {
        let mut state = self.state();
        let young = |(_, since): &mut (Session, Instant)| since.elapsed() < self.idle;
        // The oldest come first.
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
        state.is_swept = !state.idle.is_empty();
        (expired, !state.is_swept)
    }

    fn goodbyes(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.goodbyes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hold {
    /// The connection is open.
    pub(super) fn opened(&mut self) {
        self.pool.state().connections.opened();
        self.stage = Stage::Open;
        self.pool.dispatch();
        self.pool.changed.notify_one();
    }

    /// The connection could not be opened: delays the next one. Returns whether no mail can be sent until then.
    pub(super) fn failed(mut self, error: &DeliveryError, chance: u32) -> bool {
        self.stage = Stage::Done;
        let now = now();
        let (until, is_paused) = {
            let mut state = self.pool.state();
            state.connections.failed(self.round, now, chance);
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
    pub(super) fn park(mut self, session: Session) {
        self.stage = Stage::Done;
        let is_swept = {
            let mut state = self.pool.state();
            state.idle.push((session, Instant::now()));
            state.connections.kept(self.round);
            std::mem::replace(&mut state.is_swept, true)
        };
        if !is_swept {
            tokio::spawn(sweep(Arc::downgrade(&self.pool), self.pool.idle));
        }
        self.pool.dispatch();
    }

    /// Closes the session with QUIT; until then its connection counts as taken.
    pub(super) fn close(self, session: Session) {
        let pool = Arc::clone(&self.pool);
        pool.say_goodbye(async move {
            session.close().await;
            drop(self);
        });
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        {
            let connections = &mut self.pool.state().connections;
            match self.stage {
                Stage::Opening => connections.abandoned(self.round),
                Stage::Open => connections.closed(self.round),
                Stage::Done => return,
            }
        }
        self.pool.dispatch();
        self.pool.changed.notify_one();
    }
}

/// Never seen: a pause begins with a failure.
fn unknown_failure() -> DeliveryError {
    DeliveryError::Unreachable {
        what: "cannot connect to the mail server".to_owned(),
        hint: "run \"movie-bag check\" to find the cause".to_owned(),
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

/// Lets the next connection be tried.
async fn end_pause(pool: Weak<Pool>, until: Instant) {
    sleep_until(until).await;
    if let Some(pool) = pool.upgrade() {
        pool.dispatch();
        pool.changed.notify_one();
    }
}

/// Closes idle sessions until there is none, or the pool is gone.
async fn sweep(pool: Weak<Pool>, idle: Duration) {
    loop {
        sleep(idle).await;
        let Some(pool) = pool.upgrade() else { return };
        let (expired, is_over) = pool.expired();
        for session in expired {
            pool.say_goodbye(session.close());
        }
        if is_over {
            return;
        }
    }
}
