//! What must never be written anywhere.

use std::fs;

use serde_json::json;

use crate::harness::{Home, NEW_PASSWORD};

/// Not the password that `serve --smtp-debug` shows in its first steps.
const PASSWORD: &str = "a secret of this test";

#[test]
fn no_log_and_no_file_holds_a_token_or_a_password() {
    let home = Home::fresh().with("MOVIE_BAG_LOG", "trace");
    let server = home.serve(&[]);
    server.sign_up("ann@example.com", PASSWORD);
    let access = server.access_token("ann@example.com", PASSWORD);
    let used = server.reset_token("ann@example.com");
    server.get(&format!("/reset/{used}")).is(200);
    server.reset(&used, NEW_PASSWORD).is(200);
    server.reset(&used, "another attempt").is(403);
    let unused = server.reset_token("ann@example.com");
    server.get(&format!("/reset/{unused}?x={unused}"));
    let movie = json!({"name": "Faust", "casts": ["a"], "genres": ["b"]}).to_string();
    server.send("POST", "/api/movies", Some(&access), &movie);

    let log = server.stderr();
    assert!(log.contains("/api/auth/reset"), "the log is there: {log}");
    let mut places = vec![("the log".to_owned(), log.into_bytes())];
    for file in fs::read_dir(home.data_dir()).unwrap() {
        let path = file.unwrap().path();
        places.push((path.display().to_string(), fs::read(&path).unwrap()));
    }
    for (place, bytes) in places {
        for secret in [
            PASSWORD,
            NEW_PASSWORD,
            "another attempt",
            &used,
            &unused,
            &access,
        ] {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{place} holds {secret}");
        }
    }
}
