//! Administration of the outbox: list, retry, flush, drop.

use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt as _, stream};

use super::application::App;
use super::compose_mail::recipient;
use super::deliver_outbox::{Delivery, has_history};
use super::error::AppError;
use crate::domain::event::{EventKind, Origin};
use crate::domain::id::EntryId;
use crate::domain::outbox::{Entry, EntryState, Lease, Outcome};
use crate::ports::store::{LeaseMode, LeaseResult};

/// Number of entries that are read at once.
const PAGE: usize = 500;
/// Number of mails that a flush leases at once. The mailer decides how many of them are sent at once.
const IN_HAND: usize = 16;

/// Outbox entry with the address of its account.
#[derive(Debug, Clone)]
pub struct QueuedMail {
    pub entry: Entry,
    /// Present address of the account; `None` if the account was deleted meanwhile.
    pub address: Option<String>,
}

/// Scope of a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushScope {
    Waiting,
    /// Waiting and dead mails.
    All,
}

/// Result of a flush.
#[derive(Debug, Clone, Default)]
pub struct FlushReport {
    /// Number of mails in the scope.
    pub total: u64,
    /// Number of mails that the mail server accepted.
    pub sent: u64,
    /// Number of mails that failed and will be retried.
    pub waiting: u64,
    /// Number of mails that were given up.
    pub dead: u64,
    /// Number of mails that another worker was sending or had just sent.
    pub elsewhere: u64,
    /// Number of mails that were not attempted, since the mail server failed.
    pub left: u64,
    /// Number of dead mails outside the scope: they stay in the outbox until they are retried or dropped.
    pub already_dead: u64,
    /// Last error, with its hint.
    pub last: Option<(String, Option<String>)>,
}

impl FlushReport {
    /// Returns the number of mails that were attempted or skipped.
    pub fn tried(&self) -> u64 {
        self.sent + self.waiting + self.dead + self.elsewhere
    }
}

impl App {
    /// Returns up to `limit` undelivered mails in the order of their ids, beginning after `after`.
    ///
    /// # Errors
    /// The database.
    pub async fn queued_mails(
        &self,
        after: Option<EntryId>,
        limit: usize,
    ) -> Result<Vec<QueuedMail>, AppError> {
        let store = &self.store;
        let mut mails = Vec::new();
        for entry in store.entries(after, limit).await? {
            let account = store.account(entry.account).await?;
            mails.push(QueuedMail {
                address: match has_history(&entry) {
                    true => account.map(|account| account.address),
                    false => recipient(&entry, None),
                },
                entry,
            });
        }
        Ok(mails)
    }

    /// Makes one attempt at a mail now, whether or not it is due, waiting or dead.
    ///
    /// # Errors
    /// [`AppError::NoSuchMail`], [`AppError::MailHeld`]; the database.
    pub async fn retry_mail(&self, id: EntryId) -> Result<Delivery, AppError> {
        self.try_now(id, LeaseMode::Revive).await
    }

    async fn try_now(&self, id: EntryId, wanted: LeaseMode) -> Result<Delivery, AppError> {
        let entry = self.take(id, wanted, self.lease()).await?;
        self.deliver(entry).await
    }

    /// Deletes a mail from the outbox. The history records who did it.
    ///
    /// # Errors
    /// [`AppError::NoSuchMail`], [`AppError::MailHeld`]; the database.
    pub async fn drop_mail(&self, id: EntryId, origin: &Origin) -> Result<Entry, AppError> {
        let lease = self.lease();
        // A dead mail stays dead: if the process dies now, no worker sends it.
        let entry = self.take(id, LeaseMode::KeepState, lease).await?;
        let event = self.event(
            entry.account,
            EventKind::MailDropped,
            origin,
            entry.kind.name(),
        );
        let store = &self.store;
        let is_held = store.settle(
            id,
            lease.holder,
            &Outcome::Dropped,
            has_history(&entry).then_some(&event),
        );
        if !is_held.await? {
            return Err(AppError::MailHeld(id));
        }
        tracing::info!(entry = %id, kind = %entry.kind, "mail dropped");
        Ok(entry)
    }

    /// Makes one attempt at each mail in the scope, several at once, until the mail server fails or refuses every mail.
    /// `progress` is called after each of them.
    ///
    /// # Errors
    /// The database.
    pub async fn flush_outbox(
        &self,
        which: FlushScope,
        progress: &(dyn Fn(&FlushReport) + Sync),
    ) -> Result<FlushReport, AppError> {
        let (ids, already_dead) = self.ids_to_flush(which).await?;
        let mut flushed = FlushReport {
            total: ids.len() as u64,
            already_dead,
            ..FlushReport::default()
        };
        let wanted = match which {
            FlushScope::Waiting => LeaseMode::WaitingOnly,
            FlushScope::All => LeaseMode::Revive,
        };
        // Running attempts are completed. Only the mails that have not been leased are left.
        let goes_on = AtomicBool::new(true);
        let attempts = stream::iter(ids)
            .take_while(|_| ready(goes_on.load(Ordering::Relaxed)))
            .map(|id| self.try_now(id, wanted))
            .buffer_unordered(IN_HAND);
        tokio::pin!(attempts);
        let mut failed = None;
        while let Some(attempt) = attempts.next().await {
            match attempt {
                Ok(Delivery::Sent { .. }) => flushed.sent += 1,
                // A connection was tried for the first one; the others were released.
                Ok(Delivery::Waiting {
                    error,
                    hint,
                    is_server_down: true,
                    ..
                }) => {
                    if goes_on.swap(false, Ordering::Relaxed) {
                        flushed.waiting += 1;
                        flushed.last = Some((error, hint));
                    }
                }
                Ok(Delivery::Waiting { error, hint, .. }) => {
                    flushed.waiting += 1;
                    flushed.last = Some((error, hint));
                }
                Ok(Delivery::Dead { error }) => {
                    flushed.dead += 1;
                    flushed.last = Some((error, None));
                }
                Err(AppError::NoSuchMail(_) | AppError::MailHeld(_)) => flushed.elsewhere += 1,
                Err(error) => failed = Some(error),
            }
            if failed.is_some() || self.policy().is_tripped() {
                goes_on.store(false, Ordering::Relaxed);
            }
            progress(&flushed);
        }
        flushed.left = flushed.total - flushed.tried();
        failed.map_or(Ok(flushed), Err)
    }

    /// Returns the mails to try, and the number of dead ones that are not among them.
    async fn ids_to_flush(&self, which: FlushScope) -> Result<(Vec<EntryId>, u64), AppError> {
        let (mut ids, mut already_dead, mut after) = (Vec::new(), 0, None);
        loop {
            let page = self.store.entries(after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok((ids, already_dead));
            };
            after = Some(last.id);
            for entry in &page {
                if which == FlushScope::All || entry.state == EntryState::Waiting {
                    ids.push(entry.id);
                } else {
                    already_dead += 1;
                }
            }
        }
    }

    async fn take(&self, id: EntryId, wanted: LeaseMode, lease: Lease) -> Result<Entry, AppError> {
        let now = self.clock.now();
        let store = &self.store;
        match store.lease_entry(id, wanted, now, lease).await? {
            LeaseResult::Leased(entry) => Ok(*entry),
            LeaseResult::Held => Err(AppError::MailHeld(id)),
            LeaseResult::NotFound => Err(AppError::NoSuchMail(id)),
        }
    }
}
