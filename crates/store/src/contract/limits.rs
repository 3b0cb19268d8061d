//! Promises about limits.

use super::fixtures::*;

fn counting(limit: Limit, key: u8, second: i64) -> LimitedCall {
    LimitedCall {
        limit,
        key: LimitKey([key; 32]),
        now: at(second),
    }
}

fn early(second: i64) -> TooEarly {
    TooEarly { until: at(second) }
}

pub(super) async fn a_limit_counts_up_to_its_maximum_and_a_refused_call_changes_nothing(
    store: &Arc<dyn CopyableStore>,
) {
    let count = async |key, second| {
        let counting = counting(Limit::Forgot, key, second);
        store
            .count(counting)
            .await
            .unwrap()
            .map(|tally| tally.until)
    };
    assert_eq!(store.limit_state(LimitKey([1; 32])).await.unwrap(), None);
    for nth in 1..=3 {
        assert_eq!(count(1, 0).await, Ok(at(300 * nth)));
    }
    let kept = store.limit_state(LimitKey([1; 32])).await.unwrap();
    assert_eq!(kept.unwrap().until, at(900));
    for second in [0, 299] {
        assert_eq!(count(1, second).await, Err(early(300)));
    }
    assert_eq!(store.limit_state(LimitKey([1; 32])).await.unwrap(), kept);
    assert_eq!(count(2, 0).await, Ok(at(300)));
    assert_eq!(count(1, 300).await, Ok(at(1_200)));
    store.clear_limit(LimitKey([1; 32])).await.unwrap();
    store.clear_limit(LimitKey([3; 32])).await.unwrap();
    assert_eq!(store.limit_state(LimitKey([1; 32])).await.unwrap(), None);
    assert_eq!(count(1, 300).await, Ok(at(600)));
}

pub(crate) async fn concurrent_calls_do_not_exceed_a_limit(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    let calls = (0..20).map(|number| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let counting = counting(Limit::Forgot, 1, 0);
            if number % 2 == 0 {
                return store.count(counting).await.unwrap().is_ok();
            }
            let asked = event(1, EventKind::ResetRequested, 0);
            let mail = entry(number, 1, 0);
            let queued = store.queue_mail(&mail, &asked, Some(counting));
            queued.await.unwrap() == QueueResult::Queued
        })
    });
    let calls: Vec<_> = calls.collect();
    let mut done = 0;
    for call in calls {
        done += usize::from(call.await.unwrap());
    }
    assert_eq!(done, 3);
}

pub(super) async fn queueing_counts_toward_a_limit_for_known_and_unknown_accounts(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    for (number, expected) in [(1, QueueResult::Queued), (2, QueueResult::NoAccount)] {
        let mut outcomes = Vec::new();
        for nth in 0..5 {
            let asked = event(number, EventKind::ResetRequested, 0);
            let mail = entry(10 * number + nth, number, 0);
            let counting = counting(Limit::Forgot, number, 0);
            let queued = store.queue_mail(&mail, &asked, Some(counting)).await;
            outcomes.push(queued.unwrap());
        }
        let refused = QueueResult::TooEarly(early(300));
        assert_eq!(
            outcomes,
            [expected, expected, expected, refused, refused],
            "{number}"
        );
    }
    let counts = store.counts().await.unwrap();
    // Including the line for the account's creation.
    assert_eq!((counts.mails, counts.events), (3, 4));
}

pub(super) async fn a_changed_password_clears_the_failed_logins(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    let key = LimitKey([1; 32]);
    store
        .count(counting(Limit::Login, 1, 0))
        .await
        .unwrap()
        .unwrap();
    let forgiving = |change| CredentialChange {
        clears_limit: Some(key),
        ..change
    };
    // A refused change clears nothing.
    let superseded = forgiving(CredentialChange {
        expected: account(2),
        ..change(1, "second")
    });
    let replaced = store.replace_credential(&superseded).await.unwrap();
    assert_eq!(replaced, Replacement::Conflict);
    assert!(store.limit_state(key).await.unwrap().is_some());
    let replaced = store
        .replace_credential(&forgiving(change(1, "second")))
        .await;
    assert_eq!(replaced.unwrap(), Replacement::Replaced);
    assert_eq!(store.limit_state(key).await.unwrap(), None);
}

/// MongoDB deletes them by itself, once a minute. There the test checks only that an expired tally has no effect.
pub(super) async fn expired_tallies_are_deleted(store: &Arc<dyn CopyableStore>) {
    for key in 1..=3 {
        let counting = counting(Limit::Client, key, i64::from(key));
        store.count(counting).await.unwrap().unwrap();
    }
    let forgotten = store.delete_expired_limits(at(62)).await.unwrap();
    for key in 1..=3 {
        let kept = store.limit_state(LimitKey([key; 32])).await.unwrap();
        assert_eq!(kept.is_some(), key == 3 || forgotten == 0, "{key}");
        // An expired tally has no effect, whether it still exists or not.
        let counted = store.count(counting(Limit::Client, key, 62)).await.unwrap();
        assert_eq!(counted.unwrap().count, if key == 3 { 2 } else { 1 });
    }
}
