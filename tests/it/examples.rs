//! The examples of every `--help`, pasted into a shell one by one.
//!
//! They are read at 80 columns, the usual width of a terminal, since an example that is wrapped there cannot be pasted. Examples that
//! are not listed below run unchanged, in a home with the accounts ann and bob, their mails, and the files that are named.

use std::fs;
use std::sync::Mutex;

use movie_bag_testkit::mongodb::FreshDatabase;
use movie_bag_testkit::{Home, Output, PASSWORD, Shell};

use crate::generated::commands;

/// The reset link of the newest mail to ann, which a person would paste.
const LINK: &str =
    "--token \"$(movie-bag inbox wait --to ann@example.com --subject 'Reset your' --print link)\"";

/// Text of an example that does not fit this machine, and its replacement.
const REPLACEMENTS: &[(&str, &str)] = &[
    ("--token LINK", LINK),
    ("--token http://localhost:3000/reset/eyJ0…", LINK),
    // The id of a mail. The outbox also has the mails of another account.
    (
        "6b04933dbb18cc05d63b86dd",
        "$(movie-bag outbox list --json | jq -rn 'first(inputs).id')",
    ),
    // Free ports, since tests run in parallel.
    ("0.0.0.0:3000", "127.0.0.1:0"),
    ("127.0.0.1:9090", "127.0.0.1:0"),
    // The function path of zsh, which is not run here.
    ("${fpath[1]}", "$HOME"),
    (
        "'mongodb://db1.example/movie-bag?replicaSet=rs0'",
        "$MONGODB",
    ),
    ("mongodb://localhost/movie-bag", "$OTHER_MONGODB"),
];

/// Commands before an example that could not succeed alone.
const PREPARATIONS: &[(&str, &str)] = &[
    (
        "--database mongodb://localhost/movie-bag copy",
        "movie-bag --database mongodb://localhost/movie-bag user create --email ann@example.com --generate\n",
    ),
    (
        "inbox wait --to ann@example.com --print code",
        "{ sleep 1; curl smtp://127.0.0.1:$MAIL_PORT --mail-from shop@example.com --mail-rcpt ann@example.com -T code.eml; } &\n",
    ),
    (
        "\"$LINK\"",
        "LINK=$(movie-bag inbox wait --to ann@example.com --print link)\n",
    ),
];

/// Exit codes of the examples that do not exit with 0.
const EXIT_CODES: &[(&str, u32)] = &[
    // The settings are not those of production.
    ("movie-bag check --deploy", 1),
    // The dead mails remain.
    ("movie-bag outbox flush", 1),
];

/// State that is created once: the accounts, and two dead mails to bob.
struct Prepared {
    data: Home,
    mongodb: [FreshDatabase; 2],
}

impl Prepared {
    fn new() -> Option<Self> {
        let mongodb = [FreshDatabase::shared()?, FreshDatabase::shared()?];
        let data = Home::fresh();
        data.create_account("ann@example.com", PASSWORD);
        data.create_account("bob@example.com", PASSWORD);
        let refusing = data.sink(&["--fail", "message:*:550"]);
        for _ in 0..2 {
            let mut forgot = data.command(&["forgot", "--email", "bob@example.com"]);
            forgot.env("MAIL_PORT", refusing.port());
            Output::run(forgot, "").exits(1);
        }
        drop(refusing);
        Some(Self { data, mongodb })
    }

    /// Returns a home with that state, or without accounts if the example creates one.
    fn home(&self, example: &str) -> Home {
        let home = Home::fresh();
        if !example.contains("user create --email") {
            fs::create_dir_all(home.data_dir()).unwrap();
            for file in self.data.files() {
                fs::copy(&file, home.data_dir().join(file.file_name().unwrap())).unwrap();
            }
        }
        let account = "cleo@example.com";
        home.write(
            "accounts.jsonl",
            format!("{{\"email\":\"{account}\",\"password\":\"{PASSWORD}\"}}\n"),
        );
        if !example.contains("user export accounts.csv") {
            home.write(
                "accounts.csv",
                format!("email,password\n{account},{PASSWORD}\n"),
            );
        }
        home.write("code.eml", "Subject: Your code\n\nYour code is 493817.\n");
        home
    }

    /// Runs an example, or several that depend on each other.
    fn run(&self, example: &str) {
        let home = self.home(example);
        let sink = home.sink(&[]);
        let Some(shell) = Shell::in_home(&home) else {
            return;
        };
        let shell = shell
            .with("MAIL_PORT", sink.port())
            .with("MOVIE_BAG_INBOX_URL", format!("http://{}", sink.web()))
            .with("MONGODB", &*self.mongodb[0].uri)
            .with("OTHER_MONGODB", &*self.mongodb[1].uri);
        // The inbox needs a message with a link.
        let request = if home.data_dir().is_dir() {
            "movie-bag forgot --email ann@example.com\n"
        } else {
            ""
        };
        let preparation = value(PREPARATIONS, example).unwrap_or_default();
        let mut script = format!("{request}{preparation}{example}");
        for (text, replacement) in REPLACEMENTS {
            script = script.replace(text, replacement);
        }
        let code = value(EXIT_CODES, example).unwrap_or(0);
        let screen = shell.with("PASSWORD", PASSWORD).exits(&script, code);
        assert!(!screen.contains("panicked"), "{screen}");
    }
}

/// Returns the value that a list has for an example.
fn value<T: Copy>(list: &[(&str, T)], example: &str) -> Option<T> {
    let found = list.iter().find(|(what, _)| example.contains(what));
    found.map(|(_, value)| *value)
}

/// Returns the examples of a help text. Lines that depend on each other are one example.
fn examples(help: &str) -> Vec<String> {
    const ONE_BY_ONE: [&str; 2] = ["Example:", "Examples:"];
    const TOGETHER: [&str; 2] = ["First steps:", "To customize a mail or a page:"];
    let mut examples = Vec::new();
    let mut lines = help.lines();
    while let Some(line) = lines.next() {
        if !ONE_BY_ONE.contains(&line) && !TOGETHER.contains(&line) {
            continue;
        }
        let block: Vec<_> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        let block = block.join("\n").replace("\\\n", "");
        if TOGETHER.contains(&line) {
            examples.push(block);
        } else {
            examples.extend(block.lines().map(|line| line.trim().to_owned()));
        }
    }
    examples
}

#[test]
fn the_examples_of_every_help_run() {
    let Some(prepared) = &Prepared::new() else {
        return;
    };
    let home = Home::fresh().with("COLUMNS", "80");
    let mut found = Vec::new();
    commands(&home, &[], &mut found);
    let mut all = Vec::new();
    for path in found {
        let help = home.run(&[path.as_slice(), &["--help".to_owned()]].concat());
        let of_one = examples(&help.ok().stdout);
        all.extend(of_one.into_iter().map(|example| (path.join(" "), example)));
    }
    assert!(all.len() > 60, "{all:?}");
    for what in REPLACEMENTS
        .iter()
        .map(|(text, _)| text)
        .chain(PREPARATIONS.iter().map(|(text, _)| text))
        .chain(EXIT_CODES.iter().map(|(text, _)| text))
    {
        assert!(
            all.iter().any(|(_, example)| example.contains(what)),
            "no example contains {what}: the rule is stale"
        );
    }
    let (left, failed) = (Mutex::new(all.into_iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some((help_of, example)) = next else {
                        break;
                    };
                    // A panic message begins with the name of the thread.
                    let name = format!("movie-bag {help_of} --help: {example}");
                    let named = std::thread::Builder::new().name(name.clone());
                    let run = named.spawn_scoped(scope, move || prepared.run(&example));
                    if run.unwrap().join().is_err() {
                        failed.lock().unwrap().push(name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:#?}");
}
