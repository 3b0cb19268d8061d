//! What people see: answers on stdout, everything else on stderr. The only place here that prints.

use std::cell::Cell;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use clap::builder::StyledStr;
use comfy_table::Table;
use dialoguer::console::{Style, Term};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Color;
use super::report::{Failure, without_error_numbers};
use super::shared_terminal::Stderr;
use super::{table, terminal};
use crate::app::AppError;
use crate::domain::password::{self, PasswordInput};
use crate::domain::terminal_text::{escape_json, escape_lines, escape_output};
use crate::sink::print::Style as StdoutStyle;

/// How to speak to whoever called.
#[derive(Debug, Clone)]
pub(super) struct Ui {
    json: bool,
    quiet: bool,
    color: bool,
    color_stdout: bool,
    stderr: Stderr,
}

impl Ui {
    pub(super) fn new(json: bool, quiet: bool, color: Color) -> Self {
        let wanted = |shows_colors: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => shows_colors && !crate::config::no_color(),
        };
        let (color, color_stdout) = (
            wanted(terminal::shows_colors(&Term::stderr())),
            wanted(terminal::shows_colors(&Term::stdout())),
        );
        dialoguer::console::set_colors_enabled_stderr(color);
        Self {
            json,
            quiet,
            color,
            color_stdout,
            stderr: Stderr::new(),
        }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// What stdout can take, for what the sink writes there.
    pub(super) fn stdout_style(&self) -> StdoutStyle {
        StdoutStyle {
            color: self.color_stdout,
            terminal: io::stdout().is_terminal(),
        }
    }

    /// A word of an answer, in this style where stdout has colours.
    pub(super) fn painted(&self, text: &str, style: &Style) -> String {
        paint(text, style, self.color_stdout)
    }

    /// The answer, on stdout. Whoever closed it wants no more: that is no failure.
    ///
    /// # Errors
    /// Where stdout takes nothing for another reason, such as a full disk: what was done is done, but not told.
    pub(super) fn answer(&self, text: &str) -> Result<(), Failure> {
        told(write_out(&escape_output(text, self.color_stdout), "\n"))
    }

    /// An answer whose words are somebody else's, as a document that no terminal obeys.
    ///
    /// # Errors
    /// Those of [`Ui::answer`].
    pub(super) fn answer_json(&self, json: &serde_json::Value) -> Result<(), Failure> {
        told(write_out(&escape_json(&json.to_string()), "\n"))
    }

    /// A text of somebody else's: byte for byte in a pipe or a file, harmless on a terminal.
    ///
    /// # Errors
    /// Those of [`Ui::answer`].
    pub(super) fn answer_as_it_is(&self, text: &str) -> Result<(), Failure> {
        if io::stdout().is_terminal() {
            return self.answer(&escape_lines(text.trim_end_matches('\n')));
        }
        told(write_out(text, ""))
    }

    /// A generated password, on stdout, for people with what stands `before` it on stderr. Nobody can ask for it again:
    /// here a closed stdout is a failure.
    ///
    /// # Errors
    /// Where it could not be written.
    pub(super) fn tell_password(
        &self,
        before: &str,
        password: &str,
        json: &serde_json::Value,
    ) -> Result<(), Failure> {
        let written = if self.json {
            write_out(&escape_json(&json.to_string()), "\n")
        } else {
            self.say(before);
            write_out(password, "\n")
        };
        written.map_err(|error| untold(&error))
    }

    /// An answer for people or for programs, whichever was asked for.
    ///
    /// # Errors
    /// Those of [`Ui::answer`].
    pub(super) fn answer_either(
        &self,
        text: &str,
        json: &serde_json::Value,
    ) -> Result<(), Failure> {
        if self.json {
            self.answer_json(json)
        } else {
            self.answer(text)
        }
    }

    /// Returns an empty table; see [`table::table`].
    pub(super) fn table<const N: usize>(header: [&str; N], broken: &[usize]) -> Table {
        table::table(header, broken)
    }

    /// Prints a table as an answer for people.
    ///
    /// # Errors
    /// Those of [`Ui::answer`].
    pub(super) fn answer_table(&self, table: Table) -> Result<(), Failure> {
        self.answer(&table::fitted(table))
    }

    /// Returns the lines of a table.
    pub(super) fn fitted(table: Table) -> String {
        table::fitted(table)
    }

    /// What is going on, on stderr.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            self.write(&escape_output(text, false));
        }
    }

    /// What is probably not meant so, on stderr.
    pub(super) fn warn(&self, text: &str) {
        self.write(&format!(
            "{} {}",
            self.styled("warning:", &Style::new().yellow().bold()),
            escape_lines(&without_error_numbers(text))
        ));
    }

    /// One of many things that could not be done while the others are, on stderr.
    pub(super) fn complain(&self, text: &str) {
        self.write(&escape_lines(text));
    }

    /// A failure, on stderr.
    pub(super) fn error(&self, message: &str, hint: Option<&str>) {
        let head = self.styled("error:", &Style::new().red().bold());
        let message = escape_lines(message);
        let mut lines = message.lines();
        self.write(&format!("{head} {}", lines.next().unwrap_or_default()));
        lines.for_each(|line| self.write(&format!("       {line}")));
        if let Some(hint) = hint {
            self.write(&format!(
                "{} {}",
                self.styled("hint:", &Style::new().cyan().bold()),
                escape_lines(hint)
            ));
        }
    }

    /// Usage error of the argument parser, on stderr.
    pub(super) fn usage(&self, text: &StyledStr) {
        let text = match self.color {
            true => text.ansi().to_string(),
            false => text.to_string(),
        };
        self.write(escape_output(&text, self.color).trim_end_matches('\n'));
    }

    fn write(&self, text: &str) {
        let _ = { self.stderr }.write_all(format!("{text}\n").as_bytes());
    }

    fn styled(&self, text: &str, style: &Style) -> String {
        paint(text, style, self.color)
    }

    /// Shows on a terminal that something is being waited for, until the answer is dropped.
    pub(super) fn spinner(&self, text: &str) -> Spinner {
        if self.quiet || self.json || !io::stderr().is_terminal() {
            return Spinner(None);
        }
        let bar = ProgressBar::new_spinner().with_message(text.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Spinner(Some(bar))
    }

    /// A bar on the terminal that fills; nothing elsewhere. It goes when it is dropped.
    pub(super) fn progress(&self, unit: &str) -> Progress {
        if self.quiet || self.json || !io::stderr().is_terminal() {
            return Progress(None);
        }
        let bar = ProgressBar::new(0);
        let template = format!("{{bar:30}} {{pos}} of {{len}} {unit}, {{eta}} left");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        Progress(Some(bar))
    }

    /// How far a file is read that has this many bytes, if that is known, and how fast; nothing elsewhere than on a
    /// terminal. It goes when it is dropped.
    pub(super) fn file_progress(&self, bytes: Option<u64>) -> FileProgress {
        if self.quiet || self.json || !io::stderr().is_terminal() {
            return FileProgress::default();
        }
        let (bar, template) = match bytes {
            Some(bytes) => (
                ProgressBar::new(bytes),
                "{bar:30} {percent:>3}%, {msg}, {eta} left",
            ),
            None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message("0 accounts");
        bar.enable_steady_tick(Duration::from_millis(100));
        FileProgress {
            bar: Some(bar),
            shown_at: Cell::default(),
        }
    }

    /// Whether a question can be shown and answered.
    pub(super) fn can_ask() -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Checks that a password can be asked for.
    ///
    /// # Errors
    /// There is no terminal.
    pub(super) fn must_be_able_to_ask_password() -> Result<(), Failure> {
        must_be_able_to_ask("a password", "--password-stdin")
    }

    /// Asks for one line.
    pub(super) async fn ask(
        &self,
        prompt: &str,
        what: &str,
        option: &str,
    ) -> anyhow::Result<String> {
        must_be_able_to_ask(what, option)?;
        let prompt = escape_lines(prompt);
        blocking(move || {
            dialoguer::Input::<String>::new()
                .with_prompt(prompt)
                .interact_text()
        })
        .await
    }

    /// Asks whether to go on; no is what Enter means. `about` stands above the question, also where little is to be said:
    /// whoever answers must know to what.
    pub(super) async fn confirm(
        &self,
        about: &str,
        prompt: &str,
        option: &str,
    ) -> anyhow::Result<bool> {
        must_be_able_to_ask("confirmation", option)?;
        self.write(&escape_lines(about));
        let prompt = escape_lines(prompt);
        blocking(move || {
            dialoguer::Confirm::new()
                .with_prompt(prompt)
                .default(false)
                .wait_for_newline(true)
                .interact()
        })
        .await
    }

    /// Asks for a new password until it passes `check` and is typed the same twice.
    pub(super) async fn ask_new_password(
        &self,
        address: &str,
        check: impl Fn(&PasswordInput) -> Result<(), AppError>,
    ) -> anyhow::Result<PasswordInput> {
        Self::must_be_able_to_ask_password()?;
        loop {
            let password = hidden("New password").await?;
            if let Err(error) = check(&password) {
                self.warn(&error.to_string());
                continue;
            }
            self.say(&strength(&password, address));
            if password.is_same_as(&hidden("Confirm new password").await?) {
                return Ok(password);
            }
            self.warn("the passwords do not match");
        }
    }
}

/// A moment for people, in their own time zone.
pub(super) fn local(at: Timestamp) -> String {
    at.to_zoned(TimeZone::system())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

fn paint(text: &str, style: &Style, has_colors: bool) -> String {
    if has_colors {
        style.clone().force_styling(true).apply_to(text).to_string()
    } else {
        text.to_owned()
    }
}

fn write_out(text: &str, end: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    write!(stdout, "{text}{end}")?;
    stdout.flush()
}

/// Whoever closed stdout wants no more.
fn told(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(untold(&error)),
        _ => Ok(()),
    }
}

/// `1 movie`, `2 movies`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        number => format!("{number} {many}"),
    }
}

fn untold(error: &io::Error) -> Failure {
    Failure::new(
        1,
        "stdout",
        format!("cannot write the result to stdout: {error}; the command itself succeeded"),
        "check where stdout goes; run \"movie-bag user set-password\" if a generated password was lost",
    )
}

/// A spinner that ends when it is dropped.
pub(super) struct Spinner(Option<ProgressBar>);

/// See [`Ui::progress`].
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    /// Shows how much of how much is done.
    pub(super) fn show(&self, done: u64, total: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(total);
            bar.set_position(done);
        }
    }
}

/// See [`Ui::file_progress`].
#[derive(Default)]
pub(super) struct FileProgress {
    bar: Option<ProgressBar>,
    /// When the words were last written, since it began.
    shown_at: Cell<Duration>,
}

impl FileProgress {
    /// Shows that all is read up to this byte, and how many accounts were in it.
    pub(super) fn show(&self, position: u64, accounts: u64) {
        const PAUSE: Duration = Duration::from_millis(100);
        let Some(bar) = &self.bar else { return };
        bar.set_position(position);
        if bar.elapsed() >= self.shown_at.get() + PAUSE {
            self.shown_at.set(bar.elapsed());
            // The bar knows how fast bytes go, of late.
            let rate = bar.per_sec() * accounts as f64 / position.max(1) as f64;
            bar.set_message(format!("{accounts} accounts, {rate:.0} per second"));
        }
    }

    /// Lets something be written where the bar stands.
    pub(super) fn aside(&self, write: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl Drop for FileProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

fn strength(password: &PasswordInput, address: &str) -> String {
    let (score, hint) = password::strength(password, address);
    let name = ["very weak", "weak", "fair", "good", "strong"][usize::from(score.min(4))];
    let bar: String = (0..4)
        .map(|step| if step < score { '#' } else { '.' })
        .collect();
    let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
    format!("Strength: [{bar}] {name}{hint}")
}

async fn hidden(prompt: &'static str) -> anyhow::Result<PasswordInput> {
    let typed = blocking(move || terminal::read_hidden(prompt));
    typed.await.map(PasswordInput::new)
}

fn must_be_able_to_ask(what: &str, option: &str) -> Result<(), Failure> {
    if Ui::can_ask() {
        return Ok(());
    }
    let place = match io::stdin().is_terminal() {
        false => "stdin",
        true => "stderr",
    };
    Err(Failure::usage(
        format!("cannot prompt for {what}: {place} is not a terminal"),
        format!("run the command with {option}"),
    ))
}

/// Runs a prompt off the runtime, so that Ctrl-C ends it. The cursor stands behind the question then: what is written next
/// begins on a line of its own.
async fn blocking<T: Send + 'static>(
    prompt: impl FnOnce() -> dialoguer::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    use io::ErrorKind::{Interrupted, UnexpectedEof};
    let answer = tokio::select! {
        answer = tokio::task::spawn_blocking(prompt) => answer?,
        _ = tokio::signal::ctrl_c() => Err(io::Error::from(Interrupted).into()),
    };
    match answer {
        Ok(answer) => Ok(answer),
        Err(dialoguer::Error::IO(error)) if matches!(error.kind(), Interrupted | UnexpectedEof) => {
            // The prompt may have left the terminal in raw mode, where a line feed does not return the cursor.
            let _ = write!(io::stderr().lock(), "\r\n");
            Err(Failure::interrupted().into())
        }
        Err(error) => Err(error.into()),
    }
}
