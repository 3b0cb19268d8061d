//! Condition of a database, for the administrator.

use jiff::Timestamp;

/// Result of a read-only inspection: it creates no file and no index, and runs no migrations.
#[derive(Debug, Clone)]
pub struct Inspection {
    pub state: SchemaState,
    /// Size on disk in bytes, if the database reports it.
    pub bytes: Option<u64>,
    /// Free space on the disk of the database server in bytes, if the server reports it.
    pub free_bytes: Option<u64>,
    /// Number of indexes and tables that are as required.
    pub sound: usize,
    /// Names of the indexes and tables that are missing or differ from what is required.
    pub missing: Vec<String>,
    /// Time of the database server; `None` if there is no server.
    pub server_time: Option<Timestamp>,
    /// Time of the newest line of all histories.
    pub newest_event: Option<Timestamp>,
}

/// State of the schema in relation to the one that this version works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    Empty,
    /// The schema is older. The next command that opens the database for writing migrates it.
    Older,
    /// The schema is the required one.
    Current,
}
