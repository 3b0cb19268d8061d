//! `serve`: the API, the pages and the mail delivery, and with `--smtp-debug` a sink that takes the mails.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::database;
use super::report::Failure;
use super::running_servers;
use super::runtime::{StopSignal, two_workers};
use super::smtp_debug::{self, Addresses};
use super::systemd::{self, News};
use super::ui::Ui;
use super::wiring;
use crate::config::{DatabaseSettings, Flags, MailTls, Settings, socket_address};
use crate::http::pages::Pages;
use crate::http::{self, HttpOptions};
use crate::net;
use crate::sink::{Sink, SinkSettings};

/// Serve the HTTP API and the pages, and deliver mails
///
/// With --smtp-debug the debugging SMTP sink runs in the same process and takes every mail: one command, everything
/// running.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  movie-bag serve --smtp-debug
  movie-bag serve --bind 0.0.0.0:3000 --public-url https://movies.example
  MOVIE_BAG_METRICS_BIND=127.0.0.1:9090 movie-bag serve

A socket that systemd hands over is served in place of --bind, and one named \"metrics\" in place \
of MOVIE_BAG_METRICS_BIND.

With --json: of --smtp-debug one document a mail, as smtp-debug prints it")]
pub(super) struct Args {
    /// Listen here
    #[arg(long, value_name = "ADDR:PORT")]
    bind: Option<String>,
    /// Begin every link with this
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Run the debugging SMTP sink too, and deliver to it
    #[arg(long)]
    smtp_debug: bool,
    /// Where the sink takes mail [default: 127.0.0.1:1025]
    #[arg(long, value_name = "ADDR:PORT", value_parser = socket_address, requires = "smtp_debug")]
    listen: Option<SocketAddr>,
    /// Where the sink serves its inbox [default: 127.0.0.1:8025]
    #[arg(long, value_name = "ADDR:PORT", value_parser = socket_address, requires = "smtp_debug")]
    web: Option<SocketAddr>,
}

pub(super) fn run(args: Args, ui: &Ui, mut flags: Flags) -> anyhow::Result<()> {
    flags.set("MOVIE_BAG_BIND", "--bind", args.bind);
    flags.set("MOVIE_BAG_PUBLIC_URL", "--public-url", args.public_url);
    let mut settings = wiring::settings(ui, flags, "info")?;
    if matches!(settings.database, DatabaseSettings::Mongodb(_)) && settings.tokens.secret.is_none()
    {
        return Err(Failure::usage(
            "JWT_SECRET_KEY is missing: servers that share a MongoDB must share what signs tokens",
            "set it to 32 random bytes or more, by openssl rand -base64 48, the same for all of them",
        )
        .into());
    }
    let templates = Arc::new(wiring::templates(ui, &settings)?);
    let defaults = SinkSettings::default();
    let addresses = args.smtp_debug.then(|| Addresses {
        listen: args.listen.unwrap_or(defaults.listen),
        web: args.web.or(defaults.web).unwrap_or(defaults.listen),
    });
    // Before there are other threads.
    let inherited = systemd::inherited()?;
    two_workers()?.block_on(async {
        let mut told = StopSignal::listen()?;
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
            Some(addresses) => Some(own_sink(addresses, &mut settings).await?),
            None => None,
        };
        let is_new = database::is_missing_file(&settings);
        let app = tokio::select! {
            app = wiring::app(&settings, Arc::clone(&templates), address.port()) => app?,
            () = told.next() => return Ok(()),
        };
        let _record = running_servers::record(&settings, address);
        announce(ui, address, sink.as_ref());
        if is_new {
            ui.say(&database::created(&settings));
        }
        if let Some(metrics) = &metrics {
            let address = metrics.local_addr()?;
            ui.say(&format!("metrics are on http://{address}/metrics"));
        }
        let inbox = sink.as_ref().and_then(Sink::web_addr);
        let shortest_password = settings.passwords.min_length;

        // The sink goes last: what is delivered while the rest stops still finds it.
        let (stop_sink, sink_stops) = watch::channel(false);
        let show = smtp_debug::show_with(smtp_debug::usual_format(ui), ui.stdout_style());
        let taking = tokio::spawn(async move {
            let Some(sink) = sink else { return };
            sink.run(Some(Box::new(show)), raised(sink_stops)).await;
        });
        let (stop, stops) = watch::channel(false);
        let delivering = {
            let (app, stops) = (app.clone(), stops.clone());
            tokio::spawn(async move { app.run_delivery(raised(stops)).await })
        };
        let forgetting = {
            let (app, stops) = (app.clone(), stops.clone());
            tokio::spawn(async move { app.run_forgetting(raised(stops)).await })
        };
        let showing = {
            let (app, stops) = (app.clone(), stops.clone());
            tokio::spawn(async move {
                let Some(listener) = metrics else { return };
                http::serve_metrics(listener, app, raised(stops)).await;
            })
        };
        let mut serving = tokio::spawn(http::serve(
            listener,
            app,
            Pages::new(templates, shortest_password, inbox),
            options(&settings),
            raised(stops),
        ));
        tokio::spawn(systemd::keep_alive());
        systemd::tell(ui, News::Ready);
        tokio::select! {
            () = told.next() => {}
            // It ends by itself only where it can't go on.
            ended = &mut serving => return Ok(ended?),
        }
        systemd::tell(ui, News::Stopping);
        ui.say("Stopping: requests in flight are finished first. Ctrl-C again ends at once.");
        let _ = stop.send(true);
        tokio::select! {
            served = async {
                let served = serving.await;
                delivering.await.ok();
                forgetting.await.ok();
                showing.await.ok();
                let _ = stop_sink.send(true);
                taking.await.ok();
                served
            } => Ok(served?),
            () = told.next() => Ok(()),
        }
    })
}

/// Resolves once the flag is raised.
async fn raised(mut flag: watch::Receiver<bool>) {
    let _ = flag.wait_for(|raised| *raised).await;
}

/// Listens where `setting` says.
fn listen(address: SocketAddr, setting: &str) -> Result<TcpListener, Failure> {
    net::listen(address).map_err(|error| {
        Failure::new(
            1,
            "address",
            format!("can't listen on {address}: {error}"),
            format!("stop what listens there, or give {setting} another port (0 takes a free one)"),
        )
    })
}

/// Binds the sink, and turns all mail to it.
async fn own_sink(addresses: Addresses, settings: &mut Settings) -> anyhow::Result<Sink> {
    let settings_of_sink = SinkSettings {
        listen: addresses.listen,
        web: Some(addresses.web),
        ..SinkSettings::default()
    };
    let sink = smtp_debug::bind(settings_of_sink).await?;
    let address = smtp_debug::reachable(sink.smtp_addr());
    settings.mail.server = address.ip().to_string();
    settings.mail.port = address.port();
    settings.mail.credentials = None;
    settings.mail.tls = MailTls::None;
    Ok(sink)
}

fn options(settings: &Settings) -> HttpOptions {
    HttpOptions {
        max_connections: settings.http.max_connections,
        request_timeout: settings.http.request_timeout,
        // A request in flight may take so long; whoever can't wait says so by a second Ctrl-C.
        grace: settings.http.request_timeout,
        trusted_proxies: settings.http.trusted_proxies.clone(),
        cors_origins: settings.http.cors_origins.clone(),
        ..HttpOptions::default()
    }
}

fn announce(ui: &Ui, address: SocketAddr, sink: Option<&Sink>) {
    if let Some(sink) = sink {
        smtp_debug::announce(ui, sink);
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
  curl -H 'Content-Type: application/json' http://{address}/api/auth/signup \\
       -d '{{\"email\":\"ann@example.com\",\"password\":\"correct horse battery\"}}'
  curl -H 'Content-Type: application/json' http://{address}/api/auth/forgot -d '{{\"email\":\"ann@example.com\"}}'
"
    )
}

/// For PowerShell, whose older version has another program by the name of curl.
#[cfg(windows)]
fn first_requests(address: SocketAddr) -> String {
    format!(
        "
Try it:
  irm http://{address}/api/auth/signup -Method Post -ContentType application/json `
      -Body '{{\"email\":\"ann@example.com\",\"password\":\"correct horse battery\"}}'
  irm http://{address}/api/auth/forgot -Method Post -ContentType application/json `
      -Body '{{\"email\":\"ann@example.com\"}}'
"
    )
}
