//! Read-only inspection of a database, for `check`.

use jiff::Timestamp;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Result;
use movie_bag_core::ports::store::{Inspection, SchemaState, StoreError};

use super::super::mongo_settings::MongoSettings;
use super::MongoStore;

impl MongoStore {
    /// Inspects a database without changing it.
    ///
    /// # Errors
    /// Those of [`MongoStore::open`], except for missing indexes, which the result lists.
    pub(super) async fn inspect(
        settings: &MongoSettings,
    ) -> std::result::Result<Inspection, StoreError> {
        let (store, hello) = Self::connect(settings, |_| ()).await?;
        let state = store.state().await?;
        let inspection = store.run(store.collect(state, &hello));
        inspection.await
    }

    async fn collect(&self, state: SchemaState, hello: &Document) -> Result<Inspection> {
        let (sound, missing) = match state {
            SchemaState::Current => self.check_indexes().await?,
            SchemaState::Empty | SchemaState::Older => (0, Vec::new()),
        };
        let database = self
            .client
            .database(&self.collections.user.driver().namespace().db);
        // Some servers that implement the protocol report less, and some users lack the right.
        let statistics = database.run_command(doc! { "dbStats": 1 }).await;
        let statistics = statistics.unwrap_or_default();
        let newest = self
            .collections
            .history
            .find_one(doc! {})
            .sort(doc! { "at": -1 });
        let newest = newest.await?;
        let disk = [
            number(&statistics, "fsTotalSize"),
            number(&statistics, "fsUsedSize"),
        ];
        Ok(Inspection {
            state,
            bytes: number(&statistics, "totalSize")
                .or_else(|| number(&statistics, "storageSize"))
                .filter(|bytes| *bytes > 0),
            free_bytes: match disk {
                [Some(total), Some(used)] if total > 0 => Some(total.saturating_sub(used)),
                _ => None,
            },
            sound,
            missing,
            server_time: time(hello, "localTime"),
            newest_event: newest.and_then(|event| time(&event, "at")),
        })
    }
}

fn time(document: &Document, field: &str) -> Option<Timestamp> {
    let time = document.get_datetime(field).ok()?;
    Timestamp::from_millisecond(time.timestamp_millis()).ok()
}

/// Reads a number of bytes. Servers send it in different types.
fn number(document: &Document, field: &str) -> Option<u64> {
    match document.get(field)? {
        Bson::Int32(number) => u64::try_from(*number).ok(),
        Bson::Int64(number) => u64::try_from(*number).ok(),
        Bson::Double(number) if *number >= 0.0 => Some(*number as u64),
        _ => None,
    }
}
