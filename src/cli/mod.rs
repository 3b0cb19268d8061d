//! The terminal: one file a command, each with its `Args` and a `run` that resolves settings, calls one use case and
//! prints. The only place that picks concrete parts (`wiring.rs`), prints (`ui.rs`) and decides exit codes
//! (`report.rs`).

pub mod built_in_templates;
mod check;
mod completions;
mod copy;
mod database;
mod delivery;
mod forgot;
mod help;
mod inbox;
mod manpages;
mod outbox;
pub mod report;
mod reset;
mod running_servers;
mod runtime;
mod serve;
mod shared_terminal;
mod smtp_debug;
mod stdin;
mod systemd;
mod table;
mod templates;
mod terminal;
mod ui;
mod user;
mod wiring;

use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{FromArgMatches as _, Parser, Subcommand, ValueEnum};

use crate::config::Flags;
use report::Failure;
use terminal::Terminal;
use ui::Ui;

/// How long an interrupted command takes to call off what it was doing.
const CALLING_OFF: Duration = Duration::from_millis(100);

/// Heading of the options that all commands accept.
const EVERYWHERE: &str = "Global options";

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
pub struct Cli {
    /// Read settings from this file instead of .env
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    env_file: Option<PathBuf>,
    /// Use this database: sqlite:PATH or mongodb://…
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DATABASE")]
    database: Option<String>,
    /// Print results and errors as JSON on stdout
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,
    /// Use colors
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "WHEN", default_value = "auto")]
    color: Color,
    /// Print only results, warnings and errors
    #[arg(long, short, global = true, help_heading = EVERYWHERE)]
    quiet: bool,
    /// Log to stderr; repeat for more detail
    #[arg(long, short, global = true, help_heading = EVERYWHERE, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    verbose: u8,
    /// Print help
    #[arg(long, short, global = true, action = clap::ArgAction::HelpShort, display_order = 999)]
    help: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

/// When to use colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    // Its options are many.
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
    help::completed(Cli::command())
}

/// Returns the pages of all commands, for the manual.
fn pages() -> Vec<help::Page> {
    use clap::CommandFactory as _;
    help::pages(Cli::command())
}

/// Parses the arguments and runs the command.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = definition()
        .try_get_matches_from(&arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            return report::usage(
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
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report::failure(&ui, &error),
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
            Self::Completions(args) => completions::run(args, ui),
            Self::Manpages(args) => manpages::run(&args, ui),
            Self::Help(args) => help::run(&args, ui, definition()),
        }
    }
}

/// Runs a command that ends by itself. Ctrl-C ends it between two steps of the database, which are whole or not at all.
fn interruptible(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let terminal = Terminal::remember();
    let outcome = runtime.block_on(async {
        let outcome = tokio::select! {
            // A command that hears Ctrl-C itself has more to say.
            biased;
            outcome = command => outcome,
            _ = tokio::signal::ctrl_c() => Err(Failure::interrupted().into()),
        };
        if is_interruption(&outcome) {
            terminal.restore();
            // A step that was dropped half way is called off by its database's driver, in a task of its own. Else it
            // would stand in the way of the next command until it is too old.
            tokio::time::sleep(CALLING_OFF).await;
        }
        outcome
    });
    // A prompt may still be reading from the terminal: it is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

fn is_interruption(outcome: &anyhow::Result<()>) -> bool {
    let failure = outcome.as_ref().err().and_then(anyhow::Error::downcast_ref);
    failure.is_some_and(|failure: &Failure| failure.exit == Failure::interrupted().exit)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound() {
        super::definition().debug_assert();
    }
}
