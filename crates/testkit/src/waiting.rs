//! Waiting for events. No test waits for a fixed time, since duration depends on the load of the machine.

use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

/// Maximum wait for one event. Only a failing test waits this long. It is generous because a machine with many parallel
/// builds on few cores is slow, and not broken.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Interval between two checks.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until a condition holds.
#[track_caller]
pub fn wait_until(what: &str, is_met: impl FnMut() -> bool) {
    wait_until_within(PATIENCE, what, is_met);
}

/// Waits until a condition holds that may take longer than [`PATIENCE`], as in a long run.
#[track_caller]
pub fn wait_until_within(patience: Duration, what: &str, mut is_met: impl FnMut() -> bool) {
    poll(patience, what, || is_met().then_some(()).ok_or("not yet"));
}

/// Waits until there is a value, and returns it. `look` returns the current state while there is none yet; the last state is
/// part of the message on failure.
#[track_caller]
pub fn wait_for<T, State: Debug>(what: &str, look: impl FnMut() -> Result<T, State>) -> T {
    poll(PATIENCE, what, look)
}

#[track_caller]
fn poll<T, State: Debug>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<T, State>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        match look() {
            Ok(found) => return found,
            Err(state) => assert!(
                Instant::now() < deadline,
                "not within {patience:?}: {what}; last seen: {state:?}"
            ),
        }
        thread::sleep(PAUSE);
    }
}
