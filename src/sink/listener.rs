//! Drives [`smtp::Session`](crate::smtp::Session) over TCP: the only file that owns SMTP sockets and timers.
//!
//! It invents no reply; what to say is the session's business. No name is ever looked up. A connection's error ends
//! that connection and nothing else.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::SinkSettings;
use super::inbox::{Inbox, ReceivedMessage};
use crate::domain::clock::Clock;
use crate::smtp::{Effect, Input, Limits, Session};

/// The name the server goes by; it needs none, and looks none up.
const HOST: &str = "localhost";

/// Bytes read at once.
const CHUNK: usize = 16 * 1024;

/// How long a closed connection may go on sending before it is cut. Without it the last reply can be lost.
const LINGER: Duration = Duration::from_secs(1);

/// How long the end waits for sessions to take their last reply.
const LAST_REPLIES: Duration = Duration::from_secs(3);

/// What the sessions share.
pub struct Shared {
    /// Where messages are kept.
    pub inbox: Arc<Inbox>,
    /// Where the time is read.
    pub clock: Arc<dyn Clock>,
    /// The limits of each session.
    pub limits: Limits,
    /// Silence after which a session is ended.
    pub idle_timeout: Duration,
    /// Sessions at once.
    pub max_sessions: usize,
    /// Bytes that all sessions together may hold of messages on their way in.
    pub max_in_flight: u64,
    /// Those that they hold now.
    pub in_flight: AtomicU64,
    /// Where kept messages are told of.
    pub show: mpsc::Sender<Arc<ReceivedMessage>>,
}

/// The limits of a session under these settings.
pub fn limits(settings: &SinkSettings) -> Limits {
    // What could never be kept is refused when it is announced.
    Limits {
        message_size: settings.max_size.min(settings.max_memory),
        ..Limits::default()
    }
}

/// Accepts connections until told to stop, then waits for the sessions to end.
pub async fn serve(shared: Shared, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
    let shared = Arc::new(shared);
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
                let is_full = sessions.len() >= shared.max_sessions;
                let first = if is_full {
                    Input::TooManySessions
                } else {
                    Input::Connected
                };
                let connection = Connection::new(Arc::clone(&shared), stream, peer);
                sessions.spawn(connection.run(first, stopped.clone()));
            }
            Err(error) => {
                // Out of file descriptors, or a client that was gone at once: the next may fare better.
                tracing::warn!(%error, "a connection could not be accepted");
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
    stream: TcpStream,
    peer: SocketAddr,
    session: Session,
    /// What this session holds of the bytes in flight.
    held: u64,
    /// Replies of the batch under way; they leave in one write.
    replies: Vec<u8>,
    /// Messages kept in this batch, to be shown once their 250 is out.
    kept: Vec<Arc<ReceivedMessage>>,
}

impl Connection {
    fn new(shared: Arc<Shared>, stream: TcpStream, peer: SocketAddr) -> Connection {
        let session = Session::new(HOST, shared.limits.clone());
        Connection {
            shared,
            stream,
            peer,
            session,
            held: 0,
            replies: Vec::new(),
            kept: Vec::new(),
        }
    }

    async fn run(mut self, first: Input<'static>, stopped: watch::Receiver<bool>) {
        // Replies are small and waited for; they must not wait for each other.
        let _ = self.stream.set_nodelay(true);
        if let Err(error) = self.talk(first, stopped).await {
            tracing::debug!(peer = %self.peer, %error, "the connection broke");
        }
    }

    async fn talk(
        &mut self,
        first: Input<'static>,
        mut stopped: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        self.step(first).await?;
        while !self.session.is_closed() {
            let read = timeout(self.shared.idle_timeout, self.stream.read(&mut chunk));
            let input = tokio::select! {
                read = read => match read {
                    Ok(Ok(0)) => Input::Eof,
                    Ok(Ok(size)) => Input::Bytes(&chunk[..size]),
                    Ok(Err(error)) => return Err(error),
                    Err(_) => Input::TimedOut,
                },
                _ = stopped.wait_for(|stop| *stop) => Input::ShuttingDown,
            };
            self.step(input).await?;
        }
        self.stream.shutdown().await?;
        // A socket closed on unread bytes resets the connection, and the reply just sent may be lost with it.
        let drain = async {
            while self
                .stream
                .read(&mut chunk)
                .await
                .is_ok_and(|size| size > 0)
            {}
        };
        let _ = timeout(LINGER, drain).await;
        Ok(())
    }

    /// Tells the session what happened and carries out what it asks for.
    async fn step(&mut self, input: Input<'_>) -> io::Result<()> {
        let mut effects = self.session.step(input);
        // A message is the last effect of its list; the verdict on it brings the next list.
        while let Some(verdict) = self.carry_out(effects) {
            effects = self.session.step(verdict);
        }
        if self.weigh() > self.shared.max_in_flight {
            // Whoever brings it over the limit gives way; what is kept already stays.
            self.session.step(Input::NoRoom);
            self.weigh();
        }
        if !self.replies.is_empty() {
            let written = timeout(
                self.shared.idle_timeout,
                self.stream.write_all(&self.replies),
            )
            .await;
            self.replies.clear();
            // Kept is kept, whether or not the client heard of it.
            self.show().await;
            written.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        }
        Ok(())
    }

    /// Counts what this session holds now, and answers what all of them hold.
    fn weigh(&mut self) -> u64 {
        let (before, now) = (self.held, self.session.held());
        self.held = now;
        let all = &self.shared.in_flight;
        if now >= before {
            all.fetch_add(now - before, Ordering::Relaxed) + (now - before)
        } else {
            all.fetch_sub(before - now, Ordering::Relaxed) - (before - now)
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Option<Input<'static>> {
        let mut verdict = None;
        for effect in effects {
            match effect {
                Effect::Reply(reply) => {
                    if reply.code() == 552 {
                        self.shared.inbox.note_rejected();
                    }
                    reply.write_to(&mut self.replies);
                }
                Effect::Store(received) => {
                    let now = self.shared.clock.now();
                    let stored = self.shared.inbox.store(*received, self.peer, now);
                    verdict = Some(Input::Stored(stored.map(|message| {
                        let id = message.id.clone();
                        self.kept.push(message);
                        id
                    })));
                }
                // The session says so itself from now on.
                Effect::Close => {}
            }
        }
        verdict
    }

    /// Waits where the terminal is slower than the clients, who then wait too.
    async fn show(&mut self) {
        for message in self.kept.drain(..) {
            // Nobody shows them any more; they are kept all the same.
            let _ = self.shared.show.send(message).await;
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared
            .in_flight
            .fetch_sub(self.held, Ordering::Relaxed);
    }
}
