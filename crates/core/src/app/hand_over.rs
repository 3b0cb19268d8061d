//! Entries of the outbox for mails that a use case queues, and their delivery by the worker or at once.

use super::application::App;
use super::deliver_outbox::Delivery;
use super::error::AppError;
use crate::domain::account::Account;
use crate::domain::clock::draw;
use crate::domain::event::Origin;
use crate::domain::fingerprint::Fingerprint;
use crate::domain::id::{AccountId, EntryId, LeaseId};
use crate::domain::mail::MailKind;
use crate::domain::outbox::{Entry, EntryState, LEASE, Lease};
use crate::domain::pending::PendingChange;

/// Deliverer of a mail that a use case queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryMode {
    /// The delivery worker of any server on the database.
    Queue,
    /// The use case, before it returns. The entry is leased from the start, so that no worker takes it meanwhile.
    DeliverNow,
}

impl App {
    /// Creates the outbox entry of a mail about the account's present credential.
    pub(super) fn entry(
        &self,
        account: &Account,
        kind: MailKind,
        origin: &Origin,
        mode: DeliveryMode,
    ) -> Entry {
        self.new_entry(
            account.id,
            kind,
            self.keys.fingerprint(account),
            origin,
            mode,
        )
    }

    /// Creates the outbox entry of the mail with the link of a pending change. The worker delivers it.
    pub(super) fn pending_entry(&self, change: &PendingChange, account: Option<&Account>) -> Entry {
        let fingerprint = self.keys.pending_fingerprint(change, account);
        let (kind, origin) = (change.kind.mail(), &change.origin);
        Entry {
            recipient: Some(change.address.clone()),
            ..self.new_entry(
                change.account,
                kind,
                fingerprint,
                origin,
                DeliveryMode::Queue,
            )
        }
    }

    fn new_entry(
        &self,
        account: AccountId,
        kind: MailKind,
        fingerprint: Fingerprint,
        origin: &Origin,
        mode: DeliveryMode,
    ) -> Entry {
        let now = self.clock.now();
        let held = mode == DeliveryMode::DeliverNow;
        Entry {
            id: EntryId::new(now, draw(&*self.rng)),
            account,
            recipient: None,
            kind,
            requested_at: now,
            origin: origin.clone(),
            fingerprint,
            state: EntryState::Waiting,
            attempts: u32::from(held),
            next_try_at: now,
            last_error: None,
            lease: held.then(|| self.lease()),
        }
    }

    pub(super) fn lease(&self) -> Lease {
        let now = self.clock.now();
        Lease {
            holder: LeaseId::new(now, draw(&*self.rng)),
            until: now + LEASE,
        }
    }

    /// Hands over the notice of a change that is already stored. It is durably queued, so a failure is only logged.
    pub(super) async fn notify_owner(&self, entry: Entry, mode: DeliveryMode) -> Option<Delivery> {
        self.hand_over(entry, mode).await.unwrap_or_else(|error| {
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
    pub(super) async fn hand_over(
        &self,
        entry: Entry,
        mode: DeliveryMode,
    ) -> Result<Option<Delivery>, AppError> {
        match mode {
            DeliveryMode::Queue => {
                self.queued.notify_one();
                Ok(None)
            }
            DeliveryMode::DeliverNow => self.deliver(entry).await.map(Some),
        }
    }
}
