//! `smtp-debug`: the debugging SMTP sink as a program of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;

use super::report::Failure;
use super::runtime::{StopSignal, two_workers};
use super::ui::Ui;
use super::wiring;
use crate::app::system::{SystemClock, SystemRng};
use crate::config::{Flags, socket_address};
use crate::sink::print::{self, Format, Style};
use crate::sink::{FaultRule, ReceivedMessage, Sink, SinkSettings};

/// Take every mail, deliver none, and show them here and in a web inbox
///
/// A mail that was answered with 250 is kept, byte for byte, and shown with the links, tokens and codes in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  movie-bag smtp-debug
  movie-bag smtp-debug --listen 127.0.0.1:0 --no-web --format json")]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) addresses: Addresses,
    /// Serve no inbox
    #[arg(long, conflicts_with_all = ["web", "web_host"])]
    no_web: bool,
    /// Let the inbox be reached by this host name too
    #[arg(long, value_name = "NAME")]
    web_host: Vec<String>,
    /// How mails are shown on stdout [default: text, with --json: json]
    #[arg(long, value_enum)]
    format: Option<FormatName>,
    /// Keep the newest so many messages
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    max_messages: usize,
    /// Keep the newest messages up to so many bytes
    #[arg(long, value_name = "BYTES", default_value_t = 512 * 1024 * 1024)]
    max_memory: u64,
    /// Refuse a message that is larger than so many bytes
    #[arg(long, value_name = "BYTES", default_value_t = 50 * 1024 * 1024)]
    max_size: u64,
    /// Take mail here too, encrypted from the first byte
    #[arg(long, value_name = "ADDR:PORT", value_parser = socket_address)]
    tls: Option<SocketAddr>,
    /// Encrypt with this certificate, in a PEM file, in place of one made at the start
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of the certificate, in a PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Fail on demand: STAGE:COUNT:ACTION, such as rcpt:2:451, data:*:552, connect:1-3:421, data:1:drop, mail:*:delay=2s
    #[arg(long, value_name = "RULE")]
    fail: Vec<FaultRule>,
}

/// Where a sink listens.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Addresses {
    /// Take mail here; port 0 takes a free one and says which
    #[arg(long, value_name = "ADDR:PORT", value_parser = socket_address, default_value = "127.0.0.1:1025")]
    pub(super) listen: SocketAddr,
    /// Serve the inbox here
    #[arg(long, value_name = "ADDR:PORT", value_parser = socket_address, default_value = "127.0.0.1:8025")]
    pub(super) web: SocketAddr,
}

/// How mails are shown.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatName {
    /// Sender, recipients, subject, text, and what was found in it
    Text,
    /// One JSON document a mail
    Json,
    /// The source
    Raw,
    /// As Python's DebuggingServer printed it
    Classic,
    /// Not at all
    None,
}

impl From<FormatName> for Format {
    fn from(name: FormatName) -> Self {
        match name {
            FormatName::Text => Self::Text,
            FormatName::Json => Self::Json,
            FormatName::Raw => Self::Raw,
            FormatName::Classic => Self::Classic,
            FormatName::None => Self::None,
        }
    }
}

pub(super) fn run(args: &Args, ui: &Ui, flags: Flags) -> anyhow::Result<()> {
    wiring::settings(ui, flags, "warn")?;
    let settings = SinkSettings {
        listen: args.addresses.listen,
        web: (!args.no_web).then_some(args.addresses.web),
        web_hosts: args.web_host.clone(),
        max_messages: args.max_messages,
        max_memory: args.max_memory,
        max_size: args.max_size,
        tls: args.tls,
        certificate: args.tls_cert.clone().zip(args.tls_key.clone()),
        fail: args.fail.clone(),
        ..SinkSettings::default()
    };
    let format = args.format.map_or_else(|| usual_format(ui), Format::from);
    let show = show_with(format, ui.stdout_style());
    two_workers()?.block_on(async {
        let mut told = StopSignal::listen()?;
        let sink = bind(settings).await?;
        announce(ui, &sink);
        let summary = sink
            .run(show, told.next())
            .await;
        let mails = if summary.received == 1 { "mail" } else { "mails" };
        ui.say(&format!("Stopped. Received {} {mails}.", summary.received));
        if summary.dropped > 0 {
            ui.say(&format!(
                "{} of them were dropped, oldest first, to make room: see --max-messages and --max-memory.",
                summary.dropped
            ));
        }
        Ok(())
    })
}

/// How mails are shown where nobody chose.
pub(super) fn usual_format(ui: &Ui) -> Format {
    if ui.is_json() {
        Format::Json
    } else {
        Format::Text
    }
}

/// How each mail is shown. Whoever closed stdout wants to see no more; the mails are kept all the same.
pub(super) fn show_with(
    format: Format,
    style: Style,
) -> impl FnMut(&ReceivedMessage) + Send + 'static {
    move |message| {
        let _ = print::print(&mut std::io::stdout().lock(), message, format, style);
    }
}

/// Binds a sink, or says who is there already.
pub(super) async fn bind(settings: SinkSettings) -> anyhow::Result<Sink> {
    let bound = Sink::bind(settings, Arc::new(SystemClock), Arc::new(SystemRng)).await;
    Ok(bound.map_err(|error| Failure::new(1, "address", error.to_string(), error.advice()))?)
}

/// Says where a sink listens.
pub(super) fn announce(ui: &Ui, sink: &Sink) {
    ui.say(&format!("SMTP on {}", sink.smtp_addr()));
    if let Some(smtps) = sink.smtps_addr() {
        ui.say(&format!("SMTP over TLS on {smtps}"));
    }
    if let Some(web) = sink.web_addr() {
        ui.say(&format!("inbox on http://{web}"));
    }
}
