//! Runs [`Session`]s over TCP: the only file that owns SMTP sockets and timers.
//!
//! The session chooses all replies. No host name is ever looked up. An error of a connection ends that connection and nothing
//! else.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use super::clock::{Clock, Rng, draw};
use super::faults::Faults;
use super::inbox::Inbox;
use super::memory::Charge;
use super::net::slots::{Phase, Slot, Slots};
use super::received::ReceivedMessage;
use super::settings::SinkSettings;
use super::stream::Stream;
use crate::session::{Effect, Input, Limits, MessageId, Received, Refusal, Session, Setup};

/// Host name in replies. The server needs no real name, and resolves none.
const HOST: &str = "localhost";

/// Maximum number of bytes read at once.
const CHUNK: usize = 16 * 1024;

/// Time for which a closed connection may continue sending before it is closed. Without it the last reply can be lost.
const LINGER: Duration = Duration::from_secs(1);

/// Time for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// Maximum number of sessions that are refused at once, with a reply, because no slot is free; further ones are closed without
/// a reply.
pub const MAX_REFUSALS: usize = 64;

/// Time without a message after which a session may be closed for a new one if no slot is free.
const SPARED: Duration = Duration::from_secs(1);

/// Time for a session to end in favour of a new one.
const HANDING_OVER: Duration = Duration::from_secs(2);

/// Time at the stop for clients to receive their last reply.
const LAST_REPLIES: Duration = Duration::from_secs(3);

/// State shared by all sessions.
pub struct Shared {
    /// Store of the messages.
    pub inbox: Arc<Inbox>,
    /// Source of the time.
    pub clock: Arc<dyn Clock>,
    /// Source of random bytes.
    pub rng: Arc<dyn Rng>,
    /// Injected faults, shared with the API.
    pub faults: Arc<Faults>,
    /// Limits of each session.
    pub limits: Limits,
    /// Time after which an idle session is ended.
    pub idle_timeout: Duration,
    /// Slots of the sessions of all listeners.
    pub sessions: Slots,
    /// Slots of connections that are refused because no session slot is free.
    pub refusals: Slots,
    /// Queue of the ids of stored messages; `None` if there is no callback for them.
    pub show: Option<mpsc::Sender<MessageId>>,
}

impl Shared {
    /// Takes a slot for a session. If none is free, a session that has kept the server waiting is closed for it.
    async fn session_slot(&self, peer: IpAddr) -> Option<Slot> {
        if let Some(slot) = self.sessions.try_take(peer, Phase::Working) {
            return Some(slot);
        }
        if self.evict_sessions() == 0 {
            return None;
        }
        let slot = self.sessions.take_free(peer, Phase::Working);
        timeout(HANDING_OVER, slot).await.ok()
    }

    fn evict_sessions(&self) -> usize {
        let may_close = |phase, age| phase < Phase::Working && age >= SPARED;
        self.sessions.evict(may_close)
    }
}

/// Returns the limits of a session under these settings.
pub fn limits(settings: &SinkSettings) -> Limits {
    // A message that can never be stored is refused when the client announces its size.
    Limits {
        message_size: settings.max_size.min(settings.max_memory),
        recipients: settings.max_recipients,
        ..Limits::default()
    }
}

/// Encryption of the connections of one listener.
#[derive(Clone)]
pub enum Encryption {
    /// None; STARTTLS is neither offered nor accepted.
    None,
    /// STARTTLS is offered (RFC 3207).
    StartTls(TlsAcceptor),
    /// TLS from the first byte (RFC 8314 3.3).
    Implicit(TlsAcceptor),
}

/// Accepts connections until `stopped` is raised, then waits for the sessions to end.
pub async fn serve(
    shared: Arc<Shared>,
    listener: TcpListener,
    encryption: Encryption,
    mut stopped: watch::Receiver<bool>,
) {
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stop| *stop) => break,
        };
        // Removes ended sessions. A panic ends its own session only.
        while sessions.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let (slot, first) = match shared.session_slot(peer.ip()).await {
                    Some(slot) => (slot, Input::Connected),
                    None => match shared.refusals.try_take(peer.ip(), Phase::Working) {
                        Some(slot) => (slot, Input::TooManySessions),
                        None => continue,
                    },
                };
                let (shared, stopped) = (Arc::clone(&shared), stopped.clone());
                let encryption = encryption.clone();
                sessions.spawn(async move {
                    let ended =
                        match Connection::begin(shared, stream, peer, encryption, stopped, slot)
                            .await
                        {
                            Ok(connection) => connection.talk(first).await,
                            Err(error) => Err(error),
                        };
                    if let Err(error) = ended {
                        tracing::debug!(%peer, %error, "the connection was lost");
                    }
                });
            }
            // A client that has disconnected already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // In most cases no file descriptor is free.
                tracing::warn!(%error, "cannot accept a connection");
                shared.evict_sessions();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let all_ended = async { while sessions.join_next().await.is_some() {} };
    // Sessions that remain are aborted when the set is dropped.
    let _ = timeout(LAST_REPLIES, all_ended).await;
}

struct Connection {
    shared: Arc<Shared>,
    /// `None` while the connection is being encrypted, and after that has failed.
    stream: Option<Stream>,
    /// Present if STARTTLS is offered.
    starttls: Option<TlsAcceptor>,
    peer: SocketAddr,
    session: Session,
    stopped: watch::Receiver<bool>,
    /// Time of the last message; before the first one, time of the start.
    last_message: Instant,
    /// Bytes received from the client that this session holds.
    held: Charge,
    /// Replies of the current batch, which are sent in one write.
    replies: Vec<u8>,
    /// Ids of the messages stored in this batch. The callback gets them after their 250 has been sent.
    kept: Vec<MessageId>,
    /// Dropped after the socket.
    slot: Slot,
}

impl Connection {
    async fn begin(
        shared: Arc<Shared>,
        stream: TcpStream,
        peer: SocketAddr,
        encryption: Encryption,
        stopped: watch::Receiver<bool>,
        slot: Slot,
    ) -> io::Result<Connection> {
        let now = Instant::now();
        // Replies are small, and clients wait for each.
        let _ = stream.set_nodelay(true);
        let (stream, tls, starttls) = match encryption {
            Encryption::None => (Stream::Clear(stream), None, None),
            Encryption::StartTls(acceptor) => (Stream::Clear(stream), None, Some(acceptor)),
            Encryption::Implicit(acceptor) => {
                let handshake = encrypted(stream, &acceptor);
                let done = slot.activity().waiting(Phase::Head, now, handshake).await;
                let (stream, version) = done.ok_or_else(evicted)??;
                (stream, Some(version.to_owned()), None)
            }
        };
        let nonce = draw::<8>(&*shared.rng).map(|byte| format!("{byte:02x}"));
        let session = Session::new(Setup {
            host: HOST.to_owned(),
            limits: shared.limits.clone(),
            offers_tls: starttls.is_some(),
            tls,
            nonce: nonce.concat(),
        });
        let held = shared.inbox.memory().charge_incoming(0);
        Ok(Connection {
            shared,
            stream: Some(stream),
            starttls,
            peer,
            session,
            stopped,
            last_message: now,
            held,
            replies: Vec::new(),
            kept: Vec::new(),
            slot,
        })
    }

    async fn talk(mut self, first: Input<'static>) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        let activity = Arc::clone(self.slot.activity());
        let mut phase = Phase::Head;
        self.step(first).await?;
        while !self.session.is_closed() {
            let (idle, since) = (self.shared.idle_timeout, self.last_message);
            let (stream, stopped) = self.parts()?;
            let input = activity.waiting(phase, since, async {
                tokio::select! {
                    read = timeout(idle, stream.read(&mut chunk)) => match read {
                        Ok(Ok(0)) => Ok(Input::Eof),
                        Ok(Ok(size)) => Ok(Input::Bytes(&chunk[..size])),
                        Ok(Err(error)) => Err(error),
                        Err(_) => Ok(Input::TimedOut),
                    },
                    _ = stopped.wait_for(|stop| *stop) => Ok(Input::ShuttingDown),
                }
            });
            match input.await {
                Some(input) => self.step(input?).await?,
                // The client gets the reply to an idle session, if it reads, and the connection is closed at once.
                None => return self.step(Input::TimedOut).await,
            }
            phase = Phase::Body;
        }
        let (stream, _) = self.parts()?;
        // Over TLS this writes, and the client may not read.
        let _ = timeout(LINGER, stream.shutdown()).await;
        // A socket closed on unread bytes resets the connection, and the reply just sent may be lost with it.
        let drain = async { while stream.read(&mut chunk).await.is_ok_and(|size| size > 0) {} };
        let _ = timeout(LINGER, drain).await;
        Ok(())
    }

    fn parts(&mut self) -> io::Result<(&mut Stream, &mut watch::Receiver<bool>)> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok((stream, &mut self.stopped))
    }

    /// Passes an input to the session, and carries out the effects.
    async fn step(&mut self, input: Input<'_>) -> io::Result<()> {
        let mut effects = self.step_session(input);
        // A message is the last effect of its list; the verdict on it leads to the next list.
        while let Some(verdict) = self.carry_out(effects).await? {
            effects = self.step_session(verdict);
        }
        // The oldest messages are dropped first, as they would be once this one is stored; then the session that needs more
        // memory is refused.
        if self.held.resize(self.session.held()) && !self.make_room().await {
            let effects = self.step_session(Input::OutOfMemory);
            self.held.resize(self.session.held());
            self.carry_out(effects).await?;
        }
        self.reply().await
    }

    fn step_session(&mut self, input: Input<'_>) -> Vec<Effect> {
        let faults = &self.shared.faults;
        self.session.step(input, &mut |stage| faults.decide(stage))
    }

    async fn make_room(&self) -> bool {
        let inbox = &self.shared.inbox;
        if inbox.memory().has_too_much_incoming() {
            // Sessions that have waited longest for the rest of their message are closed for others.
            self.shared.evict_sessions();
        }
        if !inbox.is_on_disk() || !inbox.memory().is_over() {
            return inbox.free_memory_for_incoming();
        }
        let inbox = Arc::clone(inbox);
        let made = tokio::task::spawn_blocking(move || inbox.free_memory_for_incoming());
        made.await.unwrap_or(false)
    }

    /// Sends the collected replies in one write.
    async fn reply(&mut self) -> io::Result<()> {
        if self.replies.is_empty() {
            return Ok(());
        }
        let replies = std::mem::take(&mut self.replies);
        let idle = self.shared.idle_timeout;
        let activity = Arc::clone(self.slot.activity());
        let since = self.last_message;
        let (stream, _) = self.parts()?;
        let writing = timeout(idle, async {
            stream.write_all(&replies).await?;
            // TLS buffers bytes that it could not send at once.
            stream.flush().await
        });
        let written = activity.waiting(Phase::Answer, since, writing).await;
        self.replies = replies;
        self.replies.clear();
        // The messages are stored, even if the client did not receive the reply.
        self.show().await;
        let written = written.ok_or_else(evicted)?;
        written.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn encrypt(&mut self) -> io::Result<&'static str> {
        match (self.stream.take(), &self.starttls) {
            (Some(Stream::Clear(stream)), Some(acceptor)) => {
                let handshake = encrypted(stream, acceptor);
                let activity = self.slot.activity();
                let done = activity
                    .waiting(Phase::Body, self.last_message, handshake)
                    .await;
                let (stream, version) = done.ok_or_else(evicted)??;
                self.stream = Some(stream);
                Ok(version)
            }
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    async fn carry_out(&mut self, effects: Vec<Effect>) -> io::Result<Option<Input<'static>>> {
        let mut verdict = None;
        for effect in effects {
            match effect {
                Effect::Reply(reply) => {
                    if reply.code() == 552 {
                        self.shared.inbox.count_rejected();
                    }
                    reply.write_to(&mut self.replies);
                }
                Effect::Wait(time) => {
                    self.reply().await?;
                    tokio::time::sleep(time).await;
                }
                Effect::StartTls => {
                    self.reply().await?;
                    verdict = Some(Input::Secured(self.encrypt().await?));
                }
                Effect::Store(received) => {
                    // From here on the inbox accounts for the message.
                    self.held.resize(self.session.held());
                    let stored = self.store(*received).await;
                    verdict = Some(Input::Stored(stored.map(|message| {
                        self.last_message = Instant::now();
                        self.kept.push(message.id.clone());
                        message.id.clone()
                    })));
                }
                // `Session::is_closed` reports it from now on.
                Effect::Close => {}
            }
        }
        Ok(verdict)
    }

    async fn store(&self, received: Received) -> Result<Arc<ReceivedMessage>, Refusal> {
        let now = self.shared.clock.now();
        if !self.shared.inbox.is_on_disk() {
            return self.shared.inbox.store(received, self.peer, now);
        }
        let (inbox, peer) = (Arc::clone(&self.shared.inbox), self.peer);
        // The message may wait for a thread.
        let waiting = inbox.memory().charge_incoming(received.source.len() as u64);
        let stored = tokio::task::spawn_blocking(move || {
            drop(waiting);
            inbox.store(received, peer, now)
        });
        stored.await.unwrap_or_else(|error| {
            tracing::error!(%error, "cannot store a message");
            Err(Refusal::Unavailable(
                "something went wrong, send this message again later".into(),
            ))
        })
    }

    /// Queues the stored messages for the callback. If it is slow, this waits, and so do the clients.
    async fn show(&mut self) {
        for id in self.kept.drain(..) {
            if let Some(show) = &self.shared.show {
                // An error means that the callback is not called any more; the message is stored nevertheless.
                let _ = show.send(id).await;
            }
        }
    }
}

fn evicted() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionAborted,
        "the slot is needed for another session",
    )
}

async fn encrypted(stream: TcpStream, tls: &TlsAcceptor) -> io::Result<(Stream, &'static str)> {
    timeout(HANDSHAKE, Stream::encrypt(stream, tls)).await?
}
