//! Output of the commands as text and as JSON: each table and each document, as reviewed snapshots.
//!
//! Values that differ from run to run are replaced by their names; everything else is as printed. The documents are also compared
//! with `docs/json.md`, in both directions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Command;
use std::sync::LazyLock;

use movie_bag_testkit::{Home, Output, PASSWORD, Person, Server, Sink, now, raw, wait_until};
use serde_json::Value;

use crate::generated::{commands, redacted};

/// A command line, with variables before it, and its output.
struct Answer {
    line: String,
    output: Output,
}

/// A sequence of commands.
struct Script {
    home: Home,
    /// Standard input of the commands.
    input: &'static str,
    answers: Vec<Answer>,
}

impl Script {
    fn new(home: Home) -> Self {
        Self {
            home,
            input: "",
            answers: Vec::new(),
        }
    }

    /// Runs a command line without quotes, with variables before it.
    fn run(&mut self, line: &str) -> &Output {
        let output = Output::run(self.command(line), self.input);
        assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
        self.answers.push(Answer {
            line: line.to_owned(),
            output,
        });
        &self.answers.last().unwrap().output
    }

    fn command(&self, line: &str) -> Command {
        let (variables, arguments): (Vec<_>, Vec<_>) = line
            .split_whitespace()
            .partition(|word| word.starts_with("M") && word.contains('='));
        let mut command = self.home.command(&arguments);
        command.envs(variables.iter().filter_map(|word| word.split_once('=')));
        command
    }

    /// Records the screen of a terminal of this width.
    fn at_width(&mut self, columns: u16, line: &str) {
        let screen = Person::runs_at_width(&self.command(line), columns).ends(0);
        self.answers.push(Answer {
            line: format!("{line}    # before {columns} columns"),
            output: Output {
                stdout: screen.replace('\r', ""),
                stderr: String::new(),
                code: Some(0),
            },
        });
    }

    /// Runs a command with text output and with JSON output.
    fn both(&mut self, line: &str) {
        self.run(line);
        self.run(&format!("{line} --json"));
    }
}

/// Waits, since accounts are listed by the second in which they were created, and those of one second in random order.
fn next_second() {
    let second = now().as_secs();
    wait_until("the next second", || now().as_secs() > second);
}

/// Creates a home with a sink that accepts all mails.
fn home_with_sink() -> (Home, Sink) {
    let home = Home::fresh();
    let sink = home.sink(&[]);
    let home = home
        .with("MAIL_PORT", sink.port())
        .with("MOVIE_BAG_INBOX_URL", format!("http://{}", sink.web()));
    (home, sink)
}

static ACCOUNTS: LazyLock<Vec<Answer>> = LazyLock::new(|| {
    let (home, _sink) = home_with_sink();
    let mut script = Script::new(home);
    script.run("user list");
    script.input = "correct horse battery\n";
    script.run("user create --email ann@example.com --password-stdin");
    next_second();
    script.run("user create --email bob@example.com --password-stdin --json");
    next_second();
    script.run("user create --email cleo@example.com --generate");
    next_second();
    script.run("user create --email dora@example.com --generate --json");
    next_second();
    script.run("user create --email erin@example.com --invite");
    next_second();
    script.run(
        "user create --email fay.with.a.long.name@mail.department.example.com --invite --json",
    );
    script.both("user list");
    script.at_width(40, "user list");
    script.at_width(120, "user list");
    script.run("user list --search BOB");
    script.run("user list --search unknown");
    script.run("user list --limit 2");
    script.both("user list --pending");
    {
        let mut verified = script.home.command(&["serve", "--bind", "127.0.0.1:0"]);
        verified.env("MOVIE_BAG_SIGNUP", "verified");
        let server = Server::start_command(verified);
        let new = serde_json::json!({"email": "gus@example.com"});
        server.post("/api/auth/signup", new).is(200);
        assert!(server.stop().success());
    }
    script.both("user list --pending");
    script.both("user set-password --email ann@example.com --password-stdin");
    script.run("user set-password --email ann@example.com --generate --json");
    script.run("user set-email --email ann@example.com --to ann@example.org");
    script.run("user set-email --email ann@example.org --to ann@example.com --json");
    script.run("user set-email --email ann@example.com --to ann@example.com");
    script.both("user revoke --email ann@example.com");
    script.both("user show --email ann@example.com");
    script.run("user disable bob@example.com --reason left --yes");
    script.run("user disable --email bob@example.com --yes --json");
    script.both("user list --disabled");
    script.run("user show --email bob@example.com");
    script.both("forgot --email bob@example.com");
    script.run("user enable bob@example.com");
    script.run("user enable --email bob@example.com --json");
    script.run("user delete --email cleo@example.com --yes");
    script.run("user delete --email ann@example.com --yes --json");
    script.answers
});

static RESETS: LazyLock<Vec<Answer>> = LazyLock::new(|| {
    let (home, _sink) = home_with_sink();
    home.create_account("ann@example.com", PASSWORD);
    let mut script = Script::new(home);
    script.both("forgot --email ann@example.com");
    script.run("forgot --email ann@example.com --print-link --json");
    for json in ["", " --json"] {
        let link = script.run("forgot --email ann@example.com --print-link");
        let reset = format!(
            "reset --token {} --password-stdin{json}",
            link.stdout.trim()
        );
        script.input = "staple of another kind\n";
        script.run(&reset);
    }
    script.answers
});

static OUTBOX: LazyLock<Vec<Answer>> = LazyLock::new(|| {
    let (home, _sink) = home_with_sink();
    let refusing = home.sink(&["--fail", "message:*:550"]);
    let refused = format!("MAIL_PORT={}", refusing.port());
    for name in ["ann", "bob"] {
        home.create_account(&format!("{name}@example.com"), PASSWORD);
    }
    let mut script = Script::new(home);
    script.both("outbox list");
    script.both("outbox flush");
    script.run(&format!("{refused} forgot --email ann@example.com"));
    script.run("MAIL_PORT=1 forgot --email bob@example.com");
    script.both("outbox list");
    script.at_width(80, "outbox list");
    script.at_width(130, "outbox list");
    script.both("user show --email ann@example.com");
    script.run("user show --email bob@example.com");
    script.both("MAIL_PORT=1 outbox flush");
    script.run("outbox flush");
    script.run("MAIL_PORT=1 forgot --email bob@example.com --json");
    let ids: Vec<String> = script
        .home
        .outbox()
        .iter()
        .map(|mail| mail["id"].as_str().unwrap().to_owned())
        .collect();
    script.run(&format!("{refused} outbox retry {}", ids[0]));
    script.run(&format!("outbox retry {} --json", ids[0]));
    script.run(&format!("outbox drop {}", ids[1]));
    for _ in 0..2 {
        script.run(&format!("{refused} forgot --email ann@example.com --json"));
    }
    script.run(&format!(
        "outbox drop {} --json",
        script.home.outbox()[0]["id"].as_str().unwrap()
    ));
    script.run("outbox retry --all");
    script.run("outbox retry --all --json");
    script.answers
});

static INBOX: LazyLock<Vec<Answer>> = LazyLock::new(|| {
    let (home, sink) = home_with_sink();
    home.create_account("ann@example.com", PASSWORD);
    let mut script = Script::new(home);
    script.both("inbox list");
    script.run("forgot --email ann@example.com");
    script.both("inbox list");
    script.at_width(80, "inbox list");
    script.at_width(120, "inbox list");
    script.both("inbox show latest");
    script.run("inbox show latest --print subject");
    script.run("inbox show latest --print link,token,id");
    script.run("inbox show latest --print code");
    script.run("inbox wait --to ann@example.com");
    script.run("inbox wait --to ann@example.com --json");
    raw(&sink.smtp, ORDER.as_bytes());
    script.run("inbox list --limit 1 --json");
    script.both("inbox show latest");
    script.run("inbox clear");
    script.run("inbox clear --json");
    script.answers.extend(printed_by_sinks());
    script.answers
});

/// A message of another program, with everything that a message can have.
const ORDER: &str = "EHLO shop.example\r
MAIL FROM:<shop@example.com>\r
RCPT TO:<ann@example.com>\r
RCPT TO:<bob@example.com>\r
RCPT TO:<eve@example.com>\r
DATA\r
From: The Shop <shop@example.com>\r
To: Ann <ann@example.com>\r
Cc: bob@example.com\r
Reply-To: orders@example.com\r
Subject: Your code\r
Date: Wed, 25 Nov 2026 09:00:00 +0000\r
Message-ID: <order.1@shop.example>\r
List-Unsubscribe: <https://shop.example/bye>\r
List-Unsubscribe-Post: List-Unsubscribe=One-Click\r
MIME-Version: 1.0\r
Content-Type: multipart/related; boundary=b\r
\r
--b\r
Content-Type: text/html\r
\r
<img src=\"cid:dot\"> Your code is 493817, and the bill is in the file.\r
--b\r
Content-Type: image/gif\r
Content-Disposition: inline; filename=dot.gif\r
Content-ID: <dot>\r
\r
GIF89a\r
--b\r
Content-Type: text/csv\r
Content-Disposition: attachment; filename=bill.csv\r
\r
cinema,9\r
--b--\r
.\r
QUIT\r
";

/// Returns the JSON output of a server's sink and of `smtp-debug` for that message.
fn printed_by_sinks() -> [Answer; 2] {
    let home = Home::fresh();
    let server = home.serve(&["--json"]);
    raw(server.smtp(), ORDER.as_bytes());
    let sink = home.sink(&["--json"]);
    raw(&sink.smtp, ORDER.as_bytes());
    let answer = |line: &str, stdout: String| Answer {
        line: line.to_owned(),
        output: Output {
            stdout,
            stderr: String::new(),
            code: Some(0),
        },
    };
    let is_whole = |stdout: &str| stdout.ends_with('\n');
    [
        answer("serve --smtp-debug --json", server.stdout_once(is_whole)),
        answer("smtp-debug --json", sink.stdout_once(is_whole)),
    ]
}

static FILES: LazyLock<Vec<Answer>> = LazyLock::new(|| {
    let home = Home::fresh();
    home.create_account("ann@example.com", PASSWORD);
    next_second();
    home.write(
        "accounts.csv",
        "email,password_hash,password
ann@example.com,$2b$04$abcdefghijklmnopqrstuuTN3cYqBsrS2oCEs1tkfCQHhdAQ0ExQC,
bob@example.com,$2b$04$abcdefghijklmnopqrstuuTN3cYqBsrS2oCEs1tkfCQHhdAQ0ExQC,
no address,,correct horse battery
cleo@example.com,$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA,
dora@example.com,,short
",
    );
    let mut script = Script::new(home);
    script.both("user import accounts.csv --dry-run");
    script.run("user import accounts.csv");
    script.run("user import accounts.csv --json");
    script.run("user export");
    script.run("user export --json");
    script.run("user export all.csv");
    script.run("user export all.jsonl --json");
    script.run("copy --to sqlite:one.sqlite3");
    script.run("copy --to sqlite:other.sqlite3 --json");
    script.answers
});

static TEMPLATES: LazyLock<Vec<Answer>> = LazyLock::new(|| {
    let home = Home::fresh();
    std::fs::create_dir_all(home.path().join("own/email")).unwrap();
    home.write("own/email/reset_password.txt", "{{ url }}\n");
    let mut script = Script::new(home);
    script.run("templates list");
    script.at_width(80, "templates list");
    script.run("MOVIE_BAG_TEMPLATES=own templates list --json");
    script.run("templates eject all");
    script.run("templates eject all --json");
    script.run("templates eject others --json");
    script.both("MOVIE_BAG_TEMPLATES=own templates preview reset_password");
    script.run("templates preview web/icon.svg --json");
    script.answers
});

static CHECK: LazyLock<Vec<Answer>> = LazyLock::new(|| {
    let (home, _sink) = home_with_sink();
    home.create_account("ann@example.com", PASSWORD);
    // A port on which no server listens.
    let mut script = Script::new(home.with("MOVIE_BAG_BIND", "127.0.0.1:1"));
    script.both("check");
    script.run("check --all");
    script.both("check --send-test-mail ann@example.com");
    script.run("MAIL_SERVER=127.0.0.1 MAIL_PORT=1 MAIL_USE_TLS=yes check --deploy");
    script.answers
});

/// Returns all answers, by subject.
fn all() -> [(&'static str, &'static [Answer]); 7] {
    [
        ("check", &CHECK),
        ("accounts", &ACCOUNTS),
        ("resets", &RESETS),
        ("outbox", &OUTBOX),
        ("inbox", &INBOX),
        ("files", &FILES),
        ("templates", &TEMPLATES),
    ]
}

/// Formats a JSON document over several lines, with long texts shortened.
fn formatted(line: &str) -> String {
    let line = line.trim_end_matches('\n');
    fn shorten(value: &mut Value) {
        match value {
            Value::String(text) if text.contains('\n') => {
                *text = format!("{} …", text.lines().next().unwrap_or_default());
            }
            Value::Array(list) => list.iter_mut().for_each(shorten),
            Value::Object(fields) => fields.values_mut().for_each(shorten),
            _ => {}
        }
    }
    match serde_json::from_str::<Value>(line) {
        Ok(mut document @ Value::Object(_)) => {
            shorten(&mut document);
            format!("{}\n", serde_json::to_string_pretty(&document).unwrap())
        }
        _ => format!("{line}\n"),
    }
}

/// Sorts the refused lines of an import by their position in the file, since they are reported in random order.
fn sorted_by_line(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.sort_by_key(|line| {
        if line.starts_with("line ") || line.starts_with("{\"line\"") {
            (0, *line)
        } else {
            (1, "")
        }
    });
    lines
}

#[test]
fn the_answers_equal_their_snapshots() {
    let user = Output::run(Command::new("whoami"), "").ok().stdout;
    for (subject, answers) in all() {
        let mut text = String::new();
        for Answer { line, output } in answers {
            let stdout: String = sorted_by_line(&output.stdout)
                .into_iter()
                .map(formatted)
                .collect();
            let stderr: String = sorted_by_line(&output.stderr).concat();
            let code = output.code.unwrap();
            write!(
                text,
                "$ movie-bag {line}\n{stdout}{stderr}[exit {code}]\n\n"
            )
            .unwrap();
        }
        redacted(|| {
            let mut settings = insta::Settings::clone_current();
            for (pattern, name) in [
                (r"\d{4}-\d{2}-\d{2}T[\d:.]+Z", "[TIME]"),
                (
                    r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}",
                    "[YYYY-MM-DD HH:MM:SS]",
                ),
                (r"(?m)^[a-z2-9]{20}$", "[PASSWORD]"),
                (
                    r#""password": "[a-z2-9]{20}""#,
                    r#""password": "[PASSWORD]""#,
                ),
                (r"\$2b\$04\$[./A-Za-z0-9]{53}", "[HASH]"),
                (r"\b[A-Za-z0-9]{22}\b", "[MAIL]"),
                // The mail contains the name of the operating system's user.
                (r"SIZE=\d+", "SIZE=[BYTES]"),
                (r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"),
                (r"MAIL_PORT=\d{2,}", "MAIL_PORT=[PORT]"),
                (r#""Size": \d+"#, r#""Size": [BYTES]"#),
                // The width of the column depends on the port.
                (r"(MAIL_PORT +)\d{4,} +", "${1}[PORT] "),
                (r"(127\.0\.0\.1:\[PORT\]) +", "${1} "),
                (r"[\d.]+ [MGT]iB free on", "[SIZE] free on"),
                (r"(indexes, )[\d.]+ KiB", "${1}[SIZE]"),
                (r#"("value": )"\d{4,}""#, r#"${1}"[PORT]""#),
            ] {
                settings.add_filter(pattern, name);
            }
            let user = user.trim();
            settings.add_filter(&format!(r"terminal \({user}\)"), "terminal ([USER])");
            settings.add_filter(&format!(r"user {user}\b"), "user [USER]");
            settings.bind(|| insta::assert_snapshot!(subject, text));
        });
    }
}

/// Documented type of each field, by the heading with its commands.
type Fields = BTreeMap<String, BTreeMap<String, String>>;

/// Reads the tables of `docs/json.md`.
fn documented() -> Fields {
    let mut tables = Fields::new();
    let mut commands = String::new();
    for line in include_str!("../../docs/json.md").lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.clone_into(&mut commands);
        } else if let Some(row) = line.strip_prefix("| `")
            && commands.starts_with('`')
        {
            let (field, rest) = row.split_once("` | ").unwrap();
            let (kind, meaning) = rest.split_once(" | ").unwrap();
            let table = tables.entry(commands.clone()).or_default();
            // Several documents of a command may have the field.
            let kinds = table.entry(field.to_owned()).or_default();
            *kinds = match kinds.as_str() {
                "" => kind.to_owned(),
                known => format!("{known}, {kind}"),
            };
            // The items have the fields of another list, which is documented above.
            let like = meaning
                .split_once("as in `")
                .and_then(|(_, name)| name.split_once('`'));
            if let Some((like, _)) = like {
                let path = field.rsplit_once('.').map_or("", |(path, _)| path);
                let like = format!("{path}{}{like}[].", if path.is_empty() { "" } else { "." });
                let parts: Vec<_> = table
                    .range(like.clone()..)
                    .take_while(|(part, _)| part.starts_with(&like))
                    .map(|(part, kind)| {
                        (format!("{field}[].{}", &part[like.len()..]), kind.clone())
                    })
                    .collect();
                assert!(!parts.is_empty(), "{commands}: {field} is as in {like}");
                table.extend(parts);
            }
        }
    }
    tables
}

/// Calls `visit` with each field of a document. `visit` returns whether the fields within are visited too.
fn visit_fields(value: &Value, path: &str, visit: &mut impl FnMut(&str, &Value) -> bool) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = format!("{path}{name}");
        if !visit(&path, value) {
            continue;
        }
        visit_fields(value, &format!("{path}."), visit);
        for item in value.as_array().into_iter().flatten() {
            visit_fields(item, &format!("{path}[]."), visit);
        }
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

#[test]
fn printed_and_documented_fields_are_the_same() {
    let documented = documented();
    let mut left: BTreeSet<(&str, &str)> = documented
        .iter()
        .flat_map(|(commands, table)| table.keys().map(|field| (&**commands, &**field)))
        .collect();
    let mut wrong = BTreeSet::new();
    for Answer { line, output } in all().into_iter().flat_map(|(_, answers)| answers) {
        if !line.ends_with(" --json") {
            continue;
        }
        for document in output.stdout.lines() {
            let document: Value = serde_json::from_str(document).unwrap();
            let is_error = document.get("error").is_some() && document.get("line").is_none();
            let commands = if is_error {
                "`error`"
            } else {
                let words = line.split(' ').skip_while(|word| word.contains('='));
                let typed: String = words.flat_map(|word| [word, " "]).collect();
                let is_of = |commands: &str| {
                    let mut names = commands.split(", ");
                    names.any(|name| typed.starts_with(&format!("{} ", name.trim_matches('`'))))
                };
                let found = documented.keys().find(|commands| is_of(commands));
                found.unwrap_or_else(|| panic!("docs/json.md has no section of {line}"))
            };
            let table = &documented[commands];
            visit_fields(&document, "", &mut |field, value| {
                left.retain(|(of, name)| (*of, *name) != (commands, field));
                let kind = table.get(field).map_or("nothing", String::as_str);
                let is_map = kind == "names and values" && value.is_object();
                if !is_map && !kind.contains(type_name(value)) {
                    wrong.insert(format!(
                        "{commands}: {field} is {}, and documented as {kind}",
                        type_name(value)
                    ));
                }
                !is_map
            });
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(left.is_empty(), "never printed: {left:#?}");
}

#[test]
fn every_command_with_its_own_json_is_documented() {
    let home = Home::fresh();
    let mut found = Vec::new();
    commands(&home, &[], &mut found);
    let documented: Vec<String> = documented().into_keys().collect();
    for path in found {
        let help = home.run(&[&["help".to_owned()], path.as_slice()].concat());
        let has_section = help.ok().stdout.contains("\nOutput with --json:\n");
        let name = format!("`{}`", path.join(" "));
        let is_documented = documented.iter().any(|commands| commands.contains(&name));
        assert_eq!(
            has_section, is_documented,
            "the detailed help of {name} and docs/json.md"
        );
    }
}
