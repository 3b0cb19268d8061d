//! Output and prompts: answers on stdout, everything else on stderr. Only this module prints.

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use clap::builder::StyledStr;
use comfy_table::Table;
use dialoguer::console::{Style, Term};
use movie_bag_core::domain::password::{PasswordInput, PasswordPolicy};
use movie_bag_core::domain::terminal_text::{escape_json, escape_lines, escape_output};
use serde::Serialize;

use super::progress::{FileProgress, Progress, Spinner};
use super::shared_terminal::Stderr;
use super::{table, terminal};
use crate::error_code::ErrorCode;
use crate::failure::{Failure, without_error_numbers};

/// Use of colors in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Capabilities of stdout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct StdoutStyle {
    /// Whether to use colors.
    pub(super) color: bool,
    /// Whether stdout is a terminal.
    pub(super) terminal: bool,
}

/// Output to the caller: answers on stdout, messages and questions on stderr.
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
            Color::Auto => shows_colors && !crate::config::is_color_disabled(),
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

    /// Returns the capabilities of stdout, for messages that the sink prints.
    pub(super) fn stdout_style(&self) -> StdoutStyle {
        StdoutStyle {
            color: self.color_stdout,
            terminal: io::stdout().is_terminal(),
        }
    }

    /// Returns a word of an answer, styled if stdout has colours.
    pub(super) fn paint_answer(&self, text: &str, style: &Style) -> String {
        paint(text, style, self.color_stdout)
    }

    /// Prints the answer on stdout. A closed stdout is not a failure, since its reader has ended.
    ///
    /// # Errors
    /// Stdout cannot be written for another reason, such as a full disk. The command itself has succeeded.
    pub(super) fn answer(&self, text: &str) -> Result<(), Failure> {
        ignore_closed_pipe(write_out(&escape_output(text, self.color_stdout), "\n"))
    }

    /// Prints a JSON document on stdout, with foreign text escaped for terminals.
    ///
    /// # Errors
    /// Errors of [`Ui::answer`].
    pub(super) fn answer_json(&self, document: &impl Serialize) -> Result<(), Failure> {
        ignore_closed_pipe(write_out(&to_json(document), "\n"))
    }

    /// Prints foreign text on stdout: unchanged in a pipe or a file, escaped on a terminal.
    ///
    /// # Errors
    /// Errors of [`Ui::answer`].
    pub(super) fn answer_raw(&self, text: &str) -> Result<(), Failure> {
        if io::stdout().is_terminal() {
            return self.answer(&escape_lines(text.trim_end_matches('\n')));
        }
        ignore_closed_pipe(write_out(text, ""))
    }

    /// Prints a generated password on stdout. Without `--json`, the text `before` is printed on stderr first. The password cannot
    /// be shown again, so a closed stdout is a failure here.
    ///
    /// # Errors
    /// Stdout cannot be written.
    pub(super) fn answer_password(
        &self,
        before: &str,
        password: &str,
        document: &impl Serialize,
    ) -> Result<(), Failure> {
        let written = if self.json {
            write_out(&to_json(document), "\n")
        } else {
            self.say(before);
            write_out(password, "\n")
        };
        written.map_err(|error| stdout_failure(&error))
    }

    /// Prints an answer as text, or as a JSON document with `--json`.
    ///
    /// # Errors
    /// Errors of [`Ui::answer`].
    pub(super) fn answer_either(
        &self,
        text: &str,
        document: &impl Serialize,
    ) -> Result<(), Failure> {
        if self.json {
            self.answer_json(document)
        } else {
            self.answer(text)
        }
    }

    /// Prints a table as an answer for people.
    ///
    /// # Errors
    /// Errors of [`Ui::answer`].
    pub(super) fn answer_table(&self, table: Table) -> Result<(), Failure> {
        self.answer(&table::fit_to_terminal(table))
    }

    /// Prints a progress message on stderr, unless `--quiet` is given.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            self.write(&escape_output(text, false));
        }
    }

    /// Prints a warning on stderr.
    pub(super) fn warn(&self, text: &str) {
        self.write(&format!(
            "{} {}",
            self.styled("warning:", &Style::new().yellow().bold()),
            escape_lines(&without_error_numbers(text))
        ));
    }

    /// Prints the error of one of many items on stderr, while the others are processed.
    pub(super) fn item_error(&self, text: &str) {
        self.write(&escape_lines(text));
    }

    /// Prints a failure on stderr.
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

    /// Prints a usage error of the argument parser on stderr.
    pub(super) fn usage(&self, text: &StyledStr) {
        let text = if self.color {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        self.write(escape_output(&text, self.color).trim_end_matches('\n'));
    }

    fn write(&self, text: &str) {
        let _ = { self.stderr }.write_all(format!("{text}\n").as_bytes());
    }

    fn styled(&self, text: &str, style: &Style) -> String {
        paint(text, style, self.color)
    }

    /// Shows a spinner on a terminal until the returned value is dropped.
    pub(super) fn spinner(&self, text: &str) -> Spinner {
        if self.shows_progress() {
            Spinner::start(text)
        } else {
            Spinner::default()
        }
    }

    /// Shows a progress bar on a terminal until the returned value is dropped.
    pub(super) fn progress(&self, unit: &str) -> Progress {
        if self.shows_progress() {
            Progress::start(unit)
        } else {
            Progress::default()
        }
    }

    /// Shows on a terminal how much of a file has been read and how fast, until the returned value is dropped. `bytes` is the
    /// size of the file, if it is known.
    pub(super) fn file_progress(&self, bytes: Option<u64>) -> FileProgress {
        if self.shows_progress() {
            FileProgress::start(bytes)
        } else {
            FileProgress::default()
        }
    }

    fn shows_progress(&self) -> bool {
        !self.quiet && !self.json && io::stderr().is_terminal()
    }

    /// Returns whether a prompt can be shown and answered.
    pub(super) fn can_ask() -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Checks that a password can be prompted for.
    ///
    /// # Errors
    /// There is no terminal.
    pub(super) fn require_terminal_for_password() -> Result<(), Failure> {
        require_terminal("a password", "--password-stdin")
    }

    /// Prompts for one line. `subject` names it in the error without a terminal, and `option` gives it without a prompt.
    pub(super) async fn ask(
        &self,
        prompt: &str,
        subject: &str,
        option: &str,
    ) -> anyhow::Result<String> {
        require_terminal(subject, option)?;
        let prompt = escape_lines(prompt);
        blocking(move || {
            dialoguer::Input::<String>::new()
                .with_prompt(prompt)
                .interact_text()
        })
        .await
    }

    /// Asks for confirmation; Enter means no. `about` is printed above the question even with `--quiet`, because the user must
    /// see the subject of the question.
    pub(super) async fn confirm(
        &self,
        about: &str,
        prompt: &str,
        option: &str,
    ) -> anyhow::Result<bool> {
        require_terminal("confirmation", option)?;
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

    /// Prompts for a new password until it passes the policy and is typed the same twice.
    pub(super) async fn ask_new_password(
        &self,
        address: &str,
        policy: &PasswordPolicy,
    ) -> anyhow::Result<PasswordInput> {
        Self::require_terminal_for_password()?;
        loop {
            let password = read_password("New password").await?;
            if let Err(rule) = policy.check(&password, address) {
                self.warn(&rule.to_string());
                continue;
            }
            self.say(&strength(policy, &password, address));
            if password.is_same_as(&read_password("Confirm new password").await?) {
                return Ok(password);
            }
            self.warn("the passwords do not match");
        }
    }
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

/// Returns a document as one line of JSON, with foreign text escaped for terminals.
pub(super) fn to_json(document: &impl Serialize) -> String {
    let json = serde_json::to_string(document);
    escape_json(&json.expect("a document has texts as keys")).into_owned()
}

/// Treats a closed stdout as success, since its reader has ended.
fn ignore_closed_pipe(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(stdout_failure(&error)),
        _ => Ok(()),
    }
}

fn stdout_failure(error: &io::Error) -> Failure {
    Failure::new(
        ErrorCode::Stdout,
        format!("cannot write the result to stdout: {error}; the command itself succeeded"),
        "check where stdout goes; run \"movie-bag user set-password\" if a generated password was lost",
    )
}

fn strength(policy: &PasswordPolicy, password: &PasswordInput, address: &str) -> String {
    let (score, hint) = policy.strength(password, address);
    let name = ["very weak", "weak", "fair", "good", "strong"][usize::from(score.min(4))];
    let bar: String = (0..4)
        .map(|step| if step < score { '#' } else { '.' })
        .collect();
    let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
    format!("Strength: [{bar}] {name}{hint}")
}

async fn read_password(prompt: &'static str) -> anyhow::Result<PasswordInput> {
    let typed = blocking(move || terminal::read_hidden(prompt));
    typed.await.map(PasswordInput::new)
}

fn require_terminal(subject: &str, option: &str) -> Result<(), Failure> {
    if Ui::can_ask() {
        return Ok(());
    }
    let stream = if io::stdin().is_terminal() {
        "stderr"
    } else {
        "stdin"
    };
    Err(Failure::usage(
        format!("cannot prompt for {subject}: {stream} is not a terminal"),
        format!("run the command with {option}"),
    ))
}

/// Runs a prompt on a thread that may block, so that Ctrl-C ends it. The cursor is then behind the question, so a line break
/// is written.
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
