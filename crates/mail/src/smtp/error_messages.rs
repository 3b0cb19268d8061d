//! Error messages and hints for failed SMTP sessions.
//!
//! A message names what failed and then the cause, with the server's reply. A hint is one imperative sentence for the
//! administrator who configures the mail settings.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use tokio_rustls::rustls::pki_types::{ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, AlertDescription, CertificateError, InvalidMessage, PeerIncompatible,
};

use super::failure::{Cause, Stage, Trouble};
use super::reply::{Reply, harmless};
use super::session::{Route, Security};
use super::trust::is_ca_certificate;
use super::verdict::is_about_login;
use movie_bag_core::ports::mail::DeliveryError;

/// Maximum number of certificate names in a message; certificates of large providers have dozens.
const NAMES_SHOWN: usize = 5;

const SIZE_HINT: &str =
    "raise the message size limit of that server, or shorten your own mail templates";

/// Note for a connection that ended after the message was sent.
const UNCERTAIN: &str = "it may have accepted the mail, and a retry has the same Message-ID";

impl Trouble {
    /// Returns the error message.
    pub(super) fn what(&self, route: &Route) -> String {
        let server = route.server();
        let stage = self.stage.name();
        match (&self.cause, self.stage) {
            (Cause::Network(error), Stage::LookUp) => format!(
                "cannot resolve the mail server's name {}: {}",
                route.host,
                system_message(error)
            ),
            (Cause::Network(error), Stage::Connect) => format!(
                "cannot connect to mail server {server}: {}",
                system_message(error)
            ),
            (Cause::Network(error), _) => format!(
                "the connection to mail server {server} failed at {stage}: {}",
                system_message(error)
            ),
            (Cause::TimedOut(limit), Stage::LookUp) => format!(
                "cannot resolve the mail server's name {}: no answer within {}",
                route.host,
                seconds(*limit)
            ),
            (Cause::TimedOut(limit), Stage::Connect) => format!(
                "cannot connect to mail server {server}: no answer within {}",
                seconds(*limit)
            ),
            (Cause::TimedOut(limit), Stage::Message) => format!(
                "mail server {server} did not answer in time after the message was sent ({}): {UNCERTAIN}",
                seconds(*limit)
            ),
            (Cause::TimedOut(limit), _) => format!(
                "mail server {server} did not answer in time at {stage} ({})",
                seconds(*limit)
            ),
            (Cause::Closed, Stage::Message) => format!(
                "mail server {server} closed the connection after the message was sent: {UNCERTAIN}"
            ),
            (Cause::Closed, Stage::Tls) => no_tls(
                &server,
                "the server closed the connection during the handshake",
            ),
            (Cause::Closed, _) => {
                format!("mail server {server} closed the connection at {stage}")
            }
            (Cause::Tls(error), _) => no_tls(&server, &tls_cause(error, &route.host)),
            (Cause::Lacks(extension), _) => {
                no_tls(&server, &format!("the server does not offer {extension}"))
            }
            (Cause::TooLarge { size, limit }, _) => {
                format!(
                    "the message has {size} bytes, and mail server {server} accepts at most {limit}"
                )
            }
            (Cause::NoMechanism(offered), _) if offered.is_empty() => {
                format!("cannot log in to mail server {server}: it does not offer AUTH")
            }
            (Cause::NoMechanism(offered), _) => format!(
                "cannot log in to mail server {server}: it offers only {}",
                harmless(offered)
            ),
            (Cause::Nonsense(words), Stage::Greeting) => format!(
                "{server} is not an SMTP server{}: {}",
                other_protocol(words).map_or_else(String::new, |name| format!(" but {name}")),
                harmless(words)
            ),
            (Cause::Nonsense(words), _) => format!(
                "mail server {server} sent an unexpected reply to {stage}: {}",
                harmless(words)
            ),
            (Cause::Refused(reply), Stage::StartTls) => {
                no_tls(&server, &format!("STARTTLS was refused: {reply}"))
            }
            (Cause::Refused(reply), Stage::Auth) if reply.code < 500 => {
                format!("mail server {server} cannot verify the login at the moment: {reply}")
            }
            (Cause::Refused(reply), Stage::Auth) => {
                format!("mail server {server} rejected the login: {reply}")
            }
            (Cause::Refused(reply), _) if is_about_login(reply.code) => {
                format!("mail server {server} requires a login or encryption: {reply}")
            }
            (Cause::Refused(reply), _) => {
                format!("mail server {server} refused the session at {stage}: {reply}")
            }
        }
    }

    /// Returns the hint.
    pub(super) fn hint(&self, route: &Route) -> String {
        let is_implicit = matches!(route.security, Security::Implicit(_));
        let text = match (&self.cause, self.stage) {
            (Cause::Network(_) | Cause::TimedOut(_), Stage::LookUp) => {
                "check the spelling of MAIL_SERVER and the DNS of this machine"
            }
            (Cause::Network(error), _)
                if error.kind() == io::ErrorKind::ConnectionRefused && is_local(&route.host) =>
            {
                if route.hints_at_sink {
                    "start \"movie-bag smtp-debug\" or set MAIL_SERVER"
                } else {
                    "start the mail server on this machine, or set MAIL_SERVER and MAIL_PORT"
                }
            }
            (Cause::Network(_) | Cause::TimedOut(_), Stage::Connect) if route.port == 25 => {
                "try MAIL_PORT=587: many networks block outgoing connections to port 25"
            }
            (Cause::TimedOut(_) | Cause::Closed, Stage::Tls) => {
                "set MAIL_USE_TLS=true instead of MAIL_USE_SSL for a port that begins in plaintext, such as 587 or 25"
            }
            (Cause::TimedOut(_) | Cause::Closed, Stage::Greeting)
                if !is_implicit && route.port == 465 =>
            {
                "set MAIL_USE_SSL=true: port 465 expects TLS from the first byte"
            }
            (Cause::TimedOut(_) | Cause::Closed, Stage::Greeting) if !is_implicit => {
                "check MAIL_PORT, and set MAIL_USE_SSL=true if it expects TLS from the first byte, as port 465 does"
            }
            (Cause::Nonsense(_) | Cause::TimedOut(_) | Cause::Closed, Stage::Greeting) => {
                "set MAIL_PORT to the SMTP port of that server, usually 587, 465 or 25"
            }
            (Cause::Network(_) | Cause::TimedOut(_), stage) if stage <= Stage::Greeting => {
                "check MAIL_SERVER and MAIL_PORT, and that no firewall blocks the connection"
            }
            (Cause::TimedOut(_), _) => {
                "raise MOVIE_BAG_MAIL_TIMEOUT if that server needs more time"
            }
            (Cause::Network(_) | Cause::Closed | Cause::Nonsense(_), _) => {
                "look up the reason in the log of that server"
            }
            (Cause::Tls(error), _) => return tls_hint(error, route),
            (Cause::Lacks(_), _) => {
                "set MAIL_PORT to the server's port with STARTTLS, usually 587, or use MAIL_USE_SSL=true with port 465"
            }
            (Cause::TooLarge { .. }, _) => SIZE_HINT,
            (Cause::NoMechanism(_), _) => missing_login_hint(route),
            (Cause::Refused(reply), stage) => refusal_hint(reply, stage, route),
        };
        text.to_owned()
    }
}

fn no_tls(server: &str, cause: &str) -> String {
    format!("cannot establish TLS with mail server {server}: {cause}")
}

/// The operating system's message without the wrapping of the standard library.
fn system_message(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return "connection refused".to_owned();
    }
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ");
    let text = text.map_or_else(|| error.to_string(), ToOwned::to_owned);
    let end = text.find(" (os error ").unwrap_or(text.len());
    harmless(&text[..end])
}

/// Name of the protocol that the first line of a server shows, if it is a well-known one.
fn other_protocol(greeting: &str) -> Option<&'static str> {
    const PROTOCOLS: [(&str, &str); 6] = [
        ("HTTP/", "a web server"),
        ("<", "a web server"),
        ("SSH-", "an SSH server"),
        ("+OK", "a POP3 server"),
        ("* OK", "an IMAP server"),
        ("* BYE", "an IMAP server"),
    ];
    let known = PROTOCOLS
        .iter()
        .find(|(start, _)| greeting.starts_with(start));
    known.map(|(_, name)| *name)
}

/// Selects the hint by the reply's text first: servers use the same code at the same stage for unrelated reasons.
fn refusal_hint(reply: &Reply, stage: Stage, route: &Route) -> &'static str {
    const CHECK_LOGIN: &str = "check MAIL_USERNAME and MAIL_PASSWORD; a provider with two-step verification needs an app password";
    let text = reply.to_string().to_ascii_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    let has_login = route.credentials.is_some();
    match stage {
        Stage::Auth if reply.code < 500 => return "run the command again in a few minutes",
        // Codes of RFC 4954 section 6 that name what is missing.
        Stage::Auth if matches!(reply.code, 530 | 538) => return "set MAIL_USE_TLS=true",
        Stage::Auth => return CHECK_LOGIN,
        // 454 of RFC 3207: the server cannot read its certificate, or has no resources.
        Stage::StartTls if reply.code < 500 => {
            return "look up the reason in the log of that server";
        }
        Stage::StartTls => {
            return "enable STARTTLS at that server: with MAIL_USE_TLS=true nothing is sent in plaintext";
        }
        _ => {}
    }
    if is_about_login(reply.code) {
        return missing_login_hint(route);
    }
    if says(&[
        "sender address rejected",
        "sender rejected",
        "sender verify failed",
        "not owned by",
        "send as this sender",
        "sendasdenied",
        "not verified",
    ]) {
        return if says(&["domain not found", "verify failed"]) {
            "set MAIL_DEFAULT_SENDER to an address that exists"
        } else if has_login && !says(&["not logged in"]) {
            "set MAIL_DEFAULT_SENDER to an address of this login"
        } else if says(&["not logged in"]) {
            "set MAIL_USERNAME and MAIL_PASSWORD of the login that owns MAIL_DEFAULT_SENDER"
        } else {
            "set MAIL_DEFAULT_SENDER to an address that this server accepts"
        };
    }
    if says(&[
        "relaying",
        "unable to relay",
        "relay denied",
        "relay access denied",
        "relay not permitted",
        "permitted to relay",
    ]) {
        return if has_login {
            "allow this login to relay mails at that server"
        } else {
            "set MAIL_USERNAME and MAIL_PASSWORD, or allow this machine to relay mails at that server"
        };
    }
    let is_client_refused = says(&["client host rejected", "blocked using"]);
    if says(&["helo"]) || stage == Stage::Ehlo && !is_client_refused {
        return "set MAIL_HELO_NAME to the public host name of this machine";
    }
    if says(&["greylist", "graylist"]) {
        return "run the command again in a few minutes: the server defers the first mail of an unknown sender";
    }
    if reply.code < 500 {
        return "run the command again in a few minutes";
    }
    if stage < Stage::Mail || is_client_refused {
        return "ask the administrator of that server to accept mails from this machine's address";
    }
    // RFC 3463: 5.2.2 is a mailbox over its quota. The code 552 alone means either.
    if says(&[
        "5.2.2",
        "mailbox full",
        "mailbox is full",
        "over quota",
        "quota exceeded",
    ]) {
        return "ask the recipient to free space in the mailbox";
    }
    if reply.code == 552 || says(&["5.3.4", "5.2.3", "message size", "too large"]) {
        return SIZE_HINT;
    }
    match stage {
        Stage::Mail => "set MAIL_DEFAULT_SENDER to an address that this server accepts",
        Stage::Rcpt => "check the recipient's address, and that this server accepts mails for it",
        _ => "check SPF, DKIM and DMARC of the sender's domain, and the log of that server",
    }
}

fn missing_login_hint(route: &Route) -> &'static str {
    match (&route.security, &route.credentials) {
        (Security::Clear, Some(_)) => {
            "set MAIL_USE_TLS=true: most servers accept a login over an encrypted connection only"
        }
        (Security::Clear, None) => {
            "set MAIL_USERNAME and MAIL_PASSWORD, and MAIL_USE_TLS=true for a server that is not on this machine"
        }
        (_, None) => "set MAIL_USERNAME and MAIL_PASSWORD",
        (_, Some(_)) => {
            "enable PLAIN or LOGIN at that server, or unset MAIL_PASSWORD if it needs no login"
        }
    }
}

/// Names why a TLS handshake failed.
fn tls_cause(error: &rustls::Error, host: &str) -> String {
    match error {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the server answered in plaintext".to_owned()
        }
        error if is_about_version(error) => {
            "the server supports neither TLS 1.2 nor TLS 1.3".to_owned()
        }
        error if is_about_ciphers(error) => {
            "the server supports none of this client's cipher suites".to_owned()
        }
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            format!("the server has no certificate for {host}")
        }
        rustls::Error::AlertReceived(alert) => {
            format!("the server ended the handshake with the alert {alert:?}")
        }
        rustls::Error::InvalidCertificate(error) => certificate_cause(error),
        error => harmless(&error.to_string()),
    }
}

fn is_about_version(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)
            | rustls::Error::PeerIncompatible(
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                    | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            )
    )
}

fn is_about_ciphers(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity
        ) | rustls::Error::PeerIncompatible(
            PeerIncompatible::NoCipherSuitesInCommon | PeerIncompatible::NoKxGroupsInCommon
        )
    )
}

fn certificate_cause(error: &CertificateError) -> String {
    use CertificateError as Certificate;
    match error {
        Certificate::ExpiredContext { not_after, .. } => {
            format!("the server's certificate expired on {}", utc(*not_after))
        }
        Certificate::Expired => "the server's certificate has expired".to_owned(),
        Certificate::NotValidYetContext { not_before, .. } => format!(
            "the server's certificate is valid only from {}",
            utc(*not_before)
        ),
        Certificate::NotValidYet => "the server's certificate is not valid yet".to_owned(),
        Certificate::NotValidForNameContext {
            expected,
            presented,
        } => other_names(expected, presented),
        Certificate::NotValidForName => {
            "the server's certificate is for another host name".to_owned()
        }
        Certificate::UnknownIssuer => {
            "the server's certificate is self-signed or issued by an untrusted authority".to_owned()
        }
        Certificate::BadSignature => {
            "the server's certificate is not signed by the trusted authority of that name"
                .to_owned()
        }
        Certificate::Revoked => "the server's certificate is revoked".to_owned(),
        Certificate::InvalidPurpose | Certificate::InvalidPurposeContext { .. } => {
            "the certificate is not meant for a server (extended key usage)".to_owned()
        }
        error if is_ca_certificate(error) => {
            "the server's certificate is self-signed, a CA certificate, and not trusted".to_owned()
        }
        error if is_version_1(error) => {
            "the server's certificate is of X.509 version 1, which names no host".to_owned()
        }
        error => harmless(&error.to_string()),
    }
}

/// `openssl x509 -req` without an extension file makes these.
fn is_version_1(error: &CertificateError) -> bool {
    error.to_string().contains("UnsupportedCertVersion")
}

fn other_names(expected: &ServerName<'_>, presented: &[String]) -> String {
    let expected = expected.to_str();
    let names = certificate_names(presented);
    if names.is_empty() {
        return "the server's certificate names no host in subjectAltName".to_owned();
    }
    let shown = names[..names.len().min(NAMES_SHOWN)].join(", ");
    let more = match names.len().saturating_sub(NAMES_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("the server's certificate is for {shown}{more}, not for {expected}")
}

/// Host names and addresses of a certificate, from the debug output that rustls passes on: `DnsName("mail.example")`,
/// `IpAddress(192.0.2.1)`.
fn certificate_names(presented: &[String]) -> Vec<String> {
    let names = presented.iter().filter_map(|name| {
        let dns = name
            .strip_prefix("DnsName(\"")
            .and_then(|name| name.strip_suffix("\")"));
        let address = name
            .strip_prefix("IpAddress(")
            .and_then(|name| name.strip_suffix(')'));
        dns.or(address).map(harmless)
    });
    names.collect()
}

fn utc(at: UnixTime) -> String {
    let seconds = i64::try_from(at.as_secs()).ok();
    let at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.map_or_else(
        || "a date out of range".to_owned(),
        |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

fn tls_hint(error: &rustls::Error, route: &Route) -> String {
    use CertificateError as Certificate;
    const TRUST: &str = "name the certificate of that authority in MAIL_CA_FILE";
    let is_implicit = matches!(route.security, Security::Implicit(_));
    let text = match error {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) if is_implicit => {
            "set MAIL_USE_TLS=true instead of MAIL_USE_SSL, or set MAIL_PORT to the server's TLS port, usually 465"
        }
        error if is_about_version(error) => "enable TLS 1.2 or TLS 1.3 at that server",
        error if is_about_ciphers(error) => {
            "enable a cipher suite with ECDHE and AES-GCM or ChaCha20-Poly1305 at that server"
        }
        rustls::Error::InvalidCertificate(error) => match error {
            Certificate::UnknownIssuer | Certificate::BadSignature => TRUST,
            Certificate::ExpiredContext { time, .. } => {
                return format!(
                    "renew the certificate of that server, or correct this machine's clock if it is not {}",
                    utc(*time)
                );
            }
            Certificate::NotValidYetContext { time, .. } => {
                return format!("check this machine's clock, which shows {}", utc(*time));
            }
            Certificate::Expired => "renew the certificate of that server",
            Certificate::NotValidYet => "check this machine's clock",
            Certificate::NotValidForNameContext { presented, .. } => {
                return name_hint(&certificate_names(presented));
            }
            Certificate::NotValidForName => "set MAIL_SERVER to the name in the certificate",
            error if is_ca_certificate(error) => "name the server's certificate in MAIL_CA_FILE",
            error if is_version_1(error) => {
                "issue a certificate with the server's host name in subjectAltName"
            }
            _ => "install a certificate at that server that is valid for MAIL_SERVER",
        },
        _ => "check MAIL_PORT, MAIL_USE_TLS and MAIL_USE_SSL against that server's documentation",
    };
    text.to_owned()
}

fn name_hint(names: &[String]) -> String {
    match names.iter().find(|name| !name.starts_with('*')) {
        Some(name) => format!("set MAIL_SERVER to a name in the certificate, such as {name}"),
        None if names.is_empty() => {
            "issue a certificate with the server's host name in subjectAltName".to_owned()
        }
        None => format!("set MAIL_SERVER to a host name that matches {}", names[0]),
    }
}

/// Error for a mail that needs an extension which the server does not offer.
pub(super) fn lacking(server: &str, extension: &str) -> (DeliveryError, String) {
    let what = format!(
        "mail server {server} does not offer {extension}, which an address beyond ASCII needs"
    );
    let hint =
        "give the account an address in ASCII, or use a mail server with SMTPUTF8".to_owned();
    let error = DeliveryError::Unsendable {
        what,
        hint: hint.clone(),
    };
    (error, hint)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_for_other_names_shows_some_of_them_and_a_usable_one() {
        let expected = ServerName::try_from("mail.test").unwrap();
        let shown = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            (
                other_names(&expected, &names),
                name_hint(&certificate_names(&names)),
            )
        };
        assert_eq!(
            shown(&[
                "DirectoryName",
                "DnsName(\"*.example\")",
                "IpAddress(192.0.2.1)"
            ]),
            (
                "the server's certificate is for *.example, 192.0.2.1, not for mail.test"
                    .to_owned(),
                "set MAIL_SERVER to a name in the certificate, such as 192.0.2.1".to_owned()
            )
        );
        assert_eq!(
            shown(&["DnsName(\"*.example\")"]).1,
            "set MAIL_SERVER to a host name that matches *.example"
        );
        assert_eq!(
            shown(&[]),
            (
                "the server's certificate names no host in subjectAltName".to_owned(),
                "issue a certificate with the server's host name in subjectAltName".to_owned()
            )
        );
        let many: Vec<String> = (0..40)
            .map(|number| format!("DnsName(\"m{number}.example\")"))
            .collect();
        assert_eq!(
            other_names(&expected, &many),
            "the server's certificate is for m0.example, m1.example, m2.example, m3.example, m4.example and 35 more, not for mail.test"
        );
    }

    #[test]
    fn an_error_of_the_system_is_shown_without_its_number() {
        let refused = io::Error::from_raw_os_error(111);
        let unreachable = io::Error::from_raw_os_error(101);
        if cfg!(target_os = "linux") {
            assert_eq!(system_message(&refused), "connection refused");
            assert_eq!(system_message(&unreachable), "Network is unreachable");
        }
        let resolver =
            io::Error::other("failed to lookup address information: Name or service not known");
        assert_eq!(system_message(&resolver), "Name or service not known");
    }
}
