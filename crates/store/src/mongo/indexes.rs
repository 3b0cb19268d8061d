//! The indexes, made where they are missing.
//!
//! What is there is looked at first, and any index that does the work is taken: MongoEngine has made its own, with
//! options of which some servers that speak the protocol say that they collide with ours. Several servers may start at once: whoever comes
//! second finds the index, or the server tells that it is there.

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

use super::super::StoreError;
use super::MongoStore;
use super::link::{code, in_words};
use super::timed_collection::time_left;
use super::turn::is_duplicate;

/// How long an entry that is gone is kept out of sight: far longer than a step that is performed twice may take.
const GONE_IS_KEPT: Duration = Duration::from_secs(300);
/// How long a lock is kept after its last use: far longer than a transaction may last, which is a minute.
const LOCK_IS_KEPT: Duration = Duration::from_secs(300);
/// How often the log says that an index is still being built.
const STILL_BUILDING: Duration = Duration::from_secs(10);
/// Codes of servers that refuse the option `commitQuorum`: those of MongoDB for an unknown or invalid option or command
/// field, and for what is not implemented.
const OPTION_REFUSED: &[i32] = &[2, 9, 72, 115, 238, 40_415];
/// How many duplicates a message names.
const SHOWN: i64 = 10;

/// The collation under which addresses that differ by capitals are alike.
pub(super) fn ignoring_case() -> Collation {
    Collation::builder()
        .locale("en")
        .strength(CollationStrength::Secondary)
        .build()
}

/// An index that must be there.
struct Wanted<'a> {
    collection: &'a Collection<Document>,
    model: IndexModel,
}

fn plain(keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).build()
}

fn with(keys: Document, options: IndexOptions) -> IndexModel {
    IndexModel::builder().keys(keys).options(options).build()
}

fn unique(keys: Document) -> IndexModel {
    with(keys, IndexOptions::builder().unique(true).build())
}

impl MongoStore {
    fn wanted(&self) -> [Wanted<'_>; 14] {
        let at = &self.at;
        // Not unique: an existing database may have addresses that differ by capitals alone.
        let spellings = IndexOptions::builder()
            .name("movie_bag_email_ignoring_case".to_owned())
            .collation(ignoring_case())
            .build();
        let of_gone = IndexOptions::builder().expire_after(GONE_IS_KEPT).build();
        let of_lock = IndexOptions::builder().expire_after(LOCK_IS_KEPT).build();
        let at_once = || IndexOptions::builder().expire_after(Duration::ZERO).build();
        [
            (&at.user, unique(doc! { "email": 1 })),
            (&at.user, with(doc! { "email": 1 }, spellings)),
            (&at.movie, unique(doc! { "name": 1 })),
            (&at.movie, plain(doc! { "added_by": 1 })),
            (
                &at.outbox,
                plain(doc! { "state": 1, "is_again": 1, "free_at": 1, "_id": 1 }),
            ),
            (&at.outbox, plain(doc! { "account": 1, "requested_at": 1 })),
            (&at.outbox, plain(doc! { "state": 1, "requested_at": 1 })),
            (&at.outbox, with(doc! { "gone_at": 1 }, of_gone)),
            (
                &at.history,
                plain(doc! { "account": 1, "at": -1, "_id": -1 }),
            ),
            (&at.history, plain(doc! { "at": 1 })),
            (&at.journal, plain(doc! { "account": 1 })),
            (&at.tallies, with(doc! { "kept_until": 1 }, at_once())),
            (&at.locks, with(doc! { "at": 1 }, of_lock)),
            (&at.decoys, with(doc! { "at": 1 }, at_once())),
        ]
        .map(|(collection, model)| Wanted {
            collection: collection.driver(),
            model,
        })
    }

    /// How many indexes are there, and those that are missing, as `collection.field, field`.
    pub(super) async fn look_at_indexes(&self) -> Result<(usize, Vec<String>)> {
        let (mut sound, mut missing) = (0, Vec::new());
        for wanted in self.wanted() {
            let there = indexes_of(wanted.collection).await?;
            if there.iter().any(|index| serves(index, &wanted.model)) {
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

    /// Creates the collections that are missing. A transaction that creates one by its first write collides with all
    /// others that do.
    pub(super) async fn make_collections(&self) -> std::result::Result<(), StoreError> {
        const NAMESPACE_EXISTS: i32 = 48;
        let database = self.client.database(&self.at.user.driver().namespace().db);
        let there = self
            .within(async { database.list_collection_names().await })
            .await?;
        for missing in self.at.all() {
            let name = missing.driver().name();
            if there.iter().any(|there| there == name) {
                continue;
            }
            let making = self.within(async {
                match database.create_collection(name).await {
                    // Another process was faster.
                    Err(error) if code(&error) == Some(NAMESPACE_EXISTS) => Ok(()),
                    made => made,
                }
            });
            making.await?;
        }
        Ok(())
    }

    /// Creates the indexes that are missing.
    ///
    /// # Errors
    /// Documents that stand in the way of a unique index, by name; nothing is repaired.
    pub(super) async fn make_indexes(&self) -> std::result::Result<(), StoreError> {
        for wanted in self.wanted() {
            let is_there = async || {
                let there = self.within(indexes_of(wanted.collection)).await?;
                let serves = there.iter().any(|index| serves(index, &wanted.model));
                Ok::<_, StoreError>((serves, there))
            };
            if is_there().await?.0 {
                continue;
            }
            let has_collation = collation_of(&wanted.model).is_some();
            match self.build(&wanted).await {
                Ok(()) if !has_collation => {}
                // A server without collations refuses the option, or takes it and forgets it.
                Ok(()) => {
                    if !is_there().await?.0 {
                        self.do_without_collations("it drops the collation of an index");
                    }
                }
                Err(error) => {
                    let (serves, there) = is_there().await?;
                    if serves {
                        // Another process was faster.
                        continue;
                    }
                    let objection = self.objection_to(&wanted, &there, &error).await;
                    if !has_collation || !is_refusal(&error) {
                        return Err(objection);
                    }
                    self.do_without_collations(&in_words(&error));
                }
            }
        }
        Ok(())
    }

    /// Builds an index, however long it takes.
    async fn build(&self, wanted: &Wanted<'_>) -> Result<()> {
        let collection = wanted.collection.name();
        let keys = &wanted.model.keys;
        // By default a build waits for every member that votes, and so for ever for one that is down.
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
                    () = tokio::time::sleep(STILL_BUILDING) => {
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

    fn do_without_collations(&self, why: &str) {
        self.has_collations.store(false, Ordering::Relaxed);
        tracing::warn!(
            why,
            "this database server has no collations: finding an address in other upper and lower case reads all accounts"
        );
    }

    /// What stands in the way of an index.
    async fn objection_to(
        &self,
        wanted: &Wanted<'_>,
        there: &[IndexModel],
        error: &Error,
    ) -> StoreError {
        let name = wanted.collection.name();
        let keys = &wanted.model.keys;
        let field = keys.keys().next().map_or("", String::as_str);
        if is_duplicate(error) {
            // Without a limit in time, as the index was.
            return match duplicates(wanted.collection, field).await {
                Ok(found) => StoreError::broken(format!(
                    "cannot create the unique index on {name}.{field}, nothing was changed: several documents have the same value: {}; change or delete all but one of each",
                    found.join("; ")
                )),
                Err(error) => self.link.failed(&error),
            };
        }
        // An index with the same keys that does other work.
        if let Some(other) = there
            .iter()
            .find(|index| index.keys == *keys && collation_of(index) == collation_of(&wanted.model))
        {
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
        self.link.failed(error)
    }
}

/// Whether a server refuses to build an index as it is wanted, for good.
fn is_refusal(error: &Error) -> bool {
    const OPTIONS_CONFLICT: i32 = 85;
    const KEYS_CONFLICT: i32 = 86;
    matches!(&*error.kind, ErrorKind::Command(_))
        && !is_duplicate(error)
        && !matches!(code(error), Some(OPTIONS_CONFLICT | KEYS_CONFLICT))
}

async fn indexes_of(collection: &Collection<Document>) -> Result<Vec<IndexModel>> {
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

fn collation_of(index: &IndexModel) -> Option<(String, bool)> {
    let collation = index.options.as_ref()?.collation.as_ref()?;
    let ignores_case = matches!(
        collation.strength,
        Some(CollationStrength::Primary | CollationStrength::Secondary)
    );
    Some((collation.locale.clone(), ignores_case))
}

/// The fields of an index with their directions, whose numbers come back as other types.
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

/// Whether an index does the work of another.
fn serves(there: &IndexModel, wanted: &IndexModel) -> bool {
    let options = there.options.clone().unwrap_or_default();
    let expires = |index: &IndexModel| {
        index
            .options
            .as_ref()
            .is_some_and(|options| options.expire_after.is_some())
    };
    directions(there) == directions(wanted)
        && collation_of(there) == collation_of(wanted)
        && expires(there) == expires(wanted)
        && options.partial_filter_expression.is_none()
        && options.hidden != Some(true)
        && (is_unique(there) || !is_unique(wanted))
}

/// What several documents have alike, with their ids.
async fn duplicates(collection: &Collection<Document>, field: &str) -> Result<Vec<String>> {
    let groups: Vec<Document> = collection
        .aggregate([
            doc! { "$group": { "_id": format!("${field}"), "ids": { "$push": "$_id" }, "count": { "$sum": 1 } } },
            doc! { "$match": { "count": { "$gt": 1 } } },
            doc! { "$sort": { "_id": 1 } },
            doc! { "$limit": SHOWN },
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
                .map(|ids| ids.iter().map(id_in_words).collect())
                .unwrap_or_default();
            let value = group
                .get("_id")
                .map(ToString::to_string)
                .unwrap_or_default();
            format!("{value} in {}", ids.join(", "))
        })
        .collect())
}

fn id_in_words(id: &Bson) -> String {
    id.as_object_id()
        .map_or_else(|| id.to_string(), ObjectId::to_hex)
}
