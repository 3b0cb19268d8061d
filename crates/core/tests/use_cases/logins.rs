//! Logins: their work and their history.

use std::pin::pin;
use std::time::Duration;

use movie_bag_core::app::AppError;
use movie_bag_core::domain::event::EventKind;
use movie_bag_core::domain::password::PasswordInput;
use rusqlite::Connection;

use crate::fixture::{ANN, Fixture, NEW_PASSWORD, PASSWORD, terminal};

#[tokio::test]
async fn a_login_takes_the_work_of_the_most_expensive_hash() {
    let fixture = Fixture::fresh().await;
    fixture.store_account_of_cost(5).await;
    assert_eq!(fixture.login_cost().await, 5);
    // A hash above the counted costs is noticed at the first login for its account.
    let address = fixture.store_account_of_cost(6).await;
    assert_eq!(fixture.login_cost().await, 5);
    let wrong = PasswordInput::new(NEW_PASSWORD);
    let refused = fixture.app.log_in(&address, &wrong, &terminal()).await;
    assert!(matches!(refused, Err(AppError::WrongPassword)));
    assert_eq!(fixture.login_cost().await, 6);
}

#[tokio::test]
async fn the_costs_of_stored_hashes_are_counted_again() {
    let fixture = Fixture::fresh().await;
    assert_eq!(fixture.login_cost().await, 4);
    let expensive = fixture.store_account_of_cost(7).await;
    fixture.pass(Duration::from_secs(601));
    while fixture.login_cost().await != 7 {
        tokio::task::yield_now().await;
    }
    fixture.app.delete_account(&expensive).await.unwrap();
    fixture.pass(Duration::from_secs(599));
    assert_eq!(fixture.login_cost().await, 7);
    fixture.pass(Duration::from_secs(2));
    while fixture.login_cost().await != 4 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_hash_of_a_cost_above_sixteen_is_not_verified() {
    let fixture = Fixture::fresh().await;
    let address = fixture.store_account_of_cost(31).await;
    assert_eq!(fixture.login_cost().await, 4);
    let wrong = PasswordInput::new(NEW_PASSWORD);
    let refused = fixture.app.log_in(&address, &wrong, &terminal()).await;
    assert!(matches!(refused, Err(AppError::WrongPassword)));
    assert_eq!(fixture.login_cost().await, 4);
}

#[tokio::test]
async fn a_login_is_counted_in_the_history() {
    let fixture = Fixture::fresh().await;
    assert!(!fixture.log_in(NEW_PASSWORD).await);
    assert!(fixture.log_in(PASSWORD).await);
    assert!(fixture.log_in(PASSWORD).await);
    let lines = loop {
        let details = fixture.app.account_details(ANN, 100).await.unwrap();
        let lines = details
            .history
            .iter()
            .map(|event| (event.kind, event.count));
        let lines: Vec<_> = lines.collect();
        // A failure is recorded after its answer.
        if lines.len() == 3 {
            break lines;
        }
        tokio::task::yield_now().await;
    };
    for line in [
        (EventKind::Created, 1),
        (EventKind::LoggedIn, 2),
        (EventKind::LoginFailed, 1),
    ] {
        assert!(lines.contains(&line), "{lines:?}");
    }
}

#[tokio::test]
async fn a_stop_waits_for_a_failed_login_that_is_being_recorded() {
    let fixture = Fixture::fresh().await;
    let other = Connection::open(fixture.dir.path().join("test.sqlite3")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(!fixture.log_in(NEW_PASSWORD).await);
    let mut closing = pin!(fixture.app.close());
    tokio::select! {
        biased;
        () = &mut closing => panic!("closed before the history was written"),
        // As many turns as a task needs that waits for nothing.
        () = async { for _ in 0..1_000 { tokio::task::yield_now().await } } => {}
    }
    other.execute_batch("COMMIT").unwrap();
    closing.await;
    let details = fixture.app.account_details(ANN, 100).await.unwrap();
    let kinds: Vec<_> = details.history.iter().map(|event| event.kind).collect();
    assert!(kinds.contains(&EventKind::LoginFailed), "{kinds:?}");
}
