//! Time limits of a session, as a whole and for each of its steps.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::failure::{Cause, Failure, Stage};

/// Time limit of one mail, from which the limits of the steps are computed.
#[derive(Clone, Copy)]
pub(super) struct TimeBudget {
    /// Time of which each step gets a part.
    total: Duration,
    deadline: Instant,
}

impl TimeBudget {
    pub(super) fn new(total: Duration) -> Self {
        Self {
            total,
            deadline: Instant::now() + total,
        }
    }

    /// Returns a budget of which each step may use all the remaining time, for sessions outside of the delivery.
    pub(super) fn undivided(total: Duration) -> Self {
        Self {
            total: 3 * total,
            ..Self::new(total)
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns the part for connecting to all addresses of the server: a third.
    pub(super) fn connect_limit(&self) -> Duration {
        self.total / 3
    }

    /// Limits a step of opening the connection to a third, so that time is left for the mail.
    pub(super) async fn limit_connect<T>(
        &self,
        stage: Stage,
        step: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        self.limit(stage, self.connect_limit(), step).await
    }

    /// Limits a command to half of the time.
    pub(super) async fn limit_command<T>(
        &self,
        stage: Stage,
        step: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        self.limit(stage, self.total / 2, step).await
    }

    /// Limits the last reply to all the remaining time: a client that gives up here may send the mail twice.
    pub(super) async fn limit_last_reply<T>(
        &self,
        stage: Stage,
        step: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        self.limit(stage, self.total, step).await
    }

    pub(super) async fn limit<T>(
        &self,
        stage: Stage,
        limit: Duration,
        step: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        let limit = limit.min(remaining);
        let result = timeout(limit, step).await;
        result.map_err(|_| Cause::TimedOut(limit).at(stage))
    }
}
