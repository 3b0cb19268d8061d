//! Messages that were deleted on the page, which a person can restore for a short time.
//!
//! They stay in memory with their charge, so `--max-memory` counts them, and they give way before any message of the inbox
//! does. Their files are removed at once: a message that is restored is written again. No list, search or call of the API
//! finds them. A deletion by a program is final, also for the messages it names that are here.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::kept::Entry;
use super::{Event, Inbox, Which, fresh_id};
use crate::session::MessageId;

/// Time for which a deletion can be undone.
pub const RESTORABLE: Duration = Duration::from_secs(60);

/// Messages that were deleted together.
#[derive(Debug)]
struct Deletion {
    /// Random, so that only the page that deleted the messages can restore them.
    id: String,
    deleted_at: Timestamp,
    entries: Vec<Entry>,
}

/// The deletions that can be undone.
#[derive(Debug, Default)]
pub(super) struct Trash {
    /// Oldest first.
    deletions: VecDeque<Deletion>,
}

impl Trash {
    /// Drops the oldest deletion. Returns false where there is none.
    pub(super) fn drop_oldest(&mut self) -> bool {
        self.deletions.pop_front().is_some()
    }

    /// Drops the messages with these ids, or all deletions where no ids are given.
    pub(super) fn discard(&mut self, which: &Which) {
        let Which::Ids(ids) = which else {
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
        let is_it = |deletion: &Deletion| {
            deletion.id == id && now.duration_since(deletion.deleted_at) < limit
        };
        self.deletions.iter().position(is_it)
    }
}

impl Inbox {
    /// Deletes the messages with these ids such that [`Inbox::restore`] can undo it for [`RESTORABLE`]. Returns the id of this
    /// deletion; `None` where none of the messages exists.
    pub fn delete_restorably(&self, ids: Vec<String>, now: Timestamp) -> Option<String> {
        let chosen = self.select(&Which::Ids(ids));
        let MessageId(id) = fresh_id(self.rng.as_ref());
        let mut kept = self.kept();
        let entries = kept.remove(&chosen);
        if entries.is_empty() {
            return None;
        }
        let gone: Vec<_> = entries.iter().map(Entry::identity).collect();
        self.tell_deleted(&gone);
        kept.trash.deletions.push_back(Deletion {
            id: id.clone(),
            deleted_at: now,
            entries,
        });
        drop(kept);
        self.remove_from_archive(&gone);
        Some(id)
    }

    /// Returns the number of messages that a deletion holds which can be undone.
    pub fn restorable(&self, deletion: &str, now: Timestamp) -> usize {
        let kept = self.kept();
        let found = kept.trash.find(deletion, now);
        found.map_or(0, |index| kept.trash.deletions[index].entries.len())
    }

    /// Undoes a deletion: its messages are back at their places, with their marks and tags. Returns how many there were.
    pub fn restore(&self, deletion: &str, now: Timestamp) -> usize {
        let mut kept = self.kept();
        let found = kept.trash.find(deletion, now);
        let Some(deletion) = found.and_then(|index| kept.trash.deletions.remove(index)) else {
            return 0;
        };
        let messages: Vec<_> = deletion
            .entries
            .iter()
            .map(|entry| entry.message.id.clone())
            .collect();
        kept.put_back(deletion.entries);
        // The inbox may be full by now. Then the oldest messages are dropped, as if nothing had been deleted.
        let gone = kept.make_room(self.limits.messages, &self.limits.memory);
        self.tell_deleted(&gone);
        // Clients read the list again. The messages are not new: no command is run for them, and no waiting client gets one
        // that is older than what it waits for.
        self.tell(Event::Pruned);
        drop(kept);
        self.remove_from_archive(&gone);
        if let Some(archive) = &self.archive {
            for id in &messages {
                if let Some(message) = self.get(&id.0) {
                    archive.restore(&message, || self.has(&message.id));
                }
            }
        }
        messages.len()
    }

    /// Discards a deletion, which cannot be undone any more.
    pub fn discard(&self, deletion: &str) {
        let mut kept = self.kept();
        kept.trash.deletions.retain(|one| one.id != deletion);
    }
}
