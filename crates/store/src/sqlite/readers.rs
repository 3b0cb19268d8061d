//! Connections that only read: with write-ahead logging they never wait for the writer.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::super::StoreError;

/// Connections that nobody uses at this moment.
type Idle = Arc<Mutex<Vec<Connection>>>;

/// The connections that nobody uses at this moment, and the right to take one.
pub(super) struct Readers {
    idle: Idle,
    permits: Arc<Semaphore>,
    /// Those that wait for no lock.
    quick: Idle,
}

impl Readers {
    /// `quick` are for [`Readers::glance`], and must not wait where the database is locked.
    pub(super) fn new(connections: Vec<Connection>, quick: Vec<Connection>) -> Self {
        let permits = Arc::new(Semaphore::new(connections.len()));
        Self {
            idle: Arc::new(Mutex::new(connections)),
            permits,
            quick: Arc::new(Mutex::new(quick)),
        }
    }

    /// Runs a look that takes microseconds, such as at one row by its key, on the caller's thread: the way to another one
    /// and back takes longer than the look. Where all connections are in use or something is locked, it goes that way.
    pub(super) async fn glance<T: Send + 'static>(
        &self,
        look: impl Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match with_one_of(&self.quick, &look) {
            None | Some(Err(StoreError::Unavailable(_))) => self.read(look).await,
            Some(found) => found,
        }
    }

    /// Runs `look` off the async threads, on one snapshot if it is one statement.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let broken = |what: &str| StoreError::broken(format!("cannot read: {what}"));
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| broken("closed"))?;
        let idle = Arc::clone(&self.idle);
        let done = tokio::task::spawn_blocking(move || {
            // Goes with the work, also where the caller hangs up.
            let _permit = permit;
            with_one_of(&idle, look).ok_or_else(|| broken("no connection"))?
        });
        done.await.map_err(|error| broken(&error.to_string()))?
    }
}

/// Runs a look on a connection that nobody uses; `None` where all are in use.
fn with_one_of<T>(idle: &Idle, look: impl FnOnce(&Connection) -> T) -> Option<T> {
    /// Puts the connection back, also where the look panics.
    struct Returned<'a> {
        connection: Option<Connection>,
        idle: &'a Idle,
    }

    impl Drop for Returned<'_> {
        fn drop(&mut self) {
            self.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(self.connection.take());
        }
    }

    let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let returned = Returned {
        connection: Some(taken?),
        idle,
    };
    returned.connection.as_ref().map(look)
}
