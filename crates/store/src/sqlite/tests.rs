//! Tests of SQLite alone: files that several processes use, locks, modes, migrations.

use std::error::Error as _;
use std::sync::Arc;

use rusqlite::Connection;

use super::*;
use crate::contract::fixtures::{at, create, entry, lease, queue};
use movie_bag_core::domain::outbox::Round;
use movie_bag_core::ports::store::CopyableStore;

#[tokio::test]
async fn several_processes_can_use_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.sqlite3");
    let opening: Vec<_> = (0..4)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || SqliteStore::open(&path).unwrap())
        })
        .collect();
    let stores: Vec<Arc<dyn CopyableStore>> = opening
        .into_iter()
        .map(|store| Arc::new(store.join().unwrap()) as Arc<dyn CopyableStore>)
        .collect();
    for (number, store) in (0u8..40).zip(stores.iter().cycle()) {
        create(store, number).await;
    }
    assert_eq!(stores[0].accounts(None, 100).await.unwrap().len(), 40);
}

#[tokio::test]
async fn many_entries_are_leased_in_one_step_and_an_unreadable_one_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.sqlite3");
    let store: Arc<dyn CopyableStore> = Arc::new(SqliteStore::open(&path).unwrap());
    create(&store, 1).await;
    for id in 1..=3 {
        queue(&store, &entry(id, 1, 0)).await;
    }
    let other = Connection::open(&path).unwrap();
    let broken = "UPDATE outbox SET requested_at = 9000000000000000000 WHERE id = ?";
    let first = entry(1, 1, 0).id;
    other.execute(broken, [first.as_bytes()]).unwrap();
    let leased = store.lease_due(Round::First, at(1), lease(7, 16), 3);
    let leased: Vec<_> = leased.await.unwrap().iter().map(|entry| entry.id).collect();
    assert_eq!(leased, [entry(2, 1, 0).id, entry(3, 1, 0).id]);
    let state = other.query_row(
        "SELECT state, last_error, lease_holder IS NULL FROM outbox WHERE id = ?",
        [first.as_bytes()],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    );
    let (state, error, is_free): (String, String, bool) = state.unwrap();
    assert!(
        state == "dead" && is_free && !error.is_empty(),
        "{state}: {error}"
    );
}

#[tokio::test]
async fn a_step_waits_for_a_locked_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("locked.sqlite3");
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting = {
        let store: Arc<dyn CopyableStore> = store.clone();
        tokio::spawn(async move { create(&store, 1).await })
    };
    // This runs the task until it has queued its step. Then the writing thread takes the step, and can only wait.
    tokio::task::yield_now().await;
    while store.writer.queued() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    other.execute_batch("COMMIT").unwrap();
    waiting.await.unwrap();
    let connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    let limit: i64 = connection
        .pragma_query_value(None, "busy_timeout", |row| row.get(0))
        .unwrap();
    assert_eq!(i128::from(limit), BUSY_TIMEOUT.as_millis() as i128);
}

#[tokio::test]
async fn steps_that_wait_for_a_lock_share_one_time_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("locked.sqlite3");
    let store: Arc<dyn CopyableStore> = Arc::new(SqliteStore::open(&path).unwrap());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let event =
        crate::contract::fixtures::event(1, movie_bag_core::domain::event::EventKind::Created, 0);
    let steps = futures_util::future::join_all((0..4).map(|_| store.record(&event))).await;
    // One error of SQLite for all of them shows that the thread has waited once.
    let causes: Vec<_> = steps
        .iter()
        .map(|step| match step {
            Err(StoreError::Unavailable(detail)) => {
                std::ptr::from_ref(detail.source().unwrap()).cast::<()>()
            }
            step => panic!("{step:?}"),
        })
        .collect();
    assert!(causes.iter().all(|cause| *cause == causes[0]), "{causes:?}");
    other.execute_batch("COMMIT").unwrap();
    create(&store, 1).await;
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
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
fn files_of_other_programs_stay_unchanged() {
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
        "this is no database, and long enough to be read as the header of one ".repeat(10),
    )
    .unwrap();
    let journal = |path: &std::path::Path| -> String {
        let connection = Connection::open(path).unwrap();
        connection
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .unwrap()
    };
    let before = journal(&foreign);
    assert!(SqliteStore::open(&foreign).is_err());
    assert_eq!(
        journal(&foreign),
        before,
        "even the journal mode is unchanged"
    );
    for (path, said) in [
        (newer, "newer movie-bag"),
        (foreign, "another program"),
        (text, "not an SQLite database"),
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

#[tokio::test]
async fn a_database_with_an_older_schema_is_migrated_with_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.sqlite3");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(include_str!("migrations/0001_initial.sql"))
        .unwrap();
    old.execute_batch(
        "PRAGMA application_id = 0x6d626167; PRAGMA user_version = 1;
         INSERT INTO account VALUES (x'010101010101010101010101', 'ann@example.com', '$2b$04$hash')",
    )
    .unwrap();
    drop(old);
    let store: Arc<dyn CopyableStore> = Arc::new(SqliteStore::open(&path).unwrap());
    assert_eq!(store.accounts(None, 10).await.unwrap().len(), 1);
    assert!(!store.is_copy_unfinished().await.unwrap());
}

/// Databases contain the text of their tables, comments included, and `check` compares it.
#[test]
fn a_released_migration_never_changes() {
    use sha2::{Digest as _, Sha256};
    let digests = schema::MIGRATIONS
        .iter()
        .map(|migration| movie_bag_testkit::hex(&Sha256::digest(migration)));
    let released = [
        "15515d8a2c66da1d13e935cbbbe46ea6d0ef55a6e13564182a13baa0c246d83e",
        "3c08940c84e99291de225603fc5341f1c10a8f1fed930b7da4b2579ca54e3203",
        "e44432f4d990f73115ffc9829fd4f291cef337cae9150b977507681fb9b60219",
        "5c46a9b8370fd904d2c7a65e30548c70e7bcc7264b290752e74c380148e17387",
        "62978dbd51b1354462f1a081693f4f6722dc56c7e225d83056ceae2256409232",
        "e4595a4402ba131baae1b3c1c920bb0c071ae9cb61300d30d4b7870e7e2d1ec1",
        "bd7996a35f5b16402969d5b77187c8d00ec3bebfea55529c0112abfc32a78789",
    ];
    assert_eq!(digests.take(released.len()).collect::<Vec<_>>(), released);
}
