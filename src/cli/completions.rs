//! `completions`: what a shell needs to complete our command line.

use clap_complete::Shell;

use super::ui::Ui;

/// Print the completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  movie-bag completions bash > ~/.local/share/bash-completion/completions/movie-bag
  movie-bag completions zsh > \"${fpath[1]}/_movie-bag\"
  movie-bag completions fish > ~/.config/fish/completions/movie-bag.fish")]
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
    ui.answer(String::from_utf8(script)?.trim_end_matches('\n'))?;
    Ok(())
}
