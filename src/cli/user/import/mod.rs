//! `user import`: imports accounts from a file.
//!
//! A thread parses the file (`input.rs`, `csv.rs`, `json_lines.rs`), at most [`READ_AHEAD`] records ahead. This module imports
//! many records at once, and reports and counts the results. Finished records are not stored, so the file may be of any size.

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
use movie_bag_core::app::{App, AppError, Import, ImportOptions, ImportOutcome};
use tokio::sync::mpsc;

use self::csv::Csv;
use self::input::{Line, Records};
use self::json_lines::JsonLines;
use super::Ui;
use super::format::{Format, is_dash};
use crate::cli::document::documents;
use crate::cli::progress::FileProgress;
use crate::cli::report::ErrorDetails;
use crate::cli::startup;
use crate::cli::text_format::pluralize;
use crate::error_code::ErrorCode;
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// Maximum number of records that are parsed and not yet imported.
const READ_AHEAD: usize = 64;

/// Hint after an interruption.
const CONTINUE_HINT: &str = "run the same import again: it skips the accounts that are imported";

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
    /// Checks the arguments without a database.
    ///
    /// # Errors
    /// The extension is unknown, or the file cannot be read.
    pub(super) fn check(&self) -> Result<(), Failure> {
        Format::from_extension(&self.file)?;
        if is_dash(&self.file) {
            return Ok(());
        }
        // A pipe can be opened only once.
        match std::fs::metadata(&self.file) {
            Ok(file) if !file.is_file() && !file.is_dir() => Ok(()),
            _ => self.open().map(|_| ()),
        }
    }

    fn open(&self) -> Result<File, Failure> {
        let failed = |error: io::Error| {
            Failure::new(
                ErrorCode::Unreadable,
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
    let (size, mut lines) = start_reading(args)?;
    let import = app.import(ImportOptions {
        update: args.update,
        dry_run: args.dry_run,
        origin: startup::origin(),
    });
    let mut state = State {
        ui,
        bar: ui.file_progress(size),
        counts: Counts::default(),
        in_progress: BTreeSet::new(),
        read_up_to: 0,
        position: 0,
        is_dry_run: args.dry_run,
    };
    let mut in_progress = FuturesUnordered::new();
    let mut is_read = false;
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    while !is_read || !in_progress.is_empty() {
        tokio::select! {
            _ = &mut interrupted => return Err(state.interrupted().into()),
            line = lines.recv(), if !is_read && in_progress.len() < Import::AT_ONCE => match line {
                None => is_read = true,
                Some(line) => {
                    let line = line.map_err(|failure| state.aborted(failure))?;
                    let Line { number, position, record } = line;
                    state.read_up_to = number;
                    match record {
                        Ok(record) => {
                            state.in_progress.insert(number);
                            let taken = import.take(record);
                            in_progress.push(async move { (number, position, taken.await) });
                        }
                        Err(refused) => state.report_refused(number, position, &refused)?,
                    }
                }
            },
            Some((number, position, taken)) = in_progress.next() => {
                match taken {
                    Ok(imported) => state.count(imported, position),
                    Err(error) if concerns_record(&error) => {
                        state.report_refused(number, position, &record_failure(error))?;
                    }
                    Err(error) => {
                        return Err(state.aborted(Failure::from_error(&error.into())).into());
                    }
                }
                state.in_progress.remove(&number);
            }
        }
    }
    state.finish()
}

/// Records of the file; an error is the last item.
type Lines = mpsc::Receiver<Result<Line, Failure>>;

/// Reads the file on a thread of its own. Returns its size, if it is known, and its records.
fn start_reading(args: &Args) -> Result<(Option<u64>, Lines), Failure> {
    let format = Format::from_extension(&args.file)?;
    let (size, bytes): (_, Box<dyn Read + Send>) = if is_dash(&args.file) {
        (None, Box::new(io::stdin()))
    } else {
        let file = args.open()?;
        let size = file.metadata().ok().filter(std::fs::Metadata::is_file);
        (size.map(|size| size.len()), Box::new(file))
    };
    let (sender, lines) = mpsc::channel(READ_AHEAD);
    tokio::task::spawn_blocking(move || {
        let bytes = BufReader::with_capacity(64 * 1024, bytes);
        let mut records: Box<dyn Records> = match format {
            Format::Csv => Box::new(Csv::new(bytes)),
            Format::JsonLines => Box::new(JsonLines::new(bytes)),
        };
        while let Some(line) = records.next().transpose() {
            let is_last = line.is_err();
            // The receiver is dropped when the import ends early.
            if sender.blocking_send(line).is_err() || is_last {
                break;
            }
        }
    });
    Ok((size, lines))
}

/// Returns whether an error concerns one record, so that the import continues. Exhaustive: a new error must be classified here.
fn concerns_record(error: &AppError) -> bool {
    match error {
        AppError::InvalidEmail { .. } | AppError::WeakPassword(_) | AppError::AddressTaken(_) => {
            true
        }
        AppError::SignupClosed
        | AppError::WrongPassword
        | AppError::NoSuchAccount(_)
        | AppError::AccountDisabled(_)
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

/// Returns the failure of a record, without the value of an invalid address: if columns are swapped, it is a password.
fn record_failure(error: AppError) -> Failure {
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

/// Numbers of records by result.
#[derive(Debug, Default)]
struct Counts {
    created: u64,
    updated: u64,
    unchanged: u64,
    refused: u64,
}

impl Counts {
    fn total(&self) -> u64 {
        self.created + self.updated + self.unchanged + self.refused
    }

    fn describe(&self, is_dry_run: bool) -> String {
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

/// Progress of an import.
struct State<'a> {
    ui: &'a Ui,
    bar: FileProgress,
    counts: Counts,
    /// Lines that were read and are not finished.
    in_progress: BTreeSet<u64>,
    read_up_to: u64,
    position: u64,
    is_dry_run: bool,
}

documents! {
    pub(in crate::cli) struct RefusedLine<'a> {
        /// Line number in the file, from 1.
        line: u64,
        /// Reason for the refusal.
        error: ErrorDetails<'a>,
    }

    pub(in crate::cli) struct ImportSummary {
        /// Accounts created.
        created: u64,
        /// Accounts whose credential was replaced, with `--update`.
        updated: u64,
        /// Accounts left as they were.
        unchanged: u64,
        /// Lines refused.
        refused: u64,
        /// Whether `--dry-run` was given.
        dry_run: bool,
    }
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

    fn report_refused(&mut self, line: u64, position: u64, why: &Failure) -> Result<(), Failure> {
        self.counts.refused += 1;
        self.advance(position);
        if self.ui.is_json() {
            return self.ui.answer_json(&RefusedLine {
                line,
                error: ErrorDetails::of(why),
            });
        }
        let Failure { message, hint, .. } = why;
        let hint = hint
            .as_ref()
            .map(|hint| format!(" ({hint})"))
            .unwrap_or_default();
        self.bar
            .suspend(|| self.ui.item_error(&format!("line {line}: {message}{hint}")));
        Ok(())
    }

    fn advance(&mut self, position: u64) {
        self.position = self.position.max(position);
        self.bar.show(self.position, self.counts.total());
    }

    /// Returns the number of the line up to which all lines are finished.
    fn finished_up_to(&self) -> u64 {
        let first_in_progress = self.in_progress.first();
        first_in_progress.map_or(self.read_up_to, |line| line.saturating_sub(1))
    }

    fn interrupted(&self) -> Failure {
        self.aborted(Failure::interrupted())
    }

    /// Returns the failure of an import that ends early, with its progress.
    fn aborted(&self, why: Failure) -> Failure {
        // A file in a wrong format has no lines that could be imported.
        if why.exit == ExitCode::Usage {
            return why;
        }
        if self.is_dry_run {
            return Failure {
                hint: Some("run the command again: nothing was changed".to_owned()),
                ..why
            };
        }
        let hint = match why.hint.filter(|_| why.exit != ExitCode::Failed) {
            Some(hint) => format!("{hint}; then {CONTINUE_HINT}"),
            None => CONTINUE_HINT.to_owned(),
        };
        Failure {
            message: format!(
                "{}; all lines up to {} are imported ({} created, {} updated)",
                why.message,
                self.finished_up_to(),
                pluralize(self.counts.created, "account", "accounts"),
                self.counts.updated,
            ),
            hint: Some(hint),
            ..why
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        let Self {
            ui,
            bar,
            counts,
            is_dry_run,
            ..
        } = self;
        drop(bar);
        ui.answer_either(
            &counts.describe(is_dry_run),
            &ImportSummary {
                created: counts.created,
                updated: counts.updated,
                unchanged: counts.unchanged,
                refused: counts.refused,
                dry_run: is_dry_run,
            },
        )?;
        if counts.refused == 0 {
            return Ok(());
        }
        if ui.is_json() {
            // The JSON documents contain the refused lines already.
            return Err(Failure::silent(ExitCode::Failed).into());
        }
        Err(Failure::new(ErrorCode::LinesRefused,
            "cannot import all lines",
            "fix the lines named above and run the same import again: it skips the accounts that are imported",
        )
        .into())
    }
}
