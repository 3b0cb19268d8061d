//! Cache of the complete list of movies.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use movie_bag_core::ports::store::MoviesVersion;

/// Cache of the complete list. An entry is valid until the version of the movies in the database changes. The list
/// of a store without versions is not cached.
#[derive(Default)]
pub(super) struct MovieListCache(Mutex<Option<(MoviesVersion, CachedList)>>);

#[derive(Clone)]
pub(super) enum CachedList {
    Json(Bytes),
    /// The list exceeds the maximum size of a cached list.
    TooLarge,
}

impl MovieListCache {
    pub(super) fn get(&self, version: MoviesVersion) -> Option<CachedList> {
        let cached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (cached_version, list) = cached.as_ref()?;
        (*cached_version == version).then(|| list.clone())
    }

    pub(super) fn put(&self, version: MoviesVersion, list: CachedList) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, list));
    }
}
