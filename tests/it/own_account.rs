//! The calls of an account owner who is logged in, over HTTP, with their traces on the terminal.

use serde_json::json;

use movie_bag_testkit::{Home, NEW_PASSWORD, PASSWORD, now};

movie_bag_testkit::on_every_database! {
    a_token_shows_its_account,
    a_password_is_changed_with_the_current_one,
    a_logout_ends_sessions_and_is_in_the_history,
    an_owner_deletes_the_account,
    a_session_ends_when_the_administrator_sets_the_password_and_not_the_address,
}

const ANN: &str = "ann@example.com";
const CONFIRMATION: &str = "[Movie-bag] Your password was changed";

fn a_token_shows_its_account(home: Home) {
    let server = home.serve(&[]);
    let before = now().as_secs();
    let id = server.sign_up(" Ann@Example.com ", PASSWORD);
    let token = server.access_token(ANN, PASSWORD);
    let answer = server.account(&token).is(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(
        (&answer.body["id"], &answer.body["email"]),
        (&json!(id), &json!(ANN))
    );
    let created_at = answer.body["created_at"].as_str().unwrap();
    assert!(created_at.ends_with('Z'), "{created_at}");
    let created_at: jiff::Timestamp = created_at.parse().unwrap();
    let created_at = u64::try_from(created_at.as_second()).unwrap();
    assert!((before..=now().as_secs()).contains(&created_at));
    let shown = home.run(&["user", "show", "--email", ANN, "--json"]).ok();
    assert_eq!(shown.json()["created_at"], answer.body["created_at"]);
}

fn a_password_is_changed_with_the_current_one(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let token = server.access_token(ANN, PASSWORD);
    server
        .change_password(&token, NEW_PASSWORD, PASSWORD)
        .fails_with(401, "unauthorized");
    server
        .change_password(&token, PASSWORD, "short")
        .fails_with(400, "weak_password");
    let answer = server
        .change_password(&token, PASSWORD, NEW_PASSWORD)
        .is(200);
    let fields: Vec<_> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["token"]);
    server
        .account(&token)
        .fails_with(401, "invalid_access_token");
    server
        .account(answer.body["token"].as_str().unwrap())
        .is(200);
    server.log_in(ANN, PASSWORD).fails_with(401, "unauthorized");
    server.access_token(ANN, NEW_PASSWORD);

    let mail = server.inbox().wait_for_count(ANN, CONFIRMATION, 1);
    let words = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for needed in [" UTC", "127.0.0.1", "this was not you", "/forgot"] {
        assert!(words.contains(needed), "{needed:?}: {words}");
    }
    let history = home.history(ANN);
    let mut lines = history.iter();
    let line = lines.find(|event| event["kind"] == "password_changed");
    assert_eq!(line.unwrap()["origin"], "127.0.0.1");
    let stderr = server.stderr();
    assert!(stderr.contains("password changed"), "{stderr}");
    assert!(
        !stderr.contains(NEW_PASSWORD) && !stderr.contains(&token),
        "{stderr}"
    );
}

fn a_logout_ends_sessions_and_is_in_the_history(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let tokens = [(); 2].map(|()| server.access_token(ANN, PASSWORD));
    server.log_out(&tokens[0]).is(200);
    for token in &tokens {
        server
            .account(token)
            .fails_with(401, "invalid_access_token");
    }
    server.access_token(ANN, PASSWORD);
    assert!(home.outbox().is_empty());
    let history = home.history(ANN);
    assert_eq!(history[0]["kind"], "access_revoked");
    assert_eq!(history[0]["origin"], "127.0.0.1");
}

fn an_owner_deletes_the_account(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let token = server.access_token(ANN, PASSWORD);
    server
        .delete_account(&token, NEW_PASSWORD)
        .fails_with(401, "unauthorized");
    let answer = server.delete_account(&token, PASSWORD).is(200);
    assert_eq!(answer.text, "\"\"");
    home.run(&["user", "show", "--email", ANN]).exits(3);
    server.log_in(ANN, PASSWORD).fails_with(401, "unauthorized");
    server.sign_up(ANN, PASSWORD);
    server
        .account(&token)
        .fails_with(401, "invalid_access_token");
}

fn a_session_ends_when_the_administrator_sets_the_password_and_not_the_address(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let token = server.access_token(ANN, PASSWORD);
    home.run_with_input(
        &["user", "set-password", "--email", ANN, "--password-stdin"],
        &format!("{NEW_PASSWORD}\n"),
    )
    .ok();
    server
        .change_password(&token, NEW_PASSWORD, PASSWORD)
        .fails_with(401, "invalid_access_token");
    let token = server.access_token(ANN, NEW_PASSWORD);
    let other = "ann@elsewhere.example";
    home.run(&["user", "set-email", "--email", ANN, "--to", other])
        .ok();
    assert_eq!(server.account(&token).is(200).body["email"], other);
    server.delete_account(&token, NEW_PASSWORD).is(200);
}
