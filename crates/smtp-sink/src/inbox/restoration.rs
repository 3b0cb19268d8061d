//! Deletions on the pages, which can be undone for a short time.
//!
//! The files of a deleted message are removed at once, and written again if the message is restored. No list, search or call of
//! the API finds a deleted message. A deletion by a program is final, also for the messages it names that are in the trash.

use jiff::Timestamp;

use super::Inbox;
use super::entry::Entry;
use super::event::Event;
use super::random_id::random_id;
use super::selection::Selection;
use super::trash::Deletion;
use crate::session::MessageId;

impl Inbox {
    /// Deletes the messages with these ids such that [`Inbox::restore`] can undo it for
    /// [`RESTORABLE`](super::trash::RESTORABLE). Returns the id of this deletion, or `None` if none of the messages exists.
    pub fn delete_restorably(&self, ids: Vec<String>, now: Timestamp) -> Option<String> {
        let selected = self.select(&Selection::Ids(ids));
        let MessageId(id) = random_id(self.rng.as_ref());
        let mut table = self.lock();
        let entries = table.remove(&selected);
        if entries.is_empty() {
            return None;
        }
        let removed: Vec<_> = entries.iter().map(Entry::identity).collect();
        self.publish_deleted(&removed);
        table.trash.push(Deletion {
            id: id.clone(),
            deleted_at: now,
            entries,
        });
        drop(table);
        self.remove_from_archive(&removed);
        Some(id)
    }

    /// Returns the number of messages of a deletion that can be undone, otherwise 0.
    pub fn restorable(&self, deletion: &str, now: Timestamp) -> usize {
        self.lock().trash.restorable(deletion, now)
    }

    /// Undoes a deletion: its messages return to their positions, with their marks and tags. Returns their number.
    pub fn restore(&self, deletion: &str, now: Timestamp) -> usize {
        let mut table = self.lock();
        let Some(entries) = table.trash.take(deletion, now) else {
            return 0;
        };
        let messages: Vec<_> = entries
            .iter()
            .map(|entry| entry.message.id.clone())
            .collect();
        table.put_back(entries);
        // The inbox may be full by now. Then the oldest messages are dropped, as if nothing had been deleted.
        let dropped = table.drop_oldest(self.limits.messages, &self.limits.memory);
        self.publish_deleted(&dropped);
        // Clients read the list again. The messages are not new: no command is run for them, and no waiting client gets one
        // that is older than what it waits for.
        self.publish(Event::Pruned);
        drop(table);
        self.remove_from_archive(&dropped);
        if let Some(archive) = &self.archive {
            for id in &messages {
                if let Some(message) = self.get(&id.0) {
                    archive.restore(&message, || self.contains(&message.id));
                }
            }
        }
        messages.len()
    }

    /// Discards a deletion, which can then no longer be undone.
    pub fn discard(&self, deletion: &str) {
        self.lock().trash.discard(deletion);
    }
}
