//! Creation of missing collections and indexes.
//!
//! Existing indexes are listed first, and an equivalent one is accepted: MongoEngine has created its own, and some servers
//! that implement the protocol report a conflict between its options and ours. Several processes may start at once: the later
//! one finds the index, or the server reports that it exists.

use std::future::IntoFuture as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use mongodb::action::{Action as _, CreateIndex};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind, Result};
use mongodb::options::{Collation, CollationStrength, CommitQuorum, IndexOptions};
use mongodb::{Collection, IndexModel};
use movie_bag_core::ports::store::StoreError;

use super::MongoStore;
use super::errors::{code, describe, is_duplicate};
use super::timed_collection::time_left;

/// Time after which a sent or dropped entry is deleted: far longer than a step and its repetition may take.
const GONE_RETENTION: Duration = Duration::from_secs(300);
/// Time after its last use at which a lock is deleted: far longer than a transaction may last, which is a minute.
const LOCK_RETENTION: Duration = Duration::from_secs(300);
/// Interval of log entries during the build of an index.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);
/// Server codes that mean that the option `commitQuorum` is not supported: those of MongoDB for an unknown or invalid option
/// or command field, and for a feature that is not implemented.
const OPTION_REFUSED: &[i32] = &[2, 9, 72, 115, 238, 40_415];
/// Maximum number of duplicates in a message.
const MAX_DUPLICATES: i64 = 10;

/// Collation that ignores upper and lower case.
pub(super) fn case_insensitive() -> Collation {
    Collation::builder()
        .locale("en")
        .strength(CollationStrength::Secondary)
        .build()
}

struct RequiredIndex<'a> {
    collection: &'a Collection<Document>,
    model: IndexModel,
}

fn index(keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).build()
}

fn index_with(keys: Document, options: IndexOptions) -> IndexModel {
    IndexModel::builder().keys(keys).options(options).build()
}

fn unique_index(keys: Document) -> IndexModel {
    index_with(keys, IndexOptions::builder().unique(true).build())
}

impl MongoStore {
    fn required_indexes(&self) -> [RequiredIndex<'_>; 18] {
        let collections = &self.collections;
        // This index is not unique, since an existing database may contain addresses that differ only by case.
        let spellings = IndexOptions::builder()
            .name("movie_bag_email_ignoring_case".to_owned())
            .collation(case_insensitive())
            .build();
        let gone_expiry = IndexOptions::builder().expire_after(GONE_RETENTION).build();
        let lock_expiry = IndexOptions::builder().expire_after(LOCK_RETENTION).build();
        let at_once = || IndexOptions::builder().expire_after(Duration::ZERO).build();
        [
            (&collections.user, unique_index(doc! { "email": 1 })),
            (
                &collections.user,
                index_with(doc! { "email": 1 }, spellings),
            ),
            (&collections.movie, unique_index(doc! { "name": 1 })),
            (&collections.movie, index(doc! { "added_by": 1 })),
            (
                &collections.outbox,
                index(doc! { "state": 1, "is_again": 1, "free_at": 1, "_id": 1 }),
            ),
            (
                &collections.outbox,
                index(doc! { "account": 1, "requested_at": 1 }),
            ),
            (
                &collections.outbox,
                index(doc! { "state": 1, "requested_at": 1 }),
            ),
            (
                &collections.outbox,
                index_with(doc! { "gone_at": 1 }, gone_expiry),
            ),
            (
                &collections.history,
                index(doc! { "account": 1, "at": -1, "_id": -1 }),
            ),
            (&collections.history, index(doc! { "at": 1 })),
            (&collections.journal, index(doc! { "account": 1 })),
            (&collections.pending, unique_index(doc! { "key": 1 })),
            (
                &collections.pending,
                index(doc! { "account": 1, "requested_at": 1 }),
            ),
            (&collections.pending, index(doc! { "kind": 1, "folded": 1 })),
            (&collections.pending, index(doc! { "expires_at": 1 })),
            (
                &collections.tallies,
                index_with(doc! { "kept_until": 1 }, at_once()),
            ),
            (
                &collections.locks,
                index_with(doc! { "at": 1 }, lock_expiry),
            ),
            (&collections.decoys, index_with(doc! { "at": 1 }, at_once())),
        ]
        .map(|(collection, model)| RequiredIndex {
            collection: collection.driver(),
            model,
        })
    }

    /// Returns the number of existing indexes, and the missing ones as `collection.field, field`.
    pub(super) async fn check_indexes(&self) -> Result<(usize, Vec<String>)> {
        let (mut sound, mut missing) = (0, Vec::new());
        for wanted in self.required_indexes() {
            let existing = list_indexes(wanted.collection).await?;
            if existing
                .iter()
                .any(|index| is_equivalent(index, &wanted.model))
            {
                sound += 1;
                continue;
            }
            let fields: Vec<_> = wanted.model.keys.keys().map(String::as_str).collect();
            missing.push(format!(
                "{}.{}",
                wanted.collection.name(),
                fields.join(", ")
            ));
        }
        Ok((sound, missing))
    }

    /// Creates missing collections. A transaction whose first write creates a collection conflicts with all others that create
    /// it.
    pub(super) async fn create_collections(&self) -> std::result::Result<(), StoreError> {
        const NAMESPACE_EXISTS: i32 = 48;
        let database = self
            .client
            .database(&self.collections.user.driver().namespace().db);
        let existing = self
            .run(async { database.list_collection_names().await })
            .await?;
        for missing in self.collections.all() {
            let name = missing.driver().name();
            if existing.iter().any(|existing| existing == name) {
                continue;
            }
            let creation = self.run(async {
                match database.create_collection(name).await {
                    // Another process created it in the meantime.
                    Err(error) if code(&error) == Some(NAMESPACE_EXISTS) => Ok(()),
                    created => created,
                }
            });
            creation.await?;
        }
        Ok(())
    }

    /// Creates missing indexes.
    ///
    /// # Errors
    /// Lists the documents that prevent a unique index. Nothing is repaired.
    pub(super) async fn create_indexes(&self) -> std::result::Result<(), StoreError> {
        for wanted in self.required_indexes() {
            let find_equivalent = async || {
                let existing = self.run(list_indexes(wanted.collection)).await?;
                let is_found = existing
                    .iter()
                    .any(|index| is_equivalent(index, &wanted.model));
                Ok::<_, StoreError>((is_found, existing))
            };
            if find_equivalent().await?.0 {
                continue;
            }
            let has_collation = read_collation(&wanted.model).is_some();
            match self.build_index(&wanted).await {
                Ok(()) if !has_collation => {}
                // A server without collations rejects the option, or accepts and ignores it.
                Ok(()) => {
                    if !find_equivalent().await?.0 {
                        self.disable_collations("it drops the collation of an index");
                    }
                }
                Err(error) => {
                    let (is_found, existing) = find_equivalent().await?;
                    if is_found {
                        // Another process created it in the meantime.
                        continue;
                    }
                    let failure = self.index_error(&wanted, &existing, &error).await;
                    if !has_collation || !is_option_refused(&error) {
                        return Err(failure);
                    }
                    self.disable_collations(&describe(&error));
                }
            }
        }
        Ok(())
    }

    /// Builds an index without a time limit.
    async fn build_index(&self, wanted: &RequiredIndex<'_>) -> Result<()> {
        let collection = wanted.collection.name();
        let keys = &wanted.model.keys;
        // By default a build waits for every voting member, so a build would wait forever for a member that is down.
        let mut quorum = self.has_transactions.then_some(CommitQuorum::Majority);
        loop {
            match quorum {
                Some(_) => {
                    tracing::info!(collection, %keys, "building an index, and waiting for a majority of the members");
                }
                None => tracing::info!(collection, %keys, "building an index"),
            }
            let building = wanted
                .collection
                .create_index(wanted.model.clone())
                .optional(quorum.clone(), CreateIndex::commit_quorum);
            let mut building = building.into_future();
            let built = loop {
                tokio::select! {
                    built = &mut building => break built,
                    () = tokio::time::sleep(PROGRESS_INTERVAL) => {
                        tracing::info!(collection, %keys, "still building an index: large collections take long, and a majority of the members must finish");
                    }
                }
            };
            match built {
                Err(error)
                    if quorum.is_some()
                        && code(&error).is_some_and(|code| OPTION_REFUSED.contains(&code)) =>
                {
                    quorum = None;
                }
                built => return built.map(|_| ()),
            }
        }
    }

    fn disable_collations(&self, why: &str) {
        self.has_collations.store(false, Ordering::Relaxed);
        tracing::warn!(
            why,
            "this database server has no collations: finding an address in other upper and lower case reads all accounts"
        );
    }

    /// Returns the error for an index that could not be built.
    async fn index_error(
        &self,
        wanted: &RequiredIndex<'_>,
        existing: &[IndexModel],
        error: &Error,
    ) -> StoreError {
        let name = wanted.collection.name();
        let keys = &wanted.model.keys;
        let field = keys.keys().next().map_or("", String::as_str);
        if is_duplicate(error) {
            // The search has no time limit, like the build.
            return match find_duplicates(wanted.collection, field).await {
                Ok(found) => StoreError::broken(format!(
                    "cannot create the unique index on {name}.{field}, nothing was changed: several documents have the same value: {}; change or delete all but one of each",
                    found.join("; ")
                )),
                Err(error) => self.connection.store_error(&error),
            };
        }
        // An index with the same keys that is not equivalent.
        if let Some(other) = existing.iter().find(|index| {
            index.keys == *keys && read_collation(index) == read_collation(&wanted.model)
        }) {
            let name_of_other = other
                .options
                .as_ref()
                .and_then(|options| options.name.clone())
                .unwrap_or_default();
            return StoreError::broken(format!(
                "the index {name_of_other} on {name} conflicts with the one needed on {field}{}: drop it, and movie-bag creates the right one",
                if is_unique(&wanted.model) {
                    ", which must be unique"
                } else {
                    ""
                }
            ));
        }
        self.connection.store_error(error)
    }
}

/// Returns whether a server permanently refuses to build an index with these options.
fn is_option_refused(error: &Error) -> bool {
    const OPTIONS_CONFLICT: i32 = 85;
    const KEYS_CONFLICT: i32 = 86;
    matches!(&*error.kind, ErrorKind::Command(_))
        && !is_duplicate(error)
        && !matches!(code(error), Some(OPTIONS_CONFLICT | KEYS_CONFLICT))
}

async fn list_indexes(collection: &Collection<Document>) -> Result<Vec<IndexModel>> {
    const NAMESPACE_NOT_FOUND: i32 = 26;
    let list = collection.list_indexes();
    match list
        .optional(time_left(), |list, left| list.max_time(left))
        .await
    {
        Ok(indexes) => indexes.try_collect().await,
        Err(error) if matches!(&*error.kind, ErrorKind::Command(command) if command.code == NAMESPACE_NOT_FOUND) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

fn is_unique(index: &IndexModel) -> bool {
    index
        .options
        .as_ref()
        .is_some_and(|options| options.unique == Some(true))
}

fn read_collation(index: &IndexModel) -> Option<(String, bool)> {
    let collation = index.options.as_ref()?.collation.as_ref()?;
    let ignores_case = matches!(
        collation.strength,
        Some(CollationStrength::Primary | CollationStrength::Secondary)
    );
    Some((collation.locale.clone(), ignores_case))
}

/// Returns the fields of an index with their directions. Servers send the directions in different number types.
fn directions(index: &IndexModel) -> Vec<(String, Option<i64>)> {
    let direction = |value: &Bson| match value {
        Bson::Int32(direction) => Some(i64::from(*direction)),
        Bson::Int64(direction) => Some(*direction),
        Bson::Double(direction) => Some(direction.signum() as i64),
        _ => None,
    };
    index
        .keys
        .iter()
        .map(|(field, value)| (field.clone(), direction(value)))
        .collect()
}

/// Returns whether an existing index can serve as the required one.
fn is_equivalent(existing: &IndexModel, wanted: &IndexModel) -> bool {
    let options = existing.options.clone().unwrap_or_default();
    let expires = |index: &IndexModel| {
        index
            .options
            .as_ref()
            .is_some_and(|options| options.expire_after.is_some())
    };
    directions(existing) == directions(wanted)
        && read_collation(existing) == read_collation(wanted)
        && expires(existing) == expires(wanted)
        && options.partial_filter_expression.is_none()
        && options.hidden != Some(true)
        && (is_unique(existing) || !is_unique(wanted))
}

/// Lists values that several documents share, with the ids of these documents.
async fn find_duplicates(collection: &Collection<Document>, field: &str) -> Result<Vec<String>> {
    let groups: Vec<Document> = collection
        .aggregate([
            doc! { "$group": { "_id": format!("${field}"), "ids": { "$push": "$_id" }, "count": { "$sum": 1 } } },
            doc! { "$match": { "count": { "$gt": 1 } } },
            doc! { "$sort": { "_id": 1 } },
            doc! { "$limit": MAX_DUPLICATES },
        ])
        .allow_disk_use(true)
        .await?
        .try_collect()
        .await?;
    Ok(groups
        .iter()
        .map(|group| {
            let ids: Vec<String> = group
                .get_array("ids")
                .map(|ids| ids.iter().map(id_text).collect())
                .unwrap_or_default();
            let value = group
                .get("_id")
                .map(ToString::to_string)
                .unwrap_or_default();
            format!("{value} in {}", ids.join(", "))
        })
        .collect())
}

fn id_text(id: &Bson) -> String {
    id.as_object_id()
        .map_or_else(|| id.to_string(), ObjectId::to_hex)
}
