use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Rules that a test need not wait for.
const QUICK: Policy = Policy {
    first_delay: Duration::from_millis(1),
    longest_delay: Duration::from_millis(2),
    settling_time: Duration::from_millis(1),
    max_failures: 5,
    window: Duration::from_secs(3_600),
};

#[test]
fn delays_double_up_to_the_longest() {
    let policy = Policy::default();
    let delays = [1, 2, 3, 4, 5, 6, 40].map(|failures| policy.delay(failures).as_millis());
    assert_eq!(delays, [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
}

#[tokio::test]
async fn a_task_that_panics_or_ends_is_restarted_and_up_again_once_it_has_settled() {
    for fails_by_panic in [true, false] {
        let supervisor = Supervisor::new(QUICK);
        let (stop, stops) = watch::channel(false);
        let starts = Arc::new(AtomicUsize::new(0));
        let run = supervisor.run("one", stops.clone(), || {
            let (start, mut stops) = (starts.fetch_add(1, Ordering::Relaxed), stops.clone());
            async move {
                match start {
                    0 if fails_by_panic => panic!("first\nstart"),
                    0 => {}
                    _ => wait_until_raised(&mut stops).await,
                }
            }
        });
        let settled = async {
            let is_settled = || {
                let statuses = supervisor.statuses();
                statuses.iter().any(|task| task.is_up && task.restarts == 1)
            };
            while !is_settled() {
                sleep(Duration::from_millis(1)).await;
            }
            stop.send_replace(true);
        };
        tokio::join!(run, settled);
        assert_eq!(starts.load(Ordering::Relaxed), 2);
        assert_eq!(supervisor.down(), None);
        assert_eq!(supervisor.given_up(), None);
    }
}

#[tokio::test]
async fn a_task_that_keeps_failing_is_given_up_with_its_cause() {
    let supervisor = Supervisor::new(QUICK);
    let (_stop, stops) = watch::channel(false);
    let starts = AtomicUsize::new(0);
    let run = supervisor.run("broken", stops, || {
        let is_sound = starts.fetch_add(1, Ordering::Relaxed) > 100;
        async move { assert!(is_sound, "no\x1b[31m disk") }
    });
    let (failed, ()) = tokio::join!(supervisor.gave_up(), run);
    let cause = "it panicked: no [31m disk".to_owned();
    assert_eq!(
        failed,
        TaskFailed {
            task: "broken",
            failures: 5,
            cause,
        }
    );
    assert_eq!(starts.load(Ordering::Relaxed), 5);
    assert_eq!(supervisor.down(), Some("broken"));
}

#[tokio::test]
async fn an_error_is_the_cause_of_failure() {
    let supervisor = Supervisor::new(QUICK);
    let (_stop, stops) = watch::channel(false);
    let run = supervisor.run("thread", stops.clone(), || async { Err("no memory") });
    let (failed, ()) = tokio::join!(supervisor.gave_up(), run);
    assert_eq!(failed.cause, "no memory");
}

#[tokio::test]
async fn a_stop_is_not_a_failure_and_drops_the_factory_before_the_task_ends() {
    let supervisor = Supervisor::new(QUICK);
    let (stop, stops) = watch::channel(false);
    let held = Arc::new(());
    let is_dropped = Arc::downgrade(&held);
    let run = supervisor.run("holder", stops.clone(), move || {
        let _ = &held;
        let (mut stops, is_dropped) = (stops.clone(), is_dropped.clone());
        async move {
            wait_until_raised(&mut stops).await;
            while is_dropped.strong_count() > 0 {
                tokio::task::yield_now().await;
            }
        }
    });
    let stopping = async {
        tokio::task::yield_now().await;
        stop.send_replace(true);
    };
    tokio::join!(run, stopping);
    assert_eq!(supervisor.statuses()[0].restarts, 0);
    assert_eq!(supervisor.given_up(), None);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_restart() {
    let slow = Policy {
        first_delay: Duration::from_secs(3_600),
        longest_delay: Duration::from_secs(3_600),
        ..QUICK
    };
    let supervisor = Supervisor::new(slow);
    let (stop, stops) = watch::channel(false);
    let run = supervisor.run("down", stops, || async {});
    let stopping = async {
        while supervisor.down().is_none() {
            sleep(Duration::from_millis(1)).await;
        }
        stop.send_replace(true);
    };
    tokio::join!(run, stopping);
}

#[tokio::test]
async fn a_thread_that_recovers_reports_and_its_end_is_a_failure() {
    let supervisor = Supervisor::new(QUICK);
    let (_stop, stops) = watch::channel(false);
    let (reporter, reports) = reports();
    assert_eq!(reporter.contain(|| 1), Some(1));
    let contained: Option<()> = reporter.contain(|| panic!("one message"));
    assert_eq!(contained, None);
    assert_eq!(reports.next().await, "it panicked: one message");
    drop(reporter);
    let (failed, ()) = tokio::join!(
        supervisor.gave_up(),
        supervisor.watch("output", stops, || reports.next())
    );
    assert_eq!(failed.cause, "its thread has ended");
}

#[tokio::test]
async fn watching_a_thread_ends_with_the_stop() {
    let supervisor = Supervisor::new(QUICK);
    let (stop, stops) = watch::channel(false);
    let stopping = async {
        tokio::task::yield_now().await;
        stop.send_replace(true);
    };
    tokio::join!(
        supervisor.watch("sound", stops, pending::<String>),
        stopping
    );
    assert_eq!(supervisor.down(), None);
}

#[tokio::test]
async fn a_thread_that_ends_at_the_stop_has_not_failed() {
    // Both are ready in each round, so an unordered choice would take the failure in half of them.
    for _ in 0..100 {
        let (_stop, stops) = watch::channel(true);
        let (reporter, reports) = reports();
        drop(reporter);
        assert_eq!(failure_before_stop(reports.next(), stops).await, None);
    }
}
