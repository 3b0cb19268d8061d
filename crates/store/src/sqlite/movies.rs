//! Movies.

use std::sync::PoisonError;

use async_trait::async_trait;
use movie_bag_core::domain::id::{AccountId, MovieId};
use movie_bag_core::domain::movie::{Movie, MovieChanges};
use movie_bag_core::ports::store::{MovieChange, MovieCreation, Movies, MoviesVersion, StoreError};
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::SqliteStore;
use super::errors::{is_foreign_key_violation, is_unique_violation, store_error};

fn read_list(row: &Row<'_>, column: &str) -> rusqlite::Result<Vec<String>> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| FromSqlError::other(error).into())
}

fn to_json(list: &[String]) -> String {
    serde_json::Value::from(list).to_string()
}

fn read_movie(row: &Row<'_>) -> rusqlite::Result<Movie> {
    Ok(Movie {
        id: MovieId::from_bytes(row.get("id")?),
        name: row.get("name")?,
        casts: read_list(row, "casts")?,
        genres: read_list(row, "genres")?,
        added_by: AccountId::from_bytes(row.get("added_by")?),
    })
}

/// Adds a movie as part of a larger step.
pub(super) fn insert_movie(connection: &Connection, movie: &Movie) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO movie (id, name, casts, genres, added_by) VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![
            movie.id.as_bytes(),
            movie.name,
            to_json(&movie.casts),
            to_json(&movie.genres),
            movie.added_by.as_bytes(),
        ])
        .map(|_| ())
}

fn find_movie(connection: &Connection, id: MovieId) -> Result<Option<Movie>, StoreError> {
    connection
        .prepare_cached("SELECT id, name, casts, genres, added_by FROM movie WHERE id = ?")
        .and_then(|mut statement| statement.query_row([id.as_bytes()], read_movie).optional())
        .map_err(store_error)
}

#[async_trait]
impl Movies for SqliteStore {
    async fn create_movie(&self, movie: &Movie) -> Result<MovieCreation, StoreError> {
        let movie = movie.clone();
        self.writer
            .write(move |connection| match insert_movie(connection, &movie) {
                Ok(()) => Ok(MovieCreation::Created),
                Err(error) if is_unique_violation(&error) => Ok(MovieCreation::NameTaken),
                Err(error) if is_foreign_key_violation(&error) => Ok(MovieCreation::OwnerGone),
                Err(error) => Err(store_error(error)),
            })
            .await
    }

    async fn movie(&self, id: MovieId) -> Result<Option<Movie>, StoreError> {
        self.readers
            .read_inline(move |connection| find_movie(connection, id))
            .await
    }

    async fn movies(&self, after: Option<MovieId>, limit: usize) -> Result<Vec<Movie>, StoreError> {
        self.readers
            .read(move |connection| {
                let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
                let mut statement = connection
                    .prepare_cached("SELECT id, name, casts, genres, added_by FROM movie WHERE id > ? ORDER BY id LIMIT ?")
                    .map_err(store_error)?;
                let rows = statement.query_map(params![after, limit as i64], read_movie).map_err(store_error)?;
                rows.collect::<Result<_, _>>().map_err(store_error)
            })
            .await
    }

    async fn movies_version(&self) -> Result<Option<MoviesVersion>, StoreError> {
        let watch = self
            .change_watch
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mark = watch
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)));
        // While the database is locked, changes cannot be ruled out.
        Ok(mark.ok().map(MoviesVersion::new))
    }

    async fn change_movie(
        &self,
        id: MovieId,
        by: AccountId,
        changes: &MovieChanges,
    ) -> Result<MovieChange, StoreError> {
        let changes = changes.clone();
        self.writer
            .write(move |connection| {
                let Some(mut movie) = find_movie(connection, id)? else {
                    return Ok(MovieChange::NotFound);
                };
                if movie.added_by != by {
                    return Ok(MovieChange::NotOwner);
                }
                changes.apply(&mut movie);
                let changed = connection
                    .prepare_cached("UPDATE movie SET name = ?, casts = ?, genres = ? WHERE id = ?")
                    .map_err(store_error)?
                    .execute(params![
                        movie.name,
                        to_json(&movie.casts),
                        to_json(&movie.genres),
                        id.as_bytes()
                    ]);
                match changed {
                    Ok(_) => Ok(MovieChange::Done),
                    Err(error) if is_unique_violation(&error) => Ok(MovieChange::NameTaken),
                    Err(error) => Err(store_error(error)),
                }
            })
            .await
    }

    async fn delete_movie(&self, id: MovieId, by: AccountId) -> Result<MovieChange, StoreError> {
        self.writer
            .write(move |connection| {
                let Some(movie) = find_movie(connection, id)? else {
                    return Ok(MovieChange::NotFound);
                };
                if movie.added_by != by {
                    return Ok(MovieChange::NotOwner);
                }
                connection
                    .execute("DELETE FROM movie WHERE id = ?", [id.as_bytes()])
                    .map_err(store_error)?;
                Ok(MovieChange::Done)
            })
            .await
    }
}
