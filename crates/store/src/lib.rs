//! Implementations of the storage traits: [`sqlite`] and [`mongo`]. Both pass the same suite, `store::contract`.

#[cfg(test)]
mod contract;
mod database;
#[cfg(feature = "mongodb")]
mod mongo;
#[cfg(not(feature = "mongodb"))]
#[path = "mongo_unsupported.rs"]
mod mongo;
pub mod sqlite;

pub use self::database::{Database, MongoSettings, UnusableDatabase};

use std::collections::BTreeMap;

use movie_bag_core::domain::password::cost_at_start;
pub use movie_bag_core::ports::store::*;

/// Adds up the numbers of accounts by the cost that the beginnings of their hashes state.
fn by_cost(beginnings: Vec<(String, i64)>) -> BTreeMap<u32, u64> {
    let mut costs = BTreeMap::new();
    for (beginning, accounts) in beginnings {
        if let Some(cost) = cost_at_start(&beginning) {
            *costs.entry(cost).or_default() += accounts.unsigned_abs();
        }
    }
    costs
}

/// Error for a copy whose mark another copy has replaced.
fn another_copy() -> StoreError {
    StoreError::broken("another copy into this database has started")
}
