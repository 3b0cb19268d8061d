//! What systemd offers a service: sockets that it has bound (socket activation), and somebody to tell that we serve, stop
//! and live (`sd_notify`). Anything else that speaks these protocols will do; without one, nothing here does anything.

use std::net::TcpListener;

/// The sockets that were bound for us.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    /// For the API and the pages.
    pub(super) api: Option<TcpListener>,
    /// For `/metrics`.
    pub(super) metrics: Option<TcpListener>,
}

/// What there is to tell.
#[derive(Debug, Clone, Copy)]
pub(super) enum News {
    /// Requests are taken.
    Ready,
    /// No more are taken.
    Stopping,
}

#[cfg(unix)]
pub(super) use unix::{inherited, keep_alive, keep_alive_interval, tell};
#[cfg(not(unix))]
pub(super) use without::{inherited, keep_alive, keep_alive_interval, tell};

#[cfg(unix)]
mod unix {
    use std::net::TcpListener;
    use std::time::Duration;

    use listenfd::ListenFd;
    use sd_notify::NotifyState;
    use tokio::time::{MissedTickBehavior, interval};

    use super::super::report::Failure;
    use super::super::ui::Ui;
    use super::{Inherited, News};
    use crate::config;
    use crate::supervisor::Supervisor;

    /// The name of the socket for `/metrics`; any other is that of the API.
    const METRICS: &str = "metrics";

    /// Takes over what was bound for us. Only while no other thread runs, since it takes the variables that say so out of
    /// the environment.
    ///
    /// # Errors
    /// What is no listening TCP socket, and more of them than we have a use for.
    pub(in super::super) fn inherited() -> Result<Inherited, Failure> {
        let names = config::names_of_inherited_sockets();
        let mut sockets = ListenFd::from_env();
        let mut inherited = Inherited::default();
        for number in 0..sockets.len() {
            let name = names.get(number).map_or("", String::as_str);
            let Some(socket) = sockets.take_tcp_listener(number).map_err(unfit)? else {
                continue;
            };
            if !listens(&socket) {
                return Err(unfit(format!("number {number} ({name:?}) does not listen")));
            }
            socket.set_nonblocking(true).map_err(unfit)?;
            let place = if name == METRICS {
                &mut inherited.metrics
            } else {
                &mut inherited.api
            };
            if place.replace(socket).is_some() {
                return Err(unfit(format!("number {number} ({name:?}) is not used")));
            }
        }
        Ok(inherited)
    }

    #[cfg(not(target_vendor = "apple"))]
    fn listens(socket: &TcpListener) -> bool {
        rustix::net::sockopt::socket_acceptconn(socket).is_ok_and(|listens| listens)
    }

    /// macOS does not say: there the first connection is what shows it.
    #[cfg(target_vendor = "apple")]
    fn listens(_: &TcpListener) -> bool {
        true
    }

    /// Tells the news.
    pub(in super::super) fn tell(ui: &Ui, news: News) {
        let told = match news {
            News::Ready => sd_notify::notify(&[NotifyState::Ready]),
            News::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        };
        if let Err(error) = told {
            ui.warn(&format!("cannot notify the service manager: {error}"));
        }
    }

    /// Interval at which the service manager wants a sign of life (half of `WatchdogSec=`), if it wants any.
    pub(in super::super) fn keep_alive_interval() -> Option<Duration> {
        let patience = sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero());
        patience.map(|patience| patience / 2)
    }

    /// Sends signs of life to the service manager, until a task has failed repeatedly and the process ends.
    ///
    /// They go on while the database does not answer: a new process would not bring it back, and would cut off what still can
    /// be answered. They also go on while a task is being restarted: the supervisor either brings it back or ends the process
    /// within seconds.
    pub(in super::super) async fn keep_alive(period: Duration, supervisor: &Supervisor) {
        let mut sign = interval(period);
        sign.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while supervisor.given_up().is_none() {
            sign.tick().await;
            // A service manager that cannot be reached could not be told of the start either, and that was reported.
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
        }
        std::future::pending().await
    }

    fn unfit(why: impl std::fmt::Display) -> Failure {
        Failure::new(
            1,
            "address",
            format!("cannot use a socket from the service manager: {why}"),
            "pass one TCP socket for the API, and optionally one named \"metrics\" (ListenStream= and FileDescriptorName= in a .socket unit, with Accept=no)",
        )
    }
}

#[cfg(not(unix))]
mod without {
    use std::time::Duration;

    use super::super::report::Failure;
    use super::super::ui::Ui;
    use super::{Inherited, News};
    use crate::supervisor::Supervisor;

    pub(in super::super) fn inherited() -> Result<Inherited, Failure> {
        Ok(Inherited::default())
    }

    pub(in super::super) fn tell(_: &Ui, _: News) {}

    pub(in super::super) fn keep_alive_interval() -> Option<Duration> {
        None
    }

    pub(in super::super) async fn keep_alive(_: Duration, _: &Supervisor) {
        std::future::pending().await
    }
}
