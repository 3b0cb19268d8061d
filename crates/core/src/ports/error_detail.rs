//! Message of an error, with the error that caused it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Message for people, and the error that it explains, if there is one.
///
/// The message is complete by itself: it states the cause in our own words or quotes the source. The source is for code
/// that needs more than the message, and is not appended to it. It is behind an [`Arc`], so that a failed commit can be
/// reported to each of the callers whose steps were in it.
///
/// `Debug` prints the message alone: an error of a driver may contain data that must not reach a log.
#[derive(Clone)]
pub struct ErrorDetail {
    message: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl ErrorDetail {
    /// Creates a detail without a source.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// Takes the message from an error, and keeps the error as the source.
    pub fn from_error(error: impl Error + Send + Sync + 'static) -> Self {
        Self::new(error.to_string()).with_source(error)
    }

    /// Adds the error that the message explains.
    #[must_use]
    pub fn with_source(self, source: impl Error + Send + Sync + 'static) -> Self {
        Self {
            source: Some(Arc::new(source)),
            ..self
        }
    }

    /// Prepends a context, such as the name of a file, and a colon.
    #[must_use]
    pub fn within(self, context: &str) -> Self {
        Self {
            message: format!("{context}: {}", self.message),
            ..self
        }
    }

    pub fn as_str(&self) -> &str {
        &self.message
    }
}

impl From<String> for ErrorDetail {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

impl From<&str> for ErrorDetail {
    fn from(message: &str) -> Self {
        Self::new(message)
    }
}

impl fmt::Display for ErrorDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for ErrorDetail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.message, f)
    }
}

impl Error for ErrorDetail {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_kept_and_not_appended_to_the_message() {
        let source = std::io::Error::other("no space left on device");
        let detail = ErrorDetail::new("the disk is full").with_source(source);
        let detail = detail.within("movies.sqlite3");
        assert_eq!(detail.to_string(), "movies.sqlite3: the disk is full");
        let source = detail.source().unwrap();
        assert_eq!(source.to_string(), "no space left on device");
        assert!(source.is::<std::io::Error>());
        assert_eq!(
            format!("{detail:?}"),
            r#""movies.sqlite3: the disk is full""#
        );
    }
}
