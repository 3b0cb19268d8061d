//! Generated files are committed and compared: completions, help texts, mails. `BLESS=1 cargo test` rewrites the completions.
//! Snapshots are reviewed with `cargo insta review` or rewritten with `INSTA_UPDATE=always`. Unit tests of the help compare
//! docs/cli.md and docs/settings.md.

use std::fs;
use std::path::Path;

use movie_bag_testkit::{Home, NEW_PASSWORD, Output, PASSWORD};

const COMPLETIONS: &[(&str, &str)] = &[
    ("bash", "movie-bag.bash"),
    ("zsh", "_movie-bag"),
    ("fish", "movie-bag.fish"),
    ("powershell", "_movie-bag.ps1"),
    ("elvish", "movie-bag.elv"),
];

#[test]
fn the_completions_are_those_of_the_binary() {
    let home = Home::fresh();
    for (shell, file) in COMPLETIONS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("completions")
            .join(file);
        let generated = home.run(&["completions", shell]).ok().stdout;
        if std::env::var_os("BLESS").is_some() {
            fs::write(&path, &generated).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == generated,
            "completions/{file} is not what the binary generates: run BLESS=1 cargo test completions"
        );
    }
}

/// Calls the completion function as bash does on Tab.
#[test]
fn bash_completes_commands_and_values_and_offers_files_only_for_file_arguments() {
    const ASK: &str = "
source \"$COMPLETIONS\"
compopt() { :; }
COMP_WORDS=(\"$@\")
COMP_CWORD=$(($# - 1))
_movie__bag movie-bag \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"
echo \"${COMPREPLY[@]}\"
";
    let home = Home::fresh();
    home.write("accounts.csv", "");
    let completions = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions/movie-bag.bash");
    for (typed, offered) in [
        ("movie-bag ou", "outbox"),
        ("movie-bag user sh", "show"),
        ("movie-bag user show --em", "--email"),
        ("movie-bag user show --email ", ""),
        ("movie-bag user list --limit ", ""),
        // bash itself offers files if the function offers nothing.
        ("movie-bag user import acc", ""),
        ("movie-bag --env-file acc", "accounts.csv"),
        ("movie-bag smtp-debug --tls-key acc", "accounts.csv"),
        (
            "movie-bag smtp-debug --format ",
            "text json raw classic none",
        ),
        ("movie-bag inbox wait --print t", "token text"),
        ("movie-bag inbox show la", "latest"),
        ("movie-bag completions f", "fish"),
        ("movie-bag templates preview inv", "invitation"),
        ("movie-bag help exit", "exit-codes"),
    ] {
        let mut bash = std::process::Command::new("bash");
        bash.args(["-c", ASK, "bash"])
            .args(typed.split(' '))
            .env("COMPLETIONS", &completions)
            .current_dir(home.path());
        let output = Output::run(bash, "").ok();
        assert_eq!(
            output.stdout.trim(),
            offered,
            "{typed:?}: {}",
            output.stderr
        );
    }
}

/// Adds every command below `path`, as listed in the help texts.
pub fn commands(home: &Home, path: &[String], found: &mut Vec<Vec<String>>) {
    found.push(path.to_vec());
    let help = home
        .run(&[path, &["--help".to_owned()]].concat())
        .ok()
        .stdout;
    let listed = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "));
    for line in listed.filter(|line| !line.starts_with("   ")) {
        let name = line.split_whitespace().next().unwrap();
        if name != "help" {
            commands(home, &[path, &[name.to_owned()]].concat(), found);
        }
    }
}

#[test]
fn the_help_of_every_command_equals_its_snapshot() {
    let home = Home::fresh();
    let mut found = Vec::new();
    commands(&home, &[], &mut found);
    assert!(found.len() > 10, "{found:?}");
    let all: String = found
        .iter()
        .map(|path| {
            format!(
                "$ movie-bag {}\n{}\n",
                [path.as_slice(), &["--help".to_owned()]].concat().join(" "),
                home.run(&[path.as_slice(), &["--help".to_owned()]].concat())
                    .ok()
                    .stdout
            )
        })
        .collect();
    insta::assert_snapshot!("help", all);
}

#[test]
fn the_man_pages_cover_every_command() {
    let home = Home::fresh();
    let mut found = Vec::new();
    commands(&home, &[], &mut found);
    home.run(&["manpages", "man"]).ok();
    for path in found {
        let name = [&["movie-bag".to_owned()], path.as_slice()]
            .concat()
            .join("-");
        let page = fs::read_to_string(home.path().join("man").join(format!("{name}.1")))
            .unwrap_or_else(|error| panic!("{name}.1: {error}"));
        assert!(page.contains(".SH NAME"), "{name}.1");
        let is_leaf = home.run(&[path.as_slice(), &["--help".to_owned()]].concat());
        if !is_leaf.ok().stdout.contains("\nCommands:\n") {
            for section in ["EXAMPLES", "\"EXIT STATUS\"", "\"SEE ALSO\""] {
                assert!(
                    page.contains(&format!(".SH {section}\n")),
                    "{name}.1: {section}"
                );
            }
        }
    }
    // `templates` is the name of a command and of a topic.
    let templates = fs::read_to_string(home.path().join("man/movie-bag-templates.1")).unwrap();
    for part in [
        "movie\\-bag\\-templates\\-eject(1)",
        "email/reset_password.html",
    ] {
        assert!(templates.contains(part), "{part}: {templates}");
    }
    for topic in ["settings", "exit-codes", "templates"] {
        let page = home.path().join(format!("man/movie-bag-{topic}.1"));
        let page = fs::read_to_string(page).unwrap();
        assert!(page.contains(".SH DESCRIPTION"), "{topic}");
        let help = home.run(&["help", topic]).ok().stdout;
        assert!(help.lines().count() > 10, "{topic}: {help}");
    }
}

/// Replaces values that differ from run to run in snapshots, and thereby asserts their format.
pub fn redacted<T>(run: impl FnOnce() -> T) -> T {
    let mut settings = insta::Settings::clone_current();
    for (pattern, name) in [
        (
            r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}",
            "[TOKEN]",
        ),
        (r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}(:\d{2})? UTC", "[TIME] UTC"),
        (r"\d{1,2} [A-Z][a-z]+ \d{4}, \d{2}:\d{2} UTC", "[TIME] UTC"),
        (r"\b[0-9a-f]{24}\b", "[ID]"),
        (r"/tmp/\.tmp[A-Za-z0-9]+", "[HOME]"),
        (r"localhost:\d+", "localhost:[PORT]"),
    ] {
        settings.add_filter(pattern, name);
    }
    settings.bind(run)
}

#[test]
fn the_mails_equal_their_snapshots() {
    let home = Home::fresh();
    let server = home.serve(&[]);
    server.sign_up("ann@example.com", PASSWORD);
    let token = server.reset_token("ann@example.com");
    let request = server.inbox().wait_for("ann@example.com");
    server.reset(&token, NEW_PASSWORD).is(200);
    let confirmation = server
        .inbox()
        .wait_for_after("ann@example.com", Some(&request.id));
    redacted(|| {
        for mail in [request, confirmation] {
            let name = mail.message_id.split('.').next().unwrap().to_owned();
            insta::assert_snapshot!(
                format!("mail_{name}_text"),
                format!("Subject: {}\n\n{}", mail.subject, mail.text)
            );
            insta::assert_snapshot!(format!("mail_{name}_html"), mail.html);
        }
    });
}

#[test]
fn the_errors_equal_their_snapshots() {
    let home = Home::fresh().with("MAIL_PORT", "1");
    let sink = home.sink(&[]);
    let home = home.with("MOVIE_BAG_INBOX_URL", format!("http://{}", sink.web()));
    home.create_account("ann@example.com", PASSWORD);
    home.write("a-file", "");
    let mut all = String::new();
    for (arguments, input) in [
        (vec!["user", "crate"], ""),
        (
            vec!["user", "create", "--email", "nonsense", "--password-stdin"],
            "correct horse battery\n",
        ),
        (
            vec![
                "user",
                "create",
                "--email",
                "ann@example.com",
                "--password-stdin",
            ],
            "correct horse battery\n",
        ),
        (
            vec![
                "user",
                "create",
                "--email",
                "bob@example.com",
                "--password-stdin",
            ],
            "password1\n",
        ),
        (vec!["user", "create", "--email", "bob@example.com"], ""),
        (vec!["user", "show", "--email", "unknown@example.com"], ""),
        (vec!["forgot", "--email", "ann@example.com"], ""),
        (
            vec!["reset", "--token", "nonsense", "--password-stdin"],
            "correct horse battery\n",
        ),
        (vec!["manpages", "a-file/man1"], ""),
        (vec!["inbox", "show", "nonsense"], ""),
        (
            vec![
                "inbox",
                "wait",
                "--to",
                "ann@example.com",
                "--timeout",
                "1s",
            ],
            "",
        ),
        (vec!["inbox", "list", "--url", "http://127.0.0.1:1"], ""),
        (vec!["--json", "user", "crate"], ""),
        (vec!["--json", "manpages", "a-file/man1"], ""),
        (
            vec!["--json", "user", "show", "--email", "unknown@example.com"],
            "",
        ),
        (vec!["--env-file", "nowhere.env", "user", "list"], ""),
        (vec!["--database", "oracle:x", "user", "list"], ""),
        (
            vec![
                "--database",
                "sqlite:/proc/nowhere/x.sqlite3",
                "user",
                "list",
            ],
            "",
        ),
    ] {
        let output = home.run_with_input(&arguments, input);
        all += &format!(
            "$ movie-bag {}\n{}{}[exit {}]\n\n",
            arguments.join(" "),
            output.stdout,
            output.stderr,
            output.code.unwrap()
        );
    }
    redacted(|| insta::assert_snapshot!("errors", all));
}

/// Maximum number of lines of a help with up to six options, and of any help: a terminal has 24 lines, a window 45.
const LINES: [usize; 2] = [24, 45];

#[test]
fn every_help_fits_one_screen() {
    let home = Home::fresh().with("COLUMNS", "80");
    let mut found = Vec::new();
    commands(&home, &[], &mut found);
    found.push(vec!["help".to_owned()]);
    for path in found {
        let help = |option: &str| {
            let arguments = [path.as_slice(), &[option.to_owned()]].concat();
            home.run(&arguments).ok().stdout
        };
        let (short, long) = (help("-h"), help("--help"));
        assert_eq!(short, long, "{path:?}");
        let options = long
            .lines()
            .skip_while(|line| *line != "Options:")
            .filter(|line| line.starts_with("  ") && line.contains("--"))
            .count();
        let is_large = path.is_empty() || options > 7;
        let allowed = LINES[usize::from(is_large)];
        let lines = long.trim_end().lines().count();
        assert!(lines <= allowed, "{path:?} has {lines} lines:\n{long}");
        for line in long.lines() {
            assert!(line.chars().count() <= 80, "{path:?}: {line}");
        }
        assert!(
            !long.contains("Exit codes:") && !long.contains("MOVIE_BAG_DATABASE"),
            "{path:?}"
        );
    }
}

#[test]
fn the_detailed_help_has_everything_that_the_short_one_omits() {
    let home = Home::fresh().with("COLUMNS", "80");
    let help = home.run(&["help", "user", "create"]).ok().stdout;
    for part in [
        "\nUsage: movie-bag user create [OPTIONS] --email <EMAIL>\n",
        "\nExamples:\n  movie-bag user create",
        "the password is prompted for",
        "\nOutput with --json:\n  {\"id\", \"email\"}",
        "\n  MOVIE_BAG_BCRYPT_COST\n",
        "\n  6    the address already has an account\n",
        "movie-bag --help",
    ] {
        assert!(help.contains(part), "{part:?}: {help}");
    }
    let known = home.run(&["help", "user", "create", "nonsense"]).exits(2);
    assert!(known.stderr.contains("nonsense"), "{}", known.stderr);
}

#[test]
fn mistakes_on_the_command_line_name_the_argument_and_the_help() {
    let home = Home::fresh();
    for (arguments, parts) in [
        (
            vec!["user", "crate"],
            vec!["'crate'", "'create'", "Usage: movie-bag user"],
        ),
        (
            vec!["user", "show", "--emial", "ann@example.com"],
            vec!["'--emial'", "'--email'", "movie-bag user show"],
        ),
        (
            vec!["user", "show"],
            vec!["--email <EMAIL>", "Usage: movie-bag user show", "'--help'"],
        ),
        (
            vec!["smtp-debug", "--format", "xml"],
            vec!["'xml'", "text, json, raw, classic, none", "'--help'"],
        ),
        (
            vec!["user", "list", "--quiet", "--verbose"],
            vec!["'--quiet'", "cannot be used with"],
        ),
    ] {
        let output = home.run(&arguments).exits(2);
        for part in parts {
            assert!(output.stderr.contains(part), "{part}: {}", output.stderr);
        }
    }
}

#[test]
fn a_global_option_works_before_and_after_the_command() {
    let home = Home::fresh();
    for arguments in [
        ["--json", "templates", "list"],
        ["templates", "--json", "list"],
        ["templates", "list", "--json"],
    ] {
        let stdout = home.run(&arguments).ok().stdout;
        assert!(stdout.starts_with('{'), "{arguments:?}: {stdout}");
    }
}
