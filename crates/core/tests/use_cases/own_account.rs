//! Calls of an account owner who is logged in.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::future::join_all;
use movie_bag_core::app::{AccessError, AppError, Delivery, DeliveryMode};
use movie_bag_core::domain::account::Account;
use movie_bag_core::domain::clock::{Clock as _, draw};
use movie_bag_core::domain::event::{Event, EventKind, Origin};
use movie_bag_core::domain::id::AccountId;
use movie_bag_core::domain::password::PasswordInput;
use movie_bag_core::domain::token::Token;
use movie_bag_core::ports::store::Accounts as _;

use crate::fixture::{ANN, Fixture, NEW_PASSWORD, PASSWORD, terminal};

const FIVE_MINUTES: Duration = Duration::from_secs(300);

fn client() -> Origin {
    Origin::Client(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)))
}

/// Logs an owner in, and returns the access token with its account.
async fn session(fixture: &Fixture, email: &str, password: &str) -> (Token, Account) {
    let password = PasswordInput::new(password);
    let token = fixture.app.log_in(email, &password, &terminal()).await;
    let token = token.unwrap();
    let account = fixture.app.authenticate(&token).await.unwrap();
    (token, account)
}

async fn change(
    fixture: &Fixture,
    account: &Account,
    current: &str,
    password: &str,
) -> Result<Token, AccessError> {
    let (current, password) = (PasswordInput::new(current), PasswordInput::new(password));
    fixture
        .app
        .change_password(account.clone(), &current, &password, &client())
        .await
}

async fn delete(fixture: &Fixture, account: &Account, password: &str) -> Result<(), AccessError> {
    let (password, origin) = (PasswordInput::new(password), client());
    let deleted = fixture.app.delete_own_account(account, &password, &origin);
    deleted.await.map(|_| ())
}

async fn is_valid(fixture: &Fixture, token: &Token) -> bool {
    match fixture.app.authenticate(token).await {
        Ok(_) => true,
        Err(AccessError::InvalidToken) => false,
        Err(error) => panic!("{error}"),
    }
}

fn is_wrong_password<T>(result: &Result<T, AccessError>) -> bool {
    matches!(result, Err(AccessError::App(AppError::WrongPassword)))
}

fn is_limited<T>(result: &Result<T, AccessError>) -> bool {
    matches!(result, Err(AccessError::App(AppError::RateLimited { .. })))
}

fn is_ended<T>(result: &Result<T, AccessError>) -> bool {
    matches!(result, Err(AccessError::InvalidToken))
}

#[tokio::test]
async fn a_changed_password_ends_other_sessions_and_reset_links_and_is_confirmed() {
    let fixture = Fixture::fresh().await;
    let (other, _) = session(&fixture, ANN, PASSWORD).await;
    let (own, account) = session(&fixture, ANN, PASSWORD).await;
    let link = fixture.app.issue_reset_link(ANN, &terminal()).await;
    let link = Token::from_pasted(&link.unwrap().link);
    let fresh = change(&fixture, &account, PASSWORD, NEW_PASSWORD).await;
    assert!(is_valid(&fixture, &fresh.unwrap()).await);
    assert!(!is_valid(&fixture, &other).await && !is_valid(&fixture, &own).await);
    let refused = fixture.reset(&link).await;
    assert!(matches!(refused, Err(AppError::BadToken)));
    assert!(fixture.log_in(NEW_PASSWORD).await && !fixture.log_in(PASSWORD).await);
    let details = fixture.app.account_details(ANN, 100).await.unwrap();
    let mut lines = details.history.iter();
    let line = lines.find(|event| event.kind == EventKind::PasswordChanged);
    assert_eq!(line.unwrap().origin, client());
    assert!(matches!(
        fixture.deliver_next().await,
        Some(Delivery::Sent { .. })
    ));
    assert_eq!(fixture.server.accepted().len(), 1);
    assert_eq!(fixture.deliver_next().await, None);
}

#[tokio::test]
async fn of_concurrent_changes_with_one_password_one_succeeds() {
    let fixture = Fixture::fresh().await;
    let (_, account) = session(&fixture, ANN, PASSWORD).await;
    // Without the limit of changes.
    let origin = terminal();
    let passwords: Vec<_> = (0..8)
        .map(|number| PasswordInput::new(format!("{NEW_PASSWORD} {number}")))
        .collect();
    let current = PasswordInput::new(PASSWORD);
    let changes = passwords.iter().map(|password| {
        let account = account.clone();
        fixture
            .app
            .change_password(account, &current, password, &origin)
    });
    let results = join_all(changes).await;
    let done: Vec<_> = results.iter().filter_map(|one| one.as_ref().ok()).collect();
    let [token] = done[..] else {
        panic!("{} changes succeeded", done.len());
    };
    assert!(is_valid(&fixture, token).await);
    assert_eq!(results.iter().filter(|one| is_ended(one)).count(), 7);
    assert_eq!(fixture.entries().await.len(), 1);
}

#[tokio::test]
async fn a_change_and_a_reset_of_one_password_do_not_both_succeed() {
    let fixture = Fixture::fresh().await;
    let (_, account) = session(&fixture, ANN, PASSWORD).await;
    let link = fixture.app.issue_reset_link(ANN, &terminal()).await;
    let link = Token::from_pasted(&link.unwrap().link);
    let (changed, reset) = tokio::join!(
        change(&fixture, &account, PASSWORD, "a third password"),
        fixture.reset(&link)
    );
    assert!(changed.is_ok() != reset.is_ok());
    assert!(changed.is_ok() || is_ended(&changed));
    assert!(reset.is_ok() || matches!(reset, Err(AppError::BadToken)));
    assert_eq!(fixture.log_in(NEW_PASSWORD).await, reset.is_ok());
}

#[tokio::test]
async fn the_current_password_is_checked_before_the_new_one() {
    let fixture = Fixture::fresh().await;
    let (token, account) = session(&fixture, ANN, PASSWORD).await;
    let wrong = change(&fixture, &account, NEW_PASSWORD, "short").await;
    assert!(is_wrong_password(&wrong));
    for weak in ["short", ANN, "password1"] {
        let refused = change(&fixture, &account, PASSWORD, weak).await;
        assert!(
            matches!(refused, Err(AccessError::App(AppError::WeakPassword(_)))),
            "{weak}"
        );
    }
    assert!(is_valid(&fixture, &token).await && fixture.log_in(PASSWORD).await);
    assert!(fixture.entries().await.is_empty());
}

#[tokio::test]
async fn guesses_at_the_current_password_are_failed_logins() {
    let fixture = Fixture::fresh().await;
    let (token, account) = session(&fixture, ANN, PASSWORD).await;
    for _ in 0..4 {
        let guess = change(&fixture, &account, NEW_PASSWORD, NEW_PASSWORD).await;
        assert!(is_wrong_password(&guess));
        let guess = delete(&fixture, &account, NEW_PASSWORD).await;
        assert!(is_wrong_password(&guess));
    }
    let log_in = async |password: &str| {
        let password = PasswordInput::new(password);
        fixture.app.log_in(ANN, &password, &client()).await
    };
    for _ in 0..2 {
        assert!(matches!(
            log_in(NEW_PASSWORD).await,
            Err(AppError::WrongPassword)
        ));
    }
    // The right password is refused during the delay too.
    for password in [PASSWORD, NEW_PASSWORD] {
        assert!(is_limited(
            &change(&fixture, &account, password, NEW_PASSWORD).await
        ));
        assert!(is_limited(&delete(&fixture, &account, password).await));
        assert!(matches!(
            log_in(password).await,
            Err(AppError::RateLimited { .. })
        ));
    }
    assert!(is_valid(&fixture, &token).await);
    fixture.pass(Duration::from_secs(1));
    change(&fixture, &account, PASSWORD, NEW_PASSWORD)
        .await
        .unwrap();
    // The count begins anew.
    let (_, account) = session(&fixture, ANN, NEW_PASSWORD).await;
    for _ in 0..10 {
        assert!(is_wrong_password(
            &delete(&fixture, &account, PASSWORD).await
        ));
    }
    assert!(is_limited(&delete(&fixture, &account, PASSWORD).await));
    let lines = loop {
        let details = fixture.app.account_details(ANN, 100).await.unwrap();
        let failures = details.history.into_iter();
        let failures = failures.filter(|event| event.kind == EventKind::LoginFailed);
        let counts: Vec<_> = failures.map(|event| event.count).collect();
        // A failure is recorded after its answer.
        if counts.iter().sum::<u32>() == 20 {
            break counts;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(lines.len(), 1, "one line a day");
}

/// Other programs may have stored an address in another spelling.
#[tokio::test]
async fn guesses_are_counted_with_logins_for_any_spelling_of_the_address() {
    let fixture = Fixture::fresh().await;
    let (_, ann) = session(&fixture, ANN, PASSWORD).await;
    let now = fixture.clock.now();
    let account = Account {
        id: AccountId::new(now, draw(&movie_bag_core::app::system::SystemRng)),
        address: "Bob@Example.com".to_owned(),
        ..ann
    };
    let event = Event::new(account.id, now, EventKind::Created, terminal(), "");
    let created = fixture.store.create_account(&account, &event, None);
    created.await.unwrap();
    for _ in 0..10 {
        assert!(is_wrong_password(
            &delete(&fixture, &account, NEW_PASSWORD).await
        ));
    }
    let (right, origin) = (PasswordInput::new(PASSWORD), client());
    let refused = fixture.app.log_in("bob@example.com", &right, &origin);
    assert!(matches!(refused.await, Err(AppError::RateLimited { .. })));
}

/// Each change sends a mail, and the address may belong to another person.
#[tokio::test]
async fn three_changes_are_admitted_at_once_and_then_one_in_five_minutes() {
    let fixture = Fixture::fresh().await;
    let toggle = async || {
        let (_, account) = session(&fixture, ANN, PASSWORD).await;
        change(&fixture, &account, PASSWORD, PASSWORD).await
    };
    for _ in 0..3 {
        toggle().await.unwrap();
    }
    assert!(is_limited(&toggle().await));
    assert_eq!(fixture.entries().await.len(), 3);
    // Another account with the address does not begin anew.
    let (_, account) = session(&fixture, ANN, PASSWORD).await;
    delete(&fixture, &account, PASSWORD).await.unwrap();
    fixture.create_account(ANN).await;
    assert!(is_limited(&toggle().await));
    // Changes of other accounts are not counted.
    fixture.create_account("bob@example.com").await;
    let (_, bob) = session(&fixture, "bob@example.com", PASSWORD).await;
    change(&fixture, &bob, PASSWORD, NEW_PASSWORD)
        .await
        .unwrap();
    fixture.pass(FIVE_MINUTES);
    toggle().await.unwrap();
    assert!(is_limited(&toggle().await));
}

#[tokio::test]
async fn a_logout_ends_all_sessions_and_sends_no_mail() {
    let fixture = Fixture::fresh().await;
    let (other, _) = session(&fixture, ANN, PASSWORD).await;
    let (own, account) = session(&fixture, ANN, PASSWORD).await;
    fixture.app.log_out(&account, &client()).await.unwrap();
    assert!(!is_valid(&fixture, &other).await && !is_valid(&fixture, &own).await);
    assert!(fixture.log_in(PASSWORD).await);
    assert!(fixture.entries().await.is_empty());
    let details = fixture.app.account_details(ANN, 100).await.unwrap();
    let mut lines = details.history.iter();
    let line = lines.find(|event| event.kind == EventKind::AccessRevoked);
    assert_eq!(line.unwrap().origin, client());
}

#[tokio::test]
async fn an_account_is_deleted_once_and_with_everything_that_belongs_to_it() {
    let fixture = Fixture::fresh().await;
    let (token, account) = session(&fixture, ANN, PASSWORD).await;
    let texts = || vec!["a".to_owned()];
    let movie = fixture
        .app
        .add_movie(account.id, "Faust".to_owned(), texts(), texts());
    let movie = movie.await.unwrap();
    fixture.request_reset().await;
    assert!(is_wrong_password(
        &delete(&fixture, &account, NEW_PASSWORD).await
    ));
    assert!(is_valid(&fixture, &token).await);
    let (first, second) = tokio::join!(
        delete(&fixture, &account, PASSWORD),
        delete(&fixture, &account, PASSWORD)
    );
    assert!(first.is_ok() != second.is_ok());
    assert!(is_ended(&first) || is_ended(&second));
    assert!(!is_valid(&fixture, &token).await && !fixture.log_in(PASSWORD).await);
    assert!(matches!(
        fixture.app.movie(movie).await,
        Err(AppError::NoSuchMovie)
    ));
    assert!(is_ended(&delete(&fixture, &account, PASSWORD).await));
    assert!(is_ended(&fixture.app.log_out(&account, &client()).await));
    fixture.create_account(ANN).await;
    assert!(fixture.entries().await.is_empty());
}

#[tokio::test]
async fn a_password_that_was_replaced_while_it_was_verified_deletes_nothing() {
    let fixture = Fixture::fresh().await;
    let (_, account) = session(&fixture, ANN, PASSWORD).await;
    let (password, origin) = (PasswordInput::new(NEW_PASSWORD), terminal());
    let set = fixture
        .app
        .set_password(ANN, &password, &origin, DeliveryMode::Queue);
    set.await.unwrap();
    // As in a call that has read the account before.
    assert!(is_ended(&delete(&fixture, &account, PASSWORD).await));
    assert!(is_ended(
        &change(&fixture, &account, PASSWORD, "a third password").await
    ));
    assert!(fixture.log_in(NEW_PASSWORD).await);
}

#[tokio::test]
async fn a_change_of_the_address_meanwhile_ends_no_session() {
    let fixture = Fixture::fresh().await;
    let (token, account) = session(&fixture, ANN, PASSWORD).await;
    let (other, origin) = ("ann@elsewhere.example", terminal());
    let moved = fixture
        .app
        .set_address(ANN, other, &origin, DeliveryMode::Queue);
    moved.await.unwrap();
    assert!(is_valid(&fixture, &token).await);
    // As in calls that have read the account before.
    let refused = change(&fixture, &account, PASSWORD, other).await;
    assert!(matches!(
        refused,
        Err(AccessError::App(AppError::WeakPassword(_)))
    ));
    change(&fixture, &account, PASSWORD, NEW_PASSWORD)
        .await
        .unwrap();
    let (_, account) = session(&fixture, other, NEW_PASSWORD).await;
    let moved = fixture
        .app
        .set_address(other, ANN, &origin, DeliveryMode::Queue);
    moved.await.unwrap();
    delete(&fixture, &account, NEW_PASSWORD).await.unwrap();
}

#[tokio::test]
async fn calls_of_one_client_are_limited() {
    let fixture = Fixture::fresh().await;
    let (_, account) = session(&fixture, ANN, PASSWORD).await;
    for _ in 0..60 {
        fixture.app.log_out(&account, &client()).await.unwrap();
    }
    let (token, account) = session(&fixture, ANN, PASSWORD).await;
    assert!(is_limited(&fixture.app.log_out(&account, &client()).await));
    assert!(is_limited(
        &change(&fixture, &account, PASSWORD, NEW_PASSWORD).await
    ));
    assert!(is_limited(&delete(&fixture, &account, PASSWORD).await));
    assert!(is_valid(&fixture, &token).await);
}
