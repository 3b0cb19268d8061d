//! Settings of a sink as one value.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::faults::Rule;

/// Settings of a sink, for programs that compute them. Others use the methods of [`SinkBuilder`](crate::SinkBuilder), which
/// describe each of them.
#[derive(Clone)]
#[non_exhaustive]
pub struct SinkSettings {
    /// Address of SMTP; port 0 chooses a free one.
    pub listen: SocketAddr,
    /// Address of the web inbox and its API; `None` for no web port.
    pub web: Option<SocketAddr>,
    /// Maximum number of stored messages; the oldest are dropped.
    pub max_messages: usize,
    /// Maximum size of the stored messages and of those being received, in bytes; the oldest are dropped.
    pub max_memory: u64,
    /// Maximum size of a message, in bytes; a larger one is refused.
    pub max_size: u64,
    /// Maximum number of recipients of a message; the reply requests the client to send it again to the others.
    pub max_recipients: usize,
    /// Maximum number of SMTP sessions at once. For a further one, a session that has sent no message for a second is closed;
    /// if there is none, the client is refused with 421.
    pub max_sessions: usize,
    /// Maximum number of connections of the web port at once. For a further one, the connection that has kept the server
    /// waiting for longest is closed.
    pub max_web_connections: usize,
    /// Time after which an idle session is ended.
    pub idle_timeout: Duration,
    /// Host names allowed in URLs of the web port, besides IP addresses and `localhost`.
    pub web_hosts: Vec<String>,
    /// Whether STARTTLS is offered. Many clients upgrade by themselves and then refuse a certificate that they do not
    /// trust, so this is not the default. [`SinkSettings::certificate`] offers it too.
    pub starttls: bool,
    /// Address of SMTP over TLS.
    pub tls: Option<SocketAddr>,
    /// PEM files of a certificate and its key; `None` for a certificate issued at start.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// PEM file to which the authority of a certificate issued at start is written.
    pub ca_out: Option<PathBuf>,
    /// Rules of injected faults.
    pub fail: Vec<Rule>,
    /// Maildir that holds the same messages on disk.
    pub store: Option<PathBuf>,
    /// User name and password of the web port.
    pub web_auth: Option<(String, String)>,
}

impl SinkSettings {
    pub(crate) fn offers_starttls(&self) -> bool {
        self.starttls || self.certificate.is_some()
    }
}

impl Default for SinkSettings {
    /// A free port of the loopback address, no web port, no TLS.
    fn default() -> SinkSettings {
        SinkSettings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            web: None,
            max_messages: 10_000,
            max_memory: 512 * 1024 * 1024,
            max_size: 50 * 1024 * 1024,
            max_recipients: 2_000,
            max_sessions: 2_000,
            max_web_connections: 512,
            idle_timeout: Duration::from_secs(5 * 60),
            web_hosts: Vec::new(),
            starttls: false,
            tls: None,
            certificate: None,
            ca_out: None,
            fail: Vec::new(),
            store: None,
            web_auth: None,
        }
    }
}
