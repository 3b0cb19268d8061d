//! Replaces the module `mongo` in a build without the feature `mongodb`: each function returns an error.

use std::sync::Arc;

use super::mongo_settings::{MongoSettings, UnusableDatabase};
use movie_bag_core::ports::store::{CopyableStore, Inspection, StoreError};

pub(super) fn check(_: &MongoSettings) -> Result<(), UnusableDatabase> {
    Err(UnusableDatabase::NotSupported)
}

pub(super) async fn open(
    settings: &MongoSettings,
) -> Result<(Arc<dyn CopyableStore>, bool), StoreError> {
    Err(unsupported(settings))
}

pub(super) async fn open_existing(
    settings: &MongoSettings,
    _is_reader: bool,
) -> Result<Option<Arc<dyn CopyableStore>>, StoreError> {
    Err(unsupported(settings))
}

pub(super) async fn inspect(settings: &MongoSettings) -> Result<Inspection, StoreError> {
    Err(unsupported(settings))
}

fn unsupported(settings: &MongoSettings) -> StoreError {
    StoreError::broken(format!(
        "{}: {}",
        settings.shown,
        UnusableDatabase::NotSupported
    ))
}
