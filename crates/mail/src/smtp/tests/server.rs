//! Mail server that replies by a script over any number of connections, and records the lines that it receives.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use movie_bag_core::domain::clock::Rng;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion};

use super::super::{Certificates, Encryption, SmtpMailer, SmtpOptions};

/// Deadline of events that a test waits for.
const DEADLINE: Duration = Duration::from_secs(60);

/// The server does not reply to this command.
pub(super) const NO_REPLY: &str = "hang";
/// The server closes the connection in place of a reply.
pub(super) const CLOSE: &str = "close";

/// Behavior of the server: replies to commands, encryption and limits.
#[derive(Clone)]
pub(super) struct Script {
    replies: HashMap<&'static str, &'static str>,
    tls: Option<TlsAcceptor>,
    is_implicit: bool,
    /// Sent after each mail, before the connection is closed.
    farewell: Option<&'static str>,
    /// Maximum number of connections at the same time; more are refused with 421.
    max_connections: usize,
}

/// Running server. It runs until the test ends.
pub(super) struct Server {
    port: u16,
    received: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    statistics: Arc<Statistics>,
}

/// Numbers of connections, and their ends.
#[derive(Default)]
struct Statistics {
    open: AtomicUsize,
    max_open: AtomicUsize,
    /// Whether each connection that has ended was closed in order by the client.
    closed_in_order: Mutex<Vec<bool>>,
    end: Notify,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
type Connection = BufReader<Box<dyn Stream>>;

impl Script {
    /// Returns a script that accepts every mail.
    pub(super) fn accepting() -> Self {
        let replies = [
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
            replies: replies.into_iter().collect(),
            tls: None,
            is_implicit: false,
            farewell: None,
            max_connections: usize::MAX,
        }
    }

    /// Sets the reply to a command. `TLS EHLO` is EHLO over an encrypted connection.
    pub(super) fn replies(mut self, command: &'static str, reply: &'static str) -> Self {
        self.replies.insert(command, reply);
        self
    }

    pub(super) fn offers(self, ehlo: &'static str) -> Self {
        self.replies("EHLO", ehlo)
    }

    /// Offers PIPELINING (RFC 2920).
    pub(super) fn pipelining(self) -> Self {
        self.offers("250-mail.example\r\n250-PIPELINING\r\n250 SIZE 1000000\r\n")
    }

    pub(super) fn with_tls(mut self, acceptor: TlsAcceptor, encryption: Encryption) -> Self {
        self.tls = Some(acceptor);
        self.is_implicit = encryption == Encryption::Implicit;
        self
    }

    /// Closes the connection after each mail, after it has sent `farewell`.
    pub(super) fn closing_after_each_mail(mut self, farewell: &'static str) -> Self {
        self.farewell = Some(farewell);
        self
    }

    /// Limits the number of connections at the same time.
    pub(super) fn with_max_connections(mut self, max_connections: usize) -> Self {
        self.max_connections = max_connections;
        self
    }

    pub(super) async fn start(self) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server {
            port: listener.local_addr().unwrap().port(),
            received: Arc::default(),
            connections: Arc::default(),
            statistics: Arc::default(),
        };
        let (received, connections) = (
            Arc::clone(&server.received),
            Arc::clone(&server.connections),
        );
        let statistics = Arc::clone(&server.statistics);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                if statistics.open.load(Ordering::SeqCst) >= self.max_connections {
                    let _ = stream
                        .write_all(b"421 4.7.0 too many connections\r\n")
                        .await;
                    continue;
                }
                let open = statistics.open.fetch_add(1, Ordering::SeqCst) + 1;
                statistics.max_open.fetch_max(open, Ordering::SeqCst);
                let (script, received) = (self.clone(), Arc::clone(&received));
                let statistics = Arc::clone(&statistics);
                tokio::spawn(async move {
                    let in_order = script.serve(Box::new(stream), received).await;
                    statistics.open.fetch_sub(1, Ordering::SeqCst);
                    statistics.closed_in_order.lock().unwrap().push(in_order);
                    statistics.end.notify_one();
                });
            }
        });
        server
    }

    /// Serves one connection, and returns whether the client has closed it in order.
    async fn serve(self, stream: Box<dyn Stream>, received: Arc<Mutex<Vec<String>>>) -> bool {
        let stream = if self.is_implicit {
            self.encrypt(stream).await
        } else {
            Some(stream)
        };
        let Some(stream) = stream else { return false };
        let mut is_encrypted = self.is_implicit;
        let mut stream: Connection = BufReader::new(stream);
        if !self.reply(&mut stream, "greeting", is_encrypted).await {
            return false;
        }
        let mut in_data = false;
        let mut line = String::new();
        loop {
            match stream.read_line(&mut line).await {
                Ok(0) => return true,
                Ok(_) => {}
                Err(_) => return false,
            }
            let encryption = if is_encrypted { "TLS" } else { "plaintext" };
            let text = line.trim_end().to_owned();
            received
                .lock()
                .unwrap()
                .push(format!("{encryption} {text}"));
            line.clear();
            if in_data && text != "." {
                continue;
            }
            let command = self.command(&text);
            if !self.reply(&mut stream, command, is_encrypted).await {
                return false;
            }
            in_data = command == "DATA" && self.replies[command].contains("354 ");
            if command == "STARTTLS" && self.replies[command].starts_with("220") {
                let Some(encrypted) = self.encrypt(stream.into_inner()).await else {
                    return false;
                };
                stream = BufReader::new(encrypted);
                is_encrypted = true;
            }
            if let (".", Some(farewell)) = (command, self.farewell) {
                let _ = stream.write_all(farewell.as_bytes()).await;
                return false;
            }
        }
    }

    async fn encrypt(&self, stream: Box<dyn Stream>) -> Option<Box<dyn Stream>> {
        let accepted = self.tls.as_ref()?.accept(stream).await;
        accepted.ok().map(|stream| Box::new(stream) as _)
    }

    /// Returns the longest command that the line begins with. Any other line is the response to a challenge.
    fn command(&self, line: &str) -> &'static str {
        let known = self
            .replies
            .keys()
            .filter(|command| line.starts_with(**command));
        known
            .max_by_key(|command| command.len())
            .copied()
            .unwrap_or("response")
    }

    /// Replies to a command, and returns whether the session continues.
    async fn reply(
        &self,
        stream: &mut Connection,
        command: &'static str,
        is_encrypted: bool,
    ) -> bool {
        let over_tls = self.replies.get(format!("TLS {command}").as_str());
        let over_tls = over_tls.filter(|_| is_encrypted);
        match *over_tls.or(self.replies.get(command)).unwrap_or(&NO_REPLY) {
            NO_REPLY => true,
            CLOSE => false,
            // Letters beyond ASCII in a script are sent in Latin-1.
            reply => {
                let bytes: Vec<u8> = reply.chars().map(|c| c as u8).collect();
                stream.write_all(&bytes).await.is_ok() && stream.flush().await.is_ok()
            }
        }
    }
}

impl Server {
    /// Returns the received lines, each with the prefix `plaintext` or `TLS`.
    pub(super) fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }

    /// Returns the number of received lines that begin with this text.
    pub(super) fn commands(&self, start: &str) -> usize {
        let is_match = |line: &&String| line.split_once(' ').unwrap().1.starts_with(start);
        self.received().iter().filter(is_match).count()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the maximum number of connections that were open at the same time.
    pub(super) fn max_open_connections(&self) -> usize {
        self.statistics.max_open.load(Ordering::SeqCst)
    }

    /// Waits for the end of a connection.
    pub(super) async fn connection_end(&self) {
        let end = self.statistics.end.notified();
        timeout(DEADLINE, end).await.expect("no connection ended");
    }

    /// Returns whether the client has closed all connections that have ended in order.
    pub(super) fn all_closed_in_order(&self) -> bool {
        let closed_in_order = self.statistics.closed_in_order.lock().unwrap();
        closed_in_order.iter().all(|in_order| *in_order)
    }

    /// Waits for a number of commands that begin with this text.
    pub(super) async fn wait_for_commands(&self, start: &str, number: usize) {
        let deadline = Instant::now() + DEADLINE;
        while self.commands(start) < number {
            assert!(Instant::now() < deadline, "{:?}", self.received());
            sleep(Duration::from_millis(5)).await;
        }
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

/// Maximum number of connections of the client.
pub(super) const CONNECTIONS: usize = 16;

/// Returns zeros, so that delays have no jitter.
struct ZeroRng;

impl Rng for ZeroRng {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
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
        helo_name: None,
        connections: CONNECTIONS,
        timeout: Duration::from_secs(20),
        hints_at_sink: true,
        rng: Arc::new(ZeroRng),
    }
}

/// Private certificate authority.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// Defect of a certificate.
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

    /// Returns the authority's certificate, as read from MAIL_CA_FILE.
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
        let (key, params) = certificate_with(flaw);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        acceptor(certificate.der(), &key.serialize_der(), versions)
    }

    /// Returns a server's certificate, and a MAIL_CA_FILE that contains it in place of the authority's certificate.
    pub(super) fn pinned(&self, flaw: Flaw) -> (TlsAcceptor, Certificates) {
        let (key, params) = certificate_with(flaw);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let acceptor = acceptor(certificate.der(), &key.serialize_der(), &[&TLS13, &TLS12]);
        (acceptor, read(&certificate.pem()))
    }
}

fn certificate_with(flaw: Flaw) -> (KeyPair, CertificateParams) {
    let name = if flaw == Flaw::WrongName {
        "mail.example"
    } else {
        "localhost"
    };
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if flaw == Flaw::NotYetValid {
        params.not_before = rcgen::date_time_ymd(2095, 1, 1);
        params.not_after = rcgen::date_time_ymd(2096, 1, 1);
    }
    if flaw == Flaw::Expired {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    }
    (KeyPair::generate().unwrap(), params)
}

/// Returns a self-signed certificate of a server, and a MAIL_CA_FILE that contains it.
pub(super) fn self_signed(is_authority: bool, flaw: Flaw) -> (TlsAcceptor, Certificates) {
    let (key, mut params) = certificate_with(flaw);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let certificate = params.self_signed(&key).unwrap();
    let acceptor = acceptor(certificate.der(), &key.serialize_der(), &[&TLS13, &TLS12]);
    (acceptor, read(&certificate.pem()))
}

/// Returns a certificate made by `openssl req -x509`, which is one of an authority. Returns `None`, with a message, if openssl
/// is missing.
pub(super) fn by_openssl(arguments: &[&str]) -> Option<(TlsAcceptor, Certificates)> {
    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = (folder.path().join("key"), folder.path().join("certificate"));
    let output = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
        ])
        .args(arguments)
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "no openssl: {error}");
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: openssl is missing ({error}), so its certificates were not tested"
            );
            return None;
        }
    };
    assert!(output.status.success(), "{output:?}");
    let pem = std::fs::read_to_string(&certificate).unwrap();
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_file(&key).unwrap();
    let acceptor = acceptor(&certificate, key.secret_der(), &[&TLS13, &TLS12]);
    Some((acceptor, read(&pem)))
}

fn read(pem: &str) -> Certificates {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, format!("Our own authority\n\n{pem}")).unwrap();
    Certificates::read(&file).unwrap()
}

fn acceptor(
    certificate: &CertificateDer<'_>,
    key: &[u8],
    versions: &[&'static SupportedProtocolVersion],
) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.to_vec()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone().into_owned()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
