//! Failures of a session: the stage, the cause, and whether a retry can succeed. `error_messages` has the texts.
//!
//! Before MAIL a failure is one of the server: it says nothing about the mail, which keeps its place. From MAIL on,
//! `verdict` tells a refusal of this mail from one of all mails.

use std::io;
use std::time::Duration;

use tokio_rustls::rustls;

use super::error_messages::lacking;
use super::reply::{Reply, redacted};
use super::session::Route;
use super::verdict::{Verdict, common_words, is_about_login, verdict};
use movie_bag_core::ports::mail::DeliveryError;

/// How far a session has come, in its order.
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

/// What went wrong, and when.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) stage: Stage,
    pub(super) cause: Cause,
}

/// What can go wrong at any stage.
#[derive(Debug)]
pub(super) enum Cause {
    /// No answer within this time.
    TimedOut(Duration),
    /// A reply of 4xx or 5xx.
    Refused(Reply),
    /// The connection is gone.
    Closed,
    /// No encryption, or none to be trusted.
    Tls(rustls::Error),
    /// The network, in the system's words.
    Network(io::Error),
    /// The server has not got this extension, and it is needed.
    Lacks(String),
    /// The message is larger than the server takes.
    TooLarge {
        /// Bytes of the message.
        size: usize,
        /// Bytes that the server takes.
        limit: usize,
    },
    /// None of the ways to log in that the server offers is known here; these are offered.
    NoMechanism(String),
    /// What came is no SMTP, or makes no sense here.
    Nonsense(String),
}

impl Cause {
    pub(super) fn at(self, stage: Stage) -> Trouble {
        Trouble { stage, cause: self }
    }

    pub(super) fn of_io(error: io::Error) -> Self {
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

    /// In a handshake whatever fails is TLS, but for the network.
    pub(super) fn of_handshake(error: io::Error) -> Self {
        match Self::of_io(error) {
            Self::Network(error) => Self::Tls(rustls::Error::General(error.to_string())),
            cause => cause,
        }
    }
}

/// What rustls says; it hides in an error of the system's kind.
fn tls_error(error: &io::Error) -> Option<rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<rustls::Error>().cloned()
}

impl Trouble {
    /// The same without these secrets in what the server said.
    pub(super) fn without(self, secrets: &[&str]) -> Self {
        let cause = match self.cause {
            Cause::Refused(reply) => Cause::Refused(reply.without(secrets)),
            Cause::Nonsense(words) => Cause::Nonsense(redacted(&words, secrets)),
            cause => cause,
        };
        Self { cause, ..self }
    }

    /// Whether this can come from a session that has been idle for too long: then a new one does better, and nothing is
    /// sent twice, since the message has not been sent yet.
    pub(super) fn is_of_an_old_session(&self) -> bool {
        match &self.cause {
            Cause::Closed | Cause::Network(_) => self.stage < Stage::Message,
            Cause::Refused(reply) => self.stage < Stage::Message && reply.code == 421,
            Cause::TimedOut(_) => self.stage == Stage::Mail,
            _ => false,
        }
    }

    /// Whether the session can't be taken leave of: it is broken, or out of step.
    pub(super) fn is_end_of_session(&self) -> bool {
        !matches!(
            self.cause,
            Cause::Refused(_) | Cause::Lacks(_) | Cause::TooLarge { .. } | Cause::NoMechanism(_)
        )
    }

    /// The error that the use cases see, and what may help.
    pub(super) fn explain(&self, route: &Route) -> (DeliveryError, String) {
        let server = route.server();
        let reply = match &self.cause {
            Cause::Lacks(extension) if self.stage == Stage::Mail => {
                return lacking(&server, extension);
            }
            Cause::TooLarge { .. } => {
                let (what, hint) = (self.what(route), self.hint(route));
                let error = DeliveryError::Unsendable {
                    what,
                    hint: hint.clone(),
                };
                return (error, hint);
            }
            Cause::Refused(reply) if self.stage >= Stage::Mail => reply,
            _ => return self.unreachable(route),
        };
        let hint = self.hint(route);
        let error = match verdict(self.stage, reply) {
            Verdict::Later => DeliveryError::Transient {
                server,
                reply: reply.to_string(),
            },
            Verdict::Never => DeliveryError::Permanent {
                server,
                reply: reply.to_string(),
            },
            Verdict::Policy => DeliveryError::Policy {
                what: match reply.code {
                    code if is_about_login(code) => self.what(route),
                    400..500 => format!("{server} deferred the mail: {reply}"),
                    _ => format!("{server} rejects mails from this sender or client: {reply}"),
                },
                hint: hint.clone(),
                reply: common_words(reply),
            },
        };
        (error, hint)
    }

    fn unreachable(&self, route: &Route) -> (DeliveryError, String) {
        let (what, hint) = (self.what(route), self.hint(route));
        let error = DeliveryError::Unreachable {
            what,
            hint: hint.clone(),
        };
        (error, hint)
    }
}
