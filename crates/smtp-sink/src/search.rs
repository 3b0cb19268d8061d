//! Search language of the inbox, compatible with Mailpit's: words that a message must contain, fields such as `from:`, and `-` for
//! exclusion.
//!
//! Pure: parses a text into a [`Query`] and reports whether a message matches it. Unlike in Mailpit, a term that cannot be
//! parsed is an error: ignoring it would make a query that deletes messages match more of them, up to all.

mod parser;
mod query;

pub use parser::{QueryError, parse_time};
pub use query::{Facts, Query};
