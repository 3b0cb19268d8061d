//! `user import`, `user export`, and `user list`.

mod interruption;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use movie_bag_testkit::{Home, NEW_PASSWORD, Output, PASSWORD};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const CID: &str = "cid@example.com";

movie_bag_testkit::on_every_database! {
    accounts_are_imported_with_passwords_or_foreign_hashes,
    existing_accounts_are_unchanged_or_updated,
    a_dry_run_changes_nothing,
    invalid_lines_are_reported_and_the_others_imported,
    an_invalid_file_is_refused_before_any_change,
    an_export_can_be_imported_as_the_same_accounts,
    two_concurrent_imports_create_each_account_once,
    a_list_can_be_searched_and_paged,
}

fn hash(password: &str, version: bcrypt::Version) -> String {
    let hash = bcrypt::hash_with_salt(password, 4, *b"sixteen of salt!").unwrap();
    hash.format_for_version(version)
}

/// Returns `sqlite` on SQLite, and an eighth of it on the database server of the tests, which all tests share and which is slow.
fn account_count(home: &Home, sqlite: usize) -> usize {
    if home.is_on_mongodb() {
        sqlite / 8
    } else {
        sqlite
    }
}

/// Returns a CSV file of accounts that have the same hash.
fn make_csv(count: usize) -> String {
    let hash = hash(PASSWORD, bcrypt::Version::TwoY);
    let lines = (0..count).map(|number| format!("user{number}@example.com,{hash}\n"));
    format!("email,password_hash\n{}", lines.collect::<String>())
}

fn import(home: &Home, name: &str, text: impl AsRef<[u8]>, options: &[&str]) -> Output {
    home.write(name, text);
    home.run(&[&["--json", "user", "import", name], options].concat())
}

/// Returns the counts in the last document: created, updated, unchanged, refused.
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

/// Returns a home with a second database of the same kind.
fn second_home(home: &Home) -> Home {
    if home.is_on_mongodb() {
        Home::on_mongodb().unwrap()
    } else {
        Home::fresh()
    }
}

fn accounts_are_imported_with_passwords_or_foreign_hashes(home: Home) {
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
    assert!(server.inbox().messages().is_empty(), "no mail is sent");
    assert!(home.outbox().is_empty());
}

fn existing_accounts_are_unchanged_or_updated(home: Home) {
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
    // An equal password is no change, and ends no session.
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
    assert!(server.inbox().messages().is_empty(), "no mail is sent");
    // A second import has no effect. Of several lines for one account, the last one takes effect.
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

fn invalid_lines_are_reported_and_the_others_imported(home: Home) {
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
    let mut reported: Vec<(u64, String)> = output
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
    reported.sort();
    let reported: Vec<(u64, &str)> = reported
        .iter()
        .map(|(line, code)| (*line, &**code))
        .collect();
    assert_eq!(reported, expected);
    // The text output names the same lines. Neither output contains anything that may be a password.
    let output = home.run(&["user", "import", "a.csv"]).exits(1);
    for (line, _) in &expected {
        assert!(output.stderr.contains(&format!("line {line}: ")), "{line}");
    }
    assert!(output.stderr.contains("PBKDF2") && output.stderr.contains("Argon2id"));
    for secret in ["secret", "c2VjcmV0", "short,", "x7x7", PASSWORD] {
        let text = output.stderr.clone() + &output.stdout;
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert_eq!(addresses(&home), [ANN]);
}

fn an_invalid_file_is_refused_before_any_change(home: Home) {
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

fn an_export_can_be_imported_as_the_same_accounts(home: Home) {
    home.create_account(ANN, PASSWORD);
    home.create_account("=o'brien+x@xn--mnchen-3ya.example", NEW_PASSWORD);
    home.create_account("bücher@example.com", NEW_PASSWORD);
    // More than one page of accounts on SQLite, which is fast.
    let count = account_count(&home, 1_100);
    let all = count as u64 + 3;
    import(&home, "many.csv", make_csv(count), &[]).ok();
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
        // An existing file is not overwritten.
        home.run(&["user", "export", name]).exits(6);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);

        let other = second_home(&home);
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
    // Without a file name, the export is CSV on standard output.
    let piped = home.run(&["user", "export"]).ok();
    assert!(piped.stdout.starts_with("email,password_hash\n"));
    assert!(piped.stderr.is_empty(), "{}", piped.stderr);
    let other = second_home(&home);
    let arguments = ["--json", "user", "import", "-"];
    let output = other.run_with_input(&arguments, &piped.stdout).ok();
    assert_eq!(counts(&output), [all, 0, 0, 0]);
}

fn two_concurrent_imports_create_each_account_once(home: Home) {
    let count = account_count(&home, 300);
    home.write("all.csv", make_csv(count));
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

fn a_list_can_be_searched_and_paged(home: Home) {
    let count = account_count(&home, 960);
    import(&home, "many.csv", make_csv(count), &[]).ok();
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
    let none = home.run(&["user", "list", "--search", "unknown"]).ok();
    assert!(none.stdout.is_empty() && none.stderr.contains("No matching"));
}
