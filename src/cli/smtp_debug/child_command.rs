//! `smtp-debug -- CMD`: a command that runs as long as the sink and gets its addresses in the environment.

use std::ffi::OsString;
use std::process::ExitStatus;
#[cfg(not(unix))]
use std::time::Duration;

use movie_bag_smtp_sink::BoundSink;
use tokio::process::{Child, Command};

use crate::cli::sink::connectable;
use crate::error_code::ErrorCode;
use crate::failure::Failure;

/// Command that was started, if any.
pub(super) struct ChildCommand {
    child: Option<Child>,
}

impl ChildCommand {
    /// Starts the command; none is started if `command` is empty.
    pub(super) fn start(
        command: &[OsString],
        sink: &BoundSink,
        web_auth: Option<&(String, String)>,
    ) -> Result<Self, Failure> {
        let [program, arguments @ ..] = command else {
            return Ok(Self { child: None });
        };
        let smtp = connectable(sink.smtp_addr());
        let mut child = Command::new(program);
        child
            .args(arguments)
            .env("MAIL_SERVER", smtp.ip().to_string())
            .env("MAIL_PORT", smtp.port().to_string());
        if let Some(web) = sink.web_addr().map(connectable) {
            let credentials = web_auth.map(|(user, password)| format!("{user}:{password}@"));
            let credentials = credentials.unwrap_or_default();
            child.env("MOVIE_BAG_INBOX_URL", format!("http://{credentials}{web}"));
        }
        match child.spawn() {
            Ok(child) => Ok(Self { child: Some(child) }),
            Err(error) => Err(Failure::new(
                ErrorCode::Command,
                format!("cannot run {}: {error}", program.to_string_lossy()),
                "write the command after --, as you would type it in a shell",
            )),
        }
    }

    /// Requests the end of the command. A terminal sends Ctrl-C to the command itself.
    #[cfg(unix)]
    pub(super) fn request_stop(&mut self) {
        let Some(child) = &mut self.child else { return };
        if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok())
            && let Some(id) = rustix::process::Pid::from_raw(id)
        {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
    }

    /// Ends the command: on Windows, a process cannot send a signal to one other process.
    #[cfg(not(unix))]
    pub(super) fn request_stop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.start_kill();
        }
    }

    /// Requests the end of the command, waits for it, and returns its exit code.
    #[cfg(unix)]
    pub(super) async fn stop(&mut self) -> Option<u8> {
        self.request_stop();
        self.wait().await
    }

    /// Waits for the command and returns its exit code. The console has requested its end too, so the command gets
    /// time for an orderly end before it is terminated.
    #[cfg(not(unix))]
    pub(super) async fn stop(&mut self) -> Option<u8> {
        const PATIENCE: Duration = Duration::from_secs(3);
        match tokio::time::timeout(PATIENCE, self.wait()).await {
            Ok(code) => code,
            Err(_) => {
                self.request_stop();
                self.wait().await
            }
        }
    }

    /// Waits for the end of the command and returns its exit code; `None` without a command.
    pub(super) async fn wait(&mut self) -> Option<u8> {
        let status = self.child.as_mut()?.wait().await;
        self.child = None;
        Some(status.map_or(1, shell_exit_code))
    }

    /// Waits for the end of the command and returns its exit code; never resolves without a command.
    pub(super) async fn wait_if_running(&mut self) -> Option<u8> {
        match self.child {
            Some(_) => self.wait().await,
            None => std::future::pending().await,
        }
    }
}

/// Returns the exit code as a shell reports it: 128 and the number of the signal that ended the command.
fn shell_exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(255);
    }
    status
        .code()
        .map_or(1, |code| u8::try_from(code).unwrap_or(1))
}
