//! `templates eject`: writes the built-in templates to files for editing.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use movie_bag_mail::templates::{BuiltIn, override_path};

use crate::built_in_templates::BUILT_IN_TEMPLATES;
use crate::cli::document::documents;
use crate::cli::ui::Ui;
use crate::error_code::ErrorCode;
use crate::failure::Failure;

/// Write the built-in templates to a folder for editing
///
/// Nothing is written if a file exists and differs, unless --force is given. Edit the templates that you want to change,
/// delete the others so that newer versions can improve them, and set MOVIE_BAG_TEMPLATES to the folder.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag templates eject my-templates
  movie-bag templates eject \"$(mktemp -d)\" --json | jq -r .folder")]
pub(in crate::cli) struct Args {
    /// Write to this folder; it is created if needed
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,
    /// Overwrite files that differ
    #[arg(long)]
    force: bool,
}

/// State of the file that a template is written to.
enum TargetState {
    Missing,
    Same,
    Different,
}

pub(super) fn run(args: &Args, ui: &Ui) -> anyhow::Result<()> {
    // Absolute, because the setting must be valid in any working directory of the server.
    let folder = std::path::absolute(&args.folder)
        .with_context(|| format!("cannot create the folder {}", args.folder.display()))?;
    let found = BUILT_IN_TEMPLATES
        .templates
        .iter()
        .map(|template| {
            Ok((
                template,
                inspect_target(&override_path(&folder, &template.name), template)?,
            ))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let names = |wanted: fn(&TargetState) -> bool| -> Vec<&str> {
        let those = found.iter().filter(|(_, found)| wanted(found));
        those.map(|(template, _)| template.name.as_str()).collect()
    };
    let differing = names(|found| matches!(found, TargetState::Different));
    if !differing.is_empty() && !args.force {
        return Err(would_overwrite(&folder, &differing).into());
    }
    for (template, found) in &found {
        write(&override_path(&folder, &template.name), template, found)?;
    }
    report(
        ui,
        &folder,
        &names(|found| !matches!(found, TargetState::Same)),
        &names(|found| matches!(found, TargetState::Same)),
    )
}

fn inspect_target(path: &Path, template: &BuiltIn) -> anyhow::Result<TargetState> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(TargetState::Missing),
        Err(error) => Err(error).with_context(|| unwritable(path))?,
        Ok(found) if found.is_dir() => {
            return Err(Failure::new(
                ErrorCode::NoFile,
                format!("cannot write {}: it is a folder", path.display()),
                "name another folder, or move that one",
            )
            .into());
        }
        Ok(_) => {}
    }
    // A file that cannot be read, or has another size, differs.
    let size = fs::metadata(path).map_or(0, |found| found.len());
    let is_the_same = size == template.source.len() as u64
        && fs::read(path).is_ok_and(|bytes| bytes == template.source.as_bytes());
    Ok(if is_the_same {
        TargetState::Same
    } else {
        TargetState::Different
    })
}

fn would_overwrite(folder: &Path, names: &[&str]) -> Failure {
    let differ = if names.len() == 1 {
        "differs from the built-in one"
    } else {
        "differ from the built-in ones"
    };
    Failure::new(
        ErrorCode::FileExists,
        format!(
            "nothing was written: in {}, {} {differ}",
            folder.display(),
            names.join(", "),
        ),
        "name another folder, or overwrite the files with --force",
    )
}

fn write(path: &Path, template: &BuiltIn, found: &TargetState) -> anyhow::Result<()> {
    let failed = || unwritable(path);
    match found {
        TargetState::Same => return Ok(()),
        // Replaces a symbolic link and does not follow it.
        TargetState::Different => fs::remove_file(path).with_context(failed)?,
        TargetState::Missing => {}
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(failed)?;
    }
    // Does not overwrite a file that was created in the meantime.
    fs::File::create_new(path)
        .and_then(|mut file| file.write_all(template.source.as_bytes()))
        .with_context(failed)
}

fn unwritable(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

documents! {
    pub(in crate::cli) struct EjectedTemplates<'a> {
        /// Absolute path of the folder.
        folder: String,
        /// Names of the templates that were written.
        written: &'a [&'a str],
        /// Names of the templates that existed with the same content.
        unchanged: &'a [&'a str],
    }
}

fn report(ui: &Ui, folder: &Path, written: &[&str], unchanged: &[&str]) -> anyhow::Result<()> {
    let shown = folder.display();
    if ui.is_json() {
        ui.answer_json(&EjectedTemplates {
            folder: shown.to_string(),
            written,
            unchanged,
        })?;
    } else {
        for name in written {
            ui.answer(&override_path(folder, name).display().to_string())?;
        }
    }
    if written.is_empty() {
        ui.say(&format!("All templates are already in {shown}."));
    }
    ui.say(&format!(
        "Edit the templates, delete those you leave unchanged, and set MOVIE_BAG_TEMPLATES={shown}"
    ));
    Ok(())
}
