//! Error of a copy that another copy into the same database has superseded.

use movie_bag_core::ports::store::StoreError;

/// Error for a copy whose mark another copy has replaced.
pub(crate) fn superseded_copy() -> StoreError {
    StoreError::broken("another copy into this database has started")
}
