//! The connection to the database: how it is set up, what it says when it fails, and what is told in the log when the
//! database goes and comes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document};
use mongodb::error::{
    Error, ErrorKind, RETRYABLE_ERROR, RETRYABLE_WRITE_ERROR, TRANSIENT_TRANSACTION_ERROR,
    UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure,
};
use mongodb::event::EventHandler;
use mongodb::event::sdam::SdamEvent;
use mongodb::options::{
    Acknowledgment, ClientOptions, ConnectionString, ReadConcern, ReadPreference,
    SelectionCriteria, WriteConcern,
};

use super::super::StoreError;

/// Connections to one server at once, where the URI does not say.
const POOL: u32 = 50;

/// Codes of the server that mean "not now": interrupted, stepping down, shutting down, too slow, out of room, no member
/// to write to or too few, an operation or index build that was broken off.
const NOT_NOW: &[i32] = &[
    6, 7, 11, 24, 43, 50, 64, 89, 91, 100, 117, 133, 134, 189, 202, 262, 276, 365, 9001, 10107,
    11600, 11601, 11602, 13388, 13435, 13436, 14031,
];
/// Codes of the server that mean that other writes are in the way: a write conflict, a lock or snapshot that is gone, a
/// transaction that was ended or overtaken. Some servers give them without the driver's label.
const COLLIDING: &[i32] = &[24, 112, 225, 246, 251];
/// Labels that mean the same.
const PASSING: [&str; 4] = [
    TRANSIENT_TRANSACTION_ERROR,
    UNKNOWN_TRANSACTION_COMMIT_RESULT,
    RETRYABLE_WRITE_ERROR,
    RETRYABLE_ERROR,
];

/// The server's code where a user is needed, or has too few rights.
const UNAUTHORIZED: i32 = 13;
/// The server's code where an operation exceeded its `maxTimeMS`.
const TIME_LIMIT_EXCEEDED: i32 = 50;
/// The first pause before a step that collided is begun anew, in milliseconds, and the longest.
const PAUSES: (u64, u64) = (2, 200);
/// The version of the wire protocol that MongoDB 4.4 speaks.
const OLDEST_WIRE_VERSION: i64 = 9;

/// A write found something else than was read before, which the server did not report as a collision.
#[derive(Debug)]
pub(super) struct Collision;

impl Collision {
    pub(super) fn error() -> Error {
        Error::custom(Self)
    }
}

/// What is known of the way to the database.
#[derive(Clone)]
pub(super) struct Link {
    /// The URI without what is secret in it.
    shown: String,
    timeout: Duration,
    /// The replica set that the URI names.
    replica_set: Option<String>,
    /// Why the last heartbeat failed, by server; empty while all is well.
    ailing: Arc<Mutex<Vec<(String, String)>>>,
    /// Why a server that answers can't be used, by server.
    unusable: Arc<Mutex<Vec<(String, String)>>>,
}

/// Looks at the form of a URI. The messages hold nothing of its user and password.
///
/// # Errors
/// What is wrong with it.
pub fn check_uri(uri: &str) -> Result<(), String> {
    if ConnectionString::parse(uri).is_ok() {
        return Ok(());
    }
    // The driver quotes what it stumbles over, and that may be a piece of the password: it is asked about the options
    // alone, and about the hosts without a word of it being shown.
    let (scheme, rest) = uri.split_once("://").unwrap_or(("mongodb", uri));
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let user_and_hosts = place.rsplit_once('@');
    let are_options = options.split('&').all(|option| option.contains('='));
    if are_options
        && !options.contains('@')
        && let Err(error) = ConnectionString::parse(format!("{scheme}://localhost/?{options}"))
    {
        return Err(error.kind.to_string());
    }
    if let Some((_, hosts)) = user_and_hosts
        && ConnectionString::parse(format!("{scheme}://user:password@{hosts}")).is_ok()
    {
        return Err(
            "percent-encode special characters in the user and the password, such as %40 for @"
                .to_owned(),
        );
    }
    Err("expected USER:PASSWORD@HOST:PORT/DATABASE?OPTIONS, with special characters in user and password percent-encoded, and several hosts separated by commas".to_owned())
}

impl Link {
    pub(super) fn new(shown: String, timeout: Duration) -> Self {
        Self {
            shown,
            timeout,
            replica_set: None,
            ailing: Arc::default(),
            unusable: Arc::default(),
        }
    }

    /// The time that a step may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Puts into the options what our promises need, whatever the URI says: what is acknowledged lasts, and what is read
    /// is what the primary knows the majority to have.
    pub(super) fn prepare(&mut self, options: &mut ClientOptions) {
        self.replica_set.clone_from(&options.repl_set_name);
        let time_limit = options
            .write_concern
            .take()
            .and_then(|concern| concern.w_timeout);
        // `j` matters on a standalone server, where "majority" alone is met before anything is on disk.
        let mut concern = WriteConcern::builder()
            .w(Acknowledgment::Majority)
            .journal(true)
            .build();
        concern.w_timeout = time_limit;
        options.write_concern = Some(concern);
        options.read_concern = Some(ReadConcern::majority());
        options.selection_criteria =
            Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        options.max_pool_size.get_or_insert(POOL);
        options.server_selection_timeout.get_or_insert(self.timeout);
        options.connect_timeout.get_or_insert(self.timeout);
        options
            .app_name
            .get_or_insert_with(|| "movie-bag".to_owned());
        let link = self.clone();
        options.sdam_event_handler = Some(EventHandler::callback(move |event| link.notice(event)));
    }

    /// Follows the heartbeats, and tells when a server goes and comes.
    fn notice(&self, event: SdamEvent) {
        let mut ailing = self.ailing.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            SdamEvent::ServerHeartbeatFailed(event) => {
                let server = event.server_address.to_string();
                let why = in_words(&event.failure);
                match ailing.iter_mut().find(|(known, _)| *known == server) {
                    Some(known) => known.1 = why,
                    None => {
                        tracing::warn!(%server, error = why, "a database server does not answer");
                        ailing.push((server, why));
                    }
                }
            }
            SdamEvent::ServerHeartbeatSucceeded(event) => {
                let server = event.server_address.to_string();
                self.note_fitness(&server, &event.reply);
                if ailing.iter().any(|(known, _)| *known == server) {
                    tracing::info!(%server, "the database server answers again");
                    ailing.retain(|(known, _)| *known != server);
                }
            }
            SdamEvent::ServerClosed(event) => {
                let server = event.address.to_string();
                ailing.retain(|(known, _)| *known != server);
            }
            _ => {}
        }
    }

    /// Keeps why a server that answers can't be used, until it can. The driver forgets such a server at once where the
    /// URI names another replica set.
    fn note_fitness(&self, server: &str, hello: &Document) {
        let mut unusable = self.unusable.lock().unwrap_or_else(PoisonError::into_inner);
        unusable.retain(|(known, _)| known != server);
        if let Some(why) = objection_to(hello, self.replica_set.as_deref()) {
            unusable.push((server.to_owned(), why));
        }
    }

    fn ailment(&self) -> Option<String> {
        let mut all = Vec::new();
        for list in [&self.ailing, &self.unusable] {
            let list = list.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(list.iter().map(|(server, why)| format!("{server}: {why}")));
        }
        (!all.is_empty()).then(|| all.join(", "))
    }

    /// A step took longer than it may.
    pub(super) fn too_slow(&self) -> StoreError {
        let why = self
            .ailment()
            .unwrap_or_else(|| "it is connected, but slow".to_owned());
        StoreError::Unavailable(format!(
            "no answer from {} within {:?} ({why})",
            self.shown, self.timeout
        ))
    }

    /// Error for a step that met the writes of others until its time was over.
    pub(super) fn contended(&self, conflict: &str) -> StoreError {
        StoreError::Busy(format!(
            "{}: other processes wrote to the same documents for {:?} ({conflict})",
            self.shown, self.timeout
        ))
    }

    /// Error where the server that answers does not accept writes.
    pub(super) fn no_primary(&self, hello: &Document) -> StoreError {
        let why = objection_to(hello, self.replica_set.as_deref()).unwrap_or_else(|| {
            "it is not the primary: name all members in the URI, without directConnection"
                .to_owned()
        });
        StoreError::Unavailable(format!("{} answers, but {why}", self.shown))
    }

    /// Error where a standalone server has become a replica set since the start, or a replica set a standalone server.
    pub(super) fn other_topology(&self, was_replica_set: bool) -> StoreError {
        let (before, now) = match was_replica_set {
            true => ("a replica set", "a standalone server"),
            false => ("a standalone server", "a replica set"),
        };
        StoreError::Unavailable(format!(
            "{} was {before} at the start and is now {now}: restart movie-bag",
            self.shown
        ))
    }

    /// Error where a server that is older than MongoDB 4.4 answers.
    pub(super) fn check_age(&self, hello: &Document) -> Result<(), StoreError> {
        if is_too_old(hello) {
            return Err(StoreError::Broken(format!("{}: {TOO_OLD}", self.shown)));
        }
        Ok(())
    }

    /// Tells what can be waited out from what a person has to look at.
    pub(super) fn failed(&self, error: &Error) -> StoreError {
        let shown = &self.shown;
        match &*error.kind {
            ErrorKind::ServerSelection { .. } => {
                let why = self.ailment().unwrap_or_else(|| in_words(error));
                StoreError::Unavailable(format!("no server of {shown} can be used ({why})"))
            }
            ErrorKind::Authentication { .. } => StoreError::Unavailable(format!(
                "{shown} rejected the user or the password ({})",
                in_words(error)
            )),
            _ if code(error) == Some(UNAUTHORIZED) => StoreError::Broken(format!(
                "{shown}: {}; name a user in the URI who may read and write this database, and a password",
                in_words(error)
            )),
            _ if code(error) == Some(TIME_LIMIT_EXCEEDED) => StoreError::Unavailable(format!(
                "{shown}: {}; the time limit of the whole step is {:?}",
                in_words(error),
                self.timeout
            )),
            _ if is_conflict(error) => StoreError::Busy(format!("{shown}: {}", in_words(error))),
            _ if self.passes(error) => {
                StoreError::Unavailable(format!("{shown}: {}", in_words(error)))
            }
            _ => StoreError::Broken(format!("{shown}: {}", in_words(error))),
        }
    }

    /// Whether a failure can be waited out.
    pub(super) fn passes(&self, error: &Error) -> bool {
        let is_connection = matches!(
            &*error.kind,
            ErrorKind::Io(_)
                | ErrorKind::ConnectionPoolCleared { .. }
                | ErrorKind::DnsResolve { .. }
                | ErrorKind::ServerSelection { .. }
                | ErrorKind::Authentication { .. }
                | ErrorKind::InvalidTlsConfig { .. }
                | ErrorKind::Shutdown
        );
        is_connection
            || is_conflict(error)
            || PASSING.iter().any(|label| error.contains_label(label))
            || code(error).is_some_and(|code| NOT_NOW.contains(&code))
    }
}

/// Reason why a server with this answer to `hello` can't be used, if the answer shows one.
fn objection_to(hello: &Document, replica_set: Option<&str>) -> Option<String> {
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

/// Whether a write met the writes of others: by the server's code, with or without a label, or by what the write found.
pub(super) fn is_conflict(error: &Error) -> bool {
    code(error).is_some_and(|code| COLLIDING.contains(&code))
        || error.get_custom::<Collision>().is_some()
}

/// Whether a transaction is to be begun anew: it met others, or its server or connection was lost before the commit.
pub(super) fn is_transient(error: &Error) -> bool {
    is_conflict(error) || error.contains_label(TRANSIENT_TRANSACTION_ERROR)
}

/// Whether the server reports that a transaction can't go on beside others. The driver also labels lost connections.
pub(super) fn is_collision(error: &Error) -> bool {
    is_conflict(error) || (code(error).is_some() && is_transient(error))
}

/// The pause before the next try, of a random length, so that those that collided do not meet again.
pub(super) fn backoff(tried: u32) -> Duration {
    let (first, longest) = PAUSES;
    let limit = first.saturating_mul(1 << tried.min(16)).min(longest);
    // An ObjectId ends with a counter that begins at random: enough to spread several processes and tasks.
    let [.., high, low] = ObjectId::new().bytes();
    let spread = u64::from(u16::from_be_bytes([high, low]).wrapping_mul(40_503));
    Duration::from_micros(limit * 1_000 * spread / u64::from(u16::MAX))
}

/// The server's code of an error, wherever it stands.
pub(super) fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::InsertMany(error) => {
            let write = error.write_errors.iter().flatten().next();
            let concern = error.write_concern_error.as_ref();
            write
                .map(|error| error.code)
                .or(concern.map(|error| error.code))
        }
        ErrorKind::BulkWrite(error) => {
            let write = error.write_errors.values().next();
            let concern = error.write_concern_errors.first();
            write
                .map(|error| error.code)
                .or(concern.map(|error| error.code))
        }
        ErrorKind::Command(error) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => Some(error.code),
        _ => None,
    }
}

/// An error of the driver, as far as a person wants to know it.
pub(super) fn in_words(error: &Error) -> String {
    match &*error.kind {
        ErrorKind::Command(command) => format!("{} (code {})", command.message, command.code),
        // Without the details, in which the server may quote what it was to write.
        ErrorKind::Write(WriteFailure::WriteError(error)) => {
            format!("{} (code {})", error.message, error.code)
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => {
            format!("{} (code {})", error.message, error.code)
        }
        ErrorKind::InsertMany(many) => {
            let write = many.write_errors.iter().flatten().next();
            let write = write.map(|error| format!("{} (code {})", error.message, error.code));
            let concern = many.write_concern_error.as_ref();
            let concern = concern.map(|error| format!("{} (code {})", error.message, error.code));
            write
                .or(concern)
                .unwrap_or_else(|| "an insert of several documents failed".to_owned())
        }
        ErrorKind::BulkWrite(bulk) => {
            let write = bulk.write_errors.values().next();
            let write = write.map(|error| format!("{} (code {})", error.message, error.code));
            let concern = bulk.write_concern_errors.first();
            let concern = concern.map(|error| format!("{} (code {})", error.message, error.code));
            write
                .or(concern)
                .unwrap_or_else(|| "a bulk write failed".to_owned())
        }
        ErrorKind::Io(error) => error.to_string(),
        ErrorKind::Custom(custom) if custom.is::<Collision>() => {
            "other processes wrote to the same documents".to_owned()
        }
        ErrorKind::Custom(custom) => custom
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_else(|| error.kind.to_string()),
        // The driver's message is a picture of its whole topology. What is known of each server stands before this.
        ErrorKind::ServerSelection { .. } => "no server answers".to_owned(),
        kind => kind.to_string(),
    }
}
