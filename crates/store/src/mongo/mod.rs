//! Store on MongoDB, which several servers can share. Uses the official driver.
//!
//! The collections `user` and `movie` have the format of MongoEngine, and an application that uses MongoEngine may work on
//! them at the same time. All other data is in separate collections, `movie_bag_…`. A change of several documents is a step
//! (`steps/`). A transaction or the journal makes it atomic (`journal.rs`): start there.

mod accounts;
mod collections;
mod connection;
mod copying;
mod documents;
mod errors;
mod execution;
mod history;
mod indexes;
mod inspect;
mod journal;
mod limits;
mod movies;
mod outbox;
mod paging;
mod pending;
mod steps;
mod tally_documents;
#[cfg(test)]
pub(crate) mod tests;
mod timed_collection;
mod uri;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mongodb::Client;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Error;
use mongodb::options::ClientOptions;
use movie_bag_core::ports::store::{CopyableStore, Inspection, SchemaState, Store, StoreError};

use super::mongo_settings::{MongoSettings, UnusableDatabase};
use collections::Collections;
use connection::Connection;
use errors::is_duplicate;
use timed_collection::run_with_limit;
use uri::check_uri;

/// Name of the database if the URI contains none.
const DEFAULT_DATABASE: &str = "movie-bag";
/// Schema version that this code reads and writes.
const VERSION: i64 = 1;
/// Time limit of a ping. It is short because a health check needs an answer, not a retry.
const PING_TIMEOUT: Duration = Duration::from_secs(2);
/// Time limit for saying goodbye to the servers, which may be gone.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Checks the form of the connection string.
pub(super) fn check(settings: &MongoSettings) -> Result<(), UnusableDatabase> {
    check_uri(&settings.uri).map_err(UnusableDatabase::InvalidUri)
}

/// Opens a database, or creates it. Returns also whether it is new.
pub(super) async fn open(
    settings: &MongoSettings,
) -> Result<(Arc<dyn CopyableStore>, bool), StoreError> {
    let store = MongoStore::open(settings).await?;
    let is_new = store.is_new;
    Ok((Arc::new(store), is_new))
}

/// Opens a database that exists; see [`MongoStore::open_existing`].
pub(super) async fn open_existing(
    settings: &MongoSettings,
    is_reader: bool,
) -> Result<Option<Arc<dyn CopyableStore>>, StoreError> {
    let store = MongoStore::open_existing(settings, is_reader).await?;
    Ok(store.map(|store| Arc::new(store) as Arc<dyn CopyableStore>))
}

/// Inspects a database without changing it.
pub(super) async fn inspect(settings: &MongoSettings) -> Result<Inspection, StoreError> {
    MongoStore::inspect(settings).await
}

/// Store in a MongoDB database.
pub(super) struct MongoStore {
    client: Client,
    collections: Collections,
    connection: Connection,
    /// Whether the topology supports transactions. A standalone server does not.
    has_transactions: bool,
    /// Whether the server supports collations. Some servers that implement the protocol do not.
    has_collations: AtomicBool,
    /// Number of upcoming leases that take one entry each and skip entries that another transaction has locked.
    careful_leases: AtomicU32,
    /// Counter of written history lines. Its start value is arbitrary, so that short-lived processes trim histories, too.
    lines: AtomicU32,
    /// Whether the database had neither a schema document nor accounts when it was opened.
    is_new: bool,
}

impl MongoStore {
    /// Connects, creates missing indexes, and completes the steps that a process left unfinished when it died (standalone
    /// servers).
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if no server answers within the time limit. [`StoreError::Broken`] if documents prevent
    /// the creation of an index, or if a newer version wrote the database.
    async fn open(settings: &MongoSettings) -> Result<Self, StoreError> {
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

    /// Connects to a database that exists. Returns `None`, and creates nothing, if the database has neither a schema document
    /// nor an account. A reader also leaves a database unchanged that only other programs have written: reading works
    /// without our indexes.
    ///
    /// # Errors
    /// Those of [`MongoStore::open`].
    async fn open_existing(
        settings: &MongoSettings,
        is_reader: bool,
    ) -> Result<Option<Self>, StoreError> {
        let (store, _) = Self::connect(settings, |_| ()).await?;
        match store.state().await? {
            SchemaState::Empty => Ok(None),
            SchemaState::Older if is_reader => {
                // The index with the collation may be missing. A scan of all accounts finds the same ones.
                store.has_collations.store(false, Ordering::Relaxed);
                Ok(Some(store))
            }
            SchemaState::Older | SchemaState::Current => store.prepare().await.map(Some),
        }
    }

    /// Creates missing collections and indexes, and completes the steps that a process left unfinished when it died.
    async fn prepare(self) -> Result<Self, StoreError> {
        self.create_collections().await?;
        // Index builds have no time limit, since their duration depends on the size of the collection.
        self.create_indexes().await?;
        // Last, so that the schema document implies that collections and indexes exist.
        self.record_version().await?;
        if self.run(self.complete_steps(doc! {})).await? {
            tracing::info!("completed unfinished steps in movie_bag_journal");
        }
        Ok(self)
    }

    /// Compares the database with the schema of this version.
    ///
    /// # Errors
    /// [`StoreError::Broken`] if a newer version wrote the database.
    async fn state(&self) -> Result<SchemaState, StoreError> {
        let schema = self.run(async { self.collections.meta.find_one(schema_id()).await });
        let schema = schema.await?;
        refuse_newer(schema.as_ref())?;
        if schema.is_some() {
            return Ok(SchemaState::Current);
        }
        let account = self.run(async { self.collections.user.find_one(doc! {}).await });
        Ok(match account.await? {
            Some(_) => SchemaState::Older,
            None => SchemaState::Empty,
        })
    }

    /// Connects without changing anything. Returns also the server's reply to `hello`. `adjust` may change the options.
    async fn connect(
        settings: &MongoSettings,
        adjust: impl FnOnce(&mut ClientOptions),
    ) -> Result<(Self, Document), StoreError> {
        let mut connection = Connection::new(settings.shown.clone(), settings.timeout);
        let mut options = {
            let options = async { ClientOptions::parse(&settings.uri).await };
            run_limited(&connection, settings.timeout, options).await?
        };
        connection.configure(&mut options);
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
        let (client, database, hello) = run_limited(&connection, settings.timeout, connect).await?;
        connection.check_version(&hello)?;
        if !is_primary(&hello) {
            return Err(connection.not_primary_error(&hello));
        }
        let has_transactions = has_transactions(&hello);
        let store = Self {
            collections: Collections::new(&database, !has_transactions),
            has_transactions,
            has_collations: AtomicBool::new(true),
            client,
            connection,
            careful_leases: AtomicU32::new(0),
            lines: AtomicU32::new(ObjectId::new().bytes()[11].into()),
            is_new: false,
        };
        Ok((store, hello))
    }

    /// Runs database operations within the time limit of a step, and converts their error.
    async fn run<T>(
        &self,
        operations: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        run_limited(&self.connection, self.connection.timeout, operations).await
    }

    /// Writes the schema version into a new database.
    ///
    /// # Errors
    /// [`StoreError::Broken`] if a newer version wrote the database.
    async fn record_version(&self) -> Result<(), StoreError> {
        let schema = self.run(async {
            let version = doc! { "$setOnInsert": { "version": VERSION } };
            match self.collections.meta.upsert_one(schema_id(), version).await {
                // Another process wrote it in the meantime.
                Err(error) if is_duplicate(&error) => {}
                written => written?,
            }
            self.collections.meta.find_one(schema_id()).await
        });
        refuse_newer(schema.await?.as_ref())
    }
}

/// Filter for the schema document, which holds the schema version.
fn schema_id() -> Document {
    doc! { "_id": "schema" }
}

fn refuse_newer(schema: Option<&Document>) -> Result<(), StoreError> {
    let version = match schema.and_then(|schema| schema.get("version")) {
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

/// Returns whether a server supports transactions. The reply of a replica set member contains the name of the set; the
/// reply of a cluster's router contains a fixed message.
fn has_transactions(hello: &Document) -> bool {
    hello.contains_key("setName") || hello.get_str("msg").is_ok_and(|msg| msg == "isdbgrid")
}

/// Returns whether a server accepts writes. The driver selects only such servers, except with `directConnection`.
fn is_primary(hello: &Document) -> bool {
    hello.get_bool("isWritablePrimary").unwrap_or_default()
}

async fn run_limited<T>(
    connection: &Connection,
    limit: Duration,
    operations: impl Future<Output = Result<T, Error>>,
) -> Result<T, StoreError> {
    match run_with_limit(limit, operations).await {
        Some(outcome) => outcome.map_err(|error| connection.store_error(&error)),
        None => Err(connection.timeout_error()),
    }
}

#[async_trait]
impl Store for MongoStore {
    async fn ping(&self) -> Result<(), StoreError> {
        let look = async {
            let database = self
                .client
                .database(&self.collections.user.driver().namespace().db);
            database.run_command(doc! { "hello": 1 }).await
        };
        let answer = run_limited(
            &self.connection,
            PING_TIMEOUT.min(self.connection.timeout),
            look,
        )
        .await;
        match answer {
            Ok(hello) if !is_primary(&hello) => Err(self.connection.not_primary_error(&hello)),
            // The choice between transactions and the journal was made at the start.
            Ok(hello) if has_transactions(&hello) != self.has_transactions => {
                Err(self.connection.topology_error(self.has_transactions))
            }
            Ok(_) => Ok(()),
            // Any other error to a ping also means that the database cannot be used now.
            Err(StoreError::Broken(why)) => Err(StoreError::Unavailable(why)),
            Err(error) => Err(error),
        }
    }

    /// Ends the driver's tasks. One that runs while the runtime is dropped can panic.
    async fn close(&self) {
        let closing = self.client.clone().shutdown();
        if tokio::time::timeout(CLOSE_TIMEOUT, closing).await.is_err() {
            tracing::debug!("the database did not answer when its connections were closed");
        }
    }
}
