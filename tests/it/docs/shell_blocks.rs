//! The code blocks of the pages. Blocks in `sh` are run: all blocks of a page, in their order, as one script in a fresh home with a
//! running server. Blocks in other languages are checked as listed in [`LANGUAGES`].

use std::path::Path;
use std::process::Command;
use std::{fs, thread};

use movie_bag_testkit::markdown::{Block, Page};
use movie_bag_testkit::mongodb::FreshDatabase;
use movie_bag_testkit::report_skipped;
use movie_bag_testkit::{Home, Output, PASSWORD, Server, Shell};

/// `sh` blocks that are not run: page, first line, reason.
const NOT_RUN: &[(&str, &str, &str)] = &[];

const PYTHON: &[&str] = &[
    "python3",
    "-c",
    "import ast, sys; ast.parse(open(sys.argv[1]).read())",
];
const NODE: &[&str] = &["node", "--check"];

/// Languages of blocks that are not run, each with a command that checks the syntax of a file. An empty command checks nothing.
const LANGUAGES: &[(&str, &[&str])] = &[
    // Examples of commands, in a page that is generated from them; `examples.rs` runs them one by one.
    ("bash", &["bash", "-n"]),
    // Output, which differs from run to run.
    ("text", &[]),
    // Examples of docs/cli.md, which `examples.rs` runs one by one.
    ("bash", &["bash", "-n"]),
    // Settings of mail servers are used by `mail.rs`, units by `OPERATIONS`, and the filter of fail2ban by `operations.rs`.
    ("ini", &[]),
    ("caddy", &[]),
    ("go", &[]),
    ("javascript", NODE),
    ("js", NODE),
    ("json", &["python3", "-m", "json.tool"]),
    ("nginx", &[]),
    ("powershell", &[]),
    ("python", PYTHON),
    ("ruby", &["ruby", "-c"]),
    ("rust", &[]),
    ("yaml", &["ruby", "-ryaml", "-e", "YAML.load_file(ARGV[0])"]),
];

/// Replacement for text of a page about another machine. In `here`, `{api}`, `{smtp}` and `{web}` are the ports of the server,
/// `{home}` is the home, and `{mongodb}` and `{restored}` are the URIs of two databases.
struct Rule {
    says: &'static str,
    here: &'static str,
}

/// Conventional ports. The tests use free ones, since they run at the same time.
const PORTS: &[Rule] = &[
    Rule {
        says: "localhost:3000",
        here: "127.0.0.1:{api}",
    },
    Rule {
        says: "127.0.0.1:3000",
        here: "127.0.0.1:{api}",
    },
    Rule {
        says: "localhost:8025",
        here: "127.0.0.1:{web}",
    },
    Rule {
        says: "127.0.0.1:8025",
        here: "127.0.0.1:{web}",
    },
    Rule {
        says: "0.0.0.0:8025",
        here: "127.0.0.1:0",
    },
    Rule {
        says: "0.0.0.0:1025",
        here: "127.0.0.1:0",
    },
    Rule {
        says: "localhost:1025",
        here: "127.0.0.1:{smtp}",
    },
    Rule {
        says: "127.0.0.1:1025",
        here: "127.0.0.1:{smtp}",
    },
];

/// Id of a mail, as `outbox list` shows it.
const MAIL_ID: &str = "6b04933dbb18cc05d63b86dd";

/// Rules of all pages.
const RULES: &[Rule] = &[Rule {
    says: "mongodb://db1.example/movie-bag?replicaSet=rs0",
    here: "{mongodb}",
}];

/// Requirements of one page.
struct Setup {
    page: &'static str,
    rules: &'static [Rule],
    /// Programs of this machine that its commands need, in addition to those of all pages.
    programs: &'static [&'static str],
    /// Replaced programs, each with the reason.
    stand_ins: &'static [(&'static str, &'static str, &'static str)],
    /// Arguments of a separate mail server; empty if the sink of the server is used.
    sink: &'static [&'static str],
    /// Variables of the tests that are not passed to its commands.
    without: &'static [&'static str],
    /// Prepares the home before the first block.
    prepare: fn(&Home, &Page, &Places),
    /// Checks the state after the last block.
    check: fn(&Home, &Server, &str),
}

const NO_SETUP: Setup = Setup {
    page: "",
    rules: &[],
    programs: &[],
    stand_ins: &[],
    sink: &[],
    without: &[],
    prepare: |_, _, _| {},
    check: |_, _, _| {},
};

const SETUPS: &[Setup] = &[
    Setup {
        page: "README.md",
        check: |_, server, _| {
            server.access_token("ann@example.com", "staple of another kind");
            server.access_token("bob@example.com", PASSWORD);
        },
        ..NO_SETUP
    },
    OPERATIONS,
];

/// A machine with systemd: folders of root are in the home, and the mail server is a sink with a certificate.
const OPERATIONS: Setup = Setup {
    page: "docs/operations.md",
    rules: &[
        Rule {
            says: "/usr/local/",
            here: "{home}/usr/local/",
        },
        Rule {
            says: "/etc/movie-bag",
            here: "{home}/etc/movie-bag",
        },
        Rule {
            says: "/etc/systemd/system/",
            here: "{home}/etc/systemd/system/",
        },
        Rule {
            says: "/var/lib/movie-bag",
            here: "{home}/var/lib/movie-bag",
        },
        Rule {
            says: "/var/backups/",
            here: "{home}/var/backups/",
        },
        Rule {
            says: "MAIL_SERVER = mail.example",
            here: "MAIL_SERVER = localhost",
        },
        Rule {
            says: "MAIL_PORT = 587",
            here: "MAIL_PORT = {smtp}\nMAIL_CA_FILE = {home}/ca.pem",
        },
        Rule {
            says: "mongodb://db1.example/restored?replicaSet=rs0",
            here: "{restored}",
        },
    ],
    programs: &["install", "openssl", "sqlite3", "stat", "systemd-analyze"],
    stand_ins: &[
        (
            "systemctl",
            movie_bag_testkit::SYSTEMCTL,
            "systemd is not the first process of the machine; the server is really started and stopped",
        ),
        (
            "journalctl",
            r#"cat "$HOME/started""#,
            "there is no journal; it shows the log of the server",
        ),
        ("mongodump", ":", "MongoDB's tools are in no package"),
        ("mongorestore", ":", "MongoDB's tools are in no package"),
    ],
    sink: &["--starttls", "--tls-ca-out", "ca.pem"],
    without: &[
        "MAIL_PORT",
        "MOVIE_BAG_BCRYPT_COST",
        "MOVIE_BAG_DATA_DIR",
        "MOVIE_BAG_RATE_LIMITS",
    ],
    prepare: |home, page, places| {
        // The page shows the units, and the text before each names its file.
        let folder = home.path().join("etc/systemd/system");
        fs::create_dir_all(&folder).unwrap();
        let mut count = 0;
        for block in page
            .blocks_in("ini")
            .filter(|block| block.text.starts_with("[Unit]"))
        {
            let words = block.introduction.split_whitespace();
            let name = words
                .map(|word| word.trim_end_matches([':', ',', ';', '.']))
                .find(|word| word.ends_with(".service") || word.ends_with(".socket"))
                .unwrap_or_else(|| panic!("a unit without a name: {}", block.introduction));
            let name = name.rsplit('/').next().unwrap();
            let unit = places.apply(OPERATIONS.rules, &block.text);
            fs::write(folder.join(name), unit).unwrap();
            count += 1;
        }
        assert_eq!(count, 3);
        // Every machine has these folders.
        for folder in [
            "usr/local/bin",
            "usr/local/share/man",
            "var/backups",
            "var/lib",
        ] {
            fs::create_dir_all(home.path().join(folder)).unwrap();
        }
    },
    check: |home, _, _| {
        // The account that was created first is in the restored database.
        let env_file = home.path().join("etc/movie-bag/env");
        let arguments = ["--env-file", env_file.to_str().unwrap(), "user", "list"];
        let mut command = home.command(&arguments);
        for key in OPERATIONS.without {
            command.env_remove(key);
        }
        let list = Output::run(command, "").ok();
        assert!(list.stdout.contains("ann@example.com"), "{}", list.stdout);
    },
};

/// Values of the placeholders in rules.
struct Places {
    api: String,
    smtp: String,
    web: String,
    home: String,
    /// Empty if no rule of the page needs it.
    mongodb: String,
    restored: String,
}

impl Places {
    fn fill(&self, text: &str) -> String {
        [
            ("{api}", &self.api),
            ("{smtp}", &self.smtp),
            ("{web}", &self.web),
            ("{home}", &self.home),
            ("{mongodb}", &self.mongodb),
            ("{restored}", &self.restored),
        ]
        .iter()
        .fold(text.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        })
    }

    fn apply(&self, rules: &[Rule], text: &str) -> String {
        rules.iter().fold(text.to_owned(), |text, rule| {
            text.replace(rule.says, &self.fill(rule.here))
        })
    }
}

fn is_not_run(page: &Page, block: &Block) -> bool {
    let first = block.text.lines().next();
    NOT_RUN
        .iter()
        .any(|(path, line, _)| *path == page.path && Some(*line) == first)
}

/// Joins the blocks that are run to one script. Returns `None` if there are none. Each section starts in the home, which stands for
/// a clone of the repository.
fn script(page: &Page) -> Option<String> {
    let mut script = String::new();
    let mut section = 0;
    for block in page
        .blocks_in("sh")
        .filter(|block| !is_not_run(page, block))
    {
        if block.section != section {
            script.push_str("cd \"$HOME\"\n");
            section = block.section;
        }
        script.push_str(&block.text);
    }
    (!script.is_empty()).then_some(script)
}

fn run(page: &Page) {
    let Some(script) = script(page) else {
        return;
    };
    let setup = SETUPS.iter().find(|setup| setup.page == page.path);
    let setup = setup.unwrap_or(&NO_SETUP);
    let all_rules = || setup.rules.iter().chain(RULES);
    let mut databases = Vec::new();
    for name in ["{mongodb}", "{restored}"] {
        if all_rules().any(|rule| script.contains(rule.says) && rule.here.contains(name)) {
            let Some(database) = FreshDatabase::shared() else {
                return;
            };
            databases.push(database);
        }
    }
    let uri = |number: usize| {
        databases
            .get(number)
            .map_or("", |database| &database.uri)
            .to_owned()
    };
    let home = Home::fresh();
    if script.contains(MAIL_ID) {
        give_up_two_mails(&home);
    }
    let server = home.serve(&[]);
    let sink = (!setup.sink.is_empty()).then(|| home.sink(setup.sink));
    let port = |address: &str| address.rsplit_once(':').unwrap().1.to_owned();
    let places = Places {
        api: port(server.address()),
        smtp: port(sink.as_ref().map_or(server.smtp(), |sink| &sink.smtp)),
        web: port(server.inbox().address()),
        home: home.path().display().to_string(),
        mongodb: uri(0),
        restored: uri(1),
    };
    let stand_ins = setup
        .stand_ins
        .iter()
        .map(|(name, script, _)| (*name, *script));
    let shell = Shell::in_home(&home).and_then(|shell| shell.finding(setup.programs));
    let Some(shell) = shell else {
        return;
    };
    let shell = shell
        .replacing(stand_ins)
        .without(setup.without)
        .with("MAIL_PORT", &*places.smtp)
        .with("MOVIE_BAG_INBOX_URL", server.inbox().address());
    (setup.prepare)(&home, page, &places);
    let mut script = script;
    for rules in [setup.rules, RULES, PORTS] {
        script = places.apply(rules, &script);
    }
    let screen = shell.exits(&script, 0);
    (setup.check)(&home, &server, &screen);
}

/// Leaves two dead mails in the outbox.
fn give_up_two_mails(home: &Home) {
    home.create_account("dora@example.com", PASSWORD);
    let refusing = home.sink(&["--fail", "message:*:550"]);
    for _ in 0..2 {
        let mut forgot = home.command(&["forgot", "--email", "dora@example.com"]);
        forgot.env("MAIL_PORT", refusing.port());
        Output::run(forgot, "").exits(1);
    }
}

#[test]
fn the_shell_blocks_of_each_page_do_what_the_page_says() {
    let pages = Page::all();
    let failed: Vec<_> = thread::scope(|scope| {
        let running: Vec<_> = pages
            .iter()
            .map(|page| {
                let thread = thread::Builder::new().name(page.path.clone());
                (
                    &page.path,
                    thread.spawn_scoped(scope, || run(page)).unwrap(),
                )
            })
            .collect();
        running
            .into_iter()
            .filter_map(|(path, run)| run.join().is_err().then_some(path))
            .collect()
    });
    assert!(failed.is_empty(), "blocks fail in {failed:?}");
}

#[test]
fn each_rule_is_about_something_that_a_page_says() {
    let pages = Page::all();
    let text = |path: &str| {
        let page = pages.iter().find(|page| page.path == path);
        page.and_then(script).unwrap_or_default()
    };
    for setup in SETUPS {
        let text = text(setup.page);
        for rule in setup.rules {
            assert!(
                text.contains(rule.says),
                "{} does not say {}",
                setup.page,
                rule.says
            );
        }
        for program in setup
            .programs
            .iter()
            .chain(setup.stand_ins.iter().map(|(name, ..)| name))
        {
            assert!(
                text.contains(program),
                "{} does not use {program}",
                setup.page
            );
        }
    }
    for rule in RULES {
        let is_said = pages
            .iter()
            .any(|page| text(&page.path).contains(rule.says));
        assert!(is_said, "no page says {}", rule.says);
    }
}

/// Returns whether a text is commands rather than their output.
fn begins_with_command(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    let is_name = ["cargo", "curl", "movie-bag", "systemctl"].contains(&first);
    let is_argument = |word: &str| word.starts_with(|c: char| c.is_ascii_lowercase() || c == '-');
    first == "$" || (is_name && words.next().is_some_and(is_argument))
}

/// Page whose examples are in `bash`, and whose synopses are in `text`.
const EXAMPLES: &str = "docs/cli.md";

/// Returns the fault of a block that is not run.
fn fault(page: &Page, block: &Block, folder: &Path) -> Option<String> {
    let Some(name) = &block.language else {
        let is_settings = block.text.lines().all(is_setting);
        return (!is_settings).then(|| "an indented block has settings only".to_owned());
    };
    if name == "sh" {
        return None;
    }
    let is_command = name == "bash" || (name == "text" && begins_with_command(&block.text));
    if is_command && page.path != EXAMPLES {
        return Some("write sh, so that it is run".to_owned());
    }
    let Some((_, check)) = LANGUAGES.iter().find(|(known, _)| known == name) else {
        return Some(format!("{name:?} is no language of LANGUAGES"));
    };
    let (program, arguments) = check.split_first()?;
    let file = folder.join(if *check == NODE { "block.mjs" } else { "block" });
    fs::write(&file, &block.text).unwrap();
    let output = Command::new(program).args(arguments).arg(&file).output();
    let Ok(output) = output else {
        report_skipped(
            "checking the examples of the documentation",
            program,
            "Install it.",
        );
        return None;
    };
    let messages = [output.stdout, output.stderr].concat();
    (!output.status.success()).then(|| String::from_utf8_lossy(&messages).into_owned())
}

#[test]
fn each_block_that_is_not_run_is_in_a_known_language_and_has_its_syntax() {
    let folder = tempfile::tempdir().unwrap();
    let mut faults = Vec::new();
    for page in Page::all() {
        for block in &page.blocks {
            if let Some(fault) = fault(&page, block, folder.path()) {
                faults.push(format!("{}:{}: {fault}", page.path, block.line));
            }
        }
    }
    for (path, line, _) in NOT_RUN {
        let page = Page::read(path);
        if !page
            .blocks_in("sh")
            .any(|block| block.text.lines().next() == Some(line))
        {
            faults.push(format!("{path} has no block that begins with {line}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Returns whether a line could be in an env file.
fn is_setting(line: &str) -> bool {
    let is_key = |key: &str| key.bytes().all(|c| c.is_ascii_uppercase() || c == b'_');
    line.is_empty()
        || line.starts_with('#')
        || line
            .split_once('=')
            .is_some_and(|(key, _)| is_key(key.trim()))
}

#[test]
fn a_block_that_fails_or_names_an_unknown_program_is_a_failure() {
    let home = Home::fresh();
    let Some(shell) = Shell::in_home(&home) else {
        return;
    };
    shell.exits(
        "movie-bag templates list\nmovie-bag forgot --email unknown@example.com\ntrue",
        3,
    );
    shell.exits("systemctl restart movie-bag\ntrue", 127);
    shell.exits("cargo publish\ntrue", 1);
    shell.exits("cargo test no_such_test\ntrue", 1);
    shell.exits("cargo bench --bench no_such_bench\ntrue", 1);
    shell.exits(
        "movie-bag inbox list --url http://127.0.0.1:1 | cat\ntrue",
        7,
    );
    shell.exits("movie-bag serve --bind nonsense\ntrue", 2);
}
