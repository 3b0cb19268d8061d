//! The database of a command: none is created by accident, and a command warns if the running server uses another one.

use std::path::Path;

use serde_json::json;

use movie_bag_testkit::mongodb::{blocking, structure};
use movie_bag_testkit::{Home, PASSWORD};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";

movie_bag_testkit::on_every_database! {
    a_command_that_changes_something_creates_no_database,
    the_command_that_creates_a_database_reports_it,
    a_command_that_is_certain_to_fail_creates_no_database,
    an_unknown_account_is_named_with_its_database,
}

/// Lists everything that exists at the location of the home's database.
fn traces(home: &Home) -> Vec<String> {
    match home.mongodb_uri() {
        Some(uri) => structure(uri),
        None => {
            let files = std::fs::read_dir(home.data_dir());
            let files = files.into_iter().flatten();
            files
                .map(|file| file.unwrap().path().display().to_string())
                .collect()
        }
    }
}

/// Returns the name of the home's database in messages.
fn named(home: &Home) -> String {
    match home.mongodb_uri() {
        Some(uri) => {
            let place = uri.split('?').next().unwrap();
            format!("{place} (MOVIE_BAG_DATABASE from environment)")
        }
        None => format!(
            "sqlite:{} (MOVIE_BAG_DATA_DIR from environment)",
            home.data_dir().join("movie-bag.sqlite3").display()
        ),
    }
}

pub fn reading_creates_no_database(home: Home) {
    home.write(
        "accounts.csv",
        format!("email,password\n{ANN},{PASSWORD}\n"),
    );
    let readers: &[&[&str]] = &[
        &["user", "list"],
        &["user", "list", "--search", "ann"],
        &["user", "show", "--email", ANN],
        &["user", "export"],
        &["user", "export", "out.csv"],
        &["user", "import", "accounts.csv", "--dry-run"],
        &["outbox", "list"],
        &["copy", "--to", "sqlite:copy.sqlite3"],
    ];
    for arguments in readers {
        let output = home.run(arguments).exits(7);
        let message = format!("error: no database at {}", named(&home));
        assert!(
            output.stderr.contains(&message) && output.stderr.contains("--env-file"),
            "{arguments:?}: {}",
            output.stderr
        );
        assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
        let document = home.run(&[arguments, &["--json"][..]].concat()).exits(7);
        assert_eq!(document.json()["error"]["code"], "no_database");
    }
    let checked = home.run(&["check", "--json"]).json();
    let checks = checked["checks"].as_array().unwrap();
    assert!(
        checks.iter().any(|check| check["name"] == "database"),
        "{checked}"
    );
    assert_eq!(traces(&home), Vec::<String>::new());
    for file in ["out.csv", "copy.sqlite3"] {
        assert!(!home.path().join(file).exists(), "{file}");
    }
    if let Some(uri) = home.mongodb_uri() {
        an_account_of_another_program_is_read_without_changes(&home, uri);
    } else {
        // An empty file is no database either, and stays unchanged.
        std::fs::create_dir(home.data_dir()).unwrap();
        let empty = home.data_dir().join("movie-bag.sqlite3");
        std::fs::write(&empty, "").unwrap();
        home.run(&["user", "list"]).exits(7);
        assert_eq!(empty.metadata().unwrap().len(), 0);
        assert_eq!(traces(&home).len(), 1);
    }
}

fn an_account_of_another_program_is_read_without_changes(home: &Home, uri: &str) {
    use ::mongodb::bson::{Document, doc};

    blocking(async {
        let client = ::mongodb::Client::with_uri_str(uri).await.unwrap();
        let users = client
            .default_database()
            .unwrap()
            .collection::<Document>("user");
        let hash = "$2b$12$abcdefghijklmnopqrstuuJ1Uo1vGqS3cQ4Yp4nJ8mQv8kO9rYz1u";
        let user = doc! { "email": "Ann@Example.com", "password": hash, "movies": [] };
        users.insert_one(user).await.unwrap();
    });
    let before = structure(uri);
    for arguments in [
        &["user", "list"][..],
        &["user", "show", "--email", ANN],
        &["user", "export"],
        &["outbox", "list"],
    ] {
        let output = home.run(arguments).ok();
        let is_of_accounts = arguments[0] == "user";
        assert_eq!(
            output.stdout.contains("Ann@Example.com"),
            is_of_accounts,
            "{output:?}"
        );
    }
    assert_eq!(structure(uri), before);
    // A command that changes something needs the indexes, above all the unique one on the address.
    let change = ["user", "set-email", "--email", ANN, "--to", BOB];
    home.run(&change).ok();
    assert_ne!(structure(uri), before);
}

fn a_command_that_changes_something_creates_no_database(home: Home) {
    let id = "6b04933dbb18cc05d63b86dd";
    let commands: &[(&[&str], i32, &str)] = &[
        (&["forgot", "--email", ANN], 3, "email_does_not_exist"),
        (&["forgot", "--email", "nonsense"], 2, "invalid_email"),
        (
            &["reset", "--token", "nonsense", "--password-stdin"],
            4,
            "bad_token",
        ),
        (
            &["user", "set-password", "--email", ANN, "--password-stdin"],
            3,
            "email_does_not_exist",
        ),
        (
            &[
                "user",
                "set-email",
                "--email",
                ANN,
                "--to",
                "ann@example.org",
            ],
            3,
            "email_does_not_exist",
        ),
        (
            &["user", "revoke", "--email", ANN],
            3,
            "email_does_not_exist",
        ),
        (
            &["user", "disable", ANN, "--yes"],
            3,
            "email_does_not_exist",
        ),
        (&["user", "enable", ANN], 3, "email_does_not_exist"),
        (
            &["user", "delete", "--email", ANN, "--yes"],
            3,
            "email_does_not_exist",
        ),
        (&["outbox", "flush"], 7, "no_database"),
        (&["outbox", "retry", "--all"], 7, "no_database"),
        (&["outbox", "retry", id], 3, "no_such_mail"),
        (&["outbox", "drop", id], 3, "no_such_mail"),
    ];
    for (arguments, code, name) in commands {
        let input = format!("{PASSWORD}\n");
        let output = home.run_with_input(arguments, &input).exits(*code);
        let is_about_database = *code != 2;
        let message = format!("no database at {}", named(&home));
        assert_eq!(
            output.stderr.contains(&message),
            is_about_database,
            "{arguments:?}: {}",
            output.stderr
        );
        let arguments = [&["--json"], *arguments].concat();
        let output = home.run_with_input(&arguments, &input).exits(*code);
        assert_eq!(output.json()["error"]["code"], *name, "{arguments:?}");
    }
    assert_eq!(traces(&home), Vec::<String>::new());
}

fn the_command_that_creates_a_database_reports_it(home: Home) {
    let create = |email: &str| {
        let arguments = ["user", "create", "--email", email, "--generate", "--json"];
        home.run(&arguments).ok()
    };
    let first = create(ANN);
    assert_eq!(
        first.stderr,
        format!("Created database {}.\n", named(&home))
    );
    assert_eq!(first.json()["email"], ANN);
    assert_eq!(create(BOB).stderr, "");
}

fn a_command_that_is_certain_to_fail_creates_no_database(home: Home) {
    for arguments in [
        &["user", "create", "--email", "nonsense", "--generate"][..],
        &["user", "create", "--email", ANN],
    ] {
        let output = home.run(arguments).exits(2);
        assert!(!output.stderr.contains("Created"), "{output:?}");
    }
    assert_eq!(traces(&home), Vec::<String>::new());
}

fn an_unknown_account_is_named_with_its_database(home: Home) {
    const UNKNOWN: &str = "unknown@example.org";
    home.create_account(ANN, PASSWORD);
    for arguments in [
        &["user", "show", "--email", UNKNOWN][..],
        &["user", "revoke", "--email", UNKNOWN],
        &["user", "delete", "--email", UNKNOWN, "--yes"],
        &["forgot", "--email", UNKNOWN],
        &["forgot", "--email", UNKNOWN, "--print-link"],
    ] {
        let output = home.run(arguments).exits(3);
        assert_eq!(
            output.stderr,
            format!(
                "error: no account for {UNKNOWN}\nhint: run \"movie-bag user list\" to see all accounts in {}\n",
                named(&home)
            ),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_command_warns_if_the_running_server_uses_another_database() {
    let home = Home::fresh();
    let server = home.serve_alone(&[]);
    server.sign_up(ANN, PASSWORD);
    let list = |home: &Home, more: &[&str], folder: &Path| {
        let mut command = home.command(&[&["user", "list"], more].concat());
        command.current_dir(folder);
        movie_bag_testkit::Output::run(command, "")
    };
    let own = home.data_dir().join("movie-bag.sqlite3");
    assert_eq!(list(&home, &[], home.path()).ok().stderr, "");

    // A command of the same person in a folder with other settings.
    let other = home.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(
        other.join(".env"),
        "MOVIE_BAG_DATABASE = sqlite:other.sqlite3\n",
    )
    .unwrap();
    let warned = list(&home, &[], &other).exits(7).stderr;
    let warning = format!(
        "warning: this command uses sqlite:{} (MOVIE_BAG_DATABASE from .env:1), but the server on 127.0.0.1:",
        other.join("other.sqlite3").display()
    );
    assert!(
        warned.starts_with(&warning)
            && warned.contains(&format!(" uses sqlite:{}\n", own.display())),
        "{warned}"
    );
    // The same database by another path, and a database named on the command line.
    let same = other.join("../data/movie-bag.sqlite3");
    let same = format!("MOVIE_BAG_DATABASE = sqlite:{}\n", same.display());
    std::fs::write(other.join(".env"), same).unwrap();
    assert_eq!(list(&home, &[], &other).ok().stderr, "");
    let named = list(&home, &["--database", "sqlite:none"], &other).exits(7);
    assert!(!named.stderr.contains("warning"), "{}", named.stderr);

    // A killed server is not a running one.
    server.kill();
    std::fs::write(
        other.join(".env"),
        "MOVIE_BAG_DATABASE = sqlite:other.sqlite3\n",
    )
    .unwrap();
    let warned = list(&home, &[], &other).exits(7).stderr;
    assert!(!warned.contains("warning"), "{warned}");
    home.serve_alone(&[]).stop();
    let records = home.path().join(".local/state/movie-bag/servers");
    assert_eq!(std::fs::read_dir(records).unwrap().count(), 0);
}

#[test]
fn a_waiting_invitation_exits_7_and_the_hint_fits_the_profile() {
    let home = Home::fresh()
        .with("MAIL_PORT", "1")
        .with("JWT_SECRET_KEY", "Zk3vQ9tLr8Xw2Yb7Nc5Md1Pf6Hg4Js0aUeIoRiTy");
    let invite = |home: &Home, email: &str| {
        home.run(&["user", "create", "--email", email, "--invite"])
            .exits(7)
    };
    let queued = invite(&home, ANN);
    assert!(
        queued
            .stdout
            .starts_with(&format!("Created account {ANN} ("))
            && queued.stdout.ends_with(") and queued the invitation.\n"),
        "{queued:?}"
    );
    assert!(
        queued.stderr.contains(
            "error: cannot deliver the invitation yet, it stays queued: cannot connect to mail server localhost:1: connection refused\nhint: start \"movie-bag smtp-debug\" or set MAIL_SERVER\n"
        ),
        "{queued:?}"
    );
    let home = home
        .with("MOVIE_BAG_PROFILE", "production")
        .with("MOVIE_BAG_BCRYPT_COST", "10")
        .with("MOVIE_BAG_PUBLIC_URL", "https://movies.example");
    for output in [
        invite(&home, "bob@example.com"),
        home.run(&["forgot", "--email", ANN]).exits(7),
        home.run(&["outbox", "flush"]).exits(7),
        home.run(&["check"]).exits(1),
    ] {
        let all = output.stdout + &output.stderr;
        assert!(
            all.contains("start the mail server on this machine, or set MAIL_SERVER and MAIL_PORT")
                && !all.contains("smtp-debug"),
            "{all}"
        );
    }
    let states: Vec<_> = home
        .outbox()
        .into_iter()
        .map(|mail| mail["state"].clone())
        .collect();
    assert_eq!(states, vec![json!("waiting"); 3]);
}
