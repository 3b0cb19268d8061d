//! Promises about what happened to accounts.

use super::*;

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

pub(super) async fn an_event_for_nobody_is_dropped(store: &Arc<dyn CopyableStore>) {
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

pub(super) async fn what_is_too_old_is_forgotten(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    create(store, 2).await;
    for (account, second) in [(1, 10), (1, 20), (2, 19), (2, 30)] {
        let line = event(account, EventKind::ResetRefused, second);
        store.record(&line).await.unwrap();
    }
    // With them go the lines of the making.
    assert_eq!(store.forget_before(at(20)).await.unwrap(), 4);
    for (number, second) in [(1, 20), (2, 30)] {
        let kept = store.history(account(number).id, 10).await.unwrap();
        assert_eq!(kept, [event(number, EventKind::ResetRefused, second)]);
    }
    assert_eq!(store.forget_before(at(20)).await.unwrap(), 0);
}
