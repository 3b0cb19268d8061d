//! Accounts that come from another system and go to one: `user import` and `user export`; and the list of them.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdin, Stdio};

use serde_json::{Value, json};

use crate::harness::mongodb::{MongoServer, Topology};
use crate::harness::{Home, NEW_PASSWORD, Output, PASSWORD, wait_until};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const CID: &str = "cid@example.com";

movie_bag_testkit::on_every_database! {
    accounts_come_with_passwords_and_with_the_hashes_of_others,
    what_is_there_is_left_alone_or_updated,
    a_dry_run_changes_nothing,
    each_wrong_line_is_named_and_the_others_are_taken,
    a_wrong_file_ends_it_before_anything_is_done,
    an_export_comes_back_as_the_same_accounts,
    an_import_that_is_killed_goes_on,
    control_c_says_how_far_it_came,
    two_imports_at_once_make_each_account_once,
    a_list_is_searched_and_comes_in_pages,
}

fn hash(password: &str, version: bcrypt::Version) -> String {
    let made = bcrypt::hash_with_salt(password, 4, *b"sixteen of salt!").unwrap();
    made.format_for_version(version)
}

/// As many as `sqlite` there, and an eighth on the database server of the tests, which all of them share and which is slow.
fn fitting(home: &Home, sqlite: usize) -> usize {
    match home.is_on_mongodb() {
        true => sqlite / 8,
        false => sqlite,
    }
}

/// A file of accounts that have one hash.
fn many(count: usize) -> String {
    let hash = hash(PASSWORD, bcrypt::Version::TwoY);
    let lines = (0..count).map(|number| format!("user{number}@example.com,{hash}\n"));
    format!("email,password_hash\n{}", lines.collect::<String>())
}

fn import(home: &Home, name: &str, text: impl AsRef<[u8]>, options: &[&str]) -> Output {
    home.write(name, text);
    home.run(&[&["--json", "user", "import", name], options].concat())
}

/// The last document: what became of all lines.
#[track_caller]
fn counts(output: &Output) -> [u64; 4] {
    let last = output.stdout.lines().last().unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    ["created", "updated", "unchanged", "refused"].map(|what| last[what].as_u64().unwrap())
}

fn addresses(home: &Home) -> Vec<String> {
    let output = home.run(&["--json", "user", "list"]);
    match output.code {
        // An import that has just begun has not created the database yet.
        Some(7) => Vec::new(),
        _ => listed(&output.ok()),
    }
}

fn listed(output: &Output) -> Vec<String> {
    let lines = output.stdout.lines();
    let documents = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    documents
        .map(|account| account["email"].as_str().unwrap().to_owned())
        .collect()
}

/// A second database of the same kind.
fn another(home: &Home) -> Home {
    if home.is_on_mongodb() {
        Home::on_mongodb().unwrap()
    } else {
        Home::fresh()
    }
}

fn accounts_come_with_passwords_and_with_the_hashes_of_others(home: Home) {
    let server = home.serve(&[]);
    let csv = format!(
        "\u{feff}password_hash,email\r\n{},Ann@Example.com\r\n\r\n\"{}\",{BOB}",
        hash(PASSWORD, bcrypt::Version::TwoY),
        hash(PASSWORD, bcrypt::Version::TwoA),
    );
    assert_eq!(counts(&import(&home, "a.csv", csv, &[]).ok()), [2, 0, 0, 0]);
    let lines = format!(
        "{}\n{}\n",
        json!({"email": CID, "password": NEW_PASSWORD}),
        json!({"email": "dan@example.com", "password_hash": hash(PASSWORD, bcrypt::Version::TwoB)}),
    );
    assert_eq!(
        counts(&import(&home, "b.jsonl", lines, &[]).ok()),
        [2, 0, 0, 0]
    );
    let csv = "email,password\neve@example.com,\"one, \"\"two\"\" and three\"\n";
    let output = home.run_with_input(&["user", "import", "-"], csv).ok();
    assert!(output.stdout.starts_with("Created: 1,"), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    for (email, password) in [
        (ANN, PASSWORD),
        (BOB, PASSWORD),
        (CID, NEW_PASSWORD),
        ("dan@example.com", PASSWORD),
        ("eve@example.com", "one, \"two\" and three"),
    ] {
        server.access_token(email, password);
        let history = home.history(email);
        assert_eq!(history.len(), 1);
        assert_eq!(
            (&history[0]["kind"], &history[0]["detail"]),
            (&json!("created"), &json!("imported"))
        );
    }
    assert!(server.inbox().messages().is_empty(), "nobody is mailed");
    assert!(home.outbox().is_empty());
}

fn what_is_there_is_left_alone_or_updated(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let access = server.access_token(ANN, PASSWORD);
    let stored = || home.stored_values().into_iter().collect::<BTreeSet<_>>();
    let before = stored();
    let text = format!("email,password\nANN@example.com,{NEW_PASSWORD}\n{ANN},short\n");
    assert_eq!(
        counts(&import(&home, "a.csv", &text, &[]).ok()),
        [0, 0, 2, 0]
    );
    // What fits already is no change, and ends no login.
    let same = format!("email,password\n{ANN},{PASSWORD}\n");
    let output = import(&home, "same.csv", same, &["--update"]).ok();
    assert_eq!(counts(&output), [0, 0, 1, 0]);
    assert_eq!(stored(), before);

    let output = import(&home, "a.csv", &text, &["--update"]).exits(1);
    assert_eq!(counts(&output), [0, 1, 0, 1]);
    server.log_in(ANN, PASSWORD).fails_with(401, "unauthorized");
    server.access_token(ANN, NEW_PASSWORD);
    let movie = json!({"name": "Faust", "casts": ["a"], "genres": ["b"]}).to_string();
    server
        .send("POST", "/api/movies", Some(&access), &movie)
        .fails_with(401, "invalid_access_token");
    assert_eq!(home.history(ANN)[0]["kind"], "password_set");
    assert_eq!(home.history(ANN)[0]["detail"], "imported");
    assert!(server.inbox().messages().is_empty(), "nobody is mailed");
    // Again, it is there already. Of several lines the last one holds.
    let lines = |passwords: [&str; 3]| {
        let lines = passwords.map(|password| {
            json!({"email": ANN, "password_hash": hash(password, bcrypt::Version::TwoB)})
                .to_string()
        });
        lines.join("\n")
    };
    let text = lines([NEW_PASSWORD, "something else", PASSWORD]);
    let output = import(&home, "b.jsonl", text, &["--update"]).ok();
    assert_eq!(counts(&output), [0, 3, 0, 0]);
    server.access_token(ANN, PASSWORD);
    let text = lines([PASSWORD, PASSWORD, PASSWORD]);
    let output = import(&home, "b.jsonl", text, &["--update"]).ok();
    assert_eq!(counts(&output), [0, 0, 3, 0]);
}

fn a_dry_run_changes_nothing(home: Home) {
    home.create_account(ANN, PASSWORD);
    let before = home.stored_values();
    let text = format!(
        "email,password\n{ANN},{NEW_PASSWORD}\n{BOB},{PASSWORD}\n{BOB},{PASSWORD}\n{CID},short\n"
    );
    for (options, expected) in [
        (["--dry-run"].as_slice(), [1, 0, 2, 1]),
        (&["--dry-run", "--update"], [1, 2, 0, 1]),
    ] {
        let output = import(&home, "a.csv", &text, options).exits(1);
        assert_eq!(counts(&output), expected);
        assert!(output.stdout.contains("\"dry_run\":true"));
    }
    assert_eq!(home.stored_values(), before);
}

fn each_wrong_line_is_named_and_the_others_are_taken(home: Home) {
    let long = "x".repeat(1_000_000);
    let hash_of_cost = |cost: &str| hash(PASSWORD, bcrypt::Version::TwoB).replace("$04$", cost);
    let cases = [
        ("ann example.com,secret,".to_owned(), "invalid_email"),
        ("\"ann,b@example.com\",secret,".to_owned(), "invalid_email"),
        ("😀@example.com,secret,".to_owned(), "invalid_email"),
        ("a\0b@example.com,secret,".to_owned(), "invalid_email"),
        (
            "\"ann@example.com, eve@example.com\",secret,".to_owned(),
            "invalid_email",
        ),
        (format!("{BOB},short,"), "weak_password"),
        (format!("{BOB},nul \0 within it,"), "weak_password"),
        (format!("{BOB},{},", "x7".repeat(37)), "weak_password"),
        (format!("{BOB},,"), "bad_line"),
        (",secret,".to_owned(), "bad_line"),
        (format!("{BOB},secret"), "bad_line"),
        (format!("{BOB},secret, and, more"), "bad_line"),
        (format!("{BOB},secret,{}", hash_of_cost("$04$")), "bad_line"),
        (format!("{BOB},{},", hash_of_cost("$04$")), "bad_line"),
        (format!("{BOB},{long},"), "bad_line"),
        (format!("{BOB},,secret"), "foreign_hash"),
        (format!("{BOB},,{}", hash_of_cost("$03$")), "foreign_hash"),
        (format!("{BOB},,{}", hash_of_cost("$17$")), "foreign_hash"),
        (format!("{BOB},,{}", hash_of_cost("$31$")), "foreign_hash"),
        (
            format!("{BOB},,pbkdf2_sha256$600000$salt$c2VjcmV0"),
            "foreign_hash",
        ),
        (
            format!("{BOB},,$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$c2VjcmV0"),
            "bad_line",
        ),
        (
            format!("{BOB},,\"$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$c2VjcmV0\""),
            "foreign_hash",
        ),
        // The columns are swapped.
        (format!("a secret,{BOB},"), "invalid_email"),
        (format!("{BOB},\"{PASSWORD},"), "bad_line"),
    ];
    let mut text = format!("email,password,password_hash\n{ANN},{PASSWORD},\n");
    for (line, _) in &cases {
        text += &format!("{line}\n");
    }
    let mut expected: Vec<(u64, &str)> = Vec::new();
    for (number, (_, code)) in (3..).zip(&cases) {
        expected.push((number, code));
    }
    let output = import(&home, "a.csv", &text, &[]).exits(1);
    assert!(
        output.stderr.starts_with("Created database ") && output.stderr.lines().count() == 1,
        "{}",
        output.stderr
    );
    assert_eq!(counts(&output), [1, 0, 0, cases.len() as u64]);
    let mut told: Vec<(u64, String)> = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|document| document.get("line").is_some())
        .map(|document| {
            let error = &document["error"];
            assert!(error["message"].is_string() && error.get("hint").is_some());
            let code = error["code"].as_str().unwrap().to_owned();
            (document["line"].as_u64().unwrap(), code)
        })
        .collect();
    told.sort();
    let told: Vec<(u64, &str)> = told.iter().map(|(line, code)| (*line, &**code)).collect();
    assert_eq!(told, expected);
    // For people the same, and by none of them what may be a password.
    let output = home.run(&["user", "import", "a.csv"]).exits(1);
    for (line, _) in &expected {
        assert!(output.stderr.contains(&format!("line {line}: ")), "{line}");
    }
    assert!(output.stderr.contains("PBKDF2") && output.stderr.contains("Argon2id"));
    for secret in ["secret", "c2VjcmV0", "short,", "x7x7", PASSWORD] {
        let said = output.stderr.clone() + &output.stdout;
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    assert_eq!(addresses(&home), [ANN]);
}

fn a_wrong_file_ends_it_before_anything_is_done(home: Home) {
    for (name, text, exit, named) in [
        ("a.csv", "", 2, "empty"),
        (
            "a.csv",
            "ann@example.com,correct horse battery\n",
            2,
            "does not name the columns",
        ),
        ("a.csv", "email;password\n", 2, "';'"),
        ("a.csv", "email,pasword\n", 2, "did you mean password?"),
        ("a.csv", "email,password,email\n", 2, "twice"),
        (
            "a.csv",
            "email\n",
            2,
            "a column password or password_hash is missing",
        ),
        ("a.txt", "email,password\n", 2, "extension"),
        ("a.json", "{}", 2, "extension"),
        ("nowhere/a.csv", "", 1, "cannot read nowhere/a.csv"),
    ] {
        if !name.contains('/') {
            home.write(name, text);
        }
        let output = home.run(&["user", "import", name]).exits(exit);
        assert!(output.stdout.is_empty(), "{output:?}");
        assert!(output.stderr.contains(named), "{text}: {output:?}");
        assert!(output.stderr.contains("hint:"), "{output:?}");
        assert!(!output.stderr.contains("horse"), "{output:?}");
        let json = home
            .run(&["--json", "user", "import", name])
            .exits(exit)
            .json();
        assert!(json["error"]["hint"].is_string(), "{json}");
    }
    // A header alone is a file without accounts.
    let output = import(&home, "a.csv", "email,password\n", &[]).ok();
    assert_eq!(counts(&output), [0; 4]);
    assert_eq!(counts(&import(&home, "a.jsonl", "", &[]).ok()), [0; 4]);
    assert!(addresses(&home).is_empty());
}

fn an_export_comes_back_as_the_same_accounts(home: Home) {
    home.create_account(ANN, PASSWORD);
    home.create_account("=o'brien+x@xn--mnchen-3ya.example", NEW_PASSWORD);
    home.create_account("bücher@example.com", NEW_PASSWORD);
    // More than one page of them where that is quick.
    let count = fitting(&home, 1_100);
    let all = count as u64 + 3;
    import(&home, "many.csv", many(count), &[]).ok();
    let accounts = |home: &Home| {
        let exported = home.run(&["--json", "user", "export"]).ok().stdout;
        let mut lines: Vec<String> = exported.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let expected = accounts(&home);
    assert_eq!(expected.len() as u64, all);
    for name in ["all.csv", "all.jsonl"] {
        let written = home.run(&["--json", "user", "export", name]).ok().json();
        assert_eq!(written, json!({"file": name, "accounts": all}));
        let path = home.path().join(name);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        // What is there is not written over.
        home.run(&["user", "export", name]).exits(6);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

        let other = another(&home);
        other.write(name, &text);
        let arguments = ["--json", "user", "import", name];
        assert_eq!(counts(&other.run(&arguments).ok()), [all, 0, 0, 0]);
        assert_eq!(accounts(&other), expected);
        let again = other
            .run(&["--json", "user", "import", name, "--update"])
            .ok();
        assert_eq!(counts(&again), [0, 0, all, 0]);
        other.serve_alone(&[]).access_token(ANN, PASSWORD);
    }
    let names = std::fs::read_dir(home.path()).unwrap();
    let names = names.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert!(names.into_iter().all(|name| !name.contains(".part")));
    home.run(&["user", "export", "all.xml"]).exits(2);
    home.run(&["user", "export", "nowhere/all.csv"]).exits(1);
    // Through a pipe, as CSV.
    let piped = home.run(&["user", "export"]).ok();
    assert!(piped.stdout.starts_with("email,password_hash\n"));
    assert!(piped.stderr.is_empty(), "{}", piped.stderr);
    let other = another(&home);
    let arguments = ["--json", "user", "import", "-"];
    let output = other.run_with_input(&arguments, &piped.stdout).ok();
    assert_eq!(counts(&output), [all, 0, 0, 0]);
}

/// An import that waits for more.
struct Fed {
    child: Child,
    input: ChildStdin,
}

impl Fed {
    fn begins(home: &Home) -> Self {
        let mut child = home
            .command(&["user", "import", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        Self { child, input }
    }

    fn gets(&mut self, text: &str) {
        self.input.write_all(text.as_bytes()).unwrap();
        self.input.flush().unwrap();
    }

    fn ends(self) -> Output {
        drop(self.input);
        let output = self.child.wait_with_output().unwrap();
        Output {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
        }
    }
}

fn an_import_that_is_killed_goes_on(home: Home) {
    let count = fitting(&home, 600);
    let text = many(count);
    let mut fed = Fed::begins(&home);
    fed.gets(&text);
    wait_until("the first account", || !addresses(&home).is_empty());
    fed.child.kill().unwrap();
    fed.ends();
    let left = addresses(&home).len() as u64;
    // On MongoDB, what the killed one was writing is held by its transaction for up to a minute.
    let mut output = import(&home, "all.csv", &text, &[]);
    wait_until("all of it", || {
        if output.code == Some(7) && home.is_on_mongodb() {
            output = import(&home, "all.csv", &text, &[]);
        }
        output.code == Some(0)
    });
    let [created, updated, unchanged, refused] = counts(&output);
    assert!(unchanged >= left, "{unchanged} of {left}");
    assert_eq!(
        (created + unchanged, updated, refused),
        (count as u64, 0, 0)
    );
    let all = addresses(&home);
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (count, count));
    for number in [0, count / 2, count - 1] {
        assert_eq!(home.history(&format!("user{number}@example.com")).len(), 1);
    }
}

fn control_c_says_how_far_it_came(home: Home) {
    let text = many(50);
    let mut fed = Fed::begins(&home);
    fed.gets(&text);
    wait_until("all of them", || addresses(&home).len() == 50);
    // The result of a later line is reported after theirs.
    fed.gets("late@example.com,short\n");
    let mut stderr = BufReader::new(fed.child.stderr.take().unwrap());
    let mut refused = String::new();
    stderr.read_line(&mut refused).unwrap();
    assert!(refused.starts_with("Created database "), "{refused}");
    refused.clear();
    stderr.read_line(&mut refused).unwrap();
    assert!(refused.starts_with("line 52: "), "{refused}");
    let interrupt = std::process::Command::new("kill")
        .args(["-INT", &fed.child.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    let stderr = rest;
    assert_eq!(fed.child.wait().unwrap().code(), Some(130), "{stderr}");
    assert!(
        stderr.contains("all lines up to 52 are imported"),
        "{stderr}"
    );
    assert!(stderr.contains("run the same import again"), "{stderr}");
    let output = import(&home, "all.csv", many(60), &[]).ok();
    assert_eq!(counts(&output), [10, 0, 50, 0]);
}

fn two_imports_at_once_make_each_account_once(home: Home) {
    let count = fitting(&home, 300);
    home.write("all.csv", many(count));
    let arguments = ["--json", "user", "import", "all.csv"];
    let outputs = std::thread::scope(|scope| {
        let running = [(), ()].map(|()| scope.spawn(|| home.run(&arguments)));
        running.map(|running| running.join().unwrap().ok())
    });
    let [first, second] = outputs.each_ref().map(counts);
    assert_eq!(first[0] + second[0], count as u64, "{first:?} {second:?}");
    assert_eq!(first[2] + second[2], count as u64, "{first:?} {second:?}");
    assert_eq!(addresses(&home).len(), count);
}

fn a_list_is_searched_and_comes_in_pages(home: Home) {
    let count = fitting(&home, 960);
    import(&home, "many.csv", many(count), &[]).ok();
    home.create_account("Ann%Lee@Example.com", PASSWORD);
    let all = addresses(&home);
    assert_eq!(all.len(), count + 1);
    let list = |options: &[&str]| {
        home.run(&[&["--json", "user", "list"], options].concat())
            .ok()
    };
    for (part, count) in [
        ("ANN", 1),
        ("user11", 11),
        ("user119@", 1),
        ("@EXAMPLE.com", count + 1),
        ("%", 1),
        ("nn%l", 1),
        ("_", 0),
        (".*", 0),
        ("$", 0),
        ("'", 0),
    ] {
        assert_eq!(listed(&list(&["--search", part])).len(), count, "{part}");
    }
    let (mut paged, mut after) = (Vec::new(), None::<String>);
    loop {
        let mut options = vec!["--limit", "50"];
        if let Some(after) = &after {
            options.extend(["--after", after]);
        }
        let output = list(&options);
        let page = listed(&output);
        paged.extend(page.iter().cloned());
        let Some((_, id)) = output.stderr.trim().rsplit_once("--after ") else {
            assert!(page.len() < 50);
            break;
        };
        assert_eq!(page.len(), 50);
        after = Some(id.to_owned());
    }
    assert_eq!(paged, all);
    let limited = list(&["--search", "ann", "--limit", "1"]);
    assert!(limited.stderr.is_empty(), "there are no more: {limited:?}");
    let text = home.run(&["user", "list", "--limit", "2"]).ok();
    assert_eq!(text.stdout.lines().count(), 3, "{}", text.stdout);
    assert!(text.stderr.contains("--after "), "{}", text.stderr);
    home.run(&["user", "list", "--limit", "0"]).exits(2);
    home.run(&["user", "list", "--after", "nonsense"]).exits(2);
    let none = home.run(&["user", "list", "--search", "nobody"]).ok();
    assert!(none.stdout.is_empty() && none.stderr.contains("No matching"));
}

#[test]
fn a_long_file_takes_no_more_memory_than_a_short_one() {
    let home = Home::fresh();
    let mut fed = Fed::begins(&home);
    let pid = fed.child.id();
    // The most it has taken at any time, in KiB.
    let taken = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        line.unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap()
            .parse()
            .unwrap()
    };
    let text = many(20_000);
    let (first, rest) = text.split_at(text.find("user1000@").unwrap());
    fed.gets(first);
    wait_until("the first ones", || addresses(&home).len() == 1_000);
    let short = taken();
    fed.gets(rest);
    wait_until("all of them", || addresses(&home).len() == 20_000);
    let long = taken();
    assert_eq!(fed.ends().ok().stdout.lines().count(), 1);
    assert!(long < short + 6 * 1024, "{short} KiB, then {long} KiB");
}

#[test]
fn a_database_that_another_program_holds_ends_it_with_7() {
    let home = Home::fresh();
    import(&home, "a.csv", many(10), &[]).ok();
    let other = home.database();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    home.write("all.csv", many(400));
    let output = home.run(&["user", "import", "all.csv"]).exits(7);
    assert!(
        output.stderr.contains("all lines up to 11 are imported"),
        "{output:?}"
    );
    assert!(
        output.stderr.contains("run the same import again"),
        "{output:?}"
    );
    let error = home.run(&["--json", "user", "import", "all.csv"]).exits(7);
    assert_eq!(error.json()["error"]["code"], "unavailable");
    drop(other);
    let output = home.run(&["--json", "user", "import", "all.csv"]).ok();
    assert_eq!(counts(&output), [390, 0, 10, 0]);
}

#[test]
fn a_database_server_that_goes_away_ends_it_with_7() {
    let Some(mut server) = MongoServer::start(Topology::Standalone, &[]) else {
        return;
    };
    let home = Home::fresh()
        .on_database(&format!("{}/movies", server.uri()))
        .with("MOVIE_BAG_DATABASE_TIMEOUT", "3s");
    let mut fed = Fed::begins(&home);
    let text = many(40);
    let (first, rest) = text.split_at(text.find("user20@").unwrap());
    fed.gets(first);
    wait_until("the first ones", || addresses(&home).len() == 20);
    server.kill();
    fed.gets(rest);
    let output = fed.ends().exits(7);
    assert!(
        output.stderr.contains("all lines up to 21 are imported"),
        "{output:?}"
    );
    assert!(
        output.stderr.contains("run the same import again"),
        "{output:?}"
    );
    server.restart();
    assert_eq!(
        counts(&import(&home, "all.csv", text, &[]).ok()),
        [20, 0, 20, 0]
    );
}
