//! Errors of the database.

use std::error::Error;

use crate::ports::error_detail::ErrorDetail;

/// Error of a step. The step had no effect, except that [`StoreError::Unavailable`] may also be reported after the database
/// has committed it: a caller that depends on it reads again.
///
/// The message of each variant is complete: the errors of the driver behind it are not needed to understand it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, refuses access, or is overloaded. A retry may succeed.
    #[error("cannot use the database: {0}")]
    Unavailable(#[source] ErrorDetail),
    /// Writes of other processes conflicted with the step until its time limit. A retry may succeed.
    #[error("the database is busy: {0}")]
    Busy(#[source] ErrorDetail),
    /// The database returned an error or data that a retry does not change. An administrator must investigate.
    #[error("database error: {0}")]
    Broken(#[source] ErrorDetail),
}

impl StoreError {
    /// Creates a [`StoreError::Unavailable`] without a source.
    pub fn unavailable(message: impl Into<ErrorDetail>) -> Self {
        Self::Unavailable(message.into())
    }

    /// Creates a [`StoreError::Busy`] without a source.
    pub fn busy(message: impl Into<ErrorDetail>) -> Self {
        Self::Busy(message.into())
    }

    /// Creates a [`StoreError::Broken`] without a source.
    pub fn broken(message: impl Into<ErrorDetail>) -> Self {
        Self::Broken(message.into())
    }

    /// Adds the error of the driver that the message explains.
    #[must_use]
    pub fn with_source(self, source: impl Error + Send + Sync + 'static) -> Self {
        match self {
            Self::Unavailable(detail) => Self::Unavailable(detail.with_source(source)),
            Self::Busy(detail) => Self::Busy(detail.with_source(source)),
            Self::Broken(detail) => Self::Broken(detail.with_source(source)),
        }
    }
}
