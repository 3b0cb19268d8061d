//! The suite that every database is put under, promise by promise.
//!
//! A promise is an `async fn` over `&dyn Store`. [`store_contract`] takes the list once and a way to a fresh store for
//! each database, and makes a test of every pair, so that no database can leave a promise out:
//! `store::contract::sqlite::of_fifty_changes_at_once_one_is_made`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Creation, CredentialChange, Deletion, MovieChange, MovieCreation, Replacement, Store};
use crate::domain::account::Account;
use crate::domain::email_address::EmailAddress;
use crate::domain::event::{Event, EventKind, Origin};
use crate::domain::id::{AccountId, EntryId, LeaseId, MovieId};
use crate::domain::movie::{Movie, MovieChanges};
use crate::domain::outbox::{Entry, EntryState, Lease, MailKind, Outcome};
use crate::domain::password::PasswordHash;
use crate::domain::token::Fingerprint;

/// A fresh store, with what must live as long as it does.
struct Fresh {
    store: Arc<dyn Store>,
    _keep: Box<dyn std::any::Any + Send>,
}

macro_rules! store_contract {
    ($($database:ident),+ ; $($promise:ident,)+) => {
        store_contract!(@each [$($database),+] [$($promise)+]);
    };
    (@each [] $promises:tt) => {};
    (@each [$database:ident $(, $more:ident)*] [$($promise:ident)+]) => {
        mod $database {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    let fresh = super::fresh::$database().await;
                    super::$promise(&fresh.store).await;
                }
            )+
        }
        store_contract!(@each [$($more),*] [$($promise)+]);
    };
}

/// A fresh store of each database.
mod fresh {
    use super::*;

    pub(super) async fn sqlite() -> Fresh {
        let folder = tempfile::tempdir().unwrap();
        let store = super::super::sqlite::SqliteStore::open(&folder.path().join("test.sqlite3"));
        Fresh {
            store: Arc::new(store.unwrap()),
            _keep: Box::new(folder),
        }
    }
}

store_contract! { sqlite;
    an_account_is_found_by_its_id_and_every_spelling_of_its_address,
    an_exact_spelling_wins_and_an_ambiguous_one_finds_nobody,
    of_twenty_that_ask_for_one_address_one_gets_it,
    accounts_come_in_the_order_of_their_ids,
    an_account_comes_with_its_event_and_its_mail,
    a_change_takes_password_event_and_mail_together,
    a_superseded_change_changes_nothing,
    of_fifty_changes_at_once_one_is_made,
    a_deleted_account_takes_all_that_is_its_own,
    a_mail_for_nobody_is_not_queued,
    an_entry_comes_back_as_it_was_queued,
    an_entry_is_leased_once_and_again_when_the_lease_ends,
    two_workers_never_lease_the_same_entry,
    the_longest_due_is_leased_first_and_equal_ones_by_id,
    an_entry_that_is_queued_with_a_lease_is_its_holders,
    a_renewed_lease_lasts_and_a_lost_one_is_not_renewed,
    whoever_lost_the_lease_settles_nothing,
    a_sent_mail_goes_a_failed_one_waits_a_dead_one_stays,
    the_history_is_newest_first_and_bounded,
    an_event_for_nobody_is_dropped,
    a_movie_comes_back_as_it_was_added,
    a_movies_name_is_unique,
    movies_come_in_the_order_of_their_ids,
    only_who_added_a_movie_changes_it,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn account(number: u8) -> Account {
    Account {
        id: AccountId::from_bytes([number; 12]),
        address: format!("user{number}@example.com"),
        password_hash: PasswordHash::from_stored(format!("$2b$04$hash{number}")),
    }
}

fn event(number: u8, kind: EventKind, second: i64) -> Event {
    Event {
        account: AccountId::from_bytes([number; 12]),
        at: at(second),
        kind,
        origin: Origin::Client("192.0.2.1".parse().unwrap()),
        detail: format!("event at {second}"),
    }
}

fn entry(id: u8, number: u8, due: i64) -> Entry {
    Entry {
        id: EntryId::from_bytes([id; 12]),
        account: AccountId::from_bytes([number; 12]),
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

fn lease(holder: u8, until: i64) -> Lease {
    Lease {
        holder: LeaseId::from_bytes([holder; 12]),
        until: at(until),
    }
}

fn change(number: u8, to: &str) -> CredentialChange {
    CredentialChange {
        expected: account(number),
        password_hash: PasswordHash::from_stored(to),
        event: event(number, EventKind::ResetDone, 10),
        mail: Entry {
            kind: MailKind::ResetSuccessful,
            ..entry(200, number, 10)
        },
    }
}

async fn create(store: &Arc<dyn Store>, number: u8) {
    let created = store
        .create_account(
            &account(number),
            &event(number, EventKind::Created, 0),
            None,
        )
        .await
        .unwrap();
    assert_eq!(created, Creation::Created);
}

async fn queue(store: &Arc<dyn Store>, entry: &Entry) {
    let requested = Event {
        account: entry.account,
        ..event(1, EventKind::ResetRequested, 1)
    };
    assert!(store.queue_mail(entry, &requested).await.unwrap());
}

async fn by_address(store: &Arc<dyn Store>, typed: &str) -> Option<AccountId> {
    let canonical = EmailAddress::parse(typed).unwrap();
    store
        .account_by_address(typed, &canonical)
        .await
        .unwrap()
        .map(|account| account.id)
}

async fn an_account_is_found_by_its_id_and_every_spelling_of_its_address(store: &Arc<dyn Store>) {
    create(store, 1).await;
    assert_eq!(
        store.account(account(1).id).await.unwrap(),
        Some(account(1))
    );
    assert_eq!(store.account(account(2).id).await.unwrap(), None);
    for typed in [
        "user1@example.com",
        "User1@Example.COM",
        " user1@example.com",
        "ｕｓｅｒ1@example.com",
    ] {
        assert_eq!(
            by_address(store, typed).await,
            Some(account(1).id),
            "{typed}"
        );
    }
    assert_eq!(by_address(store, "user2@example.com").await, None);
}

async fn an_exact_spelling_wins_and_an_ambiguous_one_finds_nobody(store: &Arc<dyn Store>) {
    for (number, address) in [
        (1, "Ann@example.com"),
        (2, "aNN@example.com"),
        (3, "Bob@example.com"),
    ] {
        let account = Account {
            address: address.to_owned(),
            ..account(number)
        };
        store
            .create_account(&account, &event(number, EventKind::Created, 0), None)
            .await
            .unwrap();
    }
    assert_eq!(
        by_address(store, "Ann@example.com").await,
        Some(account(1).id)
    );
    assert_eq!(
        by_address(store, "aNN@example.com").await,
        Some(account(2).id)
    );
    assert_eq!(by_address(store, "ann@example.com").await, None);
    assert_eq!(
        by_address(store, "bob@example.com").await,
        Some(account(3).id)
    );
}

async fn of_twenty_that_ask_for_one_address_one_gets_it(store: &Arc<dyn Store>) {
    let asking: Vec<_> = (0..20)
        .map(|number| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let account = Account {
                    address: "one@example.com".to_owned(),
                    ..account(number)
                };
                store
                    .create_account(&account, &event(number, EventKind::Created, 0), None)
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut created = 0;
    for asked in asking {
        created += usize::from(asked.await.unwrap() == Creation::Created);
    }
    assert_eq!(created, 1);
    assert_eq!(store.accounts(None, 100).await.unwrap().len(), 1);
}

async fn accounts_come_in_the_order_of_their_ids(store: &Arc<dyn Store>) {
    for number in [3, 1, 2] {
        create(store, number).await;
    }
    let all = store.accounts(None, 100).await.unwrap();
    assert_eq!(all, [account(1), account(2), account(3)]);
    assert_eq!(store.accounts(None, 2).await.unwrap(), all[..2]);
    assert_eq!(
        store.accounts(Some(account(1).id), 100).await.unwrap(),
        all[1..]
    );
    assert_eq!(store.accounts(Some(account(3).id), 100).await.unwrap(), []);
}

async fn an_account_comes_with_its_event_and_its_mail(store: &Arc<dyn Store>) {
    let mail = Entry {
        kind: MailKind::Invitation,
        ..entry(9, 1, 0)
    };
    let made = event(1, EventKind::Created, 0);
    store
        .create_account(&account(1), &made, Some(&mail))
        .await
        .unwrap();
    let queued = store.entries_of(account(1).id).await.unwrap();
    assert_eq!(queued, std::slice::from_ref(&mail));
    assert_eq!(store.history(account(1).id, 10).await.unwrap(), [made]);
    // A taken address leaves neither behind.
    let rival = Account {
        address: account(1).address,
        ..account(2)
    };
    let mail = Entry {
        id: EntryId::from_bytes([8; 12]),
        account: rival.id,
        ..mail
    };
    let taken = store
        .create_account(&rival, &event(2, EventKind::Created, 0), Some(&mail))
        .await
        .unwrap();
    assert_eq!(taken, Creation::AddressTaken);
    assert_eq!(store.entries_of(rival.id).await.unwrap(), []);
    assert_eq!(store.history(rival.id, 10).await.unwrap(), []);
}

async fn a_change_takes_password_event_and_mail_together(store: &Arc<dyn Store>) {
    create(store, 1).await;
    let change = change(1, "second");
    assert_eq!(
        store.replace_credential(&change).await.unwrap(),
        Replacement::Replaced
    );
    assert_eq!(
        store
            .account(account(1).id)
            .await
            .unwrap()
            .unwrap()
            .password_hash
            .as_str(),
        "second"
    );
    assert_eq!(
        store.entries_of(account(1).id).await.unwrap(),
        [change.mail]
    );
    assert_eq!(
        store.history(account(1).id, 1).await.unwrap(),
        [change.event]
    );
}

async fn a_superseded_change_changes_nothing(store: &Arc<dyn Store>) {
    create(store, 1).await;
    let stale = [
        CredentialChange {
            expected: Account {
                password_hash: PasswordHash::from_stored("other"),
                ..account(1)
            },
            ..change(1, "second")
        },
        CredentialChange {
            expected: Account {
                address: "other@example.com".to_owned(),
                ..account(1)
            },
            ..change(1, "second")
        },
        change(2, "second"),
    ];
    for change in stale {
        assert_eq!(
            store.replace_credential(&change).await.unwrap(),
            Replacement::Superseded
        );
    }
    assert_eq!(
        store.account(account(1).id).await.unwrap(),
        Some(account(1))
    );
    assert_eq!(store.entries_of(account(1).id).await.unwrap(), []);
    assert_eq!(
        store.history(account(1).id, 10).await.unwrap(),
        [event(1, EventKind::Created, 0)]
    );
}

async fn of_fifty_changes_at_once_one_is_made(store: &Arc<dyn Store>) {
    create(store, 1).await;
    let changing: Vec<_> = (0..50)
        .map(|rival| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut change = change(1, &format!("hash of {rival}"));
                change.mail.id = EntryId::from_bytes([rival; 12]);
                (rival, store.replace_credential(&change).await.unwrap())
            })
        })
        .collect();
    let mut winners = Vec::new();
    for changed in changing {
        let (rival, outcome) = changed.await.unwrap();
        winners.extend((outcome == Replacement::Replaced).then_some(rival));
    }
    let [winner] = winners[..] else {
        panic!("{winners:?}")
    };
    let stands = store
        .account(account(1).id)
        .await
        .unwrap()
        .unwrap()
        .password_hash;
    assert_eq!(stands.as_str(), format!("hash of {winner}"));
    assert_eq!(store.entries_of(account(1).id).await.unwrap().len(), 1);
    assert_eq!(store.history(account(1).id, 100).await.unwrap().len(), 2);
}

async fn a_deleted_account_takes_all_that_is_its_own(store: &Arc<dyn Store>) {
    create(store, 1).await;
    create(store, 2).await;
    queue(store, &entry(1, 1, 0)).await;
    queue(store, &entry(2, 2, 0)).await;
    store.create_movie(&movie(1, 1)).await.unwrap();
    store.create_movie(&movie(2, 2)).await.unwrap();
    let deleted = store.delete_account(account(1).id).await.unwrap();
    assert_eq!(
        deleted,
        Some(Deletion {
            movies: 1,
            mails: 1,
            events: 2
        })
    );
    assert_eq!(store.delete_account(account(1).id).await.unwrap(), None);
    assert_eq!(store.account(account(1).id).await.unwrap(), None);
    assert_eq!(store.entries_of(account(1).id).await.unwrap(), []);
    assert_eq!(store.history(account(1).id, 10).await.unwrap(), []);
    assert_eq!(store.movies(None, 10).await.unwrap(), [movie(2, 2)]);
    assert_eq!(
        store.entries_of(account(2).id).await.unwrap(),
        [entry(2, 2, 0)]
    );
}

async fn a_mail_for_nobody_is_not_queued(store: &Arc<dyn Store>) {
    assert!(
        !store
            .queue_mail(&entry(1, 1, 0), &event(1, EventKind::ResetRequested, 0))
            .await
            .unwrap()
    );
    assert_eq!(store.next_due().await.unwrap(), None);
    assert_eq!(store.history(account(1).id, 10).await.unwrap(), []);
}

async fn an_entry_comes_back_as_it_was_queued(store: &Arc<dyn Store>) {
    create(store, 1).await;
    let whole = Entry {
        attempts: 3,
        last_error: Some("451 später".to_owned()),
        lease: Some(lease(5, 60)),
        ..entry(1, 1, 7)
    };
    queue(store, &whole).await;
    queue(
        store,
        &Entry {
            requested_at: at(-5),
            ..entry(2, 1, 0)
        },
    )
    .await;
    let entries = store.entries_of(account(1).id).await.unwrap();
    assert_eq!(
        entries,
        [
            Entry {
                requested_at: at(-5),
                ..entry(2, 1, 0)
            },
            whole
        ]
    );
}

async fn an_entry_is_leased_once_and_again_when_the_lease_ends(store: &Arc<dyn Store>) {
    create(store, 1).await;
    queue(store, &entry(1, 1, 10)).await;
    assert_eq!(store.lease_next(at(9), lease(1, 25)).await.unwrap(), None);
    let leased = store
        .lease_next(at(10), lease(1, 25))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        leased,
        Entry {
            attempts: 1,
            lease: Some(lease(1, 25)),
            ..entry(1, 1, 10)
        }
    );
    assert_eq!(store.next_due().await.unwrap(), Some(at(25)));
    assert_eq!(store.lease_next(at(24), lease(2, 39)).await.unwrap(), None);
    let again = store
        .lease_next(at(25), lease(2, 40))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((again.attempts, again.lease), (2, Some(lease(2, 40))));
}

async fn two_workers_never_lease_the_same_entry(store: &Arc<dyn Store>) {
    create(store, 1).await;
    for id in 0..20 {
        queue(store, &entry(id, 1, 0)).await;
    }
    let workers: Vec<_> = (1..=4)
        .map(|worker| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut leased = Vec::new();
                while let Some(entry) = store.lease_next(at(0), lease(worker, 15)).await.unwrap() {
                    assert_eq!(entry.lease, Some(lease(worker, 15)));
                    leased.push(entry.id);
                }
                leased
            })
        })
        .collect();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    all.sort();
    assert_eq!(
        all,
        (0..20)
            .map(|id| EntryId::from_bytes([id; 12]))
            .collect::<Vec<_>>()
    );
}

async fn the_longest_due_is_leased_first_and_equal_ones_by_id(store: &Arc<dyn Store>) {
    create(store, 1).await;
    for (id, due) in [(4, 2), (3, 2), (1, 3), (2, 1), (5, 99)] {
        queue(store, &entry(id, 1, due)).await;
    }
    let mut order = Vec::new();
    while let Some(entry) = store.lease_next(at(50), lease(1, 65)).await.unwrap() {
        order.push(entry.id.as_bytes()[0]);
    }
    assert_eq!(order, [2, 3, 4, 1]);
}

async fn an_entry_that_is_queued_with_a_lease_is_its_holders(store: &Arc<dyn Store>) {
    create(store, 1).await;
    queue(
        store,
        &Entry {
            lease: Some(lease(1, 15)),
            attempts: 1,
            ..entry(1, 1, 0)
        },
    )
    .await;
    assert_eq!(store.lease_next(at(14), lease(2, 29)).await.unwrap(), None);
    assert!(
        store
            .settle(
                EntryId::from_bytes([1; 12]),
                lease(1, 15).holder,
                &Outcome::Sent,
                &event(1, EventKind::MailSent, 3)
            )
            .await
            .unwrap()
    );
    assert_eq!(store.entries_of(account(1).id).await.unwrap(), []);
}

async fn a_renewed_lease_lasts_and_a_lost_one_is_not_renewed(store: &Arc<dyn Store>) {
    create(store, 1).await;
    queue(store, &entry(1, 1, 0)).await;
    let id = store
        .lease_next(at(0), lease(1, 15))
        .await
        .unwrap()
        .unwrap()
        .id;
    assert!(store.renew_lease(id, lease(1, 30)).await.unwrap());
    assert_eq!(store.lease_next(at(29), lease(2, 44)).await.unwrap(), None);
    assert!(
        store
            .lease_next(at(30), lease(2, 45))
            .await
            .unwrap()
            .is_some()
    );
    assert!(!store.renew_lease(id, lease(1, 60)).await.unwrap());
    assert!(
        store
            .lease_next(at(45), lease(3, 60))
            .await
            .unwrap()
            .is_some()
    );
}

async fn whoever_lost_the_lease_settles_nothing(store: &Arc<dyn Store>) {
    create(store, 1).await;
    queue(store, &entry(1, 1, 0)).await;
    let id = store
        .lease_next(at(0), lease(1, 15))
        .await
        .unwrap()
        .unwrap()
        .id;
    store
        .lease_next(at(15), lease(2, 30))
        .await
        .unwrap()
        .unwrap();
    for outcome in [
        Outcome::Sent,
        Outcome::Dead {
            error: "x".to_owned(),
        },
        Outcome::Retry {
            at: at(99),
            error: "x".to_owned(),
        },
    ] {
        assert!(
            !store
                .settle(
                    id,
                    lease(1, 15).holder,
                    &outcome,
                    &event(1, EventKind::MailSent, 20)
                )
                .await
                .unwrap()
        );
    }
    let entries = store.entries_of(account(1).id).await.unwrap();
    assert_eq!(
        entries,
        [Entry {
            attempts: 2,
            lease: Some(lease(2, 30)),
            ..entry(1, 1, 0)
        }]
    );
    assert_eq!(store.history(account(1).id, 10).await.unwrap().len(), 2);
}

async fn a_sent_mail_goes_a_failed_one_waits_a_dead_one_stays(store: &Arc<dyn Store>) {
    create(store, 1).await;
    for id in [1, 2, 3] {
        queue(store, &entry(id, 1, i64::from(id))).await;
        store
            .lease_next(at(10), lease(id, 25))
            .await
            .unwrap()
            .unwrap();
    }
    let outcomes = [
        Outcome::Sent,
        Outcome::Retry {
            at: at(40),
            error: "451 busy".to_owned(),
        },
        Outcome::Dead {
            error: "550 unknown".to_owned(),
        },
    ];
    for (id, outcome) in [1, 2, 3].into_iter().zip(&outcomes) {
        let told = event(1, EventKind::MailFailed, 11);
        assert!(
            store
                .settle(
                    EntryId::from_bytes([id; 12]),
                    lease(id, 25).holder,
                    outcome,
                    &told
                )
                .await
                .unwrap()
        );
    }
    let entries = store.entries_of(account(1).id).await.unwrap();
    let waits = Entry {
        attempts: 1,
        last_error: Some("451 busy".to_owned()),
        ..entry(2, 1, 40)
    };
    let dead = Entry {
        attempts: 1,
        last_error: Some("550 unknown".to_owned()),
        state: EntryState::Dead,
        ..entry(3, 1, 3)
    };
    assert_eq!(entries, [waits, dead]);
    assert_eq!(store.next_due().await.unwrap(), Some(at(40)));
    let last = store
        .lease_next(at(1_000), lease(9, 1_015))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(last.id, EntryId::from_bytes([2; 12]));
    assert_eq!(
        store.lease_next(at(1_000), lease(9, 1_015)).await.unwrap(),
        None,
        "the dead are left alone"
    );
}

async fn the_history_is_newest_first_and_bounded(store: &Arc<dyn Store>) {
    create(store, 1).await;
    create(store, 2).await;
    for (kind, second) in [
        (EventKind::ResetRequested, 5),
        (EventKind::MailSent, 5),
        (EventKind::ResetDone, 3),
    ] {
        store.record(&event(1, kind, second)).await.unwrap();
    }
    let kinds = |events: Vec<Event>| {
        events
            .into_iter()
            .map(|event| event.kind)
            .collect::<Vec<_>>()
    };
    let all = [
        EventKind::MailSent,
        EventKind::ResetRequested,
        EventKind::ResetDone,
        EventKind::Created,
    ];
    assert_eq!(kinds(store.history(account(1).id, 10).await.unwrap()), all);
    assert_eq!(
        kinds(store.history(account(1).id, 2).await.unwrap()),
        all[..2]
    );
}

async fn an_event_for_nobody_is_dropped(store: &Arc<dyn Store>) {
    store
        .record(&event(1, EventKind::ResetRefused, 0))
        .await
        .unwrap();
    assert_eq!(store.history(account(1).id, 10).await.unwrap(), []);
}

fn movie(id: u8, by: u8) -> Movie {
    Movie {
        id: MovieId::from_bytes([id; 12]),
        name: format!("Part {id}, «quoted» \"twice\""),
        casts: vec!["Änn".to_owned(), "B'ob".to_owned()],
        genres: vec!["drama".to_owned()],
        added_by: AccountId::from_bytes([by; 12]),
    }
}

async fn a_movie_comes_back_as_it_was_added(store: &Arc<dyn Store>) {
    create(store, 1).await;
    assert_eq!(
        store.create_movie(&movie(1, 1)).await.unwrap(),
        MovieCreation::Created
    );
    assert_eq!(
        store.movie(movie(1, 1).id).await.unwrap(),
        Some(movie(1, 1))
    );
    assert_eq!(store.movie(movie(2, 1).id).await.unwrap(), None);
    assert_eq!(
        store.create_movie(&movie(2, 9)).await.unwrap(),
        MovieCreation::OwnerGone
    );
}

async fn a_movies_name_is_unique(store: &Arc<dyn Store>) {
    create(store, 1).await;
    store.create_movie(&movie(1, 1)).await.unwrap();
    store.create_movie(&movie(2, 1)).await.unwrap();
    let rival = Movie {
        name: movie(1, 1).name,
        ..movie(3, 1)
    };
    assert_eq!(
        store.create_movie(&rival).await.unwrap(),
        MovieCreation::NameTaken
    );
    let rename = MovieChanges {
        name: Some(movie(1, 1).name),
        ..MovieChanges::default()
    };
    assert_eq!(
        store
            .change_movie(movie(2, 1).id, account(1).id, &rename)
            .await
            .unwrap(),
        MovieChange::NameTaken
    );
    assert_eq!(
        store
            .change_movie(movie(1, 1).id, account(1).id, &rename)
            .await
            .unwrap(),
        MovieChange::Done
    );
    assert_eq!(
        store.movies(None, 10).await.unwrap(),
        [movie(1, 1), movie(2, 1)]
    );
}

async fn movies_come_in_the_order_of_their_ids(store: &Arc<dyn Store>) {
    create(store, 1).await;
    for id in [3, 1, 2] {
        store.create_movie(&movie(id, 1)).await.unwrap();
    }
    let all = store.movies(None, 10).await.unwrap();
    assert_eq!(all, [movie(1, 1), movie(2, 1), movie(3, 1)]);
    assert_eq!(store.movies(Some(all[0].id), 1).await.unwrap(), all[1..2]);
    assert_eq!(store.movies(Some(all[2].id), 1).await.unwrap(), []);
}

async fn only_who_added_a_movie_changes_it(store: &Arc<dyn Store>) {
    create(store, 1).await;
    create(store, 2).await;
    store.create_movie(&movie(1, 1)).await.unwrap();
    let id = movie(1, 1).id;
    let changes = MovieChanges {
        genres: Some(vec!["comedy".to_owned()]),
        ..MovieChanges::default()
    };
    assert_eq!(
        store
            .change_movie(id, account(2).id, &changes)
            .await
            .unwrap(),
        MovieChange::NotOwner
    );
    assert_eq!(
        store.delete_movie(id, account(2).id).await.unwrap(),
        MovieChange::NotOwner
    );
    assert_eq!(store.movie(id).await.unwrap(), Some(movie(1, 1)));
    assert_eq!(
        store
            .change_movie(id, account(1).id, &changes)
            .await
            .unwrap(),
        MovieChange::Done
    );
    assert_eq!(store.movie(id).await.unwrap().unwrap().genres, ["comedy"]);
    assert_eq!(
        store.delete_movie(id, account(1).id).await.unwrap(),
        MovieChange::Done
    );
    assert_eq!(
        store.delete_movie(id, account(1).id).await.unwrap(),
        MovieChange::NotFound
    );
    assert_eq!(
        store
            .change_movie(id, account(1).id, &changes)
            .await
            .unwrap(),
        MovieChange::NotFound
    );
}

/// What SQLite alone must keep: its file is used by several processes.
mod sqlite_file {
    use std::os::unix::fs::PermissionsExt as _;

    use rusqlite::Connection;

    use super::super::StoreError;
    use super::super::sqlite::SqliteStore;
    use super::*;

    #[tokio::test]
    async fn two_processes_work_on_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shared.sqlite3");
        let opening: Vec<_> = (0..4)
            .map(|_| {
                let path = path.clone();
                std::thread::spawn(move || SqliteStore::open(&path).unwrap())
            })
            .collect();
        let stores: Vec<Arc<dyn Store>> = opening
            .into_iter()
            .map(|store| Arc::new(store.join().unwrap()) as Arc<dyn Store>)
            .collect();
        for (number, store) in (0u8..40).zip(stores.iter().cycle()) {
            create(store, number).await;
        }
        assert_eq!(stores[0].accounts(None, 100).await.unwrap().len(), 40);
    }

    #[tokio::test]
    async fn whoever_finds_it_locked_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locked.sqlite3");
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).unwrap());
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let waiting = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { create(&store, 1).await })
        };
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!waiting.is_finished());
        other.execute_batch("COMMIT").unwrap();
        waiting.await.unwrap();
    }

    #[test]
    fn the_files_are_their_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/own.sqlite3");
        let _store = SqliteStore::open(&path).unwrap();
        let mode =
            |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        let files: Vec<_> = std::fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        assert_eq!(files.len(), 3, "{files:?}");
        assert!(files.iter().all(|file| mode(file) == 0o600));
    }

    #[test]
    fn what_is_no_database_of_ours_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let newer = folder.path().join("newer.sqlite3");
        drop(SqliteStore::open(&newer).unwrap());
        Connection::open(&newer)
            .unwrap()
            .pragma_update(None, "user_version", 1_000)
            .unwrap();
        let foreign = folder.path().join("foreign.sqlite3");
        Connection::open(&foreign)
            .unwrap()
            .execute_batch("CREATE TABLE theirs (x); PRAGMA user_version = 1")
            .unwrap();
        let text = folder.path().join("text.sqlite3");
        std::fs::write(
            &text,
            "this is no database, and long enough to be read as the head of one ".repeat(10),
        )
        .unwrap();
        for (path, said) in [
            (newer, "newer movie-bag"),
            (foreign, "another program"),
            (text, "no SQLite database"),
        ] {
            let error = SqliteStore::open(&path).err().unwrap().to_string();
            assert!(
                error.contains(said) && error.contains(&path.display().to_string()),
                "{error}"
            );
        }
        let folder_in_its_place = SqliteStore::open(folder.path()).err().unwrap();
        assert!(
            matches!(folder_in_its_place, StoreError::Unavailable(_)),
            "{folder_in_its_place}"
        );
    }
}
