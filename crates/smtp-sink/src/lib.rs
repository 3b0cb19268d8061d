//! Debugging SMTP server: accepts every message, stores the newest ones, and delivers none.
//!
//! The protocol is in [`smtp`](crate::session); this module owns its sockets. A message is stored before it is parsed, and the
//! target of a link is never fetched.
//!
//! Start reading at [`Sink`]. [`listener`] drives the sessions, encrypted with the [`mod@certificate`]; [`inbox`] stores messages,
//! with the tags that [`auto_tags`] reads from them. [`view`] derives what is shown of a message, [`extract`] finds links,
//! tokens and codes, in HTML with the help of [`html`]. `web_port` serves the pages of the inbox and its
//! HTTP API, with the HTTP server of [`net`].
//! [`supervision`] is what a program with a supervisor of its own implements.

pub mod auto_tags;
pub mod certificate;
pub mod clock;
pub mod compat;
pub mod compose;
pub mod content;
mod duration;
pub mod extract;
pub mod faults;
pub mod html;
pub mod inbox;
mod invisible;
pub mod listener;
pub mod maildir;
mod memory;
pub mod mime;
pub mod net;
pub mod received;
pub mod search;
pub mod search_text;
pub mod session;
pub mod stream;
pub mod supervision;
pub mod unsafe_text;
pub mod view;
mod web_port;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_rustls::TlsAcceptor;

/// Rule of an injected fault, parsed from text.
pub use crate::faults::Rule as FaultRule;
/// Id of a stored message.
pub use crate::session::MessageId;
pub use inbox::{Inbox, Summary};
pub use received::ReceivedMessage;
pub use stream::Stream;

use clock::{Clock, Rng, SystemClock, SystemRng, draw};
use listener::Encryption;
use maildir::Maildir;
use net::SharedListener;
use net::slots::Slots;
use supervision::{Reporter, RunOnce, StartTask, TaskFailed, TaskSupervisor, on_thread, reports};

use crate::faults::Faults;

/// Maximum number of messages that wait for [`OnMessage`], by their ids. Beyond it the clients wait.
const WAITING_TO_BE_SHOWN: usize = 256;

/// Time at the stop for the last calls of [`OnMessage`]: a stopped terminal must not hold the process.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Settings of a sink.
#[derive(Debug, Clone)]
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
    /// Maximum number of recipients of a message; the client is asked to send it again to the others.
    pub max_recipients: usize,
    /// Maximum number of SMTP sessions at once. For a further one, a session that has sent no message for a second is closed;
    /// if there is none, the client is asked to come back.
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
    pub fail: Vec<FaultRule>,
    /// Maildir that holds the same messages on disk.
    pub store: Option<PathBuf>,
    /// User name and password of the web port.
    pub web_auth: Option<(String, String)>,
}

impl SinkSettings {
    fn offers_starttls(&self) -> bool {
        self.starttls || self.certificate.is_some()
    }
}

impl Default for SinkSettings {
    fn default() -> SinkSettings {
        SinkSettings {
            listen: SocketAddr::from(([127, 0, 0, 1], 1025)),
            web: Some(SocketAddr::from(([127, 0, 0, 1], 8025))),
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

/// Error for a sink that cannot start.
#[derive(Debug, Error)]
pub enum SinkError {
    /// An address is not available.
    #[error("cannot listen for {port} on {address}: {why}", why = describe(source))]
    Bind {
        /// The port that is not available.
        port: Port,
        /// The address in the settings.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The certificate or its key is not usable.
    #[error("{0}")]
    Certificate(String),
    /// The authority of the certificate cannot be written.
    #[error("cannot write the certificate authority to {file}: {why}", file = file.display(), why = describe(source))]
    CaOut {
        /// The file in the settings.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The Maildir cannot be opened.
    #[error("cannot store messages in {folder}: {why}", folder = folder.display(), why = describe(source))]
    Store {
        /// The folder in the settings.
        folder: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock => "another smtp-debug stores its messages there".to_owned(),
        _ => net::listen_error(error),
    }
}

/// Ports of a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// [`SinkSettings::listen`].
    Smtp,
    /// [`SinkSettings::tls`].
    SmtpOverTls,
    /// [`SinkSettings::web`].
    Web,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smtp => "SMTP",
            Self::SmtpOverTls => "SMTP over TLS",
            Self::Web => "HTTP",
        })
    }
}

/// Callback for each stored message, in order; `None` stands for a message that was dropped before its turn.
pub type OnMessage = Box<dyn FnMut(Option<&Arc<ReceivedMessage>>) + Send>;

/// Debugging SMTP server. It listens at once, and answers from [`Sink::run`] on.
pub struct Sink {
    settings: SinkSettings,
    smtp: SharedListener,
    smtp_addr: SocketAddr,
    encryption: Encryption,
    smtps: Option<(SharedListener, SocketAddr, Encryption)>,
    web: Option<(SharedListener, SocketAddr)>,
    inbox: Arc<Inbox>,
    left_on_disk: usize,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    supervisor: Arc<dyn TaskSupervisor>,
}

impl Sink {
    /// Listens on all addresses, so that a sink that starts is complete. Time and random bytes are those of the operating
    /// system.
    ///
    /// # Errors
    /// An address, the certificate or the Maildir cannot be used.
    pub async fn bind(settings: SinkSettings) -> Result<Sink, SinkError> {
        Self::bind_with(settings, Arc::new(SystemClock), Arc::new(SystemRng)).await
    }

    /// Does the same as [`Sink::bind`], with a given clock and random source.
    ///
    /// # Errors
    /// An address, the certificate or the Maildir cannot be used.
    pub async fn bind_with(
        settings: SinkSettings,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Sink, SinkError> {
        let (acceptor, authority) =
            certificate(&settings, clock.now()).map_err(SinkError::Certificate)?;
        let (smtp, smtp_addr) = listen(Port::Smtp, settings.listen)?;
        let smtps = match (settings.tls, acceptor.clone()) {
            (Some(address), Some(acceptor)) => {
                let (listener, address) = listen(Port::SmtpOverTls, address)?;
                Some((listener, address, Encryption::Implicit(acceptor)))
            }
            _ => None,
        };
        let encryption = match acceptor {
            Some(acceptor) if settings.offers_starttls() => Encryption::StartTls(acceptor),
            _ => Encryption::None,
        };
        let web = settings
            .web
            .map(|address| listen(Port::Web, address))
            .transpose()?;
        let largest = listener::limits(&settings).message_size;
        let mut inbox = Inbox::new(settings.max_messages, settings.max_memory, Arc::clone(&rng))
            .with_largest_message(largest);
        let mut left_on_disk = 0;
        if let Some(folder) = &settings.store {
            let (maildir, held) = Maildir::open(folder, settings.max_messages, settings.max_memory)
                .map_err(|source| SinkError::Store {
                    folder: folder.clone(),
                    source,
                })?;
            left_on_disk = held.left;
            inbox = inbox.with_archive(maildir, held.messages);
        }
        // Last, so that a start that fails leaves the file of a sink that runs.
        if let (Some(file), Some(authority)) = (&settings.ca_out, authority) {
            std::fs::write(file, authority).map_err(|source| SinkError::CaOut {
                file: file.clone(),
                source,
            })?;
        }
        Ok(Sink {
            settings,
            smtp,
            smtp_addr,
            encryption,
            smtps,
            web,
            inbox: Arc::new(inbox),
            left_on_disk,
            clock,
            rng,
            supervisor: Arc::new(RunOnce),
        })
    }

    /// Runs the tasks of the sink under this supervisor, in place of [`RunOnce`].
    pub fn supervised_by(self, supervisor: Arc<dyn TaskSupervisor>) -> Sink {
        Sink { supervisor, ..self }
    }

    /// Returns the address of SMTP, with the real port.
    pub fn smtp_addr(&self) -> SocketAddr {
        self.smtp_addr
    }

    /// Returns the address of SMTP over TLS, with the real port.
    pub fn smtps_addr(&self) -> Option<SocketAddr> {
        self.smtps.as_ref().map(|(_, address, _)| *address)
    }

    /// Returns the address of the web inbox, with the real port.
    pub fn web_addr(&self) -> Option<SocketAddr> {
        self.web.as_ref().map(|(_, address)| *address)
    }

    /// Returns the number of messages in the Maildir that are older than those in the inbox.
    pub fn left_on_disk(&self) -> usize {
        self.left_on_disk
    }

    /// Returns the inbox. It stays usable while the sink runs, and after it has stopped.
    pub fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    /// Serves until `shutdown` resolves. Then sends the clients 421, closes all connections, and returns after the last call of
    /// `on_message`.
    ///
    /// `on_message` is called for each message after it was stored, one at a time and in order, on a thread of its own, so
    /// that it may block. If it is slow, the clients wait. Ids wait for it, not messages: those that the inbox drops meanwhile
    /// are reported as dropped. Without it, no thread is woken for each message.
    ///
    /// # Errors
    /// A task has failed, and the supervisor does not restart it.
    pub async fn run(
        self,
        on_message: Option<OnMessage>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<Summary, TaskFailed> {
        let supervisor = self.supervisor;
        let (stop, stopped) = watch::channel(false);
        let (all_shown, last_shown) = oneshot::channel::<()>();
        let (reporter, panics) = reports();
        let shows = on_message.is_some();
        let show = on_message.map(|on_message| {
            let (show, mut shown) = mpsc::channel::<MessageId>(WAITING_TO_BE_SHOWN);
            let inbox = Arc::clone(&self.inbox);
            // No blocking task: those are waited for when a runtime ends, and a stopped terminal never ends.
            std::thread::spawn(move || {
                let mut on_message = contained(on_message, reporter);
                while let Some(id) = shown.blocking_recv() {
                    on_message(inbox.get(&id.0).as_ref());
                }
                let _ = all_shown.send(());
            });
            show
        });

        let limits = listener::limits(&self.settings);
        let dice = Arc::clone(&self.rng);
        let faults = Arc::new(
            Faults::new(self.settings.fail.clone()).with_dice(move || percentile(dice.as_ref())),
        );
        let shared = Arc::new(listener::Shared {
            inbox: Arc::clone(&self.inbox),
            clock: Arc::clone(&self.clock),
            rng: Arc::clone(&self.rng),
            faults: Arc::clone(&faults),
            limits,
            idle_timeout: self.settings.idle_timeout,
            sessions: Slots::new(self.settings.max_sessions),
            refusals: Slots::new(listener::MAX_REFUSALS),
            show,
        });
        let smtp = {
            let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
            accepting(shared, self.smtp, self.encryption, stopped)
        };
        let smtps = self.smtps.map(|(listener, _, encryption)| {
            accepting(shared, listener, encryption, stopped.clone())
        });
        let run = async |task: &'static str, start: StartTask| {
            let ended = supervisor.run(task, stopped.clone(), start).await;
            if ended.is_err() {
                stop.send_replace(true);
            }
            ended
        };
        let smtp = run("sink-smtp", Box::new(smtp));
        let smtps = async {
            match smtps {
                Some(smtps) => run("sink-smtps", Box::new(smtps)).await,
                None => Ok(()),
            }
        };
        // On a thread of its own, so that no request holds up a session.
        let web = self.web.map(|(listener, _)| {
            let options = web_port::WebOptions {
                hosts: self.settings.web_hosts.clone(),
                auth: self.settings.web_auth.clone(),
                smtp_addr: self.smtp_addr,
                max_size: self.settings.max_size,
            };
            let state = web_port::WebState::new(
                Arc::clone(&self.inbox),
                Arc::clone(&self.clock),
                self.rng,
                faults,
                options,
                stopped.clone(),
            )
            .with_readiness(Arc::clone(&supervisor));
            let stopped = stopped.clone();
            let most = self.settings.max_web_connections;
            move || -> BoxFuture<'static, io::Result<()>> {
                let (listener, state) = (listener.std_handle(), state.clone());
                let stopped = stopped.clone();
                Box::pin(on_thread("sink-inbox", move |abandoned| {
                    web_port::serve(listener?, web_port::router(state), most, stopped, abandoned)
                }))
            }
        });
        let web = async {
            match web {
                Some(web) => run("sink-inbox", Box::new(web)).await,
                None => Ok(()),
            }
        };
        let output = async {
            if shows {
                let next_failure =
                    Box::new(move || Box::pin(panics.next()) as BoxFuture<'static, _>);
                supervisor
                    .watch("sink-output", stopped.clone(), next_failure)
                    .await;
            }
        };
        let stopping = async {
            let mut has_failed = stopped.clone();
            tokio::select! {
                () = shutdown => {}
                _ = has_failed.wait_for(|stop| *stop) => {}
            }
            stop.send_replace(true);
        };
        let (smtp, smtps, web, (), ()) = tokio::join!(smtp, smtps, web, output, stopping);
        let _ = tokio::time::timeout(LAST_WORDS, last_shown).await;
        smtp.and(smtps).and(web)?;
        Ok(self.inbox.summary())
    }
}

/// Returns the factory of the task that accepts the SMTP sessions of one socket.
fn accepting(
    shared: Arc<listener::Shared>,
    socket: SharedListener,
    encryption: Encryption,
    stopped: watch::Receiver<bool>,
) -> impl FnMut() -> BoxFuture<'static, io::Result<()>> {
    move || {
        let (shared, encryption, stopped) =
            (Arc::clone(&shared), encryption.clone(), stopped.clone());
        let socket = socket.handle();
        Box::pin(async move {
            listener::serve(shared, socket?, encryption, stopped).await;
            Ok(())
        })
    }
}

/// Reports panics of `on_message`, so that the thread that calls it goes on with the next message.
fn contained(mut on_message: OnMessage, reporter: Reporter) -> OnMessage {
    Box::new(move |message| {
        reporter.contain(|| on_message(message));
    })
}

/// Returns the acceptor of the encrypted ports, if there are any, and the authority of its certificate in PEM if both were
/// issued here.
fn certificate(
    settings: &SinkSettings,
    now: Timestamp,
) -> Result<(Option<TlsAcceptor>, Option<String>), String> {
    if let Some((certificate, key)) = &settings.certificate {
        return Ok((Some(certificate::read(certificate, key)?), None));
    }
    if !settings.starttls && settings.tls.is_none() {
        return Ok((None, None));
    }
    let listening: Vec<_> = std::iter::once(settings.listen)
        .chain(settings.tls)
        .map(|address| address.ip())
        .collect();
    let issued = certificate::issue(&listening, now)?;
    Ok((Some(issued.acceptor), Some(issued.authority)))
}

/// Draws a number from 0 to 99. The bias, since 2^64 is no multiple of 100, is negligible.
fn percentile(rng: &dyn Rng) -> u8 {
    (u64::from_le_bytes(draw(rng)) % 100) as u8
}

fn listen(port: Port, address: SocketAddr) -> Result<(SharedListener, SocketAddr), SinkError> {
    let bind = |source| SinkError::Bind {
        port,
        address,
        source,
    };
    let listener = net::listen(address).map_err(bind)?;
    let real = listener.local_addr().map_err(bind)?;
    Ok((SharedListener::new(listener).map_err(bind)?, real))
}

#[cfg(test)]
mod tests;
