//! `user import`: takes accounts in from a file.
//!
//! A thread reads (`input.rs`, `csv.rs`, `json_lines.rs`) and never gets far ahead; here many records are under way at
//! once, and what becomes of each is told and counted. Nothing is kept of what is done, so the file may be of any length.

mod csv;
mod input;
mod json_lines;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::PathBuf;
use std::pin::pin;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use tokio::sync::mpsc;

use self::csv::Csv;
use self::input::{Line, Records};
use self::json_lines::JsonLines;
use super::format::{Format, is_dash};
use super::{Ui, wiring};
use crate::app::{App, AppError, Import, ImportOptions, ImportOutcome};
use crate::cli::report::Failure;
use crate::cli::ui::{FileProgress, counted};

/// How many records the reading thread may be ahead.
const AHEAD: usize = 64;

/// What whoever is interrupted is told.
const GO_ON: &str = "run the same import again: it skips the accounts that are imported";

/// Import accounts from a CSV or JSON Lines file
///
/// FILE has the extension .csv, or .jsonl or .ndjson for one JSON object per line; - reads CSV from stdin. The first line of
/// CSV names the columns: email, and password_hash or password. A password_hash is a bcrypt hash ($2a$, $2b$ or $2y$, cost 4
/// to 16) and is imported unchanged. A password is in plaintext and is hashed during the import; the rules for new passwords
/// apply. Hashing takes about a quarter of a second of one core each.
///
/// Existing accounts are not changed, so an interrupted import can be run again. --update replaces their credentials and
/// ends their sessions and reset links. Lines that cannot be imported are reported on stderr and skipped. No mails are
/// sent. The history of each account records the import.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  movie-bag user import accounts.csv --dry-run
  movie-bag user import accounts.jsonl
  movie-bag user import accounts.csv --json | jq 'select(.error)'
  pg_dump_accounts | movie-bag user import -",
    after_long_help = "A file with one account:
  email,password_hash
  ann@example.com,$2y$10$vI8aWBnW3fID.ZQ4/zo1G.q1lRps.9cGLcZEiGDMVr5yUP1KUOYTa"
)]
pub(in crate::cli) struct Args {
    /// Read this file; - is stdin
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    /// Show what would be imported, without changes
    ///
    /// Plaintext passwords are not hashed, so those of existing accounts count as updated even if they are the same.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Replace the credentials of existing accounts
    #[arg(long)]
    update: bool,
}

impl Args {
    /// Whether there is such a file.
    pub(super) fn check(&self) -> Result<(), Failure> {
        Format::of(&self.file)?;
        if is_dash(&self.file) {
            return Ok(());
        }
        // A pipe can be opened once.
        match std::fs::metadata(&self.file) {
            Ok(file) if !file.is_file() && !file.is_dir() => Ok(()),
            _ => self.open().map(|_| ()),
        }
    }

    fn open(&self) -> Result<File, Failure> {
        let failed = |error: io::Error| {
            Failure::new(
                1,
                "unreadable",
                format!("cannot read {}: {error}", self.file.display()),
                "name a readable file, or - for stdin",
            )
        };
        let file = File::open(&self.file).map_err(failed)?;
        if file.metadata().map_err(failed)?.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        Ok(file)
    }
}

pub(super) async fn run(args: &Args, ui: &Ui, app: &App) -> anyhow::Result<()> {
    let (size, mut lines) = read(args)?;
    let import = app.import(ImportOptions {
        update: args.update,
        dry_run: args.dry_run,
        origin: wiring::origin(),
    });
    let mut state = State {
        ui,
        bar: ui.file_progress(size),
        counts: Counts::default(),
        under_way: BTreeSet::new(),
        read_up_to: 0,
        position: 0,
        is_dry_run: args.dry_run,
    };
    let mut under_way = FuturesUnordered::new();
    let mut is_read = false;
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    while !is_read || !under_way.is_empty() {
        tokio::select! {
            _ = &mut interrupted => return Err(state.interrupted().into()),
            line = lines.recv(), if !is_read && under_way.len() < Import::AT_ONCE => match line {
                None => is_read = true,
                Some(line) => {
                    let line = line.map_err(|failure| state.broken_off(failure))?;
                    let Line { number, position, record } = line;
                    state.read_up_to = number;
                    match record {
                        Ok(record) => {
                            state.under_way.insert(number);
                            let taken = import.take(record);
                            under_way.push(async move { (number, position, taken.await) });
                        }
                        Err(refused) => state.refuse(number, position, &refused)?,
                    }
                }
            },
            Some((number, position, taken)) = under_way.next() => {
                match taken {
                    Ok(imported) => state.count(imported, position),
                    Err(error) if is_of_the_line(&error) => {
                        state.refuse(number, position, &failure_of_line(error))?;
                    }
                    Err(error) => {
                        return Err(state.broken_off(Failure::from_error(&error.into())).into());
                    }
                }
                state.under_way.remove(&number);
            }
        }
    }
    state.end()
}

/// What is read, or what ends it.
type Lines = mpsc::Receiver<Result<Line, Failure>>;

/// Reads the file on a thread of its own; how many bytes it has, and what comes of it.
fn read(args: &Args) -> Result<(Option<u64>, Lines), Failure> {
    let format = Format::of(&args.file)?;
    let (size, bytes): (_, Box<dyn Read + Send>) = if is_dash(&args.file) {
        (None, Box::new(io::stdin()))
    } else {
        let file = args.open()?;
        let size = file.metadata().ok().filter(std::fs::Metadata::is_file);
        (size.map(|size| size.len()), Box::new(file))
    };
    let (sender, lines) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let bytes = BufReader::with_capacity(64 * 1024, bytes);
        let mut records: Box<dyn Records> = match format {
            Format::Csv => Box::new(Csv::new(bytes)),
            Format::JsonLines => Box::new(JsonLines::new(bytes)),
        };
        while let Some(line) = records.next().transpose() {
            let is_last = line.is_err();
            // Nobody listens any more where the import was broken off.
            if sender.blocking_send(line).is_err() || is_last {
                break;
            }
        }
    });
    Ok((size, lines))
}

/// Whether a refusal is about the record. Exhaustive: whether an import goes on behind a new one must be decided here.
fn is_of_the_line(error: &AppError) -> bool {
    match error {
        AppError::InvalidEmail { .. } | AppError::WeakPassword(_) | AppError::AddressTaken(_) => {
            true
        }
        AppError::SignupClosed
        | AppError::WrongPassword
        | AppError::NoSuchAccount(_)
        | AppError::BadToken
        | AppError::ExpiredToken
        | AppError::NoSuchMail(_)
        | AppError::MailHeld(_)
        | AppError::NoSuchMovie
        | AppError::MovieNameTaken
        | AppError::NotYourMovie(_)
        | AppError::RateLimited { .. }
        | AppError::Busy { .. }
        | AppError::Unavailable(_)
        | AppError::DatabaseBusy(_)
        | AppError::Internal(_) => false,
    }
}

/// Returns the failure without the value of an invalid address: where columns are swapped, that is a password.
fn failure_of_line(error: AppError) -> Failure {
    let reason = match &error {
        AppError::InvalidEmail { reason, .. } => Some(*reason),
        _ => None,
    };
    let mut failure = Failure::from_error(&error.into());
    if let Some(reason) = reason {
        failure.message = format!("the email address is not valid: {reason}");
    }
    failure
}

/// What became of the lines so far.
#[derive(Debug, Default)]
struct Counts {
    created: u64,
    updated: u64,
    unchanged: u64,
    refused: u64,
}

impl Counts {
    fn all(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.refused
    }

    fn in_words(&self, is_dry_run: bool) -> String {
        let Self {
            created,
            updated,
            unchanged,
            refused,
        } = self;
        if is_dry_run {
            format!(
                "Dry run: would create {created}, update {updated}, leave {unchanged} unchanged and refuse {refused}."
            )
        } else {
            format!(
                "Created: {created}, updated: {updated}, unchanged: {unchanged}, refused: {refused}."
            )
        }
    }
}

/// An import under way, as it is told.
struct State<'a> {
    ui: &'a Ui,
    bar: FileProgress,
    counts: Counts,
    /// The lines that were read and are not done.
    under_way: BTreeSet<u64>,
    read_up_to: u64,
    position: u64,
    is_dry_run: bool,
}

impl State<'_> {
    fn count(&mut self, imported: ImportOutcome, position: u64) {
        match imported {
            ImportOutcome::Created => self.counts.created += 1,
            ImportOutcome::Updated => self.counts.updated += 1,
            ImportOutcome::Unchanged => self.counts.unchanged += 1,
        }
        self.advance(position);
    }

    fn refuse(&mut self, line: u64, position: u64, why: &Failure) -> Result<(), Failure> {
        self.counts.refused += 1;
        self.advance(position);
        let Failure {
            code,
            message,
            hint,
            ..
        } = why;
        if self.ui.is_json() {
            return self.ui.answer_json(
                &json!({"line": line, "error": {"code": code, "message": message, "hint": hint}}),
            );
        }
        let hint = hint
            .as_ref()
            .map(|hint| format!(" ({hint})"))
            .unwrap_or_default();
        self.bar
            .aside(|| self.ui.complain(&format!("line {line}: {message}{hint}")));
        Ok(())
    }

    fn advance(&mut self, position: u64) {
        self.position = self.position.max(position);
        self.bar.show(self.position, self.counts.all());
    }

    /// Up to which line all is done.
    fn done_up_to(&self) -> u64 {
        let first_under_way = self.under_way.first();
        first_under_way.map_or(self.read_up_to, |line| line.saturating_sub(1))
    }

    fn interrupted(&self) -> Failure {
        self.broken_off(Failure::interrupted())
    }

    /// What ends it before its end, with how far it has come.
    fn broken_off(&self, why: Failure) -> Failure {
        // A file that is not one of accounts has no line that could be done.
        if why.exit == 2 {
            return why;
        }
        if self.is_dry_run {
            return Failure {
                hint: Some("run the command again: nothing was changed".to_owned()),
                ..why
            };
        }
        let hint = match why.hint.filter(|_| why.exit != 1) {
            Some(hint) => format!("{hint}; then {GO_ON}"),
            None => GO_ON.to_owned(),
        };
        Failure {
            message: format!(
                "{}; all lines up to {} are imported ({} created, {} updated)",
                why.message,
                self.done_up_to(),
                counted(self.counts.created, "account", "accounts"),
                self.counts.updated,
            ),
            hint: Some(hint),
            ..why
        }
    }

    fn end(self) -> anyhow::Result<()> {
        let Self {
            ui,
            bar,
            counts,
            is_dry_run,
            ..
        } = self;
        drop(bar);
        ui.answer_either(
            &counts.in_words(is_dry_run),
            &json!({
                "created": counts.created,
                "updated": counts.updated,
                "unchanged": counts.unchanged,
                "refused": counts.refused,
                "dry_run": is_dry_run,
            }),
        )?;
        if counts.refused == 0 {
            return Ok(());
        }
        if ui.is_json() {
            // The documents have said it already.
            return Err(Failure::silent(1).into());
        }
        Err(Failure::new(
            1,
            "lines_refused",
            "cannot import all lines",
            "fix the lines named above and run the same import again: it skips the accounts that are imported",
        )
        .into())
    }
}
