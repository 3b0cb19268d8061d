//! What MongoDB alone must keep: steps that die half way on a standalone server, indexes of others, a server that
//! fails.

use super::*;

/// Opens the database at a URI.
pub(in crate::store) async fn open(uri: &str) -> Result<MongoStore, StoreError> {
    MongoStore::open(&MongoSettings {
        uri: uri.to_owned(),
        shown: uri.to_owned(),
        timeout: Duration::from_secs(20),
    })
    .await
}
