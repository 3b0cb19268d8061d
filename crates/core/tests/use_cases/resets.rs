//! Password resets and invitations.

use std::time::Duration;

use movie_bag_core::app::{AppError, Delivery, DeliveryMode};
use movie_bag_core::domain::password::PasswordInput;
use movie_bag_core::domain::token::Token;

use crate::fixture::{ANN, Fixture, HOUR, NEW_PASSWORD, PASSWORD, terminal, token};
use crate::mail_server::unreachable;

#[tokio::test]
async fn a_reset_token_expires_by_the_time_of_the_request_not_of_the_mail() {
    let fixture = Fixture::fresh().await;
    fixture.request_reset().await;
    fixture.pass(HOUR - Duration::from_secs(1));
    fixture.deliver_next().await;
    let token = token(&fixture.server.accepted()[0]);
    fixture.app.inspect_reset(&token).await.unwrap();
    fixture.pass(Duration::from_secs(1));
    assert!(matches!(
        fixture.reset(&token).await,
        Err(AppError::ExpiredToken)
    ));
    assert!(fixture.log_in(PASSWORD).await);
    assert_eq!(
        fixture.history().await[0],
        "reset_refused the token had expired"
    );
}

#[tokio::test]
async fn a_reset_voids_all_reset_tokens_and_is_confirmed_once() {
    let fixture = Fixture::fresh().await;
    fixture.request_reset().await;
    fixture.request_reset().await;
    fixture.deliver_next().await;
    fixture.deliver_next().await;
    let (first, second) = (
        token(&fixture.server.accepted()[0]),
        token(&fixture.server.accepted()[1]),
    );
    fixture.reset(&first).await.unwrap();
    for token in [&first, &second] {
        assert!(matches!(
            fixture.reset(token).await,
            Err(AppError::BadToken)
        ));
    }
    assert!(fixture.log_in(NEW_PASSWORD).await && !fixture.log_in(PASSWORD).await);
    assert_eq!(fixture.entries().await.len(), 1);
    fixture.deliver_next().await;
    assert_eq!(fixture.deliver_next().await, None);
}

#[tokio::test]
async fn a_reset_succeeds_although_its_confirmation_cannot_be_sent() {
    let fixture = Fixture::fresh().await;
    let link = fixture
        .app
        .issue_reset_link(ANN, &terminal())
        .await
        .unwrap();
    fixture.server.fail_next(unreachable());
    let completed = fixture
        .app
        .complete_reset(
            &Token::from_pasted(&link.link),
            &PasswordInput::new(NEW_PASSWORD),
            &terminal(),
            DeliveryMode::DeliverNow,
        )
        .await
        .unwrap();
    assert!(matches!(
        completed.confirmation,
        Some(Delivery::Waiting { .. })
    ));
    assert!(fixture.log_in(NEW_PASSWORD).await);
    fixture.pass(Duration::from_secs(2));
    assert!(matches!(
        fixture.deliver_next().await,
        Some(Delivery::Sent { .. })
    ));
}

#[tokio::test]
async fn an_invitation_sets_the_first_password_of_an_account() {
    let fixture = Fixture::fresh().await;
    let (account, delivery) = fixture
        .app
        .invite("Bob@Example.com", &terminal(), DeliveryMode::DeliverNow)
        .await
        .unwrap();
    assert!(matches!(delivery, Some(Delivery::Sent { .. })));
    let message = fixture.server.accepted().remove(0);
    assert_eq!(message.to, "bob@example.com");
    fixture.pass(3 * HOUR - Duration::from_secs(1));
    let completed = fixture.reset(&token(&message)).await.unwrap();
    assert_eq!(completed.account, account.id);
    assert!(matches!(
        fixture
            .app
            .invite("bob@example.com", &terminal(), DeliveryMode::Queue)
            .await,
        Err(AppError::AddressTaken(taken)) if taken == "bob@example.com"
    ));
}
