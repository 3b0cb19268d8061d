//! Pages of documents in the order of their ids.

use futures_util::TryStreamExt as _;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, doc};
use mongodb::error::Result;

use super::errors::describe;
use super::timed_collection::TimedCollection;

/// Filter for documents with a greater id, or for all whose id is an ObjectId.
pub(super) fn ids_after(after: Option<ObjectId>) -> Document {
    match after {
        Some(after) => doc! { "_id": { "$gt": after } },
        None => doc! { "_id": { "$gte": ObjectId::from_bytes([0; 12]) } },
    }
}

/// Returns up to `limit` documents in the order of their ids. A document of another program that `value` cannot read is
/// logged and skipped, so that it does not hide the others.
pub(super) async fn fetch_page<T>(
    collection: &TimedCollection,
    filter: Document,
    fields: Document,
    mut after: Option<ObjectId>,
    limit: usize,
    value: impl Fn(Document) -> Result<T>,
) -> Result<Vec<T>> {
    let mut page = Vec::new();
    while page.len() < limit {
        let wanted = limit - page.len();
        let mut later = ids_after(after);
        later.extend(filter.clone());
        let found: Vec<Document> = collection
            .find(later)
            .projection(fields.clone())
            .sort(doc! { "_id": 1 })
            .limit(server_limit(wanted))
            .await?
            .try_collect()
            .await?;
        let is_last = found.len() < wanted;
        after = found.last().and_then(|last| last.get_object_id("_id").ok());
        for document in found {
            match value(document) {
                Ok(value) => page.push(value),
                Err(error) => tracing::warn!("{}", describe(&error)),
            }
        }
        if is_last {
            break;
        }
    }
    Ok(page)
}

/// Converts a limit to the server's type. The server takes 0 for "no limit", so the result is at least 1.
pub(super) fn server_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).max(1)
}
