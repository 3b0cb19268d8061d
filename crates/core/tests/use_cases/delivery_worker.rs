//! The delivery worker: which mails it sends, when, and how many at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use movie_bag_core::app::DeliveryMode;
use movie_bag_core::domain::outbox::{Entry, LEASE, Round};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::fixture::{DEADLINE, Fixture, terminal};
use crate::mail_server::{SESSIONS, deferred};

/// Interval in which a condition is checked.
const PAUSE: Duration = Duration::from_millis(5);

async fn wait_for(is_met: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_met() {
        assert!(Instant::now() < deadline, "the event did not occur");
        sleep(PAUSE).await;
    }
}

impl Fixture {
    /// Starts a worker that runs until it is aborted.
    fn spawn_worker(&self) -> JoinHandle<()> {
        let app = self.app.clone();
        tokio::spawn(async move { app.run_delivery(std::future::pending()).await })
    }

    /// Creates an account in each of these domains, and requests a reset for it.
    async fn request_resets_in(&self, domains: &[&str]) {
        for domain in domains {
            let email = &format!("ann@{domain}");
            self.create_account(email).await;
            let origin = terminal();
            let requested = self.app.request_reset(email, &origin, DeliveryMode::Queue);
            requested.await.unwrap();
        }
    }

    fn attempted_domains(&self) -> Vec<String> {
        let attempted = self.server.attempted().into_iter();
        let domain = |to: String| to.rsplit_once('@').unwrap().1.to_owned();
        attempted.map(|message| domain(message.to)).collect()
    }

    /// Moves the clock on until the condition holds.
    async fn run_until(&self, is_met: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !is_met(self) {
            assert!(Instant::now() < deadline, "{:?}", self.attempted_domains());
            self.pass(Duration::from_millis(100));
            sleep(PAUSE).await;
        }
    }
}

#[tokio::test]
async fn a_server_that_refuses_every_mail_gets_one_probe_at_a_time() {
    let fixture = Fixture::fresh().await;
    fixture.server.refuse("example");
    let domains = [
        "a.example",
        "b.example",
        "c.example",
        "d.example",
        "e.example",
        "f.example",
    ];
    fixture.request_resets_in(&domains).await;
    let worker = fixture.spawn_worker();
    fixture
        .run_until(|fixture| fixture.app.is_probing_server())
        .await;
    // Two probes, after 1 and 2 seconds.
    let before = fixture.attempted_domains().len();
    fixture
        .run_until(|fixture| fixture.attempted_domains().len() >= before + 2)
        .await;
    let tried = fixture.attempted_domains();
    assert!(tried.len() <= before + 3, "{tried:?}");
    assert_ne!(tried[before], tried[before + 1], "another domain each time");
    assert!(fixture.app.is_probing_server());
    // One accepted mail ends the pause.
    fixture.server.refuse_none();
    fixture
        .run_until(|fixture| fixture.server.accepted().len() == 6)
        .await;
    assert!(!fixture.app.is_probing_server());
    worker.abort();
}

#[tokio::test]
async fn recipients_that_are_always_refused_do_not_stall_the_others() {
    let fixture = Fixture::fresh().await;
    // Three recipients, each in a domain of its own.
    let bad = ["x.bad", "y.bad", "z.bad"];
    fixture.server.refuse("bad");
    fixture.request_resets_in(&bad).await;
    let worker = fixture.spawn_worker();
    fixture
        .run_until(|fixture| fixture.app.is_probing_server())
        .await;
    fixture.request_resets_in(&["a.example", "b.example"]).await;
    fixture
        .run_until(|fixture| fixture.server.accepted().len() == 2)
        .await;
    worker.abort();
}

#[tokio::test]
async fn new_mails_are_sent_while_old_ones_hang() {
    let fixture = Fixture::fresh().await;
    for _ in 0..20 {
        fixture.server.fail_next(deferred());
        fixture.request_reset().await;
        fixture.deliver_next().await;
    }
    fixture
        .server
        .hangs_on_repeats
        .store(true, Ordering::Relaxed);
    fixture.pass(Duration::from_secs(2));
    let worker = fixture.spawn_worker();
    let attempts = || fixture.server.attempted().len();
    wait_for(|| attempts() >= 26).await;
    for new in 1..=3 {
        fixture.request_reset().await;
        wait_for(|| attempts() >= 26 + new).await;
    }
    wait_for(|| fixture.server.accepted().len() >= 3).await;
    worker.abort();
}

#[tokio::test]
async fn no_more_mails_than_sessions_are_sent_at_once_and_none_after_the_stop() {
    let fixture = Fixture::fresh().await;
    for _ in 0..3 * SESSIONS {
        fixture.request_reset().await;
    }
    let gate = fixture.server.gate.write().await;
    let app = fixture.app.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = tokio::spawn(async move { app.run_delivery(async { drop(stopped.await) }).await });
    let attempts = || fixture.server.attempted().len();
    wait_for(|| attempts() >= SESSIONS).await;
    stop.send(()).unwrap();
    // The mails without a session are released at the stop, the others when they are sent.
    let deadline = Instant::now() + DEADLINE;
    let is_leased = |entry: &&Entry| entry.lease.is_some();
    while fixture.entries().await.iter().filter(is_leased).count() > SESSIONS {
        assert!(Instant::now() < deadline, "the mails were not released");
        sleep(PAUSE).await;
    }
    drop(gate);
    worker.await.unwrap();
    assert_eq!(
        (attempts(), fixture.server.accepted().len()),
        (SESSIONS, SESSIONS)
    );
    assert_eq!(fixture.entries().await.len(), 2 * SESSIONS);
    // The leases of the others were released.
    while fixture.deliver_next().await.is_some() {}
    assert_eq!(fixture.server.accepted().len(), 3 * SESSIONS);
    let most = fixture.server.most_at_once.load(Ordering::Relaxed);
    assert_eq!(most, SESSIONS);
}

#[tokio::test]
async fn a_mail_that_another_worker_leased_meanwhile_is_not_sent() {
    for is_taken_over in [true, false] {
        let fixture = Fixture::fresh().await;
        // One session, so that the worker leases the mail once.
        fixture.server.capacity.store(1, Ordering::Relaxed);
        let sessions = Arc::clone(&fixture.server.sessions);
        let all = sessions.acquire_many_owned(SESSIONS as u32).await.unwrap();
        fixture.request_reset().await;
        let worker = fixture.spawn_worker();
        let deadline = Instant::now() + DEADLINE;
        while fixture.entries().await[0].lease.is_none() {
            assert!(Instant::now() < deadline, "the mail was not leased");
            sleep(PAUSE).await;
        }
        fixture.pass(LEASE);
        if is_taken_over {
            fixture.lease_next(Round::Later).await.unwrap();
        }
        drop(all);
        let ended = || fixture.server.ended_sessions.load(Ordering::Relaxed);
        wait_for(|| ended() == 1).await;
        assert_eq!(
            fixture.server.attempted().len(),
            usize::from(!is_taken_over)
        );
        worker.abort();
    }
}

#[tokio::test]
async fn a_failed_mail_is_retried_while_new_ones_keep_coming() {
    let fixture = Fixture::fresh().await;
    fixture.server.fail_next(deferred());
    fixture.request_reset().await;
    fixture.deliver_next().await;
    let failed = fixture.server.attempted()[0].message_id.clone();
    for _ in 0..800 {
        fixture.request_reset().await;
    }
    fixture.server.delay_ms.store(40, Ordering::Relaxed);
    let worker = fixture.spawn_worker();
    // The worker has queried the later round once when the mail becomes due.
    wait_for(|| fixture.server.accepted().len() >= 20).await;
    fixture.pass(Duration::from_secs(2));
    let due_at = fixture.server.accepted().len();
    wait_for(|| fixture.server.accepted().len() >= 801).await;
    worker.abort();
    let accepted = fixture.server.accepted();
    let position = accepted.iter().position(|mail| mail.message_id == failed);
    // The worker queries the later round once a second, in which it sends 400 mails; then the leased mails are sent first.
    assert!(
        (due_at..due_at + 600).contains(&position.unwrap()),
        "it was number {position:?} of 801, and due from {due_at} on"
    );
}
