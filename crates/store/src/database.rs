//! Choice between the databases.

use std::path::PathBuf;
use std::sync::Arc;

use movie_bag_core::ports::store::{CopyableStore, Inspection, StoreError};

use super::mongo_settings::{MongoSettings, UnusableDatabase};
use super::{mongo, sqlite};

/// A database, and how to reach it.
pub enum Database {
    Sqlite(PathBuf),
    Mongodb(MongoSettings),
}

impl Database {
    /// Checks the form of the address, and that this build supports the database. Does not connect.
    ///
    /// # Errors
    /// See [`UnusableDatabase`].
    pub fn check(&self) -> Result<(), UnusableDatabase> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Mongodb(settings) => mongo::check(settings),
        }
    }

    /// Opens the database, or creates it. Returns also whether it is new.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it cannot be reached or created. [`StoreError::Broken`] if it is not a database of
    /// movie-bag, if a newer version wrote it, or if an index cannot be created.
    pub async fn open(&self) -> Result<(Arc<dyn CopyableStore>, bool), StoreError> {
        match self {
            Self::Sqlite(path) => sqlite::open(path).await,
            Self::Mongodb(settings) => mongo::open(settings).await,
        }
    }

    /// Opens the database if it exists. For a reader, a MongoDB database that only other programs have written stays
    /// unchanged.
    ///
    /// # Errors
    /// Those of [`Database::open`].
    pub async fn open_existing(
        &self,
        is_reader: bool,
    ) -> Result<Option<Arc<dyn CopyableStore>>, StoreError> {
        match self {
            Self::Sqlite(path) => sqlite::open_existing(path).await,
            Self::Mongodb(settings) => mongo::open_existing(settings, is_reader).await,
        }
    }

    /// Inspects the database without changing it. Returns `None` for a file that does not exist.
    ///
    /// # Errors
    /// Those of [`Database::open`], except for missing indexes, which the inspection lists.
    pub async fn inspect(&self) -> Result<Option<Inspection>, StoreError> {
        match self {
            Self::Sqlite(path) => sqlite::inspect(path).await,
            Self::Mongodb(settings) => mongo::inspect(settings).await.map(Some),
        }
    }
}
