//! Contract tests: the promises that every store must keep.
//!
//! A promise is an `async fn` that takes a store. [`store_contract`] takes the list of databases and the list of promises,
//! and creates a test for each pair, so that no database can omit a promise:
//! `contract::sqlite::one_of_fifty_concurrent_changes_succeeds`.

pub(crate) mod accounts;
mod copying;
mod disabling;
pub(crate) mod fixtures;
mod history;
pub(crate) mod limits;
mod model;
mod movies;
mod outbox;
mod pending;

use std::sync::Arc;

use accounts::*;
use copying::*;
use disabling::*;
use history::*;
use limits::*;
use model::*;
use movie_bag_core::ports::store::CopyableStore;
use movies::*;
use outbox::*;
use pending::*;

/// An empty store, and a guard that keeps its database.
struct FreshStore {
    store: Arc<dyn CopyableStore>,
    _guard: Box<dyn std::any::Any + Send>,
}

macro_rules! store_contract {
    ($($database:ident $(if $gate:meta)?),+ ; $($promise:ident,)+) => {
        store_contract!(@each [$($database $(if $gate)?),+] [$($promise)+]);
    };
    (@each [] $promises:tt) => {};
    (@each [$database:ident $(if $gate:meta)? $(, $($more:tt)+)?] [$($promise:ident)+]) => {
        $(#[cfg($gate)])?
        mod $database {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    // If no server can be started, that has been reported, and it has failed in CI.
                    if let Some(fresh) = super::fresh::$database().await {
                        super::$promise(&fresh.store).await;
                    }
                }
            )+
        }
        store_contract!(@each [$($($more)+)?] [$($promise)+]);
    };
}

/// An empty store of each database.
mod fresh {
    use super::*;
    #[cfg(feature = "mongodb")]
    use crate::mongo::tests::open;
    #[cfg(feature = "mongodb")]
    use movie_bag_testkit::mongodb::{FreshDatabase, MongoServer, Topology};

    pub(super) async fn sqlite() -> Option<FreshStore> {
        let folder = tempfile::tempdir().unwrap();
        let store = crate::sqlite::SqliteStore::open(&folder.path().join("test.sqlite3"));
        Some(FreshStore {
            store: Arc::new(store.unwrap()),
            _guard: Box::new(folder),
        })
    }

    /// A store on a server with transactions.
    #[cfg(feature = "mongodb")]
    pub(super) async fn mongodb() -> Option<FreshStore> {
        let database = FreshDatabase::shared()?;
        Some(mongo(database).await)
    }

    /// A store on a server without transactions.
    #[cfg(feature = "mongodb")]
    pub(super) async fn mongodb_standalone() -> Option<FreshStore> {
        use std::sync::{LazyLock, Mutex};
        static SERVER: LazyLock<Mutex<Option<MongoServer>>> =
            LazyLock::new(|| Mutex::new(MongoServer::start(Topology::Standalone, &[])));
        let uri = SERVER.lock().unwrap().as_ref()?.uri();
        Some(mongo(FreshDatabase::on(&uri)).await)
    }

    #[cfg(feature = "mongodb")]
    async fn mongo(database: FreshDatabase) -> FreshStore {
        FreshStore {
            store: Arc::new(open(&database.uri).await.unwrap()),
            _guard: Box::new(database),
        }
    }
}

store_contract! {
    sqlite,
    mongodb if feature = "mongodb",
    mongodb_standalone if feature = "mongodb";

    an_account_is_found_by_its_id_and_every_spelling_of_its_address,
    an_exact_spelling_wins_and_an_ambiguous_one_finds_no_account,
    accounts_that_differ_only_by_case_are_listed,
    one_of_twenty_concurrent_accounts_gets_the_address,
    accounts_are_listed_in_the_order_of_their_ids,
    accounts_are_counted_by_the_cost_of_their_hashes,
    an_account_is_created_with_its_event_and_mail,
    a_change_stores_password_event_and_mail_together,
    a_superseded_change_changes_nothing,
    one_of_fifty_concurrent_changes_succeeds,
    an_address_changes_only_to_a_free_one,
    a_revocation_is_stored_with_its_event_and_mail,
    a_revocation_may_have_no_mail,
    each_revocation_replaces_the_previous_one_whatever_its_id,
    concurrent_revocations_are_all_recorded_and_one_is_stored,
    a_disabled_account_is_stored_with_its_event_and_without_its_mails,
    a_disabled_account_gets_no_mails,
    a_change_expects_the_last_disabling,
    one_of_ten_concurrent_changes_of_status_is_done,
    revocations_and_a_disabling_at_the_same_time_all_take_effect,
    no_mail_outlives_the_disabling_of_its_account,
    nothing_outlives_the_deletion_of_its_account,
    deleting_an_account_deletes_its_movies_mails_and_history,
    a_mail_for_an_unknown_account_is_not_queued,
    a_queued_entry_is_read_back_unchanged,
    an_entry_is_leased_once_and_again_when_the_lease_ends,
    two_workers_never_lease_the_same_entry,
    the_longest_due_is_leased_first_and_equal_ones_by_id,
    an_entry_queued_with_a_lease_belongs_to_its_holder,
    a_renewed_lease_lasts_and_a_lost_one_is_not_renewed,
    a_worker_without_the_lease_settles_nothing,
    an_entry_that_was_not_offered_is_given_back_unchanged,
    a_sent_mail_is_removed_a_failed_one_waits_a_dead_one_stays,
    new_mails_do_not_wait_for_old_failures,
    several_entries_are_leased_at_once_in_the_order_of_their_due_times,
    an_entry_is_leased_by_id_due_or_dead_unless_it_is_held,
    a_dropped_mail_is_removed_and_its_event_stays,
    all_entries_are_listed_in_pages,
    waiting_and_dead_entries_are_counted_with_the_oldest_request,
    the_history_is_newest_first_and_bounded,
    the_history_keeps_its_newest_lines,
    logins_are_counted_in_one_line_a_day,
    concurrent_logins_are_counted_in_one_line,
    counted_lines_are_bounded_and_other_lines_stay,
    a_counted_line_does_not_outlive_its_account,
    old_lines_are_deleted,
    an_event_for_an_unknown_account_is_dropped,
    a_limit_counts_up_to_its_maximum_and_a_refused_call_changes_nothing,
    concurrent_calls_do_not_exceed_a_limit,
    queueing_counts_toward_a_limit_for_known_and_unknown_accounts,
    a_changed_password_clears_the_failed_logins,
    expired_tallies_are_deleted,
    a_pending_change_is_found_by_its_id_and_its_account,
    a_repeated_request_keeps_the_ids_of_the_pending_change,
    sign_ups_are_refused_at_the_maximum_until_one_expires,
    one_of_twenty_concurrent_requests_creates_the_pending_change,
    a_pending_change_is_deleted_with_its_mails,
    an_address_is_revertible_in_any_case_until_the_link_expires,
    the_mail_of_a_sign_up_is_delivered_without_an_account,
    an_added_movie_is_read_back_unchanged,
    a_movies_name_is_unique,
    movies_are_listed_in_the_order_of_their_ids,
    only_the_owner_changes_a_movie,
    copied_data_is_read_back_unchanged,
    a_copy_begins_only_in_an_empty_database,
    an_interrupted_copy_starts_again,
    a_superseded_copy_is_refused,
    any_sequence_of_steps_matches_the_model,
}
