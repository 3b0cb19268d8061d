//! Bytes between this client and a mail server: a TCP connection that may become an encrypted one, and the replies that
//! are read from it.
//!
//! Three properties are on purpose:
//! - Encryption begins only while nothing unread is buffered. So nothing that an attacker inserted behind the answer to
//!   STARTTLS can be taken for an answer of the encrypted session.
//! - Bytes that are not UTF-8 are read as `?`. A server that greets in Latin-1 takes mail all the same, and an
//!   unreadable reply would make us send an accepted mail again and again.
//! - What is written leaves when a reply is waited for, in one packet: each packet wakes the server.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ProtocolVersion;

use super::failure::Cause;
use super::reply::Reply;
use super::trust::Tls;

/// Longest line of a reply; RFC 5321 4.5.3.1.5 allows 512 bytes.
const LONGEST_LINE: usize = 2_048;

/// Most lines of a reply (RFC 5321 4.2.1 shows a handful): without a limit they would be kept until the time is over.
const MOST_LINES: usize = 1_000;

/// One connection.
pub(super) struct Wire {
    stream: Stream,
    /// Bytes that were written and have not left yet.
    unsent: Vec<u8>,
    /// Bytes that have arrived and were not read yet.
    ahead: Vec<u8>,
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
        Ok(Self {
            stream: Stream::Clear(stream),
            unsent: Vec::new(),
            ahead: Vec::new(),
        })
    }

    /// Encrypts the connection, verifies the certificate, and returns the version of TLS.
    pub(super) async fn encrypt(&mut self, tls: &Tls) -> io::Result<&'static str> {
        if !self.ahead.is_empty() {
            return Err(io::Error::other(
                "the server sent plaintext after its reply to STARTTLS",
            ));
        }
        let Stream::Clear(stream) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(io::Error::other("the connection is not in plaintext"));
        };
        let stream = tls.connect(stream).await?;
        let version = match stream.get_ref().1.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS",
        };
        self.stream = Stream::Encrypted(Box::new(stream));
        Ok(version)
    }

    /// The address of this end.
    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        match &self.stream {
            Stream::Clear(stream) => stream.local_addr(),
            Stream::Encrypted(stream) => stream.get_ref().0.local_addr(),
            Stream::Gone => Err(gone()),
        }
    }

    /// Writes, to be sent when the next reply is read.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
    }

    /// Sends what was written, and reads one reply.
    pub(super) async fn reply(&mut self) -> Result<Reply, Cause> {
        self.send().await.map_err(Cause::of_io)?;
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            if lines.len() >= MOST_LINES {
                return Err(Cause::Network(io::Error::other("an endless reply")));
            }
            let Some((code, is_last)) = code(&line) else {
                return Err(Cause::Nonsense(line));
            };
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if is_last {
                return Ok(Reply::of_lines(code, lines));
            }
        }
    }

    async fn send(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let unsent = std::mem::take(&mut self.unsent);
        match &mut self.stream {
            Stream::Clear(stream) => stream.write_all(&unsent).await,
            Stream::Encrypted(stream) => {
                stream.write_all(&unsent).await?;
                stream.flush().await
            }
            Stream::Gone => Err(gone()),
        }
    }

    /// One line without its end; the rest where the connection ends within one.
    async fn line(&mut self) -> Result<String, Cause> {
        loop {
            if let Some(end) = self.ahead.iter().position(|byte| *byte == b'\n') {
                return Ok(readable(self.ahead.drain(..=end)));
            }
            if self.ahead.len() >= LONGEST_LINE {
                return Err(Cause::Network(io::Error::other("an endless reply")));
            }
            if self.read_more().await.map_err(Cause::of_io)? == 0 {
                if self.ahead.is_empty() {
                    return Err(Cause::Closed);
                }
                return Ok(readable(self.ahead.drain(..)));
            }
        }
    }

    async fn read_more(&mut self) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Clear(stream) => stream.read_buf(&mut self.ahead).await,
            Stream::Encrypted(stream) => stream.read_buf(&mut self.ahead).await,
            Stream::Gone => Err(gone()),
        }
    }

    /// Ends the connection in order, for TLS with its close_notify: servers log an error for each session without one.
    pub(super) async fn shut_down(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Clear(stream) => stream.shutdown().await,
            Stream::Encrypted(stream) => stream.shutdown().await,
            Stream::Gone => Ok(()),
        }
    }
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

/// The code of a reply's line, and whether that line is the last one (RFC 5321 4.2).
fn code(line: &str) -> Option<(u16, bool)> {
    let code = line.get(..3)?;
    if !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let code = code.parse().ok().filter(|code| (200..600).contains(code))?;
    match line.as_bytes().get(3) {
        None | Some(b' ') => Some((code, true)),
        Some(b'-') => Some((code, false)),
        Some(_) => None,
    }
}

fn readable(line: impl Iterator<Item = u8>) -> String {
    let line = String::from_utf8(line.collect()).unwrap_or_else(|error| {
        let bytes = error.into_bytes().into_iter();
        bytes
            .map(|byte| {
                if byte.is_ascii() {
                    char::from(byte)
                } else {
                    '?'
                }
            })
            .collect()
    });
    line.trim_end_matches(['\r', '\n']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_reply_has_a_code_and_tells_whether_it_is_the_last() {
        for (line, wanted) in [
            ("250 ok", Some((250, true))),
            ("250-more", Some((250, false))),
            ("354", Some((354, true))),
            ("250\tok", None),
            ("HTTP/1.1 400", None),
            ("+25 ok", None),
            ("25", None),
            ("99é", None),
            ("199 no", None),
            ("600 no", None),
            ("", None),
        ] {
            assert_eq!(code(line), wanted, "{line}");
        }
    }
}
