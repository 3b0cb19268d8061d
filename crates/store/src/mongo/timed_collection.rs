//! Collection whose operations carry the remaining time of their step (`maxTimeMS`).
//!
//! The client stops waiting at its deadline. Without `maxTimeMS` a server that was slow or locked would perform the
//! operation afterwards, although the caller received an error. The driver offers the option for reads only, so
//! writes to a standalone server are sent as plain commands. On replica sets and clusters the driver's own writes are used:
//! the driver repeats those after a lost connection, and the server limits the lifetime of transactions.

use std::time::Duration;

use mongodb::action::{Action as _, CountDocuments, Find, FindOne};
use mongodb::bson::{self, Bson, Document, doc};
use mongodb::error::{ErrorKind, Result, WriteConcernError, WriteError, WriteFailure};
use mongodb::options::WriteConcern;
use mongodb::{Collection, Database};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::documents::to_document;

tokio::task_local! {
    /// End of the time limit of the current step.
    static DEADLINE: Instant;
}

/// Runs database operations within a time limit, which their commands also send to the server. Returns `None` after the
/// limit.
pub(super) async fn run_with_limit<T>(
    limit: Duration,
    operations: impl Future<Output = T>,
) -> Option<T> {
    let deadline = Instant::now() + limit;
    let limited = tokio::time::timeout_at(deadline, operations);
    DEADLINE.scope(deadline, limited).await.ok()
}

/// Returns the remaining time of the current step, or `None` outside of [`run_with_limit`].
pub(super) fn time_left() -> Option<Duration> {
    let deadline = DEADLINE.try_with(|deadline| *deadline).ok()?;
    Some(limit_between(Instant::now(), deadline))
}

/// Returns the time limit of a command that is sent at `now`, in whole milliseconds. The server takes 0 for "no limit",
/// and nothing above the largest `i32`.
pub(super) fn limit_between(now: Instant, deadline: Instant) -> Duration {
    let left = deadline.saturating_duration_since(now).as_millis();
    let milliseconds = u64::try_from(left).unwrap_or(u64::MAX);
    Duration::from_millis(milliseconds.clamp(1, i32::MAX.unsigned_abs().into()))
}

/// A collection of the driver, with the operations that are used outside of transactions.
#[derive(Clone)]
pub(super) struct TimedCollection<T: Send + Sync = Document> {
    collection: Collection<T>,
    /// Database of a standalone server, whose writes must carry their time limit.
    standalone: Option<Database>,
}

impl TimedCollection {
    pub(super) fn new(database: &Database, name: &str, is_standalone: bool) -> Self {
        Self {
            collection: database.collection(name),
            standalone: is_standalone.then(|| database.clone()),
        }
    }

    pub(super) fn with_type<U: Send + Sync>(&self) -> TimedCollection<U> {
        TimedCollection {
            collection: self.collection.clone_with_type(),
            standalone: self.standalone.clone(),
        }
    }

    /// Updates one document; returns whether one matched.
    pub(super) async fn update_one(&self, filter: Document, update: Document) -> Result<bool> {
        self.update_with(filter, update, false, None).await
    }

    /// Updates one document, or inserts it when none matches.
    pub(super) async fn upsert_one(&self, filter: Document, update: Document) -> Result<()> {
        self.update_with(filter, update, true, None)
            .await
            .map(|_| ())
    }

    /// Updates one document, or inserts it when none matches and `is_upsert` is set; returns whether a document was
    /// updated or inserted. A `concern` replaces the write concern of the collection.
    pub(super) async fn update_with(
        &self,
        filter: Document,
        update: Document,
        is_upsert: bool,
        concern: Option<WriteConcern>,
    ) -> Result<bool> {
        let Some(database) = &self.standalone else {
            let updated = self
                .collection
                .update_one(filter, update)
                .upsert(is_upsert)
                .optional(concern, mongodb::action::Update::write_concern)
                .await?;
            return Ok(updated.matched_count > 0 || updated.upserted_id.is_some());
        };
        let update = doc! { "q": filter, "u": update, "upsert": is_upsert };
        let command = doc! { "update": self.collection.name(), "updates": [update] };
        Ok(self.write(database, command, concern).await? > 0)
    }

    pub(super) async fn insert_one(&self, document: Document) -> Result<()> {
        let Some(database) = &self.standalone else {
            return self.collection.insert_one(document).await.map(|_| ());
        };
        let command = doc! { "insert": self.collection.name(), "documents": [document] };
        self.write(database, command, None).await.map(|_| ())
    }

    /// Deletes one document that matches; returns how many were deleted.
    pub(super) async fn delete_one(&self, filter: Document) -> Result<u64> {
        let Some(database) = &self.standalone else {
            return Ok(self.collection.delete_one(filter).await?.deleted_count);
        };
        self.delete(database, filter, 1).await
    }

    /// Deletes all documents that match; returns how many were deleted.
    pub(super) async fn delete_many(&self, filter: Document) -> Result<u64> {
        let Some(database) = &self.standalone else {
            return Ok(self.collection.delete_many(filter).await?.deleted_count);
        };
        self.delete(database, filter, 0).await
    }

    async fn delete(&self, database: &Database, filter: Document, limit: i32) -> Result<u64> {
        let delete = doc! { "q": filter, "limit": limit };
        let command = doc! { "delete": self.collection.name(), "deletes": [delete] };
        self.write(database, command, None).await
    }

    /// Sends one write as a plain command; returns how many documents it affected.
    async fn write(
        &self,
        database: &Database,
        mut command: Document,
        concern: Option<WriteConcern>,
    ) -> Result<u64> {
        if let Some(concern) = concern.as_ref().or(self.collection.write_concern()) {
            command.insert("writeConcern", to_document(concern)?);
        }
        if let Some(left) = time_left() {
            command.insert("maxTimeMS", i64::try_from(left.as_millis()).unwrap_or(1));
        }
        let reply = database.run_command(command).await?;
        read_outcome(&reply)
    }
}

impl<T: Send + Sync> TimedCollection<T> {
    /// Returns the driver's collection: for transactions, index builds and other operations without a deadline.
    pub(super) fn driver(&self) -> &Collection<T> {
        &self.collection
    }

    pub(super) fn find(&self, filter: Document) -> Find<'_, T> {
        let find = self.collection.find(filter);
        find.optional(time_left(), Find::max_time)
    }

    pub(super) fn count_documents(&self, filter: Document) -> CountDocuments<'_> {
        let count = self.collection.count_documents(filter);
        count.optional(time_left(), CountDocuments::max_time)
    }
}

impl<T: DeserializeOwned + Send + Sync> TimedCollection<T> {
    pub(super) fn find_one(&self, filter: Document) -> FindOne<'_, T> {
        let find = self.collection.find_one(filter);
        find.optional(time_left(), FindOne::max_time)
    }
}

/// Returns how many documents a write affected, or its error in the driver's form. The server reports a command as
/// successful even if its write failed.
fn read_outcome(reply: &Document) -> Result<u64> {
    let errors = reply.get_array("writeErrors").into_iter().flatten();
    if let Some(error) = errors.filter_map(Bson::as_document).next() {
        let error: WriteError = bson::deserialize_from_document(error.clone())?;
        return Err(ErrorKind::Write(WriteFailure::WriteError(error)).into());
    }
    if let Ok(error) = reply.get_document("writeConcernError") {
        let error: WriteConcernError = bson::deserialize_from_document(error.clone())?;
        return Err(ErrorKind::Write(WriteFailure::WriteConcernError(error)).into());
    }
    Ok(match reply.get("n") {
        Some(Bson::Int32(count)) => u64::try_from(*count).unwrap_or_default(),
        Some(Bson::Int64(count)) => u64::try_from(*count).unwrap_or_default(),
        Some(Bson::Double(count)) => *count as u64,
        _ => 0,
    })
}
