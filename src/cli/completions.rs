//! `completions`: what a shell needs to complete our command line.

use clap_complete::Shell;

use super::ui::Ui;

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  movie-bag completions bash > movie-bag.bash && source ./movie-bag.bash
  movie-bag completions zsh > \"${fpath[1]}/_movie-bag\"

To have them in every new shell, write them where it looks for them:
  bash        ~/.local/share/bash-completion/completions/movie-bag
  zsh         _movie-bag in a folder of $fpath
  fish        ~/.config/fish/completions/movie-bag.fish
  elvish      ~/.config/elvish/lib/movie-bag.elv, and \"use movie-bag\" in rc.elv
  PowerShell  at the end of $PROFILE")]
pub(super) struct Args {
    /// For which shell
    shell: Shell,
}

pub(super) fn run(args: Args, ui: &Ui) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(
        args.shell,
        &mut super::definition(),
        "movie-bag",
        &mut script,
    );
    // For bash the hyphen of our name is written in two ways, and so nothing is offered after the first word
    // (clap-rs/clap#6421).
    let script = String::from_utf8(script)?.replace("movie__subcmd__bag", "movie__bag");
    ui.answer(script.trim_end_matches('\n'))?;
    Ok(())
}
