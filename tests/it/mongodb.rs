//! Several servers on one MongoDB, its faults, the application that wrote such databases before, and moving into it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mongodb::bson::{Document, doc};
use serde_json::{Value, json};

use crate::harness::mongodb::{FreshDatabase, MongoServer, Topology, blocking, python};
use crate::harness::{Home, NEW_PASSWORD, PASSWORD, Server};

const ANN: &str = "ann@example.com";
const CONFIRMATION: &str = "[Movie-bag] Password reset successful";

/// Two servers on one database: the first has the sink, to which both deliver.
fn two_servers(home: Home) -> (Home, Server, Server) {
    let first = home.serve(&[]);
    let port = first.smtp().rsplit_once(':').unwrap().1.to_owned();
    let home = home.with("MAIL_PORT", port);
    let second = home.serve_alone(&["--public-url", "http://second.example"]);
    (home, first, second)
}

fn kinds(home: &Home, email: &str) -> Vec<String> {
    let shown = home.run(&["--json", "user", "show", "--email", email]).ok();
    let history = shown.json()["history"].clone();
    let kind = |event: &Value| event["kind"].as_str().unwrap().to_owned();
    history.as_array().unwrap().iter().map(kind).collect()
}

#[test]
fn of_fifty_resets_at_once_over_two_servers_and_the_terminal_one_succeeds() {
    for topology in [Topology::ReplicaSet, Topology::Standalone] {
        let Some(database) = MongoServer::start(topology, &[]) else {
            return;
        };
        let uri = format!("{}/fifty", database.uri());
        let home = Home::fresh().on_database(&uri);
        let (home, first, second) = two_servers(home);
        first.sign_up(ANN, PASSWORD);
        let token = first.reset_token(ANN);
        let start = Barrier::new(50);
        let statuses: Vec<(u16, String)> = thread::scope(|scope| {
            let (start, first, second, token, home) = (&start, &first, &second, &token, &home);
            let rivals: Vec<_> = (0..50)
                .map(|rival| {
                    scope.spawn(move || {
                        let password = format!("{NEW_PASSWORD} {rival}");
                        start.wait();
                        let status = match rival % 10 {
                            0 => {
                                let reset = ["reset", "--token", token, "--password-stdin"];
                                let output = home.run_with_input(&reset, &format!("{password}\n"));
                                match output.code {
                                    Some(0) => 200,
                                    Some(4) => 403,
                                    _ => panic!("{output:?}"),
                                }
                            }
                            1..=5 => first.reset(token, &password).status,
                            _ => second.reset(token, &password).status,
                        };
                        (status, password)
                    })
                })
                .collect();
            rivals
                .into_iter()
                .map(|rival| rival.join().unwrap())
                .collect()
        });
        let mut count = BTreeMap::new();
        for (status, _) in &statuses {
            *count.entry(*status).or_insert(0) += 1;
        }
        assert_eq!(count, BTreeMap::from([(200, 1), (403, 49)]), "{topology:?}");
        let winner = statuses.iter().find(|(status, _)| *status == 200).unwrap();
        second.access_token(ANN, &winner.1);
        first.inbox().wait_for_count(ANN, CONFIRMATION, 1);
        // `user show` has the newest lines, and 49 refusals are many.
        let done = blocking(async {
            let client = mongodb::Client::with_uri_str(&uri).await.unwrap();
            let history = client
                .default_database()
                .unwrap()
                .collection::<Document>("movie_bag_history");
            history
                .count_documents(doc! { "kind": "reset_done" })
                .await
                .unwrap()
        });
        assert_eq!(done, 1);
        // No second one comes when the workers have looked once more.
        thread::sleep(Duration::from_millis(1_500));
        assert_eq!(first.inbox().count(ANN, CONFIRMATION), 1);
    }
}

#[test]
fn a_login_and_a_link_of_one_server_end_on_the_other() {
    let Some(home) = Home::on_mongodb() else {
        return;
    };
    let (_home, first, second) = two_servers(home);
    first.sign_up(ANN, PASSWORD);
    let access = second.access_token(ANN, PASSWORD);
    let [used, left] = [first.reset_token(ANN), first.reset_token(ANN)];
    first.reset(&used, NEW_PASSWORD).is(200);
    for token in [used, left] {
        second.reset(&token, PASSWORD).fails_with(403, "bad_token");
    }
    let movie = json!({"name": "x", "casts": ["a"], "genres": ["b"]}).to_string();
    second
        .send("POST", "/api/movies", Some(&access), &movie)
        .fails_with(401, "invalid_access_token");
}

#[test]
fn a_database_that_is_not_there_is_a_clear_error_within_its_time() {
    let uri = "mongodb://ann:hunter2@127.0.0.1:1/movies";
    let home = Home::fresh()
        .on_database(uri)
        .with("MOVIE_BAG_DATABASE_TIMEOUT", "2s");
    for arguments in [
        vec!["serve", "--bind", "127.0.0.1:0"],
        vec!["user", "list"],
        vec!["--json", "user", "list"],
        vec!["forgot", "--email", ANN],
    ] {
        let began = Instant::now();
        let output = home.run(&arguments).exits(7);
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "{:?}",
            began.elapsed()
        );
        let said = output.stdout + &output.stderr;
        assert!(
            said.contains("127.0.0.1:1") && said.contains("refused"),
            "{said}"
        );
        assert!(
            !said.contains("hunter2") && !said.contains("ann:"),
            "{said}"
        );
    }
    let output = home.with("MOVIE_BAG_LOG", "trace").run(&["check"]).exits(1);
    let said = output.stdout + &output.stderr;
    assert!(said.contains("error    database"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_user_with_a_password_is_let_in_and_a_wrong_one_is_told() {
    let Some(mut database) = MongoServer::start(Topology::Standalone, &[]) else {
        return;
    };
    blocking(async {
        let client = mongodb::Client::with_uri_str(database.uri()).await.unwrap();
        let user = doc! { "createUser": "mb", "pwd": "hun@ter/2", "roles": [{ "role": "root", "db": "admin" }] };
        client.database("admin").run_command(user).await.unwrap();
    });
    database.kill();
    database.restart_as(Topology::Standalone, &["--auth".to_owned()]);
    let as_user = |user: &str| {
        let uri =
            database.uri().replace("://", &format!("://{user}@")) + "/movies?authSource=admin";
        Home::fresh()
            .on_database(&uri)
            .with("MOVIE_BAG_DATABASE_TIMEOUT", "3s")
    };
    as_user("mb:hun%40ter%2F2").create_account(ANN, PASSWORD);
    let output = as_user("mb:hunter3").run(&["user", "list"]).exits(7);
    assert!(
        output.stderr.contains("refuses the user or the password"),
        "{}",
        output.stderr
    );
    assert!(!output.stderr.contains("hunter3"), "{}", output.stderr);
}

#[test]
fn a_uri_that_cannot_be_read_is_a_wrong_setting() {
    let uri = "mongodb://ann:hun/ter2@localhost/movies";
    let output = Home::fresh()
        .on_database(uri)
        .run(&["user", "list"])
        .exits(2);
    assert!(
        output.stderr.contains("percent-encoded"),
        "{}",
        output.stderr
    );
    assert!(!output.stderr.contains("ter2"), "{}", output.stderr);
}

#[test]
fn servers_on_mongodb_must_be_given_the_secret_they_share() {
    let home = Home::fresh().with("MOVIE_BAG_DATABASE", "mongodb://127.0.0.1:1/movies");
    let output = home.run(&["serve", "--bind", "127.0.0.1:0"]).exits(2);
    assert!(
        output.stderr.contains("JWT_SECRET_KEY is missing"),
        "{}",
        output.stderr
    );
}

/// Killed, and halted, which is worse: then it is connected and silent.
#[test]
fn a_database_that_goes_and_comes_back_is_waited_for() {
    let Some(mut database) = MongoServer::start(Topology::ReplicaSet, &[]) else {
        return;
    };
    let home = Home::fresh()
        .on_database(&format!("{}/goes", database.uri()))
        .with("MOVIE_BAG_DATABASE_TIMEOUT", "2s");
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    for is_halted in [false, true] {
        if is_halted {
            database.halt();
        } else {
            database.kill();
        }
        let began = Instant::now();
        server.get("/readyz").fails_with(503, "unavailable");
        for (path, body) in [
            (
                "/api/auth/login",
                json!({"email": ANN, "password": PASSWORD}),
            ),
            ("/api/auth/forgot", json!({"email": ANN})),
            (
                "/api/auth/signup",
                json!({"email": "bob@example.com", "password": PASSWORD}),
            ),
        ] {
            let answer = server.post(path, body).fails_with(503, "unavailable");
            assert!(answer.header("retry-after").is_some());
            assert!(
                !answer.text.contains("127.0.0.1"),
                "it tells nobody where the database is"
            );
        }
        server.get("/healthz").is(200);
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{:?}",
            began.elapsed()
        );
        if is_halted {
            database.go_on();
        } else {
            database.restart();
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        while server.get("/readyz").status != 200 {
            assert!(Instant::now() < deadline, "{}", server.stderr());
            thread::sleep(Duration::from_millis(100));
        }
        server.access_token(ANN, PASSWORD);
    }
    // The mail that could not be asked for comes now.
    server.reset_token(ANN);
    let stderr = server.stderr();
    for said in ["does not answer", "answers again"] {
        assert!(stderr.contains(said), "{stderr}");
    }
}

/// The database is killed in the middle of a load and comes back: what was acknowledged has lasted, and no account has
/// a part of a reset.
#[test]
fn what_was_acknowledged_lasts_when_the_database_dies() {
    for topology in [Topology::ReplicaSet, Topology::Standalone] {
        let Some(mut database) = MongoServer::start(topology, &[]) else {
            return;
        };
        let home = Home::fresh()
            .on_database(&format!("{}/dies", database.uri()))
            .with("MOVIE_BAG_DATABASE_TIMEOUT", "3s");
        let (home, first, second) = two_servers(home);
        let emails: Vec<String> = (0..24)
            .map(|number| format!("user{number}@example.com"))
            .collect();
        let tokens: Vec<String> = emails
            .iter()
            .map(|email| {
                first.sign_up(email, PASSWORD);
                first.reset_token(email)
            })
            .collect();
        let dead = AtomicBool::new(false);
        let outcomes: Vec<(u16, Vec<String>)> = thread::scope(|scope| {
            let (dead, first, second) = (&dead, &first, &second);
            let loads: Vec<_> = emails
                .iter()
                .zip(&tokens)
                .enumerate()
                .map(|(number, (email, token))| {
                    let server = if number % 2 == 0 { first } else { second };
                    scope.spawn(move || {
                        // Some before the database dies, some in the middle, some while it is dead.
                        thread::sleep(Duration::from_millis(number as u64 * 12));
                        let reset = server.reset(token, NEW_PASSWORD).status;
                        let mut signed_up = Vec::new();
                        for more in 0.. {
                            let new = format!("{more}.{email}");
                            let body = json!({"email": new, "password": PASSWORD});
                            match server.post("/api/auth/signup", body).status {
                                200 => signed_up.push(new),
                                503 => break,
                                status => panic!("{status}"),
                            }
                            if dead.load(Ordering::Relaxed) || more == 50 {
                                break;
                            }
                        }
                        (reset, signed_up)
                    })
                })
                .collect();
            thread::sleep(Duration::from_millis(150));
            database.kill();
            dead.store(true, Ordering::Relaxed);
            loads.into_iter().map(|load| load.join().unwrap()).collect()
        });
        database.restart();
        let deadline = Instant::now() + Duration::from_secs(20);
        for server in [&first, &second] {
            while server.get("/readyz").status != 200 {
                assert!(Instant::now() < deadline, "{}", server.stderr());
                thread::sleep(Duration::from_millis(100));
            }
        }
        for ((reset, signed_up), email) in outcomes.iter().zip(&emails) {
            assert!(matches!(reset, 200 | 503), "{reset}");
            for new in signed_up {
                second.access_token(new, PASSWORD);
            }
            let changed = first.log_in(email, NEW_PASSWORD).status == 200;
            let unchanged = second.log_in(email, PASSWORD).status == 200;
            assert!(
                changed != unchanged,
                "{topology:?} {email}: one password of the two"
            );
            assert!(
                changed || *reset != 200,
                "{topology:?} {email}: what was acknowledged has lasted"
            );
            let done = kinds(&home, email)
                .iter()
                .filter(|kind| *kind == "reset_done")
                .count();
            assert_eq!(done, usize::from(changed), "{topology:?} {email}");
            if changed {
                first.inbox().wait_for_count(email, CONFIRMATION, 1);
            }
        }
        // A mail that is sent again, since what came of it could not be written down, is the same mail.
        let mut seen: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for message in first.inbox().messages() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            seen.entry((
                text(&message["To"][0]["Address"]),
                text(&message["Subject"]),
            ))
            .or_default()
            .insert(text(&message["MessageID"]));
        }
        for ((to, subject), ids) in seen {
            assert_eq!(ids.len(), 1, "{to}: {subject}");
        }
    }
}

/// One side of MongoEngine's, by Python.
fn mongoengine(uri: &str, arguments: &[&str]) -> Option<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/flask_models.py");
    let output = Command::new(python()?)
        .arg(script)
        .arg(uri)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// What bcrypt makes of a password, with our cost of tests.
fn hash(password: &str) -> String {
    let home = Home::fresh();
    home.create_account(ANN, password);
    home.database()
        .query_row("SELECT password FROM account", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn a_database_of_mongoengine_is_worked_on_by_both() {
    let Some(database) = FreshDatabase::shared() else {
        return;
    };
    let Some(_) = mongoengine(&database.uri, &["write", &hash(PASSWORD)]) else {
        return;
    };
    let home = Home::fresh().on_database(&database.uri);
    let server = home.serve(&[]);
    let theirs = server.get("/api/movies").is(200).body;
    assert_eq!(theirs[0]["name"], "The Bag");
    // Who was written with capitals is found by any spelling, and mail goes to the one that is stored.
    server.access_token("Ann@Example.com", PASSWORD);
    server.access_token(ANN, PASSWORD);
    server
        .post(
            "/api/auth/signup",
            json!({"email": ANN, "password": PASSWORD}),
        )
        .fails_with(400, "email_already_exists");
    server
        .post("/api/auth/forgot", json!({"email": ANN}))
        .is(200);
    let token = server.inbox().wait_for("Ann@Example.com").token();
    server.reset(&token, NEW_PASSWORD).is(200);
    let access = server.access_token(ANN, NEW_PASSWORD);
    let movie = json!({"name": "The New Bag", "casts": ["a"], "genres": ["b"]}).to_string();
    server
        .send("POST", "/api/movies", Some(&access), &movie)
        .is(200);
    let first = format!("/api/movies/{}", theirs[0]["_id"]["$oid"].as_str().unwrap());
    server.send("DELETE", &first, Some(&access), "").is(200);
    server.sign_up("cid@example.com", PASSWORD);
    let access = server.access_token("cid@example.com", PASSWORD);
    let movie = json!({"name": "Cid's Bag", "casts": ["a"], "genres": ["b"]}).to_string();
    server
        .send("POST", "/api/movies", Some(&access), &movie)
        .is(200);

    let read = mongoengine(&database.uri, &["read"]).unwrap();
    let users = read["users"].as_array().unwrap();
    let of = |email: &str| users.iter().find(|user| user["email"] == email).unwrap();
    assert_eq!(users.len(), 3);
    assert_eq!(of("Ann@Example.com")["movies"], json!(["The New Bag"]));
    assert_eq!(of("bob@example.com")["movies"], json!([]));
    assert_eq!(of("cid@example.com")["movies"], json!(["Cid's Bag"]));
    for user in users {
        assert_eq!(
            user["fields"],
            json!(["_id", "email", "password", "movies"])
        );
        assert!(user["password"].as_str().unwrap().starts_with("$2b$"));
    }
    for movie in read["movies"].as_array().unwrap() {
        assert_eq!(
            movie["fields"],
            json!(["_id", "name", "casts", "genres", "added_by"])
        );
    }

    let checked = home.run(&["check"]);
    assert!(
        !checked.stdout.contains("differ by capitals"),
        "{checked:?}"
    );
    mongoengine(&database.uri, &["change", &hash(NEW_PASSWORD)]).unwrap();
    server
        .log_in("bob@example.com", PASSWORD)
        .fails_with(401, "unauthorized");
    server.access_token("bob@example.com", NEW_PASSWORD);
    server
        .log_in("cid@example.com", PASSWORD)
        .fails_with(401, "unauthorized");
    let names: BTreeSet<String> = server
        .get("/api/movies")
        .is(200)
        .body
        .as_array()
        .unwrap()
        .iter()
        .map(|movie| movie["name"].as_str().unwrap().to_owned())
        .collect();
    let expected = ["The New Bag", "The Second Bag"].map(str::to_owned);
    assert_eq!(names, BTreeSet::from(expected));
}

#[test]
fn accounts_that_differ_by_capitals_alone_are_reported_and_found_by_their_spelling() {
    let Some(database) = FreshDatabase::shared() else {
        return;
    };
    let home = Home::fresh().on_database(&database.uri);
    blocking(async {
        let client = mongodb::Client::with_uri_str(&database.uri).await.unwrap();
        let users = client
            .default_database()
            .unwrap()
            .collection::<Document>("user");
        let user = |email: &str, password: &str| doc! { "email": email, "password": hash(password), "movies": [] };
        let both = [
            user("Ann@example.com", PASSWORD),
            user("aNN@example.com", NEW_PASSWORD),
        ];
        users.insert_many(both).await.unwrap();
    });
    let server = home.serve(&[]);
    server.access_token("Ann@example.com", PASSWORD);
    server.access_token("aNN@example.com", NEW_PASSWORD);
    server.log_in(ANN, PASSWORD).fails_with(401, "unauthorized");
    let checked = home.run(&["check"]).stdout;
    assert!(
        checked.contains("warning  accounts: Ann@example.com ("),
        "{checked}"
    );
}

/// What there is to see of a database, from the terminal.
fn picture(home: &Home) -> Vec<String> {
    let list = home.run(&["--json", "user", "list"]).ok().stdout;
    let mut picture = Vec::new();
    for line in list.lines() {
        let account: Value = serde_json::from_str(line).unwrap();
        let email = account["email"].as_str().unwrap();
        picture.push(
            home.run(&["--json", "user", "show", "--email", email])
                .ok()
                .stdout,
        );
    }
    picture
}

#[test]
fn a_database_is_moved_there_and_back() {
    let Some(database) = FreshDatabase::shared() else {
        return;
    };
    let home = Home::fresh().with("JWT_SECRET_KEY", "what the servers of the tests share");
    let server = home.serve(&[]);
    for number in 0..12 {
        server.sign_up(&format!("user{number}@example.com"), PASSWORD);
    }
    let access = server.access_token("user0@example.com", PASSWORD);
    for number in 0..30 {
        let movie = json!({"name": format!("movie {number}"), "casts": ["a"], "genres": ["b"]});
        server
            .send("POST", "/api/movies", Some(&access), &movie.to_string())
            .is(200);
    }
    let token = server.reset_token("user1@example.com");
    let movies = server.get("/api/movies").text;
    assert!(server.stop().success());
    // A mail that waits comes over too.
    let home = home.with("MAIL_PORT", "1");
    home.run(&["forgot", "--email", "user2@example.com"])
        .exits(7);
    let before = picture(&home);

    let copied = home
        .run(&["--json", "copy", "--to", &database.uri])
        .ok()
        .json();
    assert_eq!(
        (
            copied["accounts"].as_u64(),
            copied["movies"].as_u64(),
            copied["mails"].as_u64()
        ),
        (Some(12), Some(30), Some(1))
    );
    let there = Home::fresh()
        .on_database(&database.uri)
        .with("MAIL_PORT", "1");
    assert_eq!(picture(&there), before);
    // Nothing is copied over what is there.
    home.run(&["copy", "--to", &database.uri]).exits(6);
    // Links and logins of before go on working.
    let server = there.serve_alone(&[]);
    assert_eq!(server.get("/api/movies").text, movies);
    server.reset(&token, NEW_PASSWORD).is(200);
    let changed = format!(
        "/api/movies/{}",
        server.get("/api/movies").body[0]["_id"]["$oid"]
            .as_str()
            .unwrap()
    );
    server.send("DELETE", &changed, Some(&access), "").is(200);
    let movies = server.get("/api/movies").text;
    assert!(server.stop().success());

    let before = picture(&there);
    let back = format!("sqlite:{}", there.path().join("back.sqlite3").display());
    there.run(&["copy", "--to", &back]).ok();
    let here = there.with("MOVIE_BAG_DATABASE", back);
    assert_eq!(picture(&here), before);
    let server = here.serve_alone(&[]);
    assert_eq!(server.get("/api/movies").text, movies);
    server.access_token("user1@example.com", NEW_PASSWORD);
}

/// Killed at several moments: the source is as it was, nobody works on the half, and the next copy is whole.
#[test]
fn a_copy_that_is_broken_off_is_begun_anew() {
    let Some(database) = FreshDatabase::shared() else {
        return;
    };
    let home = Home::fresh();
    home.create_account(ANN, PASSWORD);
    let connection = home.database();
    connection
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
             INSERT INTO account SELECT unhex(printf('%024x', i)), 'user' || i || '@example.com', '$2b$04$hash' FROM n",
        )
        .unwrap();
    let copy = ["copy", "--to", database.uri.as_str()];
    let there = Home::fresh().on_database(&database.uri);
    let mut is_half = 0;
    for wait in [60, 150, 300] {
        let mut copying = home.command(&copy).spawn().unwrap();
        thread::sleep(Duration::from_millis(wait));
        copying.kill().unwrap();
        if !copying.wait().unwrap().success() {
            let output = there.run(&["user", "list"]);
            if output.code == Some(1) {
                assert!(
                    output.stderr.contains("half of a copy"),
                    "{}",
                    output.stderr
                );
                is_half += 1;
            }
        }
    }
    assert!(is_half > 0, "it was never broken off in the middle");
    let copied = home
        .run(&["--json", "copy", "--to", &database.uri])
        .ok()
        .json();
    assert_eq!(copied["accounts"], 6_001);
    assert_eq!(
        there
            .run(&["--json", "user", "list"])
            .ok()
            .stdout
            .lines()
            .count(),
        6_001
    );
}
