//! Settings of the mail server.

use std::path::PathBuf;
use std::time::Duration;

use movie_bag_core::domain::product_name::ProductName;

use super::lookup::Lookup;
use super::mail_values;
use super::setting::{Definition, Reader, Secrecy, Setting, Subject};
use super::values::{self, SWITCH, Secret, TIME, is_loopback_host};

pub(crate) static SERVER: Setting<String> = Setting::new(
    "MAIL_SERVER",
    Subject::Mail,
    &[Reader::Mail],
    mail_values::mail_server,
)
.default("localhost")
.form("host name or IP address, without the port")
.means("Mail server")
.details("See [Mail](mail.md) for the settings of common providers.");

pub(crate) static PORT: Setting<u16> =
    Setting::new("MAIL_PORT", Subject::Mail, &[Reader::Mail], |text| {
        values::number(1, 65_535, text)
    })
    .default("1025")
    .form("1 to 65535")
    .means("Port of the mail server")
    .details("The default is the port of the debugging SMTP sink.");

pub(crate) static USERNAME: Setting<String> = Setting::new(
    "MAIL_USERNAME",
    Subject::Mail,
    &[Reader::Mail],
    values::text,
)
.form("text")
.means("User name at the mail server")
.details("Used only if `MAIL_PASSWORD` is set too.");

pub(crate) static PASSWORD: Setting<Secret> = Setting::new(
    "MAIL_PASSWORD",
    Subject::Mail,
    &[Reader::Mail],
    values::password,
)
.form("text")
.means("Password at the mail server")
.details(
    "Used only if `MAIL_USERNAME` is set too. If only one of them is set, no login takes place, and `check` reports it.",
)
.secrecy(Secrecy::Secret);

pub(crate) static USE_TLS: Setting<bool> = Setting::new(
    "MAIL_USE_TLS",
    Subject::Mail,
    &[Reader::Mail],
    values::switch,
)
.default("false")
.form(SWITCH)
.means("Require STARTTLS, usually on port 587")
.details("The certificate must be valid for `MAIL_SERVER`. There is no fallback to plaintext.");

pub(crate) static USE_SSL: Setting<bool> = Setting::new(
    "MAIL_USE_SSL",
    Subject::Mail,
    &[Reader::Mail],
    values::switch,
)
.default("false")
.form(SWITCH)
.means("Use TLS from the first byte, usually on port 465")
.details("The certificate must be valid for `MAIL_SERVER`. Excludes `MAIL_USE_TLS`.");

pub(crate) static CA_FILE: Setting<PathBuf> = Setting::new(
    "MAIL_CA_FILE",
    Subject::Mail,
    &[Reader::Mail],
    values::path,
)
.form("path of a PEM file")
.means("Certificates to trust in addition to the public authorities")
.details(
    "The file holds the certificate of an authority, or the self-signed certificate of the mail server itself. \
     It has an effect only with `MAIL_USE_TLS` or `MAIL_USE_SSL`.",
);

pub(crate) static DEFAULT_SENDER: Setting<String> = Setting::new(
    "MAIL_DEFAULT_SENDER",
    Subject::Mail,
    &[Reader::Mail],
    mail_values::mail_sender,
)
.default("support@movie-bag.com")
.form("`support@movies.example` or `Movie-bag <support@movies.example>`")
.means("Sender of all mails")
.details("A name with a comma needs quotes: `'\"Movie-bag, Inc.\" <support@movies.example>'`.");

pub(crate) static HELO_NAME: Setting<String> = Setting::new(
    "MAIL_HELO_NAME",
    Subject::Mail,
    &[Reader::Mail],
    mail_values::helo_name,
)
.default_in_words("the sender's domain")
.form("host name, or an IP address in brackets: `[192.0.2.1]`")
.means("Name sent in EHLO to the mail server");

pub(crate) static CONNECTIONS: Setting<usize> = Setting::new(
    "MOVIE_BAG_MAIL_CONNECTIONS",
    Subject::Mail,
    &[Reader::Mail],
    |text| values::number(1, 500, text),
)
.default("16")
.form("1 to 500")
.means("Maximum number of connections to the mail server at once")
.details("Each process has its own.");

pub(crate) static TIMEOUT: Setting<Duration> = Setting::new(
    "MOVIE_BAG_MAIL_TIMEOUT",
    Subject::Mail,
    &[Reader::Mail],
    values::span,
)
.default("30s")
.form(TIME)
.means("Maximum time to send one mail")
.details(
    "It covers everything from the name lookup to the last reply. The lookup, the connection and the TLS handshake may each take \
     a third of it, every command a half, and the reply to the message all that is left.",
);

/// Definitions of these settings, in the order of the documentation.
pub(super) static DEFINITIONS: &[&Definition] = &[
    &SERVER.definition,
    &PORT.definition,
    &USERNAME.definition,
    &PASSWORD.definition,
    &USE_TLS.definition,
    &USE_SSL.definition,
    &CA_FILE.definition,
    &DEFAULT_SENDER.definition,
    &HELO_NAME.definition,
    &CONNECTIONS.definition,
    &TIMEOUT.definition,
];

/// Encryption of the connection to the mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MailTls {
    None,
    /// Required STARTTLS, without a fallback to plaintext.
    StartTls,
    /// TLS from the first byte.
    Implicit,
}

/// Mail server and its use.
#[derive(Debug, Clone)]
pub(crate) struct MailSettings {
    /// Host name or IP address.
    pub(crate) server: String,
    pub(crate) port: u16,
    /// User name and password, if both are set.
    pub(crate) credentials: Option<(String, Secret)>,
    /// Setting that is missing if only one half of the credentials is set. The client does not log in then.
    pub(crate) missing_credential: Option<&'static str>,
    pub(crate) tls: MailTls,
    /// PEM file of certificates to trust in addition to the public authorities.
    pub(crate) ca_file: Option<PathBuf>,
    /// Sender of all mails.
    pub(crate) sender: String,
    /// Name sent in EHLO. Default: the domain of the sender.
    pub(crate) helo_name: Option<String>,
    /// Maximum number of connections at once.
    pub(crate) connections: usize,
    /// Maximum time to send one mail.
    pub(crate) timeout: Duration,
    /// Whether hints may propose the debugging sink in place of a mail server; false in production.
    pub(crate) hints_at_sink: bool,
}

impl MailSettings {
    pub(super) fn resolve(lookup: &mut Lookup<'_>) -> Self {
        let server = lookup.get(&SERVER);
        let port = lookup.get(&PORT);
        let user = lookup.optional(&USERNAME);
        let password = lookup.optional(&PASSWORD);
        let start_tls = lookup.get(&USE_TLS);
        let implicit = lookup.get(&USE_SSL);
        if start_tls && implicit {
            lookup.problems.push("MAIL_USE_TLS and MAIL_USE_SSL are both true: keep MAIL_USE_TLS for STARTTLS (port 587), or MAIL_USE_SSL for TLS from the first byte (port 465)".to_owned());
        }
        let missing_credential = match (&user, &password) {
            (Some(_), None) => Some(PASSWORD.definition.name),
            (None, Some(_)) => Some(USERNAME.definition.name),
            _ => None,
        };
        Self {
            server,
            port,
            credentials: user.zip(password),
            missing_credential,
            tls: match (start_tls, implicit) {
                (_, true) => MailTls::Implicit,
                (true, false) => MailTls::StartTls,
                (false, false) => MailTls::None,
            },
            ca_file: lookup.optional(&CA_FILE),
            sender: lookup.get(&DEFAULT_SENDER),
            helo_name: lookup.optional(&HELO_NAME),
            connections: lookup.get(&CONNECTIONS),
            timeout: lookup.get(&TIMEOUT),
            hints_at_sink: !lookup.is_production,
        }
    }

    /// Returns warnings about mail settings that are valid but probably a mistake.
    pub(super) fn warnings(&self, name: &ProductName) -> Vec<String> {
        let mut warnings = Vec::new();
        if *name != ProductName::DEFAULT && self.sender == DEFAULT_SENDER.definition.default {
            warnings.push(format!(
                "mails of {name} come from {}: set MAIL_DEFAULT_SENDER to an address of yours",
                self.sender
            ));
        }
        if self.tls != MailTls::None {
            return warnings;
        }
        if self.credentials.is_some() && !is_loopback_host(&self.server) {
            warnings.push(format!(
                "MAIL_PASSWORD and all reset links go to {} in plaintext: set MAIL_USE_TLS=true, or MAIL_USE_SSL=true for port 465",
                self.server
            ));
        }
        if self.ca_file.is_some() {
            warnings.push("MAIL_CA_FILE has no effect without encryption: set MAIL_USE_TLS=true, or MAIL_USE_SSL=true for port 465".to_owned());
        }
        warnings
    }
}
