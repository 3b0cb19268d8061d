//! Sink whose sockets listen, for programs that run it under their own runtime, shutdown and supervisor.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_rustls::TlsAcceptor;

use crate::clock::{Clock, Rng, draw};
use crate::error::{Port, SinkError};
use crate::faults::Faults;
use crate::inbox::{Inbox, Summary};
use crate::inbox_handle::InboxHandle;
use crate::listener::Encryption;
use crate::maildir::Maildir;
use crate::net::SharedListener;
use crate::net::slots::Slots;
use crate::received::ReceivedMessage;
use crate::session::MessageId;
use crate::settings::SinkSettings;
use crate::supervision::{
    Reporter, RunOnce, StartTask, TaskFailed, TaskSupervisor, on_thread, reports,
};
use crate::{certificate, listener, net, web_port};

/// Maximum number of messages that wait for [`OnMessage`], by their ids. Beyond it the clients wait.
const WAITING_TO_BE_SHOWN: usize = 256;

/// Time at the stop for the last calls of [`OnMessage`]: a stopped terminal must not hold the process.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Callback for each stored message, in order; `None` stands for a message that was dropped before its turn.
pub type OnMessage = Box<dyn FnMut(Option<&Arc<ReceivedMessage>>) + Send>;

/// Dropped by a thread when it has ended.
pub(crate) type Alive = std::sync::mpsc::Sender<Infallible>;

/// Sink whose sockets listen. Clients can connect, and are served from [`BoundSink::run`] on.
///
/// Most programs use [`Sink`](crate::Sink), which runs in the background.
pub struct BoundSink {
    settings: SinkSettings,
    smtp: SharedListener,
    smtp_addr: SocketAddr,
    encryption: Encryption,
    smtps: Option<(SharedListener, SocketAddr, Encryption)>,
    web: Option<(SharedListener, SocketAddr)>,
    authority: Option<String>,
    inbox: Arc<Inbox>,
    left_on_disk: usize,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    supervisor: Arc<dyn TaskSupervisor>,
    alive: Option<Alive>,
}

impl fmt::Debug for BoundSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundSink")
            .field("smtp_addr", &self.smtp_addr)
            .field("smtps_addr", &self.smtps_addr())
            .field("web_addr", &self.web_addr())
            .finish_non_exhaustive()
    }
}

impl BoundSink {
    /// Listens on all addresses, so that a sink that starts is complete.
    pub(crate) fn bind(
        settings: SinkSettings,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<BoundSink, SinkError> {
        let (acceptor, authority) = certificate(&settings, clock.now())?;
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
        if let (Some(file), Some(authority)) = (&settings.ca_out, &authority) {
            std::fs::write(file, authority).map_err(|source| SinkError::CaOut {
                file: file.clone(),
                source,
            })?;
        }
        Ok(BoundSink {
            settings,
            smtp,
            smtp_addr,
            encryption,
            smtps,
            web,
            authority,
            inbox: Arc::new(inbox),
            left_on_disk,
            clock,
            rng,
            supervisor: Arc::new(RunOnce),
            alive: None,
        })
    }

    /// Runs the tasks of the sink under this supervisor, in place of [`RunOnce`].
    pub fn supervised_by(self, supervisor: Arc<dyn TaskSupervisor>) -> BoundSink {
        BoundSink { supervisor, ..self }
    }

    /// Keeps this value until the threads of [`BoundSink::run`] have ended, also if its future is dropped.
    pub(crate) fn with_alive(self, alive: Alive) -> BoundSink {
        BoundSink {
            alive: Some(alive),
            ..self
        }
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

    /// Returns the authority of a certificate that was issued at the start, in PEM, for clients that verify certificates.
    /// `None` without TLS, and with a certificate from a file.
    pub fn authority_pem(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// Returns the inbox. It stays usable while the sink runs, and after it has stopped.
    pub fn inbox(&self) -> InboxHandle {
        InboxHandle::new(Arc::clone(&self.inbox))
    }

    /// Serves until `shutdown` resolves. Then sends the clients 421, closes all connections, and returns after the last call of
    /// `on_message`.
    ///
    /// `on_message` is called for each message after it was stored, one at a time and in order, on a thread of its own, so
    /// that it may block. If it is slow, the clients wait. Ids wait for it, not messages: those that the inbox drops meanwhile
    /// are reported as dropped. Without it, no thread is woken for each message.
    ///
    /// If the future is dropped, all sockets are closed at once, except that of the web port, which its thread closes soon after.
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
                let mut on_message = contain_panics(on_message, reporter);
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
            accept_task(shared, self.smtp, self.encryption, stopped)
        };
        let smtps = self.smtps.map(|(listener, _, encryption)| {
            accept_task(shared, listener, encryption, stopped.clone())
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
        // The web port has a thread of its own, so that no request delays a session.
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
            let alive = self.alive.clone();
            move || -> BoxFuture<'static, io::Result<()>> {
                let (listener, state) = (listener.std_handle(), state.clone());
                let (stopped, alive) = (stopped.clone(), alive.clone());
                Box::pin(on_thread("sink-inbox", move |abandoned| {
                    let _alive = alive;
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
fn accept_task(
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

/// Reports panics of `on_message`, so that the calling thread continues with the next message.
fn contain_panics(mut on_message: OnMessage, reporter: Reporter) -> OnMessage {
    Box::new(move |message| {
        reporter.contain(|| on_message(message));
    })
}

/// Returns the acceptor of the encrypted ports, if there are any, and the authority of its certificate in PEM if both were
/// issued here.
fn certificate(
    settings: &SinkSettings,
    now: Timestamp,
) -> Result<(Option<TlsAcceptor>, Option<String>), SinkError> {
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
    let issued = certificate::issue(&listening, now).map_err(SinkError::IssueCertificate)?;
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
