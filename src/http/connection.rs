//! A client's socket, with what hyper leaves open: a client that reads nothing, a close that would lose the answer,
//! and answers to what is no HTTP, which hyper gives without a body.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::error::Code;

/// How long, and how much, is still read from a client that sends while the connection is closed. Closing at once
/// would reset it, and the client might never see the answer (RFC 9112 9.6).
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// The socket.
pub(super) struct Connection {
    stream: TcpStream,
    patience: Duration,
    /// Runs while the client takes nothing of an answer, and while the close lingers.
    timer: Option<Pin<Box<Sleep>>>,
    /// An answer in place of hyper's own, as far as it is not written yet, and the length of hyper's.
    instead: Option<(Vec<u8>, usize)>,
    /// How much was read since the close began; `None` before.
    lingered: Option<usize>,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            timer: None,
            instead: None,
            lingered: None,
        }
    }

    fn is_late(&mut self, wait: Duration, cx: &mut Context<'_>) -> bool {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(wait)));
        timer.as_mut().poll(cx).is_ready()
    }

    fn poll_write_patiently(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(written) => {
                self.timer = None;
                Poll::Ready(written)
            }
            Poll::Pending if self.is_late(self.patience, cx) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the client does not read its answer",
            ))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.instead.is_none() {
            this.instead = answer_instead(bytes).map(|answer| (answer, bytes.len()));
        }
        let Some((mut answer, length)) = this.instead.take() else {
            return this.poll_write_patiently(cx, bytes);
        };
        while !answer.is_empty() {
            match this.poll_write_patiently(cx, &answer) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => drop(answer.drain(..written)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    this.instead = Some((answer, length));
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
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
                // Nothing unread is there: there is nothing that a close would reset.
                Poll::Pending if *lingered == 0 => return Poll::Ready(Ok(())),
                Poll::Pending if this.is_late(LINGER, cx) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// What is sent in place of hyper's own answer to what it can't read as HTTP. It is told from ours by its lack of a
/// body and of the request id, and from a piece of a body by its line ends, which JSON and our pages do not have.
fn answer_instead(bytes: &[u8]) -> Option<Vec<u8>> {
    let head = std::str::from_utf8(bytes.get(..bytes.len().min(1024))?).ok()?;
    let status_line = head.strip_prefix("HTTP/1.1 4")?;
    let is_hypers = bytes.len() < 1024
        && head.ends_with("\r\n\r\n")
        && head.contains("content-length: 0\r\n")
        && !head.contains("x-request-id");
    if !is_hypers {
        return None;
    }
    let (status, reason, message, code) = match status_line.get(..2)? {
        "14" => (
            414,
            "URI Too Long",
            "The path is too long",
            Code::PayloadTooLarge,
        ),
        "31" => (
            431,
            "Request Header Fields Too Large",
            "The headers are too many, or too large: they may take up to 128 KiB",
            Code::PayloadTooLarge,
        ),
        _ => (
            400,
            "Bad Request",
            "Request is missing required fields",
            Code::SchemaValidation,
        ),
    };
    let fields = if status == 400 {
        r#","fields":{"request":"is not valid HTTP/1.1"}"#
    } else {
        ""
    };
    let code = code.as_str();
    let body = format!(r#"{{"message":"{message}","status":{status},"code":"{code}"{fields}}}"#);
    tracing::debug!(status, "a request was no HTTP");
    Some(
        format!(
            "HTTP/1.1 {status} {reason}\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n\
             referrer-policy: no-referrer\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_of_hypers_own_is_replaced() {
        let own = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let instead = String::from_utf8(answer_instead(own.as_bytes()).unwrap()).unwrap();
        assert!(instead.ends_with(
            r#""code":"schema_validation","fields":{"request":"is not valid HTTP/1.1"}}"#
        ));
        for other in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\nx-request-id: 1\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
            "",
        ] {
            assert_eq!(answer_instead(other.as_bytes()), None, "{other}");
        }
    }
}
