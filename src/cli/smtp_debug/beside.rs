//! `smtp-debug -- CMD`: a command that runs beside the sink and is told where it is.

use std::ffi::OsString;
use std::process::ExitStatus;
#[cfg(not(unix))]
use std::time::Duration;

use tokio::process::{Child, Command};

use super::super::report::Failure;
use super::reachable;
use crate::sink::Sink;

/// The command, where there is one.
pub(super) struct Beside {
    child: Option<Child>,
}

impl Beside {
    /// Starts the command.
    pub(super) fn start(
        command: &[OsString],
        sink: &Sink,
        web_auth: Option<&(String, String)>,
    ) -> Result<Self, Failure> {
        let [program, arguments @ ..] = command else {
            return Ok(Self { child: None });
        };
        let smtp = reachable(sink.smtp_addr());
        let mut child = Command::new(program);
        child
            .args(arguments)
            .env("MAIL_SERVER", smtp.ip().to_string())
            .env("MAIL_PORT", smtp.port().to_string());
        if let Some(web) = sink.web_addr().map(reachable) {
            let credentials = web_auth.map(|(user, password)| format!("{user}:{password}@"));
            let credentials = credentials.unwrap_or_default();
            child.env("MOVIE_BAG_INBOX_URL", format!("http://{credentials}{web}"));
        }
        match child.spawn() {
            Ok(child) => Ok(Self { child: Some(child) }),
            Err(error) => Err(Failure::new(
                1,
                "command",
                format!("cannot run {}: {error}", program.to_string_lossy()),
                "write the command after --, as you would type it in a shell",
            )),
        }
    }

    /// Asks the command to end. Ctrl-C on a terminal reaches it by itself.
    #[cfg(unix)]
    pub(super) fn tell_to_stop(&mut self) {
        let Some(child) = &mut self.child else { return };
        if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok())
            && let Some(id) = rustix::process::Pid::from_raw(id)
        {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
    }

    /// Ends the command: Windows knows no signal that one process could send to one other.
    #[cfg(not(unix))]
    pub(super) fn tell_to_stop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.start_kill();
        }
    }

    /// Asks the command to end, as we are asked, and waits for it; answers the exit code.
    #[cfg(unix)]
    pub(super) async fn stopped(&mut self) -> Option<u8> {
        self.tell_to_stop();
        self.ended().await
    }

    /// The same. What asks us there is the console, which has asked the command too: it may end in order.
    #[cfg(not(unix))]
    pub(super) async fn stopped(&mut self) -> Option<u8> {
        const PATIENCE: Duration = Duration::from_secs(3);
        match tokio::time::timeout(PATIENCE, self.ended()).await {
            Ok(code) => code,
            Err(_) => {
                self.tell_to_stop();
                self.ended().await
            }
        }
    }

    /// Waits for its end, and answers the exit code; none where there is no command.
    pub(super) async fn ended(&mut self) -> Option<u8> {
        let status = self.child.as_mut()?.wait().await;
        self.child = None;
        Some(status.map_or(1, code_of))
    }

    /// The same, and never where there is no command.
    pub(super) async fn ended_if_any(&mut self) -> Option<u8> {
        match self.child {
            Some(_) => self.ended().await,
            None => std::future::pending().await,
        }
    }
}

/// As a shell says it: 128 and the number of the signal that ended it.
fn code_of(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(255);
    }
    status
        .code()
        .map_or(1, |code| u8::try_from(code).unwrap_or(1))
}
