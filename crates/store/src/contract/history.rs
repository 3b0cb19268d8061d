//! Promises about the history.

use super::fixtures::*;

pub(super) async fn the_history_is_newest_first_and_bounded(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    create(store, 2).await;
    for (kind, second) in [
        (EventKind::ResetRequested, 5),
        (EventKind::MailSent, 5),
        (EventKind::ResetDone, 3),
    ] {
        store.record(&event(1, kind, second)).await.unwrap();
    }
    let kinds = |events: Vec<Event>| {
        events
            .into_iter()
            .map(|event| event.kind)
            .collect::<Vec<_>>()
    };
    let all = [
        EventKind::MailSent,
        EventKind::ResetRequested,
        EventKind::ResetDone,
        EventKind::Created,
    ];
    assert_eq!(kinds(store.history(account(1).id, 10).await.unwrap()), all);
    assert_eq!(
        kinds(store.history(account(1).id, 2).await.unwrap()),
        all[..2]
    );
}

pub(super) async fn an_event_for_an_unknown_account_is_dropped(store: &Arc<dyn CopyableStore>) {
    store
        .record(&event(1, EventKind::ResetRefused, 0))
        .await
        .unwrap();
    assert_eq!(store.history(account(1).id, 10).await.unwrap(), []);
}

pub(super) async fn the_history_keeps_its_newest_lines(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    create(store, 2).await;
    let all = HISTORY_LINES as i64 + 100;
    for second in 0..all {
        let line = event(1, EventKind::ResetRefused, second);
        store.record(&line).await.unwrap();
    }
    let kept = store.history(account(1).id, 10_000).await.unwrap();
    assert!(
        (HISTORY_LINES..HISTORY_LINES + 50).contains(&kept.len()),
        "{}",
        kept.len()
    );
    let newest: Vec<_> = kept.iter().map(|event| event.at).collect();
    let expected: Vec<_> = (0..all).rev().map(at).take(kept.len()).collect();
    assert_eq!(newest, expected);
    assert_eq!(store.history(account(2).id, 10).await.unwrap().len(), 1);
}

pub(super) async fn old_lines_are_deleted(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    create(store, 2).await;
    for (account, second) in [(1, 10), (1, 20), (2, 19), (2, 30)] {
        let line = event(account, EventKind::ResetRefused, second);
        store.record(&line).await.unwrap();
    }
    // Two of them are for the creation of the accounts.
    assert_eq!(store.delete_events_before(at(20)).await.unwrap(), 4);
    for (number, second) in [(1, 20), (2, 30)] {
        let kept = store.history(account(number).id, 10).await.unwrap();
        assert_eq!(kept, [event(number, EventKind::ResetRefused, second)]);
    }
    assert_eq!(store.delete_events_before(at(20)).await.unwrap(), 0);
}

const DAY: i64 = 86_400;

/// Returns a failed login `second` seconds after the start of a UTC day.
fn failure(number: u8, second: i64, client: &str) -> Event {
    // The time of `at` is 8:00.
    let second = second - 8 * 3_600;
    Event {
        origin: Origin::Client(client.parse().unwrap()),
        detail: format!("failure at {second}"),
        ..event(number, EventKind::LoginFailed, second)
    }
}

pub(super) async fn logins_are_counted_in_one_line_a_day(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    create(store, 2).await;
    let of_other = failure(2, 7, "192.0.2.9");
    for (second, client) in [
        (0, "192.0.2.1"),
        (DAY - 1, "2001:db8::1"),
        (60, "192.0.2.3"),
    ] {
        let failure = failure(1, second, client);
        store.record(&failure).await.unwrap();
    }
    store.record(&of_other).await.unwrap();
    let login = Event {
        kind: EventKind::LoggedIn,
        ..failure(1, 90, "192.0.2.4")
    };
    store.record(&login).await.unwrap();
    let next_day = failure(1, DAY, "192.0.2.5");
    store.record(&next_day).await.unwrap();
    // The time is that of the latest event; source and detail are those of the event that was recorded last.
    let first_day = Event {
        at: failure(1, DAY - 1, "::").at,
        first_at: failure(1, 0, "::").at,
        count: 3,
        ..failure(1, 60, "192.0.2.3")
    };
    let history = store.history(account(1).id, 10).await.unwrap();
    let created = event(1, EventKind::Created, 0);
    assert_eq!(history, [next_day, first_day, created, login]);
    let history = store.history(account(2).id, 10).await.unwrap();
    assert_eq!(history, [event(2, EventKind::Created, 0), of_other]);
}

pub(super) async fn concurrent_logins_are_counted_in_one_line(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    let logins = (0..20).map(|second| {
        let store = Arc::clone(store);
        let failure = failure(1, second, "192.0.2.1");
        tokio::spawn(async move { store.record(&failure).await.unwrap() })
    });
    let logins: Vec<_> = logins.collect();
    for login in logins {
        login.await.unwrap();
    }
    let history = store.history(account(1).id, 10).await.unwrap();
    let failures: Vec<_> = history
        .iter()
        .filter(|event| event.kind == EventKind::LoginFailed)
        .map(|event| event.count)
        .collect();
    assert_eq!(failures, [20]);
}

pub(super) async fn counted_lines_are_bounded_and_other_lines_stay(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    let days = COUNTED_LINES as i64 + 5;
    for day in 0..days {
        for second in [0, 1] {
            let failure = failure(1, day * DAY + second, "192.0.2.1");
            store.record(&failure).await.unwrap();
        }
    }
    let history = store.history(account(1).id, 1_000).await.unwrap();
    let (failures, others): (Vec<_>, Vec<_>) = history
        .into_iter()
        .partition(|event| event.kind == EventKind::LoginFailed);
    assert_eq!(others, [event(1, EventKind::Created, 0)]);
    let kept: Vec<_> = failures
        .iter()
        .map(|event| (event.at, event.count))
        .collect();
    let newest = |day: i64| (failure(1, day * DAY + 1, "::").at, 2);
    let expected: Vec<_> = (5..days).rev().map(newest).collect();
    assert_eq!(kept, expected);
}

pub(super) async fn a_counted_line_does_not_outlive_its_account(store: &Arc<dyn CopyableStore>) {
    let failure = failure(1, 0, "192.0.2.1");
    store.record(&failure).await.unwrap();
    assert_eq!(store.history(account(1).id, 10).await.unwrap(), []);
    for round in 0..5 {
        create(store, 1).await;
        // Before the deletion, and at the same time.
        store.record(&failure).await.unwrap();
        let recording: Vec<_> = (0..8)
            .map(|_| {
                let (store, failure) = (Arc::clone(store), failure.clone());
                tokio::spawn(async move { store.record(&failure).await.unwrap() })
            })
            .collect();
        let deleted = store.delete_account(account(1).id).await.unwrap();
        assert!(deleted.is_some());
        for recorded in recording {
            recorded.await.unwrap();
        }
        store.record(&failure).await.unwrap();
        let counts = store.counts().await.unwrap();
        assert_eq!(counts, Counts::default(), "round {round}");
    }
}
