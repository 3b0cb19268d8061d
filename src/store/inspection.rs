//! What there is to say of a database to whoever looks after it.

use jiff::Timestamp;

/// What a look at a database found. The look changes nothing: it makes no file and no index, and brings nothing up to
/// date.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// Whether it is ready to be worked on.
    pub state: SchemaState,
    /// Bytes on disk, where that can be told.
    pub bytes: Option<u64>,
    /// Bytes left where it lies, where the database server tells.
    pub free_bytes: Option<u64>,
    /// How many indexes and tables are as they must be.
    pub sound: usize,
    /// Those that are missing or do other work than they must, by name.
    pub missing: Vec<String>,
    /// What time the database server says it is; `None` where there is none.
    pub server_time: Option<Timestamp>,
    /// When the newest line of all histories was written.
    pub newest_event: Option<Timestamp>,
}

/// How far a database is from what this movie-bag works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    /// There is nothing in it yet.
    Empty,
    /// It is brought up to date when it is opened to be worked on.
    Older,
    /// It can be worked on.
    Current,
}
