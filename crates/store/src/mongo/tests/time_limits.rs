//! Time limits that are sent with commands.

use movie_bag_core::domain::id::RevocationId;
use movie_bag_core::domain::limit::{Limit, LimitKey};
use movie_bag_core::ports::store::{LimitedCall, Limits as _};

use super::super::timed_collection::limit_between;
use super::*;

/// Commands without a time limit of their own. The server counts `getMore` toward the limit of its cursor.
const WITHOUT_LIMIT: [&str; 4] = ["getMore", "killCursors", "endSessions", "hello"];

#[tokio::test]
async fn every_command_to_a_standalone_server_carries_its_time_limit() {
    let Some(server) = MongoServer::start(Topology::Standalone, &[]) else {
        return;
    };
    let recording = Recording::default();
    let uri = format!("{}/limited", server.uri());
    let store = Arc::new(recording.open(&uri).await.unwrap());
    let any: Arc<dyn CopyableStore> = store.clone();
    recording.clear();

    let counting = LimitedCall {
        limit: Limit::Login,
        key: LimitKey([1; 32]),
        now: at(0),
    };
    for _ in 0..2 {
        store.count(counting).await.unwrap().unwrap();
    }
    assert_eq!(
        store
            .limit_state(counting.key)
            .await
            .unwrap()
            .unwrap()
            .count,
        2
    );
    store.clear_limit(counting.key).await.unwrap();

    for number in [1, 2] {
        create(&any, number).await;
        store.create_movie(&movie(number, number)).await.unwrap();
    }
    store.movies(None, 10).await.unwrap();
    let renamed = movie_bag_core::domain::movie::MovieChanges {
        name: Some("renamed".to_owned()),
        ..Default::default()
    };
    let changed = store.change_movie(movie(1, 1).id, account(1).id, &renamed);
    assert_eq!(changed.await.unwrap(), MovieChange::Done);
    let deleted = store.delete_movie(movie(1, 1).id, account(1).id);
    assert_eq!(deleted.await.unwrap(), MovieChange::Done);

    queue(&any, &entry(1, 1, 0)).await;
    let held = lease(1, 15);
    let leased = lease_any(&store, at(0), held).await.unwrap().unwrap();
    assert!(store.renew_lease(leased.id, held).await.unwrap());
    assert!(store.release_entry(&leased, Some("451")).await.unwrap());
    let leased = lease_any(&store, at(1), held).await.unwrap().unwrap();
    let sent = event(1, EventKind::MailSent, 3);
    let settled = store.settle(leased.id, held.holder, &outbox::Outcome::Sent, Some(&sent));
    assert!(settled.await.unwrap());
    store.next_due().await.unwrap();
    store.outbox_state().await.unwrap();

    let revocation = RevocationId::from_bytes([9; 12]);
    let revoked = event(2, EventKind::AccessRevoked, 1);
    let mail = entry(8, 2, 0);
    let is_revoked = store.revoke_access(account(2).id, revocation, &revoked, Some(&mail));
    assert!(is_revoked.await.unwrap());
    let second = change(1, "second");
    let replaced = store.replace_credential(&second);
    assert_eq!(replaced.await.unwrap(), Replacement::Replaced);

    store.account(account(1).id).await.unwrap().unwrap();
    crate::contract::fixtures::by_address(&any, &account(1).address).await;
    store.accounts(None, 10).await.unwrap();
    store.entries(None, 10).await.unwrap();
    store.history(account(1).id, 10).await.unwrap();
    store.delete_events_before(at(100)).await.unwrap();
    store
        .deletion_preview(account(1).id)
        .await
        .unwrap()
        .unwrap();
    store.delete_account(account(1).id).await.unwrap().unwrap();
    store.counts().await.unwrap();

    let commands = recording.commands.lock().unwrap().clone();
    let name_of = |command: &Document| command.keys().next().unwrap().clone();
    for expected in ["find", "aggregate", "insert", "update", "delete"] {
        assert!(commands.iter().any(|command| name_of(command) == expected));
    }
    for command in &commands {
        if WITHOUT_LIMIT.contains(&name_of(command).as_str()) {
            continue;
        }
        let limit = match command.get("maxTimeMS") {
            Some(Bson::Int32(limit)) => i64::from(*limit),
            Some(Bson::Int64(limit)) => *limit,
            _ => panic!("no time limit in {command}"),
        };
        let timeout = settings("").timeout.as_millis();
        assert!(limit > 0 && limit as u128 <= timeout, "{command}");
        if WRITES.contains(&name_of(command).as_str()) {
            let concern = command.get_document("writeConcern").unwrap();
            assert_eq!(concern.get("w"), Some(&Bson::from("majority")), "{command}");
        }
    }
}

/// The fail point makes the server end every operation that has a time limit, and no other.
#[tokio::test]
async fn a_write_that_exceeds_its_time_limit_is_not_performed() {
    let Some(faulty) = FaultyServer::start(Topology::Standalone).await else {
        return;
    };
    faulty.reset().await;
    let store = &faulty.store;
    let client = Client::with_uri_str(faulty.server.uri()).await.unwrap();
    let admin = client.database("admin");
    let expire = doc! { "configureFailPoint": "maxTimeAlwaysTimeOut", "mode": "alwaysOn" };
    admin.run_command(expire).await.unwrap();
    let held = lease(1, 15);
    let later = lease(1, 99);
    let refused = event(1, EventKind::ResetRefused, 1);
    let key = LimitKey([1; 32]);
    for error in [
        store.record(&refused).await.unwrap_err(),
        store
            .renew_lease(entry(1, 1, 0).id, later)
            .await
            .unwrap_err(),
        store.clear_limit(key).await.unwrap_err(),
        store.account(account(1).id).await.unwrap_err(),
    ] {
        assert!(is_unavailable(&error), "{error}");
        let text = error.to_string();
        assert!(text.contains("(code 50)") && text.contains("20s"), "{text}");
    }
    let expire_no_more = doc! { "configureFailPoint": "maxTimeAlwaysTimeOut", "mode": "off" };
    admin.run_command(expire_no_more).await.unwrap();
    assert_eq!(
        store
            .collections
            .journal
            .count_documents(doc! {})
            .await
            .unwrap(),
        0
    );
    let history = store.history(account(1).id, 100).await.unwrap();
    assert!(
        history
            .iter()
            .all(|event| event.kind != EventKind::ResetRefused)
    );
    let entries = store.entries_of(account(1).id).await.unwrap();
    assert_eq!(entries[0].lease, Some(held));
}

#[test]
fn a_time_limit_is_the_remaining_time_and_never_zero() {
    let now = tokio::time::Instant::now();
    let after = |time| limit_between(now, now + time);
    assert_eq!(after(Duration::from_millis(1_999)).as_millis(), 1_999);
    // To the server, 0 means "no limit".
    for none_left in [Duration::ZERO, Duration::from_micros(999)] {
        assert_eq!(after(none_left), Duration::from_millis(1));
    }
    assert_eq!(
        limit_between(now + Duration::from_secs(1), now).as_millis(),
        1
    );
    let most = Duration::from_millis(i32::MAX.unsigned_abs().into());
    assert_eq!(after(Duration::from_secs(1 << 40)), most);
}
