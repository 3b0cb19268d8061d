//! Promises about accounts and their credentials.

use super::fixtures::*;

pub(crate) async fn an_account_is_found_by_its_id_and_every_spelling_of_its_address(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    assert_eq!(
        store.account(account(1).id).await.unwrap(),
        Some(account(1))
    );
    assert_eq!(store.account(account(2).id).await.unwrap(), None);
    for typed in [
        "user1@example.com",
        "User1@Example.COM",
        " user1@example.com",
        "ｕｓｅｒ1@example.com",
    ] {
        assert_eq!(
            by_address(store, typed).await,
            Some(account(1).id),
            "{typed}"
        );
    }
    assert_eq!(by_address(store, "user2@example.com").await, None);
}

pub(crate) async fn an_exact_spelling_wins_and_an_ambiguous_one_finds_no_account(
    store: &Arc<dyn CopyableStore>,
) {
    for (number, address) in [
        (1, "Ann@example.com"),
        (2, "aNN@example.com"),
        (3, "Bob@example.com"),
    ] {
        let account = Account {
            address: address.to_owned(),
            ..account(number)
        };
        store
            .create_account(&account, &event(number, EventKind::Created, 0), None)
            .await
            .unwrap();
    }
    assert_eq!(
        by_address(store, "Ann@example.com").await,
        Some(account(1).id)
    );
    assert_eq!(
        by_address(store, "aNN@example.com").await,
        Some(account(2).id)
    );
    assert_eq!(by_address(store, "ann@example.com").await, None);
    for (address, is_taken) in [
        ("ann@example.com", true),
        ("bob@example.com", true),
        ("cid@example.com", false),
    ] {
        let canonical = EmailAddress::parse(address).unwrap();
        let taken = store.is_address_taken(&canonical).await.unwrap();
        assert_eq!(taken, is_taken, "{address}");
    }
    assert_eq!(
        by_address(store, "bob@example.com").await,
        Some(account(3).id)
    );
}

pub(super) async fn accounts_that_differ_only_by_case_are_listed(store: &Arc<dyn CopyableStore>) {
    let with_address = |number: u8, address: &str| Account {
        address: address.to_owned(),
        ..account(number)
    };
    let all = [
        with_address(1, "Bob@example.com"),
        with_address(2, "ann@example.com"),
        with_address(3, "bob@example.com"),
        with_address(4, "cid@example.com"),
        with_address(5, "Ann@Example.com"),
        with_address(6, "ANN@example.com"),
    ];
    for account in &all {
        let made = Event {
            account: account.id,
            ..event(1, EventKind::Created, 0)
        };
        store.create_account(account, &made, None).await.unwrap();
    }
    let [bob, ann, other_bob, _, other_ann, third_ann] = all;
    let anns = vec![ann, other_ann, third_ann];
    assert_eq!(
        store.accounts_differing_by_case(10).await.unwrap(),
        [anns.clone(), vec![bob, other_bob]]
    );
    assert_eq!(store.accounts_differing_by_case(1).await.unwrap(), [anns]);
}

pub(super) async fn one_of_twenty_concurrent_accounts_gets_the_address(
    store: &Arc<dyn CopyableStore>,
) {
    let asking: Vec<_> = (0..20)
        .map(|number| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let account = Account {
                    address: "one@example.com".to_owned(),
                    ..account(number)
                };
                store
                    .create_account(&account, &event(number, EventKind::Created, 0), None)
                    .await
                    .unwrap()
            })
        })
        .collect();
    let mut created = 0;
    for asked in asking {
        created += usize::from(asked.await.unwrap() == AccountCreation::Created);
    }
    assert_eq!(created, 1);
    assert_eq!(store.accounts(None, 100).await.unwrap().len(), 1);
}

pub(super) async fn accounts_are_listed_in_the_order_of_their_ids(store: &Arc<dyn CopyableStore>) {
    for number in [3, 1, 2] {
        create(store, number).await;
    }
    let all = store.accounts(None, 100).await.unwrap();
    assert_eq!(all, [account(1), account(2), account(3)]);
    assert_eq!(store.accounts(None, 2).await.unwrap(), all[..2]);
    assert_eq!(
        store.accounts(Some(account(1).id), 100).await.unwrap(),
        all[1..]
    );
    assert_eq!(store.accounts(Some(account(3).id), 100).await.unwrap(), []);
}

pub(super) async fn an_account_is_created_with_its_event_and_mail(store: &Arc<dyn CopyableStore>) {
    let mail = Entry {
        kind: MailKind::Invitation,
        ..entry(9, 1, 0)
    };
    let made = event(1, EventKind::Created, 0);
    store
        .create_account(&account(1), &made, Some(&mail))
        .await
        .unwrap();
    let queued = store.entries_of(account(1).id).await.unwrap();
    assert_eq!(queued, std::slice::from_ref(&mail));
    assert_eq!(store.history(account(1).id, 10).await.unwrap(), [made]);
    // For a taken address neither is stored.
    let rival = Account {
        address: account(1).address,
        ..account(2)
    };
    let mail = Entry {
        id: EntryId::from_bytes([8; 12]),
        account: rival.id,
        ..mail
    };
    let taken = store
        .create_account(&rival, &event(2, EventKind::Created, 0), Some(&mail))
        .await
        .unwrap();
    assert_eq!(taken, AccountCreation::AddressTaken);
    assert_eq!(store.entries_of(rival.id).await.unwrap(), []);
    assert_eq!(store.history(rival.id, 10).await.unwrap(), []);
}

pub(super) async fn a_change_stores_password_event_and_mail_together(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    let change = change(1, "second");
    assert_eq!(
        store.replace_credential(&change).await.unwrap(),
        Replacement::Replaced
    );
    assert_eq!(
        store
            .account(account(1).id)
            .await
            .unwrap()
            .unwrap()
            .password_hash
            .as_str(),
        "second"
    );
    assert_eq!(store.entries_of(account(1).id).await.unwrap(), change.mails);
    assert_eq!(
        store.history(account(1).id, 1).await.unwrap(),
        [change.event]
    );
}

pub(super) async fn a_superseded_change_changes_nothing(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    let stale = [
        CredentialChange {
            expected: Account {
                password_hash: PasswordHash::from_stored("other"),
                ..account(1)
            },
            ..change(1, "second")
        },
        CredentialChange {
            expected: Account {
                address: "other@example.com".to_owned(),
                ..account(1)
            },
            ..change(1, "second")
        },
        change(2, "second"),
    ];
    for change in stale {
        assert_eq!(
            store.replace_credential(&change).await.unwrap(),
            Replacement::Conflict
        );
    }
    assert_eq!(
        store.account(account(1).id).await.unwrap(),
        Some(account(1))
    );
    assert_eq!(store.entries_of(account(1).id).await.unwrap(), []);
    assert_eq!(
        store.history(account(1).id, 10).await.unwrap(),
        [event(1, EventKind::Created, 0)]
    );
}

pub(super) async fn one_of_fifty_concurrent_changes_succeeds(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    let changing: Vec<_> = (0..50)
        .map(|rival| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut change = change(1, &format!("hash of {rival}"));
                change.mails[0].id = EntryId::from_bytes([rival; 12]);
                (rival, store.replace_credential(&change).await.unwrap())
            })
        })
        .collect();
    let mut winners = Vec::new();
    for changed in changing {
        let (rival, outcome) = changed.await.unwrap();
        winners.extend((outcome == Replacement::Replaced).then_some(rival));
    }
    let [winner] = winners[..] else {
        panic!("{winners:?}")
    };
    let stands = store
        .account(account(1).id)
        .await
        .unwrap()
        .unwrap()
        .password_hash;
    assert_eq!(stands.as_str(), format!("hash of {winner}"));
    assert_eq!(store.entries_of(account(1).id).await.unwrap().len(), 1);
    assert_eq!(store.history(account(1).id, 100).await.unwrap().len(), 2);
}

pub(super) async fn deleting_an_account_deletes_its_movies_mails_and_history(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    create(store, 2).await;
    queue(store, &entry(1, 1, 0)).await;
    queue(store, &entry(2, 2, 0)).await;
    store.create_movie(&movie(1, 1)).await.unwrap();
    store.create_movie(&movie(2, 2)).await.unwrap();
    let expected = Some(Deletion {
        movies: 1,
        mails: 1,
        events: 2,
    });
    assert_eq!(
        store.deletion_preview(account(1).id).await.unwrap(),
        expected
    );
    let deleted = store.delete_account(account(1).id).await.unwrap();
    assert_eq!(deleted, expected);
    assert_eq!(store.deletion_preview(account(1).id).await.unwrap(), None);
    assert_eq!(store.delete_account(account(1).id).await.unwrap(), None);
    assert_eq!(store.account(account(1).id).await.unwrap(), None);
    assert_eq!(store.entries_of(account(1).id).await.unwrap(), []);
    assert_eq!(store.history(account(1).id, 10).await.unwrap(), []);
    assert_eq!(store.movies(None, 10).await.unwrap(), [movie(2, 2)]);
    assert_eq!(
        store.entries_of(account(2).id).await.unwrap(),
        [entry(2, 2, 0)]
    );
}

pub(super) async fn an_address_changes_only_to_a_free_one(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    create(store, 2).await;
    let to = |address: &str| CredentialChange {
        address: address.to_owned(),
        password_hash: account(1).password_hash,
        mails: vec![
            entry(200, 1, 10),
            Entry {
                recipient: Some(account(1).address),
                ..entry(201, 1, 10)
            },
        ],
        ..change(1, "unused")
    };
    let taken = store.replace_credential(&to(&account(2).address)).await;
    assert_eq!(taken.unwrap(), Replacement::AddressTaken);
    assert_eq!(
        store.account(account(1).id).await.unwrap(),
        Some(account(1))
    );
    assert!(store.entries_of(account(1).id).await.unwrap().is_empty());
    let change = to("new@example.com");
    let replaced = store.replace_credential(&change).await.unwrap();
    assert_eq!(replaced, Replacement::Replaced);
    let changed = Account {
        address: "new@example.com".to_owned(),
        ..account(1)
    };
    assert_eq!(by_address(store, "new@example.com").await, Some(changed.id));
    assert_eq!(store.account(changed.id).await.unwrap(), Some(changed));
    assert_eq!(by_address(store, &account(1).address).await, None);
    let mails = store.entries_of(account(1).id).await.unwrap();
    assert_eq!(mails, change.mails);
    let too_late = store.replace_credential(&to("other@example.com")).await;
    assert_eq!(too_late.unwrap(), Replacement::Conflict);
}

pub(super) async fn a_revocation_is_stored_with_its_event_and_mail(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    let told = event(1, EventKind::AccessRevoked, 10);
    for revocation in [1, 2].map(|number| RevocationId::from_bytes([number; 12])) {
        let mail = entry(100 + revocation.as_bytes()[0], 1, 10);
        let revoke = store.revoke_access(account(1).id, revocation, &told, Some(&mail));
        assert!(revoke.await.unwrap());
        let revoked = Account {
            revocation: Some(revocation),
            ..account(1)
        };
        assert_eq!(
            store.account(account(1).id).await.unwrap().as_ref(),
            Some(&revoked)
        );
        assert_eq!(store.accounts(None, 10).await.unwrap(), [revoked]);
    }
    assert_eq!(store.entries_of(account(1).id).await.unwrap().len(), 2);
    assert_eq!(
        store.history(account(1).id, 2).await.unwrap(),
        [told.clone(), told.clone()]
    );
    // It is deleted with the account, and none is stored for an unknown account.
    store.delete_account(account(1).id).await.unwrap();
    create(store, 1).await;
    assert_eq!(
        store.account(account(1).id).await.unwrap(),
        Some(account(1))
    );
    let revocation = RevocationId::from_bytes([3; 12]);
    let mail = entry(110, 2, 10);
    let revoke = store.revoke_access(account(2).id, revocation, &told, Some(&mail));
    assert!(!revoke.await.unwrap());
}

pub(super) async fn a_revocation_may_have_no_mail(store: &Arc<dyn CopyableStore>) {
    create(store, 1).await;
    let told = event(1, EventKind::AccessRevoked, 10);
    let revocation = RevocationId::from_bytes([1; 12]);
    let revoke = |number| store.revoke_access(account(number).id, revocation, &told, None);
    assert!(revoke(1).await.unwrap());
    let stored = store.account(account(1).id).await.unwrap().unwrap();
    assert_eq!(stored.revocation, Some(revocation));
    assert_eq!(store.entries_of(account(1).id).await.unwrap(), []);
    let history = store.history(account(1).id, 1).await.unwrap();
    assert_eq!(history, std::slice::from_ref(&told));
    assert!(!revoke(2).await.unwrap());
}

/// An access token is bound to the revocation that was stored when it was issued, so every new one must be stored,
/// also within the same second, from a clock that is behind, and after one from the far future.
pub(super) async fn each_revocation_replaces_the_previous_one_whatever_its_id(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    let second = |number: u8, random: u8| RevocationId::new(at(number.into()), [random; 8]);
    let mut before = None;
    for (number, revocation) in (0..).zip([
        second(10, 9),
        second(10, 200),
        second(10, 8),
        second(5, 7),
        RevocationId::from_bytes([255; 12]),
        RevocationId::from_bytes([0; 12]),
        second(11, 1),
        second(10, 9),
    ]) {
        let told = event(1, EventKind::AccessRevoked, 10);
        let mail = entry(100 + number, 1, 10);
        let revoke = store.revoke_access(account(1).id, revocation, &told, Some(&mail));
        assert!(revoke.await.unwrap());
        let stored = store.account(account(1).id).await.unwrap().unwrap();
        assert_eq!(stored.revocation, Some(revocation), "after {before:?}");
        before = Some(revocation);
    }
}

pub(super) async fn concurrent_revocations_are_all_recorded_and_one_is_stored(
    store: &Arc<dyn CopyableStore>,
) {
    create(store, 1).await;
    let revoking: Vec<_> = (1..=10)
        .map(|number| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let told = event(1, EventKind::AccessRevoked, 10);
                let mail = entry(100 + number, 1, 10);
                let revocation = RevocationId::from_bytes([number; 12]);
                store
                    .revoke_access(account(1).id, revocation, &told, Some(&mail))
                    .await
                    .unwrap()
            })
        })
        .collect();
    for revoked in revoking {
        assert!(revoked.await.unwrap());
    }
    let stored = store.account(account(1).id).await.unwrap().unwrap();
    let numbers: Vec<_> = (1..=10)
        .map(|number| Some(RevocationId::from_bytes([number; 12])))
        .collect();
    assert!(numbers.contains(&stored.revocation), "{stored:?}");
    assert_eq!(store.entries_of(account(1).id).await.unwrap().len(), 10);
    // Including the line for the account's creation.
    assert_eq!(store.history(account(1).id, 20).await.unwrap().len(), 11);
}

/// Requests and refusals for an account, revocations and disablings of it, race with its deletion.
pub(super) async fn nothing_outlives_the_deletion_of_its_account(store: &Arc<dyn CopyableStore>) {
    for round in 0..12 {
        create(store, 1).await;
        let mut racing = Vec::new();
        for number in 0..10 {
            let store = Arc::clone(store);
            racing.push(tokio::spawn(async move {
                let mail = entry(10 * round + number, 1, 0);
                match number % 5 {
                    0 | 1 => {
                        let asked = event(1, EventKind::ResetRequested, 1);
                        store.queue_mail(&mail, &asked, None).await.map(|_| ())
                    }
                    2 => {
                        let refused = event(1, EventKind::ResetRefused, 1);
                        store.record(&refused).await
                    }
                    3 => {
                        let disabled = event(1, EventKind::Disabled, 1);
                        let id = RevocationId::from_bytes([number; 12]);
                        let disable = store.disable_account(account(1).id, id, &disabled);
                        disable.await.map(|_| ())
                    }
                    _ => {
                        let revoked = event(1, EventKind::AccessRevoked, 1);
                        let revocation = RevocationId::from_bytes([number; 12]);
                        let revoke =
                            store.revoke_access(account(1).id, revocation, &revoked, Some(&mail));
                        revoke.await.map(|_| ())
                    }
                }
            }));
        }
        // This call runs on another thread, at the same time as the others.
        let deleting = {
            let store = Arc::clone(store);
            tokio::spawn(async move { store.delete_account(account(1).id).await })
        };
        for step in racing {
            step.await.unwrap().unwrap();
        }
        assert!(deleting.await.unwrap().unwrap().is_some());
        let counts = store.counts().await.unwrap();
        assert_eq!(counts, Counts::default(), "round {round}");
        // A revocation that was left behind would appear in an account with the same id.
        create(store, 1).await;
        let stored = store.account(account(1).id).await.unwrap();
        assert_eq!(stored, Some(account(1)), "round {round}");
        store.delete_account(account(1).id).await.unwrap();
    }
}

pub(super) async fn accounts_are_counted_by_the_cost_of_their_hashes(
    store: &Arc<dyn CopyableStore>,
) {
    assert_eq!(store.hash_costs().await.unwrap(), BTreeMap::new());
    for (number, hash) in [
        (1, "$2b$12$"),
        (2, "$2a$12$"),
        (3, "$2y$04$"),
        (4, "$2b$31$"),
        (5, "$argon2id$v=19$m=65536$"),
        (6, ""),
        (7, "$2b$1"),
        (8, "$2b$+1$"),
    ] {
        let account = Account {
            password_hash: PasswordHash::from_stored(format!("{hash:.<60}")),
            ..account(number)
        };
        let made = event(number, EventKind::Created, 0);
        store.create_account(&account, &made, None).await.unwrap();
    }
    // A text that only begins like a hash is not counted.
    let account = Account {
        password_hash: PasswordHash::from_stored("$2b$16$short"),
        ..account(9)
    };
    let made = event(9, EventKind::Created, 0);
    store.create_account(&account, &made, None).await.unwrap();
    let expected = BTreeMap::from([(4, 1), (12, 2), (31, 1)]);
    assert_eq!(store.hash_costs().await.unwrap(), expected);
}
