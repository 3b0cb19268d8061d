//! Address of a MongoDB database, and the reasons why it cannot be used.

use std::time::Duration;

/// Address and time limit of a MongoDB database.
pub struct MongoSettings {
    pub uri: String,
    /// Connection string without its secrets, for messages.
    pub shown: String,
    /// Time limit of a step, including the search for a server.
    pub timeout: Duration,
}

/// Reason why a database cannot be used, which is known without connecting to it.
#[derive(Debug, thiserror::Error)]
pub enum UnusableDatabase {
    /// The connection string is malformed. The message contains nothing of its user and password.
    #[error("{0}")]
    InvalidUri(String),
    /// This build does not include the feature `mongodb`.
    #[error("this build has no MongoDB support")]
    NotSupported,
}
