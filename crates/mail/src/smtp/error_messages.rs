//! Error messages and hints for failed SMTP sessions.
//!
//! A message names what failed and then the cause, with the server's reply. A hint is one imperative sentence for the
//! administrator who configures the mail settings.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::failure::{Cause, Failure, Stage};
use super::reply::{Reply, sanitized};
use super::route::{Route, Security};
use super::tls_messages;
use super::verdict::is_about_login;

const SIZE_HINT: &str =
    "raise the message size limit of that server, or shorten your own mail templates";

/// Note for a connection that ended after the message was sent.
const UNCERTAIN: &str = "it may have accepted the mail, and a retry has the same Message-ID";

/// Returns the error message of a failure.
pub(super) fn message(failure: &Failure, route: &Route) -> String {
    let server = route.server();
    let stage = failure.stage.name();
    match (&failure.cause, failure.stage) {
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
        (Cause::Tls(error), _) => no_tls(&server, &tls_messages::cause(error, &route.host)),
        (Cause::MissingExtension(extension), _) => {
            no_tls(&server, &format!("the server does not offer {extension}"))
        }
        (Cause::MessageTooLarge { size, limit }, _) => {
            format!(
                "the message has {size} bytes, and mail server {server} accepts at most {limit}"
            )
        }
        (Cause::NoAuthMechanism(offered), _) if offered.is_empty() => {
            format!("cannot log in to mail server {server}: it does not offer AUTH")
        }
        (Cause::NoAuthMechanism(offered), _) => format!(
            "cannot log in to mail server {server}: it offers only {}",
            sanitized(offered)
        ),
        (Cause::UnexpectedReply(text), Stage::Greeting) => format!(
            "{server} is not an SMTP server{}: {}",
            other_protocol(text).map_or_else(String::new, |name| format!(" but {name}")),
            sanitized(text)
        ),
        (Cause::UnexpectedReply(text), _) => format!(
            "mail server {server} sent an unexpected reply to {stage}: {}",
            sanitized(text)
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

/// Returns the hint of a failure.
pub(super) fn hint(failure: &Failure, route: &Route) -> String {
    let is_implicit = matches!(route.security, Security::Implicit(_));
    let text = match (&failure.cause, failure.stage) {
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
        (Cause::UnexpectedReply(_) | Cause::TimedOut(_) | Cause::Closed, Stage::Greeting) => {
            "set MAIL_PORT to the SMTP port of that server, usually 587, 465 or 25"
        }
        (Cause::Network(_) | Cause::TimedOut(_), stage) if stage <= Stage::Greeting => {
            "check MAIL_SERVER and MAIL_PORT, and that no firewall blocks the connection"
        }
        (Cause::TimedOut(_), _) => "raise MOVIE_BAG_MAIL_TIMEOUT if that server needs more time",
        (Cause::Network(_) | Cause::Closed | Cause::UnexpectedReply(_), _) => {
            "look up the reason in the log of that server"
        }
        (Cause::Tls(error), _) => return tls_messages::hint(error, route),
        (Cause::MissingExtension(_), _) => {
            "set MAIL_PORT to the server's port with STARTTLS, usually 587, or use MAIL_USE_SSL=true with port 465"
        }
        (Cause::MessageTooLarge { .. }, _) => SIZE_HINT,
        (Cause::NoAuthMechanism(_), _) => missing_login_hint(route),
        (Cause::Refused(reply), stage) => refusal_hint(reply, stage, route),
    };
    text.to_owned()
}

fn no_tls(server: &str, cause: &str) -> String {
    format!("cannot establish TLS with mail server {server}: {cause}")
}

/// Returns the operating system's message without the additions of the standard library.
fn system_message(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return "connection refused".to_owned();
    }
    let text = error.to_string();
    let text = text.strip_prefix("failed to lookup address information: ");
    let text = text.map_or_else(|| error.to_string(), ToOwned::to_owned);
    let end = text.find(" (os error ").unwrap_or(text.len());
    sanitized(&text[..end])
}

/// Returns the kind of server that begins with this line, if it is a well-known one.
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
    let contains_any = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
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
    if contains_any(&[
        "sender address rejected",
        "sender rejected",
        "sender verify failed",
        "not owned by",
        "send as this sender",
        "sendasdenied",
        "not verified",
    ]) {
        return if contains_any(&["domain not found", "verify failed"]) {
            "set MAIL_DEFAULT_SENDER to an address that exists"
        } else if has_login && !contains_any(&["not logged in"]) {
            "set MAIL_DEFAULT_SENDER to an address of this login"
        } else if contains_any(&["not logged in"]) {
            "set MAIL_USERNAME and MAIL_PASSWORD of the login that owns MAIL_DEFAULT_SENDER"
        } else {
            "set MAIL_DEFAULT_SENDER to an address that this server accepts"
        };
    }
    if contains_any(&[
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
    let is_client_refused = contains_any(&["client host rejected", "blocked using"]);
    if contains_any(&["helo"]) || stage == Stage::Ehlo && !is_client_refused {
        return "set MAIL_HELO_NAME to the public host name of this machine";
    }
    if contains_any(&["greylist", "graylist"]) {
        return "run the command again in a few minutes: the server defers the first mail of an unknown sender";
    }
    if reply.code < 500 {
        return "run the command again in a few minutes";
    }
    if stage < Stage::Mail || is_client_refused {
        return "ask the administrator of that server to accept mails from this machine's address";
    }
    // RFC 3463: 5.2.2 is a mailbox over its quota. The code 552 alone means either.
    if contains_any(&[
        "5.2.2",
        "mailbox full",
        "mailbox is full",
        "over quota",
        "quota exceeded",
    ]) {
        return "ask the recipient to free space in the mailbox";
    }
    if reply.code == 552 || contains_any(&["5.3.4", "5.2.3", "message size", "too large"]) {
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
        (Security::Plaintext, Some(_)) => {
            "set MAIL_USE_TLS=true: most servers accept a login over an encrypted connection only"
        }
        (Security::Plaintext, None) => {
            "set MAIL_USERNAME and MAIL_PASSWORD, and MAIL_USE_TLS=true for a server that is not on this machine"
        }
        (_, None) => "set MAIL_USERNAME and MAIL_PASSWORD",
        (_, Some(_)) => {
            "enable PLAIN or LOGIN at that server, or unset MAIL_PASSWORD if it needs no login"
        }
    }
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
    fn an_error_of_the_system_has_no_number_and_no_prefix() {
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
