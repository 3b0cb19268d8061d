//! Question that a person confirms before all messages of a list are deleted.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::formatting::{format_count, single_line};
use super::place::Place;
use crate::search::QueryError;
use crate::web_port::state::WebState;

/// Confirmation before all messages of the list are deleted.
#[derive(Debug, Serialize)]
pub(super) struct Question {
    title: String,
    /// Search that selects the messages; empty for all messages.
    query: String,
    button: String,
    /// Limit of the deletion, exclusive. A message that arrives while the question is open is not deleted.
    before: String,
    /// URL of the list, which the form is sent to.
    here: String,
}

impl Question {
    /// Returns the question about all messages of the list at this place; `None` if there are none.
    pub(super) fn for_place(
        state: &WebState,
        place: &Place,
    ) -> Result<Option<Question>, QueryError> {
        let found = match place.search()? {
            Some(query) => state.inbox.matching(&query, None),
            None => state.inbox.sequences(0, 0, None),
        };
        let times = found
            .iter()
            .filter_map(|&sequence| state.inbox.at(sequence));
        let Some(newest) = times.map(|message| message.received_at).max() else {
            return Ok(None);
        };
        let count = format_count(found.len(), "message");
        // The limit is exclusive.
        let before = newest.checked_add(SignedDuration::from_nanos(1));
        Ok(Some(Question {
            title: match (found.len(), place.query.is_empty()) {
                (1, true) => "Delete the only message?".to_owned(),
                (1, false) => "Delete the message found?".to_owned(),
                (_, true) => format!("Delete all {count}?"),
                (_, false) => format!("Delete the {count} found?"),
            },
            query: single_line(&place.query),
            button: format!("Delete {count}"),
            before: before.unwrap_or(Timestamp::MAX).to_string(),
            here: place.url("/", &[]),
        }))
    }
}
