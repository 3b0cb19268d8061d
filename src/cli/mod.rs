//! Command line: one file for each command, with its `Args` and a `run` that resolves settings, calls one use case and prints.
//!
//! `startup.rs` begins a command. Only `wiring.rs` picks implementations, only `ui.rs` prints answers and messages, and only
//! `failure.rs` maps errors to exit codes.

mod check;
mod completions;
mod copy;
mod database;
mod delivery;
mod document;
mod file_limit;
mod forgot;
mod help;
mod http_server;
mod inbox;
mod logging;
mod manpages;
mod outbox;
mod progress;
mod report;
mod reset;
mod running_servers;
mod runtime;
mod serve;
mod shared_terminal;
mod sink;
mod smtp_debug;
mod startup;
mod stdin;
mod suggested_values;
mod systemd;
mod table;
mod templates;
mod terminal;
mod text_format;
mod ui;
mod user;

use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;
use std::process;
use std::time::Duration;

use clap::{FromArgMatches as _, Parser, Subcommand};

use crate::config::Flags;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use terminal::Terminal;
use ui::{Color, Ui};

/// Time that an interrupted command gives the database driver to cancel its last operation.
const CANCELLATION: Duration = Duration::from_millis(100);

/// Heading of the options that all commands accept.
const GLOBAL_OPTIONS: &str = "Global options";

/// Account service with password reset, and a debugging SMTP server
#[derive(Debug, Parser)]
#[command(
    name = "movie-bag",
    version,
    max_term_width = 80,
    arg_required_else_help = true,
    disable_help_flag = true,
    disable_help_subcommand = true,
    before_help = "First steps:
  movie-bag serve --smtp-debug                     # start the API and an inbox
  movie-bag user create --email ann@example.com    # create an account
  movie-bag forgot --email ann@example.com         # mail a reset link
  movie-bag reset --token LINK                     # choose a new password
  movie-bag check                                  # check the settings"
)]
struct Cli {
    /// Read settings from this file instead of .env
    #[arg(long, global = true, help_heading = GLOBAL_OPTIONS, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    env_file: Option<PathBuf>,
    /// Use this database: sqlite:PATH or mongodb://…
    #[arg(long, global = true, help_heading = GLOBAL_OPTIONS, value_name = "DATABASE")]
    database: Option<String>,
    /// Print results and errors as JSON on stdout
    #[arg(long, global = true, help_heading = GLOBAL_OPTIONS)]
    json: bool,
    /// Use colors
    #[arg(long, global = true, help_heading = GLOBAL_OPTIONS, value_name = "WHEN", default_value = "auto")]
    color: Color,
    /// Print only results, warnings and errors
    #[arg(long, short, global = true, help_heading = GLOBAL_OPTIONS)]
    quiet: bool,
    /// Log to stderr; repeat for more detail
    #[arg(long, short, global = true, help_heading = GLOBAL_OPTIONS, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Print help
    #[arg(long, short, global = true, action = clap::ArgAction::HelpShort, display_order = 999)]
    help: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    // Boxed because it has many options.
    SmtpDebug(Box<smtp_debug::Args>),
    #[command(subcommand)]
    Inbox(inbox::Command),
    Forgot(forgot::Args),
    Reset(reset::Args),
    #[command(subcommand)]
    User(user::Command),
    #[command(subcommand)]
    Outbox(outbox::Command),
    Copy(copy::Args),
    Check(check::Args),
    #[command(subcommand)]
    Templates(templates::Command),
    Completions(completions::Args),
    Manpages(manpages::Args),
    Help(help::Args),
}

/// Returns the definition of the command line, for completions and the detailed help.
pub fn definition() -> clap::Command {
    use clap::CommandFactory as _;
    help::add_common_parts(Cli::command())
}

/// Returns the pages of all commands, for the manual.
fn pages() -> Vec<help::Page> {
    use clap::CommandFactory as _;
    help::pages(Cli::command())
}

/// Parses the arguments and runs the command.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> process::ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = definition()
        .try_get_matches_from(&arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            return report::print_usage_error(
                &error,
                arguments.iter().any(|argument| argument == "--json"),
            );
        }
    };
    let ui = Ui::new(cli.json, cli.quiet, cli.color);
    let mut flags = Flags {
        env_file: cli.env_file,
        ..Flags::default()
    };
    flags.set("MOVIE_BAG_DATABASE", "--database", cli.database);
    let level = match cli.verbose {
        0 => None,
        1 => Some("info"),
        _ => Some("debug"),
    };
    flags.set("MOVIE_BAG_LOG", "--verbose", level.map(str::to_owned));
    match cli.command.run(&ui, flags) {
        Ok(()) => ExitCode::Done.into(),
        Err(error) => report::print_failure(&ui, &error),
    }
}

impl Command {
    fn run(self, ui: &Ui, flags: Flags) -> anyhow::Result<()> {
        match self {
            Self::Serve(args) => serve::run(args, ui, flags),
            Self::SmtpDebug(args) => smtp_debug::run(&args, ui, flags),
            Self::Inbox(command) => interruptible(command.run(ui, flags)),
            Self::Forgot(args) => interruptible(forgot::run(args, ui, flags)),
            Self::Reset(args) => interruptible(reset::run(args, ui, flags)),
            Self::User(command) => interruptible(command.run(ui, flags)),
            Self::Outbox(command) => interruptible(command.run(ui, flags)),
            Self::Copy(args) => interruptible(copy::run(args, ui, flags)),
            Self::Check(args) => interruptible(check::run(args, ui, flags)),
            Self::Templates(command) => command.run(ui, flags),
            Self::Completions(args) => completions::run(args, ui, definition()),
            Self::Manpages(args) => manpages::run(&args, ui, pages()),
            Self::Help(args) => help::run(&args, ui, definition()),
        }
    }
}

/// Runs a command that ends by itself. Ctrl-C ends it between two database operations, each of which is atomic.
fn interruptible(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let terminal = Terminal::save();
    let outcome = runtime.block_on(async {
        let outcome = tokio::select! {
            // A command that handles Ctrl-C itself reports more.
            biased;
            outcome = command => outcome,
            _ = tokio::signal::ctrl_c() => Err(Failure::interrupted().into()),
        };
        if is_interruption(&outcome) {
            terminal.restore();
            // The database driver cancels an unfinished operation in a task of its own. Without that, the operation would
            // block the next command until it expires.
            tokio::time::sleep(CANCELLATION).await;
        }
        outcome
    });
    // A prompt may still be reading from the terminal: the runtime does not wait for it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

fn is_interruption(outcome: &anyhow::Result<()>) -> bool {
    let failure = outcome.as_ref().err().and_then(anyhow::Error::downcast_ref);
    failure.is_some_and(|failure: &Failure| failure.exit == ExitCode::Interrupted)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_definition_is_consistent() {
        super::definition().debug_assert();
    }
}
