//! Deleted messages that can be restored for a short time.
//!
//! They stay in memory with their charge, so `--max-memory` counts them, and they are dropped before any message of the inbox.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::entry::Entry;
use super::selection::Selection;

/// Time for which a deletion can be undone.
pub const RESTORABLE: Duration = Duration::from_secs(60);

/// Messages that were deleted together.
#[derive(Debug)]
pub(super) struct Deletion {
    /// Random, so that only the page that deleted the messages can restore them.
    pub(super) id: String,
    pub(super) deleted_at: Timestamp,
    pub(super) entries: Vec<Entry>,
}

#[derive(Debug, Default)]
pub(super) struct Trash {
    /// Oldest first.
    deletions: VecDeque<Deletion>,
}

impl Trash {
    pub(super) fn push(&mut self, deletion: Deletion) {
        self.deletions.push_back(deletion);
    }

    /// Returns the number of messages of a deletion that can be undone, otherwise 0.
    pub(super) fn restorable(&self, id: &str, now: Timestamp) -> usize {
        let found = self.find(id, now);
        found.map_or(0, |index| self.deletions[index].entries.len())
    }

    /// Removes a deletion, and returns its messages if it can be undone.
    pub(super) fn take(&mut self, id: &str, now: Timestamp) -> Option<Vec<Entry>> {
        let index = self.find(id, now)?;
        let deletion = self.deletions.remove(index)?;
        Some(deletion.entries)
    }

    /// Drops the oldest deletion. Returns false if there is none.
    pub(super) fn drop_oldest(&mut self) -> bool {
        self.deletions.pop_front().is_some()
    }

    /// Drops one deletion.
    pub(super) fn discard(&mut self, id: &str) {
        self.deletions.retain(|deletion| deletion.id != id);
    }

    /// Drops the selected messages if they are selected by id, otherwise all messages.
    pub(super) fn discard_selected(&mut self, selection: &Selection) {
        let Selection::Ids(ids) = selection else {
            self.deletions.clear();
            return;
        };
        if self.deletions.is_empty() {
            return;
        }
        let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
        for deletion in &mut self.deletions {
            let entries = &mut deletion.entries;
            entries.retain(|entry| !ids.contains(entry.message.id.0.as_str()));
        }
        self.deletions
            .retain(|deletion| !deletion.entries.is_empty());
    }

    fn find(&self, id: &str, now: Timestamp) -> Option<usize> {
        let limit = SignedDuration::try_from(RESTORABLE).unwrap_or_default();
        self.deletions.iter().position(|deletion| {
            deletion.id == id && now.duration_since(deletion.deleted_at) < limit
        })
    }
}
