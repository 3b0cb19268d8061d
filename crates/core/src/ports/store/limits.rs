//! State of rate limits.

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::StoreError;
use crate::domain::limit::{Limit, LimitKey, LimitState, TooEarly};

/// One call that counts against a rate limit.
#[derive(Debug, Clone, Copy)]
pub struct LimitedCall {
    pub limit: Limit,
    /// Digest of the caller or of the address that the call is about.
    pub key: LimitKey,
    pub now: Timestamp,
}

/// State of rate limits. It outlives the process, and need not survive a power failure.
#[async_trait]
pub trait Limits {
    /// Returns the state of a key. It may be an expired one.
    async fn limit_state(&self, key: LimitKey) -> Result<Option<LimitState>, StoreError>;

    /// Counts a call and returns the new state. A refused call changes nothing. Each of any number of concurrent calls is
    /// counted.
    async fn count(&self, call: LimitedCall) -> Result<Result<LimitState, TooEarly>, StoreError>;

    /// Deletes the state of a key.
    async fn clear_limit(&self, key: LimitKey) -> Result<(), StoreError>;

    /// Deletes the states that have expired at `now`. Returns their number, without those that the database deletes by
    /// itself.
    async fn delete_expired_limits(&self, now: Timestamp) -> Result<u64, StoreError>;
}
