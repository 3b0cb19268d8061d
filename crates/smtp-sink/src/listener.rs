//! Drives [`smtp::Session`](crate::smtp::Session) over TCP: the only file that owns SMTP sockets and timers.
//!
//! It invents no reply; what to say is the session's business. No name is ever looked up. A connection's error ends
//! that connection and nothing else.

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

use super::SinkSettings;
use super::clock::{Clock, Rng, draw};
use super::faults::Faults;
use super::inbox::memory::Charge;
use super::inbox::{Inbox, ReceivedMessage};
use super::net::slots::{Phase, Slot, Slots};
use super::stream::Stream;
use crate::smtp::{Effect, Input, Limits, MessageId, Received, Refusal, Session, Setup};

/// The name the server goes by; it needs none, and looks none up.
const HOST: &str = "localhost";

/// Bytes read at once.
const CHUNK: usize = 16 * 1024;

/// How long a closed connection may go on sending before it is cut. Without it the last reply can be lost.
const LINGER: Duration = Duration::from_secs(1);

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// Sessions refused at once for want of a free slot; the next ones are closed without an answer.
pub const MAX_REFUSALS: usize = 64;

/// Time without a message after which a session may be closed for a new one where no slot is free.
const SPARED: Duration = Duration::from_secs(1);

/// Time for a session to end in favour of a new one.
const HANDING_OVER: Duration = Duration::from_secs(2);

/// How long the end waits for sessions to take their last reply.
const LAST_REPLIES: Duration = Duration::from_secs(3);

/// What the sessions share.
pub struct Shared {
    /// Where messages are kept.
    pub inbox: Arc<Inbox>,
    /// Where the time is read.
    pub clock: Arc<dyn Clock>,
    /// Where chance comes from.
    pub rng: Arc<dyn Rng>,
    /// Injected faults, shared with the API.
    pub faults: Arc<Faults>,
    /// The limits of each session.
    pub limits: Limits,
    /// Silence after which a session is ended.
    pub idle_timeout: Duration,
    /// Slots of the sessions of all listeners.
    pub sessions: Slots,
    /// Slots of connections that are refused for want of one.
    pub refusals: Slots,
    /// Queue of the ids of kept messages; none where nothing is to be shown.
    pub show: Option<mpsc::Sender<MessageId>>,
}

impl Shared {
    /// Takes a slot for a session, in place of one that has kept the server waiting where none is free.
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

/// The limits of a session under these settings.
pub fn limits(settings: &SinkSettings) -> Limits {
    // What could never be kept is refused when it is announced.
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

/// Accepts connections until told to stop, then waits for the sessions to end.
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
        // Only finished ones are taken out here; their panics are theirs.
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
            // A client that has gone already says nothing about the others.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Mostly, no file descriptor is free.
                tracing::warn!(%error, "cannot accept a connection");
                shared.evict_sessions();
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    let all_ended = async { while sessions.join_next().await.is_some() {} };
    // What is left after that is aborted when the set is dropped.
    let _ = timeout(LAST_REPLIES, all_ended).await;
}

struct Connection {
    shared: Arc<Shared>,
    /// None while it is being encrypted, and after that has failed.
    stream: Option<Stream>,
    /// Present where STARTTLS is offered.
    starttls: Option<TlsAcceptor>,
    peer: SocketAddr,
    session: Session,
    stopped: watch::Receiver<bool>,
    /// Time of the last message, and before the first one that of the start.
    last_message: Instant,
    /// Bytes that this session holds of what its client sent.
    held: Charge,
    /// Replies of the batch under way; they leave in one write.
    replies: Vec<u8>,
    /// Ids of the messages kept in this batch, to be shown once their 250 is out.
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
        // Replies are small and waited for; they must not wait for each other.
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
                // Told as after a long silence, where the client reads it, and closed at once.
                None => return self.step(Input::TimedOut).await,
            }
            phase = Phase::Body;
        }
        let (stream, _) = self.parts()?;
        // Over TLS it writes, to a client that may not read.
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

    /// Tells the session what happened and carries out what it asks for.
    async fn step(&mut self, input: Input<'_>) -> io::Result<()> {
        let mut effects = self.step_session(input);
        // A message is the last effect of its list; the verdict on it brings the next list.
        while let Some(verdict) = self.carry_out(effects).await? {
            effects = self.step_session(verdict);
        }
        // The oldest messages give way first, as they would once this one is kept; then the session that needs more.
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
            // Those that have waited for longest for the rest of their message give way to others.
            self.shared.evict_sessions();
        }
        if !inbox.is_on_disk() || !inbox.memory().is_over() {
            return inbox.make_room_for_incoming();
        }
        let inbox = Arc::clone(inbox);
        let made = tokio::task::spawn_blocking(move || inbox.make_room_for_incoming());
        made.await.unwrap_or(false)
    }

    /// Sends the replies so far, in one write.
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
            // TLS keeps what it could not send at once.
            stream.flush().await
        });
        let written = activity.waiting(Phase::Answer, since, writing).await;
        self.replies = replies;
        self.replies.clear();
        // Kept is kept, whether or not the client received the reply.
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
                        self.shared.inbox.note_rejected();
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
                    // The inbox charges the message from here on.
                    self.held.resize(self.session.held());
                    let stored = self.store(*received).await;
                    verdict = Some(Input::Stored(stored.map(|message| {
                        self.last_message = Instant::now();
                        self.kept.push(message.id.clone());
                        message.id.clone()
                    })));
                }
                // The session says so itself from now on.
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
        // It may wait for a thread.
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

    /// Waits where the terminal is slower than the clients, who then wait too.
    async fn show(&mut self) {
        for id in self.kept.drain(..) {
            if let Some(show) = &self.shared.show {
                // An error says that nothing is shown any more; the message is kept all the same.
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
