//! Promises about the outbox.

use super::fixtures::*;

pub(super) async fn a_mail_for_an_unknown_account_is_not_queued(store: &Arc<dyn CopyableStore>) {
    let asked = event(1, EventKind::ResetRequested, 0);
    let queued = store
        .queue_mail(&entry(1, 1, 0), &asked, None)
        .await
        .unwrap();
    assert_eq!(queued, QueueResult::NoAccount);
    assert_eq!(store.counts().await.unwrap(), Counts::default());
    assert_eq!(store.next_due().await.unwrap(), None);
    assert_eq!(store.history(account(1).id, 10).await.unwrap(), []);
}

pub(super) async fn a_queued_entry_is_read_back_unchanged(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    let whole = Entry {
        attempts: 3,
        last_error: Some("451 später".to_owned()),
        lease: Some(lease(5, 60)),
        ..entry(1, 1, 7)
    };
    queue(store, &whole).await;
    queue(
        store,
        &Entry {
            requested_at: at(-5),
            ..entry(2, 1, 0)
        },
    )
    .await;
    let entries = store.entries_of(account(1).id).await.unwrap();
    assert_eq!(
        entries,
        [
            Entry {
                requested_at: at(-5),
                ..entry(2, 1, 0)
            },
            whole
        ]
    );
}

pub(super) async fn an_entry_is_leased_once_and_again_when_the_lease_ends(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    queue(store, &entry(1, 1, 10)).await;
    assert_eq!(lease_any(store, at(9), lease(1, 25)).await.unwrap(), None);
    let leased = lease_any(store, at(10), lease(1, 25))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        leased,
        Entry {
            attempts: 1,
            lease: Some(lease(1, 25)),
            ..entry(1, 1, 10)
        }
    );
    assert_eq!(store.next_due().await.unwrap(), Some(at(25)));
    assert_eq!(lease_any(store, at(24), lease(2, 39)).await.unwrap(), None);
    let again = lease_any(store, at(25), lease(2, 40))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((again.attempts, again.lease), (2, Some(lease(2, 40))));
}

pub(super) async fn two_workers_never_lease_the_same_entry(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    for id in 0..20 {
        queue(store, &entry(id, 1, 0)).await;
    }
    let taken = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (1..=4)
        .map(|worker| {
            let (store, taken) = (Arc::clone(store), Arc::clone(&taken));
            tokio::spawn(async move {
                let mut leased = Vec::new();
                // The last workers may find no entry, and attempts may fail.
                while taken.load(Ordering::Relaxed) < 20 {
                    let hold = lease(worker, 15);
                    let some = store.lease_due(Round::First, at(0), hold, worker.into());
                    for entry in some.await.unwrap() {
                        assert_eq!(entry.lease, Some(hold));
                        leased.push(entry.id);
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                    tokio::task::yield_now().await;
                }
                leased
            })
        })
        .collect();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    all.sort();
    assert_eq!(
        all,
        (0..20)
            .map(|id| EntryId::from_bytes([id; 12]))
            .collect::<Vec<_>>()
    );
}

pub(super) async fn the_longest_due_is_leased_first_and_equal_ones_by_id(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    for (id, due) in [(4, 2), (3, 2), (1, 3), (2, 1), (5, 99)] {
        queue(store, &entry(id, 1, due)).await;
    }
    let mut order = Vec::new();
    while let Some(entry) = lease_any(store, at(50), lease(1, 65)).await.unwrap() {
        order.push(entry.id.as_bytes()[0]);
    }
    assert_eq!(order, [2, 3, 4, 1]);
}

pub(super) async fn an_entry_queued_with_a_lease_belongs_to_its_holder(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    queue(
        store,
        &Entry {
            lease: Some(lease(1, 15)),
            attempts: 1,
            ..entry(1, 1, 0)
        },
    )
    .await;
    assert_eq!(lease_any(store, at(14), lease(2, 29)).await.unwrap(), None);
    assert!(
        store
            .settle(
                EntryId::from_bytes([1; 12]),
                lease(1, 15).holder,
                &Outcome::Sent,
                Some(&event(1, EventKind::MailSent, 3))
            )
            .await
            .unwrap()
    );
    assert_eq!(store.entries_of(account(1).id).await.unwrap(), []);
}

pub(super) async fn a_renewed_lease_lasts_and_a_lost_one_is_not_renewed(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    queue(store, &entry(1, 1, 0)).await;
    let id = lease_any(store, at(0), lease(1, 15))
        .await
        .unwrap()
        .unwrap()
        .id;
    assert!(store.renew_lease(id, lease(1, 30)).await.unwrap());
    assert_eq!(lease_any(store, at(29), lease(2, 44)).await.unwrap(), None);
    assert!(
        lease_any(store, at(30), lease(2, 45))
            .await
            .unwrap()
            .is_some()
    );
    assert!(!store.renew_lease(id, lease(1, 60)).await.unwrap());
    assert!(
        lease_any(store, at(45), lease(3, 60))
            .await
            .unwrap()
            .is_some()
    );
}

pub(super) async fn a_worker_without_the_lease_settles_nothing(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    queue(store, &entry(1, 1, 0)).await;
    let id = lease_any(store, at(0), lease(1, 15))
        .await
        .unwrap()
        .unwrap()
        .id;
    lease_any(store, at(15), lease(2, 30))
        .await
        .unwrap()
        .unwrap();
    for outcome in [
        Outcome::Sent,
        Outcome::Dead {
            error: "x".to_owned(),
        },
        Outcome::Retry {
            at: at(99),
            error: "x".to_owned(),
        },
    ] {
        assert!(
            !store
                .settle(
                    id,
                    lease(1, 15).holder,
                    &outcome,
                    Some(&event(1, EventKind::MailSent, 20))
                )
                .await
                .unwrap()
        );
    }
    let entries = store.entries_of(account(1).id).await.unwrap();
    assert_eq!(
        entries,
        [Entry {
            attempts: 2,
            lease: Some(lease(2, 30)),
            ..entry(1, 1, 0)
        }]
    );
    assert_eq!(store.history(account(1).id, 10).await.unwrap().len(), 2);
}

pub(super) async fn an_entry_that_was_not_offered_is_given_back_unchanged(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    // One of each round, and one that is tried by hand before it is due.
    let failed = Entry {
        attempts: 2,
        last_error: Some("451 busy".to_owned()),
        ..entry(2, 1, 5)
    };
    let not_due = entry(3, 1, 99);
    for queued in [&entry(1, 1, 4), &failed, &not_due] {
        queue(store, queued).await;
    }
    let first = lease_next(store, Round::First, at(10), lease(1, 25)).await;
    let later = lease_next(store, Round::Later, at(10), lease(1, 25)).await;
    let by_hand = store
        .lease_entry(not_due.id, LeaseMode::WaitingOnly, at(10), lease(1, 25))
        .await;
    let LeaseResult::Leased(by_hand) = by_hand.unwrap() else {
        panic!("it is free");
    };
    let (first, later) = (first.unwrap().unwrap(), later.unwrap().unwrap());
    assert!(store.release_entry(&first, None).await.unwrap());
    assert!(store.release_entry(&later, Some("no route")).await.unwrap());
    assert!(
        store
            .release_entry(&by_hand, Some("no route"))
            .await
            .unwrap()
    );
    let entries = store.entries(None, 10).await.unwrap();
    let told = |entry: &Entry| Entry {
        last_error: Some("no route".to_owned()),
        ..entry.clone()
    };
    assert_eq!(entries, [entry(1, 1, 4), told(&failed), told(&not_due)]);
    assert_eq!(store.next_due().await.unwrap(), Some(at(4)));
    // They can be leased again, each in its round.
    let again = lease_next(store, Round::First, at(10), lease(2, 25)).await;
    assert_eq!(again.unwrap().unwrap().id, first.id);
    let again = lease_next(store, Round::Later, at(10), lease(2, 25)).await;
    assert_eq!(again.unwrap().unwrap().attempts, 3);
    // Another worker has them now.
    assert!(!store.release_entry(&first, Some("late")).await.unwrap());
    let held = store.entries(None, 1).await.unwrap().remove(0);
    assert_eq!((held.lease, held.attempts), (Some(lease(2, 25)), 1));
}

pub(super) async fn a_sent_mail_is_removed_a_failed_one_waits_a_dead_one_stays(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    for id in [1, 2, 3] {
        queue(store, &entry(id, 1, i64::from(id))).await;
        lease_any(store, at(10), lease(id, 25))
            .await
            .unwrap()
            .unwrap();
    }
    let outcomes = [
        Outcome::Sent,
        Outcome::Retry {
            at: at(40),
            error: "451 busy".to_owned(),
        },
        Outcome::Dead {
            error: "550 unknown".to_owned(),
        },
    ];
    for (id, outcome) in [1, 2, 3].into_iter().zip(&outcomes) {
        let told = event(1, EventKind::MailFailed, 11);
        assert!(
            store
                .settle(
                    EntryId::from_bytes([id; 12]),
                    lease(id, 25).holder,
                    outcome,
                    Some(&told)
                )
                .await
                .unwrap()
        );
    }
    let entries = store.entries_of(account(1).id).await.unwrap();
    let waits = Entry {
        attempts: 1,
        last_error: Some("451 busy".to_owned()),
        ..entry(2, 1, 40)
    };
    let dead = Entry {
        attempts: 1,
        last_error: Some("550 unknown".to_owned()),
        state: EntryState::Dead,
        ..entry(3, 1, 3)
    };
    assert_eq!(entries, [waits, dead]);
    assert_eq!(store.next_due().await.unwrap(), Some(at(40)));
    let last = lease_any(store, at(1_000), lease(9, 1_015))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(last.id, EntryId::from_bytes([2; 12]));
    assert_eq!(
        lease_any(store, at(1_000), lease(9, 1_015)).await.unwrap(),
        None,
        "the dead are left alone"
    );
}

pub(super) async fn new_mails_do_not_wait_for_old_failures(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    for id in [1, 2] {
        queue(store, &entry(id, 1, 0)).await;
        lease_any(store, at(1), lease(id, 2))
            .await
            .unwrap()
            .unwrap();
    }
    queue(store, &entry(3, 1, 9)).await;
    // All three are due, the failures for longer.
    let first = lease_next(store, Round::First, at(10), lease(3, 25)).await;
    assert_eq!(first.unwrap().unwrap().id, EntryId::from_bytes([3; 12]));
    assert_eq!(
        lease_next(store, Round::First, at(10), lease(3, 25))
            .await
            .unwrap(),
        None
    );
    let later = lease_next(store, Round::Later, at(10), lease(3, 25)).await;
    assert_eq!(later.unwrap().unwrap().id, EntryId::from_bytes([1; 12]));
}

pub(super) async fn several_entries_are_leased_at_once_in_the_order_of_their_due_times(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    for (id, due) in [(1, 3), (2, 1), (3, 2), (4, 9), (5, 4)] {
        queue(store, &entry(id, 1, due)).await;
    }
    let leased = async |limit| {
        let mut some = Vec::new();
        // Some stores lease only one entry in one step.
        while some.len() < limit {
            let left = limit - some.len();
            let more = store.lease_due(Round::First, at(5), lease(7, 20), left);
            let more = more.await.unwrap();
            if more.is_empty() {
                break;
            }
            some.extend(more);
        }
        assert!(some.len() <= limit);
        assert!(
            some.iter()
                .all(|entry| entry.lease == Some(lease(7, 20)) && entry.attempts == 1)
        );
        let ids = some.iter().map(|entry| entry.id.as_bytes()[0]);
        ids.collect::<Vec<_>>()
    };
    assert_eq!(leased(3).await, [2, 3, 1]);
    // The fourth is not due yet.
    assert_eq!(leased(3).await, [5]);
    assert!(leased(3).await.is_empty());
    let sent = event(1, EventKind::MailSent, 6);
    let id = EntryId::from_bytes([3; 12]);
    let settled = store.settle(id, lease(7, 20).holder, &Outcome::Sent, Some(&sent));
    assert!(settled.await.unwrap());
}

pub(super) async fn an_entry_is_leased_by_id_due_or_dead_unless_it_is_held(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    let id = EntryId::from_bytes([1; 12]);
    let unknown = store
        .lease_entry(id, LeaseMode::Revive, at(0), lease(1, 15))
        .await;
    assert_eq!(unknown.unwrap(), LeaseResult::NotFound);
    queue(store, &entry(1, 1, 99)).await;
    let leased = Entry {
        attempts: 1,
        lease: Some(lease(1, 15)),
        ..entry(1, 1, 99)
    };
    let early = store
        .lease_entry(id, LeaseMode::Revive, at(0), lease(1, 15))
        .await;
    assert_eq!(early.unwrap(), LeaseResult::Leased(Box::new(leased)));
    let held = store
        .lease_entry(id, LeaseMode::Revive, at(14), lease(2, 29))
        .await;
    assert_eq!(held.unwrap(), LeaseResult::Held);
    let dead = Outcome::Dead {
        error: "550".to_owned(),
    };
    let told = event(1, EventKind::MailFailed, 3);
    assert!(
        store
            .settle(id, lease(1, 15).holder, &dead, Some(&told))
            .await
            .unwrap()
    );
    let waiting = store.lease_entry(id, LeaseMode::WaitingOnly, at(4), lease(2, 19));
    assert_eq!(waiting.await.unwrap(), LeaseResult::NotFound);
    let as_it_is = store.lease_entry(id, LeaseMode::KeepState, at(4), lease(2, 5));
    let LeaseResult::Leased(as_it_is) = as_it_is.await.unwrap() else {
        panic!("it is free");
    };
    assert_eq!(as_it_is.state, EntryState::Dead);
    for round in [Round::First, Round::Later] {
        let next = lease_next(store, round, at(50), lease(4, 65)).await;
        assert_eq!(next.unwrap(), None, "it stays dead");
    }
    let revived = store
        .lease_entry(id, LeaseMode::Revive, at(5), lease(3, 19))
        .await
        .unwrap();
    let LeaseResult::Leased(revived) = revived else {
        panic!("{revived:?}");
    };
    assert_eq!(
        (revived.state, revived.attempts, revived.lease),
        (EntryState::Waiting, 3, Some(lease(3, 19)))
    );
    assert_eq!(
        store.entries_of(account(1).id).await.unwrap(),
        [*revived],
        "after a crash another worker tries it again"
    );
}

pub(super) async fn a_dropped_mail_is_removed_and_its_event_stays(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    queue(store, &entry(1, 1, 0)).await;
    let id = EntryId::from_bytes([1; 12]);
    store
        .lease_entry(id, LeaseMode::Revive, at(0), lease(1, 15))
        .await
        .unwrap();
    let dropped = event(1, EventKind::MailDropped, 1);
    assert!(
        store
            .settle(id, lease(1, 15).holder, &Outcome::Dropped, Some(&dropped))
            .await
            .unwrap()
    );
    assert_eq!(store.entries(None, 10).await.unwrap(), []);
    assert_eq!(store.next_due().await.unwrap(), None);
    assert_eq!(store.history(account(1).id, 1).await.unwrap(), [dropped]);
    let again = store
        .lease_entry(id, LeaseMode::Revive, at(20), lease(2, 35))
        .await;
    assert_eq!(again.unwrap(), LeaseResult::NotFound);
}

pub(super) async fn all_entries_are_listed_in_pages(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    create(store, 2).await;
    for (id, account) in [(3, 1), (1, 2), (2, 1)] {
        queue(store, &entry(id, account, 0)).await;
    }
    let first = store.entries(None, 2).await.unwrap();
    assert_eq!(first, [entry(1, 2, 0), entry(2, 1, 0)]);
    let rest = store.entries(Some(first[1].id), 2).await.unwrap();
    assert_eq!(rest, [entry(3, 1, 0)]);
    assert_eq!(store.entries(Some(rest[0].id), 2).await.unwrap(), []);
}

pub(super) async fn waiting_and_dead_entries_are_counted_with_the_oldest_request(
    store: &Arc<dyn CopyableStore>,
) {
    let nothing = OutboxState::default();
    assert_eq!(store.outbox_state().await.unwrap(), nothing);
    create(store, 1).await;
    create(store, 2).await;
    for (id, account, asked_for) in [(1, 1, 30), (2, 2, 20), (3, 1, 10)] {
        let entry = Entry {
            requested_at: at(asked_for),
            ..entry(id, account, i64::from(id))
        };
        queue(store, &entry).await;
    }
    let all_wait = OutboxState {
        waiting: 3,
        dead: 0,
        oldest_waiting_since: Some(at(10)),
    };
    assert_eq!(store.outbox_state().await.unwrap(), all_wait);
    // The oldest entry during an attempt, and after it was given up.
    let id = EntryId::from_bytes([3; 12]);
    store
        .lease_entry(id, LeaseMode::Revive, at(0), lease(1, 15))
        .await
        .unwrap();
    assert_eq!(store.outbox_state().await.unwrap(), all_wait);
    let dead = Outcome::Dead {
        error: "550".to_owned(),
    };
    let told = event(1, EventKind::MailFailed, 3);
    let holder = lease(1, 15).holder;
    assert!(store.settle(id, holder, &dead, Some(&told)).await.unwrap());
    let one_is_dead = OutboxState {
        waiting: 2,
        dead: 1,
        oldest_waiting_since: Some(at(20)),
    };
    assert_eq!(store.outbox_state().await.unwrap(), one_is_dead);
    store.delete_account(account(2).id).await.unwrap();
    store.delete_account(account(1).id).await.unwrap();
    assert_eq!(store.outbox_state().await.unwrap(), nothing);
}
