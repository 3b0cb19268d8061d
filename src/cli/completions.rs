//! `completions`: prints shell completion scripts.

use clap_complete::Shell;

use super::ui::Ui;

const NOTES: &str = "Install for all new shells:

bash:
  folder=~/.local/share/bash-completion/completions
  mkdir -p $folder && movie-bag completions bash > $folder/movie-bag

zsh:
  movie-bag completions zsh > \"${fpath[1]}/_movie-bag\"

fish:
  mkdir -p ~/.config/fish/completions
  movie-bag completions fish > ~/.config/fish/completions/movie-bag.fish

PowerShell:
  movie-bag completions powershell >> $PROFILE

elvish:
  mkdir -p ~/.config/elvish/lib
  movie-bag completions elvish > ~/.config/elvish/lib/movie-bag.elv
  echo 'use movie-bag' >> ~/.config/elvish/rc.elv";

/// Print a shell completion script
///
/// The scripts are also in the folder completions of the source code.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  movie-bag completions bash > movie-bag.bash && source ./movie-bag.bash
  movie-bag completions zsh > \"${fpath[1]}/_movie-bag\"",
    after_long_help = NOTES
)]
pub(super) struct Args {
    /// Shell to complete for
    shell: Shell,
}

pub(super) fn run(args: Args, ui: &Ui, mut definition: clap::Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut definition, "movie-bag", &mut script);
    // The script for bash spells the hyphen of the program's name in two ways, and then completes nothing after the first
    // word (clap-rs/clap#6421).
    let script = String::from_utf8(script)?.replace("movie__subcmd__bag", "movie__bag");
    ui.answer(script.trim_end_matches('\n'))?;
    Ok(())
}
