//! Causes of failed sessions, and whether a retry can succeed; `error_messages` has the texts.
//!
//! The rule: 5xx to the mail itself is for good, and so is what the server lacks for it. All else is tried again: 4xx,
//! no connection, no encryption, no log-in, a server that refuses us altogether. Those are mended at the server or in
//! the settings, and then the mails that wait go out.

use std::error::Error;
use std::io;
use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::response::Response;
use tokio_rustls::rustls;

use super::error_messages::lacking;
use super::reply::Reply;
use super::session::Route;
use super::wire::Wire;
use crate::mail::DeliveryError;

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

    pub(super) fn of_smtp(error: &SmtpError, wire: &Wire) -> Self {
        let source = error.source();
        let words = source.map(ToString::to_string).unwrap_or_default();
        if let Some(code) = error.status() {
            return Self::Refused(Reply::new(code.into(), &words));
        }
        if let Some(error) = source.and_then(|source| source.downcast_ref::<io::Error>()) {
            let copy = match tls_error(error) {
                Some(error) => return Self::Tls(error),
                None => io::Error::new(error.kind(), error.to_string()),
            };
            return Self::of_io(copy);
        }
        // lettre's word for a connection that ended before a reply did.
        if words == "incomplete response" {
            return Self::Closed;
        }
        Self::Nonsense(wire.heard().pop().unwrap_or(words))
    }

    /// Of an answer that lettre finds no sense in.
    pub(super) fn nonsense(error: &SmtpError) -> Self {
        let source = error.source();
        Self::Nonsense(source.map(ToString::to_string).unwrap_or_default())
    }
}

/// What rustls says; it hides in an error of the system's kind.
fn tls_error(error: &io::Error) -> Option<rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<rustls::Error>().cloned()
}

/// The reply, or what went wrong.
pub(super) fn answered(
    stage: Stage,
    response: Result<Response, SmtpError>,
    wire: &Wire,
) -> Result<Reply, Trouble> {
    match response {
        Ok(response) => Ok(Reply::from(&response)),
        Err(error) => Err(Cause::of_smtp(&error, wire).at(stage)),
    }
}

impl Trouble {
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
        !matches!(self.cause, Cause::Refused(_) | Cause::Lacks(_))
    }

    /// What is told of it, and what may help.
    pub(super) fn explain(&self, route: &Route) -> (DeliveryError, String) {
        let server = route.server();
        let reply = match &self.cause {
            Cause::Lacks(extension) if self.stage == Stage::Mail => {
                return lacking(&server, extension);
            }
            Cause::Refused(reply) => reply,
            _ => return self.unreachable(route),
        };
        let is_for_good = reply.code >= 500;
        // A server that refuses everybody, or wants a log-in, has not looked at the mail.
        let is_about_mail = self.stage >= Stage::Mail && !is_about_log_in(reply.code);
        let is_about_settings = matches!(self.stage, Stage::StartTls | Stage::Auth);
        if is_for_good && !is_about_mail || is_about_settings {
            return self.unreachable(route);
        }
        let hint = self.hint(route);
        let reply = reply.to_string();
        let error = if is_for_good {
            DeliveryError::Permanent { server, reply }
        } else {
            DeliveryError::Transient { server, reply }
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

/// 530, 534, 535, 538: something about logging in or encryption (RFC 4954 6, RFC 3207 4).
pub(super) fn is_about_log_in(code: u16) -> bool {
    matches!(code, 530 | 534 | 535 | 538)
}
