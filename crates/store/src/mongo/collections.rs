//! The collections of a database.

use mongodb::Database;

use super::timed_collection::TimedCollection;

#[derive(Clone)]
pub(super) struct Collections {
    pub(super) user: TimedCollection,
    pub(super) movie: TimedCollection,
    pub(super) outbox: TimedCollection,
    pub(super) history: TimedCollection,
    pub(super) journal: TimedCollection,
    pub(super) revocations: TimedCollection,
    pub(super) pending: TimedCollection,
    pub(super) tallies: TimedCollection,
    pub(super) locks: TimedCollection,
    pub(super) decoys: TimedCollection,
    pub(super) meta: TimedCollection,
}

impl Collections {
    pub(super) fn new(database: &Database, is_standalone: bool) -> Self {
        let collection = |name| TimedCollection::new(database, name, is_standalone);
        Self {
            user: collection("user"),
            movie: collection("movie"),
            outbox: collection("movie_bag_outbox"),
            history: collection("movie_bag_history"),
            journal: collection("movie_bag_journal"),
            revocations: collection("movie_bag_revocations"),
            pending: collection("movie_bag_pending"),
            tallies: collection("movie_bag_tallies"),
            locks: collection("movie_bag_locks"),
            decoys: collection("movie_bag_decoys"),
            meta: collection("movie_bag_meta"),
        }
    }

    pub(super) fn all(&self) -> [&TimedCollection; 11] {
        [
            &self.user,
            &self.movie,
            &self.outbox,
            &self.history,
            &self.journal,
            &self.revocations,
            &self.pending,
            &self.tallies,
            &self.locks,
            &self.decoys,
            &self.meta,
        ]
    }
}
