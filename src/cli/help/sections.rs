//! Sections of the complete help of a command that are not about its arguments.

use super::command_table::{self, ExitMeaning};
use crate::config::setting::Definition;

/// Section of the complete help of a command.
pub(in crate::cli) enum Section {
    /// Further explanations, with samples that are indented.
    Notes(String),
    /// Output with `--json`.
    Json(String),
    /// Settings that the command reads.
    Settings(Vec<&'static Definition>),
    /// Exit codes with their meanings.
    ExitCodes(Vec<ExitMeaning>),
}

/// Returns the sections of a command, which is named by its words without the program's name.
pub(super) fn sections(path: &str, notes: Option<String>) -> Vec<Section> {
    let mut sections: Vec<Section> = notes.into_iter().map(Section::Notes).collect();
    let Some(entry) = command_table::find(path) else {
        return sections;
    };
    sections.extend(entry.json.describe().map(Section::Json));
    let keys: Vec<_> = entry.settings().collect();
    if !keys.is_empty() {
        sections.push(Section::Settings(keys));
    }
    sections.push(Section::ExitCodes(entry.exit_codes()));
    sections
}

impl Section {
    /// Renders the section for a terminal.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Notes(text) => text.clone(),
            Self::Json(output) => format!("Output with --json:\n  {output}"),
            Self::Settings(keys) => {
                let lines = keys.iter().map(|key| {
                    let (name, meaning, default) = (key.name, key.meaning, key.defaults());
                    format!("\n  {name}\n      {meaning} [default: {default}]")
                });
                let lines: String = lines.collect();
                format!("Settings (\"movie-bag help settings\" shows all):{lines}")
            }
            Self::ExitCodes(codes) => {
                let lines = codes
                    .iter()
                    .map(|(code, meaning)| format!("\n  {:<4} {meaning}", code.number()));
                let lines: String = lines.collect();
                format!("Exit codes:{lines}")
            }
        }
    }
}
