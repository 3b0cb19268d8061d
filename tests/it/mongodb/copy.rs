//! `copy --to`, to MongoDB and back.

use super::*;

/// Returns the contents of a database as commands show them.
fn snapshot(home: &Home) -> Vec<String> {
    let list = home.run(&["--json", "user", "list"]).ok().stdout;
    let mut snapshot = Vec::new();
    for line in list.lines() {
        let account: Value = serde_json::from_str(line).unwrap();
        let email = account["email"].as_str().unwrap();
        snapshot.push(
            home.run(&["--json", "user", "show", "--email", email])
                .ok()
                .stdout,
        );
    }
    snapshot
}

#[test]
fn a_database_is_copied_to_mongodb_and_back() {
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
    // A waiting mail is copied, too.
    let home = home.with("MAIL_PORT", "1");
    home.run(&["forgot", "--email", "user2@example.com"])
        .exits(7);
    let before = snapshot(&home);

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
    assert_eq!(snapshot(&there), before);
    // A database with contents is refused.
    home.run(&["copy", "--to", &database.uri]).exits(6);
    // Old links and access tokens stay valid.
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

    let before = snapshot(&there);
    let back = format!("sqlite:{}", there.path().join("back.sqlite3").display());
    there.run(&["copy", "--to", &back]).ok();
    let here = there.with("MOVIE_BAG_DATABASE", back);
    assert_eq!(snapshot(&here), before);
    let server = here.serve_alone(&[]);
    assert_eq!(server.get("/api/movies").text, movies);
    server.access_token("user1@example.com", NEW_PASSWORD);
}

/// The copy is killed at several times: the source is unchanged, commands refuse the unfinished copy, and the next copy is
/// complete.
#[test]
fn an_interrupted_copy_starts_again() {
    let Some(database) = FreshDatabase::shared() else {
        return;
    };
    // Other tests use the server at the same time.
    let home = Home::fresh().with("MOVIE_BAG_DATABASE_TIMEOUT", "60s");
    home.create_account(ANN, PASSWORD);
    let connection = home.database();
    connection
        .execute_batch(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
             INSERT INTO account (id, email, password) SELECT unhex(printf('%024x', i)), 'user' || i || '@example.com', '$2b$04$hash' FROM n",
        )
        .unwrap();
    let copy = ["copy", "--to", database.uri.as_str()];
    let there = Home::fresh().on_database(&database.uri);
    let mut unfinished = 0;
    let arrived = || {
        blocking(async {
            let client = mongodb::Client::with_uri_str(&database.uri).await.unwrap();
            let users = client
                .default_database()
                .unwrap()
                .collection::<Document>("user");
            users.count_documents(doc! {}).await.unwrap()
        })
    };
    for enough in [1, 1_000, 2_000] {
        let mut copying = home.command(&copy).spawn().unwrap();
        wait_until("some accounts are copied", || arrived() >= enough);
        copying.kill().unwrap();
        if !copying.wait().unwrap().success() {
            let output = there.run(&["user", "list"]);
            if output.code == Some(1) {
                assert!(
                    output.stderr.contains("it holds an unfinished copy"),
                    "{}",
                    output.stderr
                );
                unfinished += 1;
            }
        }
    }
    assert!(unfinished > 0, "no copy was interrupted in the middle");
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
