//! Generates docs/cli.md, docs/json.md and docs/settings.md, and compares them. `BLESS=1 cargo test generated` rewrites them.

use std::fmt::Write as _;
use std::path::Path;

use clap::builder::StyledStr;
use movie_bag_core::domain::phrase::phrase;

use super::command_table::{COMMANDS, CommandEntry, JsonOutput};
use super::{HELP, Page, Section, pages};
use crate::cli::Cli;
use crate::cli::document::{Described as _, Field};
use crate::cli::report::ErrorDocument;
use crate::config::definitions;
use crate::config::env_file;
use crate::config::setting::{Definition, Subject};
use crate::error_code::ErrorCode;
use crate::exit_code::ExitCode;

const CLI_INTRO: &str = include_str!("cli_intro.md");
const JSON_INTRO: &str = include_str!("json_intro.md");
const SETTINGS_INTRO: &str = include_str!("settings_intro.md");

/// Further reading about a command.
const MORE: &[(&str, &str)] = &[
    ("serve", "[Operations](operations.md)"),
    ("smtp-debug", "[Debugging SMTP server](smtp-debug.md)"),
    ("inbox", "[Inbox](smtp-debug.md#inbox)"),
    ("inbox list", "[Search](smtp-debug.md#search)"),
    ("inbox wait", "[In tests](smtp-debug.md#in-tests)"),
    ("forgot", "[Mail](mail.md#exit-codes)"),
    ("user create", "[Mail](mail.md#exit-codes)"),
    ("user import", "[Migrating](migrating.md#import-accounts)"),
    ("user export", "[Migrating](migrating.md#export-accounts)"),
    ("outbox", "[How delivery works](mail.md#how-delivery-works)"),
    ("copy", "[Migrating](migrating.md#copy-to-another-database)"),
    ("check", "[Troubleshooting](operations.md#troubleshooting)"),
    ("templates", "[Mails and pages](templates.md)"),
];

#[test]
fn commands_with_further_reading_exist() {
    let pages = pages(<Cli as clap::CommandFactory>::command());
    for (command, _) in MORE {
        assert!(pages.iter().any(|page| page.path == *command), "{command}");
    }
}

/// Compares a committed file, or rewrites it.
fn compare(file: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{file} is out of date: run BLESS=1 cargo test generated"
    );
}

#[test]
fn docs_cli_is_up_to_date() {
    compare("docs/cli.md", &cli_page());
}

#[test]
fn docs_json_is_up_to_date() {
    compare("docs/json.md", &json_page());
}

#[test]
fn docs_settings_is_up_to_date() {
    compare("docs/settings.md", &settings_page());
}

#[test]
fn the_sample_env_file_is_parsed_as_documented() {
    let (_, sample) = SETTINGS_INTRO.split_once("```ini\n").unwrap();
    let (sample, _) = sample.split_once("```").unwrap();
    let lines = env_file::parse(sample).unwrap();
    let read: Vec<_> = lines
        .iter()
        .map(|line| (line.key.as_str(), line.value.as_str()))
        .collect();
    assert_eq!(
        read,
        [
            ("MAIL_SERVER", "smtp.example.com"),
            ("MAIL_PORT", "587"),
            ("MAIL_USE_TLS", "true"),
            ("MAIL_USERNAME", "support@movies.example"),
            ("MAIL_PASSWORD", "with spaces, a \"quote\" and a # in it"),
        ]
    );
}

fn cli_page() -> String {
    let pages = pages(<Cli as clap::CommandFactory>::command());
    let (program, commands) = pages.split_first().unwrap();
    let mut commands_table = String::from("| command | purpose |\n| --- | --- |\n");
    for page in commands {
        let (path, anchor) = (&page.path, page.path.replace(' ', "-"));
        let about = summary(&page.command);
        writeln!(commands_table, "| [`{path}`](#{anchor}) | {about} |").unwrap();
    }
    let mut exit_codes = String::from("| code | meaning |\n| --- | --- |\n");
    for code in ExitCode::ALL {
        writeln!(exit_codes, "| {} | {} |", code.number(), code.meaning()).unwrap();
    }
    let mut text = CLI_INTRO
        .replace("{commands}\n", &commands_table)
        .replace("{global_options}\n", &arguments(&program.command))
        .replace("{exit_codes}\n", &exit_codes);
    assert!(!text.contains("{\n") && !text.contains("}\n"), "{text}");
    for page in commands {
        text.push_str(&chapter(page));
    }
    text
}

fn json_page() -> String {
    let mut error_codes = String::from("| code | exit code | meaning |\n| --- | --- | --- |\n");
    for (code, comment) in ErrorCode::ALL {
        let (name, exit, meaning) = (code.name(), code.exit().number(), phrase(comment));
        writeln!(error_codes, "| `{name}` | {exit} | {meaning} |").unwrap();
    }
    let mut commands = String::new();
    for CommandEntry { command, json, .. } in COMMANDS {
        let JsonOutput::Documents(kinds) = json else {
            continue;
        };
        writeln!(commands, "## `{command}`\n").unwrap();
        for (when, fields) in *kinds {
            if !when.is_empty() {
                let mut chars = when.chars();
                let first = chars.next().unwrap().to_uppercase();
                writeln!(commands, "{first}{}:\n", mark_code(chars.as_str())).unwrap();
            }
            writeln!(commands, "{}", fields_table(&fields())).unwrap();
        }
    }
    JSON_INTRO
        .replace("{error}\n", &fields_table(&ErrorDocument::fields()))
        .replace("{error_codes}\n", &error_codes)
        .replace("{commands}\n\n", &commands)
}

fn fields_table(fields: &[Field]) -> String {
    let mut table = String::from("| field | type | meaning |\n| --- | --- | --- |\n");
    add_rows(&mut table, "", fields);
    table
}

fn add_rows(table: &mut String, path: &str, fields: &[Field]) {
    for field in fields {
        let Field {
            name,
            kind,
            meaning,
            is_list,
            fields,
            ..
        } = field;
        writeln!(table, "| `{path}{name}` | {kind} | {meaning} |").unwrap();
        let within = if *is_list { "[]." } else { "." };
        add_rows(table, &format!("{path}{name}{within}"), fields);
    }
}

fn chapter(page: &Page) -> String {
    let (path, command) = (&page.path, &page.command);
    let mut text = format!("\n## `{path}`\n\n");
    let explanation = command.get_long_about().or(command.get_about()).unwrap();
    for paragraph in explanation.to_string().split("\n\n") {
        let paragraph = paragraph.trim_end();
        let stop = if paragraph.ends_with('.') { "" } else { "." };
        writeln!(text, "{}{stop}\n", mark_code(paragraph)).unwrap();
    }
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    writeln!(text, "```text\n{usage}\n```\n").unwrap();
    if let Some(examples) = command.get_before_help() {
        text.push_str(&prose_and_samples(&examples.to_string(), "bash"));
    }
    if command.has_subcommands() {
        text.push_str("| command | purpose |\n| --- | --- |\n");
        for child in command.get_subcommands() {
            let (name, about) = (child.get_name(), summary(child));
            writeln!(text, "| [`{path} {name}`](#{path}-{name}) | {about} |").unwrap();
        }
    }
    text.push_str(&arguments(command));
    for section in &page.sections {
        match section {
            Section::Notes(notes) => {
                text.push('\n');
                text.push_str(&prose_and_samples(notes, "text"));
            }
            Section::Json(output) => {
                let (output, fields) = (mark_documents(output), section_of_json(path));
                writeln!(text, "\n[Output](json.md{fields}) with `--json`: {output}.").unwrap();
            }
            Section::Settings(keys) => {
                let names = settings_by_subject(keys).join(", ");
                writeln!(text, "\n[Settings](settings.md) that it reads: {names}.").unwrap();
            }
            Section::ExitCodes(codes) => {
                text.push_str("\n| exit code | meaning |\n| --- | --- |\n");
                for (code, meaning) in codes {
                    writeln!(text, "| {} | {} |", code.number(), mark_code(meaning)).unwrap();
                }
            }
        }
    }
    let more = MORE.iter().filter(|(command, _)| command == path);
    let more: Vec<_> = more.map(|(_, link)| *link).collect();
    if !more.is_empty() {
        writeln!(text, "\nSee also: {}.", more.join(", ")).unwrap();
    }
    while text.contains("\n\n\n") {
        text = text.replace("\n\n\n", "\n\n");
    }
    text
}

/// Returns settings for a sentence: a link for each subject that is complete, and the names of the others.
fn settings_by_subject(keys: &[&Definition]) -> Vec<String> {
    let mut named = Vec::new();
    for subject in Subject::ALL {
        let read: Vec<_> = keys.iter().filter(|key| key.subject == subject).collect();
        let all = definitions::of_subject(subject).count();
        if read.len() == all && all > 1 {
            let title = subject.title();
            named.push(format!("all of [{title}](settings.md#{})", anchor(title)));
        } else {
            named.extend(read.iter().map(|key| format!("`{}`", key.name)));
        }
    }
    named
}

/// Returns the anchor of a heading, without its `#`.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// Returns the anchor of the section of docs/json.md about a command, or an empty string.
fn section_of_json(path: &str) -> String {
    let page = include_str!("../../../../docs/json.md");
    let mut headings = page.lines().filter_map(|line| line.strip_prefix("## "));
    let heading = headings.find(|heading| heading.contains(&format!("`{path}`")));
    heading.map_or_else(String::new, |heading| format!("#{}", anchor(heading)))
}

/// Marks JSON documents as code, and applies [`mark_code`] to the text between them.
fn mark_documents(text: &str) -> String {
    let (mut rendered, mut depth, mut start) = (String::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '{' => {
                if depth == 0 {
                    rendered.push_str(&mark_code(&text[start..at]));
                    start = at;
                }
                depth += 1;
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    write!(rendered, "`{}`", &text[start..=at]).unwrap();
                    start = at + 1;
                }
            }
            _ => {}
        }
    }
    rendered + &mark_code(&text[start..])
}

fn summary(command: &clap::Command) -> String {
    mark_code(&command.get_about().unwrap().to_string())
}

/// Returns a table of the visible arguments, or an empty string.
fn arguments(command: &clap::Command) -> String {
    let shown = |argument: &&clap::Arg| !argument.is_hide_set();
    let rows: Vec<_> = command
        .get_arguments()
        .filter(shown)
        .filter(|argument| argument.get_id() != HELP || !command.has_subcommands())
        .map(row)
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!("| argument | meaning |\n| --- | --- |\n{}", rows.concat())
}

fn row(argument: &clap::Arg) -> String {
    let short = argument.get_short().map(|short| format!("`-{short}`, "));
    let mut meaning = mark_code(&argument.get_help().unwrap().to_string());
    if let Some(long) = argument.get_long_help() {
        // The first paragraph is the summary.
        let long = long.to_string();
        if let Some((_, more)) = long.split_once("\n\n") {
            write!(meaning, ". {}", mark_code(&more.replace("\n\n", " "))).unwrap();
        }
    }
    if !argument.is_hide_default_value_set() && argument.get_action().takes_values() {
        for default in argument.get_default_values() {
            write!(
                meaning,
                " [default: `{}`]",
                default.to_str().unwrap_or_default()
            )
            .unwrap();
        }
    }
    if !argument.is_hide_possible_values_set() && argument.get_action().takes_values() {
        for value in argument.get_possible_values() {
            let help = value.get_help().map(StyledStr::to_string);
            let help = help.map(|help| format!(": {}", mark_code(&help)));
            write!(
                meaning,
                "<br>`{}`{}",
                value.get_name(),
                help.unwrap_or_default()
            )
            .unwrap();
        }
    }
    let spelled = argument.to_string();
    let spelled = spelled.trim_end_matches("...");
    format!(
        "| {}`{}` | {} |\n",
        short.unwrap_or_default(),
        cell(spelled),
        cell(&meaning)
    )
}

/// Renders a text whose indented lines are samples. A line before samples is their title.
fn prose_and_samples(text: &str, language: &str) -> String {
    let mut rendered = String::new();
    let mut is_sample = false;
    for line in text.lines() {
        let sample = line.strip_prefix("  ");
        match sample {
            Some(_) if !is_sample => write!(rendered, "\n```{language}\n").unwrap(),
            None if is_sample => rendered.push_str("```\n"),
            _ => {}
        }
        is_sample = sample.is_some();
        let line = sample.map_or_else(|| mark_code(line), str::to_owned);
        writeln!(rendered, "{line}").unwrap();
    }
    if is_sample {
        rendered.push_str("```\n\n");
    }
    rendered
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Marks options, settings and everything in double quotes as code.
fn mark_code(text: &str) -> String {
    let mut marked = String::new();
    for (at, part) in text.split('"').enumerate() {
        if at % 2 == 1 {
            write!(marked, "`{part}`").unwrap();
            continue;
        }
        for piece in part.split_inclusive([' ', ',', ';', '\n', '(', ')']) {
            let word = piece.trim_end_matches([' ', ',', ';', '\n', '(', ')', ':', '.', ']']);
            let is_name = ["MAIL_", "MOVIE_BAG_", "JWT_", "_"]
                .iter()
                .any(|start| word.starts_with(start));
            let is_code = word.starts_with("--") || word.starts_with('$') || is_name;
            if is_code && word.len() > 2 {
                write!(marked, "`{word}`{}", &piece[word.len()..]).unwrap();
            } else {
                marked.push_str(piece);
            }
        }
    }
    marked
}

fn settings_page() -> String {
    let mut strict = String::new();
    for key in definitions::all() {
        if let Some(default) = key.default_in_production {
            writeln!(
                strict,
                "| `{}` | {} | {} |",
                key.name,
                code(key.default),
                code(default)
            )
            .unwrap();
        }
    }
    let subjects = Subject::ALL.map(|subject| {
        let title = subject.title();
        format!("[{title}](#{})", anchor(title))
    });
    let mut text = SETTINGS_INTRO
        .replace("{subjects}", &subjects.join(" · "))
        .replace("{production_defaults}\n", &strict);
    for subject in Subject::ALL {
        write!(
            text,
            "\n## {}\n\n| setting | default | accepted values | meaning |\n| --- | --- | --- | --- |\n",
            subject.title()
        )
        .unwrap();
        for key in definitions::of_subject(subject) {
            text.push_str(&row_of_setting(key));
        }
    }
    text
}

fn row_of_setting(key: &Definition) -> String {
    let option = key.option.map(|option| format!("<br>`{option}`"));
    let strict = key.default_in_production;
    let strict = strict.map(|default| format!("<br>production: {}", code(default)));
    let details = match key.details {
        "" => String::new(),
        details => format!(". {details}"),
    };
    format!(
        "| `{}`{} | {}{} | {} | {}{details} |\n",
        key.name,
        option.unwrap_or_default(),
        code(key.default),
        strict.unwrap_or_default(),
        key.form,
        mark_code(key.meaning),
    )
}

/// Marks a default as code unless it is described in words.
fn code(default: &str) -> String {
    if default.contains(' ') || matches!(default, "none" | "off") {
        default.to_owned()
    } else {
        format!("`{default}`")
    }
}

#[test]
fn json_documents_are_marked_as_code() {
    assert_eq!(
        mark_documents("for each {\"a\": [{\"b\"}]}; with --all \"c\""),
        "for each `{\"a\": [{\"b\"}]}`; with `--all` `c`"
    );
}

#[test]
fn markdown_marks_options_settings_and_quoted_text_as_code() {
    assert_eq!(
        mark_code("see \"outbox retry\"; with --json, MAIL_PORT - and _TO."),
        "see `outbox retry`; with `--json`, `MAIL_PORT` - and `_TO`."
    );
    assert_eq!(
        prose_and_samples("Title:\n  one\n  two\nEnd", "text"),
        "Title:\n\n```text\none\ntwo\n```\nEnd\n"
    );
}
