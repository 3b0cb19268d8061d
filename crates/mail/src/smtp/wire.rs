//! Connection to a mail server, in plaintext or encrypted, and the replies that are read from it.
//!
//! Three properties are intended:
//! - Encryption begins only while no unread bytes are buffered. So a reply that an attacker appends to the reply to STARTTLS
//!   is never read as a reply of the encrypted session.
//! - Bytes that are not UTF-8 are read as `?`. A server that greets in Latin-1 accepts mail nevertheless, and an unreadable
//!   reply would cause an accepted mail to be sent again and again.
//! - Written bytes are sent when the next reply is read, in one packet: each packet wakes the server.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ProtocolVersion;

use super::failure::Cause;
use super::reply::Reply;
use super::trust::Tls;

/// Maximum length of a line of a reply, in bytes; RFC 5321 4.5.3.1.5 allows 512.
const MAX_LINE_BYTES: usize = 2_048;

/// Maximum number of lines of a reply (RFC 5321 4.2.1 shows a few). Without a limit, an endless reply would fill the memory
/// until the time limit.
const MAX_LINES: usize = 1_000;

/// One connection.
pub(super) struct Wire {
    stream: Stream,
    /// Bytes that were written and not sent yet.
    unsent: Vec<u8>,
    /// Bytes that were received and not read yet.
    unread: Vec<u8>,
}

enum Stream {
    Plaintext(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
    /// During the TLS handshake and after its failure: the connection never returns to plaintext.
    Unusable,
}

impl Wire {
    pub(super) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        // The end of a message may be a small packet, which would wait for an acknowledgement.
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: Stream::Plaintext(stream),
            unsent: Vec::new(),
            unread: Vec::new(),
        })
    }

    /// Encrypts the connection, verifies the certificate, and returns the version of TLS.
    pub(super) async fn encrypt(&mut self, tls: &Tls) -> io::Result<&'static str> {
        if !self.unread.is_empty() {
            return Err(io::Error::other(
                "the server sent plaintext after its reply to STARTTLS",
            ));
        }
        let Stream::Plaintext(stream) = std::mem::replace(&mut self.stream, Stream::Unusable)
        else {
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

    /// Returns the address of this end.
    pub(super) fn local_address(&self) -> io::Result<SocketAddr> {
        match &self.stream {
            Stream::Plaintext(stream) => stream.local_addr(),
            Stream::Encrypted(stream) => stream.get_ref().0.local_addr(),
            Stream::Unusable => Err(not_connected()),
        }
    }

    /// Buffers bytes, which are sent when the next reply is read.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
    }

    /// Sends the buffered bytes, and reads one reply.
    pub(super) async fn reply(&mut self) -> Result<Reply, Cause> {
        self.send().await.map_err(Cause::from_io)?;
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            if lines.len() >= MAX_LINES {
                return Err(Cause::Network(io::Error::other("an endless reply")));
            }
            let Some((code, is_last)) = code(&line) else {
                return Err(Cause::UnexpectedReply(line));
            };
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if is_last {
                return Ok(Reply::from_lines(code, lines));
            }
        }
    }

    async fn send(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let unsent = std::mem::take(&mut self.unsent);
        match &mut self.stream {
            Stream::Plaintext(stream) => stream.write_all(&unsent).await,
            Stream::Encrypted(stream) => {
                stream.write_all(&unsent).await?;
                stream.flush().await
            }
            Stream::Unusable => Err(not_connected()),
        }
    }

    /// Reads one line, and returns it without its end. Returns an unfinished line if the connection is closed.
    async fn line(&mut self) -> Result<String, Cause> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                return Ok(to_text(self.unread.drain(..=end)));
            }
            if self.unread.len() >= MAX_LINE_BYTES {
                return Err(Cause::Network(io::Error::other("an endless reply")));
            }
            if self.read_more().await.map_err(Cause::from_io)? == 0 {
                if self.unread.is_empty() {
                    return Err(Cause::Closed);
                }
                return Ok(to_text(self.unread.drain(..)));
            }
        }
    }

    async fn read_more(&mut self) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plaintext(stream) => stream.read_buf(&mut self.unread).await,
            Stream::Encrypted(stream) => stream.read_buf(&mut self.unread).await,
            Stream::Unusable => Err(not_connected()),
        }
    }

    /// Closes the connection, with close_notify for TLS: servers log an error for each session without it.
    pub(super) async fn shut_down(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plaintext(stream) => stream.shutdown().await,
            Stream::Encrypted(stream) => stream.shutdown().await,
            Stream::Unusable => Ok(()),
        }
    }
}

fn not_connected() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

/// Parses the code of a reply's line, and whether the line is the last one (RFC 5321 4.2).
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

fn to_text(line: impl Iterator<Item = u8>) -> String {
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
    fn a_line_of_a_reply_has_a_code_and_a_mark_of_the_last_line() {
        for (line, expected) in [
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
            assert_eq!(code(line), expected, "{line}");
        }
    }
}
