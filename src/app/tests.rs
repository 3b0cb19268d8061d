//! The use cases over a real SQLite file, with a clock that is moved by hand and a mail server that is told what to
//! answer.

mod import;
mod outbox;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tempfile::TempDir;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::system::SystemRng;
use super::*;
use crate::cli::built_in_templates::BUILT_IN_TEMPLATES;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::Origin;
use crate::domain::mail_server::{Capacity, later_share};
use crate::domain::outbox::Round;
use crate::domain::password::{PasswordHash, PasswordInput};
use crate::domain::token::Token;
use crate::mail::render::TeraRenderer;
use crate::mail::templates::Templates;
use crate::metrics::Metrics;
use crate::ports::mail::{DeliveryError, MailSession, Message, NoSession, Receipt, SendError};
use crate::store::sqlite::SqliteStore;

const ANN: &str = "ann@example.com";
const PASSWORD: &str = "correct horse battery";
const NEW_PASSWORD: &str = "staple of another kind";
const HOUR: Duration = Duration::from_secs(3_600);

/// A clock that is moved by hand.
struct TestClock(Mutex<Timestamp>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

/// Most sessions of the test's mail server.
const SESSIONS: usize = 16;

/// A mail server that answers what it was told, and else takes everything.
struct TestServer {
    answers: Mutex<VecDeque<DeliveryError>>,
    taken: Mutex<Vec<Message>>,
    tried: Mutex<Vec<Message>>,
    /// Recipients that are refused by a policy, by the end of their address.
    refused: Mutex<Vec<&'static str>>,
    /// Whether a mail that was tried before is taken in and never answered.
    hangs_on_repeats: AtomicBool,
    /// How many milliseconds it takes over a mail.
    is_slow_by: AtomicU64,
    /// How many it was given at once at the most.
    most_at_once: AtomicUsize,
    /// A database file that another process begins to write, and writes for longer than any step waits, when a mail is
    /// taken.
    locks: Mutex<Option<PathBuf>>,
    sessions: Arc<Semaphore>,
    sessions_for_later: Arc<Semaphore>,
}

impl Default for TestServer {
    fn default() -> Self {
        Self {
            answers: Mutex::default(),
            taken: Mutex::default(),
            tried: Mutex::default(),
            refused: Mutex::default(),
            hangs_on_repeats: AtomicBool::default(),
            is_slow_by: AtomicU64::default(),
            most_at_once: AtomicUsize::default(),
            locks: Mutex::default(),
            sessions: Arc::new(Semaphore::new(SESSIONS)),
            sessions_for_later: Arc::new(Semaphore::new(later_share(SESSIONS))),
        }
    }
}

impl TestServer {
    fn next_answer(&self, wanted: fn(&DeliveryError) -> bool) -> Option<DeliveryError> {
        let mut answers = self.answers.lock().unwrap();
        answers.pop_front_if(|error| wanted(error))
    }

    async fn take(&self, message: &Message) -> Result<Receipt, DeliveryError> {
        let is_repeat = {
            let mut tried = self.tried.lock().unwrap();
            let is_repeat = tried
                .iter()
                .any(|before| before.message_id == message.message_id);
            tried.push(message.clone());
            is_repeat
        };
        if is_repeat && self.hangs_on_repeats.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if let Some(error) = self.next_answer(|_| true) {
            return Err(error);
        }
        let refused = self.refused.lock().unwrap().clone();
        if refused.iter().any(|end| message.to.ends_with(end)) {
            return Err(DeliveryError::Policy {
                what: "554 5.7.1 relay access denied".to_owned(),
                hint: "log in".to_owned(),
                reply: "554 7.1 relay access denied".to_owned(),
            });
        }
        let at_once = self.tried.lock().unwrap().len() - self.taken.lock().unwrap().len();
        self.most_at_once.fetch_max(at_once, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(
            self.is_slow_by.load(Ordering::Relaxed),
        ))
        .await;
        if let Some(path) = self.locks.lock().unwrap().take() {
            lock_for_a_while(&path);
        }
        self.taken.lock().unwrap().push(message.clone());
        Ok(Receipt {
            reply: "250 2.0.0 kept".to_owned(),
        })
    }
}

/// The way to it.
struct TestMailer(Arc<TestServer>);

struct TestSession {
    server: Arc<TestServer>,
    _permits: Vec<OwnedSemaphorePermit>,
}

#[async_trait]
impl Mailer for TestMailer {
    async fn session(&self, round: Round) -> Result<Box<dyn MailSession>, NoSession> {
        let server = &self.0;
        if let Some(error) = server.next_answer(is_of_the_server) {
            return Err(NoSession {
                error,
                is_tried: true,
            });
        }
        let mut permits = Vec::new();
        if round == Round::Later {
            let later = Arc::clone(&server.sessions_for_later);
            permits.push(later.acquire_owned().await.unwrap());
        }
        let any = Arc::clone(&server.sessions);
        permits.push(any.acquire_owned().await.unwrap());
        Ok(Box::new(TestSession {
            server: Arc::clone(server),
            _permits: permits,
        }))
    }

    fn capacity(&self) -> Capacity {
        Capacity {
            mails: SESSIONS,
            until: None,
        }
    }

    async fn capacity_changed(&self) {
        std::future::pending().await
    }

    async fn close(&self) {}
}

#[async_trait]
impl MailSession for TestSession {
    async fn send(self: Box<Self>, message: &Message) -> Result<Receipt, SendError> {
        self.server.take(message).await.map_err(SendError::Message)
    }
}

fn is_of_the_server(error: &DeliveryError) -> bool {
    matches!(error, DeliveryError::Unreachable { .. })
}

/// Writes a database for longer than a step waits, from when it returns.
fn lock_for_a_while(path: &Path) {
    let other = rusqlite::Connection::open(path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(5_500));
        drop(other);
    });
}

fn gone() -> DeliveryError {
    DeliveryError::Unreachable {
        what: "nothing answers SMTP at localhost:1025 (connection refused)".to_owned(),
        hint: "start it".to_owned(),
    }
}

fn busy() -> DeliveryError {
    DeliveryError::Transient {
        server: "localhost:1025".to_owned(),
        reply: "451 4.3.2 later".to_owned(),
    }
}

fn refused_for_good() -> DeliveryError {
    DeliveryError::Permanent {
        server: "localhost:1025".to_owned(),
        reply: "550 5.1.1 no such mailbox".to_owned(),
    }
}

struct Fixture {
    app: App,
    clock: Arc<TestClock>,
    mailer: Arc<TestServer>,
    dir: TempDir,
}

impl Fixture {
    /// An application with one account, Ann's.
    async fn fresh() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock(Mutex::new(
            "2026-11-23T10:00:00Z".parse().unwrap(),
        )));
        let mailer = Arc::new(TestServer::default());
        let app = App::new(Parts {
            store: Arc::new(SqliteStore::open(&dir.path().join("test.sqlite3")).unwrap()),
            mailer: Arc::new(TestMailer(mailer.clone())),
            renderer: Arc::new(TeraRenderer::new(Arc::new(
                Templates::load(&BUILT_IN_TEMPLATES, None).unwrap(),
            ))),
            clock: clock.clone(),
            rng: Arc::new(SystemRng),
            hasher: Hasher::new(4, 2),
            metrics: Arc::new(Metrics::new(&[], clock.now())),
            keys: TokenKeys::new(&[7; 32], None),
            rules: Rules {
                history_kept: Duration::from_secs(90 * 86_400),
                reset_lifetime: HOUR,
                invitation_lifetime: 3 * HOUR,
                access_lifetime: HOUR,
                password_policy: PasswordPolicy { min_length: 8 },
                limits: true,
                conceal_accounts: false,
                signup_open: true,
                public_url: "https://movies.example".to_owned(),
                sender: "Movie-bag <support@movies.example>".to_owned(),
            },
        });
        let new = NewAccount {
            email: ANN,
            password: PasswordInput::new(PASSWORD),
            origin: terminal(),
        };
        app.create_account(new).await.unwrap();
        Self {
            app,
            clock,
            mailer,
            dir,
        }
    }

    fn wait(&self, span: Duration) {
        let mut now = self.clock.0.lock().unwrap();
        *now += span;
    }

    /// What the mail server answers next.
    fn mail_server_answers(&self, error: DeliveryError) {
        self.mailer.answers.lock().unwrap().push_back(error);
    }

    async fn forgot(&self) {
        let requested = self
            .app
            .request_reset(ANN, &terminal(), Handling::Queue)
            .await;
        assert_eq!(requested.unwrap(), Requested::Queued(None));
    }

    /// One step of the delivery worker.
    async fn step(&self) -> Option<Delivery> {
        self.app.deliver_next().await.unwrap()
    }

    fn taken(&self) -> Vec<Message> {
        self.mailer.taken.lock().unwrap().clone()
    }

    async fn entries(&self) -> Vec<Entry> {
        self.app.account_details(ANN, 0).await.unwrap().mails
    }

    /// Returns the history without logins.
    async fn history(&self) -> Vec<String> {
        let details = self.app.account_details(ANN, 100).await.unwrap();
        let is_login =
            |event: &&Event| matches!(event.kind, EventKind::LoggedIn | EventKind::LoginFailed);
        let lines = details
            .history
            .iter()
            .filter(|event| !is_login(event))
            .map(|event| format!("{} {}", event.kind, event.detail));
        lines.map(|line| line.trim_end().to_owned()).collect()
    }

    async fn reset(&self, token: &Token) -> Result<Completed, AppError> {
        let password = PasswordInput::new(NEW_PASSWORD);
        self.app
            .complete_reset(token, &password, &terminal(), Handling::Queue)
            .await
    }

    async fn log_in(&self, password: &str) -> bool {
        let password = PasswordInput::new(password);
        self.app.log_in(ANN, &password, &terminal()).await.is_ok()
    }
}

fn terminal() -> Origin {
    Origin::Terminal("tester".to_owned())
}

/// The token in the link of a mail.
fn token(message: &Message) -> Token {
    let link = message
        .text
        .lines()
        .find(|line| line.contains("/reset/"))
        .unwrap();
    Token::from_pasted(link)
}

#[tokio::test]
async fn a_token_counts_from_the_request_however_late_its_mail_is() {
    let fixture = Fixture::fresh().await;
    fixture.forgot().await;
    fixture.wait(HOUR - Duration::from_secs(1));
    fixture.step().await;
    let token = token(&fixture.taken()[0]);
    fixture.app.inspect_reset(&token).await.unwrap();
    fixture.wait(Duration::from_secs(1));
    assert!(matches!(
        fixture.reset(&token).await,
        Err(AppError::ExpiredToken)
    ));
    assert!(fixture.log_in(PASSWORD).await);
    assert_eq!(
        fixture.history().await[0],
        "reset_refused the token had expired"
    );
}

#[tokio::test]
async fn one_reset_ends_all_tokens_and_is_confirmed_once() {
    let fixture = Fixture::fresh().await;
    fixture.forgot().await;
    fixture.forgot().await;
    fixture.step().await;
    fixture.step().await;
    let (first, second) = (token(&fixture.taken()[0]), token(&fixture.taken()[1]));
    fixture.reset(&first).await.unwrap();
    for token in [&first, &second] {
        assert!(matches!(
            fixture.reset(token).await,
            Err(AppError::BadToken)
        ));
    }
    assert!(fixture.log_in(NEW_PASSWORD).await && !fixture.log_in(PASSWORD).await);
    assert_eq!(fixture.entries().await.len(), 1);
    fixture.step().await;
    assert_eq!(fixture.step().await, None);
}

#[tokio::test]
async fn a_reset_is_done_although_its_confirmation_can_not_be_sent() {
    let fixture = Fixture::fresh().await;
    let link = fixture
        .app
        .issue_reset_link(ANN, &terminal())
        .await
        .unwrap();
    fixture.mail_server_answers(gone());
    let completed = fixture
        .app
        .complete_reset(
            &Token::from_pasted(&link.link),
            &PasswordInput::new(NEW_PASSWORD),
            &terminal(),
            Handling::DeliverNow,
        )
        .await
        .unwrap();
    assert!(matches!(
        completed.confirmation,
        Some(Delivery::Waiting { .. })
    ));
    assert!(fixture.log_in(NEW_PASSWORD).await);
    fixture.wait(Duration::from_secs(2));
    assert!(matches!(fixture.step().await, Some(Delivery::Sent { .. })));
}

#[tokio::test]
async fn an_invitation_opens_an_account_that_nobody_could_enter_before() {
    let fixture = Fixture::fresh().await;
    let (account, delivery) = fixture
        .app
        .invite("Bob@Example.com", &terminal(), Handling::DeliverNow)
        .await
        .unwrap();
    assert!(matches!(delivery, Some(Delivery::Sent { .. })));
    let message = fixture.taken().remove(0);
    assert_eq!(message.to, "bob@example.com");
    fixture.wait(3 * HOUR - Duration::from_secs(1));
    let completed = fixture.reset(&token(&message)).await.unwrap();
    assert_eq!(completed.account, account.id);
    assert!(matches!(
        fixture
            .app
            .invite("bob@example.com", &terminal(), Handling::Queue)
            .await,
        Err(AppError::AddressTaken(taken)) if taken == "bob@example.com"
    ));
}

impl Fixture {
    /// Stores an account with a hash of this cost, as another program does.
    async fn store_account_of_cost(&self, cost: u32) -> String {
        let address = format!("cost{cost}@example.com");
        let parsed = EmailAddress::parse(&address).unwrap();
        let hash = PasswordHash::from_stored(format!("$2b${cost:02}${}", ".".repeat(53)));
        let account = self.app.account_with(&parsed, hash);
        let event = self
            .app
            .event(account.id, EventKind::Created, &terminal(), "");
        let store = &self.app.parts.store;
        store.create_account(&account, &event, None).await.unwrap();
        address
    }

    async fn login_cost(&self) -> u32 {
        self.app.login_cost().await.unwrap()
    }
}

#[tokio::test]
async fn a_login_takes_the_work_of_the_dearest_hash() {
    let fixture = Fixture::fresh().await;
    fixture.store_account_of_cost(5).await;
    assert_eq!(fixture.login_cost().await, 5);
    // A hash that is dearer than all counted ones is noticed at the first login for its account.
    let address = fixture.store_account_of_cost(6).await;
    assert_eq!(fixture.login_cost().await, 5);
    let wrong = PasswordInput::new(NEW_PASSWORD);
    let refused = fixture.app.log_in(&address, &wrong, &terminal()).await;
    assert!(matches!(refused, Err(AppError::WrongPassword)));
    assert_eq!(fixture.login_cost().await, 6);
}

#[tokio::test]
async fn the_costs_of_stored_hashes_are_counted_again() {
    let fixture = Fixture::fresh().await;
    assert_eq!(fixture.login_cost().await, 4);
    let dear = fixture.store_account_of_cost(7).await;
    fixture.wait(Duration::from_secs(601));
    while fixture.login_cost().await != 7 {
        tokio::task::yield_now().await;
    }
    fixture.app.delete_account(&dear).await.unwrap();
    fixture.wait(Duration::from_secs(599));
    assert_eq!(fixture.login_cost().await, 7);
    fixture.wait(Duration::from_secs(2));
    while fixture.login_cost().await != 4 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_hash_of_a_cost_above_sixteen_is_not_verified() {
    let fixture = Fixture::fresh().await;
    let address = fixture.store_account_of_cost(31).await;
    assert_eq!(fixture.login_cost().await, 4);
    let wrong = PasswordInput::new(NEW_PASSWORD);
    let refused = fixture.app.log_in(&address, &wrong, &terminal()).await;
    assert!(matches!(refused, Err(AppError::WrongPassword)));
    assert_eq!(fixture.login_cost().await, 4);
}

#[tokio::test]
async fn a_login_is_counted_in_the_history() {
    let fixture = Fixture::fresh().await;
    assert!(!fixture.log_in(NEW_PASSWORD).await);
    assert!(fixture.log_in(PASSWORD).await);
    assert!(fixture.log_in(PASSWORD).await);
    let lines = loop {
        let details = fixture.app.account_details(ANN, 100).await.unwrap();
        let lines = details
            .history
            .iter()
            .map(|event| (event.kind, event.count));
        let lines: Vec<_> = lines.collect();
        // A failure is recorded after its answer.
        if lines.len() == 3 {
            break lines;
        }
        tokio::task::yield_now().await;
    };
    for line in [
        (EventKind::Created, 1),
        (EventKind::LoggedIn, 2),
        (EventKind::LoginFailed, 1),
    ] {
        assert!(lines.contains(&line), "{lines:?}");
    }
}
