//! Delivering what was decided: lease an entry, make its text and token now, send it, write down what came of it.
//!
//! At least once: an attempt that dies leaves its entry to the next one when the lease ends, and a repeat has the
//! same Message-ID. The network is never waited for inside a step of the store.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep};

use super::{App, AppError};
use crate::domain::account::Account;
use crate::domain::clock::draw;
use crate::domain::event::EventKind;
use crate::domain::outbox::{Entry, LEASE, Lease, MailKind, Outcome, RENEWAL, Round, backoff};
use crate::mail::{Invitation, Mail, Message, ResetPassword, ResetSuccessful};

/// How many mails one process sends at once.
pub(super) const AT_ONCE: usize = 8;
/// How many of these may be mails that failed before: for new ones there is always room, however long the old ones take.
const LATER_AT_ONCE: usize = 6;
/// How often the worker looks for what other processes have queued.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
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

/// The attempts that run, by round.
#[derive(Default)]
struct Attempts {
    first: JoinSet<()>,
    later: JoinSet<()>,
    /// Whether there was no mail of a later round at the last look: one becomes due by time alone.
    none_later: bool,
}

impl Attempts {
    fn len(&self) -> usize {
        self.first.len() + self.later.len()
    }

    fn of(&mut self, round: Round) -> &mut JoinSet<()> {
        match round {
            Round::First => &mut self.first,
            Round::Later => &mut self.later,
        }
    }

    /// Which rounds the next attempt may be of, in this order: neither starves behind the other.
    fn turn(&self) -> &'static [Round] {
        if self.len() >= AT_ONCE {
            &[]
        } else if self.none_later || self.later.len() >= LATER_AT_ONCE {
            &[Round::First]
        } else if self.later.len() < self.first.len() {
            &[Round::Later, Round::First]
        } else {
            &[Round::First, Round::Later]
        }
    }

    /// Waits until one of them ends; for ever where there is none.
    async fn one_ends(&mut self) {
        tokio::select! {
            Some(_) = self.first.join_next() => {}
            Some(_) = self.later.join_next() => {}
            else => std::future::pending().await,
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
        let attempt = self.attempt(&entry);
        tokio::pin!(attempt);
        let mut renewal = interval(RENEWAL);
        renewal.tick().await;
        let delivery = loop {
            tokio::select! {
                delivery = &mut attempt => break delivery?,
                _ = renewal.tick() => self.renew(&entry).await,
            }
        };
        self.settle(&entry, &delivery).await?;
        Ok(delivery)
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

    /// The delivery worker: delivers what is due until `stop` resolves, then lets running attempts end.
    pub async fn run_delivery(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut attempts = Attempts::default();
        // Kept while the loop goes round: a query that is dropped half-way costs a store its connection.
        let look = self.next_look();
        tokio::pin!(look);
        loop {
            self.begin_attempts(&mut attempts).await;
            let has_room = attempts.len() < AT_ONCE;
            tokio::select! {
                () = &mut stop => break,
                () = attempts.one_ends(), if attempts.len() > 0 => {}
                () = self.queued.notified(), if has_room => {}
                () = &mut look, if has_room => {
                    attempts.none_later = false;
                    look.set(self.next_look());
                }
            }
        }
        let drained = async {
            while attempts.len() > 0 {
                attempts.one_ends().await;
            }
        };
        if tokio::time::timeout(GRACE, drained).await.is_err() {
            tracing::warn!(
                "stopped while mails were being sent: they are tried again when their leases end"
            );
        }
    }

    /// Sleeps until the next entry is due, and not long, since other processes queue mails too.
    async fn next_look(&self) {
        let due = self.parts.store.next_due().await.ok().flatten();
        let until_due =
            due.and_then(|due| Duration::try_from(due.duration_since(self.parts.clock.now())).ok());
        // Never at once: an entry that is due and could not be leased would keep a core busy.
        sleep(
            until_due
                .unwrap_or(LONGEST_SLEEP)
                .clamp(Duration::from_millis(50), LONGEST_SLEEP),
        )
        .await;
    }

    /// Begins as many attempts as there are due entries and room.
    async fn begin_attempts(&self, attempts: &mut Attempts) {
        while let Some((round, entry)) = self.lease_one_of(attempts).await {
            let app = self.clone();
            attempts.of(round).spawn(async move {
                if let Err(error) = app.deliver(entry).await {
                    tracing::error!(%error, "what came of a mail could not be written down");
                }
            });
        }
    }

    async fn lease_one_of(&self, attempts: &mut Attempts) -> Option<(Round, Entry)> {
        for round in attempts.turn() {
            match self.lease_next(*round).await {
                Ok(Some(entry)) => return Some((*round, entry)),
                Ok(None) => attempts.none_later |= *round == Round::Later,
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
        Ok(self.parts.store.lease_next(round, now, lease).await?)
    }

    async fn renew(&self, entry: &Entry) {
        let Some(Lease { holder, .. }) = entry.lease else {
            return;
        };
        let lease = Lease {
            holder,
            until: self.parts.clock.now() + LEASE,
        };
        match self.parts.store.renew_lease(entry.id, lease).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(entry = %entry.id, "another worker took over a mail that is still being sent")
            }
            Err(error) => tracing::warn!(entry = %entry.id, %error, "a lease could not be renewed"),
        }
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
            to: account.address.clone(),
            subject: rendered.subject,
            text: rendered.text,
            html: rendered.html,
        })
    }

    /// What the mail says; an error where a link could not be used any more.
    fn mail(&self, entry: &Entry, account: &Account) -> Result<Mail, &'static str> {
        let rules = &self.parts.rules;
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
                forgot_url: format!("{}/forgot", rules.public_url),
            })),
        }
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
        let held = self
            .parts
            .store
            .settle(entry.id, lease.holder, &outcome, &event)
            .await?;
        if !held {
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
