//! Settings: the env file of the API contract, precedence, and error messages.

use std::os::unix::fs::PermissionsExt as _;

use movie_bag_testkit::{Home, Output, PASSWORD};

const CONTRACT: &str = "JWT_SECRET_KEY = 't1NP63m4wnBg6nyHYKfmc2TpCOGI4nss'
MAIL_SERVER = \"localhost\"
MAIL_PORT = \"1025\"
MAIL_USERNAME = \"support@movie-bag.com\"
MAIL_PASSWORD = \"\"
";

/// Returns the value and the source of a setting, as reported by `check --json`.
fn setting(home: &Home, arguments: &[&str], key: &str) -> (String, String) {
    let output = home.run(&[&["check", "--json"], arguments].concat());
    let settings = output.json()["settings"].as_array().unwrap().clone();
    let setting = settings
        .iter()
        .find(|setting| setting["key"] == key)
        .unwrap();
    (
        setting["value"].as_str().unwrap().to_owned(),
        setting["source"].as_str().unwrap().to_owned(),
    )
}

#[test]
fn the_env_file_of_the_contract_works_unchanged() {
    let home = Home::fresh();
    home.write(".env", CONTRACT);
    assert_eq!(
        setting(&home, &[], "MAIL_PORT"),
        ("1025".to_owned(), ".env:3".to_owned())
    );
    let (secret, source) = setting(&home, &[], "JWT_SECRET_KEY");
    assert!(
        source == ".env:1" && !secret.contains("t1NP63"),
        "{secret} from {source}"
    );
    // This secret is published, so that there is a warning.
    home.create_account("ann@example.com", PASSWORD);
    let output = home.run(&["user", "list"]).ok();
    assert!(
        output.stderr.contains("JWT_SECRET_KEY"),
        "{}",
        output.stderr
    );
}

#[test]
fn precedence_is_option_environment_env_file_default() {
    let home = Home::fresh();
    assert_eq!(setting(&home, &[], "MAIL_PORT").0, "1025");
    home.write(".env", "MAIL_PORT = 1026\n");
    assert_eq!(setting(&home, &[], "MAIL_PORT").0, "1026");
    let elsewhere = home
        .write("elsewhere.env", "MAIL_PORT=1028\n")
        .display()
        .to_string();
    assert_eq!(
        setting(&home, &["--env-file", &elsewhere], "MAIL_PORT").0,
        "1028"
    );
    let home = home.with("ENV_FILE_LOCATION", &elsewhere);
    assert_eq!(setting(&home, &[], "MAIL_PORT").0, "1028");
    let home = home.with("MAIL_PORT", "1027");
    assert_eq!(setting(&home, &[], "MAIL_PORT").0, "1027");
    let home = home.with(
        "MOVIE_BAG_DATABASE",
        format!("sqlite:{}/b.sqlite3", home_path(&elsewhere)),
    );
    let flag = format!("sqlite:{}/c.sqlite3", home_path(&elsewhere));
    assert!(
        setting(&home, &["--database", &flag], "MOVIE_BAG_DATABASE")
            .0
            .ends_with("c.sqlite3")
    );
}

fn home_path(file: &str) -> &str {
    file.rsplit_once('/').unwrap().0
}

#[test]
fn an_invalid_line_is_reported_with_file_line_and_fix() {
    for (text, parts) in [
        (
            "# a comment\nMAIL_PORT: 1025\n",
            vec![".env", "2", "MAIL_PORT = "],
        ),
        ("just words\n", vec![".env", "1"]),
        ("MAIL_PORT = \"1025\n", vec![".env", "1"]),
        ("MAIL_PORT = port\n", vec!["MAIL_PORT", ".env:1", "port"]),
        (
            "MOVIE_BAG_RESET_TOKEN_LIFETIME = 8d\n",
            vec!["MOVIE_BAG_RESET_TOKEN_LIFETIME", "7d"],
        ),
        (
            "\nMAIL_SERVER = mail.test:25\n",
            vec![
                "invalid MAIL_SERVER \"mail.test:25\" (.env:2): the port belongs in MAIL_PORT: write MAIL_SERVER = mail.test and MAIL_PORT = 25",
            ],
        ),
        (
            "MAIL_DEFAULT_SENDER = Movie-bag, Inc. <support@movie-bag.com>\n",
            vec![
                "(.env:1): put the name in quotes: write MAIL_DEFAULT_SENDER = '\"Movie-bag, Inc.\" <support@movie-bag.com>'",
            ],
        ),
        (
            "MAIL_SERVER = [::1]\nMAIL_DEFAULT_SENDER = '\"Movie-bag, Inc.\" <support@movie-bag.com>'\nMOVIE_BAG_BCRYPT_COST = 3\n",
            vec![],
        ),
        ("JWT_SECRET_KEY = tooshort\n", vec!["JWT_SECRET_KEY", "32"]),
        ("MOVIE_BAG_BCRYPT_COST = 3\n", vec![]),
    ] {
        let home = Home::fresh();
        home.create_account("ann@example.com", PASSWORD);
        home.write(".env", text);
        // The environment of the harness sets the cost, and takes precedence.
        let code = if parts.is_empty() { 0 } else { 2 };
        let output = home.run(&["user", "list"]).exits(code);
        for word in parts {
            assert!(
                output.stderr.contains(word),
                "{text:?} should say {word}: {}",
                output.stderr
            );
        }
        assert!(!output.stderr.contains("tooshort"), "{}", output.stderr);
    }
}

pub fn a_broken_template_stops_every_command_with_its_name_and_line(home: Home) {
    std::fs::create_dir_all(home.path().join("own/email")).unwrap();
    let folder = home.path().join("own").display().to_string();
    let home = home.with("MOVIE_BAG_TEMPLATES", folder);
    for (text, place) in [("<p>\n{% if %}</p>", ":2:"), ("\n\n{{ nope }}", ":3:")] {
        home.write("own/email/reset_password.html", text);
        let output = home.run(&["user", "list"]).exits(2);
        assert!(
            output.stderr.contains("email/reset_password.html") && output.stderr.contains(place),
            "{}",
            output.stderr
        );
    }
    let output = home
        .with("MOVIE_BAG_TEMPLATES", "nowhere")
        .run(&["user", "list"])
        .exits(2);
    assert!(output.stderr.contains("nowhere"), "{}", output.stderr);
}

#[test]
fn an_invalid_setting_is_reported_before_anything_is_sent() {
    for (key, value, part) in [
        ("MAIL_DEFAULT_SENDER", "foo@", "MAIL_DEFAULT_SENDER"),
        ("MOVIE_BAG_DATABASE", "sqlite::memory:", "name a file"),
        ("MOVIE_BAG_DATABASE", "mongo://admin:hunter2@db/x", "…@db/x"),
    ] {
        let output = Home::fresh()
            .with(key, value)
            .run(&["user", "list"])
            .exits(2);
        assert!(output.stderr.contains(part), "{}", output.stderr);
        assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
    }
    let mistyped = Home::fresh()
        .with("MOVIE_BAG_PROFILE", "production")
        .with("MOVIE_BAG_PUBLC_URL", "https://movies.example");
    let output = mistyped.run(&["user", "list"]).exits(2);
    assert!(
        output.stderr.contains("did you mean MOVIE_BAG_PUBLIC_URL"),
        "{}",
        output.stderr
    );
}

pub fn production_refuses_guessable_current_and_previous_secrets(home: Home) {
    home.create_account("ann@example.com", PASSWORD);
    let home = home
        .with("MOVIE_BAG_PROFILE", "production")
        .with("MOVIE_BAG_BCRYPT_COST", "10")
        .with("MOVIE_BAG_PUBLIC_URL", "https://movies.example");
    let list_with = |current: &str, previous: &str| {
        let mut command = home.command(&["user", "list"]);
        command
            .env("JWT_SECRET_KEY", current)
            .env("JWT_SECRET_KEY_PREVIOUS", previous);
        Output::run(command, "")
    };
    let good = "Zk3vQ9tLr8Xw2Yb7Nc5Md1Pf6Hg4Js0aUeIoRiTy";
    let published = "t1NP63m4wnBg6nyHYKfmc2TpCOGI4nss";
    list_with(good, "").ok();
    for (current, previous, named) in [
        (published, good, "JWT_SECRET_KEY is the published one"),
        (
            good,
            published,
            "JWT_SECRET_KEY_PREVIOUS is the published one",
        ),
        (&"a".repeat(36), good, "JWT_SECRET_KEY is easily guessed"),
    ] {
        let output = list_with(current, previous).exits(2);
        assert!(output.stderr.contains(named), "{}", output.stderr);
    }
}

#[test]
fn an_empty_variable_overrides_the_env_file() {
    let home = Home::fresh().with("MAIL_SERVER", "");
    home.write(".env", "MAIL_SERVER = mail.example\n");
    assert_eq!(setting(&home, &[], "MAIL_SERVER").0, "localhost");
}

#[test]
fn a_misspelt_setting_is_reported_with_the_nearest_name() {
    let home = Home::fresh().with("MOVIE_BAG_DATABSE", "sqlite:x");
    home.create_account("ann@example.com", PASSWORD);
    home.write(".env", "MAIL_SERVR = localhost\n");
    let output = home.run(&["user", "list"]).ok();
    for word in [
        "MAIL_SERVR",
        "MAIL_SERVER",
        "MOVIE_BAG_DATABSE",
        "MOVIE_BAG_DATABASE",
    ] {
        assert!(output.stderr.contains(word), "{}", output.stderr);
    }
}

#[test]
fn production_refuses_to_start_and_names_all_missing_settings() {
    let home = Home::fresh()
        .with("MOVIE_BAG_PROFILE", "production")
        .with("MOVIE_BAG_BCRYPT_COST", "12");
    let output = home.run(&["serve"]).exits(2);
    assert!(
        output.stderr.contains("MOVIE_BAG_PUBLIC_URL") && output.stderr.contains("JWT_SECRET_KEY"),
        "{}",
        output.stderr
    );
    home.write(".env", CONTRACT);
    let home = home.with("MOVIE_BAG_PUBLIC_URL", "http://movies.example");
    let output = home.run(&["serve"]).exits(2);
    assert!(
        output.stderr.contains("https") && output.stderr.contains("published"),
        "{}",
        output.stderr
    );
}

pub fn stored_files_are_readable_only_by_their_owner(home: Home) {
    let _server = home.serve(&[]);
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert!(home.is_on_mongodb() || mode(&home.data_dir()) == 0o700);
    for file in home.files() {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}
