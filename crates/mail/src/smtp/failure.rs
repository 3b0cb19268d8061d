//! Failures of a session: the stage, the cause, and the continuation of the session.

use std::io;
use std::time::Duration;

use tokio_rustls::rustls;

use super::reply::{Reply, redacted};

/// Stage of a session, in the order of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    LookUp,
    Connect,
    Tls,
    Greeting,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// The message and its final dot.
    Message,
}

impl Stage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LookUp => "look-up",
            Self::Connect => "connect",
            Self::Tls => "TLS",
            Self::Greeting => "greeting",
            Self::Ehlo => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Message => "message",
        }
    }
}

/// Failure of a session at one stage.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) stage: Stage,
    pub(super) cause: Cause,
}

/// Cause of a failure; most are possible at any stage.
#[derive(Debug)]
pub(super) enum Cause {
    /// No answer within this time.
    TimedOut(Duration),
    /// A reply of 4xx or 5xx.
    Refused(Reply),
    /// The connection is closed.
    Closed,
    /// TLS could not be established, or the certificate is not trusted.
    Tls(rustls::Error),
    /// Error of the network.
    Network(io::Error),
    /// The server does not offer this extension, which is required.
    MissingExtension(String),
    /// The message is larger than the server accepts.
    MessageTooLarge {
        /// Size of the message, in bytes.
        size: usize,
        /// Maximum size that the server accepts, in bytes.
        limit: usize,
    },
    /// The server offers only these mechanisms for the login, and this client supports none of them.
    NoAuthMechanism(String),
    /// The bytes are not SMTP, or the reply has no meaning at this stage.
    UnexpectedReply(String),
}

impl Cause {
    pub(super) fn at(self, stage: Stage) -> Failure {
        Failure { stage, cause: self }
    }

    pub(super) fn from_io(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        if let Some(error) = tls_error(&error) {
            return Self::Tls(error);
        }
        match error.kind() {
            Kind::UnexpectedEof
            | Kind::ConnectionReset
            | Kind::ConnectionAborted
            | Kind::BrokenPipe
            | Kind::NotConnected => Self::Closed,
            _ => Self::Network(error),
        }
    }

    /// Converts an error of a TLS handshake: all errors but a closed connection are errors of TLS.
    pub(super) fn from_handshake(error: io::Error) -> Self {
        match Self::from_io(error) {
            Self::Network(error) => Self::Tls(rustls::Error::General(error.to_string())),
            cause => cause,
        }
    }
}

/// Returns the error of rustls inside an I/O error.
fn tls_error(error: &io::Error) -> Option<rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<rustls::Error>().cloned()
}

impl Failure {
    /// Returns the failure with these secrets removed from the server's text.
    pub(super) fn without(self, secrets: &[&str]) -> Self {
        let cause = match self.cause {
            Cause::Refused(reply) => Cause::Refused(reply.without(secrets)),
            Cause::UnexpectedReply(text) => Cause::UnexpectedReply(redacted(&text, secrets)),
            cause => cause,
        };
        Self { cause, ..self }
    }

    /// Returns whether a session that was idle for too long can cause this failure. A retry over a new session is safe
    /// then: the message was not sent yet, so the mail cannot be delivered twice.
    pub(super) fn may_be_of_stale_session(&self) -> bool {
        match &self.cause {
            Cause::Closed | Cause::Network(_) => self.stage < Stage::Message,
            Cause::Refused(reply) => self.stage < Stage::Message && reply.code == 421,
            Cause::TimedOut(_) => self.stage == Stage::Mail,
            _ => false,
        }
    }

    /// Returns whether the session cannot be closed with QUIT, because it is broken or out of step.
    pub(super) fn ends_session(&self) -> bool {
        !matches!(
            self.cause,
            Cause::Refused(_)
                | Cause::MissingExtension(_)
                | Cause::MessageTooLarge { .. }
                | Cause::NoAuthMechanism(_)
        )
    }
}
