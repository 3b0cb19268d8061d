//! Report of the results: tables for people, one document for programs.

use dialoguer::console::Style;
use movie_bag_mail::dialogue::Step;

use super::verdict::{Check, Verdict};
use crate::cli::document::documents;
use crate::cli::table;
use crate::cli::ui::Ui;
use crate::config::Settings;
use crate::failure::Failure;

/// Results of all checks.
pub(super) struct Report {
    pub(super) settings: Settings,
    pub(super) checks: Vec<Check>,
    /// Dialogue with the mail server.
    pub(super) dialogue: Vec<Step>,
}

impl Report {
    pub(super) fn errors(&self) -> usize {
        let is_error = |check: &&Check| check.verdict == Verdict::Error;
        self.checks.iter().filter(is_error).count()
    }
}

/// Optional tables after the verdicts.
#[derive(Debug, Clone, Copy)]
pub(super) struct OptionalTables {
    /// Dialogue with the mail server.
    pub(super) dialogue: bool,
    /// All settings with their sources.
    pub(super) settings: bool,
}

/// Prints the report. As JSON it is always complete.
pub(super) fn print(report: &Report, tables: OptionalTables, ui: &Ui) -> Result<(), Failure> {
    if ui.is_json() {
        return ui.answer_json(&document(report));
    }
    let mut checks = table::table(["VERDICT", "CHECK", "RESULT"], &[2]);
    for check in &report.checks {
        checks.add_row([check.verdict.name(), check.name, &message_with_hint(check)]);
    }
    ui.answer(&color_verdicts(&table::fit_to_terminal(checks), ui))?;
    if tables.dialogue {
        let mut dialogue = table::table(["RESULT", "STEP", "REPLY"], &[2]);
        for step in &report.dialogue {
            let verdict = if step.is_done { "ok" } else { "failed" };
            dialogue.add_row([verdict, step.name, &step.detail]);
        }
        ui.answer("")?;
        ui.answer_table(dialogue)?;
    }
    if tables.settings {
        let mut settings = table::table(["SETTING", "VALUE", "SOURCE"], &[1, 2]);
        for setting in &report.settings.report {
            settings.add_row([
                setting.key.to_owned(),
                setting.value.clone(),
                setting.source.to_string(),
            ]);
        }
        ui.answer("")?;
        ui.answer_table(settings)?;
    }
    Ok(())
}

fn message_with_hint(check: &Check) -> String {
    match &check.hint {
        None => check.message.clone(),
        Some(hint) => format!("{}\nhint: {hint}", check.message),
    }
}

fn color_verdicts(table: &str, ui: &Ui) -> String {
    let lines = table.lines().map(|line| {
        let verdict = [Verdict::Ok, Verdict::Warning, Verdict::Error]
            .into_iter()
            .find(|verdict| line.trim_start().split(' ').next() == Some(verdict.name()));
        let Some(verdict) = verdict else {
            return line.to_owned();
        };
        let name = verdict.name();
        let style = match verdict {
            Verdict::Ok => Style::new().green(),
            Verdict::Warning => Style::new().yellow().bold(),
            Verdict::Error => Style::new().red().bold(),
        };
        line.replacen(name, &ui.paint_answer(name, &style), 1)
    });
    lines.collect::<Vec<_>>().join("\n")
}

documents! {
    pub(in crate::cli) struct CheckDocument<'a> {
        /// Whether no verdict is `error`.
        ok: bool,
        /// Every setting.
        settings: Vec<SettingDocument<'a>>,
        /// Verdicts; a subject with several findings appears more than once.
        checks: Vec<VerdictDocument<'a>>,
        /// Dialogue with the mail server; empty without `--send-test-mail`.
        dialogue: Vec<StepDocument<'a>>,
    }

    pub(in crate::cli) struct SettingDocument<'a> {
        /// Name of the environment variable.
        key: &'a str,
        /// Effective value; for a secret, only its length.
        value: &'a str,
        /// Source: an option, `environment`, a line of the env file, or `default`.
        source: String,
    }

    pub(in crate::cli) struct VerdictDocument<'a> {
        /// Subject: `settings`, `env file`, `secret`, `database`, `outbox`, `accounts`, `mail server` or `test mail`, `public URL`,
        /// `clock`, `disk`, `templates`, `deploy`.
        name: &'a str,
        /// `ok`, `warning` or `error`.
        verdict: &'a str,
        /// Finding and cause.
        message: &'a str,
        /// Fix.
        hint: Option<&'a str>,
    }

    pub(in crate::cli) struct StepDocument<'a> {
        /// Step such as `connect`, `EHLO`, `STARTTLS`, `AUTH`.
        step: &'a str,
        /// Whether the step succeeded.
        ok: bool,
        /// Result, with the reply of the server.
        said: &'a str,
    }
}

fn document(report: &Report) -> CheckDocument<'_> {
    let settings = report
        .settings
        .report
        .iter()
        .map(|setting| SettingDocument {
            key: setting.key,
            value: &setting.value,
            source: setting.source.to_string(),
        });
    let checks = report.checks.iter().map(|check| VerdictDocument {
        name: check.name,
        verdict: check.verdict.name(),
        message: &check.message,
        hint: check.hint.as_deref(),
    });
    let dialogue = report.dialogue.iter().map(|step| StepDocument {
        step: step.name,
        ok: step.is_done,
        said: &step.detail,
    });
    CheckDocument {
        ok: report.errors() == 0,
        settings: settings.collect(),
        checks: checks.collect(),
        dialogue: dialogue.collect(),
    }
}
