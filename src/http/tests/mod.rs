//! The handlers over a real socket, with a store in memory and no mail.

mod api;
mod cors;
pub(super) mod file_templates;
mod memory;
mod metrics;
mod pages;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::pages::Pages;
use super::{HttpOptions, PrometheusMetrics, openapi, serve};
use crate::app::system::SystemRng;
use crate::app::{App, Dependencies, Hasher, Rules, TokenKeys};
use crate::domain::clock::Clock;
use crate::domain::event::Origin;
use crate::domain::mail_server::Capacity;
use crate::domain::outbox::Round;
use crate::domain::password::PasswordPolicy;
use crate::ports::mail::{Mail, MailSession, Mailer, NoSession, RenderError, Rendered, Renderer};
use file_templates::FileTemplates;
use memory::MemoryStore;

const HOUR: Duration = Duration::from_secs(3_600);

struct NoMail;

#[async_trait]
impl Mailer for NoMail {
    async fn session(&self, _: Round) -> Result<Box<dyn MailSession>, NoSession> {
        unreachable!("no mail is sent here")
    }

    fn capacity(&self) -> Capacity {
        unreachable!("no mail is sent here")
    }

    async fn capacity_changed(&self) {}

    async fn close(&self) {}
}

impl Renderer for NoMail {
    fn render(&self, _: &Mail) -> Result<Rendered, RenderError> {
        unreachable!("no mail is sent here")
    }
}

struct TestClock(Mutex<Timestamp>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// A running server.
struct Server {
    address: SocketAddr,
    app: App,
    metrics: Arc<PrometheusMetrics>,
    store: Arc<MemoryStore>,
    clock: Arc<TestClock>,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

/// An answer as it came over the wire.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    /// Reads one, and the body as it stands: chunks are not put together.
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {text:?}"));
        Self {
            status: head[9..12].parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Checked against the description of the API, which must know every answer to a call.
    fn is_described(&self, method: &str, path: &str) {
        let path = path.split('?').next().unwrap();
        let is_page = ["/forgot", "/reset", "/assets/", "/.well-known/"]
            .iter()
            .any(|page| path.starts_with(page))
            || self.header("content-type") == Some("text/html; charset=utf-8");
        if !is_page {
            let json: Value = serde_json::from_str(&self.body).unwrap_or_default();
            openapi::check(method, path, self.status, json["code"].as_str());
        }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {:?}", self.body))
    }

    /// `400 schema_validation`, checked to be an error of the usual shape.
    fn error(&self) -> String {
        let json = self.json();
        assert_eq!(json["status"], self.status, "{json}");
        assert!(!json["message"].as_str().unwrap().is_empty());
        format!("{} {}", self.status, json["code"].as_str().unwrap())
    }
}

impl Server {
    async fn start() -> Self {
        Self::start_with(HttpOptions::default(), |_| {}).await
    }

    async fn start_with(options: HttpOptions, settings: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = Rules {
            history_kept: Duration::from_secs(90 * 86_400),
            reset_lifetime: HOUR,
            invitation_lifetime: HOUR,
            access_lifetime: HOUR,
            password_policy: PasswordPolicy { min_length: 8 },
            limits: true,
            conceal_accounts: false,
            signup_open: true,
            public_url: "https://movie-bag.example".to_owned(),
            sender: "support@movie-bag.example".to_owned(),
        };
        settings(&mut rules);
        let store = Arc::new(MemoryStore::new());
        let clock = Arc::new(TestClock(Mutex::new(
            Timestamp::from_second(1_800_000_000).unwrap(),
        )));
        let metrics = Arc::new(PrometheusMetrics::new(&super::paths(), clock.now()));
        let app = App::new(Dependencies {
            store: store.clone(),
            mailer: Arc::new(NoMail),
            renderer: Arc::new(NoMail),
            clock: clock.clone(),
            rng: Arc::new(SystemRng),
            hasher: Hasher::new(4, 2),
            metrics: metrics.clone(),
            keys: TokenKeys::new(&[7; 32], None),
            rules,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let pages = Pages::new(FileTemplates::load(), 8, None);
        let running = tokio::spawn(serve(
            listener,
            app.clone(),
            metrics.clone(),
            pages,
            options,
            async {
                let _ = stopped.await;
            },
        ));
        Self {
            address,
            app,
            store,
            clock,
            metrics,
            stop: Some(stop),
            running,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes, and reads until the server closes.
    async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await;
        let (mut reader, mut writer) = stream.split();
        let mut answer = Vec::new();
        let read = reader.read_to_end(&mut answer);
        let (written, read) = tokio::join!(writer.write_all(bytes), read);
        let _ = written;
        read.unwrap_or_else(|error| {
            panic!(
                "{error} in place of an answer to {:?}",
                &bytes[..bytes.len().min(80)]
            )
        });
        answer
    }

    async fn call(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        let answer = Answer::parse(&self.raw(&request).await);
        answer.is_described(method, path);
        answer
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "", b"").await
    }

    async fn post(&self, path: &str, json: &str) -> Answer {
        self.call(
            "POST",
            path,
            "content-type: application/json\r\n",
            json.as_bytes(),
        )
        .await
    }

    /// With an access token.
    async fn call_as(&self, token: &str, method: &str, path: &str, json: &str) -> Answer {
        let headers =
            format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
        self.call(method, path, &headers, json.as_bytes()).await
    }

    async fn submit(&self, path: &str, form: &str) -> Answer {
        let headers = "content-type: application/x-www-form-urlencoded\r\n";
        self.call("POST", path, headers, form.as_bytes()).await
    }

    /// Signs somebody up with a password that [`Server::log_in`] knows.
    async fn sign_up(&self, name: &str) {
        let answer = self
            .post(
                "/api/auth/signup",
                &format!(
                    r#"{{"email":"{name}@example.com","password":"first password of {name}"}}"#
                ),
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    async fn log_in(&self, name: &str) -> String {
        let answer = self
            .post(
                "/api/auth/login",
                &format!(
                    r#"{{"email":"{name}@example.com","password":"first password of {name}"}}"#
                ),
            )
            .await;
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    async fn reset_token(&self, name: &str) -> String {
        let email = format!("{name}@example.com");
        let link = self
            .app
            .issue_reset_link(&email, &Origin::Terminal("root".to_owned()))
            .await
            .unwrap()
            .link;
        link.rsplit_once('/').unwrap().1.to_owned()
    }

    fn pass(&self, time: Duration) {
        let mut now = self.clock.0.lock().unwrap();
        *now += time;
    }
}
