//! Steps that are broken off, performed again, by several at once, and in each other's way.

use super::*;
use movie_bag_core::domain::outbox::Round;

/// On a standalone server: the database stops taking writes in the middle of a step, after each of its writes in turn,
/// as it would for a process that dies there. Whoever comes next, at the account or at the start, finds it done whole,
/// or not begun.
#[tokio::test]
async fn a_step_that_is_broken_off_anywhere_is_completed() {
    let Some(fallible) = Fallible::start(Topology::Standalone).await else {
        return;
    };
    // A code that does not make the driver look for another server, which takes half a second each time.
    let data = doc! { "failCommands": WRITES.to_vec(), "errorCode": 8000 };
    for number in 0.. {
        fallible.begin_again().await;
        let before = fallible.picture().await;
        let Some((_, done)) = step(&fallible.store, number).await else {
            break;
        };
        done.unwrap();
        let after = fallible.picture().await;
        assert_ne!(before, after, "step {number} does something");
        let mut broken_off = 0;
        for good in 0..MOST_WRITES {
            for by_start in [false, true] {
                fallible.begin_again().await;
                fallible.fail(doc! { "skip": good }, data.clone()).await;
                let (number_of_account, done) = step(&fallible.store, number).await.unwrap();
                fallible.fail_no_more().await;
                if done.is_err() {
                    broken_off += 1;
                }
                if by_start {
                    open(&fallible.uri).await.unwrap();
                } else {
                    fallible
                        .store
                        .account(account(number_of_account).id)
                        .await
                        .unwrap();
                }
                let journal = fallible.store.at.journal.count_documents(doc! {}).await;
                // Before the first write, into the journal, nothing is decided. What makes something is decided when
                // that is made, and until then stays in the journal for a while.
                let is_decided = good > 1 || (good == 1 && !MAKING.contains(&number));
                let expected = if is_decided { &after } else { &before };
                assert_eq!(journal.unwrap(), u64::from(good == 1 && !is_decided));
                assert_eq!(
                    &fallible.picture().await,
                    expected,
                    "step {number}, broken off after {good} writes, found by {}",
                    if by_start { "a start" } else { "a touch" }
                );
            }
        }
        assert!(
            broken_off >= 6,
            "step {number} was broken off {broken_off} times"
        );
    }
}

/// A step that somebody completes while its own process is still at it is done once: here the whole journal is
/// performed again after the mail is sent and gone.
#[tokio::test]
async fn a_step_that_is_performed_again_sends_no_second_mail() {
    let Some(fallible) = Fallible::start(Topology::Standalone).await else {
        return;
    };
    fallible.begin_again().await;
    let store = &fallible.store;
    // The last write of the step, which strikes it out, is the one that fails.
    let strike = doc! { "failCommands": ["delete"], "errorCode": 91 };
    fallible.fail(doc! { "times": 1 }, strike).await;
    let changed = store.replace_credential(&change(1, "second")).await;
    assert!(changed.is_err());
    let left = store.at.journal.find_one(doc! {}).await.unwrap().unwrap();
    // It is completed, its mail sent and settled; then the slow one comes back with the same step.
    store.account(account(1).id).await.unwrap();
    let mail = change(1, "second").mails.remove(0);
    let leased = lease_any(store, at(12), lease(5, 30))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(leased.id, mail.id);
    let sent = event(1, EventKind::MailSent, 12);
    let settled = store.settle(mail.id, lease(5, 30).holder, &outbox::Outcome::Sent, &sent);
    assert!(settled.await.unwrap());
    let picture = fallible.picture().await;
    store.at.journal.insert_one(left).await.unwrap();
    store.resume(doc! {}).await.unwrap();
    assert_eq!(fallible.picture().await, picture);
}

/// Several perform the same step at the same time: the one whose step it is, and those that find it in the journal.
#[tokio::test]
async fn a_step_that_several_perform_at_once_is_done_once() {
    let Some(fallible) = Fallible::start(Topology::Standalone).await else {
        return;
    };
    let store = &fallible.store;
    let breaking = doc! { "failCommands": WRITES.to_vec(), "errorCode": 8000 };
    for number in 0.. {
        fallible.begin_again().await;
        let Some((_, done)) = step(store, number).await else {
            break;
        };
        done.unwrap();
        let after = fallible.picture().await;
        for _ in 0..5 {
            fallible.begin_again().await;
            // It comes as far as the journal.
            fallible.fail(doc! { "skip": 1 }, breaking.clone()).await;
            assert!(step(store, number).await.unwrap().1.is_err());
            fallible.fail_no_more().await;
            let left = store.at.journal.find_one(doc! {}).await.unwrap().unwrap();
            let left: super::super::journal::JournalDocument =
                documents::read("movie_bag_journal", left).unwrap();
            let (own, ..) = tokio::join!(
                store.perform_and_strike(&left),
                store.resume(doc! {}),
                store.resume(doc! {}),
                store.resume(doc! {}),
            );
            own.unwrap();
            store.resume(doc! {}).await.unwrap();
            assert_eq!(fallible.picture().await, after, "step {number}");
            assert_eq!(store.at.journal.count_documents(doc! {}).await.unwrap(), 0);
        }
    }
}

/// A standalone server that is made a replica set may have steps in its journal still.
#[tokio::test]
async fn a_step_of_a_standalone_server_is_completed_after_it_became_a_replica_set() {
    let Some(fallible) = Fallible::start(Topology::Standalone).await else {
        return;
    };
    fallible.begin_again().await;
    let store = &fallible.store;
    let breaking = doc! { "failCommands": WRITES.to_vec(), "errorCode": 8000 };
    fallible.fail(doc! { "skip": 2 }, breaking).await;
    let changed = store.replace_credential(&change(1, "second")).await;
    assert!(changed.is_err());
    fallible.fail_no_more().await;
    let mut server = fallible.server;
    server.kill();
    server.restart_as(Topology::ReplicaSet, &[]);
    // The process that runs on works as before, and says that it must not.
    let error = loop {
        match fallible.store.ping().await {
            Err(error) if error.to_string().contains("restart movie-bag") => break error,
            // The connections of before are closed one after the other.
            answer => assert!(answer.as_ref().is_err_and(is_unavailable), "{answer:?}"),
        }
    };
    assert!(is_unavailable(&error));
    let store = open(&fallible.uri).await.unwrap();
    assert!(store.has_transactions);
    let mails = store.entries_of(account(1).id).await.unwrap();
    assert!(
        mails
            .iter()
            .any(|mail| mail.kind == MailKind::ResetSuccessful),
        "{mails:?}"
    );
}

/// What was made and deleted does not come back, whoever still has the step of its making in hand.
#[tokio::test]
async fn a_step_that_is_performed_again_makes_nothing_again() {
    let Some(fallible) = Fallible::start(Topology::Standalone).await else {
        return;
    };
    fallible.begin_again().await;
    let store = &fallible.store;
    let strike = doc! { "failCommands": ["delete"], "errorCode": 8000 };
    let mut left = Vec::new();
    for number in MAKING {
        fallible.fail(doc! { "times": 1 }, strike.clone()).await;
        assert!(step(store, number).await.unwrap().1.is_err());
        left.push(store.at.journal.find_one(doc! {}).await.unwrap().unwrap());
        store.resume(doc! {}).await.unwrap();
    }
    store.delete_account(account(3).id).await.unwrap().unwrap();
    store
        .delete_movie(movie(7, 2).id, account(2).id)
        .await
        .unwrap();
    let picture = fallible.picture().await;
    store.at.journal.driver().insert_many(left).await.unwrap();
    store.resume(doc! {}).await.unwrap();
    assert_eq!(fallible.picture().await, picture);
}

/// A worker that died between writing its outcome into the journal and the rest has settled the entry.
#[tokio::test]
async fn an_outcome_in_the_journal_counts_also_when_the_lease_has_run_out() {
    let Some(fallible) = Fallible::start(Topology::Standalone).await else {
        return;
    };
    fallible.begin_again().await;
    let data = doc! { "failCommands": WRITES.to_vec(), "errorCode": 8000 };
    fallible.fail(doc! { "skip": 1 }, data).await;
    assert!(step(&fallible.store, 3).await.unwrap().1.is_err());
    fallible.fail_no_more().await;
    let leased = lease_any(&fallible.store, at(1_000), lease(7, 1_015)).await;
    assert_eq!(leased.unwrap(), None);
    let newest = fallible.store.history(account(1).id, 1).await.unwrap();
    assert_eq!(newest[0].kind, EventKind::MailSent);
}

/// A transaction that a dead process has left open holds one entry, and not all mail.
#[tokio::test]
async fn an_entry_that_somebody_holds_does_not_hold_up_the_others() {
    let Some(fallible) = Fallible::start(Topology::ReplicaSet).await else {
        return;
    };
    fallible.begin_again().await;
    let store = fallible.any();
    queue(&store, &entry(2, 2, 20)).await;
    let client = Client::with_uri_str(fallible.server.uri()).await.unwrap();
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
    // The one that is due the longest.
    let mut oldest = hold(1).await;
    let began = std::time::Instant::now();
    let leased = lease_any(&store, at(30), lease(7, 45))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(leased.id, entry(2, 2, 0).id);
    // The one that is held would be waited for, for a minute.
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    for id in 3..=6 {
        queue(&store, &entry(id, 2, 21)).await;
    }
    let mut third = hold(3).await;
    let leased = store.lease_due(Round::First, at(30), lease(7, 45), 2);
    let leased: Vec<_> = leased.await.unwrap().iter().map(|entry| entry.id).collect();
    assert_eq!(
        leased,
        [entry(5, 2, 0).id, entry(6, 2, 0).id],
        "behind the two that it began with"
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
async fn nothing_is_written_for_an_account_that_is_gone() {
    for topology in [Topology::ReplicaSet, Topology::Standalone] {
        let Some(fallible) = Fallible::start(topology).await else {
            return;
        };
        fallible.begin_again().await;
        let store = &fallible.store;
        let id = documents::object_id(account(1).id.as_bytes());
        store.at.user.delete_one(doc! { "_id": id }).await.unwrap();
        store
            .at
            .history
            .delete_many(doc! { "account": id })
            .await
            .unwrap();
        step(store, 3).await.unwrap().1.unwrap();
        assert_eq!(store.history(account(1).id, 10).await.unwrap(), []);
        assert_eq!(store.entries_of(account(1).id).await.unwrap(), []);
    }
}

/// A change that builds on an unfinished one completes that first, so that its confirmation is not lost.
#[tokio::test]
async fn a_change_completes_the_one_it_builds_on() {
    let Some(fallible) = Fallible::start(Topology::Standalone).await else {
        return;
    };
    fallible.begin_again().await;
    let store = &fallible.store;
    let data = doc! { "failCommands": WRITES.to_vec(), "errorCode": 91 };
    // Journal and password are written, confirmation and history are not.
    fallible.fail(doc! { "skip": 2 }, data).await;
    assert!(
        store
            .replace_credential(&change(1, "second"))
            .await
            .is_err()
    );
    fallible.fail_no_more().await;
    let mut next = change(1, "third");
    next.expected.password_hash = movie_bag_core::domain::password::PasswordHash::from_stored("second");
    next.mails[0].id = movie_bag_core::domain::id::EntryId::from_bytes([201; 12]);
    store.replace_credential(&next).await.unwrap();
    let confirmations = store.entries_of(account(1).id).await.unwrap();
    let confirmations = confirmations
        .iter()
        .filter(|mail| mail.kind == MailKind::ResetSuccessful);
    assert_eq!(confirmations.count(), 2);
}

/// On a replica set: what collides or fails for a moment is tried again by the driver's rules, at each write and at the
/// commit; what fails for good leaves nothing.
#[tokio::test]
async fn a_transaction_is_tried_again_or_leaves_nothing() {
    let Some(fallible) = Fallible::start(Topology::ReplicaSet).await else {
        return;
    };
    for number in 0.. {
        fallible.begin_again().await;
        let before = fallible.picture().await;
        let Some((_, done)) = step(&fallible.store, number).await else {
            break;
        };
        done.unwrap();
        let after = fallible.picture().await;
        let colliding = doc! { "failCommands": WRITES.to_vec(), "errorCode": 112, "errorLabels": ["TransientTransactionError"] };
        // Some servers that speak the protocol give no labels.
        let unlabelled = |commands: &[&str], code: i32| doc! { "failCommands": commands.to_vec(), "errorCode": code, "errorLabels": [] };
        let breaking = doc! { "failCommands": WRITES.to_vec(), "errorCode": 8000 };
        let stepping_down = doc! { "failCommands": ["commitTransaction"], "errorCode": 91 };
        for (skipped, data, is_done) in [
            (0, &colliding, true),
            (1, &colliding, true),
            (0, &unlabelled(&WRITES, 112), true),
            (1, &unlabelled(&WRITES, 112), true),
            (1, &unlabelled(&WRITES, 251), true),
            (0, &unlabelled(&["commitTransaction"], 112), true),
            (0, &unlabelled(&["commitTransaction"], 251), true),
            (0, &breaking, false),
            (1, &breaking, false),
            (0, &stepping_down, true),
        ] {
            fallible.begin_again().await;
            let mode = doc! { "skip": skipped, "times": 1 };
            fallible.fail(mode, data.clone()).await;
            let (_, done) = step(&fallible.store, number).await.unwrap();
            fallible.fail_no_more().await;
            assert_eq!(
                done.is_ok(),
                is_done,
                "step {number}, {skipped}, {data}: {done:?}"
            );
            let expected = if is_done { &after } else { &before };
            assert_eq!(
                &fallible.picture().await,
                expected,
                "step {number}, {skipped}, {data}"
            );
        }
    }
}
