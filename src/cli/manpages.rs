//! `manpages`: writes a man page for each command and each help topic.

use std::io;
use std::path::PathBuf;

use anyhow::Context as _;
use clap_mangen::Man;
use roff::{Roff, bold, roman};

use super::help::topics::{self, TOPICS, Topic};
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

pub(super) fn run(args: &Args, ui: &Ui, pages: Vec<Page>) -> anyhow::Result<()> {
    let failed = || format!("cannot write the man pages to {}", args.folder.display());
    std::fs::create_dir_all(&args.folder).with_context(failed)?;
    let commands: Vec<String> = pages.iter().map(|page| page.path.clone()).collect();
    for page in pages {
        let (name, text) = command_page(page)?;
        std::fs::write(args.folder.join(name), text).with_context(failed)?;
    }
    // The page of a command with the name of a topic has the text of the topic too.
    let has_own_page = |topic: &&Topic| commands.iter().all(|command| command != topic.name);
    for topic in TOPICS.iter().filter(has_own_page) {
        // Topics are in section 1, like the commands, so that one folder is enough.
        let name = format!("movie-bag-{}", topic.name);
        std::fs::write(
            args.folder.join(format!("{name}.1")),
            topic_page(&name, topic),
        )
        .with_context(failed)?;
    }
    ui.say(&format!(
        "Wrote the man pages to {}.",
        args.folder.display()
    ));
    Ok(())
}

/// Renders the page of a command, and returns it with its file name. Examples and the sections after the options have
/// headings of their own; [`Man::render`] would put all of them under "EXTRA".
fn command_page(page: Page) -> io::Result<(String, Vec<u8>)> {
    let Page {
        path,
        mut command,
        sections,
    } = page;
    let usage = command.render_usage().to_string();
    let examples = command.get_before_help().map(ToString::to_string);
    let has_subcommands = command.has_subcommands();
    let has_arguments = command
        .get_arguments()
        .any(|argument| !argument.is_hide_set());
    let man = Man::new(command).source(concat!("movie-bag ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"])
        .text([bold(usage.trim_start_matches("Usage: "))]);
    roff.to_writer(&mut text)?;
    man.render_description_section(&mut text)?;
    let mut roff = Roff::new();
    if let Some(examples) = examples {
        let (_, examples) = examples.split_once('\n').unwrap_or_default();
        roff.control("SH", ["EXAMPLES"]);
        append_verbatim(&mut roff, examples);
    }
    roff.to_writer(&mut text)?;
    if has_arguments {
        man.render_options_section(&mut text)?;
    }
    if has_subcommands {
        man.render_subcommands_section(&mut text)?;
    }
    let mut roff = Roff::new();
    for section in sections {
        append_section(&mut roff, &section);
    }
    if let Some(topic) = topics::find(&path) {
        roff.control("SH", ["NOTES"]);
        append_verbatim(&mut roff, &topic.text());
    }
    let topics = TOPICS
        .iter()
        .map(|topic| format!("movie-bag-{}(1)", topic.name));
    let program = (!path.is_empty()).then(|| "movie-bag(1) for the global options".to_owned());
    let also: Vec<_> = program.into_iter().chain(topics).collect();
    roff.control("SH", ["SEE ALSO"])
        .text([roman(also.join(", "))]);
    roff.to_writer(&mut text)?;
    Ok((man.get_filename(), text))
}

fn append_section(roff: &mut Roff, section: &Section) {
    match section {
        Section::Notes(notes) => {
            roff.control("SH", ["NOTES"]);
            append_verbatim(roff, notes);
        }
        Section::Json(output) => {
            roff.control("SH", ["OUTPUT WITH --JSON"])
                .text([roman(output.as_str())]);
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
                    .text([bold(code.number().to_string())])
                    .text([roman(*meaning)]);
            }
        }
    }
}

fn append_verbatim(roff: &mut Roff, text: &str) {
    roff.control("nf", []);
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    roff.control("fi", []);
}

/// Renders the page of a topic. Its columns stay unchanged.
fn topic_page(name: &str, topic: &Topic) -> String {
    let mut page = Roff::new();
    page.control("TH", [name, "1"])
        .control("SH", ["NAME"])
        .text([roman(format!("{name} - {}", topic.about))])
        .control("SH", ["DESCRIPTION"]);
    append_verbatim(&mut page, &topic.text());
    page.render()
}
