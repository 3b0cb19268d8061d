//! A mail server that answers by a script, over as many connections as come, and notes what it was told.

use std::collections::HashMap;
use std::io::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion};

use super::super::{Certificates, Encryption, SmtpMailer, SmtpOptions};
use movie_bag_core::domain::clock::Rng;

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
    /// Most connections at once; more are greeted with 421.
    most: usize,
}

/// It runs until the test ends.
pub(super) struct Server {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    open: Arc<Open>,
}

/// Connections that are open, and how they ended.
#[derive(Default)]
struct Open {
    now: AtomicUsize,
    most: AtomicUsize,
    ended: Mutex<Vec<bool>>,
    end: Notify,
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
            most: usize::MAX,
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

    /// Takes so many connections at once.
    pub(super) fn at_most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    pub(super) async fn start(self) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server {
            port: listener.local_addr().unwrap().port(),
            heard: Arc::default(),
            connections: Arc::default(),
            open: Arc::default(),
        };
        let (heard, connections) = (Arc::clone(&server.heard), Arc::clone(&server.connections));
        let open = Arc::clone(&server.open);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                if open.now.load(Ordering::SeqCst) >= self.most {
                    let _ = stream
                        .write_all(b"421 4.7.0 too many connections\r\n")
                        .await;
                    continue;
                }
                let now = open.now.fetch_add(1, Ordering::SeqCst) + 1;
                open.most.fetch_max(now, Ordering::SeqCst);
                let (script, heard, open) = (self.clone(), Arc::clone(&heard), Arc::clone(&open));
                tokio::spawn(async move {
                    let ended = script.serve(Box::new(stream), heard).await;
                    open.now.fetch_sub(1, Ordering::SeqCst);
                    open.ended.lock().unwrap().push(ended);
                    open.end.notify_one();
                });
            }
        });
        server
    }

    /// Whether the client ended the connection, and in order.
    async fn serve(self, stream: Box<dyn Stream>, heard: Arc<Mutex<Vec<String>>>) -> bool {
        let stream = if self.is_implicit {
            self.encrypt(stream).await
        } else {
            Some(stream)
        };
        let Some(stream) = stream else { return false };
        let mut is_encrypted = self.is_implicit;
        let mut stream: Connection = BufReader::new(stream);
        if !self.answer(&mut stream, "greeting", is_encrypted).await {
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
            let place = if is_encrypted { "TLS" } else { "clear" };
            let said = line.trim_end().to_owned();
            heard.lock().unwrap().push(format!("{place} {said}"));
            line.clear();
            if in_data && said != "." {
                continue;
            }
            let command = self.command(&said);
            if !self.answer(&mut stream, command, is_encrypted).await {
                return false;
            }
            in_data = command == "DATA" && self.answers[command].contains("354 ");
            if command == "STARTTLS" && self.answers[command].starts_with("220") {
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

    /// Most connections that were open at once.
    pub(super) fn most_at_once(&self) -> usize {
        self.open.most.load(Ordering::SeqCst)
    }

    /// Waits for the end of a connection, and returns whether it was in order.
    pub(super) async fn ended_in_order(&self) -> bool {
        self.open.end.notified().await;
        self.open.ended.lock().unwrap().iter().all(|ended| *ended)
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

/// Most connections of a mailer here.
pub(super) const CONNECTIONS: usize = 16;

/// Always draws the same, so that delays have no jitter that a test must allow for.
struct NoChance;

impl Rng for NoChance {
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
        rng: Arc::new(NoChance),
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
        let (key, params) = flawed(flaw);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        acceptor(certificate.der(), &key.serialize_der(), versions)
    }

    /// A server's certificate, and a MAIL_CA_FILE that has this one and not the authority's.
    pub(super) fn pinned(&self, flaw: Flaw) -> (TlsAcceptor, Certificates) {
        let (key, params) = flawed(flaw);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let acceptor = acceptor(certificate.der(), &key.serialize_der(), &[&TLS13, &TLS12]);
        (acceptor, read(&certificate.pem()))
    }
}

fn flawed(flaw: Flaw) -> (KeyPair, CertificateParams) {
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

/// A server's certificate that is signed by itself, and a MAIL_CA_FILE that has it.
pub(super) fn self_signed(is_authority: bool, flaw: Flaw) -> (TlsAcceptor, Certificates) {
    let (key, mut params) = flawed(flaw);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let certificate = params.self_signed(&key).unwrap();
    let acceptor = acceptor(certificate.der(), &key.serialize_der(), &[&TLS13, &TLS12]);
    (acceptor, read(&certificate.pem()))
}

/// A certificate made by `openssl req -x509`, which is one of an authority; `None`, loudly, where there is no openssl.
pub(super) fn by_openssl(arguments: &[&str]) -> Option<(TlsAcceptor, Certificates)> {
    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = (folder.path().join("key"), folder.path().join("certificate"));
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30",
        ])
        .args(arguments)
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output();
    let made = match made {
        Ok(made) => made,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "no openssl: {error}");
            let _ = writeln!(
                std::io::stderr(),
                "LEFT OUT: openssl is missing ({error}), so its certificates were not tried"
            );
            return None;
        }
    };
    assert!(made.status.success(), "{made:?}");
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
