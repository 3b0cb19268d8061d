//! Connections that only read: with write-ahead logging they never wait for the writer.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::super::StoreError;

/// The connections that nobody uses at this moment, and the right to take one.
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        let permits = Arc::new(Semaphore::new(connections.len()));
        Self {
            idle: Arc::new(Mutex::new(connections)),
            permits,
        }
    }

    /// Runs `look` off the async threads, on one snapshot if it is one statement.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let broken = |what: &str| StoreError::Broken(format!("reading failed: {what}"));
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| broken("closed"))?;
        let idle = Arc::clone(&self.idle);
        let done = tokio::task::spawn_blocking(move || {
            // Goes with the work, also where the caller hangs up.
            let _permit = permit;
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = Returned {
                connection: Some(taken.ok_or_else(|| broken("no connection"))?),
                idle,
            };
            match &connection.connection {
                Some(connection) => look(connection),
                None => Err(broken("no connection")),
            }
        });
        done.await.map_err(|error| broken(&error.to_string()))?
    }
}

/// Puts the connection back, also where the look panics.
struct Returned {
    connection: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Drop for Returned {
    fn drop(&mut self) {
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(self.connection.take());
    }
}
