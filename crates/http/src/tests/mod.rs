//! Tests of the handlers over a real socket, with an in-memory store and without mail.

mod account;
mod api;
mod cors;
pub(super) mod file_templates;
mod memory_store;
mod metrics;
mod pages;
mod wire;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use movie_bag_core::app::system::SystemRng;
use movie_bag_core::app::{App, Dependencies, Hasher, Rules, SignupMode, TokenKeys};
use movie_bag_core::domain::clock::Clock;
use movie_bag_core::domain::event::Origin;
use movie_bag_core::domain::link_template::LinkTemplate;
use movie_bag_core::domain::mail::Mail;
use movie_bag_core::domain::mail_server::Capacity;
use movie_bag_core::domain::outbox::Round;
use movie_bag_core::domain::password::PasswordPolicy;
use movie_bag_core::domain::product_name::ProductName;
use movie_bag_core::ports::mail::{
    MailSession, Mailer, NoSession, RenderError, Rendered, Renderer,
};
use movie_bag_smtp_sink::net::http1;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::page_templates::Pages;
use super::{HttpOptions, PrometheusMetrics, malformed_request_response, openapi, router};
use file_templates::FileTemplates;
use memory_store::MemoryStore;

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

/// A response as received from the socket.
struct Response {
    status: u16,
    head: String,
    body: String,
}

impl Response {
    /// Parses a response. The body is kept as received: chunks are not decoded.
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("not a response: {text:?}"));
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

    /// Checks that the OpenAPI document describes this response.
    fn check_against_openapi(&self, method: &str, path: &str) {
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

    /// Returns status and code, such as `400 schema_validation`, and checks the form of the error body.
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
            password_policy: PasswordPolicy {
                min_length: 8,
                product: ProductName::DEFAULT,
            },
            limits: true,
            conceal_accounts: false,
            signup: SignupMode::Open,
            max_pending_signups: 1_000,
            public_url: "https://movie-bag.example".to_owned(),
            reset_link: LinkTemplate::parse("{public_url}/reset/{token}").unwrap(),
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
        let limits = http1::Options {
            max_connections: options.max_connections,
            trusted_proxies: options.trusted_proxies.clone(),
            header_timeout: options.header_timeout,
            write_timeout: options.write_timeout,
            grace: options.grace,
            malformed_response: Some(malformed_request_response),
            ..http1::Options::default()
        };
        let router = router(app.clone(), metrics.clone(), pages, options);
        let running = tokio::spawn(http1::serve(listener, router, limits, async {
            let _ = stopped.await;
        }));
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

    /// Sends bytes and reads until the server closes the connection.
    async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await;
        let (mut reader, mut writer) = stream.split();
        let mut response = Vec::new();
        let read = reader.read_to_end(&mut response);
        let (written, read) = tokio::join!(writer.write_all(bytes), read);
        let _ = written;
        read.unwrap_or_else(|error| {
            panic!(
                "{error} in place of a response to {:?}",
                &bytes[..bytes.len().min(80)]
            )
        });
        response
    }

    async fn call(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Response {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        let response = Response::parse(&self.raw(&request).await);
        response.check_against_openapi(method, path);
        response
    }

    async fn get(&self, path: &str) -> Response {
        self.call("GET", path, "", b"").await
    }

    async fn post(&self, path: &str, json: &str) -> Response {
        self.call(
            "POST",
            path,
            "content-type: application/json\r\n",
            json.as_bytes(),
        )
        .await
    }

    /// Calls the API with an access token.
    async fn call_as(&self, token: &str, method: &str, path: &str, json: &str) -> Response {
        let headers =
            format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
        self.call(method, path, &headers, json.as_bytes()).await
    }

    async fn submit(&self, path: &str, form: &str) -> Response {
        let headers = "content-type: application/x-www-form-urlencoded\r\n";
        self.call("POST", path, headers, form.as_bytes()).await
    }

    /// Creates an account with the password that [`Server::log_in`] uses.
    async fn sign_up(&self, name: &str) {
        let response = self
            .post(
                "/api/auth/signup",
                &format!(
                    r#"{{"email":"{name}@example.com","password":"first password of {name}"}}"#
                ),
            )
            .await;
        assert_eq!(response.status, 200, "{}", response.body);
    }

    async fn log_in(&self, name: &str) -> String {
        let response = self
            .post(
                "/api/auth/login",
                &format!(
                    r#"{{"email":"{name}@example.com","password":"first password of {name}"}}"#
                ),
            )
            .await;
        response.json()["token"].as_str().unwrap().to_owned()
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

    fn advance_clock(&self, time: Duration) {
        let mut now = self.clock.0.lock().unwrap();
        *now += time;
    }
}
