//! Movies: the collection `movie`, and the list of movies in each document of `user`.

use async_trait::async_trait;
use mongodb::bson::{Document, doc};
use movie_bag_core::domain::id::{AccountId, MovieId};
use movie_bag_core::domain::movie::{Movie, MovieChanges};
use movie_bag_core::ports::store::{MovieChange, MovieCreation, Movies, StoreError};

use super::MongoStore;
use super::documents::{MovieDocument, decode, object_id};
use super::errors::is_duplicate;
use super::paging::fetch_page;
use super::steps::{Outcome, Step};

impl MongoStore {
    /// Returns the reason why an account may not change a movie, if there is one.
    async fn refusal(&self, id: MovieId, by: AccountId) -> Result<Option<MovieChange>, StoreError> {
        Ok(match self.movie(id).await? {
            None => Some(MovieChange::NotFound),
            Some(movie) if movie.added_by != by => Some(MovieChange::NotOwner),
            Some(_) => None,
        })
    }
}

#[async_trait]
impl Movies for MongoStore {
    async fn create_movie(&self, movie: &Movie) -> Result<MovieCreation, StoreError> {
        let step = Step::CreateMovie {
            movie: movie.into(),
        };
        Ok(match self.execute(step).await? {
            Outcome::Taken => MovieCreation::NameTaken,
            Outcome::Refused => MovieCreation::OwnerGone,
            _ => MovieCreation::Created,
        })
    }

    async fn movie(&self, id: MovieId) -> Result<Option<Movie>, StoreError> {
        self.run(async {
            let id = doc! { "_id": object_id(id.as_bytes()) };
            let found = self.collections.movie.find_one(id).await?;
            let found = found.map(|found| decode::<MovieDocument>("movie", found));
            Ok(found.transpose()?.map(Movie::from))
        })
        .await
    }

    async fn movies(&self, after: Option<MovieId>, limit: usize) -> Result<Vec<Movie>, StoreError> {
        let after = after.map(|id| object_id(id.as_bytes()));
        self.run(fetch_page(
            &self.collections.movie,
            doc! {},
            doc! {},
            after,
            limit,
            |found| Ok(decode::<MovieDocument>("movie", found)?.into()),
        ))
        .await
    }

    async fn change_movie(
        &self,
        id: MovieId,
        by: AccountId,
        changes: &MovieChanges,
    ) -> Result<MovieChange, StoreError> {
        if let Some(refusal) = self.refusal(id, by).await? {
            return Ok(refusal);
        }
        let mut set = Document::new();
        if let Some(name) = &changes.name {
            set.insert("name", name);
        }
        if let Some(casts) = &changes.casts {
            set.insert("casts", casts);
        }
        if let Some(genres) = &changes.genres {
            set.insert("genres", genres);
        }
        if set.is_empty() {
            return Ok(MovieChange::Done);
        }
        let filter = doc! { "_id": object_id(id.as_bytes()), "added_by": object_id(by.as_bytes()) };
        let changed = self.run(async {
            match self
                .collections
                .movie
                .update_one(filter, doc! { "$set": set })
                .await
            {
                Ok(false) => Ok(MovieChange::NotFound),
                Ok(true) => Ok(MovieChange::Done),
                Err(error) if is_duplicate(&error) => Ok(MovieChange::NameTaken),
                Err(error) => Err(error),
            }
        });
        changed.await
    }

    async fn delete_movie(&self, id: MovieId, by: AccountId) -> Result<MovieChange, StoreError> {
        if let Some(refusal) = self.refusal(id, by).await? {
            return Ok(refusal);
        }
        let step = Step::DeleteMovie {
            movie: object_id(id.as_bytes()),
            by: object_id(by.as_bytes()),
        };
        Ok(match self.execute(step).await? {
            Outcome::Done => MovieChange::Done,
            _ => MovieChange::NotFound,
        })
    }
}
