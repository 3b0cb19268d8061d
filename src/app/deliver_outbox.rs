//! Delivery of queued mails: lease an entry, get a session, make text and token, send, settle.
//!
//! At least once: an attempt that dies leaves its entry to the next one when the lease ends, and a repeat has the
//! same Message-ID. No step of the store waits for the network.
//!
//! A failure before the mail was offered (no session) is one of the server. It is not an attempt: the entry is given back
//! as it was, and keeps its place.

use std::convert::Infallible;
use std::future::Future;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use super::{App, AppError};
use crate::domain::account::Account;
use crate::domain::clock::draw;
use crate::domain::event::EventKind;
use crate::domain::mail_server::{Capacity, PolicyWatch};
use crate::domain::outbox::{Entry, LEASE, Lease, MailKind, Outcome, RENEWAL, Round, backoff};
use crate::mail::{
    AccessRevoked, AddressChanged, DeliveryError, Invitation, Mail, MailSession, Message,
    NoSession, ResetPassword, ResetSuccessful, SendError,
};
use crate::metrics::MailResult;
use crate::store::StoreError;

/// Numbers of mails that the worker has in hand: leased, waiting for a session, being sent, or being settled. They follow
/// from the number of sessions that can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    /// In hand: more than sessions, so that no session waits for the database.
    in_hand: usize,
    /// Of those, mails that failed before; the rest is for new ones.
    later: usize,
    /// Fewer are not leased at once: a step for one mail costs as much as one for many.
    fewest: usize,
}

impl Numbers {
    fn of(capacity: Capacity) -> Self {
        match capacity.mails {
            0 => Self {
                in_hand: 0,
                later: 0,
                fewest: 1,
            },
            // Nothing is known of the server yet, or there is one session: a single mail is not kept waiting for the others.
            1 => Self {
                in_hand: 1,
                later: 1,
                fewest: 1,
            },
            sessions => Self {
                in_hand: 3 * sessions,
                later: 3 * sessions / 2,
                fewest: sessions / 2,
            },
        }
    }
}

/// Interval in which the worker looks for what other processes have queued.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Time in which settling an attempt is retried while the database can't be reached. The lease is renewed meanwhile, so
/// that no other worker sends the mail again.
const WRITTEN_DOWN_WITHIN: Duration = Duration::from_secs(30);
/// Delay between two tries of that.
const PAUSE: Duration = Duration::from_secs(1);
/// Age at which a mail without an expiring link is given up: a mail server that is only busy takes it before (RFC 5321
/// 4.5.4.1).
const GIVEN_UP_AFTER: Duration = Duration::from_secs(5 * 86_400);
/// Time that a stopping worker gives to attempts that still run; what is cut off is tried again by the next one.
const GRACE: Duration = Duration::from_secs(10);
/// Number of entries among which the next probe of a server with a policy pause is chosen.
const CANDIDATES: usize = 8;

/// Result of one attempt to deliver a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The mail server took it.
    Sent {
        /// What the mail server answered.
        reply: String,
    },
    /// Not this time; it stays in the outbox.
    Waiting {
        /// Why.
        error: String,
        /// What may help.
        hint: Option<String>,
        /// When it is tried again, as far as is known.
        next_try_at: Option<Timestamp>,
        /// Whether the server failed before the mail was offered: other mails would fare no better.
        is_server_down: bool,
    },
    /// Never; it stays in the outbox to be looked at.
    Dead {
        /// Why.
        error: String,
    },
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

/// The mails in hand, by round.
struct Attempts {
    first: JoinSet<()>,
    later: JoinSet<()>,
    numbers: Numbers,
    stopping: watch::Sender<bool>,
    /// Until then no mail of a later round is looked for, since there was none: one becomes due by time alone.
    none_later_until: Option<Instant>,
    /// End of the delay before a further connection is tried, while others work.
    limited_until: Option<Instant>,
    /// Round of the last mail that was taken alone, so that the rounds take turns.
    last_alone: Round,
}

impl Attempts {
    fn new() -> Self {
        Self {
            first: JoinSet::new(),
            later: JoinSet::new(),
            numbers: Numbers::of(Capacity {
                mails: 1,
                until: None,
            }),
            stopping: watch::Sender::new(false),
            none_later_until: None,
            limited_until: None,
            last_alone: Round::Later,
        }
    }

    /// Logs each time that the server has refused a further connection.
    fn note_limit(&mut self, capacity: Capacity) {
        let until = capacity.until.map(Instant::from_std);
        if capacity.mails > 0 && until.is_some() && until != self.limited_until {
            tracing::warn!(
                "the mail server takes no further connection, mails go over {}",
                capacity.mails
            );
        }
        self.limited_until = until;
    }

    fn len(&self) -> usize {
        self.first.len() + self.later.len()
    }

    fn has_capacity(&self) -> bool {
        self.len() + self.numbers.fewest <= self.numbers.in_hand
    }

    fn has_capacity_for_later(&self) -> bool {
        self.later.len() + self.numbers.fewest <= self.numbers.later
    }

    fn knows_none_later(&self) -> bool {
        self.none_later_until
            .is_some_and(|until| Instant::now() < until)
    }

    /// How many of a round may be leased at once: half of what is free, so that the other round has its turn, or all
    /// where that one has none.
    fn capacity(&self, round: Round) -> usize {
        let free = self.numbers.in_hand.saturating_sub(self.len());
        let left = self.numbers.later.saturating_sub(self.later.len());
        match round {
            Round::First if self.knows_none_later() => free,
            Round::First => free.div_ceil(2),
            Round::Later => free.div_ceil(2).min(left),
        }
    }

    /// Which rounds the next attempts may be of, in this order: neither starves behind the other.
    fn turn(&self) -> &'static [Round] {
        const FIRST: &[Round] = &[Round::First, Round::Later];
        const LATER: &[Round] = &[Round::Later, Round::First];
        if !self.has_capacity() {
            &[]
        } else if self.knows_none_later() || !self.has_capacity_for_later() {
            &[Round::First]
        } else if self.numbers.in_hand == 1 {
            match self.last_alone {
                Round::First => LATER,
                Round::Later => FIRST,
            }
        } else if self.later.len() < self.first.len() {
            LATER
        } else {
            FIRST
        }
    }

    /// Begins an attempt, which waits for a session.
    fn begin(&mut self, app: &App, round: Round, entry: Entry, is_probe: bool) {
        let (app, stopping) = (app.clone(), self.stopping.subscribe());
        let attempts = match round {
            Round::First => &mut self.first,
            Round::Later => &mut self.later,
        };
        attempts.spawn(async move { app.deliver_in_turn(entry, round, is_probe, stopping).await });
    }

    /// Waits until one of them ends, and takes out all that have; for ever where there is none.
    async fn some_end(&mut self) {
        tokio::select! {
            Some(_) = self.first.join_next() => {}
            Some(_) = self.later.join_next() => {}
            else => std::future::pending().await,
        }
        for attempts in [&mut self.first, &mut self.later] {
            while attempts.try_join_next().is_some() {}
        }
    }

    /// Lets those end that are being sent, and gives the others back.
    async fn drain(&mut self) {
        self.stopping.send_replace(true);
        let drained = async {
            while self.len() > 0 {
                self.some_end().await;
            }
        };
        if timeout(GRACE, drained).await.is_err() {
            tracing::warn!(
                "stopped while mails were being sent: they are tried again when their leases end"
            );
        }
    }
}

/// Result of an attempt.
enum Attempt {
    /// To be settled.
    Made(Delivery),
    /// The mail was not offered.
    NotOffered(NoSession),
}

/// Why a mail without an account is given up.
const DELETED: &str = "the account was deleted";

/// Address that a mail goes to.
fn recipient(entry: &Entry, account: &Account) -> String {
    let named = entry.recipient.clone();
    named.unwrap_or_else(|| account.address.clone())
}

fn domain(address: &str) -> &str {
    address
        .rsplit_once('@')
        .map_or(address, |(_, domain)| domain)
}

/// Why no message can be made from an entry.
enum Undeliverable {
    /// It must not be sent any more.
    Obsolete(&'static str),
    /// The templates failed.
    Broken(String),
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
            let session = self.parts.mailer.session(round).await;
            self.deliver_over(&entry, session).await
        };
        tokio::select! {
            delivery = attempt => delivery,
            never = self.keep(&entry) => match never {},
        }
    }

    /// The same over a session that the caller has, or has not.
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
                if no_session.is_tried {
                    self.parts.metrics.mail_server_failed();
                    let pause = self.seconds_left();
                    tracing::warn!(error = %no_session.error, "no mail can be sent, the next connection is tried in {pause:.1} s");
                }
                match self.obsolete(entry, &no_session).await? {
                    Some(why) => Delivery::Dead { error: why },
                    None => return self.return_entry(entry, no_session).await,
                }
            }
        };
        self.parts.metrics.mail_tried(entry.kind, delivery.result());
        self.settle(entry, &delivery).await?;
        Ok(delivery)
    }

    /// The same for the worker, which makes no attempt once it is stopping, and holds back what a server with a policy
    /// pause would refuse, but for one probe.
    pub(super) async fn deliver_in_turn(
        &self,
        entry: Entry,
        round: Round,
        is_probe: bool,
        mut stopping: watch::Receiver<bool>,
    ) {
        let session = tokio::select! {
            biased;
            _ = stopping.wait_for(|is_stopping| *is_stopping) => None,
            session = self.parts.mailer.session(round) => Some(session),
            never = self.keep(&entry) => match never {},
        };
        let is_held_back = !is_probe && self.policy().is_tripped();
        let Some(session) = session.filter(|_| !is_held_back) else {
            return self.give_back(&entry, None).await;
        };
        // The lease may have been lost while it waited, and another worker sends the mail.
        let has_waited = entry
            .lease
            .is_none_or(|lease| self.parts.clock.now() + (LEASE - RENEWAL) >= lease.until);
        if has_waited && !self.renew(&entry).await {
            return;
        }
        let delivered = tokio::select! {
            delivered = self.deliver_over(&entry, session) => delivered,
            never = self.keep(&entry) => match never {},
        };
        if let Err(error) = delivered {
            tracing::error!(entry = %entry.id, %error, "the result of an attempt could not be stored");
        }
    }

    fn seconds_left(&self) -> f64 {
        let until = self.parts.mailer.capacity().until.map(Instant::from_std);
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        left.unwrap_or_default().as_secs_f64()
    }

    /// Why a mail that could not be offered will not be offered again; looked up only for the one that was tried.
    async fn obsolete(
        &self,
        entry: &Entry,
        no_session: &NoSession,
    ) -> Result<Option<String>, AppError> {
        if !no_session.is_tried {
            return Ok(None);
        }
        let Some(account) = self.parts.store.account(entry.account).await? else {
            return Ok(Some(DELETED.to_owned()));
        };
        Ok(self.mail(entry, &account).err().map(str::to_owned))
    }

    /// Gives an entry back that could not be offered. The history has one line of it for each mail, however long the server
    /// is down; the entry has the last failure.
    async fn return_entry(
        &self,
        entry: &Entry,
        NoSession { error, is_tried }: NoSession,
    ) -> Result<Delivery, AppError> {
        self.give_back(entry, is_tried.then(|| error.to_string()))
            .await;
        if is_tried && entry.last_error.is_none() {
            let detail = format!("{}: {error}", entry.kind);
            let event = self.event(entry.account, EventKind::MailFailed, &entry.origin, detail);
            self.parts.store.record(&event).await?;
        }
        Ok(Delivery::Waiting {
            error: error.to_string(),
            hint: error.hint(),
            next_try_at: None,
            is_server_down: true,
        })
    }

    /// Ends the lease of an entry that was not offered, as if it had not been leased.
    async fn give_back(&self, entry: &Entry, error: Option<String>) {
        if let Err(error) = self.parts.store.give_back(entry, error.as_deref()).await {
            tracing::warn!(entry = %entry.id, %error, "a mail could not be given back and waits until its lease ends");
        }
    }

    /// Knowledge of this process about policy replies.
    pub(super) fn policy(&self) -> MutexGuard<'_, PolicyWatch> {
        self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the sessions with the mail server in order: for the end of the process.
    pub async fn close(&self) {
        self.parts.mailer.close().await;
    }

    /// Keeps the lease of an entry, for as long as it is asked to.
    async fn keep(&self, entry: &Entry) -> Infallible {
        let mut renewal = interval(RENEWAL);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        renewal.tick().await;
        loop {
            renewal.tick().await;
            self.renew(entry).await;
        }
    }

    /// Leases the entry that has been due the longest, new ones first, and makes one attempt at it; `None` where none is
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

    /// The delivery worker: delivers what is due until `stop` resolves, then lets those mails end that are being sent.
    pub async fn run_delivery(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut attempts = Attempts::new();
        // Kept while the loop goes round: a query that is dropped half-way costs a store its connection.
        let look = self.next_look();
        tokio::pin!(look);
        loop {
            self.begin_attempts(&mut attempts).await;
            let has_capacity = attempts.has_capacity();
            let pause = self.policy().paused_until(Instant::now().into_std());
            tokio::select! {
                () = &mut stop => break,
                () = attempts.some_end(), if attempts.len() > 0 => {}
                () = self.parts.mailer.capacity_changed() => {}
                () = sleep_until(pause.map_or_else(Instant::now, Instant::from_std)), if pause.is_some() => {}
                () = self.queued.notified(), if has_capacity => {}
                () = &mut look, if has_capacity => {
                    attempts.none_later_until = None;
                    look.set(self.next_look());
                }
            }
        }
        attempts.drain().await;
        self.close().await;
    }

    /// Number of mails that can be worked on: none while the server is paused, and one for a probe.
    fn capacity(&self) -> Capacity {
        let capacity = self.parts.mailer.capacity();
        let policy = self.policy();
        if !policy.is_tripped() {
            return capacity;
        }
        let until = policy.paused_until(Instant::now().into_std());
        let mails = if until.is_some() {
            0
        } else {
            capacity.mails.min(1)
        };
        Capacity { mails, until }
    }

    /// Sleeps until the next entry is due, and not long, since other processes queue mails too.
    async fn next_look(&self) {
        let due = self.parts.store.next_due().await.ok().flatten();
        let now = self.parts.clock.now();
        let until_due =
            due.map(|due| Duration::try_from(due.duration_since(now)).unwrap_or_default());
        sleep(match until_due {
            None => LONGEST_SLEEP,
            // What is due by now could not be leased just before: all rooms for it are full, or somebody holds it.
            Some(Duration::ZERO) => LONGEST_SLEEP / 2,
            Some(until_due) => until_due.clamp(Duration::from_millis(10), LONGEST_SLEEP),
        })
        .await;
    }

    /// Begins as many attempts as there are due entries and capacity.
    async fn begin_attempts(&self, attempts: &mut Attempts) {
        loop {
            let capacity = self.capacity();
            attempts.note_limit(capacity);
            attempts.numbers = Numbers::of(capacity);
            let is_probing = self.policy().is_tripped();
            let Some((round, entries)) = self.lease_some_of(attempts, is_probing).await else {
                return;
            };
            attempts.last_alone = round;
            for entry in entries {
                attempts.begin(self, round, entry, is_probing);
            }
        }
    }

    async fn lease_some_of(
        &self,
        attempts: &mut Attempts,
        is_probing: bool,
    ) -> Option<(Round, Vec<Entry>)> {
        for round in attempts.turn() {
            let (now, lease) = (self.parts.clock.now(), self.lease());
            let capacity = match is_probing {
                true => CANDIDATES,
                false => attempts.capacity(*round),
            };
            match self
                .parts
                .store
                .lease_some(*round, now, lease, capacity)
                .await
            {
                Ok(entries) if !entries.is_empty() && is_probing => {
                    return Some((*round, vec![self.choose_probe(entries).await?]));
                }
                Ok(entries) if !entries.is_empty() => return Some((*round, entries)),
                Ok(_) if *round == Round::Later => {
                    attempts.none_later_until = Some(Instant::now() + LONGEST_SLEEP);
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "the outbox could not be read");
                    return None;
                }
            }
        }
        None
    }

    /// Chooses the mail that probes a server with a policy pause, and gives the others back: one for another domain than
    /// the last, where there is one.
    async fn choose_probe(&self, entries: Vec<Entry>) -> Option<Entry> {
        let last = self.policy().last_domain().map(str::to_owned);
        let mut chosen = None;
        for (number, entry) in entries.iter().enumerate() {
            let account = self.parts.store.account(entry.account).await.ok().flatten();
            let to = account.map(|account| recipient(entry, &account));
            if to.is_some_and(|to| Some(domain(&to)) != last.as_deref()) {
                chosen = Some(number);
                break;
            }
        }
        let mut probe = None;
        for (number, entry) in entries.into_iter().enumerate() {
            if number == chosen.unwrap_or(0) {
                probe = Some(entry);
            } else {
                self.give_back(&entry, None).await;
            }
        }
        probe
    }

    pub(super) async fn lease_next(&self, round: Round) -> Result<Option<Entry>, AppError> {
        let now = self.parts.clock.now();
        let lease = self.lease();
        let leased = self.parts.store.lease_some(round, now, lease, 1);
        Ok(leased.await?.pop())
    }

    /// Renews a lease; `false` where another worker has it.
    async fn renew(&self, entry: &Entry) -> bool {
        let Some(Lease { holder, .. }) = entry.lease else {
            return false;
        };
        let lease = Lease {
            holder,
            until: self.parts.clock.now() + LEASE,
        };
        match self.parts.store.renew_lease(entry.id, lease).await {
            Ok(true) => true,
            Ok(false) => {
                if !self.is_account_deleted(entry).await {
                    tracing::warn!(entry = %entry.id, "another worker took over a mail that was held here");
                }
                false
            }
            Err(error) => {
                tracing::warn!(entry = %entry.id, %error, "a lease could not be renewed");
                true
            }
        }
    }

    /// Whether an entry is gone with its account, rather than taken over by another worker.
    async fn is_account_deleted(&self, entry: &Entry) -> bool {
        matches!(self.parts.store.account(entry.account).await, Ok(None))
    }

    async fn attempt(
        &self,
        entry: &Entry,
        session: Box<dyn MailSession>,
    ) -> Result<Attempt, AppError> {
        let dead = |error: String| Ok(Attempt::Made(Delivery::Dead { error }));
        let Some(account) = self.parts.store.account(entry.account).await? else {
            return dead(DELETED.to_owned());
        };
        let message = match self.message(entry, &account) {
            Ok(message) => message,
            Err(Undeliverable::Obsolete(why)) => return dead(why.to_owned()),
            Err(Undeliverable::Broken(error)) => {
                return Ok(Attempt::Made(self.later(entry, error, None)));
            }
        };
        match session.send(&message).await {
            Ok(receipt) => {
                self.policy().accepted();
                Ok(Attempt::Made(Delivery::Sent {
                    reply: receipt.reply,
                }))
            }
            Err(SendError::NoSession(no_session)) => Ok(Attempt::NotOffered(no_session)),
            Err(SendError::Message(error)) if error.is_permanent() => dead(error.to_string()),
            Err(SendError::Message(error)) => {
                if let DeliveryError::Policy { reply, .. } = &error {
                    self.refused_by_policy(reply, &message.to, &error);
                }
                Ok(Attempt::Made(self.later(
                    entry,
                    error.to_string(),
                    error.hint(),
                )))
            }
        }
    }

    fn refused_by_policy(&self, reply: &str, to: &str, error: &DeliveryError) {
        let chance = u32::from_be_bytes(draw(&*self.parts.rng));
        let now = Instant::now().into_std();
        let delay = self.policy().refused(reply, domain(to), now, chance);
        if let Some(delay) = delay {
            let delay = delay.as_secs_f64();
            tracing::warn!(%error, "the mail server refuses all mails alike, the next one is tried in {delay:.1} s");
        }
    }

    fn later(&self, entry: &Entry, error: String, hint: Option<String>) -> Delivery {
        let chance = u32::from_be_bytes(draw(&*self.parts.rng));
        let next_try_at = self.parts.clock.now() + backoff(entry.attempts, chance);
        Delivery::Waiting {
            error,
            hint,
            next_try_at: Some(next_try_at),
            is_server_down: false,
        }
    }

    /// Makes the message now, with its token, for the account as it is now.
    fn message(&self, entry: &Entry, account: &Account) -> Result<Message, Undeliverable> {
        let mail = self.mail(entry, account).map_err(Undeliverable::Obsolete)?;
        let rendered = self
            .parts
            .renderer
            .render(&mail)
            .map_err(|error| Undeliverable::Broken(error.to_string()))?;
        let sender = &self.parts.rules.sender;
        let domain = sender
            .rsplit_once('@')
            .map_or("localhost", |(_, domain)| domain.trim_end_matches('>'));
        Ok(Message {
            message_id: format!("{}.{}@{domain}", entry.kind, entry.id),
            date: self.parts.clock.now(),
            from: sender.clone(),
            to: recipient(entry, account),
            subject: rendered.subject,
            text: rendered.text,
            html: rendered.html,
        })
    }

    /// What the mail says; an error where a link could not be used any more.
    fn mail(&self, entry: &Entry, account: &Account) -> Result<Mail, &'static str> {
        let rules = &self.parts.rules;
        if self.parts.clock.now() >= entry.requested_at + GIVEN_UP_AFTER {
            return Err("no mail server has taken it for five days");
        }
        let email = account.address.clone();
        match entry.kind {
            MailKind::ResetPassword => {
                let (url, expires_at) = self.fresh_link(entry, account, rules.reset_lifetime)?;
                let (lifetime, origin) = (rules.reset_lifetime, entry.origin.in_words());
                Ok(Mail::ResetPassword(ResetPassword {
                    url,
                    email,
                    expires_at,
                    lifetime,
                    requested_at: entry.requested_at,
                    origin,
                }))
            }
            MailKind::Invitation => {
                let lifetime = rules.invitation_lifetime;
                let (url, expires_at) = self.fresh_link(entry, account, lifetime)?;
                Ok(Mail::Invitation(Invitation {
                    url,
                    email,
                    expires_at,
                    lifetime,
                }))
            }
            MailKind::ResetSuccessful => Ok(Mail::ResetSuccessful(ResetSuccessful {
                email,
                at: entry.requested_at,
                origin: entry.origin.in_words(),
                forgot_url: self.forgot_url(),
            })),
            MailKind::AddressChanged => Ok(Mail::AddressChanged(AddressChanged {
                email: entry.recipient.clone().unwrap_or(email),
                at: entry.requested_at,
                origin: entry.origin.in_words(),
            })),
            MailKind::AccessRevoked => Ok(Mail::AccessRevoked(AccessRevoked {
                email,
                at: entry.requested_at,
                origin: entry.origin.in_words(),
                forgot_url: self.forgot_url(),
            })),
        }
    }

    fn forgot_url(&self) -> String {
        format!("{}/forgot", self.parts.rules.public_url)
    }

    fn fresh_link(
        &self,
        entry: &Entry,
        account: &Account,
        lifetime: Duration,
    ) -> Result<(String, Timestamp), &'static str> {
        if !self.parts.keys.fits(&entry.fingerprint, account) {
            return Err("the password or the address has changed since the mail was asked for");
        }
        let link = self.reset_link(account, entry.requested_at, lifetime);
        if self.parts.clock.now() >= link.expires_at {
            return Err("the time in which its link would have worked is over");
        }
        Ok((link.link, link.expires_at))
    }

    async fn settle(&self, entry: &Entry, delivery: &Delivery) -> Result<(), AppError> {
        let (outcome, kind, detail) = match delivery {
            Delivery::Sent { reply } => (Outcome::Sent, EventKind::MailSent, reply),
            Delivery::Waiting {
                error, next_try_at, ..
            } => {
                let at = next_try_at.unwrap_or_else(|| self.parts.clock.now());
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
        let Some(lease) = entry.lease else {
            return Err(AppError::Internal(format!(
                "outbox entry {} was delivered without a lease",
                entry.id
            )));
        };
        let began = Instant::now();
        let store = &self.parts.store;
        let mut tries = 1;
        let held = loop {
            match store.settle(entry.id, lease.holder, &outcome, &event).await {
                Err(error @ (StoreError::Unavailable(_) | StoreError::Busy(_)))
                    if began.elapsed() < WRITTEN_DOWN_WITHIN =>
                {
                    tracing::warn!(entry = %entry.id, %error, "what came of a mail could not be written down yet");
                    sleep(PAUSE).await;
                    tries += 1;
                }
                // The database may have settled it by a try whose answer was lost.
                settled => break settled? || tries > 1,
            }
        };
        if !held && !self.is_account_deleted(entry).await {
            tracing::warn!(entry = %entry.id, "another worker took over this mail: it may come twice, with the same Message-ID");
        }
        match delivery {
            Delivery::Sent { .. } => {
                tracing::info!(entry = %entry.id, kind = %entry.kind, "mail sent")
            }
            Delivery::Waiting { error, .. } => {
                tracing::warn!(entry = %entry.id, kind = %entry.kind, %error, "mail not sent, will be tried again")
            }
            Delivery::Dead { error } => {
                tracing::error!(entry = %entry.id, kind = %entry.kind, %error, "mail not sent, given up")
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::mail_server::later_share;

    #[test]
    fn however_many_sessions_there_are_each_round_finds_leased_mails_for_its_share() {
        for mails in 2..=500 {
            let numbers = Numbers::of(Capacity { mails, until: None });
            let (old, new) = (later_share(mails), mails - later_share(mails));
            // However many old ones are in hand, as many new ones as may be sent beside them are leased, and the other way
            // round.
            assert!(
                numbers.later + new + numbers.fewest <= numbers.in_hand,
                "{numbers:?}"
            );
            assert!(old + numbers.fewest <= numbers.later, "{numbers:?}");
            assert!(new > 0 && numbers.fewest > 0);
        }
        let one = Numbers::of(Capacity {
            mails: 1,
            until: None,
        });
        assert_eq!((one.in_hand, one.later, one.fewest), (1, 1, 1));
    }
}
