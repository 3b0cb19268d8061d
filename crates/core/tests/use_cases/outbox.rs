//! Delivery of queued mails, and the commands of the administrator for the outbox.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use movie_bag_core::app::{AppError, Delivery, DeliveryMode, FlushScope};
use movie_bag_core::domain::clock::Clock as _;
use movie_bag_core::domain::event::{EventKind, Origin};
use movie_bag_core::domain::outbox::{Entry, EntryState, LEASE, Round};
use movie_bag_core::domain::password::PasswordInput;
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

use crate::fixture::{ANN, Fixture, HOUR, NEW_PASSWORD, terminal, token};
use crate::mail_server::{deferred, rejected, unreachable};

#[tokio::test]
async fn a_deferred_mail_is_retried_with_the_same_message_id() {
    let fixture = Fixture::fresh().await;
    fixture.server.fail_next(deferred());
    fixture.server.fail_next(deferred());
    fixture.request_reset().await;
    let Some(Delivery::Waiting {
        next_try_at: Some(at),
        is_server_down: false,
        ..
    }) = fixture.deliver_next().await
    else {
        panic!("it is not waiting");
    };
    let wait = at.duration_since(fixture.clock.now());
    assert!((800..=1_200).contains(&wait.as_millis()), "{wait:?}");
    assert_eq!(fixture.deliver_next().await, None, "it is not due yet");
    fixture.pass(Duration::from_millis(1_200));
    assert!(matches!(
        fixture.deliver_next().await,
        Some(Delivery::Waiting { .. })
    ));
    let entry = &fixture.entries().await[0];
    assert_eq!(
        (entry.attempts, entry.last_error.as_deref()),
        (2, Some("localhost:1025 deferred the mail: 451 4.3.2 later"))
    );
    fixture.pass(Duration::from_millis(2_400));
    assert!(matches!(
        fixture.deliver_next().await,
        Some(Delivery::Sent { .. })
    ));
    assert!(fixture.entries().await.is_empty());
    let ids: Vec<String> = fixture
        .server
        .attempted()
        .into_iter()
        .map(|message| message.message_id)
        .collect();
    assert!(
        ids.len() == 3 && ids.iter().all(|id| *id == ids[0]),
        "{ids:?}"
    );
    assert_eq!(
        fixture.history().await,
        [
            "mail_sent reset_password: 250 2.0.0 kept",
            "mail_failed reset_password: localhost:1025 deferred the mail: 451 4.3.2 later",
            "mail_failed reset_password: localhost:1025 deferred the mail: 451 4.3.2 later",
            "reset_requested",
            "created",
        ]
    );
}

#[tokio::test]
async fn an_unreachable_server_costs_no_attempt_and_one_line_of_history() {
    let fixture = Fixture::fresh().await;
    fixture.request_reset().await;
    let queued = fixture.entries().await.remove(0);
    for _ in 0..5 {
        fixture.server.fail_next(unreachable());
        assert!(matches!(
            fixture.deliver_next().await,
            Some(Delivery::Waiting {
                is_server_down: true,
                ..
            })
        ));
        // The entry keeps its position and has the error.
        let waiting = fixture.entries().await.remove(0);
        assert!(
            waiting
                .last_error
                .as_ref()
                .unwrap()
                .contains("connection refused")
        );
        let as_before = Entry {
            last_error: None,
            ..waiting
        };
        assert_eq!(as_before, queued);
    }
    assert!(matches!(
        fixture.deliver_next().await,
        Some(Delivery::Sent { .. })
    ));
    assert_eq!(
        fixture.history().await,
        [
            "mail_sent reset_password: 250 2.0.0 kept",
            "mail_failed reset_password: nothing answers SMTP at localhost:1025 (connection refused)",
            "reset_requested",
            "created",
        ]
    );
}

#[tokio::test]
async fn an_expired_link_is_given_up_while_the_server_is_unreachable() {
    let fixture = Fixture::fresh().await;
    fixture.request_reset().await;
    fixture.pass(HOUR);
    fixture.server.fail_next(unreachable());
    assert!(matches!(
        fixture.deliver_next().await,
        Some(Delivery::Dead { .. })
    ));
}

#[tokio::test]
async fn a_rejected_mail_is_dead_and_keeps_the_reply() {
    let fixture = Fixture::fresh().await;
    fixture.server.fail_next(rejected());
    fixture.request_reset().await;
    assert!(matches!(
        fixture.deliver_next().await,
        Some(Delivery::Dead { .. })
    ));
    fixture.pass(HOUR);
    assert_eq!(fixture.deliver_next().await, None);
    let entry = &fixture.entries().await[0];
    assert_eq!(entry.state, EntryState::Dead);
    assert!(entry.last_error.as_ref().unwrap().contains("550 5.1.1"));
}

#[tokio::test]
async fn a_link_that_cannot_be_redeemed_any_more_is_not_sent() {
    let fixture = Fixture::fresh().await;
    // Requested before the password was changed.
    fixture.request_reset().await;
    let changed = PasswordInput::new(NEW_PASSWORD);
    fixture
        .app
        .set_password(ANN, &changed, &terminal(), DeliveryMode::DeliverNow)
        .await
        .unwrap();
    assert!(matches!(
        fixture.deliver_next().await,
        Some(Delivery::Dead { .. })
    ));
    // Expired to the second.
    fixture.request_reset().await;
    fixture.pass(HOUR);
    assert!(matches!(
        fixture.deliver_next().await,
        Some(Delivery::Dead { .. })
    ));
    let subjects: Vec<String> = fixture
        .server
        .accepted()
        .into_iter()
        .map(|message| message.subject)
        .collect();
    assert_eq!(subjects, ["reset_successful"]);
    assert_eq!(fixture.entries().await.len(), 2, "dead entries are kept");
}

#[tokio::test]
async fn an_entry_that_a_worker_did_not_finish_is_leased_again_after_its_lease() {
    let fixture = Fixture::fresh().await;
    fixture.request_reset().await;
    let held = fixture.lease_next(Round::First).await.unwrap();
    assert_eq!(fixture.deliver_next().await, None);
    fixture.pass(LEASE - Duration::from_millis(1));
    assert_eq!(fixture.deliver_next().await, None);
    fixture.pass(Duration::from_millis(1));
    assert!(matches!(
        fixture.deliver_next().await,
        Some(Delivery::Sent { .. })
    ));
    // The first worker was slow and not dead: its outcome has no effect any more.
    fixture.app.deliver(held).await.unwrap();
    assert!(fixture.entries().await.is_empty());
    let sent = fixture.server.accepted();
    assert_eq!(sent[0].message_id, sent[1].message_id);
}

#[tokio::test]
async fn a_retry_attempts_a_waiting_or_dead_mail_at_once() {
    let fixture = Fixture::fresh().await;
    for refusal in [unreachable(), rejected()] {
        fixture.server.fail_next(refusal);
        fixture.request_reset().await;
        fixture.deliver_next().await;
        let entry = &fixture.entries().await[0];
        let delivery = fixture.app.retry_mail(entry.id).await.unwrap();
        assert!(matches!(delivery, Delivery::Sent { .. }), "{delivery:?}");
        assert!(fixture.entries().await.is_empty());
        let again = fixture.app.retry_mail(entry.id).await;
        assert!(matches!(again, Err(AppError::NoSuchMail(_))), "{again:?}");
    }
}

#[tokio::test]
async fn a_dead_mail_that_is_rejected_again_is_dead_again() {
    let fixture = Fixture::fresh().await;
    fixture.server.fail_next(rejected());
    fixture.server.fail_next(rejected());
    fixture.request_reset().await;
    fixture.deliver_next().await;
    let id = fixture.entries().await[0].id;
    let delivery = fixture.app.retry_mail(id).await.unwrap();
    assert!(matches!(delivery, Delivery::Dead { .. }), "{delivery:?}");
    let entry = &fixture.entries().await[0];
    assert_eq!((entry.state, entry.attempts), (EntryState::Dead, 2));
}

#[tokio::test]
async fn dropping_a_mail_records_the_administrator_in_the_history() {
    let fixture = Fixture::fresh().await;
    fixture.request_reset().await;
    let id = fixture.entries().await[0].id;
    let admin = Origin::Terminal("root".to_owned());
    fixture.app.drop_mail(id, &admin).await.unwrap();
    assert!(fixture.entries().await.is_empty());
    assert_eq!(fixture.deliver_next().await, None);
    let details = fixture.app.account_details(ANN, 1).await.unwrap();
    let newest = &details.history[0];
    assert_eq!(
        (newest.kind, newest.origin.clone(), newest.detail.as_str()),
        (EventKind::MailDropped, admin.clone(), "reset_password")
    );
    let again = fixture.app.drop_mail(id, &admin).await;
    assert!(matches!(again, Err(AppError::NoSuchMail(_))), "{again:?}");
}

#[tokio::test]
async fn a_mail_that_is_being_sent_is_neither_retried_nor_dropped() {
    let fixture = Fixture::fresh().await;
    fixture.request_reset().await;
    let held = fixture.lease_next(Round::First).await.unwrap();
    let tried = fixture.app.retry_mail(held.id).await;
    assert!(matches!(tried, Err(AppError::MailHeld(_))), "{tried:?}");
    let dropped = fixture.app.drop_mail(held.id, &terminal()).await;
    assert!(matches!(dropped, Err(AppError::MailHeld(_))), "{dropped:?}");
    let flushed = fixture
        .app
        .flush_outbox(FlushScope::All, &|_| {})
        .await
        .unwrap();
    assert_eq!((flushed.total, flushed.elsewhere), (1, 1));
}

#[tokio::test]
async fn a_flush_attempts_each_waiting_mail_once_and_reports_progress() {
    let fixture = Fixture::fresh().await;
    for _ in 0..20 {
        fixture.request_reset().await;
    }
    fixture.server.fail_next(rejected());
    fixture.deliver_next().await;
    let reported = Mutex::new(Vec::new());
    let flushed = fixture
        .app
        .flush_outbox(FlushScope::Waiting, &|so_far| {
            reported
                .lock()
                .unwrap()
                .push((so_far.tried(), so_far.total));
        })
        .await
        .unwrap();
    assert_eq!((flushed.total, flushed.sent, flushed.left), (19, 19, 0));
    let reported = reported.into_inner().unwrap();
    let expected: Vec<_> = (1..=19).map(|done| (done, 19)).collect();
    assert_eq!(reported, expected);
    let flushed = fixture
        .app
        .flush_outbox(FlushScope::All, &|_| {})
        .await
        .unwrap();
    assert_eq!((flushed.total, flushed.sent), (1, 1), "the dead one too");
}

#[tokio::test]
async fn a_flush_stops_if_the_mail_server_is_unreachable() {
    let fixture = Fixture::fresh().await;
    for _ in 0..40 {
        fixture.request_reset().await;
        fixture.server.fail_next(unreachable());
    }
    let flushed = fixture
        .app
        .flush_outbox(FlushScope::Waiting, &|_| {})
        .await
        .unwrap();
    assert_eq!((flushed.waiting, flushed.left), (1, 39), "{flushed:?}");
    assert!(flushed.last.unwrap().0.contains("connection refused"));
    assert!(
        fixture
            .entries()
            .await
            .iter()
            .all(|entry| entry.attempts == 0 && entry.lease.is_none())
    );
}

#[tokio::test]
async fn history_is_deleted_at_its_configured_age() {
    let fixture = Fixture::fresh().await;
    let kept = Duration::from_secs(90 * 86_400);
    fixture.pass(kept);
    fixture.request_reset().await;
    assert_eq!(fixture.app.forget_history().await.unwrap(), 0);
    fixture.pass(Duration::from_millis(1));
    assert_eq!(fixture.app.forget_history().await.unwrap(), 1);
    assert_eq!(fixture.history().await, ["reset_requested"]);
}

/// Calls a function at each warning.
struct OnWarning<F>(F);

impl<F: Fn() + Send + Sync + 'static> Subscriber for OnWarning<F> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        (self.0)();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Another process locks the database after the mail was accepted, until the attempt to store the outcome has failed once.
#[tokio::test]
async fn the_outcome_of_an_attempt_is_stored_once_the_database_can_be_written_again() {
    let fixture = Fixture::fresh().await;
    fixture.request_reset().await;
    let other = rusqlite::Connection::open(fixture.dir.path().join("test.sqlite3")).unwrap();
    *fixture.server.locks.lock().unwrap() = Some(other);
    let server = Arc::clone(&fixture.server);
    let unlock = move || {
        let mut locks = server.locks.lock().unwrap();
        drop(locks.take_if(|other| !other.is_autocommit()));
    };
    let _subscriber = tracing::subscriber::set_default(OnWarning(unlock));
    assert!(matches!(
        fixture.deliver_next().await,
        Some(Delivery::Sent { .. })
    ));
    assert!(
        fixture.server.locks.lock().unwrap().is_none(),
        "the first attempt to store the outcome has failed"
    );
    assert!(fixture.entries().await.is_empty());
    fixture.pass(Duration::from_secs(60));
    assert_eq!(fixture.deliver_next().await, None);
    assert_eq!(fixture.server.accepted().len(), 1);
}

#[tokio::test]
async fn a_confirmation_is_given_up_after_five_days() {
    let fixture = Fixture::fresh().await;
    fixture.request_reset().await;
    fixture.deliver_next().await;
    fixture
        .reset(&token(&fixture.server.accepted()[0]))
        .await
        .unwrap();
    fixture.server.fail_next(unreachable());
    fixture.deliver_next().await;
    let day = Duration::from_secs(86_400);
    fixture.pass(5 * day - Duration::from_secs(1));
    fixture.server.fail_next(unreachable());
    assert!(matches!(
        fixture.deliver_next().await,
        Some(Delivery::Waiting { .. })
    ));
    fixture.pass(day);
    fixture.server.fail_next(unreachable());
    let Some(Delivery::Dead { error }) = fixture.deliver_next().await else {
        panic!("it is still retried");
    };
    assert_eq!(error, "no mail server accepted it for five days");
    assert_eq!(fixture.entries().await[0].state, EntryState::Dead);
}
