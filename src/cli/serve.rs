//! `serve`: runs the API, the web pages and mail delivery, and with `--smtp-debug` a sink that receives all mail.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use movie_bag_core::app::App;
use movie_bag_core::supervisor::{self, Outcome, Supervisor, fault_points};
use movie_bag_http::{HttpOptions, METRICS_CONNECTIONS, Pages, PrometheusMetrics};
use movie_bag_smtp_sink::net::SharedListener;
use movie_bag_smtp_sink::{BoundSink, SinkSettings};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use super::database;
use super::file_limit::{self, FileLimit};
use super::http_server::{self, listen};
use super::running_servers;
use super::runtime::{StopSignal, two_workers};
use super::sink;
use super::sink::message_output;
use super::sink::tasks::SinkTasks;
use super::startup;
use super::systemd::{self, ServiceState};
use super::ui::Ui;
use crate::config::{DatabaseSettings, Flags, MailTls, Settings, socket_address};
use crate::error_code::ErrorCode;
use crate::failure::Failure;
use crate::wiring;

/// Serve the HTTP API and the web pages, and deliver mail
///
/// With --smtp-debug, the debugging SMTP sink runs in the same process and receives all mail. A socket that systemd passes
/// replaces --bind, and one with the name "metrics" replaces MOVIE_BAG_METRICS_BIND. The database is created if it does not
/// exist.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag serve --smtp-debug
  movie-bag serve --bind 0.0.0.0:3000 --public-url https://movies.example
  MOVIE_BAG_METRICS_BIND=127.0.0.1:9090 movie-bag serve")]
pub(super) struct Args {
    /// Listen on this address [default: 127.0.0.1:3000]
    #[arg(long, value_name = "ADDR:PORT")]
    bind: Option<String>,
    /// Use this base URL for links in mails
    ///
    /// Default: http://localhost with the port of the server. In production it must be an https URL.
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Run the debugging SMTP sink too, and deliver to it
    #[arg(long)]
    smtp_debug: bool,
    /// SMTP address of the sink [default: 127.0.0.1:1025]
    #[arg(long, value_name = "ADDR:PORT", value_parser = socket_address, requires = "smtp_debug")]
    listen: Option<SocketAddr>,
    /// Inbox address of the sink [default: 127.0.0.1:8025]
    #[arg(long, value_name = "ADDR:PORT", value_parser = socket_address, requires = "smtp_debug")]
    web: Option<SocketAddr>,
}

impl Args {
    fn sink_addresses(&self) -> Option<SinkAddresses> {
        self.smtp_debug.then(|| SinkAddresses {
            listen: self.listen.unwrap_or(sink::DEFAULT_LISTEN),
            web: self.web.unwrap_or(sink::DEFAULT_WEB),
        })
    }
}

pub(super) fn run(args: Args, ui: &Ui, mut flags: Flags) -> anyhow::Result<()> {
    let addresses = args.sink_addresses();
    flags.set("MOVIE_BAG_BIND", "--bind", args.bind);
    flags.set("MOVIE_BAG_PUBLIC_URL", "--public-url", args.public_url);
    let mut settings = startup::settings(ui, flags, "info")?;
    supervisor::log_panics();
    fault_points::arm(settings.faults.clone());
    if matches!(settings.database, DatabaseSettings::Mongodb(_)) && settings.tokens.secret.is_none()
    {
        return Err(Failure::usage(
            "JWT_SECRET_KEY is missing: all servers on one MongoDB must sign tokens with the same secret",
            "set it to the output of \"openssl rand -base64 48\", the same on all servers",
        )
        .into());
    }
    let templates = Arc::new(startup::templates(ui, &settings)?);
    let sink_settings = apply_file_limit(ui, &mut settings, args.smtp_debug);
    // Must happen before other threads are started.
    let inherited = systemd::inherited()?;
    two_workers()?.block_on(async {
        let mut stop_signal = StopSignal::listen()?;
        let listener = match inherited.api {
            Some(listener) => TcpListener::from_std(listener)?,
            None => listen(settings.http.bind, "--bind")?,
        };
        let address = listener.local_addr()?;
        let metrics_bind = settings.http.metrics_bind;
        let metrics = match (inherited.metrics, metrics_bind) {
            (Some(listener), _) => Some(TcpListener::from_std(listener)?),
            (None, Some(bind)) => Some(listen(bind, "MOVIE_BAG_METRICS_BIND")?),
            (None, None) => None,
        };
        let sink = match addresses {
            Some(addresses) => Some(bind_sink(addresses, sink_settings, &mut settings).await?),
            None => None,
        };
        let is_new = database::is_missing_file(&settings);
        let (app, counters) = tokio::select! {
            app = wiring::server_app(&settings, Arc::clone(&templates), address.port()) => app?,
            () = stop_signal.next() => return Ok(()),
        };
        let _record = running_servers::record(&settings, address);
        announce(ui, address, sink.as_ref());
        if is_new {
            ui.say(&database::created_message(&settings));
        }
        if let Some(metrics) = &metrics {
            let address = metrics.local_addr()?;
            ui.say(&format!("metrics are on http://{address}/metrics"));
        }
        let inbox = sink.as_ref().and_then(BoundSink::web_addr);
        let api = SharedListener::new(listener)?;
        let metrics = metrics.map(SharedListener::new).transpose()?;
        let min_password_length = settings.passwords.min_length;

        app.start_first_count();
        let supervisor = app.supervisor().clone();
        // The sink stops last, so that mails delivered during the shutdown still reach it.
        let (stop_sink, sink_stops) = watch::channel(false);
        let print = message_output::printer(message_output::default_format(ui), ui);
        let has_sink = sink.is_some();
        let sink = sink.map(|sink| sink.supervised_by(SinkTasks::new(&supervisor)));
        let mut sink_task = tokio::spawn(async move {
            if let Some(sink) = sink {
                sink.run(Some(Box::new(print)), wait_until_raised(sink_stops))
                    .await?;
            }
            anyhow::Ok(())
        });
        let (stop, stops) = watch::channel(false);
        let pages = {
            let templates = Arc::clone(&templates);
            move || wiring::pages(Arc::clone(&templates), min_password_length, inbox)
        };
        let options = http_options(&settings);
        let mut tasks = start_tasks(&app, &counters, api, metrics, pages, options, stops);
        systemd::notify(ui, ServiceState::Ready);
        let failed = tokio::select! {
            () = stop_signal.next() => None,
            failed = supervisor.gave_up() => Some(Failure::from_task(&failed)),
            // The tasks of the sink are supervised: only a defect outside of them ends it.
            ended = &mut sink_task, if has_sink => Some(sink_failure(ended)),
        };
        systemd::notify(ui, ServiceState::Stopping);
        match &failed {
            None => {
                ui.say("Stopping after the requests in flight. Press Ctrl-C again to stop at once.")
            }
            Some(failure) => ui.say(&format!("Stopping: {failure}")),
        }
        let _ = stop.send(true);
        let ended = async {
            while tasks.join_next().await.is_some() {}
            let _ = stop_sink.send(true);
            if !sink_task.is_finished() {
                let _ = (&mut sink_task).await;
            }
            app.close().await;
        };
        tokio::select! {
            () = ended => {}
            () = stop_signal.next() => {}
        }
        match failed {
            Some(failure) => Err(failure.into()),
            None => Ok(()),
        }
    })
}

/// Addresses of the sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SinkAddresses {
    listen: SocketAddr,
    web: SocketAddr,
}

/// Tasks of the process except those of the sink.
struct Tasks {
    running: JoinSet<()>,
    supervisor: Supervisor,
    stops: watch::Receiver<bool>,
}

impl Tasks {
    /// Starts a supervised task. `make` gets the flag that asks the task to stop.
    fn start<T>(
        &mut self,
        name: &'static str,
        mut make: impl FnMut(watch::Receiver<bool>) -> T + Send + 'static,
    ) where
        T: Future<Output: Outcome + Send> + Send + 'static,
    {
        let (supervisor, stops) = (self.supervisor.clone(), self.stops.clone());
        let stopping = stops.clone();
        self.running.spawn(async move {
            supervisor
                .run(name, stops, move || make(stopping.clone()))
                .await;
        });
    }
}

/// Starts all tasks of the server under the application's supervisor. `docs/operations.md` lists them.
fn start_tasks(
    app: &App,
    counters: &Arc<PrometheusMetrics>,
    api: SharedListener,
    metrics: Option<SharedListener>,
    pages: impl Fn() -> Pages + Send + 'static,
    options: HttpOptions,
    stops: watch::Receiver<bool>,
) -> JoinSet<()> {
    let mut tasks = Tasks {
        running: JoinSet::new(),
        supervisor: app.supervisor().clone(),
        stops,
    };
    let owner = app.clone();
    tasks.start("delivery", move |stops| {
        let app = owner.clone();
        async move { app.run_delivery(wait_until_raised(stops)).await }
    });
    let owner = app.clone();
    tasks.start("history", move |stops| {
        let app = owner.clone();
        async move { app.run_forgetting(wait_until_raised(stops)).await }
    });
    if let Some(metrics) = metrics {
        let (owner, shown) = (app.clone(), Arc::clone(counters));
        tasks.start("metrics", move |stops| {
            let (listener, app, counters) = (metrics.handle(), owner.clone(), shown.clone());
            async move {
                let (router, options) = (
                    movie_bag_http::metrics_router(app, counters),
                    movie_bag_http::metrics_options(),
                );
                http_server::serve(listener?, router, &options, wait_until_raised(stops)).await;
                io::Result::Ok(())
            }
        });
    }
    let (owner, counters) = (app.clone(), Arc::clone(counters));
    tasks.start("api", move |stops| {
        let (listener, app, counters) = (api.handle(), owner.clone(), counters.clone());
        let (pages, options) = (pages(), options.clone());
        async move {
            let router = movie_bag_http::router(app, counters, pages, options.clone());
            http_server::serve(listener?, router, &options, wait_until_raised(stops)).await;
            io::Result::Ok(())
        }
    });
    if let Some(interval) = systemd::keep_alive_interval() {
        let supervisor = app.supervisor().clone();
        tasks.start("watchdog", move |stops| {
            let supervisor = supervisor.clone();
            async move {
                tokio::select! {
                    () = systemd::keep_alive(interval, &supervisor) => {}
                    () = wait_until_raised(stops) => {}
                }
            }
        });
    }
    let (owner, supervisor, stops) = (app.clone(), app.supervisor().clone(), tasks.stops.clone());
    tasks.running.spawn(async move {
        let next_failure = || {
            let app = owner.clone();
            async move { app.database_failure().await }
        };
        supervisor.watch("database", stops, next_failure).await;
    });
    tasks.running
}

fn sink_failure(ended: Result<anyhow::Result<()>, JoinError>) -> Failure {
    let cause = match ended {
        Ok(Ok(())) => "it ended unexpectedly".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Failure::new(
        ErrorCode::Task,
        format!("the debugging SMTP sink failed: {cause}"),
        "read the log for the cause",
    )
}

/// Raises the limit of open files, and lowers the connection limits of the settings and of the sink to it. Returns the
/// settings of the sink.
fn apply_file_limit(ui: &Ui, settings: &mut Settings, has_sink: bool) -> SinkSettings {
    let mut sink_settings = SinkSettings::default();
    let files = FileLimit::read();
    files.raise();
    let mut limits = vec![&mut settings.http.max_connections];
    if has_sink {
        limits.extend(sink::connection_limits(&mut sink_settings));
    }
    let other_files = settings.mail.connections + METRICS_CONNECTIONS;
    if let Some(limit) = files.fit(&mut limits, other_files) {
        file_limit::warn(ui, limit);
    }
    sink_settings
}

/// Resolves once the flag is raised.
async fn wait_until_raised(mut flag: watch::Receiver<bool>) {
    let _ = flag.wait_for(|raised| *raised).await;
}

/// Binds the sink and directs all mail to it.
async fn bind_sink(
    addresses: SinkAddresses,
    mut sink_settings: SinkSettings,
    settings: &mut Settings,
) -> anyhow::Result<BoundSink> {
    sink_settings.listen = addresses.listen;
    sink_settings.web = Some(addresses.web);
    let sink = sink::bind(sink_settings).await?;
    let address = sink::connectable(sink.smtp_addr());
    settings.mail.server = address.ip().to_string();
    settings.mail.port = address.port();
    settings.mail.credentials = None;
    settings.mail.tls = MailTls::None;
    Ok(sink)
}

fn http_options(settings: &Settings) -> HttpOptions {
    HttpOptions {
        max_connections: settings.http.max_connections,
        request_timeout: settings.http.request_timeout,
        // A request in progress may take this long. A second Ctrl-C ends the process at once.
        grace: settings.http.request_timeout,
        trusted_proxies: settings.http.trusted_proxies.clone(),
        cors_origins: settings.http.cors_origins.clone(),
        ..HttpOptions::default()
    }
}

fn announce(ui: &Ui, address: SocketAddr, sink: Option<&BoundSink>) {
    if let Some(sink) = sink {
        sink::announce(ui, sink);
    }
    ui.say(&format!("movie-bag listens on http://{address}"));
    if sink.is_some() {
        ui.say(&first_requests(address));
    }
}

#[cfg(not(windows))]
fn first_requests(address: SocketAddr) -> String {
    format!(
        "
Try it:
  curl http://{address}/api/auth/signup \\
       -H 'Content-Type: application/json' \\
       -d '{{\"email\":\"ann@example.com\",\"password\":\"correct horse battery\"}}'
  curl http://{address}/api/auth/forgot \\
       -H 'Content-Type: application/json' -d '{{\"email\":\"ann@example.com\"}}'
"
    )
}

/// Returns the requests for PowerShell. In its older version, `curl` is an alias of another command.
#[cfg(windows)]
fn first_requests(address: SocketAddr) -> String {
    format!(
        "
Try it:
  irm http://{address}/api/auth/signup `
      -Method Post -ContentType application/json `
      -Body '{{\"email\":\"ann@example.com\",\"password\":\"correct horse battery\"}}'
  irm http://{address}/api/auth/forgot `
      -Method Post -ContentType application/json `
      -Body '{{\"email\":\"ann@example.com\"}}'
"
    )
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, Command, FromArgMatches as _};

    use super::*;

    #[test]
    fn the_sink_listens_on_the_ports_that_the_help_names() {
        let command = Args::augment_args(Command::new("serve"));
        let matches = command.clone().get_matches_from(["serve", "--smtp-debug"]);
        let addresses = Args::from_arg_matches(&matches).unwrap().sink_addresses();
        let [listen, web] = ["127.0.0.1:1025", "127.0.0.1:8025"];
        assert_eq!(
            addresses,
            Some(SinkAddresses {
                listen: listen.parse().unwrap(),
                web: web.parse().unwrap(),
            })
        );
        let help = command.clone().render_long_help().to_string();
        for address in [listen, web] {
            assert!(help.contains(&format!("[default: {address}]")), "{help}");
        }
    }
}
