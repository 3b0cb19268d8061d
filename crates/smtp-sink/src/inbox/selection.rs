//! Selection of messages for an action.

use jiff::Timestamp;

use crate::search::Query;

#[derive(Debug, Clone)]
pub enum Selection {
    All,
    /// Ids of messages; an id without a message is skipped.
    Ids(Vec<String>),
    /// All messages that a search finds.
    Matching(Query),
    /// All messages received before this time.
    Before(Timestamp),
    /// All messages that a search finds, received before this time.
    MatchingBefore(Query, Timestamp),
}
