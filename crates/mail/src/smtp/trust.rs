//! Trusted certificates: those of the public authorities, and those in MAIL_CA_FILE.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    self, CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

/// Certificates that are trusted in addition to the public ones.
#[derive(Debug, Clone, Default)]
pub struct Certificates(Vec<CertificateDer<'static>>);

impl Certificates {
    /// Reads all certificates of a PEM file (RFC 7468).
    ///
    /// # Errors
    /// The reason why the file cannot be used, as a phrase that fits after its name.
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| format!("{error}"))?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("it is not a PEM file: {error}"))?;
        if certificates.is_empty() {
            return Err("it contains no certificate (-----BEGIN CERTIFICATE-----)".to_owned());
        }
        for (number, certificate) in (1..).zip(&certificates) {
            RootCertStore::empty()
                .add(certificate.clone())
                .map_err(|error| format!("certificate number {number} is invalid: {error}"))?;
        }
        Ok(Self(certificates))
    }
}

/// TLS 1.2 or 1.3 to one server, whose certificate is verified for its name.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    pub(super) fn new(server: &str, trusted: &Certificates) -> Result<Self, String> {
        let name = ServerName::try_from(server.to_owned()).map_err(|error| error.to_string())?;
        Ok(Self {
            connector: TlsConnector::from(Arc::new(
                client_config(trusted).map_err(|error| error.to_string())?,
            )),
            name,
        })
    }

    pub(super) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }

    /// Returns the name that the certificate is verified for.
    pub(super) fn name(&self) -> String {
        self.name.to_str().into_owned()
    }
}

fn client_config(trusted: &Certificates) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for certificate in &trusted.0 {
        roots.add(certificate.clone())?;
    }
    // The provider is explicit, since the default depends on the features of other crates.
    let provider = Arc::new(ring::default_provider());
    let authorities =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
    let verifier = Verifier {
        authorities,
        pinned: trusted.0.clone(),
    };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        // rustls calls every verifier but its own dangerous. This one adds a single case to it.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Verification by authorities, and one case more: the server's own certificate, byte for byte, is in MAIL_CA_FILE.
///
/// `openssl req -x509` with its defaults makes a certificate of an authority (CA:TRUE), which the usual verification refuses
/// for a server. The administrator has verified the certificate by adding it to the file. Like OpenSSL, and so curl and
/// Python, this verifier checks the dates and the name nevertheless.
#[derive(Debug)]
struct Verifier {
    authorities: Arc<WebPkiServerVerifier>,
    pinned: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.authorities.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let Err(error) = verified else {
            return verified;
        };
        if !self.pinned.contains(end_entity) {
            return Err(error);
        }
        // No trusted issuer, or an authority's certificate: rustls reports both after it has checked the dates. It checks the
        // name last.
        match &error {
            rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            ) => {}
            rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            ) => {}
            rustls::Error::InvalidCertificate(error) if is_ca_certificate(error) => {}
            _ => return Err(error),
        }
        let parsed = ParsedCertificate::try_from(end_entity)?;
        match verify_server_name(&parsed, server_name) {
            Err(_) if is_common_name(end_entity, server_name) => {}
            named => named?,
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.authorities
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}

/// Returns whether a server's certificate was refused because it is a CA certificate. rustls has no variant for that.
pub(super) fn is_ca_certificate(error: &CertificateError) -> bool {
    error.to_string().contains("CaUsedAsEndEntity")
}

/// Returns whether a pinned certificate without alternative names has this common name: `openssl req -x509` prompts for
/// no other name.
///
/// The two fields are found by their object identifiers and not by an X.509 parser, which would be a dependency for one line:
/// the certificate is the administrator's own file, and its dates and format have been checked.
fn is_common_name(certificate: &CertificateDer<'_>, server_name: &ServerName<'_>) -> bool {
    // An attribute's identifier 2.5.4.3 is followed by a string, UTF8String, PrintableString or IA5String.
    const COMMON_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];
    const STRINGS: [u8; 3] = [0x0c, 0x13, 0x16];
    const ALTERNATIVE_NAMES: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x11];
    let has = |needle: &[u8]| certificate.windows(needle.len()).any(|part| part == needle);
    if has(ALTERNATIVE_NAMES) {
        return false;
    }
    // The issuer comes first, and the subject last.
    let subject = certificate
        .windows(COMMON_NAME.len())
        .rposition(|part| part == COMMON_NAME);
    let Some(at) = subject.map(|at| at + COMMON_NAME.len()) else {
        return false;
    };
    let (Some(tag), Some(length)) = (certificate.get(at), certificate.get(at + 1)) else {
        return false;
    };
    let name = certificate.get(at + 2..at + 2 + usize::from(*length));
    STRINGS.contains(tag)
        && *length < 0x80
        && name.is_some_and(|name| name.eq_ignore_ascii_case(server_name.to_str().as_bytes()))
}
