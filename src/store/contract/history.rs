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
