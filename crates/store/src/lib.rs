//! Implementations of the storage traits of `movie_bag_core`: [`sqlite`] and [`mongo`]. Both pass the same suite,
//! `contract`. [`Database`] chooses between them.

#[cfg(test)]
mod contract;
mod database;
mod hash_costs;
#[cfg(feature = "mongodb")]
mod mongo;
#[cfg(not(feature = "mongodb"))]
#[path = "mongo_unsupported.rs"]
mod mongo;
mod mongo_settings;
pub mod sqlite;
mod superseded_copy;

pub use self::database::Database;
pub use self::mongo_settings::{MongoSettings, UnusableDatabase};
