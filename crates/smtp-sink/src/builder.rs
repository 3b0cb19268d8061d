//! Builder of a sink.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::bound_sink::BoundSink;
use crate::clock::{Clock, Rng, SystemClock, SystemRng};
use crate::error::SinkError;
use crate::faults::Rule;
use crate::settings::SinkSettings;
use crate::sink::Sink;

/// Builder of a [`Sink`], or of a [`BoundSink`].
///
/// Without further calls the sink accepts SMTP on a free port of 127.0.0.1, without TLS and without a web port.
///
/// ```
/// # use std::time::Duration;
/// use movie_bag_smtp_sink::Sink;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sink = Sink::builder()
///     .starttls(true)
///     .web(([127, 0, 0, 1], 0))
///     .fail("rcpt:2:451".parse()?)
///     .max_size(1024 * 1024)
///     .idle_timeout(Duration::from_secs(30))
///     .start_blocking()?;
/// println!("SMTP on {}, inbox on http://{}", sink.smtp_addr(), sink.web_addr().unwrap());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a builder does nothing until start or bind is called"]
pub struct SinkBuilder {
    settings: SinkSettings,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl Default for SinkBuilder {
    fn default() -> SinkBuilder {
        SinkBuilder::from(SinkSettings::default())
    }
}

impl From<SinkSettings> for SinkBuilder {
    fn from(settings: SinkSettings) -> SinkBuilder {
        SinkBuilder {
            settings,
            clock: Arc::new(SystemClock),
            rng: Arc::new(SystemRng),
        }
    }
}

impl SinkBuilder {
    /// Sets the address of SMTP; port 0 chooses a free one. The default is 127.0.0.1 with port 0.
    pub fn listen(mut self, address: impl Into<SocketAddr>) -> SinkBuilder {
        self.settings.listen = address.into();
        self
    }

    /// Accepts SMTP over TLS (RFC 8314 3.3) on this address too; port 0 chooses a free one.
    pub fn tls(mut self, address: impl Into<SocketAddr>) -> SinkBuilder {
        self.settings.tls = Some(address.into());
        self
    }

    /// Offers STARTTLS (RFC 3207). Many clients upgrade by themselves and then refuse a certificate that they do not trust, so
    /// the default is false. Clients trust the issued certificate by [`Sink::authority_pem`].
    pub fn starttls(mut self, is_offered: bool) -> SinkBuilder {
        self.settings.starttls = is_offered;
        self
    }

    /// Uses the certificate and the private key of these PEM files, and offers STARTTLS. Without this, a certificate for
    /// `localhost` and the addresses of the sink is issued at each start where TLS is used.
    pub fn certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> SinkBuilder {
        self.settings.certificate = Some((certificate.into(), key.into()));
        self
    }

    /// Writes the authority of an issued certificate to this PEM file, for clients in other processes.
    pub fn ca_out(mut self, file: impl Into<PathBuf>) -> SinkBuilder {
        self.settings.ca_out = Some(file.into());
        self
    }

    /// Serves the web inbox and its HTTP API on this address; port 0 chooses a free one. By default there is no web port.
    pub fn web(mut self, address: impl Into<SocketAddr>) -> SinkBuilder {
        self.settings.web = Some(address.into());
        self
    }

    /// Allows a host name in URLs of the web port, besides IP addresses and `localhost`. All other names are refused, as a
    /// protection against DNS rebinding. May be called repeatedly.
    pub fn web_host(mut self, name: impl Into<String>) -> SinkBuilder {
        self.settings.web_hosts.push(name.into());
        self
    }

    /// Requires this user name and password at the web port (RFC 7617).
    pub fn web_auth(mut self, user: impl Into<String>, password: impl Into<String>) -> SinkBuilder {
        self.settings.web_auth = Some((user.into(), password.into()));
        self
    }

    /// Injects a fault. If several rules match, the first one that was added applies. May be called repeatedly.
    pub fn fail(mut self, rule: Rule) -> SinkBuilder {
        self.settings.fail.push(rule);
        self
    }

    /// Stores the messages in this Maildir too. Messages that are in it at the start are in the inbox again, as far as the limits
    /// permit. One sink at a time can use a folder.
    ///
    /// The sink owns the folder, so use one that no other program needs. A message that the inbox drops because of a limit, and
    /// one that [`Sink::clear`], the web inbox or its API deletes, is deleted from the folder too, also if another program wrote it.
    pub fn store(mut self, folder: impl Into<PathBuf>) -> SinkBuilder {
        self.settings.store = Some(folder.into());
        self
    }

    /// Sets the maximum number of stored messages; the oldest are dropped. 0 is the same as 1. The default is 10,000.
    pub fn max_messages(mut self, messages: usize) -> SinkBuilder {
        self.settings.max_messages = messages;
        self
    }

    /// Sets the maximum size of the stored messages and of those being received, in bytes; the oldest are dropped. It also
    /// limits the size of a message, see [`SinkBuilder::max_size`]. With 0 every message is refused. The default is 512 MiB.
    pub fn max_memory(mut self, bytes: u64) -> SinkBuilder {
        self.settings.max_memory = bytes;
        self
    }

    /// Sets the maximum size of a message, in bytes. The limit in effect is the smaller one of this and
    /// [`SinkBuilder::max_memory`], of which a stored message needs at least 2 KiB more than its size. A larger message is refused with
    /// 552. With 0 every message is refused. The default is 50 MiB.
    pub fn max_size(mut self, bytes: u64) -> SinkBuilder {
        self.settings.max_size = bytes;
        self
    }

    /// Sets the maximum number of recipients of a message. Further ones are refused with 452, which asks the client to send the
    /// message to them again. With 0 every recipient is refused. The default is 2,000.
    pub fn max_recipients(mut self, recipients: usize) -> SinkBuilder {
        self.settings.max_recipients = recipients;
        self
    }

    /// Sets the maximum number of SMTP sessions at once. For a further one, a session that has sent no message for a second is
    /// closed; if there is none, the client is refused with 421. 0 is the same as 1. The default is 2,000.
    pub fn max_sessions(mut self, sessions: usize) -> SinkBuilder {
        self.settings.max_sessions = sessions;
        self
    }

    /// Sets the maximum number of connections of the web port at once. For a further one, the connection that has kept the
    /// server waiting for longest is closed. 0 is the same as 1. The default is 512.
    pub fn max_web_connections(mut self, connections: usize) -> SinkBuilder {
        self.settings.max_web_connections = connections;
        self
    }

    /// Sets the time after which an idle session is ended with 421. With 0 a session ends as soon as it waits for the
    /// client. The default is five minutes, as in RFC 5321 4.5.3.2.7.
    pub fn idle_timeout(mut self, time: Duration) -> SinkBuilder {
        self.settings.idle_timeout = time;
        self
    }

    /// Sets the clock, in place of that of the operating system. It decides [`Message::received_at`](crate::Message::received_at),
    /// and no timeout.
    pub fn clock(mut self, clock: impl Clock + 'static) -> SinkBuilder {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets the source of the ids of messages and of other random bytes, in place of that of the operating system.
    pub fn rng(mut self, rng: impl Rng + 'static) -> SinkBuilder {
        self.rng = Arc::new(rng);
        self
    }

    /// Starts the sink in the background. It accepts connections when this returns.
    ///
    /// # Errors
    /// An address, the certificate or the Maildir cannot be used, or no thread can be started.
    pub async fn start(self) -> Result<Sink, SinkError> {
        Sink::start(self).await
    }

    /// Does the same as [`SinkBuilder::start`], for callers that are not `async`.
    ///
    /// # Errors
    /// An address, the certificate or the Maildir cannot be used, or no thread can be started.
    pub fn start_blocking(self) -> Result<Sink, SinkError> {
        Sink::start_blocking(self)
    }

    /// Listens on all addresses, and serves nothing yet. For programs that run the sink themselves.
    ///
    /// # Errors
    /// An address, the certificate or the Maildir cannot be used.
    ///
    /// # Panics
    /// Outside a Tokio runtime with I/O.
    pub async fn bind(self) -> Result<BoundSink, SinkError> {
        BoundSink::bind(self.settings, self.clock, self.rng)
    }
}
