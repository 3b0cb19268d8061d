//! Long work of handlers, on threads of its own.

use std::sync::Arc;

use axum::response::Response;
use tokio::sync::Semaphore;

use super::responses::internal_error;

/// Runs long work on a blocking thread, so that other requests are answered meanwhile.
pub(super) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "cannot show a message");
        internal_error()
    })
}

/// Runs searches one at a time, so that a thread stays free for all other work.
#[derive(Clone)]
pub(super) struct SearchQueue {
    permit: Arc<Semaphore>,
}

impl SearchQueue {
    pub(super) fn new() -> SearchQueue {
        SearchQueue {
            permit: Arc::new(Semaphore::new(1)),
        }
    }

    /// Runs a search on a blocking thread after all earlier ones have finished. A search whose client disconnects while it waits
    /// is not run.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        search: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Response> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.permit).acquire_owned().await;
        run_blocking(move || {
            let _permit = permit;
            search()
        })
        .await
    }
}
