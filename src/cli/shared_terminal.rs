//! Order of stdout and stderr on a terminal that shows both: a mail is written whole, and log entries and messages are
//! written before or after it.
//!
//! The lock is that of stdout, which the standard library has for the whole process. If the streams lead to different places,
//! stderr takes no lock: a slow reader of stdout must not delay the log.

use std::io::{self, IsTerminal as _, Write};

/// Stderr, which waits for the current write to stdout if both are the same terminal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stderr {
    waits_for_stdout: bool,
}

impl Stderr {
    pub(super) fn new() -> Self {
        Self {
            waits_for_stdout: is_one_terminal(),
        }
    }
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let _guard = self.waits_for_stdout.then(|| io::stdout().lock());
        io::stderr().lock().write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns whether stdout and stderr lead to the same terminal.
fn is_one_terminal() -> bool {
    io::stdout().is_terminal() && io::stderr().is_terminal() && is_one_device()
}

#[cfg(unix)]
fn is_one_device() -> bool {
    use std::fs::File;
    use std::os::fd::{AsFd, BorrowedFd};
    use std::os::unix::fs::MetadataExt as _;

    let device = |stream: BorrowedFd<'_>| -> io::Result<u64> {
        Ok(File::from(stream.try_clone_to_owned()?).metadata()?.rdev())
    };
    match (device(io::stdout().as_fd()), device(io::stderr().as_fd())) {
        (Ok(stdout), Ok(stderr)) => stdout == stderr,
        _ => false,
    }
}

/// Always true: a Windows process has at most one console.
#[cfg(not(unix))]
fn is_one_device() -> bool {
    true
}
