//! Deletion of old history, and of expired rate limits and pending changes.

use std::future::Future;
use std::time::Duration;

use tokio::time::sleep;

use super::application::App;
use super::error::AppError;

/// Interval in which a server deletes them.
const PERIOD: Duration = Duration::from_secs(3_600);

impl App {
    /// Deletes the lines of all histories that are older than the configured age, and the expired rate limits and pending
    /// changes. Returns the number of lines.
    ///
    /// # Errors
    /// The database.
    pub async fn forget_history(&self) -> Result<u64, AppError> {
        let now = self.clock.now();
        let oldest = now - self.rules.history_kept;
        self.store.delete_expired_limits(now).await?;
        self.store.delete_expired_pending(now).await?;
        Ok(self.store.delete_events_before(oldest).await?)
    }

    /// Deletes old history now and every hour, until `stop` resolves.
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
