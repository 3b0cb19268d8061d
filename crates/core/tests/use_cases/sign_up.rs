//! Verified sign-up.

use std::time::Duration;

use movie_bag_core::app::{AppError, Delivery, SignupMode};
use movie_bag_core::domain::event::EventKind;
use movie_bag_core::domain::password::PasswordInput;
use movie_bag_core::domain::pending::{CONFIRMATION_LIFETIME, PendingKind};
use movie_bag_core::domain::token::Token;
use movie_bag_core::ports::store::PendingChanges as _;

use crate::fixture::{ANN, Fixture, NEW_PASSWORD, PASSWORD, terminal, token};
use crate::mail_server::unreachable;

const CARL: &str = "carl@example.com";
const SECOND: Duration = Duration::from_secs(1);

async fn confirm(fixture: &Fixture, token: &Token, password: &str) -> Result<String, AppError> {
    let password = PasswordInput::new(password);
    let origin = terminal();
    let confirmed = fixture.app.confirm_signup(token, &password, &origin);
    Ok(confirmed.await?.address)
}

async fn request(fixture: &Fixture, email: &str) {
    fixture
        .app
        .request_signup(email, &terminal())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_link_expires_by_the_time_of_its_request() {
    let fixture = Fixture::with_signup(SignupMode::Verified).await;
    request(&fixture, CARL).await;
    fixture.pass(Duration::from_secs(3_600));
    fixture.deliver_next().await;
    let link = token(&fixture.server.accepted()[0]);
    fixture.pass(CONFIRMATION_LIFETIME - Duration::from_secs(3_601));
    let kind = PendingKind::ConfirmSignup;
    fixture.app.inspect_pending(&link, kind).await.unwrap();
    fixture.pass(SECOND);
    for refused in [
        fixture.app.inspect_pending(&link, kind).await.err(),
        confirm(&fixture, &link, PASSWORD).await.err(),
    ] {
        assert!(
            matches!(refused, Some(AppError::ExpiredToken)),
            "{refused:?}"
        );
    }
    assert_eq!(fixture.app.forget_history().await.unwrap(), 0);
    assert_eq!(fixture.app.pending_changes(None, 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_mail_that_waits_longer_than_its_link_lasts_is_not_sent() {
    let fixture = Fixture::with_signup(SignupMode::Verified).await;
    request(&fixture, CARL).await;
    fixture.server.fail_next(unreachable());
    fixture.deliver_next().await;
    fixture.pass(CONFIRMATION_LIFETIME);
    let delivery = fixture.deliver_next().await;
    assert!(
        matches!(delivery, Some(Delivery::Dead { .. })),
        "{delivery:?}"
    );
    assert_eq!(fixture.server.accepted().len(), 0);
    // The dead mail is deleted with its sign-up.
    fixture.app.forget_history().await.unwrap();
    assert_eq!(fixture.app.queued_mails(None, 9).await.unwrap().len(), 0);
}

#[tokio::test]
async fn the_mail_depends_on_the_accounts_when_it_is_sent() {
    let fixture = Fixture::with_signup(SignupMode::Verified).await;
    request(&fixture, " CARL@example.com").await;
    request(&fixture, ANN).await;
    fixture.create_account(CARL).await;
    fixture.app.delete_account(ANN).await.unwrap();
    fixture.deliver_next().await;
    fixture.deliver_next().await;
    let sent = fixture.server.accepted();
    let of = |address| sent.iter().find(|mail| mail.to == address).unwrap();
    assert_eq!(of(CARL).subject, "account_exists");
    assert_eq!(of(CARL).text, "");
    assert_eq!(of(ANN).subject, "confirm_signup");
    // The history of the account answers why this mail came.
    let details = fixture.app.account_details(CARL, 9).await.unwrap();
    let told = details
        .history
        .iter()
        .find(|event| event.kind == EventKind::MailSent);
    assert!(told.unwrap().detail.starts_with("account_exists: "));
    assert_eq!(
        confirm(&fixture, &token(of(ANN)), PASSWORD).await.unwrap(),
        ANN
    );
}

#[tokio::test]
async fn a_repeated_sign_up_makes_one_account_and_ends_both_links() {
    let fixture = Fixture::with_signup(SignupMode::Verified).await;
    request(&fixture, CARL).await;
    fixture.deliver_next().await;
    fixture.pass(Duration::from_secs(600));
    request(&fixture, CARL).await;
    fixture.deliver_next().await;
    let links: Vec<_> = fixture.server.accepted().iter().map(token).collect();
    confirm(&fixture, &links[0], PASSWORD).await.unwrap();
    for link in &links {
        let refused = confirm(&fixture, link, NEW_PASSWORD).await.err();
        assert!(matches!(refused, Some(AppError::BadToken)), "{refused:?}");
    }
}

#[tokio::test]
async fn a_sign_up_that_is_left_over_creates_no_second_account() {
    let fixture = Fixture::with_signup(SignupMode::Verified).await;
    request(&fixture, CARL).await;
    fixture.deliver_next().await;
    let link = token(&fixture.server.accepted()[0]);
    let pending = fixture.app.pending_changes(None, 9).await.unwrap();
    confirm(&fixture, &link, PASSWORD).await.unwrap();
    // As if the process had died between the creation and the deletion.
    fixture.store.put_pending(&pending[0], None).await.unwrap();
    let refused = confirm(&fixture, &link, NEW_PASSWORD).await.err();
    assert!(matches!(refused, Some(AppError::BadToken)), "{refused:?}");
    request(&fixture, CARL).await;
    let delivery = fixture.deliver_next().await;
    assert!(
        matches!(delivery, Some(Delivery::Dead { .. })),
        "{delivery:?}"
    );
    // The deletion of the account ends the link for good.
    fixture.app.delete_account(CARL).await.unwrap();
    let refused = confirm(&fixture, &link, NEW_PASSWORD).await.err();
    assert!(matches!(refused, Some(AppError::BadToken)), "{refused:?}");
}

#[tokio::test]
async fn each_mode_refuses_the_calls_of_the_others() {
    for mode in [SignupMode::Open, SignupMode::Closed] {
        let fixture = Fixture::with_signup(mode).await;
        let refused = fixture.app.request_signup(CARL, &terminal()).await;
        assert!(matches!(refused, Err(AppError::SignupClosed)), "{mode:?}");
    }
    for mode in [SignupMode::Verified, SignupMode::Closed] {
        let fixture = Fixture::with_signup(mode).await;
        let refused = fixture.sign_up(CARL).await;
        assert!(matches!(refused, Err(AppError::SignupClosed)), "{mode:?}");
    }
}
