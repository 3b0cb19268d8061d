//! Change of the address by the account owner.

use std::time::Duration;

use movie_bag_core::app::{AppError, DeliveryMode};
use movie_bag_core::domain::password::PasswordInput;
use movie_bag_core::domain::pending::{CONFIRMATION_LIFETIME, REVERT_LIFETIME};
use movie_bag_core::domain::token::Token;

use crate::fixture::{ANN, Fixture, NEW_PASSWORD, PASSWORD, terminal, token};

const NEW: &str = "ann@new.example";
const SECOND: Duration = Duration::from_secs(1);

/// Requests a change, and returns the token from the mail.
async fn request(fixture: &Fixture, from: &str, to: &str) -> Token {
    let account = fixture.app.account_details(from, 0).await.unwrap().account;
    let password = PasswordInput::new(PASSWORD);
    fixture
        .app
        .request_address(&account, &password, to, &terminal())
        .await
        .unwrap();
    deliver(fixture, to).await
}

/// Delivers the next mail, and returns its token.
async fn deliver(fixture: &Fixture, to: &str) -> Token {
    fixture.deliver_next().await;
    let sent = fixture.server.accepted();
    let mail = sent.last().unwrap();
    assert_eq!(mail.to, to);
    token(mail)
}

async fn confirm(fixture: &Fixture, token: &Token) -> Result<(), AppError> {
    fixture.app.confirm_address(token, &terminal()).await
}

async fn revert(fixture: &Fixture, token: &Token) -> Result<(), AppError> {
    fixture.app.revert_address(token, &terminal()).await
}

/// Changes the address, and returns the token from the mail to the previous one.
async fn change(fixture: &Fixture, from: &str, to: &str) -> Token {
    let link = request(fixture, from, to).await;
    confirm(fixture, &link).await.unwrap();
    deliver(fixture, from).await
}

#[tokio::test]
async fn a_confirmation_expires_after_a_day() {
    let fixture = Fixture::fresh().await;
    let link = request(&fixture, ANN, NEW).await;
    fixture.pass(CONFIRMATION_LIFETIME);
    let refused = confirm(&fixture, &link).await;
    assert!(
        matches!(refused, Err(AppError::ExpiredToken)),
        "{refused:?}"
    );
    assert!(fixture.log_in(PASSWORD).await);
}

#[tokio::test]
async fn a_change_is_reverted_within_seven_days_whatever_happened_in_between() {
    let fixture = Fixture::fresh().await;
    let link = change(&fixture, ANN, NEW).await;
    let password = PasswordInput::new(NEW_PASSWORD);
    fixture
        .app
        .set_password(NEW, &password, &terminal(), DeliveryMode::Queue)
        .await
        .unwrap();
    fixture.pass(REVERT_LIFETIME - SECOND);
    // The server forgets what has expired, and not this.
    fixture.app.forget_history().await.unwrap();
    revert(&fixture, &link).await.unwrap();
    assert!(!fixture.log_in(NEW_PASSWORD).await, "the password is void");
    assert!(!fixture.log_in(PASSWORD).await);
    let history = fixture.history().await;
    assert!(
        history[0].starts_with("address_reverted from"),
        "{history:?}"
    );
}

#[tokio::test]
async fn a_reversal_expires_after_seven_days_and_frees_the_address() {
    let fixture = Fixture::fresh().await;
    let link = change(&fixture, ANN, NEW).await;
    fixture.pass(REVERT_LIFETIME - SECOND);
    let refused = fixture.sign_up(ANN).await;
    assert!(
        matches!(refused, Err(AppError::AddressTaken(_))),
        "{refused:?}"
    );
    fixture.pass(SECOND);
    let refused = revert(&fixture, &link).await;
    assert!(
        matches!(refused, Err(AppError::ExpiredToken)),
        "{refused:?}"
    );
    fixture.sign_up(ANN).await.unwrap();
}

#[tokio::test]
async fn a_reversal_ends_later_ones_also_of_the_same_moment() {
    let fixture = Fixture::fresh().await;
    // The clock stands still: the order of the changes decides, and not their times.
    let first = change(&fixture, ANN, "second@example.com").await;
    let second = change(&fixture, "second@example.com", "third@example.com").await;
    let third = change(&fixture, "third@example.com", "fourth@example.com").await;
    revert(&fixture, &second).await.unwrap();
    let refused = revert(&fixture, &third).await;
    assert!(matches!(refused, Err(AppError::BadToken)), "{refused:?}");
    revert(&fixture, &first).await.unwrap();
    for link in [&first, &second, &third] {
        let refused = revert(&fixture, link).await;
        assert!(matches!(refused, Err(AppError::BadToken)), "{refused:?}");
    }
    assert!(fixture.app.account_details(ANN, 0).await.is_ok());
}

#[tokio::test]
async fn a_later_request_replaces_an_earlier_one() {
    let fixture = Fixture::fresh().await;
    let first = request(&fixture, ANN, "one@example.com").await;
    let second = request(&fixture, ANN, "two@example.com").await;
    let refused = confirm(&fixture, &first).await;
    assert!(matches!(refused, Err(AppError::BadToken)), "{refused:?}");
    confirm(&fixture, &second).await.unwrap();
    assert!(
        fixture
            .app
            .account_details("two@example.com", 0)
            .await
            .is_ok()
    );
}
