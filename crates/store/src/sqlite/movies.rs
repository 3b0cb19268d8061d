//! Movies.

use std::sync::PoisonError;

use async_trait::async_trait;
use rusqlite::types::FromSqlError;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::super::{MovieChange, MovieCreation, Movies, MoviesVersion, StoreError};
use super::{SqliteStore, failed, is_orphaned, is_taken};
use movie_bag_core::domain::id::{AccountId, MovieId};
use movie_bag_core::domain::movie::{Movie, MovieChanges};

fn list(row: &Row<'_>, column: &str) -> rusqlite::Result<Vec<String>> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text).map_err(|error| FromSqlError::other(error).into())
}

fn json(list: &[String]) -> String {
    serde_json::Value::from(list).to_string()
}

fn movie(row: &Row<'_>) -> rusqlite::Result<Movie> {
    Ok(Movie {
        id: MovieId::from_bytes(row.get("id")?),
        name: row.get("name")?,
        casts: list(row, "casts")?,
        genres: list(row, "genres")?,
        added_by: AccountId::from_bytes(row.get("added_by")?),
    })
}

/// Adds a movie, as a part of a greater step.
pub(super) fn insert_movie(connection: &Connection, movie: &Movie) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO movie (id, name, casts, genres, added_by) VALUES (?, ?, ?, ?, ?)",
        )?
        .execute(params![
            movie.id.as_bytes(),
            movie.name,
            json(&movie.casts),
            json(&movie.genres),
            movie.added_by.as_bytes(),
        ])
        .map(|_| ())
}

fn find(connection: &Connection, id: MovieId) -> Result<Option<Movie>, StoreError> {
    connection
        .prepare_cached("SELECT id, name, casts, genres, added_by FROM movie WHERE id = ?")
        .and_then(|mut statement| statement.query_row([id.as_bytes()], movie).optional())
        .map_err(failed)
}

#[async_trait]
impl Movies for SqliteStore {
    async fn create_movie(&self, movie: &Movie) -> Result<MovieCreation, StoreError> {
        let movie = movie.clone();
        self.writer
            .write(move |connection| match insert_movie(connection, &movie) {
                Ok(()) => Ok(MovieCreation::Created),
                Err(error) if is_taken(&error) => Ok(MovieCreation::NameTaken),
                Err(error) if is_orphaned(&error) => Ok(MovieCreation::OwnerGone),
                Err(error) => Err(failed(error)),
            })
            .await
    }

    async fn movie(&self, id: MovieId) -> Result<Option<Movie>, StoreError> {
        self.readers
            .glance(move |connection| find(connection, id))
            .await
    }

    async fn movies(&self, after: Option<MovieId>, limit: usize) -> Result<Vec<Movie>, StoreError> {
        self.readers
            .read(move |connection| {
                let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
                let mut statement = connection
                    .prepare_cached("SELECT id, name, casts, genres, added_by FROM movie WHERE id > ? ORDER BY id LIMIT ?")
                    .map_err(failed)?;
                let rows = statement.query_map(params![after, limit as i64], movie).map_err(failed)?;
                rows.collect::<Result<_, _>>().map_err(failed)
            })
            .await
    }

    async fn movies_version(&self) -> Result<Option<MoviesVersion>, StoreError> {
        let watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = watch
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)));
        // Where it is locked, nothing is known.
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
                let Some(mut movie) = find(connection, id)? else {
                    return Ok(MovieChange::NotFound);
                };
                if movie.added_by != by {
                    return Ok(MovieChange::NotOwner);
                }
                changes.apply(&mut movie);
                let changed = connection
                    .prepare_cached("UPDATE movie SET name = ?, casts = ?, genres = ? WHERE id = ?")
                    .map_err(failed)?
                    .execute(params![
                        movie.name,
                        json(&movie.casts),
                        json(&movie.genres),
                        id.as_bytes()
                    ]);
                match changed {
                    Ok(_) => Ok(MovieChange::Done),
                    Err(error) if is_taken(&error) => Ok(MovieChange::NameTaken),
                    Err(error) => Err(failed(error)),
                }
            })
            .await
    }

    async fn delete_movie(&self, id: MovieId, by: AccountId) -> Result<MovieChange, StoreError> {
        self.writer
            .write(move |connection| {
                let Some(movie) = find(connection, id)? else {
                    return Ok(MovieChange::NotFound);
                };
                if movie.added_by != by {
                    return Ok(MovieChange::NotOwner);
                }
                connection
                    .execute("DELETE FROM movie WHERE id = ?", [id.as_bytes()])
                    .map_err(failed)?;
                Ok(MovieChange::Done)
            })
            .await
    }
}
