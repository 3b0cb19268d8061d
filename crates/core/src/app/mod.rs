//! The use cases. Each is one method of [`App`], called alike by HTTP and by the command line.
//!
//! They depend on the rules of [`crate::domain`] and the traits of [`crate::ports`]. They know neither requests nor prompts,
//! and not which database and mail server implement the traits. Time and randomness are parameters: [`system`] implements
//! them by the operating system, and no use case names it.
//!
//! There is one file for each use case. Start with `request_reset.rs` and `complete_reset.rs`.

mod authenticate;
mod complete_reset;
mod compose_mail;
mod copy;
mod create_account;
mod deliver_outbox;
mod delivery_worker;
mod error;
mod forget_history;
mod hasher;
mod import;
mod limits;
mod log_in;
mod login_work;
mod manage_accounts;
mod manage_outbox;
mod movies;
mod observe;
mod request_reset;
pub mod system;
mod token_keys;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

pub use authenticate::AccessError;
pub use complete_reset::CompletedReset;
pub use copy::{CopyError, CopyReport, copy};
pub use create_account::NewAccount;
pub use deliver_outbox::Delivery;
pub use error::{AppError, MovieAction, parse_address};
pub use hasher::{HashLoad, Hasher};
pub use import::{Import, ImportOptions, ImportOutcome, NewCredential, Record};
pub use manage_accounts::{AccountDetails, AddressChanged};
pub use manage_outbox::{FlushReport, FlushScope, QueuedMail};
pub use observe::{OUTBOX_STATE_MAX_AGE, Snapshot};
pub use request_reset::{ResetLink, ResetRequest};
pub use token_keys::{TokenKeys, VerifiedToken, unusable_token};

use crate::domain::account::Account;
use crate::domain::clock::{Clock, Rng, draw};
use crate::domain::event::{Event, EventKind, Origin};
use crate::domain::id::{AccountId, EntryId, LeaseId};
use crate::domain::mail_server::PolicyWatch;
use crate::domain::outbox::{Entry, EntryState, LEASE, Lease, MailKind};
use crate::domain::password::PasswordPolicy;
use crate::ports::mail::{Mailer, Renderer};
use crate::ports::metrics::Metrics;
use crate::ports::store::Store;
use crate::supervisor::Supervisor;
use login_work::LoginWork;
use observe::CachedOutboxState;

/// Settings of the use cases.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Lifetime of a reset link, from the request.
    pub reset_lifetime: Duration,
    /// Lifetime of an invitation, from its creation.
    pub invitation_lifetime: Duration,
    /// Lifetime of an access token.
    pub access_lifetime: Duration,
    /// Age at which lines of the history are deleted.
    pub history_kept: Duration,
    /// Requirements for new passwords.
    pub password_policy: PasswordPolicy,
    /// Whether a reset request over HTTP gets the same response for known and unknown addresses.
    pub conceal_accounts: bool,
    /// Whether anyone may create an account over HTTP.
    pub signup_open: bool,
    /// Whether rate limits apply to requests over HTTP.
    pub limits: bool,
    /// Base of every link, without a trailing slash.
    pub public_url: String,
    /// Sender of all mails.
    pub sender: String,
}

/// Everything that [`App::new`] needs.
pub struct Dependencies {
    /// Database.
    pub store: Arc<dyn Store>,
    /// Mail server.
    pub mailer: Arc<dyn Mailer>,
    /// Templates of the mails.
    pub renderer: Arc<dyn Renderer>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Counters.
    pub metrics: Arc<dyn Metrics>,
    /// Threads that hash passwords.
    pub hasher: Hasher,
    /// Secrets that sign tokens.
    pub keys: TokenKeys,
    /// Settings.
    pub rules: Rules,
}

/// The application: every use case is a method. Clones share their state.
#[derive(Clone)]
pub struct App {
    store: Arc<dyn Store>,
    mailer: Arc<dyn Mailer>,
    renderer: Arc<dyn Renderer>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    metrics: Arc<dyn Metrics>,
    hasher: Hasher,
    keys: Arc<TokenKeys>,
    rules: Arc<Rules>,
    /// Notified when this process has queued a mail, so that the delivery worker does not wait for its next look.
    queued: Arc<Notify>,
    /// Last known state of the outbox.
    outbox_state: Arc<CachedOutboxState>,
    /// Policy replies that this process has received from the mail server.
    policy: Arc<Mutex<PolicyWatch>>,
    /// Work that each login takes.
    login_work: Arc<LoginWork>,
    /// Background tasks of this process.
    supervisor: Supervisor,
}

/// Deliverer of a mail that a use case queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryMode {
    /// The delivery worker of any server on the database.
    Queue,
    /// The use case, before it returns. The entry is leased from the start, so that no worker takes it meanwhile.
    DeliverNow,
}

impl App {
    /// Creates the application.
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

    /// Returns the supervisor of this process's background tasks. It has none until a server starts them.
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Waits until a background thread of the database has failed, and returns the cause.
    pub async fn database_failure(&self) -> String {
        self.store.failure().await
    }

    /// Creates the outbox entry of a mail about the account's present credential.
    fn entry(
        &self,
        account: &Account,
        kind: MailKind,
        origin: &Origin,
        handling: DeliveryMode,
    ) -> Entry {
        let now = self.clock.now();
        let held = handling == DeliveryMode::DeliverNow;
        Entry {
            id: EntryId::new(now, draw(&*self.rng)),
            account: account.id,
            recipient: None,
            kind,
            requested_at: now,
            origin: origin.clone(),
            fingerprint: self.keys.fingerprint(account),
            state: EntryState::Waiting,
            attempts: u32::from(held),
            next_try_at: now,
            last_error: None,
            lease: held.then(|| self.lease()),
        }
    }

    fn lease(&self) -> Lease {
        let now = self.clock.now();
        Lease {
            holder: LeaseId::new(now, draw(&*self.rng)),
            until: now + LEASE,
        }
    }

    fn event(
        &self,
        account: AccountId,
        kind: EventKind,
        origin: &Origin,
        detail: impl Into<String>,
    ) -> Event {
        let now = self.clock.now();
        Event::new(account, now, kind, origin.clone(), detail)
    }

    /// Hands over the notice of a change that is already stored. It is durably queued, so a failure is only logged.
    async fn notify_owner(&self, entry: Entry, handling: DeliveryMode) -> Option<Delivery> {
        self.hand_over(entry, handling)
            .await
            .unwrap_or_else(|error| {
                tracing::warn!(%error, "a mail stays in the outbox");
                Some(Delivery::Waiting {
                    error: error.to_string(),
                    hint: None,
                    next_try_at: None,
                    is_server_down: false,
                })
            })
    }

    /// Wakes up the delivery worker for a queued mail, or delivers it.
    async fn hand_over(
        &self,
        entry: Entry,
        handling: DeliveryMode,
    ) -> Result<Option<Delivery>, AppError> {
        match handling {
            DeliveryMode::Queue => {
                self.queued.notify_one();
                Ok(None)
            }
            DeliveryMode::DeliverNow => self.deliver(entry).await.map(Some),
        }
    }
}
