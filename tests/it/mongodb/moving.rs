//! `copy --to`, there and back.

use super::*;

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
    // Others work on the server at the same time.
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
    let mut is_half = 0;
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
