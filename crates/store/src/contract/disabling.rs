//! Promises about disabled accounts.

use super::fixtures::*;

pub(super) async fn a_disabled_account_is_stored_with_its_event_and_without_its_mails(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    create(store, 2).await;
    queue(store, &entry(1, 1, 0)).await;
    queue(store, &entry(2, 1, 5)).await;
    queue(store, &entry(3, 2, 5)).await;
    let held = lease_any(store, at(1), lease(1, 16)).await.unwrap();
    assert_eq!(held.unwrap().id, entry(1, 1, 0).id);
    assert_eq!(disable(store, 1, 7).await, StatusChange::Done);

    let expected = disabled(account(1), 7, true);
    let stored = store.account(account(1).id).await.unwrap();
    assert_eq!(stored.as_ref(), Some(&expected));
    let found = store
        .account_by_address(
            &expected.address,
            &EmailAddress::parse(&expected.address).unwrap(),
        )
        .await;
    assert_eq!(found.unwrap().as_ref(), Some(&expected));
    let all = store.accounts(None, 10).await.unwrap();
    assert_eq!(all, [expected, account(2)]);
    // Its mails are deleted, also the one that is being sent, whose worker then settles nothing.
    assert_eq!(store.entries_of(account(1).id).await.unwrap(), []);
    assert_eq!(store.entries(None, 10).await.unwrap(), [entry(3, 2, 5)]);
    let sent = event(1, EventKind::MailSent, 25);
    let settle = store.settle(
        entry(1, 1, 0).id,
        lease(1, 16).holder,
        &Outcome::Sent,
        Some(&sent),
    );
    assert!(!settle.await.unwrap());

    // Once more changes nothing and writes no history.
    assert_eq!(disable(store, 1, 8).await, StatusChange::Unchanged);
    let stored = store.account(account(1).id).await.unwrap();
    assert_eq!(stored, Some(disabled(account(1), 7, true)));
    assert_eq!(enable(store, 1).await, StatusChange::Done);
    assert_eq!(enable(store, 1).await, StatusChange::Unchanged);
    let stored = store.account(account(1).id).await.unwrap();
    assert_eq!(stored, Some(disabled(account(1), 7, false)));
    let newest = store.history(account(1).id, 2).await.unwrap();
    assert_eq!(
        newest,
        [
            event(1, EventKind::Enabled, 30),
            event(1, EventKind::Disabled, 20)
        ]
    );
    assert_eq!(store.history(account(1).id, 9).await.unwrap().len(), 5);

    // A second disabling has its own id. It is deleted with the account.
    assert_eq!(disable(store, 1, 9).await, StatusChange::Done);
    let stored = store.account(account(1).id).await.unwrap();
    assert_eq!(stored, Some(disabled(account(1), 9, true)));
    store.delete_account(account(1).id).await.unwrap();
    assert_eq!(disable(store, 1, 7).await, StatusChange::NoAccount);
    assert_eq!(enable(store, 1).await, StatusChange::NoAccount);
    create(store, 1).await;
    let stored = store.account(account(1).id).await.unwrap();
    assert_eq!(stored, Some(account(1)));
    assert_eq!(enable(store, 2).await, StatusChange::Unchanged);
}

pub(super) async fn a_disabled_account_gets_no_mails(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    disable(store, 1, 7).await;
    let limited = LimitedCall {
        limit: Limit::Forgot,
        key: LimitKey([1; 32]),
        now: at(40),
    };
    let requested = event(1, EventKind::ResetRequested, 40);
    let mail = entry(1, 1, 0);
    let queue_mail = store.queue_mail(&mail, &requested, Some(limited));
    assert_eq!(queue_mail.await.unwrap(), QueueResult::NoAccount);
    let counted = store.limit_state(limited.key).await.unwrap();
    assert!(counted.is_some());
    // A notice is left out, and the change of which it tells is made.
    let change = CredentialChange {
        expected: disabled(account(1), 7, true),
        ..change(1, "second")
    };
    let replaced = store.replace_credential(&change).await.unwrap();
    assert_eq!(replaced, Replacement::Replaced);
    let revoked = event(1, EventKind::AccessRevoked, 41);
    let id = RevocationId::from_bytes([3; 12]);
    let revoke = store.revoke_access(account(1).id, id, &revoked, Some(&mail));
    assert!(revoke.await.unwrap());
    assert_eq!(store.entries(None, 10).await.unwrap(), []);
    let newest = store.history(account(1).id, 3).await.unwrap();
    let kinds: Vec<_> = newest.iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [
            EventKind::AccessRevoked,
            EventKind::Disabled,
            EventKind::ResetDone
        ]
    );
    // A revocation enables no account.
    let stored = store.account(account(1).id).await.unwrap().unwrap();
    assert!(stored.is_disabled());
    assert_eq!(stored.revocation, Some(id));
    enable(store, 1).await;
    queue(store, &entry(3, 1, 0)).await;
}

/// The caller of a change has read the account, and verified its token, before the account was disabled.
pub(super) async fn a_change_expects_the_last_disabling(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    let replace = async |expected: Account| {
        let change = CredentialChange {
            expected,
            ..change(1, "second")
        };
        store.replace_credential(&change).await.unwrap()
    };
    disable(store, 1, 7).await;
    assert_eq!(replace(account(1)).await, Replacement::Conflict);
    enable(store, 1).await;
    assert_eq!(replace(account(1)).await, Replacement::Conflict);
    let other = disabled(account(1), 8, false);
    assert_eq!(replace(other).await, Replacement::Conflict);
    let present = disabled(account(1), 7, false);
    assert_eq!(replace(present).await, Replacement::Replaced);
}

pub(super) async fn one_of_ten_concurrent_changes_of_status_is_done(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    for is_disabling in [true, false] {
        let changing: Vec<_> = (1..=10)
            .map(|number| {
                let store = Arc::clone(store);
                tokio::spawn(async move {
                    if is_disabling {
                        disable(&store, 1, number).await
                    } else {
                        enable(&store, 1).await
                    }
                })
            })
            .collect();
        let mut done = 0;
        for change in changing {
            match change.await.unwrap() {
                StatusChange::Done => done += 1,
                change => assert_eq!(change, StatusChange::Unchanged),
            }
        }
        assert_eq!(done, 1);
        let stored = store.account(account(1).id).await.unwrap().unwrap();
        assert_eq!(stored.is_disabled(), is_disabling);
    }
    // With the line for the creation of the account.
    assert_eq!(store.history(account(1).id, 20).await.unwrap().len(), 3);
}

pub(super) async fn revocations_and_a_disabling_at_the_same_time_all_take_effect(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    let revoking: Vec<_> = (1..=5)
        .map(|number| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let revoked = event(1, EventKind::AccessRevoked, 10);
                let id = RevocationId::from_bytes([number; 12]);
                let mail = entry(100 + number, 1, 10);
                let revoke = store.revoke_access(account(1).id, id, &revoked, Some(&mail));
                revoke.await.unwrap()
            })
        })
        .collect();
    assert_eq!(disable(store, 1, 99).await, StatusChange::Done);
    for revoked in revoking {
        assert!(revoked.await.unwrap());
    }
    let stored = store.account(account(1).id).await.unwrap().unwrap();
    assert!(stored.is_disabled());
    let id = RevocationId::from_bytes([99; 12]);
    assert_eq!(stored.disabling.map(|disabling| disabling.id), Some(id));
    assert_eq!(store.entries(None, 10).await.unwrap(), []);
    assert_eq!(store.history(account(1).id, 20).await.unwrap().len(), 7);
}

/// Reset requests and a reset race with the disabling of their account.
pub(super) async fn no_mail_outlives_the_disabling_of_its_account(store: &Arc<dyn CopyableStore>) {
    for round in 0..12 {
        create(store, 1).await;
        let racing: Vec<_> = (0..6)
            .map(|number| {
                let store = Arc::clone(store);
                tokio::spawn(async move {
                    let mail = entry(10 * round + number, 1, 0);
                    if number == 3 {
                        let change = CredentialChange {
                            mails: vec![mail],
                            ..change(1, "second")
                        };
                        store.replace_credential(&change).await.unwrap();
                    } else {
                        let requested = event(1, EventKind::ResetRequested, 1);
                        store.queue_mail(&mail, &requested, None).await.unwrap();
                    }
                })
            })
            .collect();
        // This call runs on another thread, at the same time as the others.
        let disabling = {
            let store = Arc::clone(store);
            tokio::spawn(async move { disable(&store, 1, 7).await })
        };
        for step in racing {
            step.await.unwrap();
        }
        assert_eq!(disabling.await.unwrap(), StatusChange::Done);
        let left = store.entries(None, 10).await.unwrap();
        assert_eq!(left, [], "round {round}");
        store.delete_account(account(1).id).await.unwrap();
    }
}
