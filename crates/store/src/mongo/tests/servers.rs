//! Commands that a store sends, and errors about servers that cannot be used.

use movie_bag_core::domain::limit::{Limit, LimitKey};
use movie_bag_core::domain::outbox::Round;
use movie_bag_core::ports::store::{LimitedCall, Limits as _};

use super::proxy::{MongoProxy, Verdict};
use super::*;
use crate::contract::accounts::{
    an_account_is_found_by_its_id_and_every_spelling_of_its_address,
    an_exact_spelling_wins_and_an_ambiguous_one_finds_no_account,
};

/// Returns the error of a store for a server whose reply to `hello` is changed by `change`.
async fn refusal(
    server: &MongoServer,
    options: &str,
    change: impl Fn(&mut Document) + Send + Sync + 'static,
) -> String {
    let on_reply = move |reply: &mut Document| {
        if reply.contains_key("maxWireVersion") {
            // The driver would connect to the members that the reply lists, past the proxy.
            for field in ["hosts", "me", "primary"] {
                reply.remove(field);
            }
            change(reply);
        }
    };
    let proxy = MongoProxy::start(server.port(), |_| Verdict::Pass, on_reply);
    let uri = format!(
        "mongodb://127.0.0.1:{}/named?serverMonitoringMode=poll{options}",
        proxy.port()
    );
    let hurried = MongoSettings {
        timeout: Duration::from_secs(3),
        ..settings(&uri)
    };
    let opened = MongoStore::open(&hurried).await;
    match opened {
        Err(error) => error.to_string(),
        Ok(store) => format!(
            "opened {options}, with transactions: {}",
            store.has_transactions
        ),
    }
}

fn not_initiated(hello: &mut Document) {
    // This is the answer of mongod when it was started with --replSet alone.
    for (field, value) in [
        ("ismaster", false),
        ("isWritablePrimary", false),
        ("secondary", false),
    ] {
        if hello.contains_key(field) {
            hello.insert(field, value);
        }
    }
    for field in ["setName", "setVersion", "electionId"] {
        hello.remove(field);
    }
    hello.insert("isreplicaset", true);
    hello.insert("info", "Does not have a valid replica set config");
}

#[tokio::test]
async fn an_unusable_server_is_named_with_the_reason() {
    let Some(set) = MongoServer::start(Topology::ReplicaSet, &[]) else {
        return;
    };
    let Some(alone) = MongoServer::start(Topology::Standalone, &[]) else {
        return;
    };
    for options in ["", "&directConnection=true", "&replicaSet=rs0"] {
        let said = refusal(&set, options, not_initiated).await;
        assert!(said.contains("rs.initiate()"), "{options}: {said}");
        assert!(!said.contains("does not answer"), "{options}: {said}");
    }
    for options in ["", "&directConnection=true"] {
        let said = refusal(&set, options, |hello| {
            hello.insert("maxWireVersion", 8);
        });
        let said = said.await;
        assert!(said.contains("older than MongoDB 4.4"), "{options}: {said}");
    }
    let said = refusal(&set, "&replicaSet=other", |_| ()).await;
    assert!(
        said.contains("replicaSet=other") && said.contains("member of the replica set"),
        "{said}"
    );
    let said = refusal(&alone, "&replicaSet=rs0", |_| ()).await;
    assert!(
        said.contains("replicaSet=rs0") && said.contains("not a member of a replica set"),
        "{said}"
    );
}

fn has_collation(command: &Document) -> bool {
    let indexes = command.get_array("indexes").into_iter().flatten();
    let mut indexes = indexes.filter_map(Bson::as_document);
    command.contains_key("collation") || indexes.any(|index| index.contains_key("collation"))
}

/// A server may reject a collation, as FerretDB does, or ignore it.
#[tokio::test]
async fn a_server_without_collations_finds_every_spelling() {
    let Some(server) = MongoServer::start(Topology::ReplicaSet, &[]) else {
        return;
    };
    let refuse = |command: &Document| {
        if has_collation(command) {
            return Verdict::Answer(
                doc! { "ok": 0, "code": 238, "codeName": "NotImplemented", "errmsg": "support for field \"collation\" is not implemented yet" },
            );
        }
        Verdict::Pass
    };
    let ignore = |command: &Document| {
        let mut without = command.clone();
        without.remove("collation");
        if let Ok(indexes) = without.get_array_mut("indexes") {
            for index in indexes {
                index.as_document_mut().unwrap().remove("collation");
            }
        }
        if has_collation(command) {
            Verdict::Instead(without)
        } else {
            Verdict::Pass
        }
    };
    let proxies = [
        MongoProxy::start(server.port(), refuse, |_| ()),
        MongoProxy::start(server.port(), ignore, |_| ()),
    ];
    for (number, proxy) in proxies.iter().enumerate() {
        for name in ["spelling", "ambiguous"] {
            let uri = format!(
                "mongodb://127.0.0.1:{}/{name}{number}?directConnection=true",
                proxy.port()
            );
            let store = open(&uri).await.unwrap();
            assert!(!store.has_collations.load(Ordering::Relaxed));
            let store: Arc<dyn CopyableStore> = Arc::new(store);
            match name {
                "spelling" => {
                    an_account_is_found_by_its_id_and_every_spelling_of_its_address(&store).await;
                }
                _ => an_exact_spelling_wins_and_an_ambiguous_one_finds_no_account(&store).await,
            }
            // A second start, on the existing indexes.
            open(&uri).await.unwrap();
        }
    }
    // Punctuation in an address has no meaning in the pattern.
    let uri = format!(
        "mongodb://127.0.0.1:{}/marks?directConnection=true",
        proxies[0].port()
    );
    let store: Arc<dyn CopyableStore> = Arc::new(open(&uri).await.unwrap());
    let dotted = movie_bag_core::domain::account::Account {
        address: "A.b+c@example.com".to_owned(),
        ..account(1)
    };
    let made = event(1, EventKind::Created, 0);
    store.create_account(&dotted, &made, None).await.unwrap();
    let by_address = crate::contract::fixtures::by_address;
    assert_eq!(
        by_address(&store, "a.b+c@example.com").await,
        Some(dotted.id)
    );
    assert_eq!(by_address(&store, "axb+c@example.com").await, None);
}

#[tokio::test]
async fn collections_and_indexes_exist_before_the_schema_document() {
    for topology in [Topology::ReplicaSet, Topology::Standalone] {
        let Some(server) = MongoServer::start(topology, &[]) else {
            return;
        };
        let recording = Recording::default();
        let store = recording
            .open(&format!("{}/sent", server.uri()))
            .await
            .unwrap();
        let created = recording.sent("create");
        let indexed = recording.sent("createIndexes");
        let updated = recording.sent("update");
        assert_eq!(updated.len(), 1, "{updated:?}");
        assert_eq!(
            updated[0].1.get("update"),
            Some(&Bson::from("movie_bag_meta"))
        );
        let names: Vec<&str> = created
            .iter()
            .map(|(_, command)| command.get_str("create").unwrap())
            .collect();
        for collection in store.collections.all() {
            assert!(names.contains(&collection.driver().name()), "{names:?}");
        }
        let (last_created, first_indexed) = (created.last().unwrap().0, indexed[0].0);
        assert!(last_created < first_indexed && indexed.last().unwrap().0 < updated[0].0);
        // A build waits for a majority and not for members that are down. A standalone server has no quorum.
        for (_, command) in &indexed {
            let quorum = command.get_str("commitQuorum").ok();
            let expected = (topology == Topology::ReplicaSet).then_some("majority");
            assert_eq!(quorum, expected, "{command}");
        }
        // A counted call survives a failover.
        recording.clear();
        let counting = LimitedCall {
            limit: Limit::Login,
            key: LimitKey([1; 32]),
            now: at(0),
        };
        store.count(counting).await.unwrap().unwrap();
        let (_, counted) = recording.sent("update").remove(0);
        assert_eq!(
            counted.get("update"),
            Some(&Bson::from("movie_bag_tallies"))
        );
        let concern = counted.get_document("writeConcern").unwrap();
        assert_eq!(concern.get("w"), Some(&Bson::from("majority")), "{counted}");
    }
}

/// On a server without the option `commitQuorum`, indexes are built without it.
#[tokio::test]
async fn a_server_without_a_commit_quorum_builds_its_indexes() {
    let Some(server) = MongoServer::start(Topology::ReplicaSet, &[]) else {
        return;
    };
    let refuse = |command: &Document| {
        if command.contains_key("commitQuorum") {
            return Verdict::Answer(
                doc! { "ok": 0, "code": 40_415, "errmsg": "BSON field 'createIndexes.commitQuorum' is an unknown field." },
            );
        }
        Verdict::Pass
    };
    let proxy = MongoProxy::start(server.port(), refuse, |_| ());
    let uri = format!(
        "mongodb://127.0.0.1:{}/quorum?directConnection=true",
        proxy.port()
    );
    let store = open(&uri).await.unwrap();
    assert!(store.has_collations.load(Ordering::Relaxed));
    assert!(store.check_indexes().await.unwrap().1.is_empty());
}

/// Leases whose commit a majority did not confirm in time take effect nevertheless: the worker must see them.
#[tokio::test]
async fn leases_of_an_unconfirmed_commit_are_read_from_the_primary() {
    let Some(faulty) = FaultyServer::start(Topology::ReplicaSet).await else {
        return;
    };
    let recording = Recording::default();
    let store = Arc::new(recording.open(&faulty.uri).await.unwrap());
    let any: Arc<dyn CopyableStore> = store.clone();
    create(&any, 1).await;
    let unconfirmed = doc! { "failCommands": ["commitTransaction"], "writeConcernError": { "code": 64, "errmsg": "waiting for replication timed out" } };
    for number in [1, 2] {
        queue(&any, &entry(number, 1, 0)).await;
        recording.clear();
        faulty.fail(doc! { "times": 1 }, unconfirmed.clone()).await;
        // Both forms of leasing are tested.
        let careful = if number == 1 { 0 } else { 1 };
        store.careful_leases.store(careful, Ordering::Relaxed);
        let leased = store.lease_due(Round::First, at(1), lease(7, 16), 5);
        let leased: Vec<_> = leased.await.unwrap().iter().map(|entry| entry.id).collect();
        faulty.stop_failing().await;
        assert_eq!(leased, [entry(number, 1, 0).id]);
        let reads = recording.sent("find");
        let outbox = reads
            .iter()
            .map(|(_, command)| command)
            .filter(|command| command.get("find") == Some(&Bson::from("movie_bag_outbox")));
        for read in outbox {
            let concern = read.get_document("readConcern").unwrap();
            assert_eq!(concern.get("level"), Some(&Bson::from("local")), "{read}");
        }
    }
}

#[tokio::test]
async fn a_closed_store_has_ended_its_connections() {
    let Some(fresh) = FreshDatabase::shared() else {
        return;
    };
    let store = open(&fresh.uri).await.unwrap();
    store.ping().await.unwrap();
    store.close().await;
    assert!(is_unavailable(&store.ping().await.unwrap_err()));
}
