//! Test data, and the types that all promises use.

pub(super) use std::collections::BTreeMap;
pub(super) use std::sync::Arc;
pub(super) use std::sync::atomic::{AtomicUsize, Ordering};

pub(super) use jiff::Timestamp;

pub(super) use movie_bag_core::domain::account::{Account, Disabling};
pub(super) use movie_bag_core::domain::email_address::EmailAddress;
pub(super) use movie_bag_core::domain::event::{
    COUNTED_LINES, Event, EventKind, HISTORY_LINES, Origin,
};
pub(super) use movie_bag_core::domain::fingerprint::Fingerprint;
pub(super) use movie_bag_core::domain::id::{
    AccountId, EntryId, LeaseId, MovieId, PendingId, RevocationId,
};
pub(super) use movie_bag_core::domain::limit::{Limit, LimitKey, TooEarly};
pub(super) use movie_bag_core::domain::mail::MailKind;
pub(super) use movie_bag_core::domain::movie::{Movie, MovieChanges};
pub(super) use movie_bag_core::domain::outbox::{
    Entry, EntryState, Lease, OutboxState, Outcome, Round,
};
pub(super) use movie_bag_core::domain::password::PasswordHash;
pub(super) use movie_bag_core::domain::pending::{PendingChange, PendingKind};
pub(super) use movie_bag_core::ports::store::{
    AccountCreation, CopyBatch, CopyableStore, Counts, CredentialChange, Deletion, LeaseMode,
    LeaseResult, LimitedCall, MovieChange, MovieCreation, Outbox, PutPending, QueueResult,
    Replacement, StatusChange, StoreError,
};

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(crate) fn account(number: u8) -> Account {
    Account {
        id: AccountId::from_bytes([number; 12]),
        address: format!("user{number}@example.com"),
        password_hash: PasswordHash::from_stored(format!("$2b$04$hash{number}")),
        revocation: None,
        disabling: None,
    }
}

pub(crate) fn event(number: u8, kind: EventKind, second: i64) -> Event {
    Event::new(
        AccountId::from_bytes([number; 12]),
        at(second),
        kind,
        Origin::Client("192.0.2.1".parse().unwrap()),
        format!("event at {second}"),
    )
}

pub(crate) fn entry(id: u8, number: u8, due: i64) -> Entry {
    Entry {
        id: EntryId::from_bytes([id; 12]),
        account: AccountId::from_bytes([number; 12]),
        recipient: None,
        kind: MailKind::ResetPassword,
        requested_at: at(0),
        origin: Origin::Terminal("ann".to_owned()),
        fingerprint: Fingerprint::from_stored("fingerprint"),
        state: EntryState::Waiting,
        attempts: 0,
        next_try_at: at(due),
        last_error: None,
        lease: None,
    }
}

pub(crate) fn lease(holder: u8, until: i64) -> Lease {
    Lease {
        holder: LeaseId::from_bytes([holder; 12]),
        until: at(until),
    }
}

pub(crate) fn pending(id: u8, kind: PendingKind, number: u8, address: &str) -> PendingChange {
    PendingChange {
        id: PendingId::from_bytes([id; 12]),
        kind,
        account: AccountId::from_bytes([number; 12]),
        address: address.to_owned(),
        origin: Origin::Client("192.0.2.1".parse().unwrap()),
        requested_at: at(0),
        expires_at: at(100),
    }
}

/// The mail of a sign-up for the account of this number.
pub(crate) fn signup_mail(id: u8, number: u8, address: &str) -> Entry {
    Entry {
        kind: MailKind::ConfirmSignup,
        recipient: Some(address.to_owned()),
        ..entry(id, number, 0)
    }
}

pub(crate) fn change(number: u8, to: &str) -> CredentialChange {
    CredentialChange {
        expected: account(number),
        password_hash: PasswordHash::from_stored(to),
        event: event(number, EventKind::ResetDone, 10),
        mails: vec![Entry {
            kind: MailKind::ResetSuccessful,
            ..entry(200, number, 10)
        }],
        address: account(number).address,
        clears_limit: None,
    }
}

pub(crate) fn movie(id: u8, by: u8) -> Movie {
    Movie {
        id: MovieId::from_bytes([id; 12]),
        name: format!("Part {id}, «quoted» \"twice\""),
        casts: vec!["Änn".to_owned(), "B'ob".to_owned()],
        genres: vec!["drama".to_owned()],
        added_by: AccountId::from_bytes([by; 12]),
    }
}

pub(crate) async fn create(store: &Arc<dyn CopyableStore>, number: u8) {
    let created = store
        .create_account(
            &account(number),
            &event(number, EventKind::Created, 0),
            None,
        )
        .await
        .unwrap();
    assert_eq!(created, AccountCreation::Created);
}

/// Leases the next entry of a round.
pub(crate) async fn lease_next<S: Outbox + ?Sized>(
    store: &Arc<S>,
    round: Round,
    now: Timestamp,
    lease: Lease,
) -> Result<Option<Entry>, StoreError> {
    let leased = store.lease_due(round, now, lease, 1).await?;
    assert!(leased.len() <= 1);
    Ok(leased.into_iter().next())
}

/// Leases the next entry of either round, new ones first.
pub(crate) async fn lease_any<S: Outbox + ?Sized>(
    store: &Arc<S>,
    now: Timestamp,
    lease: Lease,
) -> Result<Option<Entry>, StoreError> {
    match lease_next(store, Round::First, now, lease).await? {
        Some(entry) => Ok(Some(entry)),
        None => lease_next(store, Round::Later, now, lease).await,
    }
}

pub(crate) async fn queue(store: &Arc<dyn CopyableStore>, entry: &Entry) {
    let requested = Event {
        account: entry.account,
        ..event(1, EventKind::ResetRequested, 1)
    };
    let queued = store.queue_mail(entry, &requested, None).await.unwrap();
    assert_eq!(queued, QueueResult::Queued);
}

pub(crate) async fn disable(store: &Arc<dyn CopyableStore>, number: u8, id: u8) -> StatusChange {
    let disabled = event(number, EventKind::Disabled, 20);
    let id = RevocationId::from_bytes([id; 12]);
    let disable = store.disable_account(account(number).id, id, &disabled);
    disable.await.unwrap()
}

pub(crate) async fn enable(store: &Arc<dyn CopyableStore>, number: u8) -> StatusChange {
    let enabled = event(number, EventKind::Enabled, 30);
    let enable = store.enable_account(account(number).id, &enabled);
    enable.await.unwrap()
}

/// Returns an account with this last disabling.
pub(crate) fn disabled(account: Account, id: u8, is_active: bool) -> Account {
    let id = RevocationId::from_bytes([id; 12]);
    Account {
        revocation: Some(id),
        disabling: Some(Disabling { id, is_active }),
        ..account
    }
}

pub(crate) async fn by_address(store: &Arc<dyn CopyableStore>, typed: &str) -> Option<AccountId> {
    let canonical = EmailAddress::parse(typed).unwrap();
    store
        .account_by_address(typed, &canonical)
        .await
        .unwrap()
        .map(|account| account.id)
}
