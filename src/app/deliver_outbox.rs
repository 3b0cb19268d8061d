//! Delivering what was decided: lease an entry, make its text and token now, send it, write down what came of it.
//!
//! At least once: an attempt that dies leaves its entry to the next one when the lease ends, and a repeat has the
//! same Message-ID. The network is never waited for inside a step of the store.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use super::{App, AppError};
use crate::domain::account::Account;
use crate::domain::clock::draw;
use crate::domain::event::EventKind;
use crate::domain::outbox::{Entry, LEASE, Lease, MailKind, Outcome, RENEWAL, Round, backoff};
use crate::mail::{
    AccessRevoked, AddressChanged, Invitation, Mail, Message, ResetPassword, ResetSuccessful,
    SENT_AT_ONCE,
};
use crate::metrics::MailResult;
use crate::store::StoreError;

/// How many mails the worker has in hand: leased, waiting to be sent, being sent, or being written down. More than are sent
/// at once, so that no session waits for the database.
const IN_HAND: usize = 3 * SENT_AT_ONCE;
/// How many of those in hand may be mails that failed before.
const LATER_IN_HAND: usize = IN_HAND / 2;
/// How many of those that are sent at once may be such mails: for new ones there is always room, however long the old ones
/// take.
const LATER_AT_ONCE: usize = SENT_AT_ONCE * 3 / 4;
/// Fewer are not leased at once: a step for one mail costs as much as one for many.
const FEWEST_LEASED: usize = SENT_AT_ONCE / 2;
// However many old ones are in hand, as many new ones as may be sent beside them are leased, and the other way round.
const _: () = assert!(
    LATER_IN_HAND + (SENT_AT_ONCE - LATER_AT_ONCE) + FEWEST_LEASED <= IN_HAND
        && LATER_AT_ONCE + FEWEST_LEASED <= LATER_IN_HAND
);
/// How often the worker looks for what other processes have queued.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// How long what came of an attempt is tried to be written down, while the database can't be reached. It goes on holding
/// the entry meanwhile, so that no other worker sends the mail again.
const WRITTEN_DOWN_WITHIN: Duration = Duration::from_secs(30);
/// How long it waits between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// After how long a mail that has no link to expire is given up: a mail server that is only busy takes it before
/// (RFC 5321 4.5.4.1).
const GIVEN_UP_AFTER: Duration = Duration::from_secs(5 * 86_400);
/// How long a stopping worker waits for attempts that still run; what is cut off is tried again by the next one.
const GRACE: Duration = Duration::from_secs(10);

/// What came of one attempt to deliver a mail.
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

/// The mails in hand, by round, and the right to send one.
struct Attempts {
    first: JoinSet<()>,
    later: JoinSet<()>,
    sending: Arc<Semaphore>,
    sending_again: Arc<Semaphore>,
    /// Until then no mail of a later round is looked for, since there was none: one becomes due by time alone.
    none_later_until: Option<Instant>,
}

impl Attempts {
    fn new() -> Self {
        Self {
            first: JoinSet::new(),
            later: JoinSet::new(),
            sending: Arc::new(Semaphore::new(SENT_AT_ONCE)),
            sending_again: Arc::new(Semaphore::new(LATER_AT_ONCE)),
            none_later_until: None,
        }
    }

    fn len(&self) -> usize {
        self.first.len() + self.later.len()
    }

    fn has_room(&self) -> bool {
        self.len() + FEWEST_LEASED <= IN_HAND
    }

    fn has_room_for_later(&self) -> bool {
        self.later.len() + FEWEST_LEASED <= LATER_IN_HAND
    }

    fn knows_none_later(&self) -> bool {
        self.none_later_until
            .is_some_and(|until| Instant::now() < until)
    }

    /// How many of a round may be leased at once: half of what is free, so that the other round has its turn, or all
    /// where that one has none.
    fn room(&self, round: Round) -> usize {
        let free = IN_HAND - self.len();
        match round {
            Round::First if self.knows_none_later() => free,
            Round::First => free.div_ceil(2),
            Round::Later => free.div_ceil(2).min(LATER_IN_HAND - self.later.len()),
        }
    }

    /// Which rounds the next attempts may be of, in this order: neither starves behind the other.
    fn turn(&self) -> &'static [Round] {
        if !self.has_room() {
            &[]
        } else if self.knows_none_later() || !self.has_room_for_later() {
            &[Round::First]
        } else if self.later.len() < self.first.len() {
            &[Round::Later, Round::First]
        } else {
            &[Round::First, Round::Later]
        }
    }

    /// Begins an attempt, which waits for the right to send.
    fn begin(&mut self, app: &App, round: Round, entry: Entry) {
        let (app, sending) = (app.clone(), Arc::clone(&self.sending));
        match round {
            Round::First => {
                self.first
                    .spawn(async move { app.deliver_in_turn(entry, &[&sending]).await });
            }
            Round::Later => {
                let again = Arc::clone(&self.sending_again);
                self.later
                    .spawn(async move { app.deliver_in_turn(entry, &[&again, &sending]).await });
            }
        }
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

    /// Lets those end that are being sent; no other one begins. What is left then is tried again when its lease ends.
    async fn drain(&mut self) {
        self.sending.close();
        self.sending_again.close();
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
        self.deliver_with(entry, ()).await
    }

    /// The same, with permits that are given back as soon as the mail is sent.
    async fn deliver_with<P>(&self, entry: Entry, permits: P) -> Result<Delivery, AppError> {
        let attempt = async {
            let delivery = self.attempt(&entry).await?;
            drop(permits);
            let result = delivery.result();
            self.parts.metrics.mail_tried(entry.kind, result);
            self.settle(&entry, &delivery).await?;
            Ok(delivery)
        };
        tokio::select! {
            delivery = attempt => delivery,
            never = self.keep(&entry) => match never {},
        }
    }

    /// The same once there is a permit of each of these; without one, where none is given any more, nothing.
    pub(super) async fn deliver_in_turn(&self, entry: Entry, permits: &[&Semaphore]) {
        let all = async {
            let mut all = Vec::new();
            for permits in permits {
                all.push(permits.acquire().await.ok()?);
            }
            Some(all)
        };
        let permits = tokio::select! {
            permits = all => permits,
            never = self.keep(&entry) => match never {},
        };
        let Some(permits) = permits else {
            return;
        };
        // Who waited for long may have lost the lease meanwhile, and somebody else sends the mail.
        let has_waited = entry
            .lease
            .is_none_or(|lease| self.parts.clock.now() + (LEASE - RENEWAL) >= lease.until);
        if has_waited && !self.renew(&entry).await {
            return;
        }
        let delivered = self.deliver_with(entry, permits).await;
        if let Err(error) = delivered {
            tracing::error!(%error, "what came of a mail could not be written down");
        }
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
            let has_room = attempts.has_room();
            tokio::select! {
                () = &mut stop => break,
                () = attempts.some_end(), if attempts.len() > 0 => {}
                () = self.queued.notified(), if has_room => {}
                () = &mut look, if has_room => {
                    attempts.none_later_until = None;
                    look.set(self.next_look());
                }
            }
        }
        attempts.drain().await;
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

    /// Begins as many attempts as there are due entries and room.
    async fn begin_attempts(&self, attempts: &mut Attempts) {
        while let Some((round, entries)) = self.lease_some_of(attempts).await {
            for entry in entries {
                attempts.begin(self, round, entry);
            }
        }
    }

    async fn lease_some_of(&self, attempts: &mut Attempts) -> Option<(Round, Vec<Entry>)> {
        for round in attempts.turn() {
            let (now, lease) = (self.parts.clock.now(), self.lease());
            let room = attempts.room(*round);
            match self.parts.store.lease_some(*round, now, lease, room).await {
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

    async fn attempt(&self, entry: &Entry) -> Result<Delivery, AppError> {
        let Some(account) = self.parts.store.account(entry.account).await? else {
            return Ok(Delivery::Dead {
                error: "the account was deleted".to_owned(),
            });
        };
        let message = match self.message(entry, &account) {
            Ok(message) => message,
            Err(Undeliverable::Obsolete(why)) => {
                return Ok(Delivery::Dead {
                    error: why.to_owned(),
                });
            }
            Err(Undeliverable::Broken(error)) => return Ok(self.later(entry, error, None)),
        };
        Ok(match self.parts.mailer.send(&message).await {
            Ok(receipt) => Delivery::Sent {
                reply: receipt.reply,
            },
            Err(error) if error.is_permanent() => Delivery::Dead {
                error: error.to_string(),
            },
            Err(error) => self.later(entry, error.to_string(), error.hint()),
        })
    }

    fn later(&self, entry: &Entry, error: String, hint: Option<String>) -> Delivery {
        let chance = u32::from_be_bytes(draw(&*self.parts.rng));
        let next_try_at = self.parts.clock.now() + backoff(entry.attempts, chance);
        Delivery::Waiting {
            error,
            hint,
            next_try_at: Some(next_try_at),
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
            to: entry
                .recipient
                .clone()
                .unwrap_or_else(|| account.address.clone()),
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
