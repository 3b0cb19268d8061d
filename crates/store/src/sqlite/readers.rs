//! Read-only connections. With write-ahead logging they never wait for the writer.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use movie_bag_core::ports::store::StoreError;

/// Connections that are not in use.
type Idle = Arc<Mutex<Vec<Connection>>>;

pub(super) struct Readers {
    idle: Idle,
    permits: Arc<Semaphore>,
    /// Connections that do not wait for locks.
    quick: Idle,
}

impl Readers {
    /// `quick` are the connections for [`Readers::read_inline`]. They must not wait for locks.
    pub(super) fn new(connections: Vec<Connection>, quick: Vec<Connection>) -> Self {
        let permits = Arc::new(Semaphore::new(connections.len()));
        Self {
            idle: Arc::new(Mutex::new(connections)),
            permits,
            quick: Arc::new(Mutex::new(quick)),
        }
    }

    /// Runs a query that takes microseconds, such as one for a row by its key, on the caller's thread: the switch to another
    /// thread takes longer than the query. If all connections are in use or locked, it uses [`Readers::read`].
    pub(super) async fn read_inline<T: Send + 'static>(
        &self,
        query: impl Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match with_idle_connection(&self.quick, &query) {
            None | Some(Err(StoreError::Unavailable(_))) => self.read(query).await,
            Some(found) => found,
        }
    }

    /// Runs `query` on a blocking thread. A single statement sees one snapshot.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let broken = |what: &str| StoreError::broken(format!("cannot read: {what}"));
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| broken("closed"))?;
        let idle = Arc::clone(&self.idle);
        let done = tokio::task::spawn_blocking(move || {
            // Held until the query ends, even if the caller is cancelled.
            let _permit = permit;
            with_idle_connection(&idle, query).ok_or_else(|| broken("no connection"))?
        });
        done.await.map_err(|error| broken(&error.to_string()))?
    }
}

/// Runs a query on an idle connection. Returns `None` if all are in use.
fn with_idle_connection<T>(idle: &Idle, query: impl FnOnce(&Connection) -> T) -> Option<T> {
    /// Returns the connection, even if the query panics.
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
    returned.connection.as_ref().map(query)
}
