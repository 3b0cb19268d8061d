//! Integration with systemd or another service manager with the same protocols: inherited sockets (socket activation), and
//! notifications of readiness, shutdown and liveness (`sd_notify`). Without a service manager, nothing happens.

use std::net::TcpListener;

/// Sockets that the service manager has bound for this process.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    /// Socket of the API and the pages.
    pub(super) api: Option<TcpListener>,
    /// Socket of `/metrics`.
    pub(super) metrics: Option<TcpListener>,
}

/// State to notify the service manager of.
#[derive(Debug, Clone, Copy)]
pub(super) enum ServiceState {
    /// Requests are accepted.
    Ready,
    /// No further requests are accepted.
    Stopping,
}

#[cfg(not(unix))]
pub(super) use no_systemd::{inherited, keep_alive, keep_alive_interval, notify};
#[cfg(unix)]
pub(super) use unix::{inherited, keep_alive, keep_alive_interval, notify};

#[cfg(unix)]
mod unix {
    use std::net::TcpListener;
    use std::time::Duration;

    use listenfd::ListenFd;
    use movie_bag_core::supervisor::Supervisor;
    use sd_notify::NotifyState;
    use tokio::time::{MissedTickBehavior, interval};

    use super::{Inherited, ServiceState};
    use crate::cli::ui::Ui;
    use crate::config;
    use crate::error_code::ErrorCode;
    use crate::failure::Failure;

    /// Name of the socket for `/metrics`. A socket with any other name is for the API.
    const METRICS: &str = "metrics";

    /// Takes over the inherited sockets. Must be called while no other thread runs, since it removes their variables from the
    /// environment.
    ///
    /// # Errors
    /// A socket is not a listening TCP socket, or there are more sockets than uses.
    pub(in crate::cli) fn inherited() -> Result<Inherited, Failure> {
        let names = config::names_of_inherited_sockets();
        let mut sockets = ListenFd::from_env();
        let mut inherited = Inherited::default();
        for number in 0..sockets.len() {
            let name = names.get(number).map_or("", String::as_str);
            let Some(socket) = sockets.take_tcp_listener(number).map_err(invalid_socket)? else {
                continue;
            };
            if !listens(&socket) {
                return Err(invalid_socket(format!(
                    "number {number} ({name:?}) does not listen"
                )));
            }
            socket.set_nonblocking(true).map_err(invalid_socket)?;
            let place = if name == METRICS {
                &mut inherited.metrics
            } else {
                &mut inherited.api
            };
            if place.replace(socket).is_some() {
                return Err(invalid_socket(format!(
                    "number {number} ({name:?}) is not used"
                )));
            }
        }
        Ok(inherited)
    }

    #[cfg(not(target_vendor = "apple"))]
    fn listens(socket: &TcpListener) -> bool {
        rustix::net::sockopt::socket_acceptconn(socket).is_ok_and(|listens| listens)
    }

    /// Assumes that the socket listens: macOS cannot report it, so the first connection shows it.
    #[cfg(target_vendor = "apple")]
    fn listens(_: &TcpListener) -> bool {
        true
    }

    pub(in crate::cli) fn notify(ui: &Ui, state: ServiceState) {
        let notified = match state {
            ServiceState::Ready => sd_notify::notify(&[NotifyState::Ready]),
            ServiceState::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        };
        if let Err(error) = notified {
            ui.warn(&format!("cannot notify the service manager: {error}"));
        }
    }

    /// Returns the interval of watchdog notifications (half of `WatchdogSec=`), if the service manager expects any.
    pub(in crate::cli) fn keep_alive_interval() -> Option<Duration> {
        let timeout = sd_notify::watchdog_enabled().filter(|timeout| !timeout.is_zero());
        timeout.map(|timeout| timeout / 2)
    }

    /// Sends watchdog notifications to the service manager, until a task has failed repeatedly and the process ends.
    ///
    /// The notifications continue while the database does not answer: a new process would not repair the database, and would interrupt the
    /// requests that can still be answered. They also continue while a task is being restarted: the supervisor either restores
    /// the task or ends the process within seconds.
    pub(in crate::cli) async fn keep_alive(period: Duration, supervisor: &Supervisor) {
        let mut sign = interval(period);
        sign.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while supervisor.given_up().is_none() {
            sign.tick().await;
            // An unreachable service manager was already reported at startup.
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
        std::future::pending().await
    }

    fn invalid_socket(why: impl std::fmt::Display) -> Failure {
        Failure::new(
            ErrorCode::Address,
            format!("cannot use a socket from the service manager: {why}"),
            "pass one TCP socket for the API, and optionally one named \"metrics\" (ListenStream= and FileDescriptorName= in a .socket unit, with Accept=no)",
        )
    }
}

#[cfg(not(unix))]
mod no_systemd {
    use std::time::Duration;

    use movie_bag_core::supervisor::Supervisor;

    use super::{Inherited, ServiceState};
    use crate::cli::ui::Ui;
    use crate::failure::Failure;

    pub(in crate::cli) fn inherited() -> Result<Inherited, Failure> {
        Ok(Inherited::default())
    }

    pub(in crate::cli) fn notify(_: &Ui, _: ServiceState) {}

    pub(in crate::cli) fn keep_alive_interval() -> Option<Duration> {
        None
    }

    pub(in crate::cli) async fn keep_alive(_: Duration, _: &Supervisor) {
        std::future::pending().await
    }
}
