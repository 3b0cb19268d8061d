//! Steps that are interrupted, repeated, performed concurrently, and in conflict.

use movie_bag_core::domain::outbox::Round;

use super::*;

/// On a standalone server: the database rejects writes in the middle of a step, after each of its writes in turn, which has the
/// same effect as the death of the process. The next operation on the account, or the next start, completes the step or finds
/// nothing of it.
#[tokio::test]
async fn an_interrupted_step_is_completed() {
    let Some(faulty) = FaultyServer::start(Topology::Standalone).await else {
        return;
    };
    // With this code the driver does not search for another server, which would take half a second each time.
    let data = doc! { "failCommands": WRITES.to_vec(), "errorCode": 8000 };
    for number in 0.. {
        faulty.reset().await;
        let before = faulty.snapshot().await;
        let Some((_, done)) = step(&faulty.store, number).await else {
            break;
        };
        done.unwrap();
        let after = faulty.snapshot().await;
        assert_ne!(before, after, "step {number} changes something");
        let mut interrupted = 0;
        for good in 0..MAX_WRITES {
            for by_start in [false, true] {
                faulty.reset().await;
                faulty.fail(doc! { "skip": good }, data.clone()).await;
                let (number_of_account, done) = step(&faulty.store, number).await.unwrap();
                faulty.stop_failing().await;
                if done.is_err() {
                    interrupted += 1;
                }
                if by_start {
                    open(&faulty.uri).await.unwrap();
                } else {
                    faulty
                        .store
                        .account(account(number_of_account).id)
                        .await
                        .unwrap();
                }
                let journal = faulty
                    .store
                    .collections
                    .journal
                    .count_documents(doc! {})
                    .await;
                // Nothing is decided before the first write, the one to the journal. A step that creates a document is
                // decided when that document is inserted; until then it stays in the journal for a while.
                let is_decided = good > 1 || (good == 1 && !CREATING.contains(&number));
                let expected = if is_decided { &after } else { &before };
                assert_eq!(journal.unwrap(), u64::from(good == 1 && !is_decided));
                assert_eq!(
                    &faulty.snapshot().await,
                    expected,
                    "step {number}, interrupted after {good} writes, completed by {}",
                    if by_start { "a start" } else { "an operation" }
                );
            }
        }
        assert!(
            interrupted >= 6,
            "step {number} was interrupted {interrupted} times"
        );
    }
}

/// Another process may complete a step while its own process is still performing it. Here the journal is performed again after
/// the mail was sent and removed.
#[tokio::test]
async fn a_repeated_step_sends_no_second_mail() {
    let Some(faulty) = FaultyServer::start(Topology::Standalone).await else {
        return;
    };
    faulty.reset().await;
    let store = &faulty.store;
    // The last write of the step fails, the one that deletes the journal entry.
    let deleting = doc! { "failCommands": ["delete"], "errorCode": 91 };
    faulty.fail(doc! { "times": 1 }, deleting).await;
    let changed = store.replace_credential(&change(1, "second")).await;
    assert!(changed.is_err());
    let left = store
        .collections
        .journal
        .find_one(doc! {})
        .await
        .unwrap()
        .unwrap();
    // The step is completed, its mail sent and settled. Then its own process performs the step again.
    store.account(account(1).id).await.unwrap();
    let mail = change(1, "second").mails.remove(0);
    let leased = lease_any(store, at(12), lease(5, 30))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(leased.id, mail.id);
    let sent = event(1, EventKind::MailSent, 12);
    let settled = store.settle(
        mail.id,
        lease(5, 30).holder,
        &outbox::Outcome::Sent,
        Some(&sent),
    );
    assert!(settled.await.unwrap());
    let snapshot = faulty.snapshot().await;
    store.collections.journal.insert_one(left).await.unwrap();
    store.complete_steps(doc! {}).await.unwrap();
    assert_eq!(faulty.snapshot().await, snapshot);
}

/// The process of a step, and processes that find it in the journal, perform it at the same time.
#[tokio::test]
async fn a_step_performed_concurrently_takes_effect_once() {
    let Some(faulty) = FaultyServer::start(Topology::Standalone).await else {
        return;
    };
    let store = &faulty.store;
    let breaking = doc! { "failCommands": WRITES.to_vec(), "errorCode": 8000 };
    for number in 0.. {
        faulty.reset().await;
        let Some((_, done)) = step(store, number).await else {
            break;
        };
        done.unwrap();
        let after = faulty.snapshot().await;
        for _ in 0..5 {
            faulty.reset().await;
            // The step fails after its journal entry.
            faulty.fail(doc! { "skip": 1 }, breaking.clone()).await;
            assert!(step(store, number).await.unwrap().1.is_err());
            faulty.stop_failing().await;
            let left = store
                .collections
                .journal
                .find_one(doc! {})
                .await
                .unwrap()
                .unwrap();
            let left: super::super::journal::JournalDocument =
                documents::decode("movie_bag_journal", left).unwrap();
            let (own, ..) = tokio::join!(
                store.execute_entry(&left),
                store.complete_steps(doc! {}),
                store.complete_steps(doc! {}),
                store.complete_steps(doc! {}),
            );
            own.unwrap();
            store.complete_steps(doc! {}).await.unwrap();
            assert_eq!(faulty.snapshot().await, after, "step {number}");
            assert_eq!(
                store
                    .collections
                    .journal
                    .count_documents(doc! {})
                    .await
                    .unwrap(),
                0
            );
        }
    }
}

/// A standalone server that becomes a replica set may still have steps in its journal.
#[tokio::test]
async fn a_step_of_a_standalone_server_is_completed_after_it_became_a_replica_set() {
    let Some(faulty) = FaultyServer::start(Topology::Standalone).await else {
        return;
    };
    faulty.reset().await;
    let store = &faulty.store;
    let breaking = doc! { "failCommands": WRITES.to_vec(), "errorCode": 8000 };
    faulty.fail(doc! { "skip": 2 }, breaking).await;
    let changed = store.replace_credential(&change(1, "second")).await;
    assert!(changed.is_err());
    faulty.stop_failing().await;
    let mut server = faulty.server;
    server.kill();
    server.restart_as(Topology::ReplicaSet, &[]);
    // A process that was started before reports that it must be restarted.
    let error = loop {
        match faulty.store.ping().await {
            Err(error) if error.to_string().contains("restart movie-bag") => break error,
            // The old connections close one after the other.
            answer => assert!(answer.as_ref().is_err_and(is_unavailable), "{answer:?}"),
        }
    };
    assert!(is_unavailable(&error));
    let store = open(&faulty.uri).await.unwrap();
    assert!(store.has_transactions);
    let mails = store.entries_of(account(1).id).await.unwrap();
    assert!(
        mails
            .iter()
            .any(|mail| mail.kind == MailKind::ResetSuccessful),
        "{mails:?}"
    );
}

/// A deleted document does not reappear when a process performs the step that created it again.
#[tokio::test]
async fn a_repeated_step_restores_nothing_that_was_deleted() {
    let Some(faulty) = FaultyServer::start(Topology::Standalone).await else {
        return;
    };
    faulty.reset().await;
    let store = &faulty.store;
    let deleting = doc! { "failCommands": ["delete"], "errorCode": 8000 };
    let mut left = Vec::new();
    for number in CREATING {
        faulty.fail(doc! { "times": 1 }, deleting.clone()).await;
        assert!(step(store, number).await.unwrap().1.is_err());
        left.push(
            store
                .collections
                .journal
                .find_one(doc! {})
                .await
                .unwrap()
                .unwrap(),
        );
        store.complete_steps(doc! {}).await.unwrap();
    }
    store.delete_account(account(3).id).await.unwrap().unwrap();
    store
        .delete_movie(movie(7, 2).id, account(2).id)
        .await
        .unwrap();
    let snapshot = faulty.snapshot().await;
    store
        .collections
        .journal
        .driver()
        .insert_many(left)
        .await
        .unwrap();
    store.complete_steps(doc! {}).await.unwrap();
    assert_eq!(faulty.snapshot().await, snapshot);
}

/// A worker that died after its outcome was in the journal has settled the entry.
#[tokio::test]
async fn an_outcome_in_the_journal_counts_after_the_lease_has_expired() {
    let Some(faulty) = FaultyServer::start(Topology::Standalone).await else {
        return;
    };
    faulty.reset().await;
    let data = doc! { "failCommands": WRITES.to_vec(), "errorCode": 8000 };
    faulty.fail(doc! { "skip": 1 }, data).await;
    assert!(step(&faulty.store, 3).await.unwrap().1.is_err());
    faulty.stop_failing().await;
    let leased = lease_any(&faulty.store, at(1_000), lease(7, 1_015)).await;
    assert_eq!(leased.unwrap(), None);
    let newest = faulty.store.history(account(1).id, 1).await.unwrap();
    assert_eq!(newest[0].kind, EventKind::MailSent);
}

/// The open transaction of a dead process locks one entry and does not block other mails.
#[tokio::test]
async fn a_locked_entry_does_not_block_the_others() {
    let Some(faulty) = FaultyServer::start(Topology::ReplicaSet).await else {
        return;
    };
    faulty.reset().await;
    let store = faulty.any();
    queue(&store, &entry(2, 2, 20)).await;
    let client = Client::with_uri_str(faulty.server.uri()).await.unwrap();
    let outbox: Collection<Document> = client.database("fallible").collection("movie_bag_outbox");
    let hold = async |id| {
        let mut session = client.start_session().await.unwrap();
        session.start_transaction().await.unwrap();
        let which = doc! { "_id": documents::object_id(entry(id, 1, 0).id.as_bytes()) };
        let hold = outbox.update_one(which, doc! { "$set": { "last_error": "held" } });
        let held = hold.session(&mut session).await.unwrap();
        assert_eq!(held.matched_count, 1);
        session
    };
    // The entry that has been due the longest.
    let mut oldest = hold(1).await;
    // A wait for the locked entry would last a minute, and fail because of the time limit of a step.
    let leased = lease_any(&store, at(30), lease(7, 45))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(leased.id, entry(2, 2, 0).id);
    for id in 3..=6 {
        queue(&store, &entry(id, 2, 21)).await;
    }
    let mut third = hold(3).await;
    let leased = store.lease_due(Round::First, at(30), lease(7, 45), 2);
    let leased: Vec<_> = leased.await.unwrap().iter().map(|entry| entry.id).collect();
    assert_eq!(
        leased,
        [entry(5, 2, 0).id, entry(6, 2, 0).id],
        "the entries behind the first two"
    );
    third.abort_transaction().await.unwrap();
    oldest.abort_transaction().await.unwrap();
    let leased = store.lease_due(Round::First, at(30), lease(7, 45), 9);
    let leased: Vec<_> = leased.await.unwrap().iter().map(|entry| entry.id).collect();
    assert_eq!(leased, [entry(3, 2, 0).id, entry(4, 2, 0).id]);
    let leased = lease_any(&store, at(30), lease(8, 45))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(leased.id, entry(1, 1, 0).id);
}

/// The Flask application deletes an account while a mail to it is being sent.
#[tokio::test]
async fn nothing_is_written_for_a_deleted_account() {
    for topology in [Topology::ReplicaSet, Topology::Standalone] {
        let Some(faulty) = FaultyServer::start(topology).await else {
            return;
        };
        faulty.reset().await;
        let store = &faulty.store;
        let id = documents::object_id(account(1).id.as_bytes());
        store
            .collections
            .user
            .delete_one(doc! { "_id": id })
            .await
            .unwrap();
        store
            .collections
            .history
            .delete_many(doc! { "account": id })
            .await
            .unwrap();
        step(store, 3).await.unwrap().1.unwrap();
        assert_eq!(store.history(account(1).id, 10).await.unwrap(), []);
        assert_eq!(store.entries_of(account(1).id).await.unwrap(), []);
    }
}

/// If the first change were not completed, its confirmation would be lost.
#[tokio::test]
async fn a_change_completes_the_unfinished_change_before_it() {
    let Some(faulty) = FaultyServer::start(Topology::Standalone).await else {
        return;
    };
    faulty.reset().await;
    let store = &faulty.store;
    let data = doc! { "failCommands": WRITES.to_vec(), "errorCode": 91 };
    // Journal entry and password are written, mail and history line are not.
    faulty.fail(doc! { "skip": 2 }, data).await;
    assert!(
        store
            .replace_credential(&change(1, "second"))
            .await
            .is_err()
    );
    faulty.stop_failing().await;
    let mut next = change(1, "third");
    next.expected.password_hash =
        movie_bag_core::domain::password::PasswordHash::from_stored("second");
    next.mails[0].id = movie_bag_core::domain::id::EntryId::from_bytes([201; 12]);
    store.replace_credential(&next).await.unwrap();
    let confirmations = store.entries_of(account(1).id).await.unwrap();
    let confirmations = confirmations
        .iter()
        .filter(|mail| mail.kind == MailKind::ResetSuccessful);
    assert_eq!(confirmations.count(), 2);
}

/// On a replica set, conflicts and temporary failures of each write and of the commit are retried. A permanent failure leaves
/// nothing.
#[tokio::test]
async fn a_transaction_is_retried_or_leaves_nothing() {
    let Some(faulty) = FaultyServer::start(Topology::ReplicaSet).await else {
        return;
    };
    for number in 0.. {
        faulty.reset().await;
        let before = faulty.snapshot().await;
        let Some((_, done)) = step(&faulty.store, number).await else {
            break;
        };
        done.unwrap();
        let after = faulty.snapshot().await;
        let conflicting = doc! { "failCommands": WRITES.to_vec(), "errorCode": 112, "errorLabels": ["TransientTransactionError"] };
        // Some servers that implement the protocol send no labels.
        let unlabelled = |commands: &[&str], code: i32| doc! { "failCommands": commands.to_vec(), "errorCode": code, "errorLabels": [] };
        let breaking = doc! { "failCommands": WRITES.to_vec(), "errorCode": 8000 };
        let stepping_down = doc! { "failCommands": ["commitTransaction"], "errorCode": 91 };
        for (skipped, data, is_done) in [
            (0, &conflicting, true),
            (1, &conflicting, true),
            (0, &unlabelled(&WRITES, 112), true),
            (1, &unlabelled(&WRITES, 112), true),
            (1, &unlabelled(&WRITES, 251), true),
            (0, &unlabelled(&["commitTransaction"], 112), true),
            (0, &unlabelled(&["commitTransaction"], 251), true),
            (0, &breaking, false),
            (1, &breaking, false),
            (0, &stepping_down, true),
        ] {
            faulty.reset().await;
            let mode = doc! { "skip": skipped, "times": 1 };
            faulty.fail(mode, data.clone()).await;
            let (_, done) = step(&faulty.store, number).await.unwrap();
            faulty.stop_failing().await;
            assert_eq!(
                done.is_ok(),
                is_done,
                "step {number}, {skipped}, {data}: {done:?}"
            );
            let expected = if is_done { &after } else { &before };
            assert_eq!(
                &faulty.snapshot().await,
                expected,
                "step {number}, {skipped}, {data}"
            );
        }
    }
}
