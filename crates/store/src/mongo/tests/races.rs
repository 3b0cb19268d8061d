//! Steps that run concurrently with others.

use std::sync::mpsc;

use movie_bag_core::domain::limit::{Limit, LimitKey};
use movie_bag_core::ports::store::{Copying as _, Counts, LimitedCall, Limits as _};

use super::super::documents::{EntryDocument, EventDocument, object_id};
use super::super::execution::Execution;
use super::super::steps::Step;
use super::super::steps::perform::perform;
use super::proxy::{MongoProxy, Verdict};
use super::*;
use crate::contract::limits::concurrent_calls_do_not_exceed_a_limit;

/// Returns steps that write for an account and do not change the account itself.
fn steps_for_an_account() -> [Step; 3] {
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
            mail: Some(mail),
        },
    ]
}

async fn assert_empty(store: &MongoStore) {
    assert_eq!(store.counts().await.unwrap(), Counts::default());
    let revocations = store.collections.revocations.count_documents(doc! {});
    assert_eq!(revocations.await.unwrap(), 0);
}

/// A transaction that writes for an account is open while the account is deleted, and commits afterwards. The deletion
/// includes what it wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_includes_what_open_transactions_write_for_its_account() {
    let Some(fresh) = FreshDatabase::shared() else {
        return;
    };
    let recording = Recording::default();
    let store = Arc::new(recording.open(&fresh.uri).await.unwrap());
    let any: Arc<dyn CopyableStore> = store.clone();
    for step in steps_for_an_account() {
        create(&any, 1).await;
        let mut session = store.client.start_session().await.unwrap();
        session.start_transaction().await.unwrap();
        let mut execution = Execution::in_transaction(&store.collections, &mut session);
        perform(&step, &mut execution).await.unwrap();
        let failed = recording.failed.load(Ordering::SeqCst);
        let deleting = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.delete_account(account(1).id).await })
        };
        // Either the deletion conflicts, or it has ended, which would be an error.
        while !deleting.is_finished() && recording.failed.load(Ordering::SeqCst) == failed {
            tokio::task::yield_now().await;
        }
        session.commit_transaction().await.unwrap();
        assert!(deleting.await.unwrap().unwrap().is_some());
        assert_empty(&store).await;
    }
}

/// Without transactions: the history line is written after the account and its data were deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_written_after_the_deletion_of_its_account_is_deleted() {
    let Some(server) = MongoServer::start(Topology::Standalone, &[]) else {
        return;
    };
    // Each write of a history line is reported and held until the test releases it.
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
    // Numbers of steps: a change of the credential, a queued mail, two attempts, a revocation, a refusal.
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
        assert_empty(&direct).await;
        direct
            .collections
            .outbox
            .delete_many(doc! {})
            .await
            .unwrap();
    }
}

/// Simulates a server without isolation: each command of a transaction takes effect separately and at once.
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
async fn a_limit_holds_without_transaction_isolation() {
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
        concurrent_calls_do_not_exceed_a_limit(&store).await;
    }
}

/// The report does not depend on the labels of the error.
#[tokio::test]
async fn an_endless_conflict_is_reported_as_a_busy_database() {
    let Some(faulty) = FaultyServer::start(Topology::ReplicaSet).await else {
        return;
    };
    let mut store = open(&faulty.uri).await.unwrap();
    let usual = std::mem::replace(&mut store.connection.timeout, Duration::from_secs(1));
    for data in [
        doc! { "failCommands": ["update"], "errorCode": 112, "errorLabels": [] },
        doc! { "failCommands": ["update"], "errorCode": 112 },
        doc! { "failCommands": ["commitTransaction"], "errorCode": 251, "errorLabels": [] },
    ] {
        faulty.fail(doc! { "times": 100_000 }, data.clone()).await;
        let recorded = store.record(&event(1, EventKind::ResetRefused, 1)).await;
        faulty.stop_failing().await;
        let error = recorded.unwrap_err();
        assert!(matches!(error, StoreError::Busy(_)), "{data}: {error}");
        assert!(!error.to_string().contains("reached"), "{error}");
    }
    store.connection.timeout = usual;
    // A count outside of transactions is retried, too.
    let data = doc! { "failCommands": ["update"], "errorCode": 112, "errorLabels": [] };
    faulty.fail(doc! { "times": 2 }, data).await;
    let counting = LimitedCall {
        limit: Limit::Login,
        key: LimitKey([1; 32]),
        now: at(0),
    };
    store.count(counting).await.unwrap().unwrap();
}
