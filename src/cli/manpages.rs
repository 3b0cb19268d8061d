//! `manpages`: writes a man page for each command and each help topic.

use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use clap_mangen::Man;
use roff::{Roff, bold, roman};

use super::help::topics::{TOPICS, Topic};
use super::help::{Page, Section};
use super::ui::Ui;

/// Write the man pages of all commands and help topics
///
/// The man page of "movie-bag user create" is movie-bag-user-create(1). man finds the pages in ~/.local/share/man without
/// further configuration, in /usr/local/share/man for all users. The folder is created if it does not exist.
#[derive(Debug, clap::Args)]
#[command(before_help = "Example:
  movie-bag manpages ~/.local/share/man/man1")]
pub(super) struct Args {
    /// Write the pages to this folder
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,
}

pub(super) fn run(args: &Args, ui: &Ui) -> anyhow::Result<()> {
    let failed = || format!("cannot write the man pages to {}", args.folder.display());
    std::fs::create_dir_all(&args.folder).with_context(failed)?;
    for page in super::pages() {
        let (name, text) = of_command(page)?;
        std::fs::write(args.folder.join(name), text).with_context(failed)?;
    }
    for topic in &TOPICS {
        // In the section of the commands, so that one folder is enough.
        let name = format!("movie-bag-{}", topic.name);
        std::fs::write(
            args.folder.join(format!("{name}.1")),
            of_topic(&name, topic),
        )
        .with_context(failed)?;
    }
    ui.say(&format!(
        "Wrote the man pages to {}.",
        args.folder.display()
    ));
    Ok(())
}

/// Renders the page of a command, and returns it with its file name. Examples and the sections behind the options have
/// headings of their own, where [`Man::render`] has one for all.
fn of_command(page: Page) -> io::Result<(String, Vec<u8>)> {
    let examples = page.command.get_before_help().map(ToString::to_string);
    let has_subcommands = page.command.has_subcommands();
    let is_program = page.path.is_empty();
    let man = Man::new(page.command);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    let mut roff = Roff::new();
    if let Some(examples) = examples {
        let (_, examples) = examples.split_once('\n').unwrap_or_default();
        roff.control("SH", ["EXAMPLES"]);
        verbatim(&mut roff, examples);
    }
    roff.to_writer(&mut text)?;
    man.render_options_section(&mut text)?;
    if has_subcommands {
        man.render_subcommands_section(&mut text)?;
    }
    let mut roff = Roff::new();
    for section in page.sections {
        section_of_page(&mut roff, &section);
    }
    if !is_program {
        roff.control("SH", ["SEE ALSO"])
            .text([roman("movie-bag(1) for the global options")]);
    }
    roff.to_writer(&mut text)?;
    Ok((man.get_filename(), text))
}

fn section_of_page(roff: &mut Roff, section: &Section) {
    match section {
        Section::Notes(notes) => {
            roff.control("SH", ["NOTES"]);
            verbatim(roff, notes);
        }
        Section::Json(output) => {
            roff.control("SH", ["OUTPUT WITH --JSON"])
                .text([roman(*output)]);
        }
        Section::Settings(keys) => {
            roff.control("SH", ["ENVIRONMENT"]);
            for key in keys {
                roff.control("TP", [])
                    .text([bold(key.name)])
                    .text([roman(format!(
                        "{} [default: {}]",
                        key.meaning,
                        key.defaults()
                    ))]);
            }
            roff.control("PP", []).text([roman(
                "movie-bag-settings(1) has all settings, and the env file.",
            )]);
        }
        Section::ExitCodes(codes) => {
            roff.control("SH", ["EXIT STATUS"]);
            for (code, meaning) in codes {
                roff.control("TP", [])
                    .text([bold(code.to_string())])
                    .text([roman(*meaning)]);
            }
        }
    }
}

fn verbatim(roff: &mut Roff, text: &str) {
    roff.control("nf", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

/// Renders the page of a topic, whose columns stay as they are.
fn of_topic(name: &str, topic: &Topic) -> String {
    let mut page = Roff::new();
    page.control("TH", [name, "1"])
        .control("SH", ["NAME"])
        .text([roman(format!("{name} - {}", topic.about))])
        .control("SH", ["DESCRIPTION"]);
    verbatim(&mut page, &topic.text());
    page.render()
}
