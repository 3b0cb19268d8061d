//! Faults that tests inject into a running process. Release builds have none.
//!
//! A debug build reads the hidden setting `MOVIE_BAG_TEST_FAULTS`, which names a folder. A file in it that has the name of a
//! fault point triggers that point, at the start or at any later time:
//!
//! | content of the file | effect |
//! | --- | --- |
//! | `panic` | panics once; the file is deleted before |
//! | `end` | ends the task once, as if it had returned; the file is deleted before. Points that are passed by code without a task of its own panic instead |
//! | `panic always`, `end always` | the same each time, until the file is deleted |
//!
//! Points are named after the tasks of the supervisor (`delivery`, `sink-smtp` …); `hasher` and `attempt` are in code that is
//! not supervised. Create the file under another name and rename it, so that it is never read half-written.

use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

/// Interval in which the folder is read.
const PAUSE: Duration = Duration::from_millis(20);

/// Effect of a fault point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Panic,
    End,
}

/// Names the folder that triggers faults. Release builds ignore it.
pub fn arm(folder: Option<PathBuf>) {
    if let Some(folder) = folder {
        imp::arm(folder);
    }
}

/// Panics if a test has triggered this point.
pub fn hit(name: &str) {
    assert!(imp::triggered(name).is_none(), "injected fault");
}

/// Waits until a test triggers this point, and then panics or returns.
pub async fn reached(name: &str) {
    if !imp::is_armed() {
        return pending().await;
    }
    loop {
        match imp::triggered(name) {
            Some(Fault::Panic) => panic!("injected fault"),
            Some(Fault::End) => return,
            None => sleep(PAUSE).await,
        }
    }
}

#[cfg(debug_assertions)]
mod imp {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::OnceLock;

    use super::Fault;

    /// A global, so that no signature of the program has a parameter that only tests need.
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();

    pub(super) fn arm(folder: PathBuf) {
        // A later call has no effect.
        let _ = FOLDER.set(folder);
    }

    pub(super) fn is_armed() -> bool {
        FOLDER.get().is_some()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a file is the only channel that a test has into a running process, and release builds do not have it"
    )]
    pub(super) fn triggered(name: &str) -> Option<Fault> {
        let file = FOLDER.get()?.join(name);
        let content = fs::read_to_string(&file).ok()?;
        if !content.contains("always") {
            fs::remove_file(&file).ok()?;
        }
        Some(match content.starts_with("end") {
            true => Fault::End,
            false => Fault::Panic,
        })
    }
}

#[cfg(not(debug_assertions))]
mod imp {
    use std::path::PathBuf;

    use super::Fault;

    pub(super) fn arm(_: PathBuf) {}

    pub(super) fn is_armed() -> bool {
        false
    }

    /// Names both effects, so that neither is dead code in a release build.
    #[inline(always)]
    pub(super) fn triggered(_: &str) -> Option<Fault> {
        const _: [Fault; 2] = [Fault::Panic, Fault::End];
        None
    }
}
