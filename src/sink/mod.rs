//! The debugging SMTP server: accepts every message, keeps the newest, delivers none.
//!
//! The protocol is in [`smtp`](crate::smtp); this module owns its sockets. It never parses a message before the message is
//! kept, never fetches the target of a link, and knows nothing of accounts and their database.
//!
//! Start reading at [`Sink`]. [`listener`] drives the sessions, encrypted with the [`mod@certificate`]; [`inbox`] keeps messages,
//! with the tags that [`auto_tags`] reads from them. [`view`] derives what is shown of a message, [`extract`] finds links,
//! tokens and codes, in HTML with the help of [`html`]. [`mod@print`] writes to the terminal; [`api`] and [`web`] serve the
//! web port.

pub mod api;
pub mod auto_tags;
pub mod certificate;
pub mod client;
pub mod compat;
pub mod compose;
pub mod content;
pub mod extract;
pub mod faults;
pub mod html;
pub mod inbox;
pub mod listener;
pub mod maildir;
pub mod mime;
pub mod print;
pub mod received;
pub mod search;
pub mod search_text;
pub mod stream;
pub mod view;
pub mod web;
mod web_port;

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

use crate::domain::clock::{Clock, Rng, draw};
use crate::net::slots::Slots;
use crate::net::{self, SharedListener};
use crate::supervisor::{Reporter, Supervisor, fault_points, reports};

/// Rule of an injected fault, parsed from text.
pub use crate::sink::faults::Rule as FaultRule;
/// Name under which a message was kept.
pub use crate::smtp::MessageId;
pub use inbox::{Inbox, ReceivedMessage};
pub use stream::Stream;

use listener::Encryption;
use maildir::Maildir;

use crate::sink::faults::Faults;

/// Ids of messages that may wait to be shown. Beyond it the clients are slowed down.
const WAITING_TO_BE_SHOWN: usize = 256;

/// How long the end waits for the last messages to be shown; a stopped terminal must not hold the process.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What the sink is told before it starts.
#[derive(Debug, Clone)]
pub struct SinkSettings {
    /// Where SMTP is listened for; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the web inbox and its API are; `None` for no web port.
    pub web: Option<SocketAddr>,
    /// The newest so many messages are kept.
    pub max_messages: usize,
    /// And no more than so many bytes of them, those on their way in included.
    pub max_memory: u64,
    /// Bytes of one message, beyond which it is refused.
    pub max_size: u64,
    /// Recipients of one message, beyond which a client is asked to send it again to the rest.
    pub max_recipients: usize,
    /// SMTP sessions at once. For a further one, a session that has brought no message for a second is closed; where there is
    /// none, the client is asked to come back.
    pub max_sessions: usize,
    /// Connections of the web port at once. For a further one, the connection that has kept the server waiting for longest
    /// is closed.
    pub max_web_connections: usize,
    /// Silence after which a session is ended.
    pub idle_timeout: Duration,
    /// Names under which the web port is served, beside IP addresses and `localhost`.
    pub web_hosts: Vec<String>,
    /// Whether STARTTLS is offered. Many clients upgrade by themselves and then refuse a certificate that they do not
    /// trust, so this is not the default. A certificate of the caller's own offers it too.
    pub starttls: bool,
    /// Address of SMTP that is encrypted from its first byte.
    pub tls: Option<SocketAddr>,
    /// The PEM files of a certificate and its key; `None` for a certificate issued at start.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// File that the authority of a certificate issued at start is written to, in PEM.
    pub ca_out: Option<PathBuf>,
    /// Rules of injected faults.
    pub fail: Vec<FaultRule>,
    /// The Maildir where the same messages are kept on disk.
    pub store: Option<PathBuf>,
    /// The name and the password that the web port asks for.
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

/// Why the sink could not start.
#[derive(Debug, Error)]
pub enum SinkError {
    /// An address could not be listened on.
    #[error("cannot listen for {what} on {address}: {why}", why = describe(source))]
    Bind {
        /// `SMTP` or `HTTP`.
        what: &'static str,
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The certificate, or its key, can't be used.
    #[error("{0}")]
    Certificate(String),
    /// The authority of the certificate cannot be written.
    #[error("cannot write the certificate authority to {file}: {why}", file = file.display(), why = describe(source))]
    CaOut {
        /// The file asked for.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The Maildir can't be opened.
    #[error("cannot store messages in {folder}: {why}", folder = folder.display(), why = describe(source))]
    Store {
        /// The folder asked for.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock => "another smtp-debug stores its messages there".to_owned(),
        _ => net::listen_error(error),
    }
}

impl SinkError {
    /// What to do about it.
    pub fn advice(&self) -> String {
        let (what, source) = match self {
            SinkError::Bind { what, source, .. } => (what, source),
            SinkError::Certificate(_) => {
                return "name a PEM file of certificates with --tls-cert, and one with the key of the first certificate with --tls-key"
                    .to_owned();
            }
            SinkError::CaOut { .. } => {
                return "name a file in a folder that exists with --tls-ca-out FILE".to_owned();
            }
            SinkError::Store { .. } => {
                return "name another folder with --store DIR, or stop the program that uses this one"
                    .to_owned();
            }
        };
        let flag = match *what {
            "SMTP" => "--listen",
            "SMTP over TLS" => "--tls",
            _ => "--web",
        };
        net::listen_hint(source, flag)
    }
}

/// Called for each message after it was kept, in order; with `None` for a message that was dropped before its turn came.
pub type OnMessage = Box<dyn FnMut(Option<&Arc<ReceivedMessage>>) + Send>;

/// What a sink did in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Messages received.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Messages refused, for their size or for want of room.
    pub rejected: u64,
    /// Messages still kept.
    pub kept: usize,
    /// Messages dropped, oldest first, to make room for newer ones.
    pub dropped: u64,
}

/// A debugging SMTP server that listens but does not answer before [`Sink::run`].
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
    supervisor: Supervisor,
}

impl Sink {
    /// Takes both addresses at once, so that a sink that starts is whole.
    pub async fn bind(
        settings: SinkSettings,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Sink, SinkError> {
        let (acceptor, authority) =
            certificate(&settings, clock.now()).map_err(SinkError::Certificate)?;
        let (smtp, smtp_addr) = listen("SMTP", settings.listen)?;
        let smtps = match (settings.tls, acceptor.clone()) {
            (Some(address), Some(acceptor)) => {
                let (listener, address) = listen("SMTP over TLS", address)?;
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
            .map(|address| listen("HTTP", address))
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
            supervisor: Supervisor::default(),
        })
    }

    /// Runs the parts of the sink under this supervisor. A caller that runs a sink ends the process, or at least the sink,
    /// when the supervisor gives up.
    pub fn supervised_by(self, supervisor: Supervisor) -> Sink {
        Sink { supervisor, ..self }
    }

    /// Where SMTP is listened for, with the real port.
    pub fn smtp_addr(&self) -> SocketAddr {
        self.smtp_addr
    }

    /// Where SMTP over TLS is listened for, with the real port.
    pub fn smtps_addr(&self) -> Option<SocketAddr> {
        self.smtps.as_ref().map(|(_, address, _)| *address)
    }

    /// Where the web port is, with the real port.
    pub fn web_addr(&self) -> Option<SocketAddr> {
        self.web.as_ref().map(|(_, address)| *address)
    }

    /// How many messages in the Maildir are older than those that were read.
    pub fn left_on_disk(&self) -> usize {
        self.left_on_disk
    }

    /// What is kept; it may be held on to while and after the sink runs.
    pub fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    /// Serves until `shutdown` is done; then tells the clients, closes, and returns once the last message was shown.
    ///
    /// `on_message` is called for each message after it was kept, one at a time and in order, on a thread of its own:
    /// it may block. A slow one slows the clients down. Ids wait for it, not messages: those that the inbox drops meanwhile are
    /// reported as dropped. Without one, no thread is woken for each.
    pub async fn run(
        self,
        on_message: Option<OnMessage>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Summary {
        let supervisor = self.supervisor;
        let (stop, stopped) = watch::channel(false);
        let (all_shown, last_shown) = oneshot::channel::<()>();
        let (reporter, panics) = reports();
        let shows = on_message.is_some();
        let on_message = on_message.map(|on_message| contained(on_message, reporter));
        let show = on_message.map(|mut on_message| {
            let (show, mut shown) = mpsc::channel::<MessageId>(WAITING_TO_BE_SHOWN);
            let inbox = Arc::clone(&self.inbox);
            // No blocking task: those are waited for when a runtime ends, and a stopped terminal never ends.
            std::thread::spawn(move || {
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
        let smtp = supervisor.run("sink-smtp", stopped.clone(), smtp);
        let smtps = async {
            if let Some(smtps) = smtps {
                supervisor.run("sink-smtps", stopped.clone(), smtps).await;
            }
        };
        // On a thread of its own: nothing that is asked there holds up a session.
        let web = self.web.map(|(listener, _)| {
            let options = api::WebOptions {
                hosts: self.settings.web_hosts.clone(),
                auth: self.settings.web_auth.clone(),
                smtp_addr: self.smtp_addr,
                max_size: self.settings.max_size,
            };
            let state = api::ApiState::new(
                Arc::clone(&self.inbox),
                Arc::clone(&self.clock),
                self.rng,
                faults,
                options,
                stopped.clone(),
            )
            .with_readiness(supervisor.clone());
            let stopped = stopped.clone();
            let most = self.settings.max_web_connections;
            move || {
                let (listener, state) = (listener.std_handle(), state.clone());
                let stopped = stopped.clone();
                move || web_port::serve(listener?, api::router(state), most, stopped)
            }
        });
        let web = async {
            if let Some(web) = web {
                supervisor
                    .run_thread("sink-inbox", stopped.clone(), web)
                    .await;
            }
        };
        let output = async {
            if shows {
                supervisor
                    .watch("sink-output", stopped.clone(), || panics.next())
                    .await;
            }
        };
        let stopping = async {
            shutdown.await;
            let _ = stop.send(true);
        };
        tokio::join!(smtp, smtps, web, output, stopping);
        let _ = tokio::time::timeout(LAST_WORDS, last_shown).await;
        self.inbox.summary()
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
        reporter.contain(|| {
            fault_points::hit("sink-output");
            on_message(message);
        });
    })
}

/// The acceptor of the encrypted ports, where there are any, and the authority of its certificate in PEM, where both were
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

/// Draws a number from 0 to 99. That 2^64 is no multiple of 100 is of no account here.
fn percentile(rng: &dyn Rng) -> u8 {
    (u64::from_le_bytes(draw(rng)) % 100) as u8
}

fn listen(
    what: &'static str,
    address: SocketAddr,
) -> Result<(SharedListener, SocketAddr), SinkError> {
    let bind = |source| SinkError::Bind {
        what,
        address,
        source,
    };
    let listener = net::listen(address).map_err(bind)?;
    let real = listener.local_addr().map_err(bind)?;
    Ok((SharedListener::new(listener).map_err(bind)?, real))
}

#[cfg(test)]
mod tests;
