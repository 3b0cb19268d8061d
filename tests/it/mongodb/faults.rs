//! A database that is unreachable, fails and recovers, or has a malformed URI.

use super::*;

#[test]
fn an_unreachable_database_is_reported_within_the_time_limit() {
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
        // Without the setting it would take 30 seconds.
        assert!(
            began.elapsed() < Duration::from_secs(25),
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
fn a_database_user_is_accepted_and_a_wrong_password_is_reported() {
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
        output.stderr.contains("rejected the user or the password"),
        "{}",
        output.stderr
    );
    assert!(!output.stderr.contains("hunter3"), "{}", output.stderr);
}

#[test]
fn a_malformed_uri_is_a_usage_error() {
    let uri = "mongodb://ann:hun/ter2@localhost/movies";
    let output = Home::fresh()
        .on_database(uri)
        .run(&["user", "list"])
        .exits(2);
    assert!(
        output.stderr.contains("percent-encode special characters"),
        "{}",
        output.stderr
    );
    assert!(!output.stderr.contains("ter2"), "{}", output.stderr);
}

#[test]
fn servers_on_mongodb_require_a_shared_secret() {
    let home = Home::fresh().with("MOVIE_BAG_DATABASE", "mongodb://127.0.0.1:1/movies");
    let output = home.run(&["serve", "--bind", "127.0.0.1:0"]).exits(2);
    assert!(
        output.stderr.contains("JWT_SECRET_KEY is missing"),
        "{}",
        output.stderr
    );
}

/// The database is killed, and halted: a halted one keeps its connections and does not answer.
#[test]
fn a_server_recovers_when_its_database_returns() {
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
            database.pause();
        } else {
            database.kill();
        }
        wait_until("the server reports the database as unavailable", || {
            server.get("/readyz").status == 503
        });
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
                "the answer does not contain the address of the database"
            );
        }
        server.get("/healthz").is(200);
        if is_halted {
            database.resume();
        } else {
            database.restart();
        }
        wait_until("the server has found the database again", || {
            server.get("/readyz").status == 200
        });
        server.access_token(ANN, PASSWORD);
    }
    // A reset mail can be requested again.
    server.reset_token(ANN);
    // Another thread writes the log.
    for said in ["does not answer", "answers again"] {
        wait_until(said, || server.stderr().contains(said));
    }
}

/// The database is killed under load and restarted: acknowledged changes are kept, and no account has a part of a reset.
#[test]
fn acknowledged_changes_survive_the_death_of_the_database() {
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
        let answered = AtomicUsize::new(0);
        let outcomes: Vec<(u16, Vec<String>)> = thread::scope(|scope| {
            let (dead, answered, first, second) = (&dead, &answered, &first, &second);
            let loads: Vec<_> = emails
                .iter()
                .zip(&tokens)
                .enumerate()
                .map(|(number, (email, token))| {
                    let server = if number % 2 == 0 { first } else { second };
                    scope.spawn(move || {
                        let reset = server.reset(token, NEW_PASSWORD).status;
                        answered.fetch_add(1, Ordering::Relaxed);
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
            // At this time some requests are answered, some are running, and some have not started.
            wait_until("a third is answered", || {
                answered.load(Ordering::Relaxed) >= emails.len() / 3
            });
            database.kill();
            dead.store(true, Ordering::Relaxed);
            loads.into_iter().map(|load| load.join().unwrap()).collect()
        });
        database.restart();
        for server in [&first, &second] {
            wait_until("the server has found the database again", || {
                server.get("/readyz").status == 200
            });
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
                "{topology:?} {email}: exactly one of the two passwords is valid"
            );
            assert!(
                changed || *reset != 200,
                "{topology:?} {email}: an acknowledged reset is kept"
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
        // A mail is sent again if its outcome could not be stored. It has the same message id.
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
