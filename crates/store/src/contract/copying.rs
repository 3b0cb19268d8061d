//! Promises about copying a whole database.

use super::fixtures::*;

/// Returns two accounts that were never disabled, one that is disabled, and one that was.
fn accounts() -> Vec<Account> {
    vec![
        account(1),
        account(2),
        disabled(account(3), 7, true),
        disabled(account(4), 8, false),
    ]
}

fn mails() -> Vec<Entry> {
    vec![
        Entry {
            attempts: 2,
            last_error: Some("451 later".to_owned()),
            lease: Some(lease(5, 60)),
            ..entry(1, 1, 7)
        },
        Entry {
            state: EntryState::Dead,
            ..entry(2, 2, 0)
        },
        signup_mail(3, 9, "carl@example.com"),
    ]
}

fn pending_changes() -> Vec<PendingChange> {
    vec![
        pending(1, PendingKind::ConfirmSignup, 9, "carl@example.com"),
        pending(2, PendingKind::RevertAddress, 1, "Ann@Example.com"),
    ]
}

fn events() -> Vec<Event> {
    // Three events have the same time, so only the order of writing distinguishes them.
    [
        EventKind::Created,
        EventKind::ResetRequested,
        EventKind::MailSent,
    ]
    .map(|kind| event(1, kind, 5))
    .into_iter()
    .chain([Event {
        count: 12,
        first_at: at(2),
        ..event(1, EventKind::LoginFailed, 6)
    }])
    .collect()
}

fn holder(number: u8) -> LeaseId {
    LeaseId::from_bytes([number; 12])
}

async fn take_all_in(store: &Arc<dyn CopyableStore>, by: LeaseId) {
    for portion in [
        CopyBatch::Accounts(accounts()),
        CopyBatch::PendingChanges(pending_changes()),
        CopyBatch::Movies(vec![movie(1, 1), movie(2, 2), movie(3, 1)]),
        CopyBatch::Mails(mails()),
        CopyBatch::Events(events()),
        CopyBatch::Events(Vec::new()),
    ] {
        assert_eq!(store.write_batch(by, &portion).await.unwrap(), 0);
    }
}

pub(super) async fn copied_data_is_read_back_unchanged(store: &Arc<dyn CopyableStore>) {
    assert!(store.begin_copy(holder(1)).await.unwrap());
    assert!(store.is_copy_unfinished().await.unwrap());
    take_all_in(store, holder(1)).await;
    store.finish_copy(holder(1)).await.unwrap();
    assert!(!store.is_copy_unfinished().await.unwrap());

    let counts = Counts {
        accounts: 4,
        pending_changes: 2,
        movies: 3,
        mails: 3,
        events: 4,
    };
    assert_eq!(store.counts().await.unwrap(), counts);
    let all = store.accounts(None, 10).await.unwrap();
    assert_eq!(all, accounts());
    let all = store.movies(None, 10).await.unwrap();
    assert_eq!(all, [movie(1, 1), movie(2, 2), movie(3, 1)]);
    let all = store.pending_changes(None, 10).await.unwrap();
    assert_eq!(all, pending_changes());
    let first = store.entries(None, 1).await.unwrap();
    let rest = store.entries(Some(first[0].id), 10).await.unwrap();
    assert_eq!([first, rest].concat(), mails());
    let first = store.events(None, 2).await.unwrap();
    let rest = store.events(Some(first[1].0), 10).await.unwrap();
    let all: Vec<Event> = [first, rest]
        .concat()
        .into_iter()
        .map(|(_, event)| event)
        .collect();
    assert_eq!(all, events());
    let mut newest_first = events();
    newest_first.reverse();
    assert_eq!(
        store.history(account(1).id, 10).await.unwrap(),
        newest_first
    );
    // A further login of the day is counted in the line that was copied.
    let failure = event(1, EventKind::LoginFailed, 7);
    store.record(&failure).await.unwrap();
    let history = store.history(account(1).id, 10).await.unwrap();
    assert_eq!((history.len(), history[0].count), (4, 13));
    // The account's list of movies was copied, too: the deletion finds it.
    let deleted = store.delete_account(account(1).id).await.unwrap().unwrap();
    assert_eq!((deleted.movies, deleted.mails, deleted.events), (2, 1, 4));
}

pub(super) async fn a_copy_begins_only_in_an_empty_database(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    assert!(!store.begin_copy(holder(1)).await.unwrap());
    assert!(!store.is_copy_unfinished().await.unwrap());
    assert_eq!(store.accounts(None, 10).await.unwrap(), [account(1)]);
}

pub(super) async fn an_interrupted_copy_starts_again(store: &Arc<dyn CopyableStore>) {
    assert!(store.begin_copy(holder(1)).await.unwrap());
    take_all_in(store, holder(1)).await;
    assert!(store.begin_copy(holder(2)).await.unwrap());
    assert_eq!(store.counts().await.unwrap(), Counts::default());
    take_all_in(store, holder(2)).await;
    store.finish_copy(holder(2)).await.unwrap();
    assert_eq!(store.counts().await.unwrap().accounts, 4);
}

pub(super) async fn a_superseded_copy_is_refused(store: &Arc<dyn CopyableStore>) {
    assert!(store.begin_copy(holder(1)).await.unwrap());
    assert!(store.begin_copy(holder(2)).await.unwrap());
    let portion = CopyBatch::Accounts(vec![account(1)]);
    let refused = store.write_batch(holder(1), &portion).await;
    assert!(matches!(refused, Err(StoreError::Broken(_))), "{refused:?}");
    assert!(store.finish_copy(holder(1)).await.is_err());
    assert_eq!(store.counts().await.unwrap(), Counts::default());
    store.finish_copy(holder(2)).await.unwrap();
}
