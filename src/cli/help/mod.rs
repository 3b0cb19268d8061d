//! Help texts.
//!
//! There is one definition of the command line. `--help` shows its compact form, which fits one screen: examples, and one
//! line for each option. `movie-bag help COMMAND`, the man pages and docs/cli.md show the complete form: explanations,
//! the settings that the command reads, its exit codes and its JSON output. In the definition, a doc comment is the
//! summary and, after a blank line, the explanation; `before_help` holds the examples, and `after_long_help` further
//! notes. The rest is generated from the table in [`command_table`].

mod command_table;
#[cfg(test)]
mod generated;
mod sections;
pub(super) mod topics;

use clap::ValueHint;
use clap::builder::{StyledStr, Styles};
use movie_bag_core::domain::spelling;

use self::command_table::COMMANDS;
pub(super) use self::sections::Section;
use self::topics::TOPICS;
use super::suggested_values::SuggestedValues;
use super::ui::Ui;
use crate::failure::Failure;

/// Layout of a help text, with the examples before the options.
const TEMPLATE: &str = "{about-with-newline}
{usage-heading} {usage}

{before-help}{all-args}{after-help}";

/// Id of the argument `--help`, which the help of every command shows.
const HELP: &str = "help";

/// Returns the definition of the command line with the parts that all commands have in common.
pub(super) fn add_common_parts(command: clap::Command) -> clap::Command {
    let command = command.mut_args(set_default_hint);
    let globals: Vec<_> = command
        .get_arguments()
        .filter(|argument| argument.is_global_set())
        .cloned()
        .map(hide_in_subcommand)
        .collect();
    complete(command, "", &globals)
}

fn complete(command: clap::Command, path: &str, globals: &[clap::Arg]) -> clap::Command {
    let mut command = command.mut_args(set_default_hint).help_template(TEMPLATE);
    if let Some(examples) = command.get_before_help().map(style_heading) {
        command = command.before_help(examples);
    }
    let notes = command.get_after_long_help().map(StyledStr::to_string);
    let sections = sections::sections(path, notes);
    let mut sections: Vec<_> = sections.iter().map(Section::text).collect();
    if path.is_empty() {
        let topics: Vec<_> = TOPICS.iter().map(|topic| topic.name).collect();
        let more = format!(
            "Details of a command: movie-bag help COMMAND\nHelp topics: movie-bag help {}",
            topics.join(" | ")
        );
        sections.push(more.clone());
        command = command.after_help(more);
    } else {
        let names = globals.iter().filter(|global| global.get_id() != HELP);
        let names: Vec<_> = names.filter_map(clap::Arg::get_long).collect();
        let footer = format!("Global options: --{}", names.join(", --"));
        sections.push(format!("{footer}\nSee \"movie-bag --help\"."));
        command = command.args(globals.iter().cloned()).after_help(format!(
            "{footer}\nDetails, settings and exit codes: movie-bag help {path}"
        ));
    }
    command
        .after_long_help(sections.join("\n\n"))
        .mut_subcommands(|child| {
            let path = format!("{path} {}", child.get_name());
            complete(child, path.trim_start(), globals)
        })
}

/// Returns a global option for a subcommand: accepted and completed, but explained only in the help of the program.
fn hide_in_subcommand(argument: clap::Arg) -> clap::Arg {
    if argument.get_id() == HELP {
        return argument;
    }
    argument.hide_short_help(true).hide_long_help(true)
}

/// Styles the first line of the examples like clap's headings.
fn style_heading(examples: &StyledStr) -> String {
    let examples = examples.to_string();
    let header = Styles::styled();
    let header = header.get_header();
    match examples.split_once('\n') {
        Some((heading, rest)) => format!("{header}{heading}{header:#}\n{rest}"),
        None => examples,
    }
}

/// Sets the hint of an argument without one to [`ValueHint::Other`]. Shells offer files for an argument without a hint, which
/// is wrong for an account, a number or a text.
fn set_default_hint(argument: clap::Arg) -> clap::Arg {
    match argument.get_value_hint() {
        ValueHint::Unknown if argument.get_action().takes_values() => {
            argument.value_hint(ValueHint::Other)
        }
        _ => argument,
    }
}

/// Command as the man pages and docs/cli.md show it.
pub(super) struct Page {
    /// Words of the command without the program's name.
    pub(super) path: String,
    /// Its definition. Arguments that are explained elsewhere are hidden.
    pub(super) command: clap::Command,
    /// Sections after the arguments.
    pub(super) sections: Vec<Section>,
}

/// Returns a page for the program and for each of its commands. `raw` is the definition before [`add_common_parts`].
pub(super) fn pages(raw: clap::Command) -> Vec<Page> {
    let mut built = add_common_parts(raw.clone());
    built.build();
    let mut pages = Vec::new();
    collect(&raw, &built, "", &mut pages);
    pages
}

fn collect(raw: &clap::Command, built: &clap::Command, path: &str, pages: &mut Vec<Page>) {
    let is_global = |argument: &clap::Arg| argument.is_global_set() && !path.is_empty();
    let notes = raw.get_after_long_help().map(StyledStr::to_string);
    pages.push(Page {
        path: path.to_owned(),
        command: built.clone().mut_args(|argument| {
            let is_hidden = argument.is_hide_set() || is_global(&argument);
            argument.hide(is_hidden)
        }),
        sections: sections::sections(path, notes),
    });
    for child in raw.get_subcommands() {
        let path = format!("{path} {}", child.get_name());
        if let Some(built) = built.find_subcommand(child.get_name()) {
            collect(child, built, path.trim_start(), pages);
        }
    }
}

/// Show detailed help on a command or a topic
///
/// Topics: settings, exit-codes, templates.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  movie-bag help user create
  movie-bag help settings
  movie-bag help exit-codes")]
pub(super) struct Args {
    /// Words of a command, or a topic: settings, exit-codes, templates
    #[arg(value_name = "WORD", value_parser = SuggestedValues(words), hide_possible_values = true)]
    words: Vec<String>,
}

/// Returns the topics and the first words of all commands.
fn words() -> Vec<&'static str> {
    let commands = COMMANDS
        .iter()
        .filter_map(|entry| entry.command.split(' ').next());
    let mut words: Vec<_> = TOPICS
        .iter()
        .map(|topic| topic.name)
        .chain(commands)
        .collect();
    words.dedup();
    words
}

pub(super) fn run(args: &Args, ui: &Ui, definition: clap::Command) -> anyhow::Result<()> {
    if let [word] = &args.words[..]
        && let Some(topic) = topics::find(word)
    {
        return Ok(ui.answer(topic.text().trim_end())?);
    }
    // Lines to copy are not wrapped on a wide terminal.
    let mut definition = definition.max_term_width(100);
    definition.build();
    let mut command = &mut definition;
    for word in &args.words {
        let names = command.get_subcommands().map(clap::Command::get_name);
        let topics = TOPICS.iter().map(|topic| topic.name);
        let known: Vec<String> = names.chain(topics).map(str::to_owned).collect();
        let Some(child) = command.find_subcommand_mut(word) else {
            return Err(unknown_topic(word, &known).into());
        };
        command = child;
    }
    let help = command.render_long_help();
    Ok(ui.answer(help.to_string().trim_end())?)
}

fn unknown_topic(word: &str, known: &[String]) -> Failure {
    let known = || known.iter().map(String::as_str);
    let hint = match spelling::nearest(word, known()) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("there is {}", known().collect::<Vec<_>>().join(", ")),
    };
    Failure::usage(format!("there is no command or topic called {word}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::definitions;

    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        for child in command.get_subcommands() {
            let path = format!("{path} {}", child.get_name());
            if child.has_subcommands() {
                leaves(child, &path, found);
            } else {
                found.push(path.trim_start().to_owned());
            }
        }
    }

    #[test]
    fn every_command_is_in_the_table_and_no_other() {
        let mut commands = Vec::new();
        leaves(&super::super::definition(), "", &mut commands);
        let listed: Vec<_> = COMMANDS.iter().map(|entry| entry.command).collect();
        for command in &commands {
            assert!(
                listed.contains(&command.as_str()),
                "{command} is not in COMMANDS"
            );
        }
        for command in listed {
            assert!(commands.iter().any(|name| name == command), "{command}");
        }
    }

    #[test]
    fn shells_offer_files_for_files_and_folders_only() {
        fn check(command: &clap::Command) {
            for argument in command.get_arguments() {
                let name = format!("{} {}", command.get_name(), argument.get_id());
                let hint = argument.get_value_hint();
                assert!(
                    hint != ValueHint::Unknown || !argument.get_action().takes_values(),
                    "{name}"
                );
                let is_path = matches!(
                    argument.get_value_names(),
                    Some([name]) if name == "FILE" || name == "DIR"
                );
                let is_offered = matches!(hint, ValueHint::FilePath | ValueHint::DirPath);
                assert_eq!(is_path, is_offered, "{name}");
            }
            command.get_subcommands().for_each(check);
        }
        check(&super::super::definition());
    }

    #[test]
    fn options_of_settings_exist() {
        let definition = super::super::definition();
        for key in definitions::all() {
            let Some(option) = key.option else { continue };
            let (command, option) = option.rsplit_once(' ').unwrap_or(("", option));
            let mut command = definition.find_subcommand(command).unwrap_or(&definition);
            if let Some(child) = command.get_subcommands().next()
                && command.get_name() != "movie-bag"
            {
                command = child;
            }
            let mut long = command.get_arguments().filter_map(clap::Arg::get_long);
            assert!(
                long.any(|long| option == format!("--{long}")),
                "{}",
                key.name
            );
        }
    }

    #[test]
    fn every_command_has_examples_and_one_line_summaries() {
        fn is_summary(text: &StyledStr) -> bool {
            let text = text.to_string();
            text.starts_with(|c: char| c.is_uppercase())
                && !text.ends_with('.')
                && text.lines().count() == 1
        }
        for page in pages(<super::super::Cli as clap::CommandFactory>::command()) {
            let (path, command) = (&page.path, &page.command);
            if !command.has_subcommands() {
                let examples = command.get_before_help().unwrap().to_string();
                assert!(examples.starts_with("Example"), "{path}");
            }
            assert!(command.get_about().is_some_and(is_summary), "{path}");
            for argument in command.get_arguments() {
                let name = format!("{path} {}", argument.get_id());
                assert!(argument.get_help().is_some_and(is_summary), "{name}");
                assert!(
                    argument.get_long_help().is_none_or(|long| {
                        argument
                            .get_help()
                            .is_some_and(|help| long.to_string().starts_with(&help.to_string()))
                    }),
                    "{name}"
                );
            }
        }
    }
}
