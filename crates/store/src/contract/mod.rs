//! The suite that every database is put under, promise by promise.
//!
//! A promise is an `async fn` over `&dyn Store`. [`store_contract`] takes the list once and a way to a fresh store for
//! each database, and makes a test of every pair, so that no database can leave a promise out:
//! `store::contract::sqlite::of_fifty_changes_at_once_one_is_made`.

pub(in crate) mod accounts;
mod copying;
mod history;
pub(in crate) mod limits;
mod model;
mod movies;
mod outbox;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;

use super::{
    AccountCreation, CopyBatch, CopyableStore, Counts, CredentialChange, Deletion, LeaseMode,
    LeaseResult, LimitedCall, MovieChange, MovieCreation, Outbox, QueueResult, Replacement,
    StoreError,
};
use movie_bag_core::domain::account::Account;
use movie_bag_core::domain::email_address::EmailAddress;
use movie_bag_core::domain::event::{COUNTED_LINES, Event, EventKind, HISTORY_LINES, Origin};
use movie_bag_core::domain::fingerprint::Fingerprint;
use movie_bag_core::domain::id::{AccountId, EntryId, LeaseId, MovieId, RevocationId};
use movie_bag_core::domain::limit::{Limit, LimitKey, TooEarly};
use movie_bag_core::domain::movie::{Movie, MovieChanges};
use movie_bag_core::domain::outbox::{Entry, EntryState, Lease, MailKind, OutboxState, Outcome, Round};
use movie_bag_core::domain::password::PasswordHash;
use accounts::*;
use copying::*;
use history::*;
use limits::*;
use model::*;
use movies::*;
use outbox::*;

/// A fresh store, with what must live as long as it does.
struct Fresh {
    store: Arc<dyn CopyableStore>,
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
                    // Where a database can't be had, that has been told, and CI has failed.
                    if let Some(fresh) = super::fresh::$database().await {
                        super::$promise(&fresh.store).await;
                    }
                }
            )+
        }
        store_contract!(@each [$($more),*] [$($promise)+]);
    };
}

/// A fresh store of each database.
mod fresh {
    use super::*;
    use crate::mongo::tests::open;
    use movie_bag_testkit::mongodb::{self as test_server, MongoServer, Topology};

    pub(super) async fn sqlite() -> Option<Fresh> {
        let folder = tempfile::tempdir().unwrap();
        let store = crate::sqlite::SqliteStore::open(&folder.path().join("test.sqlite3"));
        Some(Fresh {
            store: Arc::new(store.unwrap()),
            _keep: Box::new(folder),
        })
    }

    /// On a server with transactions.
    pub(super) async fn mongodb() -> Option<Fresh> {
        let database = test_server::FreshDatabase::shared()?;
        Some(mongo(database).await)
    }

    /// On a server without.
    pub(super) async fn mongodb_standalone() -> Option<Fresh> {
        use std::sync::{LazyLock, Mutex};
        static SERVER: LazyLock<Mutex<Option<MongoServer>>> =
            LazyLock::new(|| Mutex::new(MongoServer::start(Topology::Standalone, &[])));
        let uri = SERVER.lock().unwrap().as_ref()?.uri();
        Some(mongo(test_server::FreshDatabase::on(&uri)).await)
    }

    async fn mongo(database: test_server::FreshDatabase) -> Fresh {
        Fresh {
            store: Arc::new(open(&database.uri).await.unwrap()),
            _keep: Box::new(database),
        }
    }
}

store_contract! { sqlite, mongodb, mongodb_standalone;
    an_account_is_found_by_its_id_and_every_spelling_of_its_address,
    an_exact_spelling_wins_and_an_ambiguous_one_finds_nobody,
    accounts_that_differ_by_capitals_alone_are_named,
    of_twenty_that_ask_for_one_address_one_gets_it,
    accounts_come_in_the_order_of_their_ids,
    accounts_are_counted_by_the_cost_of_their_hashes,
    an_account_comes_with_its_event_and_its_mail,
    a_change_takes_password_event_and_mail_together,
    a_superseded_change_changes_nothing,
    of_fifty_changes_at_once_one_is_made,
    an_address_is_changed_where_it_is_free,
    the_end_of_all_logins_is_kept,
    each_revocation_replaces_the_one_before_whatever_its_id,
    of_many_revocations_at_once_each_is_recorded_and_one_stands,
    nothing_outlives_the_deletion_of_its_account,
    a_deleted_account_takes_all_that_is_its_own,
    a_mail_for_nobody_is_not_queued,
    an_entry_comes_back_as_it_was_queued,
    an_entry_is_leased_once_and_again_when_the_lease_ends,
    two_workers_never_lease_the_same_entry,
    the_longest_due_is_leased_first_and_equal_ones_by_id,
    an_entry_that_is_queued_with_a_lease_is_its_holders,
    a_renewed_lease_lasts_and_a_lost_one_is_not_renewed,
    whoever_lost_the_lease_settles_nothing,
    an_entry_that_was_not_offered_is_given_back_as_it_was,
    a_sent_mail_goes_a_failed_one_waits_a_dead_one_stays,
    new_mails_do_not_stand_behind_old_failures,
    several_entries_are_leased_at_once_in_the_order_of_waiting,
    an_entry_is_leased_by_name_due_or_dead_and_not_while_it_is_held,
    a_dropped_mail_goes_and_the_history_keeps_it,
    all_entries_come_in_pages,
    what_waits_and_what_is_dead_is_counted_and_since_when,
    the_history_is_newest_first_and_bounded,
    the_history_keeps_its_newest_lines,
    logins_are_counted_in_one_line_a_day,
    concurrent_logins_are_counted_in_one_line,
    counted_lines_are_bounded_and_leave_the_others_alone,
    a_counted_line_does_not_outlive_its_account,
    what_is_too_old_is_forgotten,
    an_event_for_nobody_is_dropped,
    a_limit_counts_up_to_its_end_and_a_refused_call_changes_nothing,
    of_many_at_once_a_limit_lets_so_many_through_as_it_says,
    a_mail_is_counted_with_its_queueing_for_known_and_unknown_alike,
    a_changed_password_forgives_the_failures_before,
    what_is_kept_of_limits_is_forgotten,
    a_movie_comes_back_as_it_was_added,
    a_movies_name_is_unique,
    movies_come_in_the_order_of_their_ids,
    only_who_added_a_movie_changes_it,
    what_is_taken_in_comes_out_as_it_was,
    a_copy_begins_in_an_empty_database_alone,
    a_copy_that_was_broken_off_begins_anew,
    whoever_was_overtaken_copies_no_more,
    any_steps_in_any_order_do_what_the_model_does,
}

pub(in crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub(in crate) fn account(number: u8) -> Account {
    Account {
        id: AccountId::from_bytes([number; 12]),
        address: format!("user{number}@example.com"),
        password_hash: PasswordHash::from_stored(format!("$2b$04$hash{number}")),
        revocation: None,
    }
}

pub(in crate) fn event(number: u8, kind: EventKind, second: i64) -> Event {
    Event::new(
        AccountId::from_bytes([number; 12]),
        at(second),
        kind,
        Origin::Client("192.0.2.1".parse().unwrap()),
        format!("event at {second}"),
    )
}

pub(in crate) fn entry(id: u8, number: u8, due: i64) -> Entry {
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

pub(in crate) fn lease(holder: u8, until: i64) -> Lease {
    Lease {
        holder: LeaseId::from_bytes([holder; 12]),
        until: at(until),
    }
}

pub(in crate) fn change(number: u8, to: &str) -> CredentialChange {
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

pub(in crate) fn movie(id: u8, by: u8) -> Movie {
    Movie {
        id: MovieId::from_bytes([id; 12]),
        name: format!("Part {id}, «quoted» \"twice\""),
        casts: vec!["Änn".to_owned(), "B'ob".to_owned()],
        genres: vec!["drama".to_owned()],
        added_by: AccountId::from_bytes([by; 12]),
    }
}

pub(in crate) async fn create(store: &Arc<dyn CopyableStore>, number: u8) {
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

/// The next entry of a round.
pub(in crate) async fn lease_next<S: Outbox + ?Sized>(
    store: &Arc<S>,
    round: Round,
    now: Timestamp,
    lease: Lease,
) -> Result<Option<Entry>, StoreError> {
    let leased = store.lease_due(round, now, lease, 1).await?;
    assert!(leased.len() <= 1);
    Ok(leased.into_iter().next())
}

/// The next entry of either round, new ones first.
pub(in crate) async fn lease_any<S: Outbox + ?Sized>(
    store: &Arc<S>,
    now: Timestamp,
    lease: Lease,
) -> Result<Option<Entry>, StoreError> {
    match lease_next(store, Round::First, now, lease).await? {
        Some(entry) => Ok(Some(entry)),
        None => lease_next(store, Round::Later, now, lease).await,
    }
}

pub(in crate) async fn queue(store: &Arc<dyn CopyableStore>, entry: &Entry) {
    let requested = Event {
        account: entry.account,
        ..event(1, EventKind::ResetRequested, 1)
    };
    let queued = store.queue_mail(entry, &requested, None).await.unwrap();
    assert_eq!(queued, QueueResult::Queued);
}

pub(in crate) async fn by_address(
    store: &Arc<dyn CopyableStore>,
    typed: &str,
) -> Option<AccountId> {
    let canonical = EmailAddress::parse(typed).unwrap();
    store
        .account_by_address(typed, &canonical)
        .await
        .unwrap()
        .map(|account| account.id)
}
