//! `manpages`: the manual, a page for each command.

use std::path::PathBuf;

use anyhow::Context as _;

use roff::{Roff, roman};

use super::help::{TOPICS, Topic};
use super::ui::Ui;

/// Write the man pages, one for each command and each topic of "help"
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  movie-bag manpages ~/.local/share/man/man1")]
pub(super) struct Args {
    /// Into which folder; it is made where it is not there
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,
}

pub(super) fn run(args: &Args, ui: &Ui) -> anyhow::Result<()> {
    let failed = || format!("cannot write the man pages to {}", args.folder.display());
    std::fs::create_dir_all(&args.folder).with_context(failed)?;
    clap_mangen::generate_to(super::definition(), &args.folder).with_context(failed)?;
    for topic in &TOPICS {
        // In the section of the commands, so that one folder is enough.
        let name = format!("movie-bag-{}", topic.name);
        std::fs::write(args.folder.join(format!("{name}.1")), page(&name, topic))
            .with_context(failed)?;
    }
    ui.say(&format!(
        "Wrote the man pages to {}.",
        args.folder.display()
    ));
    Ok(())
}

/// A topic as a page: its text stands as it was written, columns and all.
fn page(name: &str, topic: &Topic) -> String {
    let mut page = Roff::new();
    page.control("TH", [name, "1"])
        .control("SH", ["NAME"])
        .text([roman(format!("{name} - {}", topic.about))])
        .control("SH", ["DESCRIPTION"])
        .control("nf", []);
    for line in topic.text().lines() {
        page.text([roman(line)]);
    }
    page.control("fi", []);
    page.render()
}
