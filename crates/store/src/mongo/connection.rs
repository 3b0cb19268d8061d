//! Connection to the database: client options, error messages, and log entries for lost and restored servers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mongodb::bson::{Bson, Document};
use mongodb::error::{Error, ErrorKind};
use mongodb::event::EventHandler;
use mongodb::event::sdam::SdamEvent;
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
};
use movie_bag_core::ports::store::StoreError;

use super::errors::{DriverError, code, describe, is_conflict, is_temporary};

/// Maximum number of connections to one server, unless the URI sets one.
const MAX_CONNECTIONS: u32 = 50;

/// Server code: a user is required, or has too few rights.
const UNAUTHORIZED: i32 = 13;
/// Server code: an operation exceeded its `maxTimeMS`.
const TIME_LIMIT_EXCEEDED: i32 = 50;
/// Wire protocol version of MongoDB 4.4.
const OLDEST_WIRE_VERSION: i64 = 9;

/// Time limit, name and observed health of the database servers.
#[derive(Clone)]
pub(super) struct Connection {
    /// URI without its secrets.
    shown: String,
    /// Time limit of a step.
    pub(super) timeout: Duration,
    /// Name of the replica set in the URI.
    replica_set: Option<String>,
    /// Cause of the last failed heartbeat, by server. Servers whose last heartbeat succeeded are absent.
    unreachable: Arc<Mutex<Vec<(String, String)>>>,
    /// Reason why a server that answers cannot be used, by server.
    unusable: Arc<Mutex<Vec<(String, String)>>>,
}

impl Connection {
    pub(super) fn new(shown: String, timeout: Duration) -> Self {
        Self {
            shown,
            timeout,
            replica_set: None,
            unreachable: Arc::default(),
            unusable: Arc::default(),
        }
    }

    /// Sets the options that the guarantees of the store need, for any URI: acknowledged writes are durable, and reads return
    /// data that the primary has confirmed to be on a majority of the members.
    pub(super) fn configure(&mut self, options: &mut ClientOptions) {
        self.replica_set.clone_from(&options.repl_set_name);
        let time_limit = options
            .write_concern
            .take()
            .and_then(|concern| concern.w_timeout);
        // `j` matters on a standalone server: it acknowledges "majority" alone before the write is on disk.
        let mut concern = WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .build();
        concern.w_timeout = time_limit;
        options.write_concern = Some(concern);
        options.read_concern = Some(ReadConcern::majority());
        options.selection_criteria =
            Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        options.max_pool_size.get_or_insert(MAX_CONNECTIONS);
        options.server_selection_timeout.get_or_insert(self.timeout);
        options.connect_timeout.get_or_insert(self.timeout);
        options
            .app_name
            .get_or_insert_with(|| "movie-bag".to_owned());
        let connection = self.clone();
        options.sdam_event_handler = Some(EventHandler::callback(move |event| {
            connection.follow_heartbeat(event)
        }));
    }

    /// Follows the heartbeats, and logs lost and restored servers.
    fn follow_heartbeat(&self, event: SdamEvent) {
        let mut unreachable = self
            .unreachable
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match event {
            SdamEvent::ServerHeartbeatFailed(event) => {
                let server = event.server_address.to_string();
                let why = describe(&event.failure);
                match unreachable.iter_mut().find(|(known, _)| *known == server) {
                    Some(known) => known.1 = why,
                    None => {
                        tracing::warn!(%server, error = why, "a database server does not answer");
                        unreachable.push((server, why));
                    }
                }
            }
            SdamEvent::ServerHeartbeatSucceeded(event) => {
                let server = event.server_address.to_string();
                self.record_usability(&server, &event.reply);
                if unreachable.iter().any(|(known, _)| *known == server) {
                    tracing::info!(%server, "the database server answers again");
                    unreachable.retain(|(known, _)| *known != server);
                }
            }
            SdamEvent::ServerClosed(event) => {
                let server = event.address.to_string();
                unreachable.retain(|(known, _)| *known != server);
            }
            _ => {}
        }
    }

    /// Records the reason why a server that answers cannot be used, or that the server can be used. The driver itself
    /// drops such a server at once if the URI names another replica set.
    fn record_usability(&self, server: &str, hello: &Document) {
        let mut unusable = self.unusable.lock().unwrap_or_else(PoisonError::into_inner);
        unusable.retain(|(known, _)| known != server);
        if let Some(why) = unusable_reason(hello, self.replica_set.as_deref()) {
            unusable.push((server.to_owned(), why));
        }
    }

    /// Lists the known problems of all servers.
    fn problems(&self) -> Option<String> {
        let mut all = Vec::new();
        for list in [&self.unreachable, &self.unusable] {
            let list = list.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(list.iter().map(|(server, why)| format!("{server}: {why}")));
        }
        (!all.is_empty()).then(|| all.join(", "))
    }

    /// Returns the error for a step that exceeded its time limit.
    pub(super) fn timeout_error(&self) -> StoreError {
        let why = self
            .problems()
            .unwrap_or_else(|| "it is connected, but slow".to_owned());
        StoreError::unavailable(format!(
            "no answer from {} within {:?} ({why})",
            self.shown, self.timeout
        ))
    }

    /// Returns the error for a step that conflicted with other writes until its time limit.
    pub(super) fn contention_error(&self, conflict: &str) -> StoreError {
        StoreError::busy(format!(
            "{}: other processes wrote to the same documents for {:?} ({conflict})",
            self.shown, self.timeout
        ))
    }

    /// Returns the error for a server that answers and does not accept writes.
    pub(super) fn not_primary_error(&self, hello: &Document) -> StoreError {
        let why = unusable_reason(hello, self.replica_set.as_deref()).unwrap_or_else(|| {
            "it is not the primary: name all members in the URI, without directConnection"
                .to_owned()
        });
        StoreError::unavailable(format!("{} answers, but {why}", self.shown))
    }

    /// Returns the error for a server that was standalone at the start and is now a replica set, or the reverse.
    pub(super) fn topology_error(&self, was_replica_set: bool) -> StoreError {
        let (before, now) = if was_replica_set {
            ("a replica set", "a standalone server")
        } else {
            ("a standalone server", "a replica set")
        };
        StoreError::unavailable(format!(
            "{} was {before} at the start and is now {now}: restart movie-bag",
            self.shown
        ))
    }

    /// Checks that the server is not older than MongoDB 4.4.
    pub(super) fn check_version(&self, hello: &Document) -> Result<(), StoreError> {
        if is_too_old(hello) {
            return Err(StoreError::broken(format!("{}: {TOO_OLD}", self.shown)));
        }
        Ok(())
    }

    /// Converts an error of the driver: temporary failures become `Unavailable` or `Busy`, all others `Broken`.
    pub(super) fn store_error(&self, error: &Error) -> StoreError {
        let shown = &self.shown;
        let converted = match &*error.kind {
            ErrorKind::ServerSelection { .. } => {
                let why = self.problems().unwrap_or_else(|| describe(error));
                StoreError::unavailable(format!("no server of {shown} can be used ({why})"))
            }
            ErrorKind::Authentication { .. } => StoreError::unavailable(format!(
                "{shown} rejected the user or the password ({})",
                describe(error)
            )),
            _ if code(error) == Some(UNAUTHORIZED) => StoreError::broken(format!(
                "{shown}: {}; name a user in the URI who may read and write this database, and a password",
                describe(error)
            )),
            _ if code(error) == Some(TIME_LIMIT_EXCEEDED) => StoreError::unavailable(format!(
                "{shown}: {}; the time limit of the whole step is {:?}",
                describe(error),
                self.timeout
            )),
            _ if is_conflict(error) => StoreError::busy(format!("{shown}: {}", describe(error))),
            _ if is_temporary(error) => {
                StoreError::unavailable(format!("{shown}: {}", describe(error)))
            }
            _ => StoreError::broken(format!("{shown}: {}", describe(error))),
        };
        converted.with_source(DriverError::new(error))
    }
}

/// Returns the reason why a server with this reply to `hello` cannot be used, if the reply shows it.
fn unusable_reason(hello: &Document, replica_set: Option<&str>) -> Option<String> {
    if is_too_old(hello) {
        return Some(TOO_OLD.to_owned());
    }
    if hello.get_bool("isreplicaset").unwrap_or_default() {
        return Some("its replica set is not initiated yet: run rs.initiate() on it".to_owned());
    }
    match (hello.get_str("setName").ok(), replica_set?) {
        (None, wanted) => Some(format!(
            "it is not a member of a replica set, and the URI has replicaSet={wanted}: leave that option out, or run rs.initiate() on a server started with --replSet {wanted}"
        )),
        (Some(name), wanted) if name != wanted => Some(format!(
            "it is a member of the replica set {name}, and the URI has replicaSet={wanted}: write replicaSet={name}"
        )),
        _ => None,
    }
}

const TOO_OLD: &str = "it is older than MongoDB 4.4, the oldest supported version: upgrade it";

fn is_too_old(hello: &Document) -> bool {
    let version = match hello.get("maxWireVersion") {
        Some(Bson::Int64(version)) => *version,
        Some(Bson::Int32(version)) => i64::from(*version),
        Some(Bson::Double(version)) => *version as i64,
        _ => 0,
    };
    version < OLDEST_WIRE_VERSION
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use mongodb::bson::{deserialize_from_document, doc};
    use mongodb::error::WriteFailure;

    use super::*;

    #[test]
    fn an_error_never_prints_the_document_that_the_server_quotes() {
        const HASH: &str = "$2b$12$quoted";
        let refused = doc! {
            "index": 0,
            "code": 121,
            "errmsg": "Document failed validation",
            "errInfo": { "failingDocument": { "password": HASH } },
        };
        let refused = deserialize_from_document(refused).unwrap();
        let driver: Error = ErrorKind::Write(WriteFailure::WriteError(refused)).into();
        assert!(format!("{driver:?}").contains(HASH), "the driver prints it");

        let connection = Connection::new("mongodb://shown".to_owned(), Duration::from_secs(20));
        let error = connection.store_error(&driver);
        let mut printed = format!("{error} {error:?} {error:#?}");
        let mut sources = 0;
        let mut source = error.source();
        while let Some(error) = source {
            printed += &format!("{error} {error:?} {error:#?}");
            source = error.source();
            sources += 1;
        }
        assert_eq!(sources, 2, "{printed}");
        assert!(printed.contains("Document failed validation (code 121)"));
        assert!(!printed.contains(HASH), "{printed}");
    }
}
