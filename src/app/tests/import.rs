//! Taking accounts in: what becomes of a record, alone and beside others.

use futures_util::future::join_all;

use super::*;
use crate::domain::password::PasswordHash;

const BOB: &str = "bob@example.com";

fn hash_of(password: &str) -> PasswordHash {
    PasswordHash::parse_foreign(&bcrypt::hash(password, 4).unwrap()).unwrap()
}

fn with_hash(email: &str, hash: &PasswordHash) -> Record {
    Record {
        email: email.to_owned(),
        credential: NewCredential::Hash(hash.clone()),
    }
}

fn with_password(email: &str, password: &str) -> Record {
    Record {
        email: email.to_owned(),
        credential: NewCredential::Password(PasswordInput::new(password)),
    }
}

fn import(fixture: &Fixture, update: bool, dry_run: bool) -> Import {
    fixture.app.import(Importing {
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
async fn a_new_account_is_made_and_an_existing_one_left_alone() {
    let fixture = Fixture::fresh().await;
    let import = import(&fixture, false, false);
    let hash = hash_of(NEW_PASSWORD);
    let take = |record| import.take(record);
    assert_eq!(
        take(with_hash(BOB, &hash)).await.unwrap(),
        Imported::Created
    );
    assert_eq!(stored(&fixture, BOB).await.unwrap().password_hash, hash);
    for record in [
        with_hash(ANN, &hash),
        with_hash("Ann@Example.COM ", &hash),
        with_password(ANN, NEW_PASSWORD),
        // Nothing is set, so the rules have nothing to say.
        with_password(ANN, "short"),
        with_hash(BOB, &hash),
    ] {
        assert_eq!(take(record).await.unwrap(), Imported::Unchanged);
    }
    assert!(fixture.log_in(PASSWORD).await);
    assert_eq!(fixture.history().await, ["created"]);
    assert!(fixture.entries().await.is_empty());
    let history = fixture.app.account_details(BOB, 10).await.unwrap().history;
    assert_eq!(history[0].detail, "imported");
    for (record, is_email) in [
        (with_hash("nonsense", &hash), true),
        (with_password("cid@example.com", "short"), false),
    ] {
        match take(record).await.unwrap_err() {
            AppError::InvalidEmail { .. } => assert!(is_email),
            AppError::WeakPassword(_) => assert!(!is_email),
            error => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn an_update_replaces_the_credential_and_ends_what_was_made_under_it() {
    let fixture = Fixture::fresh().await;
    fixture.forgot().await;
    let entries = fixture.entries().await;
    let import = import(&fixture, true, false);
    let hash = hash_of(NEW_PASSWORD);
    // What fits already is left alone, also by a password that no one could choose today.
    let take = |record| import.take(record);
    let before = stored(&fixture, ANN).await.unwrap();
    assert_eq!(
        take(with_password(ANN, PASSWORD)).await.unwrap(),
        Imported::Unchanged
    );
    assert_eq!(
        take(with_hash(ANN, &before.password_hash)).await.unwrap(),
        Imported::Unchanged
    );
    assert!(matches!(
        take(with_password(ANN, "short")).await,
        Err(AppError::WeakPassword(_))
    ));
    assert_eq!(stored(&fixture, ANN).await.unwrap(), before);
    assert_eq!(
        take(with_hash(ANN, &hash)).await.unwrap(),
        Imported::Updated
    );
    assert!(fixture.log_in(NEW_PASSWORD).await && !fixture.log_in(PASSWORD).await);
    assert_eq!(fixture.history().await[0], "password_set imported");
    // No mail goes out: not the one that was asked for before, and none that tells of the import.
    assert_eq!(fixture.entries().await.len(), entries.len());
    while fixture.step().await.is_some() {}
    assert!(fixture.taken().is_empty());
    assert_eq!(
        take(with_password(ANN, PASSWORD)).await.unwrap(),
        Imported::Updated
    );
    assert!(fixture.log_in(PASSWORD).await);
    // The spelling that is stored stays.
    assert_eq!(
        take(with_hash("ANN@example.com", &hash)).await.unwrap(),
        Imported::Updated
    );
    assert_eq!(stored(&fixture, ANN).await.unwrap().address, ANN);
}

#[tokio::test]
async fn records_of_one_address_take_turns_in_their_order() {
    let fixture = Fixture::fresh().await;
    for update in [false, true] {
        let import = import(&fixture, update, false);
        let email = format!("update-{update}@example.com");
        let hashes: Vec<_> = (0..20).map(|number| hash_of(&number.to_string())).collect();
        // Half of them in other capitals; the last ones are polled first.
        let spelled = |number: usize| match number % 2 {
            0 => email.clone(),
            _ => email.to_uppercase(),
        };
        let records = hashes.iter().enumerate();
        let mut taken: Vec<_> = records
            .map(|(number, hash)| import.take(with_hash(&spelled(number), hash)))
            .collect();
        taken.reverse();
        let mut done = join_all(taken).await;
        done.reverse();
        let done: Vec<_> = done.into_iter().map(Result::unwrap).collect();
        let (others, last) = if update {
            (Imported::Updated, 19)
        } else {
            (Imported::Unchanged, 0)
        };
        assert_eq!(done[0], Imported::Created);
        assert!(done[1..].iter().all(|done| *done == others), "{done:?}");
        let account = stored(&fixture, &email).await.unwrap();
        assert_eq!(account.password_hash, hashes[last]);
        assert!(import.is_idle(), "queues are left");
    }
}

#[tokio::test]
async fn a_record_that_is_given_up_lets_the_next_one_go() {
    let fixture = Fixture::fresh().await;
    let import = import(&fixture, false, false);
    let hash = hash_of(NEW_PASSWORD);
    let [first, second] = [(), ()].map(|()| import.take(with_hash(BOB, &hash)));
    drop(first);
    assert_eq!(second.await.unwrap(), Imported::Created);
}

#[tokio::test]
async fn two_imports_at_once_make_each_account_once() {
    let fixture = Fixture::fresh().await;
    let imports = [(), ()].map(|()| import(&fixture, false, false));
    let hash = hash_of(NEW_PASSWORD);
    let records = (0..50).flat_map(|number| {
        let email = format!("user{number}@example.com");
        imports
            .each_ref()
            .map(|import| import.take(with_hash(&email, &hash)))
    });
    let done = join_all(records.collect::<Vec<_>>()).await;
    let count = |wanted| {
        let done = done.iter().filter(|done| *done.as_ref().unwrap() == wanted);
        done.count()
    };
    assert_eq!(
        (count(Imported::Created), count(Imported::Unchanged)),
        (50, 50)
    );
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_says_what_would_be() {
    let fixture = Fixture::fresh().await;
    let hash = hash_of(NEW_PASSWORD);
    for (update, existing, again) in [
        (false, Imported::Unchanged, Imported::Unchanged),
        (true, Imported::Updated, Imported::Updated),
    ] {
        let import = import(&fixture, update, true);
        let take = |record| import.take(record);
        assert_eq!(
            take(with_hash(BOB, &hash)).await.unwrap(),
            Imported::Created
        );
        assert_eq!(
            take(with_hash("BOB@example.com", &hash)).await.unwrap(),
            again
        );
        assert_eq!(take(with_hash(ANN, &hash)).await.unwrap(), existing);
        assert!(
            take(with_password("cid@example.com", "short"))
                .await
                .is_err()
        );
        assert!(take(with_hash("nonsense", &hash)).await.is_err());
    }
    assert_eq!(stored(&fixture, BOB).await, None);
    assert!(fixture.log_in(PASSWORD).await);
    assert_eq!(fixture.history().await, ["created"]);
}
