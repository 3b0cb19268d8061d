//! Whose certificates are believed: the public authorities, and those that MAIL_CA_FILE names.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// Certificates that are trusted besides the public ones.
#[derive(Debug, Clone, Default)]
pub struct Certificates(Vec<CertificateDer<'static>>);

impl Certificates {
    /// Reads all certificates of a PEM file (RFC 7468).
    ///
    /// # Errors
    /// What is wrong with the file, in words that follow its name.
    pub fn read(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| format!("can't be read: {error}"))?;
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("is no PEM file: {error}"))?;
        if certificates.is_empty() {
            return Err(
                "holds no certificate, which would begin with -----BEGIN CERTIFICATE-----"
                    .to_owned(),
            );
        }
        for (number, certificate) in (1..).zip(&certificates) {
            RootCertStore::empty()
                .add(certificate.clone())
                .map_err(|error| {
                    format!("holds something that is no certificate, at place {number}: {error}")
                })?;
        }
        Ok(Self(certificates))
    }
}

/// How a connection to one server is encrypted: TLS 1.2 or 1.3, its certificate verified for its name.
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

    /// The name that the certificate was verified for.
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
    // The provider is named: which one is the default depends on what else is compiled in.
    Ok(
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}
