//! The use cases, each once, called alike by HTTP and by the terminal.
//!
//! They know the rules of [`crate::domain`] and the promises of [`crate::store`] and [`crate::mail`], and neither a
//! request nor a prompt, nor which database stands behind the promises. One file a use case; start with
//! `request_reset.rs` and `complete_reset.rs`.

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
pub(crate) mod observe;
mod request_reset;
pub mod system;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;

pub use crate::store::MoviesMark;
pub use authenticate::AccessError;
pub use complete_reset::Completed;
pub use copy::{Copied, CopyError, copy};
pub use create_account::NewAccount;
pub use deliver_outbox::Delivery;
pub use error::{AppError, MovieAction, parse_address};
pub use hasher::Hasher;
pub use import::{Import, Imported, Importing, NewCredential, Record};
pub use manage_accounts::{AccountDetails, AddressChanged};
pub use manage_outbox::{Flush, Flushed, QueuedMail};
pub use request_reset::{Requested, ResetLink};

use crate::domain::account::Account;
use crate::domain::clock::{Clock, Rng, draw};
use crate::domain::event::{Event, EventKind, Origin};
use crate::domain::id::{AccountId, EntryId, LeaseId};
use crate::domain::mail_server::PolicyWatch;
use crate::domain::outbox::{Entry, EntryState, LEASE, Lease, MailKind};
use crate::domain::password::PasswordPolicy;
use crate::domain::token::TokenKeys;
use crate::metrics::Metrics;
use crate::ports::mail::{Mailer, Renderer};
use crate::store::Store;
use crate::supervisor::Supervisor;
use login_work::LoginWork;
use observe::LastLook;

/// What the use cases are told by the settings.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How long a reset link works, from the request.
    pub reset_lifetime: Duration,
    /// How long an invitation works, from its making.
    pub invitation_lifetime: Duration,
    /// How long a login lasts.
    pub access_lifetime: Duration,
    /// How long lines of history are kept.
    pub history_kept: Duration,
    /// What a new password must fulfil.
    pub password_policy: PasswordPolicy,
    /// Whether `forgot` over HTTP answers the same for known and unknown addresses.
    pub conceal_accounts: bool,
    /// Whether anybody may make an account over HTTP.
    pub signup_open: bool,
    /// Whether calls over HTTP are limited in number.
    pub limits: bool,
    /// The base of every link, without a slash at its end.
    pub public_url: String,
    /// From whom the mails are.
    pub sender: String,
}

/// The concrete parts that the use cases work with.
pub struct Parts {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// The way out for mails.
    pub mailer: Arc<dyn Mailer>,
    /// From a mail kind to its text.
    pub renderer: Arc<dyn Renderer>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where chance comes from.
    pub rng: Arc<dyn Rng>,
    /// Where passwords are hashed.
    pub hasher: Hasher,
    /// What signs tokens.
    pub keys: TokenKeys,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What the settings say.
    pub rules: Rules,
}

/// The application: every use case is a method. A clone is another handle on the same one.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
    /// Rings when a mail was queued here, so that the delivery worker need not wait for its next look.
    queued: Arc<Notify>,
    /// How the outbox stood when somebody last looked.
    last_look: Arc<LastLook>,
    /// Knowledge of this process about policy replies of the mail server.
    policy: Arc<Mutex<PolicyWatch>>,
    /// Work that each login takes.
    login_work: Arc<LoginWork>,
    /// Background tasks of this process.
    supervisor: Supervisor,
}

/// Who delivers a mail that a use case decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// The delivery worker of whichever server is nearest.
    Queue,
    /// The caller, before it returns; the entry is held for it from the start, so that no worker comes between.
    DeliverNow,
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            queued: Arc::new(Notify::new()),
            last_look: Arc::default(),
            policy: Arc::default(),
            login_work: Arc::default(),
            supervisor: Supervisor::default(),
        }
    }

    /// What a new password must fulfil.
    pub fn password_policy(&self) -> &PasswordPolicy {
        &self.parts.rules.password_policy
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`AppError::Unavailable`] where none comes.
    pub async fn ping(&self) -> Result<(), AppError> {
        Ok(self.parts.store.ping().await?)
    }

    /// Returns the supervisor of this process's background tasks. It has none until a server starts them.
    pub fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    /// Waits until a background thread of the database has failed, and returns the cause.
    pub async fn database_failure(&self) -> String {
        self.parts.store.failure().await
    }

    /// The outbox entry for a mail about the account's present credential.
    fn entry(
        &self,
        account: &Account,
        kind: MailKind,
        origin: &Origin,
        handling: Handling,
    ) -> Entry {
        let now = self.parts.clock.now();
        let held = handling == Handling::DeliverNow;
        Entry {
            id: EntryId::new(now, draw(&*self.parts.rng)),
            account: account.id,
            recipient: None,
            kind,
            requested_at: now,
            origin: origin.clone(),
            fingerprint: self.parts.keys.fingerprint(account),
            state: EntryState::Waiting,
            attempts: u32::from(held),
            next_try_at: now,
            last_error: None,
            lease: held.then(|| self.lease()),
        }
    }

    fn lease(&self) -> Lease {
        let now = self.parts.clock.now();
        Lease {
            holder: LeaseId::new(now, draw(&*self.parts.rng)),
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
        let now = self.parts.clock.now();
        Event::new(account, now, kind, origin.clone(), detail)
    }

    /// Hands on the mail that tells of something done. It is durably queued, so a failure undoes nothing.
    async fn tell(&self, entry: Entry, handling: Handling) -> Option<Delivery> {
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

    /// Hands a decided mail on: to the worker, or out of the door at once.
    async fn hand_over(
        &self,
        entry: Entry,
        handling: Handling,
    ) -> Result<Option<Delivery>, AppError> {
        match handling {
            Handling::Queue => {
                self.queued.notify_one();
                Ok(None)
            }
            Handling::DeliverNow => self.deliver(entry).await.map(Some),
        }
    }
}
