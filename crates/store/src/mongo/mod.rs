//! The database that several servers share: MongoDB, by the official driver.
//!
//! The collections `user` and `movie` are those of a movie-bag database written by MongoEngine, which goes on working
//! on them at the same time; all else is in collections of its own, `movie_bag_…`. What changes several documents at once is a step (`steps.rs`), and is kept whole by a transaction or
//! by the journal (`journal.rs`): start there.

mod accounts;
mod copying;
mod documents;
mod history;
mod indexes;
mod inspect;
mod journal;
mod limits;
mod link;
mod movies;
mod outbox;
mod steps;
#[cfg(test)]
pub(in crate) mod tests;
mod timed_collection;
mod turn;

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Error;
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};

use super::{SchemaState, Store, StoreError};
use link::Link;
pub use link::check_uri;
use timed_collection::{TimedCollection, within_time};
use turn::is_duplicate;

/// The database's name where the URI has none.
const DEFAULT_DATABASE: &str = "movie-bag";
/// Of which version a database is that is worked on here.
const VERSION: i64 = 1;
/// How long a sign of life may take: whoever asks for one wants to know, not to wait.
const PING: Duration = Duration::from_secs(2);

/// Which MongoDB, and how.
#[derive(Clone)]
pub struct MongoSettings {
    /// Its URI.
    pub uri: String,
    /// The URI without what is secret in it, for messages.
    pub shown: String,
    /// How long a step may take, with finding a server.
    pub timeout: Duration,
}

/// The store in a MongoDB database.
pub struct MongoStore {
    client: Client,
    at: Collections,
    link: Link,
    /// Whether the topology has transactions: a standalone server has none.
    has_transactions: bool,
    /// Whether the server compares by collations, as some that speak the protocol do not.
    has_collations: AtomicBool,
    /// How many of the next leases look for an entry that nobody holds, before they claim one.
    careful_leases: AtomicU32,
    /// How many lines of histories were written. It begins anywhere, so that many short commands come to cutting, too.
    lines: AtomicU32,
    /// Whether the database had neither our mark nor accounts when it was opened.
    is_new: bool,
}

/// Where things are kept.
#[derive(Clone)]
struct Collections {
    user: TimedCollection,
    movie: TimedCollection,
    outbox: TimedCollection,
    history: TimedCollection,
    journal: TimedCollection,
    revocations: TimedCollection,
    tallies: TimedCollection,
    locks: TimedCollection,
    decoys: TimedCollection,
    meta: TimedCollection,
}

impl Collections {
    fn of(database: &Database, is_standalone: bool) -> Self {
        let collection = |name| TimedCollection::new(database, name, is_standalone);
        Self {
            user: collection("user"),
            movie: collection("movie"),
            outbox: collection("movie_bag_outbox"),
            history: collection("movie_bag_history"),
            journal: collection("movie_bag_journal"),
            revocations: collection("movie_bag_revocations"),
            tallies: collection("movie_bag_tallies"),
            locks: collection("movie_bag_locks"),
            decoys: collection("movie_bag_decoys"),
            meta: collection("movie_bag_meta"),
        }
    }

    fn all(&self) -> [&TimedCollection; 10] {
        [
            &self.user,
            &self.movie,
            &self.outbox,
            &self.history,
            &self.journal,
            &self.revocations,
            &self.tallies,
            &self.locks,
            &self.decoys,
            &self.meta,
        ]
    }
}

impl MongoStore {
    /// Connects, makes the indexes that are missing, and completes what a standalone server was left with when a
    /// process died.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] where no server answers within the time, [`StoreError::Broken`] where documents stand
    /// in the way of an index, or the database is of a newer version.
    pub async fn open(settings: &MongoSettings) -> Result<Self, StoreError> {
        Self::open_with(settings, |_| ()).await
    }

    async fn open_with(
        settings: &MongoSettings,
        adjust: impl FnOnce(&mut ClientOptions),
    ) -> Result<Self, StoreError> {
        let (mut store, _) = Self::connect(settings, adjust).await?;
        store.is_new = store.state().await? == SchemaState::Empty;
        store.prepare().await
    }

    /// Connects to a database that exists; `None` where there is neither our mark nor an account, and then nothing is
    /// created. A database that only other programs have written is left as it is, too: without our indexes it can be read.
    ///
    /// # Errors
    /// Those of [`MongoStore::open`].
    pub async fn open_existing(
        settings: &MongoSettings,
        is_reader: bool,
    ) -> Result<Option<Self>, StoreError> {
        let (store, _) = Self::connect(settings, |_| ()).await?;
        match store.state().await? {
            SchemaState::Empty => Ok(None),
            SchemaState::Older if is_reader => {
                // Without the index that a collation needs, a search through all accounts does the same everywhere.
                store.has_collations.store(false, Ordering::Relaxed);
                Ok(Some(store))
            }
            SchemaState::Older | SchemaState::Current => store.prepare().await.map(Some),
        }
    }

    /// Whether opening this database created it.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Creates what is missing, and completes what a process that died left unfinished.
    async fn prepare(self) -> Result<Self, StoreError> {
        self.make_collections().await?;
        // Building an index takes as long as the collection is large.
        self.make_indexes().await?;
        // Last, so that the mark means that all of it exists.
        self.mark_version().await?;
        if self.within(self.resume(doc! {})).await? {
            tracing::info!("completed unfinished steps in movie_bag_journal");
        }
        Ok(self)
    }

    /// Returns how far the database is from what this version works on.
    ///
    /// # Errors
    /// [`StoreError::Broken`] for a database of a newer version.
    async fn state(&self) -> Result<SchemaState, StoreError> {
        let mark = self.within(async { self.at.meta.find_one(schema_mark()).await });
        let mark = mark.await?;
        refuse_newer(mark.as_ref())?;
        if mark.is_some() {
            return Ok(SchemaState::Current);
        }
        let account = self.within(async { self.at.user.find_one(doc! {}).await });
        Ok(match account.await? {
            Some(_) => SchemaState::Older,
            None => SchemaState::Empty,
        })
    }

    /// Connects, and changes nothing; returns also what the server says of itself. `adjust` may change the options.
    async fn connect(
        settings: &MongoSettings,
        adjust: impl FnOnce(&mut ClientOptions),
    ) -> Result<(Self, Document), StoreError> {
        let mut link = Link::new(settings.shown.clone(), settings.timeout);
        let mut options = {
            let options = async { ClientOptions::parse(&settings.uri).await };
            limited(&link, settings.timeout, options).await?
        };
        link.prepare(&mut options);
        adjust(&mut options);
        let connect = async {
            let name = options
                .default_database
                .clone()
                .unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
            let client = Client::with_options(options)?;
            let database = client.database(&name);
            let hello = database.run_command(doc! { "hello": 1 }).await?;
            Ok((client, database, hello))
        };
        let (client, database, hello) = limited(&link, settings.timeout, connect).await?;
        link.check_age(&hello)?;
        if !is_primary(&hello) {
            return Err(link.no_primary(&hello));
        }
        let has_transactions = has_transactions(&hello);
        let store = Self {
            at: Collections::of(&database, !has_transactions),
            has_transactions,
            has_collations: AtomicBool::new(true),
            client,
            link,
            careful_leases: AtomicU32::new(0),
            lines: AtomicU32::new(ObjectId::new().bytes()[11].into()),
            is_new: false,
        };
        Ok((store, hello))
    }

    /// Keeps a step within its time, and tells what its failure means.
    async fn within<T>(
        &self,
        step: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        limited(&self.link, self.link.timeout(), step).await
    }

    /// Marks a database that is new with its version, and refuses one of a newer version.
    async fn mark_version(&self) -> Result<(), StoreError> {
        let mark = self.within(async {
            let version = doc! { "$setOnInsert": { "version": VERSION } };
            match self.at.meta.upsert_one(schema_mark(), version).await {
                // Several start at once, and another one was faster.
                Err(error) if is_duplicate(&error) => {}
                marked => marked?,
            }
            self.at.meta.find_one(schema_mark()).await
        });
        refuse_newer(mark.await?.as_ref())
    }
}

/// The document that says of which version a database is.
fn schema_mark() -> Document {
    doc! { "_id": "schema" }
}

fn refuse_newer(mark: Option<&Document>) -> Result<(), StoreError> {
    let version = match mark.and_then(|mark| mark.get("version")) {
        Some(Bson::Int64(version)) => *version,
        Some(Bson::Int32(version)) => i64::from(*version),
        Some(Bson::Double(version)) => *version as i64,
        _ => VERSION,
    };
    if version > VERSION {
        return Err(StoreError::broken(format!(
            "the database was written by a newer movie-bag (schema {version}, this one knows {VERSION}): upgrade movie-bag"
        )));
    }
    Ok(())
}

/// Whether a server has transactions: a member of a replica set names its set, a router of a cluster says what it is.
fn has_transactions(hello: &Document) -> bool {
    hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid")
}

/// Whether a server takes writes. The driver asks only such ones, but for a `directConnection` to another.
fn is_primary(hello: &Document) -> bool {
    hello.get_bool("isWritablePrimary").unwrap_or_default()
}

async fn limited<T>(
    link: &Link,
    time: Duration,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, StoreError> {
    match within_time(time, step).await {
        Some(outcome) => outcome.map_err(|error| link.failed(&error)),
        None => Err(link.too_slow()),
    }
}

#[async_trait]
impl Store for MongoStore {
    async fn ping(&self) -> Result<(), StoreError> {
        let look = async {
            let database = self.client.database(&self.at.user.driver().namespace().db);
            database.run_command(doc! { "hello": 1 }).await
        };
        let answer = limited(&self.link, PING.min(self.link.timeout()), look).await;
        match answer {
            Ok(hello) if !is_primary(&hello) => Err(self.link.no_primary(&hello)),
            // How steps are kept whole was chosen at the start.
            Ok(hello) if has_transactions(&hello) != self.has_transactions => {
                Err(self.link.other_topology(self.has_transactions))
            }
            Ok(_) => Ok(()),
            // Whatever it says instead, it can't be worked with now.
            Err(StoreError::Broken(why)) => Err(StoreError::Unavailable(why)),
            Err(error) => Err(error),
        }
    }
}
