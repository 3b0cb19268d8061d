//! What is said of a failure, with the server's own words, and what may help. One arm for each thing that goes wrong with
//! the mail settings of somebody who is not looking at this code.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio_rustls::rustls::{self, CertificateError};

use super::failure::{Cause, Stage, Trouble};
use super::reply::{Reply, harmless};
use super::session::{Route, Security};
use super::trust::is_an_authority_s;
use super::verdict::is_about_login;
use crate::mail::DeliveryError;

impl Trouble {
    /// What happened.
    pub(super) fn what(&self, server: &str) -> String {
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
            // Told by `explain`.
            (Cause::TooLarge { .. }, _) => format!("the message is too large for {server}"),
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
                format!("{server} wants encryption or a log-in first: {reply}")
            }
            (Cause::Refused(reply), _) => {
                format!("{server} refused to talk, at {stage}: {reply}")
            }
        }
    }

    /// What may help.
    pub(super) fn hint(&self, route: &Route) -> String {
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
            (Cause::Lacks(_) | Cause::TooLarge { .. }, _) => {
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
        _ if is_about_login(reply.code) => return no_log_in_hint(route),
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
        error if is_an_authority_s(error) => {
            "its certificate is that of an authority, and can't be a server's".to_owned()
        }
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
        error if is_an_authority_s(error) => {
            "where it is that server's own certificate, MAIL_CA_FILE names the file with exactly this one"
        }
        _ => "see MAIL_USE_TLS and MAIL_USE_SSL, and that the certificate is valid for MAIL_SERVER",
    };
    text.to_owned()
}

/// Of an extension that the mail needs and the server has not got.
pub(super) fn lacking(server: &str, extension: &str) -> (DeliveryError, String) {
    let what =
        format!("{server} offers no {extension}, which an address with letters beyond ASCII needs");
    let hint = "this address can't get mail by that server: give the account another one, or send by a server with SMTPUTF8";
    let error = DeliveryError::Unsendable {
        what,
        hint: hint.to_owned(),
    };
    (error, hint.to_owned())
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
