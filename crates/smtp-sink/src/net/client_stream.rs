//! Socket of an HTTP client. It handles the cases that hyper does not: clients that read nothing, a close that would lose the
//! response, and responses to malformed requests. hyper writes the latter itself, before there is a request, and has no setting for
//! them: the method `on_error` of its server role (1.12) returns a status without a body.
//!
//! The socket owns the [`Slot`] of the connection, so that the slot is free only after the socket is closed. This includes
//! upgraded connections, which hyper no longer owns.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::options::{MalformedResponse, Options};
use super::slots::{Phase, Slot};

/// Maximum time for which a connection that is being closed is read. Closing it while the client still sends would reset it, and
/// the client might never receive the response (RFC 9112 9.6).
const LINGER: Duration = Duration::from_secs(1);

/// Maximum number of bytes that are read from a connection that is being closed.
const LINGER_BYTES: usize = 1024 * 1024;

/// Socket of a client.
pub(super) struct ClientStream {
    stream: TcpStream,
    write_timeout: Duration,
    malformed_response: Option<MalformedResponse>,
    /// Runs while the client reads nothing of a response, and while a closed connection is still read.
    timer: Option<Pin<Box<Sleep>>>,
    /// Rest of a response that replaces one of hyper.
    replacement: Option<Bytes>,
    /// Phase to return to when the client continues to read.
    stalled_in: Option<Phase>,
    /// Number of bytes read since the close began; `None` before.
    lingered: Option<usize>,
    /// Last field, so that it is dropped after the socket.
    slot: Slot,
}

impl ClientStream {
    pub(super) fn new(stream: TcpStream, slot: Slot, options: &Options) -> Self {
        Self {
            stream,
            write_timeout: options.write_timeout,
            malformed_response: options.malformed_response,
            timer: None,
            replacement: None,
            stalled_in: None,
            lingered: None,
            slot,
        }
    }

    /// Returns the response to a malformed request. hyper writes only its own response to such a request while no request was
    /// received, or after the last one was answered.
    fn replace(&self, bytes: &[u8]) -> Option<Bytes> {
        let respond = self.malformed_response?;
        if !matches!(self.slot.activity().phase(), Phase::Head | Phase::Idle) {
            return None;
        }
        let status = StatusCode::from_bytes(bytes.get(9..12)?).ok()?;
        Some(serialize(respond(status)))
    }

    fn poll_write_in_time(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let activity = self.slot.activity();
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(written) => {
                self.timer = None;
                if let Some(phase) = self.stalled_in.take() {
                    activity.enter_from(&[Phase::Answer, Phase::Evicted], phase);
                }
                Poll::Ready(written)
            }
            Poll::Pending => {
                let phase = activity.phase();
                if matches!(phase, Phase::Working | Phase::Answered) {
                    self.stalled_in = Some(phase);
                    activity.enter(Phase::Answer);
                }
                ready!(poll_timer(&mut self.timer, self.write_timeout, cx));
                Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the client does not read the response",
                )))
            }
        }
    }
}

fn poll_timer(
    timer: &mut Option<Pin<Box<Sleep>>>,
    time: Duration,
    cx: &mut Context<'_>,
) -> Poll<()> {
    timer
        .get_or_insert_with(|| Box::pin(sleep(time)))
        .as_mut()
        .poll(cx)
}

/// Serializes a response that closes the connection.
fn serialize(response: Response<String>) -> Bytes {
    let (head, body) = response.into_parts();
    let (status, length) = (head.status, body.len());
    let mut bytes =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n")
            .into_bytes();
    for (name, value) in &head.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body.as_bytes());
    Bytes::from(bytes)
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buffer) {
            return Poll::Ready(read);
        }
        // The task of an HTTP connection waits for this event itself; an upgraded connection detects it only here. A websocket that
        // does not read its frames has a time limit of its own.
        ready!(this.slot.activity().poll_evicted(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::ConnectionAborted,
            "the slot is needed for another connection",
        )))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.replacement.is_none() {
            this.replacement = this.replace(bytes);
        }
        let Some(mut rest) = this.replacement.take() else {
            return this.poll_write_in_time(cx, bytes);
        };
        while !rest.is_empty() {
            match this.poll_write_in_time(cx, &rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => rest.advance(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    this.replacement = Some(rest);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        // hyper flushes after it has written all its data.
        self.slot
            .activity()
            .enter_from(&[Phase::Answered], Phase::Idle);
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingered.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.timer = None;
        }
        let mut scratch = [0; 8 * 1024];
        loop {
            let lingered = this.lingered.get_or_insert(0);
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    *lingered += buffer.filled().len();
                    if *lingered > LINGER_BYTES {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                // No bytes are unread, so the close does not reset the connection.
                Poll::Pending if *lingered == 0 => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    ready!(poll_timer(&mut this.timer, LINGER, cx));
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}
