//! Movies. Everyone may read them, an authenticated account may add them, and the account that added a movie may change it.

use super::application::App;
use super::error::{AppError, MovieAction};
use crate::domain::clock::draw;
use crate::domain::id::{AccountId, MovieId};
use crate::domain::movie::{Movie, MovieChanges};
use crate::ports::store::{MovieChange, MovieCreation, MoviesVersion};

impl App {
    /// Returns up to `limit` movies in the order of their ids, beginning after `after`.
    ///
    /// # Errors
    /// The database.
    pub async fn movies(
        &self,
        after: Option<MovieId>,
        limit: usize,
    ) -> Result<Vec<Movie>, AppError> {
        Ok(self.store.movies(after, limit).await?)
    }

    /// Returns a version that differs after each change of the movies; `None` if the database has none.
    ///
    /// # Errors
    /// The database.
    pub async fn movies_version(&self) -> Result<Option<MoviesVersion>, AppError> {
        Ok(self.store.movies_version().await?)
    }

    /// Returns one movie.
    ///
    /// # Errors
    /// [`AppError::NoSuchMovie`]; the database.
    pub async fn movie(&self, id: MovieId) -> Result<Movie, AppError> {
        self.store.movie(id).await?.ok_or(AppError::NoSuchMovie)
    }

    /// Adds a movie for the account `by`. The caller has checked that name, cast and genres are not empty.
    ///
    /// # Errors
    /// [`AppError::MovieNameTaken`]; [`AppError::NoSuchAccount`] if the account was deleted meanwhile; the database.
    pub async fn add_movie(
        &self,
        by: AccountId,
        name: String,
        casts: Vec<String>,
        genres: Vec<String>,
    ) -> Result<MovieId, AppError> {
        let id = MovieId::new(self.clock.now(), draw(&*self.rng));
        let movie = Movie {
            id,
            name,
            casts,
            genres,
            added_by: by,
        };
        match self.store.create_movie(&movie).await? {
            MovieCreation::Created => Ok(id),
            MovieCreation::NameTaken => Err(AppError::MovieNameTaken),
            MovieCreation::OwnerGone => Err(AppError::NoSuchAccount(by.to_string())),
        }
    }

    /// Changes a movie that the account `by` has added.
    ///
    /// # Errors
    /// [`AppError::NoSuchMovie`], [`AppError::NotYourMovie`], [`AppError::MovieNameTaken`]; the database.
    pub async fn change_movie(
        &self,
        id: MovieId,
        by: AccountId,
        changes: &MovieChanges,
    ) -> Result<(), AppError> {
        to_result(
            self.store.change_movie(id, by, changes).await?,
            MovieAction::Updating,
        )
    }

    /// Deletes a movie that the account `by` has added.
    ///
    /// # Errors
    /// [`AppError::NoSuchMovie`], [`AppError::NotYourMovie`]; the database.
    pub async fn delete_movie(&self, id: MovieId, by: AccountId) -> Result<(), AppError> {
        to_result(
            self.store.delete_movie(id, by).await?,
            MovieAction::Deleting,
        )
    }
}

fn to_result(change: MovieChange, action: MovieAction) -> Result<(), AppError> {
    match change {
        MovieChange::Done => Ok(()),
        MovieChange::NotFound => Err(AppError::NoSuchMovie),
        MovieChange::NotOwner => Err(AppError::NotYourMovie(action)),
        MovieChange::NameTaken => Err(AppError::MovieNameTaken),
    }
}
