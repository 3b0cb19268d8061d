//! JSON of an outbox entry, for `outbox list` and `user show`.

use serde_json::{Value, json};

use movie_bag_core::domain::outbox::Entry;

/// Returns an entry as JSON, without the address.
pub(in crate::cli) fn entry_json(entry: &Entry) -> Value {
    json!({
        "id": entry.id.to_string(),
        "kind": entry.kind.name(),
        "state": entry.state.name(),
        "requested_at": entry.requested_at.to_string(),
        "attempts": entry.attempts,
        "next_try_at": entry.next_try_at.to_string(),
        "last_error": entry.last_error,
    })
}
