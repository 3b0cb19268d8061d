//! Socket of an HTTP client. It handles the cases that hyper does not: clients that stop in the middle of a request body or read
//! nothing, a close that would lose the response, and the responses of hyper itself to malformed requests, which have no body.
//!
//! The socket owns the [`Slot`] of the connection, so that the slot is free only after the socket is closed. This includes
//! upgraded connections, which hyper no longer owns.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::options::{Options, ReplaceResponse};
use super::slots::{Phase, Slot};

/// Maximum time for which a connection that is being closed is read. Closing it while the client still sends would reset it, and
/// the client might never receive the response (RFC 9112 9.6).
const LINGER: Duration = Duration::from_secs(1);

/// Maximum number of bytes that are read from a connection that is being closed.
const LINGER_BYTES: usize = 1024 * 1024;

/// Socket of a client.
pub(super) struct ClientStream {
    stream: TcpStream,
    body_timeout: Duration,
    write_timeout: Duration,
    replace_response: Option<ReplaceResponse>,
    /// Runs while the client sends nothing of a request body.
    read_timer: Option<Pin<Box<Sleep>>>,
    /// Runs while the client reads nothing of a response, and while a closed connection is still read.
    write_timer: Option<Pin<Box<Sleep>>>,
    /// Rest of a response that replaces one of hyper, and the length of hyper's response.
    replacement: Option<(Vec<u8>, usize)>,
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
            body_timeout: options.body_timeout,
            write_timeout: options.write_timeout,
            replace_response: options.replace_response,
            read_timer: None,
            write_timer: None,
            replacement: None,
            stalled_in: None,
            lingered: None,
            slot,
        }
    }

    /// Returns an error once the slot is needed for another connection. The task of an HTTP connection waits for this event
    /// itself; an upgraded connection detects it only by its stream.
    fn poll_evicted(&self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let evicted = self.slot.activity().poll_evicted(cx);
        evicted.map(|()| {
            io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the slot is needed for another connection",
            )
        })
    }

    fn poll_write_in_time(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let activity = self.slot.activity();
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(written) => {
                self.write_timer = None;
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
                if let Poll::Ready(error) = self.poll_evicted(cx) {
                    return Poll::Ready(Err(error));
                }
                ready!(poll_timer(&mut self.write_timer, self.write_timeout, cx));
                Poll::Ready(Err(timed_out("the client does not read the response")))
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

fn timed_out(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buffer) {
            this.read_timer = None;
            return Poll::Ready(read);
        }
        if let Poll::Ready(error) = this.poll_evicted(cx) {
            return Poll::Ready(Err(error));
        }
        if this.slot.activity().phase() == Phase::Body {
            ready!(poll_timer(&mut this.read_timer, this.body_timeout, cx));
            return Poll::Ready(Err(timed_out("the client does not send the body")));
        }
        Poll::Pending
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.replacement.is_none()
            && let Some(replace) = this.replace_response
        {
            this.replacement = replace(bytes).map(|answer| (answer, bytes.len()));
        }
        let Some((mut answer, length)) = this.replacement.take() else {
            return this.poll_write_in_time(cx, bytes);
        };
        while !answer.is_empty() {
            match this.poll_write_in_time(cx, &answer) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => drop(answer.drain(..written)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    this.replacement = Some((answer, length));
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(length))
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
            this.write_timer = None;
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
                    ready!(poll_timer(&mut this.write_timer, LINGER, cx));
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}
