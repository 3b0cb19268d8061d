//! Numbers of accounts by the cost of their password hash.

use std::collections::BTreeMap;

use movie_bag_core::domain::password::cost_at_start;

/// Adds up the numbers of accounts by the cost that the beginnings of their hashes state.
pub(crate) fn count_by_cost(beginnings: Vec<(String, i64)>) -> BTreeMap<u32, u64> {
    let mut costs = BTreeMap::new();
    for (beginning, accounts) in beginnings {
        if let Some(cost) = cost_at_start(&beginning) {
            *costs.entry(cost).or_default() += accounts.unsigned_abs();
        }
    }
    costs
}
