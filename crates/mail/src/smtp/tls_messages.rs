//! Error messages and hints for failed TLS handshakes.

use jiff::Timestamp;
use tokio_rustls::rustls::pki_types::{ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, AlertDescription, CertificateError, InvalidMessage, PeerIncompatible,
};

use super::reply::sanitized;
use super::route::{Route, Security};
use super::trust::is_ca_certificate;

/// Maximum number of certificate names in a message; certificates of large providers have dozens.
const MAX_NAMES: usize = 5;

/// Returns the cause of a failed TLS handshake.
pub(super) fn cause(error: &rustls::Error, host: &str) -> String {
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
        error => sanitized(&error.to_string()),
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
        error => sanitized(&error.to_string()),
    }
}

/// Returns whether a certificate is of X.509 version 1, as `openssl x509 -req` without an extension file makes it.
fn is_version_1(error: &CertificateError) -> bool {
    error.to_string().contains("UnsupportedCertVersion")
}

fn other_names(expected: &ServerName<'_>, presented: &[String]) -> String {
    let expected = expected.to_str();
    let names = certificate_names(presented);
    if names.is_empty() {
        return "the server's certificate names no host in subjectAltName".to_owned();
    }
    let shown = names[..names.len().min(MAX_NAMES)].join(", ");
    let more = match names.len().saturating_sub(MAX_NAMES) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("the server's certificate is for {shown}{more}, not for {expected}")
}

/// Returns the host names and addresses of a certificate, from the debug output that rustls passes on:
/// `DnsName("mail.example")`, `IpAddress(192.0.2.1)`.
fn certificate_names(presented: &[String]) -> Vec<String> {
    let names = presented.iter().filter_map(|name| {
        let dns = name
            .strip_prefix("DnsName(\"")
            .and_then(|name| name.strip_suffix("\")"));
        let address = name
            .strip_prefix("IpAddress(")
            .and_then(|name| name.strip_suffix(')'));
        dns.or(address).map(sanitized)
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

/// Returns the hint for a failed TLS handshake.
pub(super) fn hint(error: &rustls::Error, route: &Route) -> String {
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
}
