//! Looks at a database without changing it.

use jiff::Timestamp;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::Result;

use super::super::{Inspection, SchemaState, StoreError};
use super::{MongoSettings, MongoStore};

impl MongoStore {
    /// Looks at a database.
    ///
    /// # Errors
    /// Those of [`MongoStore::open`], but for the indexes, of which it tells.
    pub async fn inspect(settings: &MongoSettings) -> std::result::Result<Inspection, StoreError> {
        let (store, hello) = Self::connect(settings, |_| ()).await?;
        let state = store.state().await?;
        let found = store.within(store.look(state, &hello));
        found.await
    }

    async fn look(&self, state: SchemaState, hello: &Document) -> Result<Inspection> {
        let (sound, missing) = match state {
            SchemaState::Current => self.look_at_indexes().await?,
            SchemaState::Empty | SchemaState::Older => (0, Vec::new()),
        };
        let database = self.client.database(&self.at.user.driver().namespace().db);
        // Some servers that speak the protocol know less of it, and some users may not ask.
        let statistics = database.run_command(doc! { "dbStats": 1 }).await;
        let statistics = statistics.unwrap_or_default();
        let newest = self.at.history.find_one(doc! {}).sort(doc! { "at": -1 });
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

/// A number of bytes, of whichever type the server sends.
fn number(document: &Document, field: &str) -> Option<u64> {
    match document.get(field)? {
        Bson::Int32(number) => u64::try_from(*number).ok(),
        Bson::Int64(number) => u64::try_from(*number).ok(),
        Bson::Double(number) if *number >= 0.0 => Some(*number as u64),
        _ => None,
    }
}
