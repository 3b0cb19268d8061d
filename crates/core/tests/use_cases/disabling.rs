//! Disabled accounts.

use movie_bag_core::app::{AccessError, AppError, Delivery, DeliveryMode};
use movie_bag_core::domain::event::Origin;
use movie_bag_core::domain::outbox::Round;
use movie_bag_core::domain::password::PasswordInput;
use movie_bag_core::domain::reason::Reason;
use movie_bag_core::domain::token::Token;

use crate::fixture::{ANN, Fixture, NEW_PASSWORD, PASSWORD, terminal, token};

fn client() -> Origin {
    Origin::Client("192.0.2.1".parse().unwrap())
}

async fn disable(fixture: &Fixture) -> bool {
    let admin = terminal();
    let reason: Reason = "ticket 4711".parse().unwrap();
    let app = &fixture.app;
    let status = app.disable_account(ANN, &reason, &admin).await;
    status.unwrap().changed
}

async fn enable(fixture: &Fixture) -> bool {
    let admin = terminal();
    let app = &fixture.app;
    let status = app.enable_account(ANN, &Reason::default(), &admin).await;
    status.unwrap().changed
}

async fn access_token(fixture: &Fixture) -> Token {
    let admin = terminal();
    let password = PasswordInput::new(PASSWORD);
    let app = &fixture.app;
    app.log_in(ANN, &password, &admin).await.unwrap()
}

async fn opens(fixture: &Fixture, token: &Token) -> bool {
    match fixture.app.authenticate(token).await {
        Ok(_) => true,
        Err(AccessError::InvalidToken) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn enabling_revives_no_token() {
    let fixture = Fixture::fresh().await;
    fixture.request_reset().await;
    fixture.deliver_next().await;
    let link = token(&fixture.server.accepted()[0]);
    let access = access_token(&fixture).await;
    assert!(disable(&fixture).await && !disable(&fixture).await);
    assert!(!opens(&fixture, &access).await);
    assert!(fixture.app.inspect_reset(&link).await.is_err());
    assert!(!fixture.log_in(PASSWORD).await);
    assert!(enable(&fixture).await && !enable(&fixture).await);
    assert!(!opens(&fixture, &access).await);
    assert!(matches!(
        fixture.reset(&link).await,
        Err(AppError::BadToken)
    ));
    assert_eq!(
        fixture.history().await[1..3],
        ["enabled", "disabled ticket 4711"]
    );
    // New ones are valid, and end with the next disabling.
    let access = access_token(&fixture).await;
    assert!(opens(&fixture, &access).await);
    fixture.request_reset().await;
    fixture.deliver_next().await;
    let link = token(&fixture.server.accepted()[1]);
    fixture.app.inspect_reset(&link).await.unwrap();
    assert!(disable(&fixture).await && enable(&fixture).await);
    assert!(!opens(&fixture, &access).await);
    assert!(fixture.app.inspect_reset(&link).await.is_err());
}

#[tokio::test]
async fn queued_and_leased_mails_are_void() {
    let fixture = Fixture::fresh().await;
    for is_enabled_again in [false, true] {
        fixture.request_reset().await;
        fixture.request_reset().await;
        let leased = fixture.lease_next(Round::First).await.unwrap();
        disable(&fixture).await;
        assert_eq!(fixture.entries().await, []);
        if is_enabled_again {
            enable(&fixture).await;
        }
        assert_eq!(fixture.deliver_next().await, None);
        // The worker that leased a mail before does not send it either.
        let delivery = fixture.app.deliver(leased).await.unwrap();
        assert!(
            matches!(delivery, Delivery::Dead { .. }),
            "{is_enabled_again}: {delivery:?}"
        );
        assert_eq!(fixture.entries().await, []);
        enable(&fixture).await;
    }
    assert_eq!(fixture.server.accepted().len(), 0);
}

#[tokio::test]
async fn over_http_a_disabled_account_is_like_an_unknown_one() {
    let visitor = client();
    let fixture = Fixture::fresh().await;
    fixture.request_reset().await;
    fixture.deliver_next().await;
    let link = token(&fixture.server.accepted()[0]);
    disable(&fixture).await;
    let app = &fixture.app;
    let requested = app.request_reset(ANN, &visitor, DeliveryMode::Queue).await;
    assert!(matches!(requested, Err(AppError::NoSuchAccount(_))));
    let password = PasswordInput::new(NEW_PASSWORD);
    let reset = app.complete_reset(&link, &password, &visitor, DeliveryMode::Queue);
    assert!(matches!(reset.await, Err(AppError::BadToken)));
    assert_eq!(
        fixture.history().await[..2],
        [
            "reset_refused the account is disabled",
            "disabled ticket 4711"
        ]
    );
    // The right password counts as a wrong one, up to the delay.
    let password = PasswordInput::new(PASSWORD);
    for attempt in 0..12 {
        let refused = app.log_in(ANN, &password, &visitor).await.err();
        match attempt {
            0..10 => assert!(matches!(refused, Some(AppError::WrongPassword))),
            _ => assert!(matches!(refused, Some(AppError::RateLimited { .. }))),
        }
    }
}

#[tokio::test]
async fn the_administrator_is_told_that_an_account_is_disabled() {
    let admin = terminal();
    let fixture = Fixture::fresh().await;
    fixture.request_reset().await;
    fixture.deliver_next().await;
    let link = token(&fixture.server.accepted()[0]);
    disable(&fixture).await;
    let app = &fixture.app;
    let requested = app.request_reset(ANN, &admin, DeliveryMode::Queue);
    let printed = app.issue_reset_link(ANN, &admin);
    let revoked = app.revoke_access(ANN, &admin, DeliveryMode::Queue);
    for refused in [
        requested.await.err(),
        printed.await.err(),
        fixture.reset(&link).await.err(),
        revoked.await.err(),
    ] {
        let Some(AppError::AccountDisabled(address)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(address, ANN);
    }
}

#[tokio::test]
async fn a_disabled_account_is_changed_without_a_mail_and_stays_disabled() {
    let admin = terminal();
    let fixture = Fixture::fresh().await;
    disable(&fixture).await;
    let app = &fixture.app;
    let password = PasswordInput::new(NEW_PASSWORD);
    let set = app.set_password(ANN, &password, &admin, DeliveryMode::DeliverNow);
    assert_eq!(set.await.unwrap(), None);
    let moved = app.set_address(ANN, "b@example.com", &admin, DeliveryMode::DeliverNow);
    let moved = moved.await.unwrap();
    assert!(moved.is_disabled && moved.mails.is_empty());
    let back = app.set_address("b@example.com", ANN, &admin, DeliveryMode::Queue);
    back.await.unwrap();
    assert_eq!(fixture.entries().await, []);
    assert_eq!(fixture.server.accepted().len(), 0);
    assert!(!fixture.log_in(NEW_PASSWORD).await);
    enable(&fixture).await;
    assert!(fixture.log_in(NEW_PASSWORD).await && !fixture.log_in(PASSWORD).await);
}

#[tokio::test]
async fn an_unknown_account_is_not_disabled() {
    let admin = terminal();
    let fixture = Fixture::fresh().await;
    let (app, reason) = (&fixture.app, Reason::default());
    for refused in [
        app.disable_account("zoe@example.com", &reason, &admin)
            .await,
        app.enable_account("zoe@example.com", &reason, &admin).await,
    ] {
        assert!(matches!(refused, Err(AppError::NoSuchAccount(_))));
    }
}
