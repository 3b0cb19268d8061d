//! Delivery of queued mails: lease an entry, get a session, create text and token, send, store the outcome.
//!
//! Each mail is delivered at least once: if a process dies during an attempt, another attempt is made after the lease
//! expires, with the same Message-ID. No step of the store waits for the mail server.
//!
//! A failure before the mail was offered (no session) is a failure of the server. It does not count as an attempt: the entry
//! is released unchanged, and keeps its position in the queue.

use std::convert::Infallible;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::application::App;
use super::compose_mail::Undeliverable;
use super::error::AppError;
use crate::domain::clock::draw;
use crate::domain::event::EventKind;
use crate::domain::mail::MailKind;
use crate::domain::mail_server::PolicyWatch;
use crate::domain::outbox::{Entry, LEASE, Lease, Outcome, RENEWAL, Round, backoff};
use crate::ports::mail::{DeliveryError, MailSession, NoSession, SendError};
use crate::ports::metrics::MailResult;
use crate::ports::store::StoreError;
use crate::supervisor::fault_points;

/// Time in which settling an attempt is retried while the database cannot be reached. The lease is renewed meanwhile, so
/// that no other worker sends the mail again.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(180);
/// Delay between two of these tries.
const PAUSE: Duration = Duration::from_secs(1);

/// Result of one attempt to deliver a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The mail server accepted the mail.
    Sent {
        /// Reply of the mail server.
        reply: String,
    },
    /// The attempt failed. The mail stays in the outbox for a retry.
    Waiting {
        error: String,
        hint: Option<String>,
        /// Time of the next attempt, if it is known.
        next_try_at: Option<Timestamp>,
        /// Whether the server failed before the mail was offered, so that other mails would fail too.
        is_server_down: bool,
    },
    /// The mail was given up. It stays in the outbox for the administrator.
    Dead { error: String },
}

impl Delivery {
    fn result(&self) -> MailResult {
        match self {
            Self::Sent { .. } => MailResult::Sent,
            Self::Waiting { .. } => MailResult::Deferred,
            Self::Dead { .. } => MailResult::Dead,
        }
    }
}

/// Result of an attempt.
enum Attempt {
    /// The mail was offered, or given up. The outcome is to be stored.
    Made(Delivery),
    /// The mail was not offered.
    NotOffered(NoSession),
}

pub(super) fn domain(address: &str) -> &str {
    address
        .rsplit_once('@')
        .map_or(address, |(_, domain)| domain)
}

impl App {
    /// Makes one attempt at an entry that is leased to the caller, and keeps the lease while it runs.
    ///
    /// # Errors
    /// The database. The entry then waits until its lease ends.
    pub async fn deliver(&self, entry: Entry) -> Result<Delivery, AppError> {
        let round = match entry.attempts {
            0 | 1 => Round::First,
            _ => Round::Later,
        };
        let attempt = async {
            let session = self.mailer.session(round).await;
            self.deliver_over(&entry, session).await
        };
        tokio::select! {
            delivery = attempt => delivery,
            never = self.keep_leased(&entry) => match never {},
        }
    }

    /// Makes one attempt over a session, or handles its absence.
    async fn deliver_over(
        &self,
        entry: &Entry,
        session: Result<Box<dyn MailSession>, NoSession>,
    ) -> Result<Delivery, AppError> {
        let attempt = match session {
            Ok(session) => self.attempt(entry, session).await?,
            Err(no_session) => Attempt::NotOffered(no_session),
        };
        let delivery = match attempt {
            Attempt::Made(delivery) => delivery,
            Attempt::NotOffered(no_session) => {
                if no_session.was_attempted {
                    self.metrics.mail_server_failed();
                    let pause = self.seconds_left();
                    tracing::warn!(error = %no_session.error, "cannot send mails, next connection attempt in {pause:.1} s");
                }
                match self.obsolete(entry, &no_session).await? {
                    Some(why) => Delivery::Dead { error: why },
                    None => return self.return_entry(entry, no_session).await,
                }
            }
        };
        self.metrics.mail_attempted(entry.kind, delivery.result());
        self.settle(entry, &delivery).await?;
        Ok(delivery)
    }

    /// Makes one attempt for the worker. Makes no attempt once the worker is stopping. During a policy pause only a probe
    /// is attempted.
    pub(super) async fn deliver_for_worker(
        &self,
        entry: Entry,
        round: Round,
        is_probe: bool,
        mut stopping: watch::Receiver<bool>,
    ) {
        let session = tokio::select! {
            biased;
            _ = stopping.wait_for(|is_stopping| *is_stopping) => None,
            session = self.mailer.session(round) => Some(session),
            never = self.keep_leased(&entry) => match never {},
        };
        let is_held_back = !is_probe && self.policy().is_tripped();
        let Some(session) = session.filter(|_| !is_held_back) else {
            return self.release_entry(&entry, None).await;
        };
        // The lease may have expired during the wait, and another worker may send the mail.
        let has_waited = entry
            .lease
            .is_none_or(|lease| self.clock.now() + (LEASE - RENEWAL) >= lease.until);
        if has_waited && !self.renew(&entry).await {
            return;
        }
        fault_points::hit("attempt");
        let delivered = tokio::select! {
            delivered = self.deliver_over(&entry, session) => delivered,
            never = self.keep_leased(&entry) => match never {},
        };
        if let Err(error) = delivered {
            tracing::error!(entry = %entry.id, %error, "cannot store the result of a delivery attempt");
        }
    }

    fn seconds_left(&self) -> f64 {
        let until = self.mailer.capacity().until.map(Instant::from_std);
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        left.unwrap_or_default().as_secs_f64()
    }

    /// Returns the reason why a mail that could not be offered must never be offered. Checked only if a connection was
    /// tried, to save queries while the server is down.
    async fn obsolete(
        &self,
        entry: &Entry,
        no_session: &NoSession,
    ) -> Result<Option<String>, AppError> {
        if !no_session.was_attempted {
            return Ok(None);
        }
        Ok(self.compose(entry).await?.err().map(str::to_owned))
    }

    /// Releases an entry that could not be offered. The history gets one line for each mail for as long as the server is
    /// down; the entry has the last error.
    async fn return_entry(
        &self,
        entry: &Entry,
        NoSession {
            error,
            was_attempted,
        }: NoSession,
    ) -> Result<Delivery, AppError> {
        self.release_entry(entry, was_attempted.then(|| error.to_string()))
            .await;
        if was_attempted && entry.last_error.is_none() && has_history(entry) {
            let detail = format!("{}: {error}", entry.kind);
            let event = self.event(entry.account, EventKind::MailFailed, &entry.origin, detail);
            self.store.record(&event).await?;
        }
        Ok(Delivery::Waiting {
            error: error.to_string(),
            hint: error.hint(),
            next_try_at: None,
            is_server_down: true,
        })
    }

    /// Ends the lease of an entry that was not offered, as if it had not been leased. A failure is only logged.
    pub(super) async fn release_entry(&self, entry: &Entry, error: Option<String>) {
        if let Err(error) = self.store.release_entry(entry, error.as_deref()).await {
            tracing::warn!(entry = %entry.id, %error, "cannot release a mail, it waits until its lease expires");
        }
    }

    /// Returns whether the mail server has refused several mails by policy, so that it gets only probes until it accepts one.
    pub fn is_probing_server(&self) -> bool {
        self.policy().is_tripped()
    }

    /// Returns the policy replies that this process has received.
    pub(super) fn policy(&self) -> MutexGuard<'_, PolicyWatch> {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renews the lease of an entry for as long as the future is polled.
    async fn keep_leased(&self, entry: &Entry) -> Infallible {
        let mut renewal = interval(RENEWAL);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        renewal.tick().await;
        loop {
            renewal.tick().await;
            self.renew(entry).await;
        }
    }

    /// Leases the entry that has been due for longest, new ones first, and makes one attempt. Returns `None` if no entry is
    /// due.
    ///
    /// # Errors
    /// The database.
    pub async fn deliver_next(&self) -> Result<Option<Delivery>, AppError> {
        for round in [Round::First, Round::Later] {
            if let Some(entry) = self.lease_next(round).await? {
                return self.deliver(entry).await.map(Some);
            }
        }
        Ok(None)
    }

    pub(super) async fn lease_next(&self, round: Round) -> Result<Option<Entry>, AppError> {
        let now = self.clock.now();
        let lease = self.lease();
        let leased = self.store.lease_due(round, now, lease, 1);
        Ok(leased.await?.pop())
    }

    /// Renews a lease. Returns `false` if it is lost.
    async fn renew(&self, entry: &Entry) -> bool {
        let Some(Lease { holder, .. }) = entry.lease else {
            return false;
        };
        let lease = Lease {
            holder,
            until: self.clock.now() + LEASE,
        };
        match self.store.renew_lease(entry.id, lease).await {
            Ok(true) => true,
            Ok(false) => {
                if !self.is_account_closed(entry).await {
                    tracing::warn!(entry = %entry.id, "another worker took over a mail that this process had leased");
                }
                false
            }
            Err(error) => {
                tracing::warn!(entry = %entry.id, %error, "cannot renew a lease");
                true
            }
        }
    }

    /// Returns whether an entry was deleted because its account was deleted or disabled, rather than leased by another worker.
    async fn is_account_closed(&self, entry: &Entry) -> bool {
        let account = self.store.account(entry.account).await;
        account.is_ok_and(|account| account.is_none_or(|account| account.is_disabled()))
    }

    async fn attempt(
        &self,
        entry: &Entry,
        session: Box<dyn MailSession>,
    ) -> Result<Attempt, AppError> {
        let dead = |error: String| Ok(Attempt::Made(Delivery::Dead { error }));
        let (message, informed) = match self.message(entry).await? {
            Ok(message) => message,
            Err(Undeliverable::Obsolete(why)) => return dead(why.to_owned()),
            Err(Undeliverable::Broken(error)) => {
                return Ok(Attempt::Made(self.schedule_retry(entry, error, None)));
            }
        };
        match session.send(&message).await {
            Ok(receipt) => {
                self.policy().accepted();
                if let Some(account) = informed {
                    let detail = format!("{}: {}", MailKind::AccountExists, receipt.reply);
                    let event = self.event(account, EventKind::MailSent, &entry.origin, detail);
                    self.store.record(&event).await?;
                }
                Ok(Attempt::Made(Delivery::Sent {
                    reply: receipt.reply,
                }))
            }
            Err(SendError::NoSession(no_session)) => Ok(Attempt::NotOffered(no_session)),
            Err(SendError::Message(error)) if error.is_permanent() => dead(error.to_string()),
            Err(SendError::Message(error)) => {
                if let DeliveryError::Policy { reply, .. } = &error {
                    self.record_policy_refusal(reply, &message.to, &error);
                }
                Ok(Attempt::Made(self.schedule_retry(
                    entry,
                    error.to_string(),
                    error.hint(),
                )))
            }
        }
    }

    fn record_policy_refusal(&self, reply: &str, to: &str, error: &DeliveryError) {
        let chance = u32::from_be_bytes(draw(&*self.rng));
        let now = Instant::now().into_std();
        let delay = self.policy().refused(reply, domain(to), now, chance);
        if let Some(delay) = delay {
            let delay = delay.as_secs_f64();
            tracing::warn!(%error, "the mail server refuses every mail, next attempt in {delay:.1} s");
        }
    }

    fn schedule_retry(&self, entry: &Entry, error: String, hint: Option<String>) -> Delivery {
        let chance = u32::from_be_bytes(draw(&*self.rng));
        let next_try_at = self.clock.now() + backoff(entry.attempts, chance);
        Delivery::Waiting {
            error,
            hint,
            next_try_at: Some(next_try_at),
            is_server_down: false,
        }
    }

    async fn settle(&self, entry: &Entry, delivery: &Delivery) -> Result<(), AppError> {
        let (outcome, kind, detail) = match delivery {
            Delivery::Sent { reply } => (Outcome::Sent, EventKind::MailSent, reply),
            Delivery::Waiting {
                error, next_try_at, ..
            } => {
                let at = next_try_at.unwrap_or_else(|| self.clock.now());
                (
                    Outcome::Retry {
                        at,
                        error: error.clone(),
                    },
                    EventKind::MailFailed,
                    error,
                )
            }
            Delivery::Dead { error } => (
                Outcome::Dead {
                    error: error.clone(),
                },
                EventKind::MailFailed,
                error,
            ),
        };
        let event = self.event(
            entry.account,
            kind,
            &entry.origin,
            format!("{}: {detail}", entry.kind),
        );
        let event = has_history(entry).then_some(&event);
        let Some(lease) = entry.lease else {
            return Err(AppError::Internal(
                format!("outbox entry {} was delivered without a lease", entry.id).into(),
            ));
        };
        let began = Instant::now();
        let store = &self.store;
        let mut tries = 1;
        let held = loop {
            match store.settle(entry.id, lease.holder, &outcome, event).await {
                Err(error @ (StoreError::Unavailable(_) | StoreError::Busy(_)))
                    if began.elapsed() < SETTLE_TIMEOUT =>
                {
                    tracing::warn!(entry = %entry.id, %error, "cannot store the result of a delivery yet");
                    sleep(PAUSE).await;
                    tries += 1;
                }
                // An earlier try may have settled it although its response was lost.
                settled => break settled? || tries > 1,
            }
        };
        if !held && !self.is_account_closed(entry).await {
            tracing::warn!(entry = %entry.id, "another worker took over this mail: it may arrive twice, with the same Message-ID");
        }
        match delivery {
            Delivery::Sent { .. } => {
                tracing::info!(entry = %entry.id, kind = %entry.kind, "mail sent")
            }
            Delivery::Waiting { error, .. } => {
                tracing::warn!(entry = %entry.id, kind = %entry.kind, %error, "mail not sent, will be retried")
            }
            Delivery::Dead { error } => {
                tracing::error!(entry = %entry.id, kind = %entry.kind, %error, "mail not sent, given up")
            }
        }
        Ok(())
    }
}

/// Returns whether the results of a mail are lines in a history. The account of a sign-up does not exist yet.
pub(super) fn has_history(entry: &Entry) -> bool {
    entry.kind != MailKind::ConfirmSignup
}
