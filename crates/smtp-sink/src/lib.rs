//! The debugging SMTP server: accepts every message, keeps the newest, delivers none.
//!
//! The protocol is in [`smtp`](crate::smtp); this module owns its sockets. It never parses a message before the message is
//! kept, never fetches the target of a link, and knows nothing of accounts and their database.
//!
//! Start reading at [`Sink`]. [`listener`] drives the sessions, encrypted with the [`mod@certificate`]; [`inbox`] keeps messages,
//! with the tags that [`auto_tags`] reads from them. [`view`] derives what is shown of a message, [`extract`] finds links,
//! tokens and codes, in HTML with the help of [`html`]. [`api`] and [`web`] serve the web port, with the HTTP server of [`net`].
//! [`supervision`] is what a program with a supervisor of its own implements.

pub mod api;
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
pub mod mime;
pub mod net;
pub mod received;
pub mod search;
pub mod search_text;
pub mod stream;
pub mod supervision;
pub mod unsafe_text;
pub mod view;
pub mod web;
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
/// Name under which a message was kept.
pub use crate::smtp::MessageId;
pub use inbox::{Inbox, ReceivedMessage};
pub use stream::Stream;

use clock::{Clock, Rng, SystemClock, SystemRng, draw};
use listener::Encryption;
use maildir::Maildir;
use net::SharedListener;
use net::slots::Slots;
use supervision::{Reporter, RunOnce, StartTask, TaskFailed, TaskSupervisor, on_thread, reports};

use crate::faults::Faults;

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
    #[error("cannot listen for {port} on {address}: {why}", why = describe(source))]
    Bind {
        /// The port that is not available.
        port: Port,
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
    supervisor: Arc<dyn TaskSupervisor>,
}

impl Sink {
    /// Takes all addresses at once, so that a sink that starts is whole. Time and random bytes are those of the operating
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
            .with_readiness(Arc::clone(&supervisor));
            let stopped = stopped.clone();
            let most = self.settings.max_web_connections;
            move || -> BoxFuture<'static, io::Result<()>> {
                let (listener, state) = (listener.std_handle(), state.clone());
                let stopped = stopped.clone();
                Box::pin(on_thread("sink-inbox", move |abandoned| {
                    web_port::serve(listener?, api::router(state), most, stopped, abandoned)
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
