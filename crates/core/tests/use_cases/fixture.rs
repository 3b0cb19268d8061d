//! An application with one account, a clock that is moved by hand and a scripted mail server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use movie_bag_core::app::system::SystemRng;
use movie_bag_core::app::{
    App, AppError, CompletedReset, Delivery, DeliveryMode, Dependencies, Hasher, NewAccount,
    ResetRequest, Rules, SignupMode, TokenKeys,
};
use movie_bag_core::domain::account::Account;
use movie_bag_core::domain::clock::{Clock, draw};
use movie_bag_core::domain::event::{Event, EventKind, Origin};
use movie_bag_core::domain::id::{AccountId, LeaseId};
use movie_bag_core::domain::link_template::LinkTemplate;
use movie_bag_core::domain::outbox::{Entry, LEASE, Lease, Round};
use movie_bag_core::domain::password::{PasswordHash, PasswordInput, PasswordPolicy};
use movie_bag_core::domain::product_name::ProductName;
use movie_bag_core::domain::token::Token;
use movie_bag_core::ports::mail::Message;
use movie_bag_core::ports::metrics::NoMetrics;
use movie_bag_core::ports::store::{Accounts as _, Outbox as _};
use movie_bag_store::sqlite::SqliteStore;
use tempfile::TempDir;

use crate::mail_server::{TestMailer, TestRenderer, TestServer};

pub(crate) const ANN: &str = "ann@example.com";
pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const NEW_PASSWORD: &str = "staple of another kind";
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
/// Longest time that a test waits for an event.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Clock that is moved by hand.
pub(crate) struct TestClock(Mutex<Timestamp>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

pub(crate) struct Fixture {
    pub(crate) app: App,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) server: Arc<TestServer>,
    pub(crate) store: Arc<SqliteStore>,
    pub(crate) dir: TempDir,
}

impl Fixture {
    /// Creates an application with one account, Ann's.
    pub(crate) async fn fresh() -> Self {
        Self::with_signup(SignupMode::Open).await
    }

    pub(crate) async fn with_signup(signup: SignupMode) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        let clock = Arc::new(TestClock(Mutex::new(now)));
        let server = Arc::new(TestServer::default());
        let store = Arc::new(SqliteStore::open(&dir.path().join("test.sqlite3")).unwrap());
        let app = App::new(Dependencies {
            store: store.clone(),
            mailer: Arc::new(TestMailer(server.clone())),
            renderer: Arc::new(TestRenderer),
            clock: clock.clone(),
            rng: Arc::new(SystemRng),
            hasher: Hasher::new(4, 2),
            metrics: Arc::new(NoMetrics),
            keys: TokenKeys::new(&[7; 32], None),
            rules: Rules {
                history_kept: Duration::from_secs(90 * 86_400),
                reset_lifetime: HOUR,
                invitation_lifetime: 3 * HOUR,
                access_lifetime: HOUR,
                password_policy: PasswordPolicy {
                    min_length: 8,
                    product: ProductName::DEFAULT,
                },
                limits: true,
                conceal_accounts: false,
                signup,
                max_pending_signups: 1_000,
                public_url: "https://movies.example".to_owned(),
                reset_link: LinkTemplate::parse("{public_url}/reset/{token}").unwrap(),
                sender: "Movie-bag <support@movies.example>".to_owned(),
            },
        });
        let fixture = Self {
            app,
            clock,
            server,
            store,
            dir,
        };
        fixture.create_account(ANN).await;
        fixture
    }

    pub(crate) async fn create_account(&self, email: &str) {
        let new = NewAccount {
            email,
            password: PasswordInput::new(PASSWORD),
            origin: terminal(),
        };
        self.app.create_account(new).await.unwrap();
    }

    /// Signs up with a password, as a client does.
    pub(crate) async fn sign_up(&self, email: &str) -> Result<Account, AppError> {
        let new = NewAccount {
            email,
            password: PasswordInput::new(PASSWORD),
            origin: terminal(),
        };
        self.app.sign_up(new).await
    }

    /// Moves the clock.
    pub(crate) fn pass(&self, time: Duration) {
        *self.clock.0.lock().unwrap() += time;
    }

    pub(crate) async fn request_reset(&self) {
        let requested = self
            .app
            .request_reset(ANN, &terminal(), DeliveryMode::Queue)
            .await;
        assert_eq!(requested.unwrap(), ResetRequest::Queued(None));
    }

    /// Delivers the next due mail.
    pub(crate) async fn deliver_next(&self) -> Option<Delivery> {
        self.app.deliver_next().await.unwrap()
    }

    /// Leases the next due entry, as another worker does.
    pub(crate) async fn lease_next(&self, round: Round) -> Option<Entry> {
        let now = self.clock.now();
        let lease = Lease {
            holder: LeaseId::new(now, draw(&SystemRng)),
            until: now + LEASE,
        };
        let leased = self.store.lease_due(round, now, lease, 1).await;
        leased.unwrap().pop()
    }

    /// Returns Ann's entries in the outbox.
    pub(crate) async fn entries(&self) -> Vec<Entry> {
        self.app.account_details(ANN, 0).await.unwrap().mails
    }

    /// Returns Ann's history without logins.
    pub(crate) async fn history(&self) -> Vec<String> {
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

    /// Redeems a reset token for [`NEW_PASSWORD`].
    pub(crate) async fn reset(&self, token: &Token) -> Result<CompletedReset, AppError> {
        let password = PasswordInput::new(NEW_PASSWORD);
        self.app
            .complete_reset(token, &password, &terminal(), DeliveryMode::Queue)
            .await
    }

    /// Logs Ann in, and returns whether the password was accepted.
    pub(crate) async fn log_in(&self, password: &str) -> bool {
        let password = PasswordInput::new(password);
        self.app.log_in(ANN, &password, &terminal()).await.is_ok()
    }

    /// Stores an account with a hash of this cost, as another program does, and returns its address.
    pub(crate) async fn store_account_of_cost(&self, cost: u32) -> String {
        let now = self.clock.now();
        let account = Account {
            id: AccountId::new(now, draw(&SystemRng)),
            address: format!("cost{cost}@example.com"),
            password_hash: PasswordHash::from_stored(format!("$2b${cost:02}${}", ".".repeat(53))),
            revocation: None,
            disabling: None,
        };
        let event = Event::new(account.id, now, EventKind::Created, terminal(), "");
        let created = self.store.create_account(&account, &event, None);
        created.await.unwrap();
        account.address
    }

    pub(crate) async fn login_cost(&self) -> u32 {
        self.app.login_cost().await.unwrap()
    }
}

pub(crate) fn terminal() -> Origin {
    Origin::Terminal("tester".to_owned())
}

/// Returns the token in the link of a mail.
pub(crate) fn token(message: &Message) -> Token {
    let (_, token) = message.text.rsplit_once('/').unwrap();
    Token::from_exact(token)
}
