//! What becomes of a mail: tries, retries, and the administrator's hand.

use super::*;

#[tokio::test]
async fn a_mail_that_was_refused_for_now_is_tried_again_with_the_same_message_id() {
    let fixture = Fixture::fresh().await;
    fixture.mail_server_answers(busy());
    fixture.mail_server_answers(busy());
    fixture.forgot().await;
    let Some(Delivery::Waiting {
        next_try_at: Some(at),
        is_server_down: false,
        ..
    }) = fixture.step().await
    else {
        panic!("it was not put back");
    };
    let wait = at.duration_since(fixture.clock.now());
    assert!((800..=1_200).contains(&wait.as_millis()), "{wait:?}");
    assert_eq!(fixture.step().await, None, "it is not due yet");
    fixture.wait(Duration::from_millis(1_200));
    assert!(matches!(
        fixture.step().await,
        Some(Delivery::Waiting { .. })
    ));
    let entry = &fixture.entries().await[0];
    assert_eq!(
        (entry.attempts, entry.last_error.as_deref()),
        (2, Some("localhost:1025 deferred the mail: 451 4.3.2 later"))
    );
    fixture.wait(Duration::from_millis(2_400));
    assert!(matches!(fixture.step().await, Some(Delivery::Sent { .. })));
    assert!(fixture.entries().await.is_empty());
    let ids: Vec<String> = fixture
        .mailer
        .tried
        .lock()
        .unwrap()
        .iter()
        .map(|message| message.message_id.clone())
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
async fn a_server_that_is_down_costs_no_attempt_and_one_line_of_history() {
    let fixture = Fixture::fresh().await;
    fixture.forgot().await;
    let queued = fixture.entries().await.remove(0);
    for _ in 0..5 {
        fixture.mail_server_answers(gone());
        assert!(matches!(
            fixture.step().await,
            Some(Delivery::Waiting {
                is_server_down: true,
                ..
            })
        ));
        // It keeps its place, and says why it waits.
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
    assert!(matches!(fixture.step().await, Some(Delivery::Sent { .. })));
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
async fn a_link_that_is_too_old_is_given_up_while_the_server_is_down() {
    let fixture = Fixture::fresh().await;
    fixture.forgot().await;
    fixture.wait(HOUR);
    fixture.mail_server_answers(gone());
    assert!(matches!(fixture.step().await, Some(Delivery::Dead { .. })));
}

impl Fixture {
    /// Asks for a reset of an account of its own in each of these domains.
    async fn forgot_in(&self, domains: &[&str]) {
        for domain in domains {
            let email = &format!("ann@{domain}");
            let new = NewAccount {
                email,
                password: PasswordInput::new(PASSWORD),
                origin: terminal(),
            };
            self.app.create_account(new).await.unwrap();
            let origin = terminal();
            let requested = self.app.request_reset(email, &origin, Handling::Queue);
            requested.await.unwrap();
        }
    }

    fn tried_domains(&self) -> Vec<String> {
        let tried = self.mailer.tried.lock().unwrap();
        let domain = |message: &Message| message.to.rsplit_once('@').unwrap().1.to_owned();
        tried.iter().map(domain).collect()
    }

    /// Lets the clock of the outbox run until this is so.
    async fn run_until(&self, is_so: impl Fn(&Self) -> bool) {
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while !is_so(self) {
            assert!(
                std::time::Instant::now() < deadline,
                "{:?}",
                self.tried_domains()
            );
            self.wait(Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_server_that_refuses_all_alike_is_probed_with_one_mail_after_the_other() {
    let fixture = Fixture::fresh().await;
    fixture.mailer.refused.lock().unwrap().push("example");
    let domains = [
        "a.example",
        "b.example",
        "c.example",
        "d.example",
        "e.example",
        "f.example",
    ];
    fixture.forgot_in(&domains).await;
    let app = fixture.app.clone();
    let worker = tokio::spawn(async move { app.run_delivery(std::future::pending()).await });
    fixture
        .run_until(|fixture| fixture.app.policy().is_tripped())
        .await;
    // Two probes, after 1 and 2 seconds.
    let before = fixture.tried_domains().len();
    fixture
        .run_until(|fixture| fixture.tried_domains().len() >= before + 2)
        .await;
    let tried = fixture.tried_domains();
    assert!(tried.len() <= before + 3, "{tried:?}");
    assert_ne!(tried[before], tried[before + 1], "another domain each time");
    assert!(fixture.app.policy().is_tripped());
    // One acceptance ends it for all.
    fixture.mailer.refused.lock().unwrap().clear();
    fixture
        .run_until(|fixture| fixture.taken().len() == 6)
        .await;
    assert!(!fixture.app.policy().is_tripped());
    worker.abort();
}

#[tokio::test]
async fn recipients_that_are_always_refused_never_stall_the_others() {
    let fixture = Fixture::fresh().await;
    // Three of them, each in a domain of its own.
    let bad = ["x.bad", "y.bad", "z.bad"];
    fixture.mailer.refused.lock().unwrap().push("bad");
    fixture.forgot_in(&bad).await;
    let app = fixture.app.clone();
    let worker = tokio::spawn(async move { app.run_delivery(std::future::pending()).await });
    fixture
        .run_until(|fixture| fixture.app.policy().is_tripped())
        .await;
    fixture.forgot_in(&["a.example", "b.example"]).await;
    fixture
        .run_until(|fixture| fixture.taken().len() == 2)
        .await;
    worker.abort();
}

#[tokio::test]
async fn a_refusal_for_good_is_kept_with_the_servers_own_words() {
    let fixture = Fixture::fresh().await;
    fixture.mail_server_answers(refused_for_good());
    fixture.forgot().await;
    assert!(matches!(fixture.step().await, Some(Delivery::Dead { .. })));
    fixture.wait(HOUR);
    assert_eq!(fixture.step().await, None);
    let entry = &fixture.entries().await[0];
    assert_eq!(entry.state, EntryState::Dead);
    assert!(entry.last_error.as_ref().unwrap().contains("550 5.1.1"));
}

#[tokio::test]
async fn a_link_that_could_not_be_used_any_more_is_never_sent() {
    let fixture = Fixture::fresh().await;
    // Asked for before the password was changed.
    fixture.forgot().await;
    let changed = PasswordInput::new(NEW_PASSWORD);
    fixture
        .app
        .set_password(ANN, &changed, &terminal(), Handling::DeliverNow)
        .await
        .unwrap();
    assert!(matches!(fixture.step().await, Some(Delivery::Dead { .. })));
    // Asked for so long ago that its time is over, to the second.
    fixture.forgot().await;
    fixture.wait(HOUR);
    assert!(matches!(fixture.step().await, Some(Delivery::Dead { .. })));
    let subjects: Vec<String> = fixture
        .taken()
        .into_iter()
        .map(|message| message.subject)
        .collect();
    assert_eq!(subjects, ["[Movie-bag] Your password was changed"]);
    assert_eq!(fixture.entries().await.len(), 2, "they can be looked at");
}

#[tokio::test]
async fn what_a_worker_took_and_did_not_finish_is_free_again_after_its_lease() {
    let fixture = Fixture::fresh().await;
    fixture.forgot().await;
    let held = fixture.app.lease_next(Round::First).await.unwrap().unwrap();
    assert_eq!(fixture.step().await, None);
    fixture.wait(LEASE - Duration::from_millis(1));
    assert_eq!(fixture.step().await, None);
    fixture.wait(Duration::from_millis(1));
    assert!(matches!(fixture.step().await, Some(Delivery::Sent { .. })));
    // The first worker was only slow: its outcome comes too late to change anything.
    fixture.app.deliver(held).await.unwrap();
    assert!(fixture.entries().await.is_empty());
    let sent = fixture.taken();
    assert_eq!(sent[0].message_id, sent[1].message_id);
}

#[tokio::test]
async fn the_administrator_tries_a_mail_now_whether_it_waits_or_was_given_up() {
    let fixture = Fixture::fresh().await;
    for refusal in [gone(), refused_for_good()] {
        fixture.mail_server_answers(refusal);
        fixture.forgot().await;
        fixture.step().await;
        let entry = &fixture.entries().await[0];
        let delivery = fixture.app.retry_mail(entry.id).await.unwrap();
        assert!(matches!(delivery, Delivery::Sent { .. }), "{delivery:?}");
        assert!(fixture.entries().await.is_empty());
        let again = fixture.app.retry_mail(entry.id).await;
        assert!(matches!(again, Err(AppError::NoSuchMail(_))), "{again:?}");
    }
}

#[tokio::test]
async fn a_dead_mail_that_is_refused_again_is_dead_again() {
    let fixture = Fixture::fresh().await;
    fixture.mail_server_answers(refused_for_good());
    fixture.mail_server_answers(refused_for_good());
    fixture.forgot().await;
    fixture.step().await;
    let id = fixture.entries().await[0].id;
    let delivery = fixture.app.retry_mail(id).await.unwrap();
    assert!(matches!(delivery, Delivery::Dead { .. }), "{delivery:?}");
    let entry = &fixture.entries().await[0];
    assert_eq!((entry.state, entry.attempts), (EntryState::Dead, 2));
}

#[tokio::test]
async fn a_mail_is_dropped_and_the_history_says_by_whom() {
    let fixture = Fixture::fresh().await;
    fixture.forgot().await;
    let id = fixture.entries().await[0].id;
    let admin = Origin::Terminal("root".to_owned());
    fixture.app.drop_mail(id, &admin).await.unwrap();
    assert!(fixture.entries().await.is_empty());
    assert_eq!(fixture.step().await, None);
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
async fn what_is_being_sent_is_left_to_whoever_sends_it() {
    let fixture = Fixture::fresh().await;
    fixture.forgot().await;
    let held = fixture.app.lease_next(Round::First).await.unwrap().unwrap();
    let tried = fixture.app.retry_mail(held.id).await;
    assert!(matches!(tried, Err(AppError::MailHeld(_))), "{tried:?}");
    let dropped = fixture.app.drop_mail(held.id, &terminal()).await;
    assert!(matches!(dropped, Err(AppError::MailHeld(_))), "{dropped:?}");
    let flushed = fixture.app.flush_outbox(Flush::All, &|_| {}).await.unwrap();
    assert_eq!((flushed.total, flushed.elsewhere), (1, 1));
}

#[tokio::test]
async fn a_flush_tries_each_waiting_mail_once_and_tells_how_far_it_is() {
    let fixture = Fixture::fresh().await;
    for _ in 0..20 {
        fixture.forgot().await;
    }
    fixture.mail_server_answers(refused_for_good());
    fixture.step().await;
    let told = Mutex::new(Vec::new());
    let flushed = fixture
        .app
        .flush_outbox(Flush::Waiting, &|so_far| {
            told.lock().unwrap().push((so_far.tried(), so_far.total));
        })
        .await
        .unwrap();
    assert_eq!((flushed.total, flushed.sent, flushed.left), (19, 19, 0));
    let told = told.into_inner().unwrap();
    let expected: Vec<_> = (1..=19).map(|done| (done, 19)).collect();
    assert_eq!(told, expected);
    let flushed = fixture.app.flush_outbox(Flush::All, &|_| {}).await.unwrap();
    assert_eq!((flushed.total, flushed.sent), (1, 1), "the dead one too");
}

#[tokio::test]
async fn a_flush_stops_where_the_mail_server_cannot_be_reached() {
    let fixture = Fixture::fresh().await;
    for _ in 0..40 {
        fixture.forgot().await;
        fixture.mail_server_answers(gone());
    }
    let flushed = fixture
        .app
        .flush_outbox(Flush::Waiting, &|_| {})
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
async fn history_is_forgotten_when_its_time_is_over() {
    let fixture = Fixture::fresh().await;
    let kept = Duration::from_secs(90 * 86_400);
    fixture.wait(kept);
    fixture.forgot().await;
    assert_eq!(fixture.app.forget_history().await.unwrap(), 0);
    fixture.wait(Duration::from_millis(1));
    assert_eq!(fixture.app.forget_history().await.unwrap(), 1);
    assert_eq!(fixture.history().await, ["reset_requested"]);
}

#[tokio::test]
async fn new_mails_are_sent_while_old_ones_hang() {
    let fixture = Fixture::fresh().await;
    for _ in 0..20 {
        fixture.mail_server_answers(busy());
        fixture.forgot().await;
        fixture.step().await;
    }
    fixture
        .mailer
        .hangs_on_repeats
        .store(true, Ordering::Relaxed);
    fixture.wait(Duration::from_secs(2));
    let (app, mailer) = (fixture.app.clone(), fixture.mailer.clone());
    let worker = tokio::spawn(async move { app.run_delivery(std::future::pending()).await });
    let at_it = async |how_many: usize| {
        while mailer.tried.lock().unwrap().len() < how_many {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let soon = Duration::from_secs(20);
    tokio::time::timeout(soon, at_it(26)).await.unwrap();
    for new in 1..=3 {
        fixture.forgot().await;
        tokio::time::timeout(soon, at_it(26 + new)).await.unwrap();
    }
    // A mail is tried a moment before it is taken.
    let all_taken = async {
        while fixture.taken().len() < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(soon, all_taken).await.unwrap();
    worker.abort();
}

#[tokio::test]
async fn no_more_are_sent_at_once_than_allowed_and_none_begins_after_the_stop() {
    let fixture = Fixture::fresh().await;
    for _ in 0..3 * SESSIONS {
        fixture.forgot().await;
    }
    fixture.mailer.is_slow_by.store(500, Ordering::Relaxed);
    let app = fixture.app.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = tokio::spawn(async move { app.run_delivery(async { drop(stopped.await) }).await });
    let tried = || fixture.mailer.tried.lock().unwrap().len();
    while tried() < SESSIONS {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.send(()).unwrap();
    worker.await.unwrap();
    assert_eq!((tried(), fixture.taken().len()), (SESSIONS, SESSIONS));
    assert_eq!(fixture.entries().await.len(), 2 * SESSIONS);
    // Those that waited were given back at once.
    fixture.mailer.is_slow_by.store(0, Ordering::Relaxed);
    while fixture.step().await.is_some() {}
    assert_eq!(fixture.taken().len(), 3 * SESSIONS);
    let most = fixture.mailer.most_at_once.load(Ordering::Relaxed);
    assert_eq!(most, SESSIONS);
}

#[tokio::test]
async fn a_mail_that_somebody_took_over_while_it_waited_for_its_turn_is_left_to_them() {
    let fixture = Fixture::fresh().await;
    for is_taken_over in [true, false] {
        fixture.forgot().await;
        let entry = fixture.app.lease_next(Round::First).await.unwrap().unwrap();
        let sessions = Arc::clone(&fixture.mailer.sessions);
        let all = sessions.acquire_many_owned(SESSIONS as u32).await.unwrap();
        let app = fixture.app.clone();
        let (_stop, stopping) = tokio::sync::watch::channel(false);
        let waiting = tokio::spawn(async move {
            app.deliver_in_turn(entry, Round::First, false, stopping)
                .await;
        });
        fixture.wait(LEASE);
        if is_taken_over {
            fixture.app.lease_next(Round::Later).await.unwrap().unwrap();
        }
        drop(all);
        waiting.await.unwrap();
        assert_eq!(fixture.taken().len(), usize::from(!is_taken_over));
    }
}

#[tokio::test]
async fn a_mail_that_failed_is_tried_again_while_new_ones_keep_coming() {
    let fixture = Fixture::fresh().await;
    fixture.mail_server_answers(busy());
    fixture.forgot().await;
    fixture.step().await;
    let failed = fixture.mailer.tried.lock().unwrap()[0].message_id.clone();
    for _ in 0..800 {
        fixture.forgot().await;
    }
    fixture.mailer.is_slow_by.store(40, Ordering::Relaxed);
    let app = fixture.app.clone();
    let worker = tokio::spawn(async move { app.run_delivery(std::future::pending()).await });
    // The worker has looked for it once, in vain, when it becomes due.
    while fixture.taken().len() < 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    fixture.wait(Duration::from_secs(2));
    let due_at = fixture.taken().len();
    while fixture.taken().len() < 801 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    worker.abort();
    let taken = fixture.taken();
    let place = taken.iter().position(|mail| mail.message_id == failed);
    // It is looked for once a second, in which 400 are sent; then those in hand come first.
    assert!(
        (due_at..due_at + 600).contains(&place.unwrap()),
        "it came as number {place:?} of 801, and was due from {due_at} on"
    );
}

/// Another process writes while the mail server answers, for longer than a step waits.
#[tokio::test]
async fn what_came_of_a_mail_is_written_down_once_the_database_can_be_written_again() {
    let fixture = Fixture::fresh().await;
    fixture.forgot().await;
    let path = fixture.dir.path().join("test.sqlite3");
    *fixture.mailer.locks.lock().unwrap() = Some(path);
    assert!(matches!(fixture.step().await, Some(Delivery::Sent { .. })));
    assert!(fixture.entries().await.is_empty());
    fixture.wait(Duration::from_secs(60));
    assert_eq!(fixture.step().await, None);
    assert_eq!(fixture.taken().len(), 1);
}

#[tokio::test]
async fn a_confirmation_that_nobody_takes_for_five_days_is_given_up() {
    let fixture = Fixture::fresh().await;
    fixture.forgot().await;
    fixture.step().await;
    fixture.reset(&token(&fixture.taken()[0])).await.unwrap();
    fixture.mail_server_answers(gone());
    fixture.step().await;
    let day = Duration::from_secs(86_400);
    fixture.wait(5 * day - Duration::from_secs(1));
    fixture.mail_server_answers(gone());
    assert!(matches!(
        fixture.step().await,
        Some(Delivery::Waiting { .. })
    ));
    fixture.wait(day);
    fixture.mail_server_answers(gone());
    let Some(Delivery::Dead { error }) = fixture.step().await else {
        panic!("it is still tried");
    };
    assert_eq!(error, "no mail server accepted it for five days");
    assert_eq!(fixture.entries().await[0].state, EntryState::Dead);
}
