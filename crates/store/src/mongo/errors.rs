//! Classification of the driver's errors, their text, and the pause before a retry.

use std::fmt;
use std::time::Duration;

use mongodb::bson::oid::ObjectId;
use mongodb::error::{
    Error, ErrorKind, RETRYABLE_ERROR, RETRYABLE_WRITE_ERROR, TRANSIENT_TRANSACTION_ERROR,
    UNKNOWN_TRANSACTION_COMMIT_RESULT, WriteFailure,
};

/// Server codes of temporary failures: interrupted, stepping down, shutting down, too slow, out of disk space, no primary
/// or too few members, an aborted operation or index build.
const TEMPORARY_CODES: &[i32] = &[
    6, 7, 11, 24, 43, 50, 64, 89, 91, 100, 117, 133, 134, 189, 202, 262, 276, 365, 9001, 10107,
    11600, 11601, 11602, 13388, 13435, 13436, 14031,
];
/// Driver labels of temporary failures.
const TEMPORARY_LABELS: [&str; 4] = [
    TRANSIENT_TRANSACTION_ERROR,
    UNKNOWN_TRANSACTION_COMMIT_RESULT,
    RETRYABLE_WRITE_ERROR,
    RETRYABLE_ERROR,
];
/// Server codes of conflicts with other writes: a write conflict, a lost lock or snapshot, an aborted or superseded
/// transaction. Some servers send them without the label that the driver expects.
const CONFLICT_CODES: &[i32] = &[24, 112, 225, 246, 251];
const DUPLICATE_KEY: i32 = 11_000;
/// Bounds of the first and of the longest pause before a retry, in milliseconds.
const PAUSES: (u64, u64) = (2, 200);

/// A write found another document than the one that was read before, and the server reported no conflict.
#[derive(Debug)]
pub(super) struct WriteConflict;

impl WriteConflict {
    pub(super) fn error() -> Error {
        Error::custom(Self)
    }
}

/// Error of the driver as the source of a [`StoreError`](movie_bag_core::ports::store::StoreError).
///
/// The server may quote the document to be written, with its password hash, in the details of an error, and the driver's own
/// `Display` and `Debug` print the details. This type prints only [`describe`], and ends the chain of sources, so that no
/// report of an error contains them, in any form.
pub(super) struct DriverError(Error);

impl DriverError {
    pub(super) fn new(error: &Error) -> Self {
        Self(error.clone())
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&describe(&self.0))
    }
}

impl fmt::Debug for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for DriverError {}

/// Returns whether a failure is temporary, so that a later call may succeed.
pub(super) fn is_temporary(error: &Error) -> bool {
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
        || TEMPORARY_LABELS
            .iter()
            .any(|label| error.contains_label(label))
        || code(error).is_some_and(|code| TEMPORARY_CODES.contains(&code))
}

/// Returns whether a write conflicted with other writes: by the server's code, with or without a label, or because of the
/// document that it found.
pub(super) fn is_conflict(error: &Error) -> bool {
    code(error).is_some_and(|code| CONFLICT_CODES.contains(&code))
        || error.get_custom::<WriteConflict>().is_some()
}

/// Returns whether a transaction must be restarted: after a conflict, or if its server or connection was lost before the
/// commit.
pub(super) fn is_transient(error: &Error) -> bool {
    is_conflict(error) || error.contains_label(TRANSIENT_TRANSACTION_ERROR)
}

/// Returns whether the server reports that a transaction conflicts with others. The driver's label alone is not enough:
/// the driver also labels lost connections.
pub(super) fn is_server_conflict(error: &Error) -> bool {
    is_conflict(error) || (code(error).is_some() && is_transient(error))
}

/// Returns whether a write violated a unique index.
pub(super) fn is_duplicate(error: &Error) -> bool {
    code(error) == Some(DUPLICATE_KEY)
}

/// Returns the pause before the next try. Its length is random, so that conflicting writers do not conflict again.
pub(super) fn backoff(tried: u32) -> Duration {
    let (first, longest) = PAUSES;
    let limit = first.saturating_mul(1 << tried.min(16)).min(longest);
    // An ObjectId ends with a counter that has a random start: enough to spread several processes and tasks.
    let [.., high, low] = ObjectId::new().bytes();
    let spread = u64::from(u16::from_be_bytes([high, low]).wrapping_mul(40_503));
    Duration::from_micros(limit * 1_000 * spread / u64::from(u16::MAX))
}

/// Returns the server's error code, if the server reported the error.
pub(super) fn code(error: &Error) -> Option<i32> {
    server_error(error).map(|(code, _)| code)
}

/// Returns the text of an error for a person.
pub(super) fn describe(error: &Error) -> String {
    if let Some((code, message)) = server_error(error) {
        return format!("{message} (code {code})");
    }
    match &*error.kind {
        ErrorKind::InsertMany(_) => "an insert of several documents failed".to_owned(),
        ErrorKind::BulkWrite(_) => "a bulk write failed".to_owned(),
        ErrorKind::Io(error) => error.to_string(),
        ErrorKind::Custom(custom) if custom.is::<WriteConflict>() => {
            "other processes wrote to the same documents".to_owned()
        }
        ErrorKind::Custom(custom) => custom
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_else(|| error.kind.to_string()),
        // The driver's message is a dump of its topology. The caller adds the known problems of each server.
        ErrorKind::ServerSelection { .. } => "no server answers".to_owned(),
        kind => kind.to_string(),
    }
}

/// Returns the server's code and message, without the details, in which the server may quote the document to be written.
fn server_error(error: &Error) -> Option<(i32, &str)> {
    match &*error.kind {
        ErrorKind::InsertMany(error) => {
            let write = error.write_errors.iter().flatten().next();
            let concern = error.write_concern_error.as_ref();
            write
                .map(|error| (error.code, error.message.as_str()))
                .or(concern.map(|error| (error.code, error.message.as_str())))
        }
        ErrorKind::BulkWrite(error) => {
            let write = error.write_errors.values().next();
            let concern = error.write_concern_errors.first();
            write
                .map(|error| (error.code, error.message.as_str()))
                .or(concern.map(|error| (error.code, error.message.as_str())))
        }
        ErrorKind::Command(error) => Some((error.code, &error.message)),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some((error.code, &error.message)),
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => {
            Some((error.code, &error.message))
        }
        _ => None,
    }
}
