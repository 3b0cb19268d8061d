//! `check`: each item in a good and in a bad state. `mail.rs` tests its dialogue with the mail server, `templates.rs` its results
//! for templates, `security/terminal.rs` the option `--deploy`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use ::mongodb::bson::{DateTime, Document, doc};
use ::mongodb::{Client, Collection};
use serde_json::Value;

use movie_bag_testkit::mongodb::blocking;
use movie_bag_testkit::{Home, Output, PASSWORD, now};

const ANN: &str = "ann@example.com";

movie_bag_testkit::on_every_database! {
    a_good_state_is_reported_for_each_item,
    a_missing_index_is_named_and_not_created,
    a_dead_mail_is_a_warning,
    history_in_the_future_is_reported_as_a_wrong_clock,
}

/// Returns a collection of a MongoDB database.
async fn collection(uri: &str, name: &str) -> Collection<Document> {
    let client = Client::with_uri_str(uri).await.unwrap();
    client.default_database().unwrap().collection(name)
}

/// Returns verdict, message and hint of one item.
fn item(answer: &Value, name: &str) -> (String, String, String) {
    let checks = answer["checks"].as_array().unwrap();
    let mut found = checks.iter().filter(|check| check["name"] == name);
    let check = found.next().unwrap_or_else(|| panic!("{name}: {answer}"));
    let text = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
    (text("verdict"), text("message"), text("hint"))
}

fn run_check(home: &Home) -> Value {
    home.run(&["check", "--json"]).json()
}

fn a_good_state_is_reported_for_each_item(home: Home) {
    home.create_account(ANN, PASSWORD);
    let server = home.serve(&[]);
    let home = home
        .with("MAIL_PORT", server.smtp().rsplit_once(':').unwrap().1)
        .with(
            "MOVIE_BAG_PUBLIC_URL",
            format!("http://{}", server.address()),
        );
    let answer = home.run(&["check", "--json"]).ok().json();
    assert_eq!(answer["ok"], true);
    let checks = answer["checks"].as_array().unwrap();
    let verdicts: Vec<_> = checks
        .iter()
        .map(|check| {
            (
                check["name"].as_str().unwrap(),
                check["verdict"].as_str().unwrap(),
            )
        })
        .collect();
    let names = [
        "settings",
        "secret",
        "database",
        "outbox",
        "mail server",
        "public URL",
        "clock",
        "disk",
        "templates",
    ];
    let mut expected: Vec<_> = names.iter().map(|name| (*name, "ok")).collect();
    if home.is_on_mongodb() {
        // Some servers do not report their disk.
        expected
            .retain(|(name, _)| *name != "disk" || verdicts.iter().any(|(found, _)| found == name));
    }
    assert_eq!(verdicts, expected, "{answer}");
    assert!(item(&answer, "database").1.contains("indexes"));
    assert!(
        item(&answer, "clock")
            .1
            .contains(" UTC, in agreement with the ")
    );
    let steps = answer["dialogue"].as_array().unwrap();
    assert_eq!(steps.last().unwrap()["step"], "MAIL");

    let shown = home.run(&["check"]).ok();
    assert!(shown.words().contains(
        "VERDICT CHECK RESULT ok settings all valid; --all lists them with their sources ok secret"
    ));
    assert_eq!(shown.stderr, "");
}

fn a_missing_index_is_named_and_not_created(home: Home) {
    home.create_account(ANN, PASSWORD);
    let is_gone = |home: &Home| match home.mongodb_uri() {
        Some(uri) => blocking(async {
            let movies = collection(uri, "movie").await;
            !movies
                .list_index_names()
                .await
                .unwrap()
                .contains(&"name_1".to_owned())
        }),
        None => home
            .database()
            .query_row(
                "SELECT count(*) = 0 FROM sqlite_schema WHERE name = 'movie_by_account'",
                [],
                |row| row.get(0),
            )
            .unwrap(),
    };
    match home.mongodb_uri() {
        Some(uri) => blocking(async {
            let movies = collection(uri, "movie").await;
            movies.drop_index("name_1").await.unwrap();
        }),
        None => home
            .database()
            .execute_batch("DROP INDEX movie_by_account")
            .unwrap(),
    }
    let output = home.run(&["check", "--json"]).exits(1);
    let (verdict, message, hint) = item(&output.json(), "database");
    let name = if home.is_on_mongodb() {
        "movie.name"
    } else {
        "movie_by_account"
    };
    assert_eq!(verdict, "error");
    assert!(
        message.ends_with(&format!("is incomplete: it lacks {name}")),
        "{message}"
    );
    assert!(!hint.is_empty());
    assert!(is_gone(&home));
    if home.is_on_mongodb() {
        // The hint is true: the next command creates the index.
        home.run(&["user", "list"]).ok();
        assert_eq!(item(&run_check(&home), "database").0, "ok");
    }
}

fn a_dead_mail_is_a_warning(home: Home) {
    home.create_account(ANN, PASSWORD);
    let home = home.with("MAIL_PORT", "1");
    home.run(&["forgot", "--email", ANN]).exits(7);
    let (verdict, message, _) = item(&run_check(&home), "outbox");
    assert_eq!(verdict, "ok");
    assert!(
        message.starts_with("1 waiting, the oldest since "),
        "{message}"
    );
    assert!(message.ends_with("; 0 given up"), "{message}");
    match home.mongodb_uri() {
        Some(uri) => blocking(async {
            let outbox = collection(uri, "movie_bag_outbox").await;
            let dead = doc! { "$set": { "state": "dead" } };
            outbox.update_many(doc! {}, dead).await.unwrap();
        }),
        None => {
            let dead = "UPDATE outbox SET state = 'dead'";
            home.database().execute(dead, []).unwrap();
        }
    }
    let (verdict, message, hint) = item(&run_check(&home), "outbox");
    assert_eq!(
        (verdict.as_str(), message.as_str()),
        ("warning", "0 waiting; 1 given up")
    );
    assert!(hint.contains("movie-bag outbox list"));
}

fn history_in_the_future_is_reported_as_a_wrong_clock(home: Home) {
    home.create_account(ANN, PASSWORD);
    let at = i64::try_from(now().as_millis()).unwrap() + 3_600_000;
    match home.mongodb_uri() {
        Some(uri) => blocking(async {
            let history = collection(uri, "movie_bag_history").await;
            let later = doc! { "$set": { "at": DateTime::from_millis(at) } };
            history.update_many(doc! {}, later).await.unwrap();
        }),
        None => {
            home.database()
                .execute("UPDATE history SET at = ?1", [at])
                .unwrap();
        }
    }
    let output = home.run(&["check", "--json"]).exits(1);
    let (verdict, message, hint) = item(&output.json(), "clock");
    assert_eq!(verdict, "error");
    assert!(message.contains(", in the future"), "{message}");
    assert!(hint.contains("NTP"), "{hint}");
}

#[test]
fn an_older_database_is_not_migrated_and_a_newer_one_is_an_error() {
    let home = Home::fresh();
    home.create_account(ANN, PASSWORD);
    let version = || -> i64 {
        let database = home.database();
        database
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap()
    };
    let newest = version();
    home.database()
        .pragma_update(None, "user_version", newest - 1)
        .unwrap();
    let (verdict, message, hint) = item(&run_check(&home), "database");
    assert_eq!(verdict, "warning");
    assert!(message.contains("the next start migrates it"), "{message}");
    assert!(hint.contains("backup"), "{hint}");
    assert_eq!(version(), newest - 1);

    home.database()
        .pragma_update(None, "user_version", newest + 1)
        .unwrap();
    let output = home.run(&["check", "--json"]).exits(1);
    let (verdict, message, _) = item(&output.json(), "database");
    assert_eq!(verdict, "error");
    assert!(message.contains("upgrade movie-bag"), "{message}");
}

#[test]
fn an_invalid_or_guessable_secret_is_reported() {
    let home = Home::fresh();
    home.create_account(ANN, PASSWORD);
    assert!(item(&run_check(&home), "secret").1.contains("generated"));
    std::fs::write(home.data_dir().join("jwt-secret"), "short").unwrap();
    let output = home.run(&["check", "--json"]).exits(1);
    let (verdict, message, _) = item(&output.json(), "secret");
    assert_eq!(verdict, "error");
    assert!(message.contains("32 bytes"), "{message}");

    let home = home.with("JWT_SECRET_KEY", "abc".repeat(20));
    let answer = run_check(&home);
    assert_eq!(item(&answer, "secret").0, "warning");
    assert!(!answer.to_string().contains("abcabc"));
}

/// Starts a server that gives every HTTP request the same answer, or never answers if `answer` is empty. Returns the URL of the server.
fn start_server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if answer.is_empty() {
                open.push(stream);
                continue;
            }
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    base
}

#[test]
fn a_public_url_that_leads_elsewhere_is_a_warning() {
    let of_url = |base: String| {
        let home = Home::fresh().with("MOVIE_BAG_PUBLIC_URL", base);
        item(&run_check(&home), "public URL")
    };
    let (verdict, message, hint) = of_url(start_server(
        "HTTP/1.1 301 Moved\r\nLocation: https://movies.example/\r\nContent-Length: 0\r\n\r\n",
    ));
    assert_eq!(verdict, "warning");
    assert!(
        message.ends_with("redirects to https://movies.example/"),
        "{message}"
    );
    assert!(hint.contains("MOVIE_BAG_PUBLIC_URL"));

    let (verdict, message, hint) = of_url(start_server(
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ));
    assert_eq!(verdict, "warning");
    assert!(
        message.contains("a program other than movie-bag answers"),
        "{message}"
    );
    assert!(hint.contains("/reset/TOKEN"));

    let (verdict, message, _) = of_url("http://127.0.0.1:1".to_owned());
    assert_eq!(verdict, "warning");
    assert!(message.contains("where no server answers: "), "{message}");
}

#[test]
fn a_clock_difference_to_the_public_url_is_reported() {
    let base = start_server(
        "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 15\r\n\r\n{\"status\":\"ok\"}",
    );
    let home = Home::fresh().with("MOVIE_BAG_PUBLIC_URL", base);
    let output = home.run(&["check", "--json"]).exits(1);
    let (verdict, message, _) = item(&output.json(), "clock");
    assert_eq!(verdict, "error");
    assert!(
        message.contains("ahead of the public URL's clock"),
        "{message}"
    );
}

#[test]
fn a_service_that_never_answers_is_an_error() {
    let silent = start_server("");
    let (_, port) = silent.rsplit_once(':').unwrap();
    let home = Home::fresh()
        .with("MAIL_SERVER", "127.0.0.1")
        .with("MAIL_PORT", port)
        .with(
            "MOVIE_BAG_DATABASE",
            format!("mongodb://127.0.0.1:{port}/movies"),
        )
        .with("MOVIE_BAG_PUBLIC_URL", &*silent);
    let output = home.run(&["check", "--json"]).exits(1);
    let answer = output.json();
    assert_eq!(item(&answer, "database").0, "error");
    let (verdict, message, hint) = item(&answer, "mail server");
    assert_eq!(verdict, "error");
    // At most eight seconds for both steps; connecting takes a part of them on a busy machine.
    let (_, waited) = message.split_once("in time at greeting (").unwrap();
    let waited: f64 = waited.trim_end_matches(" s)").parse().unwrap();
    assert!(waited > 4.0 && waited <= 8.0, "{message}");
    assert!(hint.contains("MAIL_USE_SSL"), "{hint}");
    assert_eq!(item(&answer, "public URL").0, "warning");
}

/// Starts a submission server that answers like Dovecot 2.3: a wrong password after two seconds, and MAIL only after a login.
fn submission_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let mut reply = "220 mail.lab.test Dovecot (Debian) ready.";
                let mut lines = lines.map_while(Result::ok);
                while stream.write_all(format!("{reply}\r\n").as_bytes()).is_ok() {
                    let Some(line) = lines.next() else { break };
                    reply = match line.get(..4).unwrap_or_default() {
                        "EHLO" => {
                            "250-mail.lab.test\r\n250-8BITMIME\r\n250-AUTH PLAIN LOGIN\r\n250-ENHANCEDSTATUSCODES\r\n250 PIPELINING"
                        }
                        "AUTH" => {
                            std::thread::sleep(Duration::from_secs(2));
                            "535 5.7.8 Authentication failed."
                        }
                        "MAIL" => "530 5.7.0 Authentication required.",
                        "QUIT" => "221 2.0.0 Bye",
                        _ => "250 2.0.0 OK",
                    };
                }
            });
        }
    });
    port
}

#[test]
fn a_wrong_password_is_an_error_with_the_reply_of_the_server() {
    let home = Home::fresh()
        .with("MAIL_PORT", submission_server().to_string())
        .with("MAIL_USERNAME", "owner")
        .with("MAIL_PASSWORD", "wrong");
    for arguments in [&["check", "--json"][..], &["check", "--deploy", "--json"]] {
        let answer = home.run(arguments).exits(1).json();
        let (verdict, message, hint) = item(&answer, "mail server");
        assert_eq!(verdict, "error");
        assert!(
            message.ends_with("rejected the login: 535 5.7.8 Authentication failed."),
            "{message}"
        );
        assert!(hint.starts_with("check MAIL_USERNAME and MAIL_PASSWORD"));
    }
}

#[test]
fn a_user_name_without_a_password_is_an_error_except_for_a_local_server_without_login() {
    // The env file of the tutorial, with its debugging server on another port.
    let home = Home::fresh();
    let sink = home.sink(&[]);
    home.write(
        ".env",
        format!(
            "MAIL_SERVER = \"localhost\"
MAIL_PORT = \"{}\"
MAIL_USERNAME = \"support@movie-bag.com\"
MAIL_PASSWORD = \"\"
",
            sink.port()
        ),
    );
    let answer = home.run(&["check", "--json"]).ok().json();
    assert_eq!(item(&answer, "mail server").0, "ok");
    let (verdict, message, hint) = item(&answer, "mail login");
    assert_eq!(verdict, "warning");
    assert_eq!(
        message,
        "MAIL_USERNAME is set without MAIL_PASSWORD: mails are sent without a login"
    );
    assert!(hint.starts_with("set MAIL_PASSWORD, or remove MAIL_USERNAME"));

    let answer = home.run(&["check", "--deploy", "--json"]).exits(1).json();
    assert_eq!(item(&answer, "mail login").0, "error");
    for (key, value) in [
        ("MAIL_SERVER", "smtp.invalid"),
        ("MAIL_USE_TLS", "true"),
        ("MAIL_PORT", &*submission_server().to_string()),
    ] {
        let mut command = home.command(&["check", "--json"]);
        command.env(key, value);
        let answer = Output::run(command, "").exits(1).json();
        if key == "MAIL_PORT" {
            let (verdict, message, _) = item(&answer, "mail server");
            assert_eq!(verdict, "error");
            assert!(
                message.ends_with(
                    "requires a login or encryption: 530 5.7.0 Authentication required."
                ),
                "{message}"
            );
        } else {
            assert_eq!(item(&answer, "mail login").0, "error", "{key}");
        }
    }
}

/// Returns the value and the source of a setting in the table of `--all`.
fn value_and_source(home: &Home, arguments: &[&str], key: &str) -> String {
    let output = home.run(&[&["check", "--all"], arguments].concat());
    let line = output
        .stdout
        .lines()
        .find(|line| line.trim_start().starts_with(key));
    let line = line.unwrap_or_else(|| panic!("{key}: {}", output.stdout));
    line.split_whitespace()
        .skip(1)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn the_values_of_the_current_profile_are_shown() {
    let home = Home::fresh();
    for (key, value) in [
        ("MOVIE_BAG_RESET_TOKEN_LIFETIME", "24h default"),
        ("MOVIE_BAG_CONCEAL_ACCOUNTS", "false default"),
        ("MAIL_HELO_NAME", "movie-bag.com default"),
    ] {
        assert_eq!(value_and_source(&home, &[], key), value);
    }
    let home = home
        .with("MOVIE_BAG_PROFILE", "production")
        .with("MOVIE_BAG_PUBLIC_URL", "https://movies.invalid")
        .with("JWT_SECRET_KEY", "0123456789abcdefghijklmnopqrstuvwxyz")
        .with("MOVIE_BAG_BCRYPT_COST", "10")
        .with("MAIL_DEFAULT_SENDER", "Movies <support@movies.invalid>");
    for (key, value) in [
        ("MOVIE_BAG_RESET_TOKEN_LIFETIME", "1h default"),
        ("MOVIE_BAG_CONCEAL_ACCOUNTS", "true default"),
        ("MAIL_HELO_NAME", "movies.invalid default"),
    ] {
        assert_eq!(value_and_source(&home, &[], key), value);
    }
}

#[test]
fn verdicts_come_first_and_settings_are_shown_on_request() {
    let home = Home::fresh();
    let output = home.run(&["check"]);
    assert!(
        output.stdout.trim_start().starts_with("VERDICT"),
        "{}",
        output.stdout
    );
    assert!(!output.stdout.contains("SETTING"), "{}", output.stdout);
    let output = home.run(&["check", "--all"]);
    assert!(
        output.stdout.trim_start().starts_with("VERDICT"),
        "{}",
        output.stdout
    );
    assert!(output.stdout.contains("SETTING"), "{}", output.stdout);
    // The JSON output has both.
    assert!(
        run_check(&home)["settings"]
            .as_array()
            .is_some_and(|all| !all.is_empty())
    );
}

#[cfg(unix)]
#[test]
fn an_env_file_with_secrets_that_others_can_read_is_reported() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = Home::fresh().with("MOVIE_BAG_PUBLIC_URL", "https://movies.invalid");
    let file = home.write(
        "env",
        "JWT_SECRET_KEY = 0123456789abcdefghijklmnopqrstuvwxyz\nMAIL_PASSWORD = secret\nMAIL_USERNAME = me\n",
    );
    let path = file.to_str().unwrap();
    let verdict_on = |mode: u32, profile: &str| {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let mut command = home.command(&["--env-file", path, "check", "--json"]);
        command
            .env("MOVIE_BAG_PROFILE", profile)
            .env("MOVIE_BAG_BCRYPT_COST", "10");
        item(&Output::run(command, "").json(), "env file")
    };
    let (verdict, message, hint) = verdict_on(0o644, "production");
    assert_eq!(verdict, "error");
    assert!(
        message.contains("everyone on this machine can read"),
        "{message}"
    );
    assert!(
        message.ends_with("JWT_SECRET_KEY, MAIL_PASSWORD"),
        "{message}"
    );
    assert!(!message.contains("secret"), "{message}");
    assert_eq!(hint, format!("run \"chmod 600 {path}\""));
    assert_eq!(verdict_on(0o644, "development").0, "warning");
    assert_eq!(verdict_on(0o640, "production").0, "warning");
    assert_eq!(verdict_on(0o600, "production").0, "ok");
}
