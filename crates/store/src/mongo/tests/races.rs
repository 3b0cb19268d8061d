//! Steps that meet others between two of their writes.

use std::sync::mpsc;

use super::super::documents::{EntryDocument, EventDocument, object_id};
use super::super::steps::{Step, perform};
use super::super::turn::Turn;
use super::proxy::{MongoProxy, Verdict};
use super::*;
use movie_bag_core::domain::limit::{Limit, LimitKey};
use crate::contract::limits::of_many_at_once_a_limit_lets_so_many_through_as_it_says;
use crate::{Copying as _, Counts, LimitedCall, Limits as _};

/// Steps that write for an account without a change to the account itself.
fn steps_beside_the_account() -> [Step; 3] {
    let user = object_id(account(1).id.as_bytes());
    let event = |kind| EventDocument::from(&event(1, kind, 1));
    let mail = EntryDocument::from(&entry(8, 1, 0));
    [
        Step::QueueMail {
            event: event(EventKind::ResetRequested),
            mail: mail.clone(),
            counting: None,
        },
        Step::Record {
            event: event(EventKind::ResetRefused),
        },
        Step::RevokeAccess {
            account: user,
            revocation: ObjectId::new(),
            replaces: None,
            event: event(EventKind::AccessRevoked),
            mail,
        },
    ]
}

async fn assert_nothing_is_left(store: &MongoStore) {
    assert_eq!(store.counts().await.unwrap(), Counts::default());
    let revocations = store.at.revocations.count_documents(doc! {});
    assert_eq!(revocations.await.unwrap(), 0);
}

/// A transaction that writes for an account is open while the account is deleted, and commits afterwards: the deletion
/// comes after it, and takes along what it wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_comes_after_the_transactions_that_write_for_its_account() {
    let Some(fresh) = FreshDatabase::shared() else {
        return;
    };
    let recording = Recording::default();
    let store = Arc::new(recording.open(&fresh.uri).await.unwrap());
    let any: Arc<dyn CopyableStore> = store.clone();
    for step in steps_beside_the_account() {
        create(&any, 1).await;
        let mut session = store.client.start_session().await.unwrap();
        session.start_transaction().await.unwrap();
        perform(&store.at, &step, &mut Turn::in_transaction(&mut session))
            .await
            .unwrap();
        let failed = recording.failed.load(Ordering::SeqCst);
        let deleting = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.delete_account(account(1).id).await })
        };
        // Either the deletion collides, or it is over, which it must not be.
        while !deleting.is_finished() && recording.failed.load(Ordering::SeqCst) == failed {
            tokio::task::yield_now().await;
        }
        session.commit_transaction().await.unwrap();
        assert!(deleting.await.unwrap().unwrap().is_some());
        assert_nothing_is_left(&store).await;
    }
}

/// Without transactions: the line of history is written after the account and all that was its own are deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_written_after_the_deletion_of_its_account_is_taken_back() {
    let Some(server) = MongoServer::start(Topology::Standalone, &[]) else {
        return;
    };
    // Every write of a line of history is announced, and held until it is let go.
    let (arrived, arrivals) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let released = Mutex::new(released);
    let hold = move |command: &Document| {
        if command.get("update") == Some(&Bson::from("movie_bag_history")) {
            arrived.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        }
        Verdict::Pass
    };
    let proxy = MongoProxy::start(server.port(), hold, |_| ());
    let uri = format!("mongodb://127.0.0.1:{}/held", proxy.port());
    let held = Arc::new(open(&uri).await.unwrap());
    let direct = open(&format!("{}/held", server.uri())).await.unwrap();
    let direct = Arc::new(direct);
    let any: Arc<dyn CopyableStore> = direct.clone();
    let arrivals = Arc::new(Mutex::new(arrivals));
    // Numbers of `step`: a change of the credential, a queued mail, two attempts, a revocation, a refusal.
    for number in [1, 2, 3, 4, 8, 10] {
        for user in [1, 2] {
            create(&any, user).await;
        }
        queue(&any, &entry(1, 1, 0)).await;
        lease_any(&direct, at(0), lease(1, 15)).await.unwrap();
        let stepping = {
            let held = Arc::clone(&held);
            tokio::spawn(async move { step(&held, number).await.unwrap() })
        };
        let arrivals = Arc::clone(&arrivals);
        let arrival = tokio::task::spawn_blocking(move || arrivals.lock().unwrap().recv());
        arrival.await.unwrap().unwrap();
        for user in [1, 2] {
            direct.delete_account(account(user).id).await.unwrap();
        }
        release.send(()).unwrap();
        stepping.await.unwrap().1.unwrap();
        assert_eq!(
            direct.counts().await.unwrap(),
            Counts::default(),
            "step {number}"
        );
        assert_nothing_is_left(&direct).await;
        direct.at.outbox.delete_many(doc! {}).await.unwrap();
    }
}

/// A server whose transactions isolate nothing: each of their commands takes effect by itself and at once.
fn without_isolation(command: &Document) -> Verdict {
    let name = command.keys().next().map_or("", String::as_str);
    if ["commitTransaction", "abortTransaction"].contains(&name) {
        return Verdict::Answer(doc! { "ok": 1 });
    }
    if !command.contains_key("autocommit") {
        return Verdict::Pass;
    }
    let mut alone = command.clone();
    for option in ["autocommit", "startTransaction", "txnNumber", "readConcern"] {
        alone.remove(option);
    }
    Verdict::Instead(alone)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_holds_also_where_transactions_read_what_others_commit_meanwhile() {
    let Some(server) = MongoServer::start(Topology::ReplicaSet, &[]) else {
        return;
    };
    let proxy = MongoProxy::start(server.port(), without_isolation, |_| ());
    for round in 0..5 {
        let uri = format!(
            "mongodb://127.0.0.1:{}/round{round}?directConnection=true",
            proxy.port()
        );
        let store: Arc<dyn CopyableStore> = Arc::new(open(&uri).await.unwrap());
        of_many_at_once_a_limit_lets_so_many_through_as_it_says(&store).await;
    }
}

/// Whatever the labels, an endless conflict is told for what it is.
#[tokio::test]
async fn a_conflict_without_end_is_a_busy_database_and_not_a_lost_one() {
    let Some(fallible) = Fallible::start(Topology::ReplicaSet).await else {
        return;
    };
    let hurried = MongoSettings {
        timeout: Duration::from_secs(1),
        ..settings(&fallible.uri)
    };
    let store = MongoStore::open(&hurried).await.unwrap();
    for data in [
        doc! { "failCommands": ["update"], "errorCode": 112, "errorLabels": [] },
        doc! { "failCommands": ["update"], "errorCode": 112 },
        doc! { "failCommands": ["commitTransaction"], "errorCode": 251, "errorLabels": [] },
    ] {
        fallible.fail(doc! { "times": 100_000 }, data.clone()).await;
        let recorded = store.record(&event(1, EventKind::ResetRefused, 1)).await;
        fallible.fail_no_more().await;
        let error = recorded.unwrap_err();
        assert!(matches!(error, StoreError::Busy(_)), "{data}: {error}");
        assert!(!error.to_string().contains("reached"), "{error}");
    }
    // A count beside all transactions is tried again, too.
    let data = doc! { "failCommands": ["update"], "errorCode": 112, "errorLabels": [] };
    fallible.fail(doc! { "times": 2 }, data).await;
    let counting = LimitedCall {
        limit: Limit::Login,
        key: LimitKey([1; 32]),
        now: at(0),
    };
    store.count(counting).await.unwrap().unwrap();
}
