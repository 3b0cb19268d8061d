//! The bytes between us and a mail server: a TCP connection that may become an encrypted one.
//!
//! lettre speaks over it and holds one handle; the session keeps the other, to encrypt it and to read what the server
//! said in its own words. Three of its ways are on purpose:
//! - What comes in is handed over line by line. So nothing that somebody slipped in behind the answer to STARTTLS can be
//!   taken for an answer of the encrypted session: it is still here when encryption begins, and ends it.
//! - A line that is not UTF-8 gets `?` for what can't be read. A server that greets in Latin-1 takes mail all the same,
//!   and a reply that can't be read would make us send an accepted mail again and again.
//! - What is written leaves when an answer is waited for, in one packet. lettre writes a message and its final dot one
//!   after the other, and each packet wakes the server.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ProtocolVersion;

use super::trust::Tls;

/// Longer lines are handed over in pieces; RFC 5321 4.5.3.1.5 allows 512 bytes, and lettre refuses more than 1,000.
const LONGEST_LINE: usize = 2_048;

/// More lines than that are no reply (RFC 5321 4.2.1 shows a handful): they would be kept until the time is over.
const MOST_LINES: usize = 1_000;

/// One handle of the connection; all of them are the same connection.
#[derive(Clone)]
pub(super) struct Wire(Arc<Mutex<State>>);

struct State {
    stream: Stream,
    /// What was written and did not leave yet.
    unsent: Vec<u8>,
    /// What came in and was not handed over yet.
    ahead: Vec<u8>,
    has_ended: bool,
    /// The lines handed over since [`Wire::forget`].
    heard: Vec<String>,
}

enum Stream {
    Clear(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
    /// While it is being encrypted, and after that has failed: there is no way back to clear text.
    Gone,
}

impl Wire {
    pub(super) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        // The end of a message is a small packet at times, which would wait for an acknowledgement otherwise.
        stream.set_nodelay(true)?;
        Ok(Self(Arc::new(Mutex::new(State {
            stream: Stream::Clear(stream),
            unsent: Vec::new(),
            ahead: Vec::new(),
            has_ended: false,
            heard: Vec::new(),
        }))))
    }

    /// Makes it an encrypted one, with a verified certificate, and answers the version of TLS.
    pub(super) async fn encrypt(&self, tls: &Tls) -> io::Result<&'static str> {
        let stream = {
            let mut state = self.state();
            if !state.ahead.is_empty() {
                return Err(io::Error::other(
                    "there was more in clear text behind the answer to STARTTLS",
                ));
            }
            std::mem::replace(&mut state.stream, Stream::Gone)
        };
        let Stream::Clear(stream) = stream else {
            return Err(io::Error::other("it is no clear-text connection"));
        };
        let stream = tls.connect(stream).await?;
        let version = match stream.get_ref().1.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS",
        };
        self.state().stream = Stream::Encrypted(Box::new(stream));
        Ok(version)
    }

    /// The address of this end.
    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        self.state().tcp()?.local_addr()
    }

    /// What the server said since [`Wire::forget`], line by line.
    pub(super) fn heard(&self) -> Vec<String> {
        self.state().heard.clone()
    }

    pub(super) fn forget(&self) {
        self.state().heard.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tcp(&self) -> io::Result<&TcpStream> {
        match &self.stream {
            Stream::Clear(stream) => Ok(stream),
            Stream::Encrypted(stream) => Ok(stream.get_ref().0),
            Stream::Gone => Err(gone()),
        }
    }

    /// Sends what was written.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sent = 0;
        let outcome = loop {
            let rest = &self.unsent[sent..];
            if rest.is_empty() {
                break self.stream.poll_flush(cx);
            }
            match self.stream.poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(length)) => sent += length,
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.unsent.drain(..sent);
        outcome
    }

    /// Reads more ahead.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [0; LONGEST_LINE];
        let mut bytes = ReadBuf::new(&mut bytes);
        ready!(self.stream.poll_read(cx, &mut bytes))?;
        self.has_ended = bytes.filled().is_empty();
        self.ahead.extend_from_slice(bytes.filled());
        Poll::Ready(Ok(()))
    }

    /// How much of what is ahead can be handed over: a line, or what will not become one.
    fn ready(&self) -> Option<usize> {
        let line = self.ahead.iter().position(|byte| *byte == b'\n');
        let rest = || {
            let is_all = self.has_ended || self.ahead.len() >= LONGEST_LINE;
            is_all.then_some(self.ahead.len())
        };
        line.map(|end| end + 1).or_else(rest)
    }

    fn hand_over(&mut self, length: usize, to: &mut ReadBuf<'_>) {
        let mut line: Vec<u8> = self.ahead.drain(..length).collect();
        if std::str::from_utf8(&line).is_err() {
            let unreadable = line.iter_mut().filter(|byte| !byte.is_ascii());
            unreadable.for_each(|byte| *byte = b'?');
        }
        to.put_slice(&line);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\r', '\n']);
        if !line.is_empty() {
            self.heard.push(line.to_owned());
        }
    }
}

impl Stream {
    fn poll_read(&mut self, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, to),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(cx, to),
            Self::Gone => Poll::Ready(Err(gone())),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Gone => Poll::Ready(Err(gone())),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(cx),
            Self::Gone => Poll::Ready(Err(gone())),
        }
    }
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.state();
        ready!(state.poll_send(cx))?;
        loop {
            if state.heard.len() >= MOST_LINES {
                return Poll::Ready(Err(io::Error::other("a reply without an end")));
            }
            if let Some(length) = state.ready() {
                state.hand_over(length.min(to.remaining()), to);
                return Poll::Ready(Ok(()));
            }
            ready!(state.poll_more(cx))?;
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.state().unsent.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    /// Nothing: it leaves when an answer is waited for.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        ready!(state.poll_send(cx))?;
        match &mut state.stream {
            Stream::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Encrypted(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.state().tcp()?.peer_addr()
    }
}

impl fmt::Debug for Wire {
    /// Not what travels on it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}
