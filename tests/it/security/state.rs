//! S: the effects of a reset, which are atomic.

use std::io::Write as _;
use std::sync::mpsc;
use std::thread;

use mongodb::bson::{Document, doc};
use movie_bag_testkit::mongodb::blocking;
use movie_bag_testkit::{Fault, Home, MailServer, NEW_PASSWORD, PASSWORD, Server, now, wait_until};
use serde_json::json;

use super::{ANN, CONFIRMATION, two_servers};

pub fn a_reset_ends_sessions_on_every_server(home: Home) {
    let (_home, first, second) = two_servers(home);
    first.sign_up(ANN, PASSWORD);
    let access_tokens = [&first, &second].map(|server| server.access_token(ANN, PASSWORD));
    let [used, left] = [first.reset_token(ANN), first.reset_token(ANN)];
    let add = |server: &Server, token: &str, name: &str| {
        let movie = json!({"name": name, "casts": ["a"], "genres": ["b"]}).to_string();
        server.send("POST", "/api/movies", Some(token), &movie)
    };
    // Both servers have verified both access tokens, and may have cached them.
    for (number, access) in access_tokens.iter().enumerate() {
        add(&first, access, &format!("first {number}")).is(200);
        add(&second, access, &format!("second {number}")).is(200);
    }
    first.reset(&used, NEW_PASSWORD).is(200);
    for access in &access_tokens {
        for server in [&second, &first] {
            add(server, access, "x").fails_with(401, "invalid_access_token");
        }
    }
    for token in [used, left] {
        second.reset(&token, PASSWORD).fails_with(403, "bad_token");
    }
}

/// Requests for an account, and a mail to it that hangs, race with the deletion of the account.
pub fn a_deleted_account_leaves_no_mail_and_no_history(home: Home) {
    let mail_server = MailServer::start(&[Fault::HangsInData]);
    let home = home
        .with("MAIL_PORT", mail_server.port())
        .with("MOVIE_BAG_MAIL_TIMEOUT", "3s");
    let server = home.serve_alone(&[]);
    server.sign_up(ANN, PASSWORD);
    server.forgot(ANN).is(200);
    wait_until("the mail is being sent", || mail_server.connections() == 1);
    let delete = || home.run(&["user", "delete", "--email", ANN, "--yes"]).ok();
    delete();
    wait_until("the attempt is over", || {
        server.stderr().contains("mail not sent")
    });
    let stderr = server.stderr();
    assert!(!stderr.contains("another worker"), "{stderr}");
    for round in 0..8 {
        server.sign_up(ANN, PASSWORD);
        let bad = home.reset_token(ANN);
        server.reset(&bad, NEW_PASSWORD).is(200);
        thread::scope(|scope| {
            for number in 0..6 {
                let (server, bad) = (&server, &bad);
                scope.spawn(move || {
                    for _ in 0..3 {
                        match number % 2 {
                            // Refused once the account is deleted.
                            0 => assert!(matches!(server.forgot(ANN).status, 200 | 400)),
                            // Refused, and recorded as long as the account exists.
                            _ => assert_eq!(server.reset(bad, PASSWORD).status, 403),
                        }
                    }
                });
            }
            delete();
        });
        assert_eq!(traces(&home), 0, "round {round}");
    }
}

/// Returns the number of mails and lines of history, of all accounts.
pub(super) fn traces(home: &Home) -> i64 {
    let Some(uri) = home.mongodb_uri() else {
        let both = "SELECT (SELECT count(*) FROM history) + (SELECT count(*) FROM outbox)";
        return home
            .database()
            .query_row(both, [], |row| row.get::<_, i64>(0))
            .unwrap();
    };
    blocking(async {
        let client = mongodb::Client::with_uri_str(uri).await.unwrap();
        let database = client.default_database().unwrap();
        let mut traces = 0;
        for name in ["movie_bag_history", "movie_bag_outbox"] {
            let collection = database.collection::<Document>(name);
            traces += collection.count_documents(doc! {}).await.unwrap() as i64;
        }
        traces
    })
}

/// Revokes ten times in a row without a pause, since the clock may not advance between two revocations.
pub fn a_revocation_ends_every_earlier_session(home: Home) {
    let (home, first, second) = two_servers(home);
    first.sign_up(ANN, PASSWORD);
    // A valid access token gets 400, since the movie has no name.
    let opens = |server: &Server, token: &str| {
        let answer = server.send("POST", "/api/movies", Some(token), "{}");
        assert!(matches!(answer.status, 400 | 401), "{}", answer.text);
        answer.status == 400
    };
    let mut ended = Vec::new();
    for round in 0..10 {
        let issuer = [&first, &second][round % 2];
        let token = issuer.access_token(ANN, PASSWORD);
        for server in [&first, &second] {
            assert!(opens(server, &token), "round {round}");
        }
        home.run(&["user", "revoke", "--email", ANN]).ok();
        ended.push(token);
        for (number, token) in ended.iter().enumerate() {
            for server in [&first, &second] {
                assert!(!opens(server, token), "token {number}, round {round}");
            }
        }
    }
}

/// The server is killed after a different number of acknowledged resets in each round, while others are in progress.
pub fn a_reset_is_atomic_when_the_server_is_killed(home: Home) {
    const ROUNDS: usize = 20;
    const RESETS: usize = 10;
    let home = home.with("MAIL_PORT", "1").with("MOVIE_BAG_LOG", "error");
    let (mut done, mut undone) = (0, 0);
    for round in 0..ROUNDS {
        let server = home.serve_alone(&[]);
        let accounts: Vec<_> = (0..RESETS)
            .map(|number| format!("ann{number}.{round}@example.com"))
            .collect();
        let tokens: Vec<_> = accounts
            .iter()
            .map(|email| {
                server.sign_up(email, PASSWORD);
                home.reset_token(email)
            })
            .collect();
        let address = server.address().to_owned();
        let acknowledged: Vec<bool> = thread::scope(|scope| {
            let (sender, acknowledgements) = mpsc::channel();
            let reset = |token: &String| {
                let sender = sender.clone();
                let body = json!({"reset_token": token, "password": NEW_PASSWORD}).to_string();
                let request = ureq::post(format!("http://{address}/api/auth/reset"))
                    .header("Content-Type", "application/json");
                scope.spawn(move || {
                    let is_acknowledged = request
                        .send(body)
                        .is_ok_and(|answer| answer.status() == 200);
                    if is_acknowledged {
                        sender.send(()).unwrap();
                    }
                    is_acknowledged
                })
            };
            let resets: Vec<_> = tokens.iter().map(reset).collect();
            drop(sender);
            let awaited = round * RESETS / ROUNDS;
            assert_eq!(acknowledgements.iter().take(awaited).count(), awaited);
            server.kill();
            let join = |reset: thread::ScopedJoinHandle<'_, bool>| reset.join().unwrap();
            resets.into_iter().map(join).collect()
        });

        let server = home.serve_alone(&[]);
        let outbox = home.outbox();
        for (email, acknowledged) in accounts.iter().zip(acknowledged) {
            let changed = server.log_in(email, NEW_PASSWORD).status == 200;
            let unchanged = server.log_in(email, PASSWORD).status == 200;
            assert!(
                changed != unchanged,
                "{email}: exactly one password is valid"
            );
            assert!(
                changed || !acknowledged,
                "{email}: an acknowledged reset is stored"
            );
            let history = home.history(email);
            let history = history.iter().filter(|event| event["kind"] == "reset_done");
            let mails = outbox
                .iter()
                .filter(|mail| mail["email"] == **email && mail["kind"] == "reset_successful");
            let expected = usize::from(changed);
            assert_eq!(
                (history.count(), mails.count()),
                (expected, expected),
                "{email}"
            );
            *if changed { &mut done } else { &mut undone } += 1;
        }
        server.kill();
    }
    let _ = writeln!(
        std::io::stderr(),
        "200 resets and 20 kills: {done} were done, {undone} were not"
    );
    assert!(
        done > 10 && undone > 10,
        "{done} and {undone}: too few kills during a reset"
    );
    if !home.is_on_mongodb() {
        let integrity = home
            .database()
            .query_row("PRAGMA integrity_check", [], |row| row.get(0));
        assert_eq!(integrity, Ok("ok".to_owned()));
    }
    let mut places: Vec<Vec<u8>> = vec![home.stored_values().join("\n").into_bytes()];
    places.extend(
        home.files()
            .into_iter()
            .map(|path| std::fs::read(path).unwrap()),
    );
    for secret in [PASSWORD, NEW_PASSWORD] {
        let holds = |place: &Vec<u8>| place.windows(secret.len()).any(|w| w == secret.as_bytes());
        assert!(!places.iter().any(holds), "a password is on the disk");
    }
}

pub fn a_reset_does_not_log_in(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let answer = server.reset(&home.reset_token(ANN), NEW_PASSWORD).is(200);
    let fields: Vec<_> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["message"]);
    let page = server.reset_on_page(&home.reset_token(ANN), PASSWORD);
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(!page.text.contains("eyJ"), "{}", page.text);
    for answer in [answer, page] {
        assert_eq!(answer.header("set-cookie"), None);
        assert_eq!(answer.header("authorization"), None);
        assert_eq!(answer.header("location"), None);
    }
}

pub fn the_confirmation_states_time_source_and_what_to_do(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let before = now();
    server.reset(&home.reset_token(ANN), NEW_PASSWORD).is(200);
    let mail = server.inbox().wait_for_count(ANN, CONFIRMATION, 1);
    let hours = [before, now()].map(|at| {
        let at = jiff::Timestamp::from_second(at.as_secs() as i64).unwrap();
        at.strftime("%-d %B %Y, %H:").to_string()
    });
    for text in [&mail.text, &mail.html] {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(hours.iter().any(|hour| words.contains(hour)), "{words}");
        for needed in [" UTC", "127.0.0.1", "this was not you", "/forgot"] {
            assert!(words.contains(needed), "{needed:?}: {words}");
        }
        assert!(!words.contains(NEW_PASSWORD) && !words.contains("/reset/"));
    }
}
