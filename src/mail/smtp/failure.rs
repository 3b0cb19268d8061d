//! What went wrong in a session, whether it is worth another try, and the words for it.
//!
//! The rule: 5xx to the mail itself is for good, and so is what the server lacks for it. All else is tried again: 4xx,
//! no connection, no encryption, no log-in, a server that refuses us altogether. Those are mended at the server or in
//! the settings, and then the mails that wait go out.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::response::Response;
use tokio_rustls::rustls::{self, CertificateError};

use super::reply::{Reply, harmless};
use super::session::{Route, Security};
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
        let (what, hint) = (self.what(&route.server()), self.hint(route));
        let error = DeliveryError::Unreachable {
            what,
            hint: hint.clone(),
        };
        (error, hint)
    }

    fn what(&self, server: &str) -> String {
        let stage = self.stage.name();
        match (&self.cause, self.stage) {
            (Cause::Network(error), Stage::LookUp) => {
                format!("the name of SMTP at {server} can't be found: {error}")
            }
            (Cause::Network(error), _) if error.kind() == io::ErrorKind::ConnectionRefused => {
                format!("nothing answers SMTP at {server} (connection refused)")
            }
            (Cause::Network(error), Stage::Connect) => {
                format!("SMTP at {server} can't be reached: {error}")
            }
            (Cause::Network(error), _) => format!("SMTP at {server} broke off at {stage}: {error}"),
            (Cause::TimedOut(limit), Stage::LookUp) => format!(
                "the name of SMTP at {server} was not found in time ({})",
                seconds(*limit)
            ),
            (Cause::TimedOut(limit), Stage::Connect) => format!(
                "SMTP at {server} did not answer in time ({})",
                seconds(*limit)
            ),
            (Cause::TimedOut(limit), Stage::Message) => format!(
                "SMTP at {server} did not answer the message in time ({}): it may have taken it, and a repeat has the same Message-ID",
                seconds(*limit)
            ),
            (Cause::TimedOut(limit), _) => format!(
                "SMTP at {server} did not answer in time at {stage} ({})",
                seconds(*limit)
            ),
            (Cause::Closed, Stage::Message) => format!(
                "SMTP at {server} closed the connection before it answered the message: it may have taken it, and a repeat has the same Message-ID"
            ),
            (Cause::Closed, _) => format!("SMTP at {server} closed the connection at {stage}"),
            (Cause::Tls(error), _) => {
                format!(
                    "no encrypted connection to SMTP at {server}: {}",
                    tls_words(error)
                )
            }
            (Cause::Lacks(extension), _) => {
                format!("no encrypted connection to SMTP at {server}: it offers no {extension}")
            }
            (Cause::NoMechanism(offered), _) if offered.is_empty() => {
                format!("{server} offers no way to log in")
            }
            (Cause::NoMechanism(offered), _) => {
                let offered = harmless(offered);
                format!("{server} offers no way to log in but {offered}")
            }
            (Cause::Nonsense(words), Stage::Greeting) => {
                format!(
                    "what answers at {server} is no SMTP server: {}",
                    harmless(words)
                )
            }
            (Cause::Nonsense(words), _) => format!(
                "{server} gave an answer to {stage} that makes no sense: {}",
                harmless(words)
            ),
            (Cause::Refused(reply), Stage::StartTls) => {
                format!("no encrypted connection to SMTP at {server}: {reply}")
            }
            (Cause::Refused(reply), Stage::Auth) if reply.code < 500 => {
                format!("{server} can't check the user name and the password for now: {reply}")
            }
            (Cause::Refused(reply), Stage::Auth) => {
                format!("{server} refused the user name or the password: {reply}")
            }
            (Cause::Refused(reply), stage) if stage >= Stage::Mail => {
                format!("{server} wants a log-in first: {reply}")
            }
            (Cause::Refused(reply), _) => {
                format!("{server} refused to talk, at {stage}: {reply}")
            }
        }
    }

    /// What may help.
    fn hint(&self, route: &Route) -> String {
        match (&self.cause, self.stage) {
            (Cause::Network(_) | Cause::TimedOut(_), Stage::LookUp) => {
                "see that MAIL_SERVER is right, and that this machine can look names up".to_owned()
            }
            (Cause::Network(error), _)
                if error.kind() == io::ErrorKind::ConnectionRefused && is_local(&route.host) =>
            {
                "start \"movie-bag smtp-debug\" or set MAIL_SERVER".to_owned()
            }
            (Cause::TimedOut(_) | Cause::Closed, Stage::Greeting)
                if !matches!(route.security, Security::Implicit(_)) =>
            {
                "a port that wants TLS from the first byte, as 465, keeps silent like this: then set MAIL_USE_SSL=true".to_owned()
            }
            (Cause::Network(_) | Cause::TimedOut(_), Stage::Connect) if route.port == 25 => {
                "see that MAIL_SERVER is right; many networks let nothing out to port 25, and a provider's port is 587".to_owned()
            }
            (Cause::Network(_) | Cause::TimedOut(_) | Cause::Nonsense(_), stage)
                if stage <= Stage::Greeting =>
            {
                "see that MAIL_SERVER and MAIL_PORT are right and no firewall is between".to_owned()
            }
            (Cause::TimedOut(_), _) => {
                "a slow server gets more time by MOVIE_BAG_MAIL_TIMEOUT".to_owned()
            }
            (Cause::Network(_) | Cause::Closed | Cause::Nonsense(_), _) => {
                "the log of that server may say why".to_owned()
            }
            (Cause::Tls(error), _) => tls_hint(error, route),
            (Cause::Lacks(_), _) => {
                "a port that is encrypted from the first byte, as 465, wants MAIL_USE_SSL=true in place of MAIL_USE_TLS; see MAIL_SERVER and MAIL_PORT".to_owned()
            }
            (Cause::NoMechanism(_), _) => no_log_in_hint(route),
            (Cause::Refused(reply), stage) => refusal_hint(reply, stage, route),
        }
    }
}

fn refusal_hint(reply: &Reply, stage: Stage, route: &Route) -> String {
    let text = match stage {
        // Codes of RFC 4954 6 that say what is missing.
        Stage::Auth if reply.code < 500 => "it is tried again by itself",
        Stage::Auth if matches!(reply.code, 530 | 538) => "set MAIL_USE_TLS=true",
        Stage::Auth => {
            "mend MAIL_USERNAME and MAIL_PASSWORD; a provider with two-step verification, as Gmail, wants an app password"
        }
        _ if is_about_log_in(reply.code) => return no_log_in_hint(route),
        Stage::StartTls => {
            "its words say why; MAIL_USE_TLS demands the encryption, and nothing is sent without it"
        }
        Stage::Ehlo => {
            "where it refuses the name: that is the domain of MAIL_DEFAULT_SENDER; else ask who runs that server"
        }
        stage if stage < Stage::Mail => {
            "its words say why: ask who runs that server to take mail from this machine"
        }
        _ if reply.code < 500 => "it is tried again by itself; its words say why",
        Stage::Mail => "see that the server takes mails from MAIL_DEFAULT_SENDER",
        Stage::Rcpt => {
            "see that the address is right; a server that relays for nobody it does not know wants MAIL_USERNAME and MAIL_PASSWORD, or to be told of this machine"
        }
        _ => "its words say why: ask who runs that server",
    };
    text.to_owned()
}

fn no_log_in_hint(route: &Route) -> String {
    let text = match (&route.security, &route.credentials) {
        (Security::Clear, Some(_)) => {
            "most servers take a log-in over an encrypted connection only: set MAIL_USE_TLS=true; or leave MAIL_PASSWORD empty"
        }
        (Security::Clear, None) => {
            "set MAIL_USE_TLS=true, and MAIL_USERNAME and MAIL_PASSWORD where it wants them"
        }
        (_, None) => "set MAIL_USERNAME and MAIL_PASSWORD",
        (_, Some(_)) => {
            "movie-bag knows PLAIN and LOGIN; where no log-in is needed, leave MAIL_PASSWORD empty"
        }
    };
    text.to_owned()
}

fn tls_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(
            error @ (CertificateError::UnknownIssuer | CertificateError::BadSignature),
        ) => format!("its certificate is signed by nobody who is trusted ({error:?})"),
        error => harmless(&error.to_string()),
    }
}

fn tls_hint(error: &rustls::Error, route: &Route) -> String {
    use CertificateError as Certificate;
    let text = match error {
        rustls::Error::InvalidMessage(_) if matches!(route.security, Security::Implicit(_)) => {
            "a port that begins in clear text, as 587 and 25, wants MAIL_USE_TLS=true in place of MAIL_USE_SSL"
        }
        rustls::Error::InvalidCertificate(
            Certificate::UnknownIssuer | Certificate::BadSignature,
        ) => {
            "where its authority is your company's own, MAIL_CA_FILE names the file with the authority's certificate"
        }
        rustls::Error::InvalidCertificate(
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. },
        ) => "set MAIL_SERVER to the name in the server's certificate",
        rustls::Error::InvalidCertificate(
            Certificate::Expired | Certificate::ExpiredContext { .. },
        ) => {
            "who runs that server must renew its certificate; see also that this machine's clock is right"
        }
        _ => "see MAIL_USE_TLS and MAIL_USE_SSL, and that the certificate is valid for MAIL_SERVER",
    };
    text.to_owned()
}

fn lacking(server: &str, extension: &str) -> (DeliveryError, String) {
    let (what, hint) = match extension {
        "SMTPUTF8" => (
            format!(
                "{server} offers no SMTPUTF8, which an address with letters beyond ASCII needs"
            ),
            "this address can't get mail by that server: give the account another one, or send by a server with SMTPUTF8",
        ),
        _ => (
            format!("{server} offers no {extension}, which a text with letters beyond ASCII needs"),
            "write the text template in plain ASCII, or send by a server with 8BITMIME",
        ),
    };
    let error = DeliveryError::Unsendable {
        what,
        hint: hint.to_owned(),
    };
    (error, hint.to_owned())
}

/// 530, 534, 535, 538: something about logging in or encryption (RFC 4954 6, RFC 3207 4).
fn is_about_log_in(code: u16) -> bool {
    matches!(code, 530 | 534 | 535 | 538)
}

fn is_local(host: &str) -> bool {
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|address: IpAddr| address.is_loopback())
}

fn seconds(limit: Duration) -> String {
    format!("{:.1} s", limit.as_secs_f64())
}
