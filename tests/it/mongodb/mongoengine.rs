//! Databases that an application with MongoEngine has written and still uses.

use super::*;

/// Runs a command of the application with MongoEngine, in Python.
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

/// Returns the bcrypt hash of a password, with the cost of the tests.
fn hash(password: &str) -> String {
    let home = Home::fresh();
    home.create_account(ANN, password);
    home.database()
        .query_row("SELECT password FROM account", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn a_mongoengine_database_works_with_both_programs() {
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
    // An address stored with capitals is found by any spelling, and mails go to the stored spelling.
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
        !checked
            .stdout
            .contains("differ only by upper and lower case"),
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
fn accounts_that_differ_only_by_case_are_reported_and_found_by_their_spelling() {
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
    let checked = home.run(&["check"]).words();
    assert!(
        checked.contains(
            "warning accounts addresses differ only by upper and lower case: Ann@example.com ("
        ),
        "{checked}"
    );
}
