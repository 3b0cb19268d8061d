//! Values that a session exchanges with its caller: setup, inputs and effects.

use std::time::Duration;

use super::envelope::{MessageId, Received, Refusal};
use super::reply::Reply;

/// Event that the caller of a session reports.
#[derive(Debug)]
pub enum Input<'a> {
    /// The connection is established. Always the first input.
    Connected,
    /// The connection is established, but the server has no free session for it.
    TooManySessions,
    /// The client sent bytes.
    Bytes(&'a [u8]),
    /// Result of [`Effect::Store`].
    Stored(Result<MessageId, Refusal>),
    /// Result of [`Effect::StartTls`]: the connection is encrypted, with this version of TLS.
    Secured(&'a str),
    /// The server has no memory for the rest of the message in progress: it is read to its end, discarded and answered with
    /// 451.
    OutOfMemory,
    /// The client sent nothing for too long.
    TimedOut,
    /// The client sends no more bytes.
    Eof,
    /// The server stops.
    ShuttingDown,
}

/// Action for the caller; the actions of one step are performed in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a reply.
    Reply(Reply),
    /// Wait before the next effect.
    Wait(Duration),
    /// Send the replies, encrypt the connection, then report [`Input::Secured`]. Plaintext bytes that the client sent ahead
    /// must not be read. Always the last effect of its step.
    StartTls,
    /// Store the message, then report [`Input::Stored`]. Always the last effect of its step.
    Store(Box<Received>),
    /// Close the connection after the replies are sent. Always the last effect of the session.
    Close,
}

/// Effects of one step. Their replies belong in one write.
pub type Effects = Vec<Effect>;

/// Limits of a session.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Maximum length of a command line, in bytes. Above it the reply is 500; before EHLO the session ends.
    pub command_line: usize,
    /// Maximum size of a message, in bytes; above it 552.
    pub message_size: u64,
    /// Maximum number of recipients of a message; above it 452.
    pub recipients: usize,
    /// Maximum number of bad commands since the last stored message; above it 421.
    pub bad_commands: u32,
    /// Maximum number of bytes that wait while a message is being stored; above it 421.
    pub pipelined: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            // A response in AUTH may have this length (RFC 4954 4).
            command_line: 12 * 1024,
            message_size: 50 * 1024 * 1024,
            recipients: 2_000,
            bad_commands: 50,
            pipelined: 1024 * 1024,
        }
    }
}

/// Parameters of a new session.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Host name of the server.
    pub host: String,
    /// Limits of the session.
    pub limits: Limits,
    /// Whether STARTTLS is available.
    pub offers_tls: bool,
    /// Version of TLS if the connection is encrypted from its first byte.
    pub tls: Option<String>,
    /// Text unique to this session, for the challenge of CRAM-MD5.
    pub nonce: String,
}

#[cfg(test)]
impl Setup {
    /// Returns the default setup of a server with this host name.
    pub fn new(host: impl Into<String>) -> Setup {
        Setup {
            host: host.into(),
            ..Setup::default()
        }
    }
}
