//! Tokio runtimes and the stop signal of the commands that run until Ctrl-C or SIGTERM: `serve` and `smtp-debug`.

use std::io;

use tokio::runtime::Runtime;

/// Builds a runtime with two threads, which are enough for `serve`: hashing has threads of its own.
pub(super) fn two_workers() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
}

/// Builds a runtime on the calling thread. For SMTP sessions, switches between threads cost more than parallelism gains.
pub(super) fn one_thread() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// Receiver of the signals that stop the program. It listens from its creation on, so that a signal right after the start
/// leads to an orderly end and not to the default action of the system. On Unix the signals are SIGTERM and Ctrl-C. On Windows
/// they are Ctrl-C, Ctrl-Break, closing the console window and system shutdown; after the last two, a program has a few seconds
/// to end.
#[derive(Debug)]
pub(super) struct StopSignal {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
    #[cfg(windows)]
    end: tokio::signal::windows::CtrlBreak,
    #[cfg(windows)]
    close: tokio::signal::windows::CtrlClose,
    #[cfg(windows)]
    shutdown: tokio::signal::windows::CtrlShutdown,
}

#[cfg(unix)]
impl StopSignal {
    /// Starts to listen. Must be called within a runtime.
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Resolves at the next signal, or at once if one arrived since the last call.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(windows)]
impl StopSignal {
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::windows;
        Ok(Self {
            interrupt: windows::ctrl_c()?,
            end: windows::ctrl_break()?,
            close: windows::ctrl_close()?,
            shutdown: windows::ctrl_shutdown()?,
        })
    }

    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.end.recv() => {}
            _ = self.close.recv() => {}
            _ = self.shutdown.recv() => {}
        }
    }
}
