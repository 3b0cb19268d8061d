//! Report of tests that are skipped because software is missing.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Mutex;

/// Reports once that `what` is skipped, the reason, and the software to install. In CI, fails the test.
pub fn report_skipped(what: &str, why: &str, advice: &str) {
    static REPORTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let message = format!("\n==== LEFT OUT: {what}. {why}\n==== {advice}\n");
    assert!(std::env::var_os("CI").is_none(), "{message}");
    if REPORTED.lock().unwrap().insert(what.to_owned()) {
        // `eprintln!` is not used, since the test runner captures its output and drops it if the test passes.
        let _ = std::io::stderr().write_all(message.as_bytes());
    }
}
