//! A mail server that answers by a script, over as many connections as come, and notes what it was told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion};

use super::super::{Certificates, Encryption, SmtpMailer, SmtpOptions};

/// It does not answer this command.
pub(super) const HANG: &str = "hang";
/// It closes the connection instead of answering.
pub(super) const CLOSE: &str = "close";

/// What the server does; each command has its usual answer unless another one is given.
#[derive(Clone)]
pub(super) struct Script {
    answers: HashMap<&'static str, &'static str>,
    tls: Option<TlsAcceptor>,
    is_implicit: bool,
    /// Said after each mail, before the connection is closed.
    farewell: Option<&'static str>,
}

/// It runs until the test ends.
pub(super) struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
type Connection = BufReader<Box<dyn Stream>>;

impl Script {
    /// Takes every mail.
    pub(super) fn willing() -> Self {
        let answers = [
            ("greeting", "220 mail.example ESMTP\r\n"),
            ("EHLO", "250-mail.example\r\n250 SIZE 1000000\r\n"),
            ("STARTTLS", "220 go on\r\n"),
            ("MAIL", "250 2.1.0 go on\r\n"),
            ("RCPT", "250 2.1.5 go on\r\n"),
            ("DATA", "354 go on\r\n"),
            (".", "250 2.0.0 queued as 42\r\n"),
            ("RSET", "250 2.0.0 go on\r\n"),
            ("QUIT", "221 bye\r\n"),
        ];
        Self {
            answers: answers.into_iter().collect(),
            tls: None,
            is_implicit: false,
            farewell: None,
        }
    }

    /// Another answer to a command; `TLS EHLO` is the one over an encrypted connection.
    pub(super) fn says(mut self, command: &'static str, answer: &'static str) -> Self {
        self.answers.insert(command, answer);
        self
    }

    pub(super) fn offers(self, ehlo: &'static str) -> Self {
        self.says("EHLO", ehlo)
    }

    /// Takes commands in one packet (RFC 2920).
    pub(super) fn pipelining(self) -> Self {
        self.offers("250-mail.example\r\n250-PIPELINING\r\n250 SIZE 1000000\r\n")
    }

    pub(super) fn with_tls(mut self, acceptor: TlsAcceptor, encryption: Encryption) -> Self {
        self.tls = Some(acceptor);
        self.is_implicit = encryption == Encryption::Implicit;
        self
    }

    /// Closes the connection after each mail, with these words or none.
    pub(super) fn closing_after_each_mail(mut self, farewell: &'static str) -> Self {
        self.farewell = Some(farewell);
        self
    }

    pub(super) async fn start(self) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server {
            port: listener.local_addr().unwrap().port(),
            heard: Arc::default(),
            connections: Arc::default(),
        };
        let (heard, connections) = (Arc::clone(&server.heard), Arc::clone(&server.connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let heard = Arc::clone(&heard);
                tokio::spawn(self.clone().serve(Box::new(stream), heard));
            }
        });
        server
    }

    async fn serve(self, stream: Box<dyn Stream>, heard: Arc<Mutex<Vec<String>>>) {
        let stream = if self.is_implicit {
            self.encrypt(stream).await
        } else {
            Some(stream)
        };
        let Some(stream) = stream else { return };
        let mut is_encrypted = self.is_implicit;
        let mut stream: Connection = BufReader::new(stream);
        if !self.answer(&mut stream, "greeting", is_encrypted).await {
            return;
        }
        let mut in_data = false;
        let mut line = String::new();
        while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
            let place = if is_encrypted { "TLS" } else { "clear" };
            let said = line.trim_end().to_owned();
            heard.lock().unwrap().push(format!("{place} {said}"));
            line.clear();
            if in_data && said != "." {
                continue;
            }
            let command = self.command(&said);
            if !self.answer(&mut stream, command, is_encrypted).await {
                return;
            }
            in_data = command == "DATA" && self.answers[command].contains("354 ");
            if command == "STARTTLS" && self.answers[command].starts_with("220") {
                let Some(encrypted) = self.encrypt(stream.into_inner()).await else {
                    return;
                };
                stream = BufReader::new(encrypted);
                is_encrypted = true;
            }
            if let (".", Some(farewell)) = (command, self.farewell) {
                let _ = stream.write_all(farewell.as_bytes()).await;
                return;
            }
        }
    }

    async fn encrypt(&self, stream: Box<dyn Stream>) -> Option<Box<dyn Stream>> {
        let accepted = self.tls.as_ref()?.accept(stream).await;
        accepted.ok().map(|stream| Box::new(stream) as _)
    }

    /// The longest that the line begins with; a line that nothing is known of is an answer to a challenge.
    fn command(&self, line: &str) -> &'static str {
        let known = self
            .answers
            .keys()
            .filter(|command| line.starts_with(**command));
        known
            .max_by_key(|command| command.len())
            .copied()
            .unwrap_or("challenged")
    }

    /// Whether the conversation goes on.
    async fn answer(
        &self,
        stream: &mut Connection,
        command: &'static str,
        is_encrypted: bool,
    ) -> bool {
        let over_tls = self.answers.get(format!("TLS {command}").as_str());
        let over_tls = over_tls.filter(|_| is_encrypted);
        match *over_tls.or(self.answers.get(command)).unwrap_or(&HANG) {
            HANG => true,
            CLOSE => false,
            // Latin-1 in a script is written as Unicode; all other scripts are ASCII.
            answer => {
                let bytes: Vec<u8> = answer.chars().map(|c| c as u8).collect();
                stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok()
            }
        }
    }
}

impl Server {
    /// What it was told, each line with `clear` or `TLS` before it.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    pub(super) fn commands(&self, start: &str) -> usize {
        let is_one = |line: &&String| line.split_once(' ').unwrap().1.starts_with(start);
        self.heard().iter().filter(is_one).count()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn options(&self) -> SmtpOptions {
        options(self.port)
    }

    pub(super) fn mailer(&self) -> SmtpMailer {
        SmtpMailer::new(self.options()).unwrap()
    }

    pub(super) fn encrypted(&self, encryption: Encryption, trusted: &Certificates) -> SmtpMailer {
        SmtpMailer::new(SmtpOptions {
            encryption,
            trusted: trusted.clone(),
            credentials: Some(("ann".to_owned(), "s3cr3t".to_owned())),
            ..self.options()
        })
        .unwrap()
    }
}

pub(super) fn options(port: u16) -> SmtpOptions {
    SmtpOptions {
        server: "localhost".to_owned(),
        port,
        credentials: None,
        encryption: Encryption::None,
        trusted: Certificates::default(),
        sender: "Movie-bag <support@movie-bag.com>".to_owned(),
        timeout: Duration::from_secs(20),
    }
}

/// A certificate authority of a company's own.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// What is wrong with a certificate, if anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    WrongName,
    Expired,
    NotYetValid,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// As MAIL_CA_FILE would bring it.
    pub(super) fn trusted(&self) -> Certificates {
        read(&self.pem)
    }

    pub(super) fn acceptor(&self, flaw: Flaw) -> TlsAcceptor {
        self.acceptor_of(flaw, &[&TLS13, &TLS12])
    }

    pub(super) fn acceptor_of(
        &self,
        flaw: Flaw,
        versions: &[&'static SupportedProtocolVersion],
    ) -> TlsAcceptor {
        let name = if flaw == Flaw::WrongName {
            "mail.example"
        } else {
            "localhost"
        };
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if flaw == Flaw::Expired {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        }
        if flaw == Flaw::NotYetValid {
            params.not_before = rcgen::date_time_ymd(2095, 1, 1);
            params.not_after = rcgen::date_time_ymd(2096, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        acceptor(&certificate, &key, versions)
    }
}

/// A server's certificate that nobody else has signed; and what MAIL_CA_FILE may hold for it.
pub(super) fn self_signed(is_authority: bool) -> (TlsAcceptor, Certificates) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let certificate = params.self_signed(&key).unwrap();
    let acceptor = acceptor(&certificate, &key, &[&TLS13, &TLS12]);
    (acceptor, read(&certificate.pem()))
}

fn read(pem: &str) -> Certificates {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, format!("Our own authority\n\n{pem}")).unwrap();
    Certificates::read(&file).unwrap()
}

fn acceptor(
    certificate: &Certificate,
    key: &KeyPair,
    versions: &[&'static SupportedProtocolVersion],
) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
