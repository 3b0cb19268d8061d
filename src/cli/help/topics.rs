//! Help topics: texts of `movie-bag help` that are not about one command. They are man pages too.

use crate::built_in_templates::BUILT_IN_TEMPLATES;
use crate::config::definitions;
use crate::config::setting::Subject;
use crate::exit_code::ExitCode;

/// Text of `movie-bag help TOPIC`.
pub(in crate::cli) struct Topic {
    /// Word that selects it.
    pub(in crate::cli) name: &'static str,
    /// Subject in a few words.
    pub(in crate::cli) about: &'static str,
    text: fn() -> String,
}

impl Topic {
    /// Renders the topic in lines of at most 80 columns.
    pub(in crate::cli) fn text(&self) -> String {
        (self.text)()
    }
}

pub(in crate::cli) const TOPICS: [Topic; 3] = [
    Topic {
        name: "settings",
        about: "all settings and the format of the env file",
        text: settings,
    },
    Topic {
        name: "exit-codes",
        about: "exit codes, for scripts",
        text: exit_codes,
    },
    Topic {
        name: "templates",
        about: "mail and page templates and their variables",
        text: templates,
    },
];

/// Returns the topic with this name.
pub(in crate::cli) fn find(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

fn settings() -> String {
    let mut text = "\
Precedence: option, environment variable, env file, default.

The env file is --env-file, else ENV_FILE_LOCATION, else .env in the working
directory. Its lines are KEY = value. Lines that start with # are comments.
Values may be quoted:

  MAIL_SERVER = smtp.example.com
  MAIL_PASSWORD = 'with spaces and # in it'

An empty value means the default. Times are written as 90s, 30m, 24h or 7d.

Show the settings in effect and where they come from:

  movie-bag check --all
"
    .to_owned();
    for subject in Subject::ALL {
        text.push_str(&format!("\n{}:\n", subject.title()));
        for key in definitions::of_subject(subject) {
            let (name, default, meaning) = (key.name, key.defaults(), key.meaning);
            let form = key.form.replace('`', "");
            text.push_str(&format!(
                "  {name}  [default: {default}]\n      {meaning}\n      Values: {form}\n"
            ));
        }
    }
    text
}

fn exit_codes() -> String {
    let mut text = String::new();
    for code in ExitCode::ALL {
        text.push_str(&format!("{:<4} {}\n", code.number(), code.meaning()));
    }
    text + "
\"movie-bag help COMMAND\" shows the exit codes of a command in detail.

serve and smtp-debug exit with 0 on SIGTERM and Ctrl-C.
\"smtp-debug -- CMD\" exits with the exit code of CMD.

Errors are printed on stderr as error: and hint:, with --json on stdout as
{\"error\":{\"code\",\"message\",\"hint\"}}.
"
}

fn templates() -> String {
    let mut text = "\
Files in the folder MOVIE_BAG_TEMPLATES replace the built-in templates of the
same name. To customize a template:

  movie-bag templates eject my-templates             # copy all templates
  $EDITOR my-templates/email/reset_password.html     # edit; delete the others
  export MOVIE_BAG_TEMPLATES=\"$PWD/my-templates\"     # use the folder
  movie-bag templates preview reset_password         # show the result

Templates are written in Tera. Values are escaped in .html templates; .css, .js
and .svg files are served unchanged.

Templates, with their variables:
"
    .to_owned();
    for template in &BUILT_IN_TEMPLATES.templates {
        let names: Vec<&str> = template.variables.iter().map(|one| one.name).collect();
        text.push_str(&format!(
            "\n  {}\n{}",
            template.name,
            indent_text(&template.purpose)
        ));
        text.push_str(&indent_text(&names.join(", ")));
    }
    text.push_str("\nVariables:\n");
    for variable in BUILT_IN_TEMPLATES.variables() {
        text.push_str(&format!(
            "  {}\n{}",
            variable.name,
            indent_text(&variable.meaning)
        ));
    }
    text
}

/// Returns a text in indented lines of at most 80 columns; an empty string for an empty text.
fn indent_text(text: &str) -> String {
    const INDENT: &str = "      ";
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= 80 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{INDENT}{word}")),
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_fit_80_columns() {
        for topic in &TOPICS {
            for line in topic.text().lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", topic.name);
            }
        }
    }
}
