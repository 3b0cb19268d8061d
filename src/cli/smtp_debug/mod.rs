//! `smtp-debug`: runs the debugging SMTP sink without the account service.

mod child_command;
mod client_settings;
mod exec;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use child_command::ChildCommand;
use client_settings::client_settings;
use exec::Executor;
use movie_bag_core::domain::byte_size::byte_size;
use movie_bag_core::domain::span::span;
use movie_bag_core::supervisor::{self, Supervisor, fault_points};
use movie_bag_smtp_sink::{FaultRule, OnMessage, ReceivedMessage, SinkSettings, Summary};

use super::file_limit::{self, FileLimit};
use super::runtime::{StopSignal, one_thread};
use super::sink::message_output;
use super::sink::message_printer::Format;
use super::sink::tasks::SinkTasks;
use super::sink::{self, connectable};
use super::startup;
use super::text_format::pluralize;
use super::ui::Ui;
use crate::config::{Flags, socket_address};
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Catch mails and show them in the terminal and a web inbox
///
/// A message that is acknowledged with 250 has been stored, byte for byte as received. Its links, tokens and one-time codes
/// are printed on separate lines, ready to copy.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  movie-bag smtp-debug
  movie-bag smtp-debug -- cargo test
  movie-bag smtp-debug --listen 127.0.0.1:0 --no-web --format json
  movie-bag smtp-debug --exit-after 1 --exec 'xdg-open \"$MOVIE_BAG_MAIL_LINK\"'
  movie-bag smtp-debug --fail rcpt:2:451 --fail data:1:drop
  movie-bag smtp-debug --starttls --tls-ca-out ca.pem",
    after_long_help = notes(),
    group = clap::ArgGroup::new("encryption").args(["starttls", "tls"]).multiple(true)
)]
pub(super) struct Args {
    /// Accept SMTP here [default: 127.0.0.1:1025]
    ///
    /// Port 0 chooses a free port; the start message shows it.
    #[arg(long, value_name = "ADDR:PORT", value_parser = socket_address)]
    listen: Option<SocketAddr>,
    /// Serve the inbox here [default: 127.0.0.1:8025]
    #[arg(long, value_name = "ADDR:PORT", value_parser = socket_address)]
    web: Option<SocketAddr>,
    /// Do not serve an inbox
    #[arg(long, conflicts_with_all = ["web", "web_host", "web_auth"])]
    no_web: bool,
    /// Allow this host name in URLs of the inbox
    ///
    /// IP addresses and localhost are always allowed. The option may be repeated.
    #[arg(long, value_name = "NAME")]
    web_host: Vec<String>,
    /// Require this login for the inbox
    #[arg(long, value_name = "USER:PASS", value_parser = user_and_password)]
    web_auth: Option<(String, String)>,
    /// Print messages in this format [default: text]
    ///
    /// The default is json with --json, and none with -- CMD.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Store messages in this Maildir too
    ///
    /// Messages that are in it at start are in the inbox again.
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    store: Option<PathBuf>,
    /// Keep at most N messages
    ///
    /// For each further message, the oldest is dropped.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    max_messages: usize,
    /// Keep at most this total size
    ///
    /// A size is a number of bytes, or written as 512K, 10M or 1G. The oldest messages are dropped first.
    #[arg(long, value_name = "BYTES", default_value = "512M", value_parser = byte_size, allow_hyphen_values = true)]
    max_memory: u64,
    /// Refuse larger messages
    #[arg(long, value_name = "BYTES", default_value = "50M", value_parser = byte_size, allow_hyphen_values = true)]
    max_size: u64,
    /// Allow N SMTP sessions at once
    ///
    /// When all are in use, an idle session is ended for a new one.
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    max_sessions: usize,
    /// Allow N recipients per message
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    max_recipients: usize,
    /// End sessions idle for this long
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = span)]
    idle_timeout: Duration,
    /// Offer STARTTLS
    ///
    /// The certificate is generated at start, unless --tls-cert names one.
    #[arg(long)]
    starttls: bool,
    /// Accept SMTP over TLS here too
    #[arg(long, value_name = "ADDR:PORT", value_parser = socket_address)]
    tls: Option<SocketAddr>,
    /// Offer STARTTLS with this certificate (PEM)
    ///
    /// --tls uses the same certificate.
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = clap::ValueHint::FilePath)]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = clap::ValueHint::FilePath)]
    tls_key: Option<PathBuf>,
    /// Write the CA of the generated certificate
    ///
    /// The file is PEM, for clients that verify the certificate.
    #[arg(long, value_name = "FILE", requires = "encryption", conflicts_with = "tls_cert", value_hint = clap::ValueHint::FilePath)]
    tls_ca_out: Option<PathBuf>,
    /// Fail on demand, such as rcpt:2:451
    ///
    /// A rule is STAGE:COUNT:ACTION, and the option may be repeated. Stages: connect, helo, auth, mail, rcpt, data, message.
    /// Counts, from the start of the sink: 2, 1-3, or * for all. Actions: a reply code from 400 to 599, drop, or a delay
    /// such as delay=500ms.
    #[arg(long, value_name = "RULE")]
    fail: Vec<FaultRule>,
    /// Exit after N messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    exit_after: Option<u64>,
    /// Run a shell command for each message
    ///
    /// It gets the source of the message on stdin, and MOVIE_BAG_MAIL_ID, _TO, _FROM, _SUBJECT, _LINK, _TOKEN and _CODE in the
    /// environment.
    #[arg(long, value_name = "CMD", value_hint = clap::ValueHint::CommandString)]
    exec: Option<String>,
    /// Run this command with the sink, and exit with its exit code
    ///
    /// The sink uses free ports. The command gets MAIL_SERVER, MAIL_PORT and MOVIE_BAG_INBOX_URL in the environment.
    #[arg(last = true, value_name = "CMD", value_hint = clap::ValueHint::CommandWithArguments)]
    command: Vec<OsString>,
}

fn user_and_password(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.is_empty() => {
            Ok((user.to_owned(), password.to_owned()))
        }
        _ => Err("write USER:PASSWORD".to_owned()),
    }
}

fn notes() -> String {
    format!(
        "Client settings for the default address:\n{}",
        client_settings(sink::DEFAULT_LISTEN)
    )
}

pub(super) fn run(args: &Args, ui: &Ui, flags: Flags) -> anyhow::Result<()> {
    let faults = startup::settings(ui, flags, "warn")?.faults;
    supervisor::log_panics();
    fault_points::arm(faults);
    let mut settings = settings(args);
    let files = FileLimit::read();
    let lowered = files.fit(&mut sink::connection_limits(&mut settings), 0);
    let format = match args.format {
        Some(format) => format,
        // Stdout belongs to the command.
        None if !args.command.is_empty() => Format::None,
        None => message_output::default_format(ui),
    };
    one_thread()?.block_on(async {
        let mut stop_signal = StopSignal::listen()?;
        let supervisor = Supervisor::default();
        let sink = sink::bind(settings).await?;
        let sink = sink.supervised_by(SinkTasks::new(&supervisor));
        sink::announce(ui, &sink);
        if sink.left_on_disk() > 0 {
            ui.warn(&format!(
                "{}: raise --max-messages or --max-memory",
                pluralize(
                    sink.left_on_disk() as u64,
                    "older message in the store is not shown",
                    "older messages in the store are not shown",
                )
            ));
        }
        let mut child = ChildCommand::start(&args.command, &sink, args.web_auth.as_ref())?;
        // Raised after the start of the command, which inherits the original limit.
        files.raise();
        if let Some(limit) = lowered {
            file_limit::warn(ui, limit);
        }
        if args.command.is_empty() && args.exit_after.is_none() {
            let smtp = connectable(sink.smtp_addr());
            ui.say(&format!(
                "\nPoint your program at it:\n{}\n",
                client_settings(smtp)
            ));
        }
        let exec = args.exec.as_deref().map(|command| files.in_shell(command));
        let mut executor = exec.map(|command| Executor::start(&command, sink.inbox(), ui));
        let queue_sender = executor.as_ref().map(Executor::handle);
        let (count_reached, mut all_received) = watch::channel(false);
        let mut left = args.exit_after;
        let mut print = message_output::printer(format, ui);
        let is_called = format != Format::None || executor.is_some() || left.is_some();
        let on_message = move |message: Option<&Arc<ReceivedMessage>>| {
            print(message);
            if let Some(queue) = &queue_sender {
                // Blocks while the command is slower than the arriving messages.
                let _ = queue.send(message.map(|message| message.id.clone()));
            }
            if let Some(left) = &mut left {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    let _ = count_reached.send(true);
                }
            }
        };
        let mut code = None;
        let summary = sink
            .run(is_called.then(|| Box::new(on_message) as OnMessage), async {
                let all_received = async {
                    if all_received.wait_for(|all| *all).await.is_err() {
                        std::future::pending::<()>().await;
                    }
                };
                tokio::select! {
                    () = all_received => {}
                    () = stop_signal.next() => code = child.stop().await,
                    ended = child.wait_if_running() => code = ended,
                    _ = supervisor.gave_up() => {}
                }
            })
            .await?;
        if let Some(executor) = executor.take() {
            tokio::select! {
                () = executor.finish() => {}
                () = stop_signal.next() => {}
            }
        }
        child.request_stop();
        print_summary(ui, &summary);
        if code.is_some_and(|code| code != 0) && summary.received == 0 {
            ui.say(
                "hint: let the command read MAIL_SERVER and MAIL_PORT, and send by SMTP: many frameworks send no mail in tests",
            );
        }
        if let Some(failed) = supervisor.given_up() {
            return Err(Failure::from_task(&failed).into());
        }
        match code {
            None | Some(0) => Ok(()),
            Some(code) => Err(Failure::silent(ExitCode::Child(code)).into()),
        }
    })
}

fn settings(args: &Args) -> SinkSettings {
    // With a command, the ports are passed in its environment, and several sinks may run at once.
    let address = |given: Option<SocketAddr>, default: SocketAddr| match given {
        Some(address) => address,
        None if args.command.is_empty() => default,
        None => SocketAddr::new(default.ip(), 0),
    };
    let mut settings = SinkSettings::default();
    settings.listen = address(args.listen, sink::DEFAULT_LISTEN);
    settings.web = (!args.no_web).then(|| address(args.web, sink::DEFAULT_WEB));
    settings.web_hosts = args.web_host.clone();
    settings.web_auth = args.web_auth.clone();
    settings.store = args.store.clone();
    settings.max_messages = args.max_messages;
    settings.max_memory = args.max_memory;
    settings.max_size = args.max_size;
    settings.max_sessions = args.max_sessions;
    settings.max_recipients = args.max_recipients;
    settings.idle_timeout = args.idle_timeout;
    settings.starttls = args.starttls;
    settings.tls = args.tls;
    settings.certificate = args.tls_cert.clone().zip(args.tls_key.clone());
    settings.ca_out = args.tls_ca_out.clone();
    settings.fail = args.fail.clone();
    settings
}

fn print_summary(ui: &Ui, summary: &Summary) {
    let received = pluralize(summary.received, "message", "messages");
    let mut text = format!("Stopped. Received {received}");
    if summary.received > 0 {
        text.push_str(&format!(" ({} bytes)", summary.received_bytes));
    }
    if summary.rejected > 0 {
        text.push_str(&format!(", refused {}", summary.rejected));
    }
    ui.say(&format!("{text}."));
    if summary.dropped > 0 {
        ui.say(&format!(
            "Dropped the oldest {} to stay within --max-messages and --max-memory.",
            pluralize(summary.dropped, "message", "messages")
        ));
    }
}
