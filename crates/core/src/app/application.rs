//! The application: its parts, and what several use cases need.

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::error::AppError;
use super::hasher::Hasher;
use super::token_keys::TokenKeys;
use crate::domain::clock::{Clock, Rng};
use crate::domain::event::{Event, EventKind, Origin};
use crate::domain::id::AccountId;
use crate::domain::link_template::LinkTemplate;
use crate::domain::mail_server::PolicyWatch;
use crate::domain::outbox::OutboxState;
use crate::domain::password::PasswordPolicy;
use crate::ports::mail::{Mailer, Renderer};
use crate::ports::metrics::Metrics;
use crate::ports::store::Store;
use crate::supervisor::Supervisor;

/// Mode of sign-up over HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignupMode {
    /// Everyone, with any address and a password.
    Open,
    /// Everyone who opens the link that is mailed to the address. The answer does not tell whether the address is taken.
    Verified,
    /// No one: administrators create accounts.
    Closed,
}

#[derive(Debug, Clone)]
pub struct Rules {
    /// Lifetime of a reset link, from the request.
    pub reset_lifetime: Duration,
    /// Lifetime of an invitation, from its creation.
    pub invitation_lifetime: Duration,
    pub access_lifetime: Duration,
    /// Age at which lines of the history are deleted.
    pub history_kept: Duration,
    /// Requirements for new passwords.
    pub password_policy: PasswordPolicy,
    /// Whether a reset request over HTTP gets the same response for known and unknown addresses.
    pub conceal_accounts: bool,
    /// Mode of sign-up over HTTP.
    pub signup: SignupMode,
    /// Maximum number of pending sign-ups. At the maximum, sign-up is unavailable to everyone.
    pub max_pending_signups: u64,
    /// Whether rate limits apply to requests over HTTP.
    pub limits: bool,
    /// Base of every link, without a trailing slash.
    pub public_url: String,
    /// Form of the links in reset mails and invitations.
    pub reset_link: LinkTemplate,
    pub sender: String,
}

/// Everything that [`App::new`] needs.
pub struct Dependencies {
    pub store: Arc<dyn Store>,
    pub mailer: Arc<dyn Mailer>,
    pub renderer: Arc<dyn Renderer>,
    pub clock: Arc<dyn Clock>,
    pub rng: Arc<dyn Rng>,
    pub metrics: Arc<dyn Metrics>,
    pub hasher: Hasher,
    pub keys: TokenKeys,
    pub rules: Rules,
}

/// Highest cost of all stored hashes, as far as it is known.
#[derive(Default)]
pub(super) struct LoginWork {
    /// 0 before the first count.
    pub(super) highest: AtomicU32,
    /// Time of the last count. Locked during a count.
    pub(super) counted_at: Arc<tokio::sync::Mutex<Option<Timestamp>>>,
}

/// Result and time of the last query for the state of the outbox. Locked during a query.
pub(super) type CachedOutboxState = tokio::sync::Mutex<Option<(Timestamp, Option<OutboxState>)>>;

/// The application: every use case is a method. Clones share their state.
#[derive(Clone)]
pub struct App {
    pub(super) store: Arc<dyn Store>,
    pub(super) mailer: Arc<dyn Mailer>,
    pub(super) renderer: Arc<dyn Renderer>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    pub(super) metrics: Arc<dyn Metrics>,
    pub(super) hasher: Hasher,
    pub(super) keys: Arc<TokenKeys>,
    pub(super) rules: Arc<Rules>,
    /// Notified when this process has queued a mail, so that the delivery worker does not wait for its next query.
    pub(super) queued: Arc<Notify>,
    /// Last known state of the outbox.
    pub(super) outbox_state: Arc<CachedOutboxState>,
    /// Policy replies that this process has received from the mail server.
    pub(super) policy: Arc<Mutex<PolicyWatch>>,
    /// Work that each login takes.
    pub(super) login_work: Arc<LoginWork>,
    pub(super) supervisor: Supervisor,
    /// Work that outlives its call, since no caller waits for it or since dropping it halfway would cost a store its connection.
    pub(super) detached: TaskTracker,
}

impl App {
    pub fn new(dependencies: Dependencies) -> Self {
        let Dependencies {
            store,
            mailer,
            renderer,
            clock,
            rng,
            metrics,
            hasher,
            keys,
            rules,
        } = dependencies;
        Self {
            store,
            mailer,
            renderer,
            clock,
            rng,
            metrics,
            hasher,
            keys: Arc::new(keys),
            rules: Arc::new(rules),
            queued: Arc::new(Notify::new()),
            outbox_state: Arc::default(),
            policy: Arc::default(),
            login_work: Arc::default(),
            supervisor: Supervisor::default(),
            detached: TaskTracker::new(),
        }
    }

    /// Returns the requirements for new passwords.
    pub fn password_policy(&self) -> &PasswordPolicy {
        &self.rules.password_policy
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] if it does not.
    pub async fn ping(&self) -> Result<(), AppError> {
        Ok(self.store.ping().await?)
    }

    /// Returns the supervisor of this process's background tasks. No task is registered before a server starts it.
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Waits until a background thread of the database has failed, and returns the cause.
    pub async fn database_failure(&self) -> String {
        self.store.failure().await
    }

    /// Waits for the work that calls have left behind, and closes the connections to the mail server, by QUIT, and to the
    /// database. Called once, after the last call.
    pub async fn close(&self) {
        self.mailer.close().await;
        self.detached.close();
        self.detached.wait().await;
        self.store.close().await;
    }

    pub(super) fn event(
        &self,
        account: AccountId,
        kind: EventKind,
        origin: &Origin,
        detail: impl Into<String>,
    ) -> Event {
        let now = self.clock.now();
        Event::new(account, now, kind, origin.clone(), detail)
    }
}
