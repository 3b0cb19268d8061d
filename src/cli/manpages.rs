//! `manpages`: the manual, a page for each command.

use std::path::PathBuf;

use anyhow::Context as _;

use super::ui::Ui;

/// Write the man pages, one for each command
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  movie-bag manpages ~/.local/share/man/man1")]
pub(super) struct Args {
    /// Into which folder; it is made where it is not there
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,
}

pub(super) fn run(args: &Args, ui: &Ui) -> anyhow::Result<()> {
    let failed = || {
        format!(
            "the man pages can't be written into {}",
            args.folder.display()
        )
    };
    std::fs::create_dir_all(&args.folder).with_context(failed)?;
    clap_mangen::generate_to(super::definition(), &args.folder).with_context(failed)?;
    ui.say(&format!("The man pages are in {}.", args.folder.display()));
    Ok(())
}
