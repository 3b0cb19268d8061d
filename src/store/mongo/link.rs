//! The connection to the database: how it is set up, what it says when it fails, and what is told in the log when the
//! database goes and comes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
/// to write to or too few, in somebody's way.
const NOT_NOW: &[i32] = &[
    6, 7, 11, 24, 43, 50, 64, 89, 91, 100, 112, 133, 134, 189, 246, 251, 262, 9001, 10107, 11600,
    11601, 11602, 13388, 13435, 13436, 14031,
];
/// Labels that mean the same.
const PASSING: [&str; 4] = [
    TRANSIENT_TRANSACTION_ERROR,
    UNKNOWN_TRANSACTION_COMMIT_RESULT,
    RETRYABLE_WRITE_ERROR,
    RETRYABLE_ERROR,
];

/// The server's code where a user is needed, or has too few rights.
const UNAUTHORIZED: i32 = 13;

/// What is known of the way to the database.
#[derive(Clone)]
pub(super) struct Link {
    /// The URI without what is secret in it.
    shown: String,
    timeout: Duration,
    /// Why the last heartbeat failed, by server; empty while all is well.
    ailing: Arc<Mutex<Vec<(String, String)>>>,
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
            "its user or password has characters that must be percent-encoded, as %40 for @"
                .to_owned(),
        );
    }
    Err("it is USER:PASSWORD@HOST:PORT/DATABASE?OPTIONS, with special characters of user and password percent-encoded, and several hosts with commas between".to_owned())
}

impl Link {
    pub(super) fn new(shown: String, timeout: Duration) -> Self {
        Self {
            shown,
            timeout,
            ailing: Arc::default(),
        }
    }

    /// The time that a step may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Puts into the options what our promises need, whatever the URI says: what is acknowledged lasts, and what is read
    /// is what the primary knows the majority to have.
    pub(super) fn prepare(&self, options: &mut ClientOptions) {
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

    fn ailment(&self) -> Option<String> {
        let ailing = self.ailing.lock().unwrap_or_else(PoisonError::into_inner);
        let all: Vec<String> = ailing
            .iter()
            .map(|(server, why)| format!("{server}: {why}"))
            .collect();
        (!all.is_empty()).then(|| all.join(", "))
    }

    /// A step took longer than it may.
    pub(super) fn too_slow(&self) -> StoreError {
        let why = self
            .ailment()
            .unwrap_or_else(|| "it is connected, and slow".to_owned());
        StoreError::Unavailable(format!(
            "no answer from {} within {:?} ({why})",
            self.shown, self.timeout
        ))
    }

    /// The server that answers takes no writes.
    pub(super) fn no_primary(&self) -> StoreError {
        StoreError::Unavailable(format!(
            "{} answers, and is not the primary: name all members in the URI, without directConnection",
            self.shown
        ))
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
                "{shown} refuses the user or the password ({})",
                in_words(error)
            )),
            _ if code(error) == Some(UNAUTHORIZED) => StoreError::Broken(format!(
                "{shown}: {} - give the URI a user who may read and write this database, and a password",
                in_words(error)
            )),
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
            || PASSING.iter().any(|label| error.contains_label(label))
            || code(error).is_some_and(|code| NOT_NOW.contains(&code))
    }
}

/// The server's code of an error, wherever it stands.
pub(super) fn code(error: &Error) -> Option<i32> {
    match &*error.kind {
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
        ErrorKind::Io(error) => error.to_string(),
        ErrorKind::Custom(custom) => custom
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_else(|| error.kind.to_string()),
        // The driver's message is a picture of its whole topology.
        ErrorKind::ServerSelection { .. } => "it does not answer".to_owned(),
        kind => kind.to_string(),
    }
}
