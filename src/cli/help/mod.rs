//! What `--help` says beneath the options: which settings a command goes by and how it may end, from one table; and the
//! topics of `movie-bag help`, which are no commands. Both are man pages too.

mod uses;

use std::ffi::OsStr;

use clap::ValueHint;
use clap::builder::{PossibleValue, StringValueParser, StyledStr, TypedValueParser};

use self::uses::{EXIT_CODES, USES, Use};
use super::report::Failure;
use super::ui::Ui;
use crate::config::keys::{self, KEYS};
use crate::domain::spelling;
use crate::templates::{TEMPLATES, VARIABLES};

/// The same command line, with what its commands go by and how they may end in the long help of each.
pub(super) fn completed(command: clap::Command) -> clap::Command {
    with_uses(command, "")
}

/// A shell offers files for whatever it knows nothing of. Those that are files, folders or addresses say so; of an account,
/// a number or a text there is nothing to offer.
fn with_hint(argument: clap::Arg) -> clap::Arg {
    match argument.get_value_hint() {
        ValueHint::Unknown if argument.get_action().takes_values() => {
            argument.value_hint(ValueHint::Other)
        }
        _ => argument,
    }
}

/// Takes any text, and names what a shell may offer: what is wrong with another one is said better where it is used.
#[derive(Clone)]
pub(super) struct Offering(pub(super) fn() -> Vec<&'static str>);

impl TypedValueParser for Offering {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.0)().into_iter().map(PossibleValue::new)))
    }
}

fn with_uses(command: clap::Command, path: &str) -> clap::Command {
    let command = command.mut_args(with_hint);
    let said = command
        .get_after_long_help()
        .or(command.get_after_help())
        .map(StyledStr::to_string)
        .unwrap_or_default();
    let uses = USES.iter().find(|entry| entry.command == path);
    let command = match uses {
        Some(entry) => {
            let parts = [said, settings_of(entry), exits_of(entry)];
            let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            command.after_long_help(parts.join("\n\n"))
        }
        None => command,
    };
    let path = path.to_owned();
    command.mut_subcommands(|child| {
        let path = format!("{path} {}", child.get_name());
        with_uses(child, path.trim_start())
    })
}

fn settings_of(entry: &Use) -> String {
    if entry.settings.is_empty() {
        return String::new();
    }
    let mut text =
        "Settings, from the environment or the env file (\"movie-bag help settings\" has all):"
            .to_owned();
    for name in entry.settings {
        match keys::find(name) {
            Some(key) => {
                let (meaning, default) = (key.meaning, key.defaults());
                text.push_str(&format!("\n  {name}\n      {meaning} [default: {default}]"));
            }
            None => text.push_str(&format!("\n  {name}\n      {ENV_FILE}")),
        }
    }
    text
}

/// The one that is no setting itself, but says where they are.
const ENV_FILE: &str = "the env file, where it is not .env in the working folder";

fn exits_of(entry: &Use) -> String {
    let mut text = "Exit codes:".to_owned();
    for (code, usual) in EXIT_CODES {
        let own = entry.exits.iter().find(|(own, _)| *own == code);
        let meaning = match own {
            Some((_, "")) => usual,
            Some((_, own)) => own,
            None if matches!(code, 0 | 2 | 130) => usual,
            None => continue,
        };
        text.push_str(&format!("\n  {code:<4} {meaning}"));
    }
    text
}

/// All exit codes, for the commands that have commands.
pub(super) fn all_exit_codes() -> String {
    let all = EXIT_CODES.map(|(code, meaning)| format!("\n  {code:<4} {meaning}"));
    format!("Exit codes:{}", all.concat())
}

/// Something to read that is no command.
pub(super) struct Topic {
    /// Its word.
    pub(super) name: &'static str,
    /// What it is about, in a few words.
    pub(super) about: &'static str,
    text: fn() -> String,
}

impl Topic {
    /// What there is to read.
    pub(super) fn text(&self) -> String {
        (self.text)()
    }
}

/// All topics.
pub(super) const TOPICS: [Topic; 3] = [
    Topic {
        name: "settings",
        about: "every setting, and the form of the env file",
        text: settings,
    },
    Topic {
        name: "exit-codes",
        about: "how commands end, for scripts",
        text: exit_codes,
    },
    Topic {
        name: "templates",
        about: "the mails and pages that can be overridden, and their values",
        text: templates,
    },
];

fn settings() -> String {
    let mut text = "\
An option wins over an environment variable, that over the env file, that over the default.
The env file is --env-file, else ENV_FILE_LOCATION, else .env in the working folder if it is
there. Its lines are KEY = value, with # before comments; values stand bare or in quotes:

  MAIL_SERVER = smtp.example.com
  MAIL_PASSWORD = 'with spaces and # in it'

\"movie-bag check --all\" shows the value of each and its source. Spans of time are 90s, 30m,
24h, 7d.
"
    .to_owned();
    for key in KEYS {
        text.push_str(&format!(
            "\n{}\n    {} [default: {}]\n",
            key.name,
            key.meaning,
            key.defaults()
        ));
    }
    text
}

fn exit_codes() -> String {
    let mut text = String::new();
    for (code, meaning) in EXIT_CODES {
        text.push_str(&format!("{code:<4} {meaning}\n"));
    }
    text + "
serve and smtp-debug end with 0 on SIGTERM and Ctrl-C. \"smtp-debug -- CMD\" ends with the exit
code of CMD. The help of each command says by which it may end, and what they mean there.

Errors go to stderr as error:, caused by: and hint:, or with --json to stdout as
{\"error\":{\"code\",\"message\",\"hint\"}}.
"
}

fn templates() -> String {
    let mut text = "\
The files of the folder in MOVIE_BAG_TEMPLATES win over the built-in ones of the same name.
\"movie-bag templates eject DIR\" writes a copy of all, \"templates preview NAME\" shows one.
They are Tera templates; values are escaped in every .html, and .css, .js and .svg are sent as
they stand.

Templates, with the values that each is given:
"
    .to_owned();
    for template in TEMPLATES {
        text.push_str(&format!(
            "\n{}\n    {}{}\n",
            template.name,
            template.purpose,
            match template.variables {
                [] => String::new(),
                names => format!(": {}", names.join(", ")),
            }
        ));
    }
    text.push_str("\nValues:\n");
    for variable in VARIABLES {
        text.push_str(&format!("\n{}\n    {}\n", variable.name, variable.meaning));
    }
    text
}

/// Show the help of a command, or read about a topic
///
/// Topics: settings, exit-codes, templates.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  movie-bag help user create
  movie-bag help settings
  movie-bag help exit-codes")]
pub(super) struct Args {
    /// A topic, or the words of a command
    #[arg(value_name = "WORD", value_parser = Offering(words), hide_possible_values = true)]
    words: Vec<String>,
}

/// The topics, and the first words of all commands.
fn words() -> Vec<&'static str> {
    let commands = USES
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
        && let Some(topic) = TOPICS.iter().find(|topic| topic.name == *word)
    {
        return Ok(ui.answer(topic.text().trim_end())?);
    }
    let mut definition = definition;
    definition.build();
    let mut command = &mut definition;
    for word in &args.words {
        let names = command.get_subcommands().map(clap::Command::get_name);
        let topics = TOPICS.iter().map(|topic| topic.name);
        let known: Vec<String> = names.chain(topics).map(str::to_owned).collect();
        let Some(child) = command.find_subcommand_mut(word) else {
            return Err(nothing_called(word, &known).into());
        };
        command = child;
    }
    let help = command.render_long_help();
    Ok(ui.answer(help.to_string().trim_end())?)
}

fn nothing_called(word: &str, known: &[String]) -> Failure {
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

    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        for child in command.get_subcommands() {
            let path = format!("{path} {}", child.get_name());
            match child.has_subcommands() {
                true => leaves(child, &path, found),
                false => found.push(path.trim_start().to_owned()),
            }
        }
    }

    #[test]
    fn every_command_has_its_settings_and_its_ends() {
        let mut commands = Vec::new();
        leaves(&super::super::definition(), "", &mut commands);
        let listed: Vec<_> = USES.iter().map(|entry| entry.command).collect();
        for command in &commands {
            assert!(
                listed.contains(&command.as_str()),
                "{command} is not in USES"
            );
        }
        for command in listed {
            assert!(commands.iter().any(|there| there == command), "{command}");
        }
    }

    #[test]
    fn no_shell_offers_files_for_what_is_none() {
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
    fn what_is_said_of_settings_and_codes_is_known() {
        for entry in USES {
            for name in entry.settings {
                let is_known = keys::find(name).is_some() || *name == "ENV_FILE_LOCATION";
                assert!(is_known, "{}: {name}", entry.command);
            }
            for (code, _) in entry.exits {
                let is_known = EXIT_CODES.iter().any(|(known, _)| known == code);
                assert!(is_known, "{}: {code}", entry.command);
            }
        }
    }

    #[test]
    fn every_command_has_examples_and_every_topic_is_named_in_the_help() {
        let definition = super::super::definition();
        let mut commands = Vec::new();
        leaves(&definition, "", &mut commands);
        for path in commands {
            let mut command = definition.clone();
            command.build();
            let mut found = &command;
            for word in path.split(' ') {
                found = found.find_subcommand(word).unwrap();
            }
            let help = found.clone().render_long_help().to_string();
            assert!(help.contains("\nExample"), "{path} has no example");
            assert!(help.contains("\nExit codes:\n  0 "), "{path}: {help}");
        }
        let own = Args::default_help();
        for topic in TOPICS {
            assert!(own.contains(topic.name), "{}", topic.name);
        }
    }

    impl Args {
        fn default_help() -> String {
            let mut definition = super::super::definition();
            definition.build();
            let help = definition.find_subcommand_mut("help").unwrap();
            help.render_long_help().to_string()
        }
    }
}
