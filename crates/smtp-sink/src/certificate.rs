//! Certificate of the sink's TLS: issued at start, or read from PEM files.

use std::error::Error;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use crate::error::SinkError;

/// Cause of a failure. The types of the TLS libraries do not appear in the API of the sink.
type Cause = Box<dyn Error + Send + Sync>;

/// Certificate issued at start.
pub struct Issued {
    /// Acceptor that presents the certificate.
    pub acceptor: TlsAcceptor,
    /// Authority that issued the certificate, in PEM, for clients to trust.
    pub authority: String,
}

/// Issues a certificate for `localhost`, the loopback addresses and `listening`, by an authority that issues no other: its
/// key is dropped here, so trusting it means trusting this one process.
///
/// The form is the one that every verifier accepts. A self-signed certificate for a server is refused by those that demand
/// an authority as an anchor (Go), and Python 3.13 demands the key identifiers (RFC 5280 4.2.1.1).
///
/// # Errors
/// The system has no random bytes.
pub fn issue(listening: &[IpAddr], now: Timestamp) -> Result<Issued, Cause> {
    let mut names = ["localhost", "127.0.0.1", "::1"]
        .map(str::to_owned)
        .to_vec();
    let addresses = listening.iter().filter(|ip| !ip.is_unspecified());
    names.extend(addresses.map(ToString::to_string));
    names.sort_unstable();
    names.dedup();

    let mut authority = params("movie-bag smtp-debug authority", Vec::new(), now)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let authority = CertifiedIssuer::self_signed(authority, key)?;

    let mut server = params("movie-bag smtp-debug", names, now)?;
    server.use_authority_key_identifier_extension = true;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &authority)?;
    Ok(Issued {
        acceptor: acceptor(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der())?,
        )?,
        authority: authority.pem(),
    })
}

/// Returns the parameters that both certificates share: valid from yesterday, since clocks differ, for two years, since Apple's
/// verifier accepts no more than 825 days.
fn params(
    name: &str,
    names: Vec<String>,
    now: Timestamp,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let today = now.to_zoned(TimeZone::UTC).date();
    let at_midnight = |days: i32| {
        let day = today.saturating_add(days.days());
        rcgen::date_time_ymd(day.year().into(), day.month() as u8, day.day() as u8)
    };
    (params.not_before, params.not_after) = (at_midnight(-1), at_midnight(730));
    Ok(params)
}

/// Returns an acceptor with the certificate and the key of these PEM files.
///
/// # Errors
/// A file cannot be read or has other content, or the key does not belong to the certificate.
pub fn read(certificate: &Path, key: &Path) -> Result<TlsAcceptor, SinkError> {
    let unusable = |file: &Path, source: Cause| SinkError::Certificate {
        file: file.to_owned(),
        source,
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unusable(certificate, error.into()))?;
    if chain.is_empty() {
        return Err(unusable(certificate, "it contains no certificate".into()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, error.into()))?;
    acceptor(chain, secret).map_err(|error| unusable(key, error.into()))
}

fn acceptor(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<TlsAcceptor, rustls::Error> {
    // The provider is named: the default depends on what else is compiled in.
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain, key))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
