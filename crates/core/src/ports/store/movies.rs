//! Movies.

use async_trait::async_trait;

use super::error::StoreError;
use crate::domain::id::{AccountId, MovieId};
use crate::domain::movie::{Movie, MovieChanges};

/// Result of [`Movies::create_movie`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovieCreation {
    /// The movie was created, and added to the list of its account.
    Created,
    /// Another movie has the name. Nothing changed.
    NameTaken,
    /// The account does not exist. Nothing changed.
    OwnerGone,
}

/// Result of changing or deleting a movie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovieChange {
    /// The movie was changed or deleted.
    Done,
    NotFound,
    /// Another account added the movie. Nothing changed.
    NotOwner,
    /// Another movie has the name. Nothing changed.
    NameTaken,
}

/// Version of the set of movies, to be compared with other versions from the same process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MoviesVersion(i64);

impl MoviesVersion {
    /// Creates a version from a number that the database changes with each write.
    pub fn new(number: i64) -> Self {
        Self(number)
    }
}

#[async_trait]
pub trait Movies {
    /// Creates a movie. The database enforces that a name is unique.
    async fn create_movie(&self, movie: &Movie) -> Result<MovieCreation, StoreError>;

    /// Returns the movie with this id.
    async fn movie(&self, id: MovieId) -> Result<Option<Movie>, StoreError>;

    /// Returns up to `limit` movies in the order of their ids, beginning after `after`.
    async fn movies(&self, after: Option<MovieId>, limit: usize) -> Result<Vec<Movie>, StoreError>;

    /// Returns a version that differs after each change of the movies by any process, and that may differ after other
    /// changes too. What was read after a version was taken is current as long as the version is the same. Returns `None`
    /// if reading a version is not faster than reading the movies.
    async fn movies_version(&self) -> Result<Option<MoviesVersion>, StoreError> {
        Ok(None)
    }

    /// Changes a movie if the account `by` added it.
    async fn change_movie(
        &self,
        id: MovieId,
        by: AccountId,
        changes: &MovieChanges,
    ) -> Result<MovieChange, StoreError>;

    /// Deletes a movie if the account `by` added it, also from the list of that account.
    async fn delete_movie(&self, id: MovieId, by: AccountId) -> Result<MovieChange, StoreError>;
}
