//! Several servers on one MongoDB; its faults, databases of MongoEngine, and copies to MongoDB and back.

mod copy;
mod faults;
mod mongoengine;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mongodb::bson::{Document, doc};
use serde_json::{Value, json};

use movie_bag_testkit::mongodb::{FreshDatabase, MongoServer, Topology, blocking, python};
use movie_bag_testkit::{Home, NEW_PASSWORD, PASSWORD, Server, wait_until};

const ANN: &str = "ann@example.com";
const CONFIRMATION: &str = "[Movie-bag] Your password was changed";

/// Starts two servers on one database. Both deliver to the sink of the first one.
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
        // `user show` lists only the newest lines, and the 49 refusals would hide the others.
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
        // A second confirmation would be in the outbox or sent.
        wait_until("all mails are sent", || home.outbox().is_empty());
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
