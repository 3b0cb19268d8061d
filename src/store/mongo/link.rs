//! The connection to the database: how it is set up, what it says when it fails, and what is told in the log when the
//! database goes and comes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mongodb::error::{
    Error, ErrorKind, TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT,
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

/// Codes of the server that mean "not now": interrupted, stepping down, shutting down, too slow, in somebody's way.
const NOT_NOW: &[i32] = &[
    6, 7, 11, 24, 50, 64, 89, 91, 112, 134, 189, 246, 251, 262, 9001, 10107, 11600, 11601, 11602,
    13388, 13435, 13436,
];

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
    // The driver's message may quote the part that it stumbles over, and that may be a piece of the password: only what
    // it says of a URI without one is shown.
    let (scheme, rest) = uri.split_once("://").unwrap_or(("mongodb", uri));
    let (_, hosts) = rest.rsplit_once('@').unwrap_or(("", rest));
    match ConnectionString::parse(format!("{scheme}://user:password@{hosts}")) {
        Ok(_) => Err(
            "its user or password has characters that must be percent-encoded, as %40 for @"
                .to_owned(),
        ),
        Err(error) => Err(error.kind.to_string()),
    }
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
    /// is what was acknowledged last.
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

    /// Tells what can be waited out from what a person has to look at.
    pub(super) fn failed(&self, error: &Error) -> StoreError {
        let shown = &self.shown;
        let passes = error.contains_label(TRANSIENT_TRANSACTION_ERROR)
            || error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT);
        match &*error.kind {
            ErrorKind::ServerSelection { message, .. } => {
                // The driver's message is a picture of its whole topology.
                let why =
                    self.ailment()
                        .unwrap_or_else(|| match message.contains("Authentication") {
                            true => "user or password is wrong".to_owned(),
                            false => in_words(error),
                        });
                StoreError::Unavailable(format!("no server of {shown} can be used ({why})"))
            }
            ErrorKind::Authentication { .. } => StoreError::Unavailable(format!(
                "{shown} refuses the user or the password ({})",
                in_words(error)
            )),
            ErrorKind::Io(_)
            | ErrorKind::ConnectionPoolCleared { .. }
            | ErrorKind::DnsResolve { .. }
            | ErrorKind::InvalidTlsConfig { .. }
            | ErrorKind::Shutdown => {
                StoreError::Unavailable(format!("{shown}: {}", in_words(error)))
            }
            ErrorKind::Command(command) if passes || NOT_NOW.contains(&command.code) => {
                StoreError::Unavailable(format!("{shown}: {}", in_words(error)))
            }
            _ if passes => StoreError::Unavailable(format!("{shown}: {}", in_words(error))),
            _ => StoreError::Broken(format!("{shown}: {}", in_words(error))),
        }
    }
}

/// An error of the driver, as far as a person wants to know it.
fn in_words(error: &Error) -> String {
    match &*error.kind {
        ErrorKind::Command(command) => format!("{} (code {})", command.message, command.code),
        ErrorKind::Io(error) => error.to_string(),
        ErrorKind::Custom(custom) => custom
            .downcast_ref::<String>()
            .cloned()
            .unwrap_or_else(|| error.kind.to_string()),
        kind => kind.to_string(),
    }
}
