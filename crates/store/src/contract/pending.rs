//! Promises about pending changes.

use super::fixtures::*;

use PendingKind::{ConfirmAddress, ConfirmSignup, RevertAddress};

async fn put(store: &Arc<dyn CopyableStore>, change: &PendingChange) -> PendingChange {
    match store.put_pending(change, None).await.unwrap() {
        PutPending::Stored(stored) => *stored,
        PutPending::Full => panic!("no maximum was given"),
    }
}

pub(super) async fn a_pending_change_is_found_by_its_id_and_its_account(
    store: &Arc<dyn CopyableStore>,
) {
    let signup = pending(1, ConfirmSignup, 9, "carl@example.com");
    let change = PendingChange {
        requested_at: at(7),
        ..pending(2, ConfirmAddress, 1, "new@example.com")
    };
    let revert = pending(3, RevertAddress, 1, "Old@Example.com");
    for one in [&signup, &change, &revert] {
        assert_eq!(put(store, one).await, *one);
        let stored = store.pending_change(one.id).await.unwrap();
        assert_eq!(stored.as_ref(), Some(one));
    }
    let of = async |number| {
        let account = AccountId::from_bytes([number; 12]);
        store.pending_changes_of(account).await.unwrap()
    };
    assert_eq!(of(1).await, [revert.clone(), change.clone()]);
    assert_eq!(of(9).await, std::slice::from_ref(&signup));
    assert_eq!(of(2).await, []);
    let first = store.pending_changes(None, 2).await.unwrap();
    assert_eq!(first, [signup, change.clone()]);
    let rest = store.pending_changes(Some(change.id), 9).await.unwrap();
    assert_eq!(rest, [revert]);
    let unknown = PendingId::from_bytes([77; 12]);
    assert_eq!(store.pending_change(unknown).await.unwrap(), None);
}

pub(super) async fn a_repeated_request_keeps_the_ids_of_the_pending_change(
    store: &Arc<dyn CopyableStore>,
) {
    let later = |change: PendingChange| PendingChange {
        requested_at: at(50),
        expires_at: at(150),
        origin: Origin::Terminal("ann".to_owned()),
        ..change
    };
    let first = pending(1, ConfirmSignup, 9, "carl@example.com");
    put(store, &first).await;
    let again = put(
        store,
        &later(pending(2, ConfirmSignup, 8, "carl@example.com")),
    )
    .await;
    assert_eq!(again, later(first));
    // Another address of the same account, and then the account's other kinds.
    put(store, &pending(3, ConfirmAddress, 1, "one@example.com")).await;
    let again = later(pending(4, ConfirmAddress, 1, "two@example.com"));
    let again = put(store, &again).await;
    assert_eq!(
        again,
        later(pending(3, ConfirmAddress, 1, "two@example.com"))
    );
    put(store, &pending(5, RevertAddress, 1, "one@example.com")).await;
    put(store, &pending(6, RevertAddress, 1, "two@example.com")).await;
    put(store, &pending(7, ConfirmSignup, 7, "two@example.com")).await;
    let all = store.pending_changes(None, 10).await.unwrap();
    let ids: Vec<u8> = all.iter().map(|change| change.id.as_bytes()[0]).collect();
    assert_eq!(ids, [1, 3, 5, 6, 7]);
}

pub(super) async fn sign_ups_are_refused_at_the_maximum_until_one_expires(
    store: &Arc<dyn CopyableStore>,
) {
    let signup = |number: u8, second| PendingChange {
        requested_at: at(second),
        expires_at: at(second + 100),
        ..pending(
            number,
            ConfirmSignup,
            number,
            &format!("user{number}@example.com"),
        )
    };
    // Changes of other kinds do not count.
    put(store, &pending(50, RevertAddress, 1, "old@example.com")).await;
    let put = async |change: PendingChange| {
        let put = store.put_pending(&change, Some(2)).await.unwrap();
        matches!(put, PutPending::Stored(_))
    };
    assert!(put(signup(1, 0)).await);
    assert!(put(signup(2, 10)).await);
    // A known address is refused like an unknown one.
    for number in [3, 1] {
        assert!(!put(signup(number, 99)).await);
    }
    assert!(put(signup(3, 100)).await);
    assert!(!put(signup(1, 109)).await);
    assert_eq!(store.delete_expired_pending(at(199)).await.unwrap(), 1);
    assert_eq!(store.delete_expired_pending(at(200)).await.unwrap(), 1);
    assert_eq!(store.pending_changes(None, 9).await.unwrap(), []);
}

pub(super) async fn one_of_twenty_concurrent_requests_creates_the_pending_change(
    store: &Arc<dyn CopyableStore>,
) {
    let requests = (1..=20).map(|number| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let change = pending(number, ConfirmSignup, number, "carl@example.com");
            put(&store, &change).await.id
        })
    });
    let mut ids = Vec::new();
    for request in requests.collect::<Vec<_>>() {
        ids.push(request.await.unwrap());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(store.pending_changes(None, 9).await.unwrap().len(), 1);
}

pub(super) async fn a_pending_change_is_deleted_with_its_mails(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    let changes = [
        pending(1, ConfirmSignup, 9, "carl@example.com"),
        pending(2, ConfirmAddress, 1, "new@example.com"),
        pending(3, RevertAddress, 1, "old@example.com"),
        pending(4, RevertAddress, 1, "older@example.com"),
    ];
    for change in &changes {
        put(store, change).await;
    }
    let to = |id, kind, address: &str| Entry {
        kind,
        recipient: Some(address.to_owned()),
        ..entry(id, 1, 0)
    };
    store
        .queue_signup_mail(&signup_mail(1, 9, "carl@example.com"), None)
        .await
        .unwrap()
        .unwrap();
    queue(store, &to(2, MailKind::ConfirmAddress, "new@example.com")).await;
    queue(store, &to(3, MailKind::RevertAddress, "old@example.com")).await;
    queue(store, &to(4, MailKind::RevertAddress, "older@example.com")).await;
    queue(store, &to(5, MailKind::AddressChanged, "old@example.com")).await;
    queue(store, &entry(6, 1, 0)).await;
    let left = async || {
        let entries = store.entries(None, 10).await.unwrap();
        let ids = entries.iter().map(|entry| entry.id.as_bytes()[0]);
        ids.collect::<Vec<_>>()
    };
    store.delete_pending(&[]).await.unwrap();
    assert_eq!(left().await, [1, 2, 3, 4, 5, 6]);
    store.delete_pending(&changes[..1]).await.unwrap();
    assert_eq!(left().await, [2, 3, 4, 5, 6]);
    store.delete_pending(&changes[1..3]).await.unwrap();
    assert_eq!(left().await, [4, 5, 6]);
    store.delete_pending(&changes[1..3]).await.unwrap();
    assert_eq!(store.delete_expired_pending(at(100)).await.unwrap(), 1);
    assert_eq!(left().await, [5, 6]);

    // A request that has replaced the change meanwhile stays, with its mail.
    let again = PendingChange {
        requested_at: at(60),
        ..changes[1].clone()
    };
    put(store, &changes[1]).await;
    put(store, &again).await;
    queue(store, &to(7, MailKind::ConfirmAddress, "new@example.com")).await;
    store.delete_pending(&changes[1..2]).await.unwrap();
    assert_eq!(
        store.pending_changes(None, 9).await.unwrap(),
        std::slice::from_ref(&again)
    );
    assert_eq!(left().await, [5, 6, 7]);
    store.delete_pending(&[again]).await.unwrap();
    assert_eq!(left().await, [5, 6]);

    // Disabling or deleting the account deletes the others.
    put(store, &changes[1]).await;
    put(store, &changes[3]).await;
    let disabled = event(1, EventKind::Disabled, 50);
    let id = RevocationId::from_bytes([9; 12]);
    let status = store.disable_account(account(1).id, id, &disabled);
    assert_eq!(status.await.unwrap(), StatusChange::Done);
    assert_eq!(store.pending_changes(None, 9).await.unwrap(), []);
    put(store, &changes[3]).await;
    store.delete_account(account(1).id).await.unwrap();
    assert_eq!(store.pending_changes(None, 9).await.unwrap(), []);
    assert_eq!(left().await, [] as [u8; 0]);
}

pub(super) async fn an_address_is_revertible_in_any_case_until_the_link_expires(
    store: &Arc<dyn CopyableStore>,
) {
    put(store, &pending(1, RevertAddress, 1, "Old@example.com")).await;
    put(store, &pending(2, ConfirmAddress, 1, "new@example.com")).await;
    let is_revertible = async |address, second| {
        let address = EmailAddress::parse(address).unwrap();
        store.is_address_revertible(&address, at(second)).await
    };
    assert!(is_revertible("old@example.com", 99).await.unwrap());
    assert!(is_revertible("OLD@example.com", 0).await.unwrap());
    assert!(!is_revertible("old@example.com", 100).await.unwrap());
    assert!(!is_revertible("new@example.com", 0).await.unwrap());
    assert!(!is_revertible("other@example.com", 0).await.unwrap());
}

pub(super) async fn the_mail_of_a_sign_up_is_delivered_without_an_account(
    store: &Arc<dyn CopyableStore>,
) {
    put(store, &pending(1, ConfirmSignup, 9, "carl@example.com")).await;
    let mail = signup_mail(1, 9, "carl@example.com");
    let call = LimitedCall {
        limit: Limit::Confirmation,
        key: LimitKey([1; 32]),
        now: at(0),
    };
    let queued = store.queue_signup_mail(&mail, Some(call)).await.unwrap();
    assert_eq!(queued, Ok(()));
    for (holder, second) in [(1, 0), (2, 20)] {
        let held = lease(holder, second + 15);
        let leased = lease_any(store, at(second), held).await.unwrap().unwrap();
        assert_eq!((leased.id, leased.kind), (mail.id, mail.kind));
        assert_eq!(leased.recipient, mail.recipient);
        let outcome = match holder {
            1 => Outcome::Retry {
                at: at(20),
                error: "451 later".to_owned(),
            },
            _ => Outcome::Sent,
        };
        let other = lease(8, 0).holder;
        let settled = store.settle(leased.id, other, &outcome, None);
        assert!(!settled.await.unwrap());
        let settled = store.settle(leased.id, held.holder, &outcome, None);
        assert!(settled.await.unwrap());
    }
    assert_eq!(store.entries(None, 9).await.unwrap(), []);
    // No account, so no history.
    assert_eq!(store.history(mail.account, 9).await.unwrap(), []);
    for number in [2, 3] {
        let mail = signup_mail(number, 9, "carl@example.com");
        let queued = store.queue_signup_mail(&mail, Some(call)).await.unwrap();
        assert_eq!(queued, Ok(()));
    }
    let fourth = signup_mail(4, 9, "carl@example.com");
    let refused = store.queue_signup_mail(&fourth, Some(call));
    assert!(refused.await.unwrap().is_err());
    let dead = Outcome::Dead {
        error: "550 no such user".to_owned(),
    };
    let held = lease(3, 15);
    let leased = lease_any(store, at(0), held).await.unwrap().unwrap();
    assert!(
        store
            .settle(leased.id, held.holder, &dead, None)
            .await
            .unwrap()
    );
    let state = store.outbox_state().await.unwrap();
    assert_eq!((state.waiting, state.dead), (1, 1));
}
