//! Forgetting what happened too long ago, and how often things were done when that no longer matters.

use std::future::Future;
use std::time::Duration;

use tokio::time::sleep;

use super::{App, AppError};

/// How often a running server forgets.
const PERIOD: Duration = Duration::from_secs(3_600);

impl App {
    /// Deletes the lines of all histories that are older than the settings want them kept; how many there were.
    ///
    /// # Errors
    /// The database.
    pub async fn forget_history(&self) -> Result<u64, AppError> {
        let now = self.clock.now();
        let oldest = now - self.rules.history_kept;
        self.store.delete_expired_limits(now).await?;
        Ok(self.store.delete_events_before(oldest).await?)
    }

    /// Forgets now and every hour, until `stop` resolves.
    pub async fn run_forgetting(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            match self.forget_history().await {
                Ok(0) => {}
                Ok(lines) => tracing::info!(lines, "deleted old history"),
                Err(error) => tracing::warn!(%error, "cannot delete old history"),
            }
            tokio::select! {
                () = &mut stop => return,
                () = sleep(PERIOD) => {}
            }
        }
    }
}
