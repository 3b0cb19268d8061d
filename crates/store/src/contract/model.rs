//! Random steps on a database and on a small model in memory. Each result, and the data at the end, must be the same.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use super::fixtures::*;

/// Number of different addresses and names. It is small, so that they collide.
const NAMES: u8 = 4;

#[derive(Debug, Clone)]
enum Step {
    CreateAccount {
        address: u8,
        with_mail: bool,
    },
    Replace {
        account: Index,
        is_current: bool,
    },
    QueueMail {
        account: Index,
        due: i64,
        held: bool,
    },
    Lease {
        is_first_round: bool,
        now: i64,
    },
    LeaseByName {
        entry: Index,
        now: i64,
    },
    Renew {
        entry: Index,
        by_holder: bool,
    },
    Settle {
        entry: Index,
        by_holder: bool,
        outcome: u8,
    },
    Record {
        account: Index,
    },
    Disable {
        account: Index,
    },
    Enable {
        account: Index,
    },
    Delete {
        account: Index,
    },
    CreateMovie {
        account: Index,
        name: u8,
    },
    ChangeMovie {
        movie: Index,
        account: Index,
        name: u8,
    },
    DeleteMovie {
        movie: Index,
        account: Index,
    },
}

fn any_step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    prop_oneof![
        3 => (0..NAMES, any::<bool>()).prop_map(|(address, with_mail)| Step::CreateAccount { address, with_mail }),
        2 => (index(), any::<bool>()).prop_map(|(account, is_current)| Step::Replace { account, is_current }),
        3 => (index(), 0..20i64, any::<bool>()).prop_map(|(account, due, held)| Step::QueueMail { account, due, held }),
        4 => (any::<bool>(), 0..60i64).prop_map(|(is_first_round, now)| Step::Lease { is_first_round, now }),
        2 => (index(), 0..60i64).prop_map(|(entry, now)| Step::LeaseByName { entry, now }),
        1 => (index(), any::<bool>()).prop_map(|(entry, by_holder)| Step::Renew { entry, by_holder }),
        3 => (index(), any::<bool>(), 0..4u8).prop_map(|(entry, by_holder, outcome)| Step::Settle { entry, by_holder, outcome }),
        1 => index().prop_map(|account| Step::Record { account }),
        1 => index().prop_map(|account| Step::Disable { account }),
        1 => index().prop_map(|account| Step::Enable { account }),
        1 => index().prop_map(|account| Step::Delete { account }),
        2 => (index(), 0..NAMES).prop_map(|(account, name)| Step::CreateMovie { account, name }),
        1 => (index(), index(), 0..NAMES).prop_map(|(movie, account, name)| Step::ChangeMovie { movie, account, name }),
        1 => (index(), index()).prop_map(|(movie, account)| Step::DeleteMovie { movie, account }),
    ]
}

#[derive(Default)]
struct Model {
    accounts: BTreeMap<AccountId, Account>,
    entries: BTreeMap<EntryId, Entry>,
    movies: BTreeMap<MovieId, Movie>,
    /// Events in the order of writing.
    events: Vec<Event>,
}

/// The model, the database, and all ids of the run in the order of their creation.
struct Run<'a> {
    store: &'a Arc<dyn CopyableStore>,
    model: Model,
    account_ids: Vec<AccountId>,
    entry_ids: Vec<EntryId>,
    movie_ids: Vec<MovieId>,
    /// Number in the next id. It continues from case to case: a database may keep sent entries for a while.
    number: &'a AtomicU32,
}

fn free_at(entry: &Entry) -> Timestamp {
    entry.lease.map_or(entry.next_try_at, |lease| {
        lease.until.max(entry.next_try_at)
    })
}

impl Run<'_> {
    fn id(&self) -> [u8; 12] {
        let mut id = [0; 12];
        id[..4].copy_from_slice(&self.number.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        id
    }

    fn event(&self, account: AccountId, kind: EventKind) -> Event {
        Event {
            account,
            ..event(1, kind, (self.model.events.len() / 4) as i64)
        }
    }

    fn mail(&mut self, account: AccountId, due: i64) -> Entry {
        let entry = Entry {
            id: EntryId::from_bytes(self.id()),
            account,
            ..entry(1, 1, due)
        };
        self.entry_ids.push(entry.id);
        entry
    }

    fn account_at(&self, index: Index) -> Option<AccountId> {
        (!self.account_ids.is_empty()).then(|| *index.get(&self.account_ids))
    }

    /// Returns an entry with the holder of its lease, or with an unknown holder if `by_holder` is false or no lease exists.
    fn entry_at(&self, index: Index, by_holder: bool) -> Option<(EntryId, LeaseId)> {
        let id = (!self.entry_ids.is_empty()).then(|| *index.get(&self.entry_ids))?;
        let held = self.model.entries.get(&id).and_then(|entry| entry.lease);
        let holder = held.filter(|_| by_holder).map(|lease| lease.holder);
        Some((id, holder.unwrap_or(LeaseId::from_bytes([255; 12]))))
    }

    async fn perform(&mut self, step: Step) {
        match step {
            Step::CreateAccount { address, with_mail } => {
                let id = AccountId::from_bytes(self.id());
                self.account_ids.push(id);
                let new = Account {
                    id,
                    address: format!("name{address}@example.com"),
                    ..account(1)
                };
                let mail = with_mail.then(|| self.mail(id, 0));
                let event = self.event(id, EventKind::Created);
                let made = self.store.create_account(&new, &event, mail.as_ref()).await;
                let taken = self
                    .model
                    .accounts
                    .values()
                    .any(|other| other.address == new.address);
                let expected = if taken {
                    AccountCreation::AddressTaken
                } else {
                    self.model.accounts.insert(id, new);
                    self.model.entries.extend(mail.map(|mail| (mail.id, mail)));
                    self.model.events.push(event);
                    AccountCreation::Created
                };
                assert_eq!(made.unwrap(), expected);
            }
            Step::Replace {
                account: index,
                is_current,
            } => {
                let Some(id) = self.account_at(index) else {
                    return;
                };
                let known = self.model.accounts.get(&id).cloned();
                let expected = known
                    .clone()
                    .filter(|_| is_current)
                    .unwrap_or(Account { id, ..account(9) });
                let change = CredentialChange {
                    expected: expected.clone(),
                    password_hash: PasswordHash::from_stored(format!("hash {:?}", self.id())),
                    event: self.event(id, EventKind::ResetDone),
                    address: expected.address.clone(),
                    mails: vec![self.mail(id, 1)],
                    clears_limit: None,
                };
                let replaced = self.store.replace_credential(&change).await.unwrap();
                if known.as_ref() == Some(&expected) {
                    assert_eq!(replaced, Replacement::Replaced);
                    let changed = Account {
                        password_hash: change.password_hash,
                        ..expected
                    };
                    let is_notified = !changed.is_disabled();
                    self.model.accounts.insert(id, changed);
                    for mail in change.mails.into_iter().filter(|_| is_notified) {
                        self.model.entries.insert(mail.id, mail);
                    }
                    self.model.events.push(change.event);
                } else {
                    assert_eq!(replaced, Replacement::Conflict);
                }
            }
            Step::QueueMail {
                account: index,
                due,
                held,
            } => {
                let Some(id) = self.account_at(index) else {
                    return;
                };
                let mut mail = self.mail(id, due);
                if held {
                    mail.lease = Some(Lease {
                        holder: LeaseId::from_bytes(self.id()),
                        until: at(due + 15),
                    });
                    mail.attempts = 1;
                }
                let event = self.event(id, EventKind::ResetRequested);
                let queued = self.store.queue_mail(&mail, &event, None).await.unwrap()
                    == QueueResult::Queued;
                let account = self.model.accounts.get(&id);
                assert_eq!(
                    queued,
                    account.is_some_and(|account| !account.is_disabled())
                );
                if queued {
                    self.model.entries.insert(mail.id, mail);
                    self.model.events.push(event);
                }
            }
            Step::Lease {
                is_first_round,
                now,
            } => {
                let hold = Lease {
                    holder: LeaseId::from_bytes(self.id()),
                    until: at(now + 15),
                };
                let round = if is_first_round {
                    Round::First
                } else {
                    Round::Later
                };
                let leased = lease_next(self.store, round, at(now), hold).await.unwrap();
                let next = self
                    .model
                    .entries
                    .values_mut()
                    .filter(|entry| entry.state == EntryState::Waiting && free_at(entry) <= at(now))
                    .filter(|entry| (entry.attempts == 0) == is_first_round)
                    .min_by_key(|entry| (free_at(entry), entry.id));
                let expected = next.map(|entry| {
                    entry.lease = Some(hold);
                    entry.attempts += 1;
                    entry.clone()
                });
                assert_eq!(leased, expected);
            }
            Step::LeaseByName { entry, now } => {
                let Some((id, _)) = self.entry_at(entry, true) else {
                    return;
                };
                let hold = Lease {
                    holder: LeaseId::from_bytes(self.id()),
                    until: at(now + 15),
                };
                let leasing = self
                    .store
                    .lease_entry(id, LeaseMode::Revive, at(now), hold)
                    .await
                    .unwrap();
                let expected = match self.model.entries.get_mut(&id) {
                    None => LeaseResult::NotFound,
                    Some(entry) if entry.lease.is_some_and(|lease| lease.until > at(now)) => {
                        LeaseResult::Held
                    }
                    Some(entry) => {
                        entry.state = EntryState::Waiting;
                        entry.lease = Some(hold);
                        entry.attempts += 1;
                        LeaseResult::Leased(Box::new(entry.clone()))
                    }
                };
                assert_eq!(leasing, expected);
            }
            Step::Renew { entry, by_holder } => {
                let Some((id, holder)) = self.entry_at(entry, by_holder) else {
                    return;
                };
                let lease = Lease {
                    holder,
                    until: at(100),
                };
                let renewed = self.store.renew_lease(id, lease).await.unwrap();
                let held = self
                    .model
                    .entries
                    .get_mut(&id)
                    .filter(|entry| entry.lease.is_some_and(|lease| lease.holder == holder));
                assert_eq!(renewed, held.is_some());
                if let Some(entry) = held {
                    entry.lease = Some(lease);
                }
            }
            Step::Settle {
                entry,
                by_holder,
                outcome,
            } => {
                let Some((id, holder)) = self.entry_at(entry, by_holder) else {
                    return;
                };
                let error = format!("error {:?}", self.id());
                let outcome = match outcome {
                    0 => Outcome::Sent,
                    1 => Outcome::Dropped,
                    2 => Outcome::Retry { at: at(30), error },
                    _ => Outcome::Dead { error },
                };
                let held = self
                    .model
                    .entries
                    .get(&id)
                    .filter(|entry| entry.lease.is_some_and(|lease| lease.holder == holder));
                let held = held.cloned();
                let account = held.as_ref().map_or(account(9).id, |entry| entry.account);
                let event = self.event(account, EventKind::MailFailed);
                let settled = self.store.settle(id, holder, &outcome, Some(&event)).await;
                assert_eq!(settled.unwrap(), held.is_some());
                let Some(mut entry) = held else { return };
                self.model.events.push(event);
                entry.lease = None;
                match outcome {
                    Outcome::Sent | Outcome::Dropped => {
                        self.model.entries.remove(&id);
                        return;
                    }
                    Outcome::Retry { at, error } => {
                        entry.next_try_at = at;
                        entry.last_error = Some(error);
                    }
                    Outcome::Dead { error } => {
                        entry.state = EntryState::Dead;
                        entry.last_error = Some(error);
                    }
                }
                self.model.entries.insert(id, entry);
            }
            Step::Record { account } => {
                let Some(id) = self.account_at(account) else {
                    return;
                };
                let event = self.event(id, EventKind::ResetRefused);
                self.store.record(&event).await.unwrap();
                if self.model.accounts.contains_key(&id) {
                    self.model.events.push(event);
                }
            }
            Step::Disable { account } => {
                let Some(id) = self.account_at(account) else {
                    return;
                };
                let disabling = RevocationId::from_bytes(self.id());
                let event = self.event(id, EventKind::Disabled);
                let disable = self.store.disable_account(id, disabling, &event);
                let done = disable.await.unwrap();
                let Some(account) = self.model.accounts.get_mut(&id) else {
                    return assert_eq!(done, StatusChange::NoAccount);
                };
                if account.is_disabled() {
                    return assert_eq!(done, StatusChange::Unchanged);
                }
                assert_eq!(done, StatusChange::Done);
                account.revocation = Some(disabling);
                account.disabling = Some(Disabling {
                    id: disabling,
                    is_active: true,
                });
                self.model.entries.retain(|_, entry| entry.account != id);
                self.model.events.push(event);
            }
            Step::Enable { account } => {
                let Some(id) = self.account_at(account) else {
                    return;
                };
                let event = self.event(id, EventKind::Enabled);
                let done = self.store.enable_account(id, &event).await.unwrap();
                let Some(account) = self.model.accounts.get_mut(&id) else {
                    return assert_eq!(done, StatusChange::NoAccount);
                };
                match &mut account.disabling {
                    Some(disabling) if disabling.is_active => {
                        assert_eq!(done, StatusChange::Done);
                        disabling.is_active = false;
                        self.model.events.push(event);
                    }
                    _ => assert_eq!(done, StatusChange::Unchanged),
                }
            }
            Step::Delete { account } => {
                let Some(id) = self.account_at(account) else {
                    return;
                };
                let announced = self.store.deletion_preview(id).await.unwrap();
                let deleted = self.store.delete_account(id).await.unwrap();
                let known = self.model.accounts.remove(&id);
                let (movies, mails, events) = (
                    self.model.movies.len(),
                    self.model.entries.len(),
                    self.model.events.len(),
                );
                self.model.movies.retain(|_, movie| movie.added_by != id);
                self.model.entries.retain(|_, entry| entry.account != id);
                self.model.events.retain(|event| event.account != id);
                let expected = known.map(|_| Deletion {
                    movies: (movies - self.model.movies.len()) as u64,
                    mails: (mails - self.model.entries.len()) as u64,
                    events: (events - self.model.events.len()) as u64,
                });
                assert_eq!((announced, deleted), (expected, expected));
            }
            Step::CreateMovie { account, name } => {
                let Some(by) = self.account_at(account) else {
                    return;
                };
                let new = Movie {
                    id: MovieId::from_bytes(self.id()),
                    name: format!("movie {name}"),
                    added_by: by,
                    ..movie(1, 1)
                };
                self.movie_ids.push(new.id);
                let owned = self.model.accounts.contains_key(&by);
                let taken = self.has_name(&new.name, None);
                // With both errors, the store may report either.
                let made = self.store.create_movie(&new).await.unwrap();
                match (owned, taken) {
                    (true, false) => {
                        assert_eq!(made, MovieCreation::Created);
                        self.model.movies.insert(new.id, new);
                    }
                    (true, true) => assert_eq!(made, MovieCreation::NameTaken),
                    (false, false) => assert_eq!(made, MovieCreation::OwnerGone),
                    (false, true) => assert_ne!(made, MovieCreation::Created),
                }
            }
            Step::ChangeMovie {
                movie,
                account,
                name,
            } => {
                let (Some(id), Some(by)) = (self.movie_at(movie), self.account_at(account)) else {
                    return;
                };
                let changes = MovieChanges {
                    name: Some(format!("movie {name}")),
                    ..MovieChanges::default()
                };
                let changed = self.store.change_movie(id, by, &changes).await.unwrap();
                let taken = self.has_name(&format!("movie {name}"), Some(id));
                let expected = match self.model.movies.get_mut(&id) {
                    None => MovieChange::NotFound,
                    Some(movie) if movie.added_by != by => MovieChange::NotOwner,
                    Some(_) if taken => MovieChange::NameTaken,
                    Some(movie) => {
                        changes.apply(movie);
                        MovieChange::Done
                    }
                };
                assert_eq!(changed, expected);
            }
            Step::DeleteMovie { movie, account } => {
                let (Some(id), Some(by)) = (self.movie_at(movie), self.account_at(account)) else {
                    return;
                };
                let deleted = self.store.delete_movie(id, by).await.unwrap();
                let expected = match self.model.movies.get(&id) {
                    None => MovieChange::NotFound,
                    Some(movie) if movie.added_by != by => MovieChange::NotOwner,
                    Some(_) => {
                        self.model.movies.remove(&id);
                        MovieChange::Done
                    }
                };
                assert_eq!(deleted, expected);
            }
        }
    }

    fn movie_at(&self, index: Index) -> Option<MovieId> {
        (!self.movie_ids.is_empty()).then(|| *index.get(&self.movie_ids))
    }

    fn has_name(&self, name: &str, but: Option<MovieId>) -> bool {
        self.model
            .movies
            .values()
            .any(|movie| movie.name == name && Some(movie.id) != but)
    }

    /// Compares the data of the database with the model.
    async fn compare(&self) {
        let (store, model) = (self.store, &self.model);
        let accounts: Vec<_> = model.accounts.values().cloned().collect();
        assert_eq!(store.accounts(None, 1_000).await.unwrap(), accounts);
        let movies: Vec<_> = model.movies.values().cloned().collect();
        assert_eq!(store.movies(None, 1_000).await.unwrap(), movies);
        for &id in &self.account_ids {
            let mails: Vec<_> = model
                .entries
                .values()
                .filter(|entry| entry.account == id)
                .cloned()
                .collect();
            assert_eq!(store.entries_of(id).await.unwrap(), mails);
            let mut events: Vec<_> = model
                .events
                .iter()
                .filter(|event| event.account == id)
                .cloned()
                .collect();
            // A stable sort: events of one time stay in the order of writing.
            events.sort_by_key(|event| event.at);
            events.reverse();
            assert_eq!(store.history(id, 1_000).await.unwrap(), events);
        }
        let due = model
            .entries
            .values()
            .filter(|entry| entry.state == EntryState::Waiting)
            .map(free_at)
            .min();
        assert_eq!(store.next_due().await.unwrap(), due);
        let of_state = |state| {
            model
                .entries
                .values()
                .filter(move |entry| entry.state == state)
        };
        let state = OutboxState {
            waiting: of_state(EntryState::Waiting).count() as u64,
            dead: of_state(EntryState::Dead).count() as u64,
            oldest_waiting_since: of_state(EntryState::Waiting)
                .map(|entry| entry.requested_at)
                .min(),
        };
        assert_eq!(store.outbox_state().await.unwrap(), state);
        let counts = Counts {
            pending_changes: 0,
            accounts: model.accounts.len() as u64,
            movies: model.movies.len() as u64,
            mails: model.entries.len() as u64,
            events: model.events.len() as u64,
        };
        assert_eq!(store.counts().await.unwrap(), counts);
    }
}

pub(super) async fn any_sequence_of_steps_matches_the_model(store: &Arc<dyn CopyableStore>) {
    let store = Arc::clone(store);
    // The runner is not asynchronous: it gets its own thread, which blocks on each case.
    let runtime = tokio::runtime::Handle::current();
    let running = tokio::task::spawn_blocking(move || {
        let number = AtomicU32::new(1);
        let mut runner = TestRunner::new(Config {
            cases: 24,
            failure_persistence: None,
            ..Config::default()
        });
        let sequences = proptest::collection::vec(any_step(), 1..40);
        let run = runner.run(&sequences, |steps| {
            runtime.block_on(async {
                let mut run = Run {
                    store: &store,
                    model: Model::default(),
                    account_ids: Vec::new(),
                    entry_ids: Vec::new(),
                    movie_ids: Vec::new(),
                    number: &number,
                };
                // Delete the data of the previous case.
                for account in store.accounts(None, 1_000).await.unwrap() {
                    store.delete_account(account.id).await.unwrap();
                }
                for step in steps {
                    run.perform(step).await;
                }
                run.compare().await;
            });
            Ok(())
        });
        if let Err(failure) = run {
            panic!("{failure}");
        }
    });
    running.await.unwrap();
}
