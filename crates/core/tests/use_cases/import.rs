//! Import of accounts: single records, and records that are imported concurrently.

use futures_util::future::join_all;
use movie_bag_core::app::{AppError, Import, ImportOptions, ImportOutcome, NewCredential, Record};
use movie_bag_core::domain::account::Account;
use movie_bag_core::domain::password::{PasswordHash, PasswordInput};

use crate::fixture::{ANN, Fixture, NEW_PASSWORD, PASSWORD, terminal};

const BOB: &str = "bob@example.com";

fn hash_password(password: &str) -> PasswordHash {
    PasswordHash::parse_foreign(&bcrypt::hash(password, 4).unwrap()).unwrap()
}

fn record_with_hash(email: &str, hash: &PasswordHash) -> Record {
    Record {
        email: email.to_owned(),
        credential: NewCredential::Hash(hash.clone()),
    }
}

fn record_with_password(email: &str, password: &str) -> Record {
    Record {
        email: email.to_owned(),
        credential: NewCredential::Password(PasswordInput::new(password)),
    }
}

fn import(fixture: &Fixture, update: bool, dry_run: bool) -> Import {
    fixture.app.import(ImportOptions {
        update,
        dry_run,
        origin: terminal(),
    })
}

async fn stored(fixture: &Fixture, email: &str) -> Option<Account> {
    let details = fixture.app.account_details(email, 0).await;
    details.ok().map(|details| details.account)
}

#[tokio::test]
async fn a_new_account_is_created_and_an_existing_one_is_unchanged() {
    let fixture = Fixture::fresh().await;
    let import = import(&fixture, false, false);
    let hash = hash_password(NEW_PASSWORD);
    let take = |record| import.take(record);
    assert_eq!(
        take(record_with_hash(BOB, &hash)).await.unwrap(),
        ImportOutcome::Created
    );
    assert_eq!(stored(&fixture, BOB).await.unwrap().password_hash, hash);
    for record in [
        record_with_hash(ANN, &hash),
        record_with_hash("Ann@Example.COM ", &hash),
        record_with_password(ANN, NEW_PASSWORD),
        // No password is set, so the policy does not apply.
        record_with_password(ANN, "short"),
        record_with_hash(BOB, &hash),
    ] {
        assert_eq!(take(record).await.unwrap(), ImportOutcome::Unchanged);
    }
    assert!(fixture.log_in(PASSWORD).await);
    assert_eq!(fixture.history().await, ["created"]);
    assert!(fixture.entries().await.is_empty());
    let history = fixture.app.account_details(BOB, 10).await.unwrap().history;
    assert_eq!(history[0].detail, "imported");
    for (record, is_email) in [
        (record_with_hash("nonsense", &hash), true),
        (record_with_password("cid@example.com", "short"), false),
    ] {
        match take(record).await.unwrap_err() {
            AppError::InvalidEmail { .. } => assert!(is_email),
            AppError::WeakPassword(_) => assert!(!is_email),
            error => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn an_update_replaces_the_credential_and_voids_links_and_sessions() {
    let fixture = Fixture::fresh().await;
    fixture.request_reset().await;
    let entries = fixture.entries().await;
    let import = import(&fixture, true, false);
    let hash = hash_password(NEW_PASSWORD);
    // A credential that fits already is unchanged, also for a password that the policy refuses today.
    let take = |record| import.take(record);
    let before = stored(&fixture, ANN).await.unwrap();
    assert_eq!(
        take(record_with_password(ANN, PASSWORD)).await.unwrap(),
        ImportOutcome::Unchanged
    );
    assert_eq!(
        take(record_with_hash(ANN, &before.password_hash))
            .await
            .unwrap(),
        ImportOutcome::Unchanged
    );
    assert!(matches!(
        take(record_with_password(ANN, "short")).await,
        Err(AppError::WeakPassword(_))
    ));
    assert_eq!(stored(&fixture, ANN).await.unwrap(), before);
    assert_eq!(
        take(record_with_hash(ANN, &hash)).await.unwrap(),
        ImportOutcome::Updated
    );
    assert!(fixture.log_in(NEW_PASSWORD).await && !fixture.log_in(PASSWORD).await);
    assert_eq!(fixture.history().await[0], "password_set imported");
    // No mail is sent: neither the earlier reset link nor a notice of the import.
    assert_eq!(fixture.entries().await.len(), entries.len());
    while fixture.deliver_next().await.is_some() {}
    assert!(fixture.server.accepted().is_empty());
    assert_eq!(
        take(record_with_password(ANN, PASSWORD)).await.unwrap(),
        ImportOutcome::Updated
    );
    assert!(fixture.log_in(PASSWORD).await);
    // The stored spelling of the address is kept.
    assert_eq!(
        take(record_with_hash("ANN@example.com", &hash))
            .await
            .unwrap(),
        ImportOutcome::Updated
    );
    assert_eq!(stored(&fixture, ANN).await.unwrap().address, ANN);
}

#[tokio::test]
async fn records_of_one_address_are_imported_in_their_order() {
    let fixture = Fixture::fresh().await;
    for update in [false, true] {
        let import = import(&fixture, update, false);
        let email = format!("update-{update}@example.com");
        let hashes: Vec<_> = (0..20)
            .map(|number| hash_password(&number.to_string()))
            .collect();
        // Half of them in upper case; the last ones are polled first.
        let spelled = |number: usize| match number % 2 {
            0 => email.clone(),
            _ => email.to_uppercase(),
        };
        let records = hashes.iter().enumerate();
        let mut taken: Vec<_> = records
            .map(|(number, hash)| import.take(record_with_hash(&spelled(number), hash)))
            .collect();
        taken.reverse();
        let mut done = join_all(taken).await;
        done.reverse();
        let done: Vec<_> = done.into_iter().map(Result::unwrap).collect();
        let (others, last) = if update {
            (ImportOutcome::Updated, 19)
        } else {
            (ImportOutcome::Unchanged, 0)
        };
        assert_eq!(done[0], ImportOutcome::Created);
        assert!(done[1..].iter().all(|done| *done == others), "{done:?}");
        let account = stored(&fixture, &email).await.unwrap();
        assert_eq!(account.password_hash, hashes[last]);
    }
}

#[tokio::test]
async fn a_cancelled_record_does_not_block_the_next_one_of_its_address() {
    let fixture = Fixture::fresh().await;
    let import = import(&fixture, false, false);
    let hash = hash_password(NEW_PASSWORD);
    let [first, second] = [(), ()].map(|()| import.take(record_with_hash(BOB, &hash)));
    drop(first);
    assert_eq!(second.await.unwrap(), ImportOutcome::Created);
}

#[tokio::test]
async fn concurrent_imports_create_each_account_once() {
    let fixture = Fixture::fresh().await;
    let imports = [(), ()].map(|()| import(&fixture, false, false));
    let hash = hash_password(NEW_PASSWORD);
    let records = (0..50).flat_map(|number| {
        let email = format!("user{number}@example.com");
        imports
            .each_ref()
            .map(|import| import.take(record_with_hash(&email, &hash)))
    });
    let done = join_all(records.collect::<Vec<_>>()).await;
    let count = |wanted| {
        let done = done.iter().filter(|done| *done.as_ref().unwrap() == wanted);
        done.count()
    };
    assert_eq!(
        (
            count(ImportOutcome::Created),
            count(ImportOutcome::Unchanged)
        ),
        (50, 50)
    );
}

#[tokio::test]
async fn a_dry_run_reports_the_outcome_and_changes_nothing() {
    let fixture = Fixture::fresh().await;
    let hash = hash_password(NEW_PASSWORD);
    for (update, existing, again) in [
        (false, ImportOutcome::Unchanged, ImportOutcome::Unchanged),
        (true, ImportOutcome::Updated, ImportOutcome::Updated),
    ] {
        let import = import(&fixture, update, true);
        let take = |record| import.take(record);
        assert_eq!(
            take(record_with_hash(BOB, &hash)).await.unwrap(),
            ImportOutcome::Created
        );
        assert_eq!(
            take(record_with_hash("BOB@example.com", &hash))
                .await
                .unwrap(),
            again
        );
        assert_eq!(take(record_with_hash(ANN, &hash)).await.unwrap(), existing);
        assert!(
            take(record_with_password("cid@example.com", "short"))
                .await
                .is_err()
        );
        assert!(take(record_with_hash("nonsense", &hash)).await.is_err());
    }
    assert_eq!(stored(&fixture, BOB).await, None);
    assert!(fixture.log_in(PASSWORD).await);
    assert_eq!(fixture.history().await, ["created"]);
}
