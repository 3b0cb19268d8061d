//! Steps that create or delete a movie.

use mongodb::bson::doc;
use mongodb::bson::oid::ObjectId;
use mongodb::error::Result;

use super::super::documents::{MovieDocument, to_document};
use super::super::errors::WriteConflict;
use super::super::execution::Execution;
use super::Outcome;

impl Execution<'_> {
    pub(super) async fn create_movie(&mut self, movie: &MovieDocument) -> Result<Outcome> {
        if !self.account_exists(&movie.added_by).await?
            || !self
                .insert_new(&self.collections.movie, to_document(movie)?)
                .await?
        {
            return Ok(Outcome::Refused);
        }
        // In a transaction this conflicts with the account's deletion, so that no movie without an owner is left.
        let owner = doc! { "_id": movie.added_by, "movies": { "$type": "array" } };
        let listed = doc! { "$addToSet": { "movies": movie.id } };
        let mut is_listed = self.update(&self.collections.user, owner, listed).await?;
        if !is_listed {
            let owner = doc! { "_id": movie.added_by, "movies": null };
            let listed = doc! { "$set": { "movies": [movie.id] } };
            is_listed = self.update(&self.collections.user, owner, listed).await?;
        }
        if self.is_in_transaction() {
            // A server whose transactions read what others commit meanwhile does not report this as a conflict.
            if !is_listed && !self.account_exists(&movie.added_by).await? {
                return Err(WriteConflict::error());
            }
            return Ok(Outcome::Done);
        }
        // Another process may have deleted movie or account between these writes, before it could see the other document.
        if !self
            .exists(&self.collections.movie, doc! { "_id": movie.id })
            .await?
        {
            self.remove_from_list(&movie.id, &movie.added_by).await?;
        } else if !self.account_exists(&movie.added_by).await? {
            self.delete(&self.collections.movie, doc! { "_id": movie.id })
                .await?;
            return Ok(Outcome::Refused);
        }
        Ok(Outcome::Done)
    }

    pub(super) async fn delete_movie(
        &mut self,
        movie: &ObjectId,
        by: &ObjectId,
    ) -> Result<Outcome> {
        let deleted = self
            .delete(
                &self.collections.movie,
                doc! { "_id": movie, "added_by": by },
            )
            .await?;
        self.remove_from_list(movie, by).await?;
        // With the journal: the movie existed when the step entered the journal.
        let is_done = deleted > 0 || !self.is_in_transaction();
        Ok(if is_done {
            Outcome::Done
        } else {
            Outcome::Refused
        })
    }

    /// Removes a movie from its account's list.
    async fn remove_from_list(&mut self, movie: &ObjectId, by: &ObjectId) -> Result<()> {
        let owner = doc! { "_id": by, "movies": movie };
        let unlisted = doc! { "$pull": { "movies": movie } };
        self.update(&self.collections.user, owner, unlisted)
            .await
            .map(|_| ())
    }
}
