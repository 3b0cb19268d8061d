//! Tests of MongoDB alone: interrupted steps, indexes and documents of other programs, failing servers.

mod proxy;
mod races;
mod servers;
mod steps;
mod stored_format;
mod time_limits;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, doc};
use mongodb::event::EventHandler;
use mongodb::event::command::CommandEvent;
use mongodb::{Client, Collection, Database, IndexModel};
use movie_bag_core::domain::event::EventKind;
use movie_bag_core::domain::id::RevocationId;
use movie_bag_core::domain::mail::MailKind;
use movie_bag_core::domain::outbox::{self, Entry};
use movie_bag_core::ports::store::{
    Accounts as _, CopyBatch, CopyableStore, Copying as _, CredentialChange, History as _,
    MovieChange, Movies as _, Outbox as _, Replacement, StatusChange,
};
use movie_bag_testkit::mongodb::{FreshDatabase, MongoServer, Topology};
use tokio::sync::Notify;

use super::*;
use crate::contract::fixtures::{
    account, at, change, create, entry, event, lease, lease_any, movie, pending, queue,
};

fn settings(uri: &str) -> MongoSettings {
    MongoSettings {
        uri: uri.to_owned(),
        shown: "mongodb://shown".to_owned(),
        timeout: Duration::from_secs(20),
    }
}

/// Opens the database at a URI.
pub(crate) async fn open(uri: &str) -> Result<MongoStore, StoreError> {
    MongoStore::open(&settings(uri)).await
}

/// The commands that a store has sent, and the number of failed ones.
#[derive(Clone, Default)]
struct Recording {
    commands: Arc<Mutex<Vec<Document>>>,
    failed: Arc<AtomicUsize>,
    failure: Arc<Notify>,
}

impl Recording {
    /// Opens the database at a URI, and records from the start.
    async fn open(&self, uri: &str) -> Result<MongoStore, StoreError> {
        let recording = self.clone();
        MongoStore::open_with(&settings(uri), |options| {
            options.command_event_handler =
                Some(EventHandler::callback(move |event| recording.take(event)));
        })
        .await
    }

    fn take(&self, event: CommandEvent) {
        match event {
            CommandEvent::Started(event) => self.commands.lock().unwrap().push(event.command),
            CommandEvent::Failed(_) => {
                self.failed.fetch_add(1, Ordering::SeqCst);
                self.failure.notify_one();
            }
            _ => {}
        }
    }

    /// Returns the commands of this name so far, with their positions among all.
    fn sent(&self, name: &str) -> Vec<(usize, Document)> {
        let commands = self.commands.lock().unwrap();
        let named = commands.iter().enumerate();
        named
            .filter(|(_, command)| command.keys().next().is_some_and(|first| first == name))
            .map(|(place, command)| (place, command.clone()))
            .collect()
    }

    fn clear(&self) {
        self.commands.lock().unwrap().clear();
    }
}

fn is_unavailable(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_))
}

/// A server that fails commands on request, and a store on it.
struct FaultyServer {
    server: MongoServer,
    uri: String,
    store: Arc<MongoStore>,
}

impl FaultyServer {
    async fn start(topology: Topology) -> Option<Self> {
        let server = MongoServer::start(topology, &["--enable-test-commands"])?;
        // Polling: after a simulated step-down the server does not report to the driver that it is available again.
        let uri = format!("{}/fallible?serverMonitoringMode=poll", server.uri());
        let store = Arc::new(open(&uri).await.unwrap());
        assert_eq!(
            store.has_transactions,
            topology == Topology::ReplicaSet,
            "the topology is detected"
        );
        Some(Self { server, uri, store })
    }

    /// Makes commands fail: `mode` selects which of them and how many, `data` their names and the failure.
    async fn fail(&self, mode: Document, data: Document) {
        let client = Client::with_uri_str(self.server.uri()).await.unwrap();
        client
            .database("admin")
            .run_command(doc! { "configureFailPoint": "failCommand", "mode": mode, "data": data })
            .await
            .unwrap();
    }

    async fn stop_failing(&self) {
        let client = Client::with_uri_str(self.server.uri()).await.unwrap();
        client
            .database("admin")
            .run_command(doc! { "configureFailPoint": "failCommand", "mode": "off" })
            .await
            .unwrap();
    }

    fn any(&self) -> Arc<dyn CopyableStore> {
        self.store.clone()
    }

    /// Resets the data to two accounts, a movie each, a leased mail, and a disabled account.
    async fn reset(&self) {
        let collections = &self.store.collections;
        for collection in [
            &collections.user,
            &collections.movie,
            &collections.outbox,
            &collections.history,
            &collections.journal,
            &collections.revocations,
            &collections.locks,
        ] {
            collection.delete_many(doc! {}).await.unwrap();
        }
        let store = self.any();
        for number in [1, 2] {
            create(&store, number).await;
            store.create_movie(&movie(number, number)).await.unwrap();
        }
        queue(&store, &entry(1, 1, 0)).await;
        lease_any(&self.store, at(0), lease(1, 15)).await.unwrap();
        create(&store, DISABLED).await;
        let disabled = event(DISABLED, EventKind::Disabled, 0);
        let id = RevocationId::from_bytes([8; 12]);
        let disabled = store.disable_account(account(DISABLED).id, id, &disabled);
        assert_eq!(disabled.await.unwrap(), StatusChange::Done);
    }

    /// Returns the visible data as text, and the lists of movies for MongoEngine.
    async fn snapshot(&self) -> String {
        use futures_util::TryStreamExt as _;
        let store = &self.store;
        let mut snapshot = String::new();
        for number in [1, 2, 3, DISABLED] {
            let id = account(number).id;
            let lists: Vec<Document> = store
                .collections
                .user
                .find(doc! { "_id": documents::object_id(id.as_bytes()) })
                .await
                .unwrap()
                .try_collect()
                .await
                .unwrap();
            let lists: Vec<Bson> = lists
                .iter()
                .map(|user| user.get("movies").unwrap().clone())
                .collect();
            snapshot += &format!(
                "{:?}\n{:?}\n{:?}\n{lists:?}\n",
                store.account(id).await.unwrap(),
                store.entries_of(id).await.unwrap(),
                store.history(id, 100).await.unwrap(),
            );
        }
        snapshot + &format!("{:?}", store.movies(None, 100).await.unwrap())
    }
}

/// Performs the step with this number, one of those that change several documents. Returns the number of its account and the
/// result; `None` after the last step.
async fn step(store: &MongoStore, number: usize) -> Option<(u8, Result<(), StoreError>)> {
    let id = entry(1, 1, 0).id;
    let settled = event(1, EventKind::MailSent, 3);
    let retry = outbox::Outcome::Retry {
        at: at(40),
        error: "451".to_owned(),
    };
    let invitation = Entry {
        kind: MailKind::Invitation,
        ..entry(9, 3, 0)
    };
    Some(match number {
        0 => {
            let made = event(3, EventKind::Created, 0);
            let new = account(3);
            let create = store.create_account(&new, &made, Some(&invitation));
            (3, create.await.map(|_| ()))
        }
        1 => (
            1,
            store
                .replace_credential(&change(1, "second"))
                .await
                .map(|_| ()),
        ),
        2 => {
            let asked = event(2, EventKind::ResetRequested, 1);
            (
                2,
                store
                    .queue_mail(&entry(8, 2, 0), &asked, None)
                    .await
                    .map(|_| ()),
            )
        }
        3 => {
            let settle = store.settle(
                id,
                lease(1, 15).holder,
                &outbox::Outcome::Sent,
                Some(&settled),
            );
            (1, settle.await.map(|_| ()))
        }
        4 => (
            1,
            store
                .settle(id, lease(1, 15).holder, &retry, Some(&settled))
                .await
                .map(|_| ()),
        ),
        5 => (1, store.delete_account(account(1).id).await.map(|_| ())),
        6 => (2, store.create_movie(&movie(7, 2)).await.map(|_| ())),
        7 => (
            2,
            store
                .delete_movie(movie(2, 2).id, account(2).id)
                .await
                .map(|_| ()),
        ),
        8 => {
            let revocation = RevocationId::from_bytes([9; 12]);
            let revoked = event(2, EventKind::AccessRevoked, 1);
            let mail = entry(8, 2, 0);
            let revoke = store.revoke_access(account(2).id, revocation, &revoked, Some(&mail));
            (2, revoke.await.map(|_| ()))
        }
        9 => {
            let change = CredentialChange {
                address: "new@example.com".to_owned(),
                password_hash: account(1).password_hash,
                ..change(1, "unused")
            };
            (1, store.replace_credential(&change).await.map(|_| ()))
        }
        10 => {
            let refused = event(2, EventKind::ResetRefused, 1);
            (2, store.record(&refused).await)
        }
        11 => {
            let id = RevocationId::from_bytes([9; 12]);
            let disabled = event(1, EventKind::Disabled, 1);
            let disable = store.disable_account(account(1).id, id, &disabled);
            (1, disable.await.map(|_| ()))
        }
        12 => {
            let enabled = event(DISABLED, EventKind::Enabled, 1);
            let enable = store.enable_account(account(DISABLED).id, &enabled);
            (DISABLED, enable.await.map(|_| ()))
        }
        _ => return None,
    })
}

/// Number of the account that is disabled.
const DISABLED: u8 = 5;

/// Numbers of the steps that create an account or a movie.
const CREATING: [usize; 2] = [0, 6];
const WRITES: [&str; 3] = ["insert", "update", "delete"];
/// More writes than the longest step has.
const MAX_WRITES: i32 = 8;

/// A failure is either temporary or needs an administrator.
#[tokio::test]
async fn each_server_failure_is_classified() {
    let Some(faulty) = FaultyServer::start(Topology::Standalone).await else {
        return;
    };
    for (data, passes) in [
        (doc! { "errorCode": 11600 }, true),
        (doc! { "errorCode": 10107 }, true),
        (doc! { "errorCode": 50 }, true),
        (doc! { "errorCode": 117 }, true),
        (doc! { "errorCode": 202 }, true),
        (doc! { "errorCode": 276 }, true),
        (doc! { "errorCode": 365 }, true),
        (doc! { "closeConnection": true }, true),
        (doc! { "errorCode": 13 }, false),
        (doc! { "errorCode": 2 }, false),
    ] {
        let mut data = data;
        data.insert("failCommands", ["find", "update"].as_slice());
        faulty.fail(doc! { "times": 2 }, data.clone()).await;
        let read = faulty.store.accounts(None, 10).await;
        faulty.stop_failing().await;
        let error = read.expect_err(&data.to_string());
        assert_eq!(is_unavailable(&error), passes, "{data}: {error}");
    }
    // A write that a majority did not confirm, and one that conflicts, may succeed later.
    for data in [
        doc! { "writeConcernError": { "code": 64, "errmsg": "waiting for replication timed out" } },
        doc! { "writeConcernError": { "code": 91, "errmsg": "shutting down" } },
        doc! { "errorCode": 133 },
    ] {
        let mut data = data;
        data.insert("failCommands", ["update"].as_slice());
        faulty.fail(doc! { "times": 2 }, data.clone()).await;
        let renewed = faulty
            .store
            .renew_lease(entry(1, 1, 0).id, lease(1, 15))
            .await;
        faulty.stop_failing().await;
        let error = renewed.expect_err(&data.to_string());
        assert!(is_unavailable(&error), "{data}: {error}");
    }
    // An insert of several documents wraps the server's code.
    let holder = movie_bag_core::domain::id::LeaseId::from_bytes([1; 12]);
    assert!(faulty.store.begin_copy(holder).await.unwrap());
    for (code, passes) in [(64, true), (8_000, false)] {
        let refused = doc! { "code": code, "errmsg": "not confirmed" };
        let data = doc! { "failCommands": ["insert"], "writeConcernError": refused };
        faulty.fail(doc! { "times": 1 }, data).await;
        let portion = CopyBatch::Accounts(vec![account(7)]);
        let error = faulty
            .store
            .write_batch(holder, &portion)
            .await
            .unwrap_err();
        faulty.stop_failing().await;
        assert_eq!(is_unavailable(&error), passes, "{error}");
        assert!(
            error
                .to_string()
                .contains(&format!("not confirmed (code {code})")),
            "{error}"
        );
        faulty
            .store
            .collections
            .user
            .delete_many(doc! {})
            .await
            .unwrap();
    }
    faulty.store.finish_copy(holder).await.unwrap();
    // For a ping, any error means that the database is unavailable.
    let data = doc! { "failCommands": ["hello"], "errorCode": 13, "appName": "movie-bag" };
    faulty.fail(doc! { "times": 1 }, data).await;
    assert!(is_unavailable(&faulty.store.ping().await.unwrap_err()));
    faulty.store.ping().await.unwrap();
    // A slow server exceeds the time limit. It is shortened only for the slow operation.
    let mut store = open(&faulty.uri).await.unwrap();
    let usual = std::mem::replace(&mut store.connection.timeout, Duration::from_millis(500));
    let data = doc! { "failCommands": ["find"], "blockConnection": true, "blockTimeMS": 3_000 };
    faulty.fail(doc! { "times": 1 }, data).await;
    let error = store.account(account(1).id).await.unwrap_err();
    assert!(
        is_unavailable(&error) && error.to_string().contains("500ms"),
        "{error}"
    );
    faulty.stop_failing().await;
    store.connection.timeout = usual;
    assert_eq!(
        store.account(account(1).id).await.unwrap(),
        None,
        "later operations succeed"
    );
}

async fn plain_database() -> Option<(FreshDatabase, Database)> {
    let fresh = FreshDatabase::shared()?;
    let client = Client::with_uri_str(&fresh.uri).await.unwrap();
    let database = client.default_database().unwrap();
    Some((fresh, database))
}

fn user(email: &str) -> Document {
    doc! { "_id": ObjectId::new(), "email": email, "password": "$2b$04$hash", "movies": [] }
}

#[tokio::test]
async fn indexes_of_other_programs_are_accepted() {
    let Some((fresh, database)) = plain_database().await else {
        return;
    };
    // These are the indexes that MongoEngine creates.
    for (collection, field) in [("user", "email"), ("movie", "name")] {
        // The driver no longer has the option `background`; old databases contain it.
        let index = doc! { "key": { field: 1 }, "name": format!("{field}_1"), "unique": true, "background": false };
        let create = doc! { "createIndexes": collection, "indexes": [index] };
        database.run_command(create).await.unwrap();
    }
    let store = open(&fresh.uri).await.unwrap();
    let names = store
        .collections
        .user
        .driver()
        .list_index_names()
        .await
        .unwrap();
    assert_eq!(names, ["_id_", "email_1", "movie_bag_email_ignoring_case"]);
    // A second start creates nothing.
    open(&fresh.uri).await.unwrap();
    assert_eq!(
        store
            .collections
            .user
            .driver()
            .list_index_names()
            .await
            .unwrap(),
        names
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_starts_create_each_index_once() {
    let Some((fresh, database)) = plain_database().await else {
        return;
    };
    let users = (0..300).map(|number| user(&format!("user{number}@example.com")));
    let collection: Collection<Document> = database.collection("user");
    collection.insert_many(users).await.unwrap();
    let opening: Vec<_> = (0..6)
        .map(|_| {
            let uri = fresh.uri.clone();
            tokio::spawn(async move { open(&uri).await.map(|_| ()) })
        })
        .collect();
    for opened in opening {
        opened.await.unwrap().unwrap();
    }
    assert_eq!(collection.list_index_names().await.unwrap().len(), 3);
}

#[tokio::test]
async fn documents_that_prevent_an_index_are_named_and_stay_unchanged() {
    let Some((fresh, database)) = plain_database().await else {
        return;
    };
    let collection: Collection<Document> = database.collection("user");
    let twice = [
        user("twice@example.com"),
        user("twice@example.com"),
        user("once@example.com"),
    ];
    collection.insert_many(&twice).await.unwrap();
    let error = open(&fresh.uri).await.err().unwrap().to_string();
    assert!(
        error.contains("twice@example.com") && !error.contains("once@example.com"),
        "{error}"
    );
    for document in &twice[..2] {
        let id = document.get_object_id("_id").unwrap().to_hex();
        assert!(error.contains(&id), "{error}");
    }
    assert_eq!(collection.count_documents(doc! {}).await.unwrap(), 3);
}

#[tokio::test]
async fn an_index_that_is_not_unique_is_named() {
    let Some((fresh, database)) = plain_database().await else {
        return;
    };
    let collection: Collection<Document> = database.collection("user");
    let index = IndexModel::builder().keys(doc! { "email": 1 }).build();
    collection.create_index(index).await.unwrap();
    let error = open(&fresh.uri).await.err().unwrap().to_string();
    assert!(
        error.contains("email_1") && error.contains("unique"),
        "{error}"
    );
}

#[tokio::test]
async fn malformed_documents_affect_no_other_documents() {
    let Some((fresh, database)) = plain_database().await else {
        return;
    };
    let users: Collection<Document> = database.collection("user");
    let changed = |email: &str, change: &dyn Fn(&mut Document)| {
        let mut user = user(email);
        change(&mut user);
        user
    };
    let malformed = [
        changed("Ann@example.com", &|user| {
            user.remove("movies");
        }),
        changed("bob@example.com", &|user| {
            user.insert("movies", Bson::Null);
        }),
        changed("cid@example.com", &|user| {
            user.remove("password");
        }),
        changed("dan@example.com", &|user| {
            user.insert("password", Bson::Null);
        }),
        changed("eve@example.com", &|user| {
            user.insert("password", 7);
        }),
        changed("fay@example.com", &|user| {
            user.insert("_id", "a string");
        }),
        changed("gus@example.com", &|user| {
            user.insert("email", 7);
        }),
    ];
    users.insert_many(&malformed).await.unwrap();
    let movies: Collection<Document> = database.collection("movie");
    let owner = malformed[0].get_object_id("_id").unwrap();
    movies
        .insert_many([
            doc! { "name": "no casts", "casts": null, "added_by": owner },
            doc! { "casts": ["a"], "genres": ["b"], "added_by": owner },
            doc! { "name": "without an owner", "casts": ["a"], "genres": ["b"] },
        ])
        .await
        .unwrap();

    let store: Arc<dyn CopyableStore> = Arc::new(open(&fresh.uri).await.unwrap());
    let listed = store.accounts(None, 100).await.unwrap();
    let listed: Vec<&str> = listed
        .iter()
        .map(|account| account.address.as_str())
        .collect();
    assert_eq!(
        listed,
        [
            "Ann@example.com",
            "bob@example.com",
            "cid@example.com",
            "dan@example.com"
        ]
    );
    // The same holds for pages that end with malformed documents.
    let first = store.accounts(None, 3).await.unwrap();
    assert_eq!(store.accounts(Some(first[2].id), 3).await.unwrap().len(), 1);
    let names: Vec<String> = store
        .movies(None, 100)
        .await
        .unwrap()
        .into_iter()
        .map(|movie| movie.name)
        .collect();
    assert_eq!(names, ["no casts"]);
    // The error names the document.
    let eve = malformed[4].get_object_id("_id").unwrap();
    let eve = movie_bag_core::domain::id::AccountId::from_bytes(eve.bytes());
    let error = store.account(eve).await.unwrap_err();
    assert!(
        !is_unavailable(&error) && error.to_string().contains(&eve.to_string()),
        "{error}"
    );
    // A null or missing list is created; a null or missing password is set.
    for (number, name) in [(0, "first"), (1, "second")] {
        let by = malformed[number].get_object_id("_id").unwrap();
        let new = movie_bag_core::domain::movie::Movie {
            name: name.to_owned(),
            added_by: movie_bag_core::domain::id::AccountId::from_bytes(by.bytes()),
            ..movie(number as u8 + 1, 1)
        };
        store.create_movie(&new).await.unwrap();
        let listed = users.find_one(doc! { "_id": by }).await.unwrap().unwrap();
        assert_eq!(listed.get_array("movies").unwrap().len(), 1);
    }
    for number in [2, 3] {
        let id = malformed[number].get_object_id("_id").unwrap();
        let id = movie_bag_core::domain::id::AccountId::from_bytes(id.bytes());
        let mut set = change(1, "second");
        set.expected = store.account(id).await.unwrap().unwrap();
        set.address = set.expected.address.clone();
        set.mails[0].account = id;
        set.mails[0].id = movie_bag_core::domain::id::EntryId::from_bytes([100 + number as u8; 12]);
        set.event.account = id;
        let replaced = store.replace_credential(&set).await.unwrap();
        assert_eq!(replaced, Replacement::Replaced);
    }
}

#[test]
fn the_error_for_a_malformed_uri_contains_no_secret() {
    for uri in [
        "mongodb://quux:pa/ss@localhost:27017/movies",
        "mongodb://quux:pa@ss@localhost/movies",
        "mongodb://quux:pa:ss@localhost/movies",
        "mongodb://quux:pass%zz@localhost/movies",
        "mongodb://quux:pass@localhost:port/movies",
        "mongodb://quux:pass@localhost/movies?w=majority&wtimeoutMS=soon",
        "mongodb://quux:pass@",
        "mongodb://quux:pass%40localhost:27017/movies",
        "mongodb://quux:pass/localhost:27017/movies",
        "mongodb://quux:pa?ss@localhost:27017/movies",
        "mongodb://quux:pass",
        "mongodb+srv://quux:pass%40cluster.example",
    ] {
        let error = check_uri(uri).unwrap_err();
        for secret in [
            "quux", "pa/", "pa@", "pa:", "pa?", "pass@", "pass%", "pass/", "ss@", "zz",
        ] {
            assert!(!error.contains(secret), "{error}");
        }
    }
    for uri in [
        "mongodb://localhost",
        "mongodb://quux:pa%2Fss@one.example,two.example:27018/movies?replicaSet=rs0&tls=true",
        "mongodb+srv://quux:pass@cluster.example/movies",
    ] {
        check_uri(uri).unwrap();
    }
}
