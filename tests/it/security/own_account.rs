//! O: calls of an account owner who is logged in, and of a person who has stolen the access token.

use std::thread;

use movie_bag_testkit::{Answer, Home, NEW_PASSWORD, PASSWORD, wait_until};
use serde_json::json;

use super::limits::{Guesses, with_rate_limits};
use super::state::traces;
use super::{ANN, BOB, CONFIRMATION, two_servers};

const WRONG: &str = "not the password of ann";

pub fn a_session_without_the_password_changes_nothing(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let stolen = server.access_token(ANN, PASSWORD);
    let login = server.log_in(ANN, WRONG).fails_with(401, "unauthorized");
    let truncated = &PASSWORD[..PASSWORD.len() - 1];
    let (long, padded) = ("x".repeat(73), format!("{PASSWORD} "));
    let hash = "$2b$04$abcdefghijklmnopqrstuu5Lo0g67CiD3M4RpN1BmBb4Crp5w7dbK";
    let guesses = ["", WRONG, truncated, &padded, &long, "\0", hash, &stolen];
    for guess in guesses {
        for refused in [
            server.change_password(&stolen, guess, NEW_PASSWORD),
            server.delete_account(&stolen, guess),
        ] {
            let refused = refused.fails_with(401, "unauthorized");
            assert_eq!(refused.text, login.text, "{guess:?}");
            assert_eq!(
                refused.header("www-authenticate"),
                login.header("www-authenticate")
            );
        }
    }
    // Without the password, the body is not complete.
    for (method, path, body) in [
        (
            "POST",
            "/api/account/password",
            json!({"password": NEW_PASSWORD}),
        ),
        ("DELETE", "/api/account", json!({})),
    ] {
        server
            .send(method, path, Some(&stolen), &body.to_string())
            .fails_with(400, "schema_validation");
    }
    server.account(&stolen).is(200);
    server.access_token(ANN, PASSWORD);
    assert!(home.outbox().is_empty());
    // A failure is recorded after its answer.
    let failures = 1 + 2 * guesses.len();
    wait_until("all failures are counted", || {
        let history = home.whole_history(ANN);
        let failed = history
            .iter()
            .filter(|event| event["kind"] == "login_failed");
        let counts = failed.map(|event| event["count"].as_u64().unwrap());
        counts.sum::<u64>() == failures as u64
    });
}

pub fn guessing_the_current_password_is_delayed(home: Home) {
    let home = with_rate_limits(home);
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let stolen = server.access_token(ANN, PASSWORD);
    let calls: [&dyn Fn() -> Answer; 3] = [
        &|| server.change_password(&stolen, WRONG, NEW_PASSWORD),
        &|| server.delete_account(&stolen, WRONG),
        &|| server.log_in(ANN, WRONG),
    ];
    // One count for all: any of them is refused within the delay that the others have caused.
    let mut guesses = Guesses::new();
    let mut rest = [None; 3];
    while rest.contains(&None) {
        for (call, rest) in calls.iter().zip(&mut rest) {
            *rest = guesses.refused_by(call).or(*rest);
        }
    }
    server.account(&stolen).is(200);
    server.sign_up(BOB, PASSWORD);
    let bob = server.access_token(BOB, PASSWORD);
    server.change_password(&bob, PASSWORD, NEW_PASSWORD).is(200);
    // The owner changes the password after the delay.
    let wait = loop {
        match guesses.refused_by(calls[1]) {
            Some(wait) => break wait,
            None => continue,
        }
    };
    thread::sleep(wait);
    server
        .change_password(&stolen, PASSWORD, NEW_PASSWORD)
        .is(200);
    server.access_token(ANN, NEW_PASSWORD);
    let history = home.history(ANN);
    let has = |kind: &str| history.iter().any(|event| event["kind"] == kind);
    assert!(
        has("login_delayed") && has("password_changed"),
        "{history:?}"
    );
}

pub fn a_changed_password_ends_sessions_and_reset_links_on_every_server(home: Home) {
    let (_home, first, second) = two_servers(home);
    first.sign_up(ANN, PASSWORD);
    let tokens = [&first, &second].map(|server| server.access_token(ANN, PASSWORD));
    let link = first.reset_token(ANN);
    // Both servers have verified both access tokens, and may have cached them.
    for token in &tokens {
        first.account(token).is(200);
        second.account(token).is(200);
    }
    let answer = first.change_password(&tokens[0], PASSWORD, NEW_PASSWORD);
    let fresh = answer.is(200).body["token"].as_str().unwrap().to_owned();
    for server in [&second, &first] {
        for token in &tokens {
            server
                .account(token)
                .fails_with(401, "invalid_access_token");
            server
                .change_password(token, NEW_PASSWORD, PASSWORD)
                .fails_with(401, "invalid_access_token");
        }
        server.account(&fresh).is(200);
        server.reset(&link, PASSWORD).fails_with(403, "bad_token");
    }
    first.inbox().wait_for_count(ANN, CONFIRMATION, 1);
}

pub fn of_twenty_changes_at_once_one_succeeds(home: Home) {
    let (home, first, second) = two_servers(home);
    first.sign_up(ANN, PASSWORD);
    let token = first.access_token(ANN, PASSWORD);
    let passwords: Vec<_> = (0..20)
        .map(|number| format!("{NEW_PASSWORD} {number}"))
        .collect();
    let servers = [&first, &second];
    let answers: Vec<Answer> = thread::scope(|scope| {
        let token = &token;
        let changes: Vec<_> = passwords
            .iter()
            .enumerate()
            .map(|(number, password)| {
                let server = servers[number % 2];
                scope.spawn(move || server.change_password(token, PASSWORD, password))
            })
            .collect();
        let join = |change: thread::ScopedJoinHandle<'_, Answer>| change.join().unwrap();
        changes.into_iter().map(join).collect()
    });
    let mut winners = Vec::new();
    for (password, answer) in passwords.iter().zip(answers) {
        if answer.status == 200 {
            winners.push((password, answer.body["token"].as_str().unwrap().to_owned()));
        } else {
            answer.fails_with(401, "invalid_access_token");
        }
    }
    let [(password, fresh)] = &winners[..] else {
        panic!("{} changes succeeded", winners.len());
    };
    second.account(fresh).is(200);
    second.access_token(ANN, password);
    let history = home.history(ANN);
    let changes = history
        .iter()
        .filter(|event| event["kind"] == "password_changed");
    assert_eq!(changes.count(), 1);
    first.inbox().wait_for_count(ANN, CONFIRMATION, 1);
}

pub fn a_change_and_a_reset_at_once_do_not_both_succeed(home: Home) {
    let (home, first, second) = two_servers(home);
    for round in 0..6 {
        let email = format!("ann{round}@example.com");
        first.sign_up(&email, PASSWORD);
        let token = first.access_token(&email, PASSWORD);
        let link = home.reset_token(&email);
        let by_reset = format!("{NEW_PASSWORD} by reset");
        let (changed, reset) = thread::scope(|scope| {
            let changed = scope.spawn(|| first.change_password(&token, PASSWORD, NEW_PASSWORD));
            let reset = scope.spawn(|| second.reset(&link, &by_reset));
            (changed.join().unwrap(), reset.join().unwrap())
        });
        let valid = if changed.status == 200 {
            reset.fails_with(403, "bad_token");
            NEW_PASSWORD
        } else {
            changed.fails_with(401, "invalid_access_token");
            reset.is(200);
            &by_reset
        };
        for password in [NEW_PASSWORD, &by_reset] {
            let expected = if password == valid { 200 } else { 401 };
            assert_eq!(first.log_in(&email, password).status, expected);
        }
    }
}

/// The address may belong to another person, since sign-up does not verify it.
pub fn repeated_changes_send_few_mails(home: Home) {
    let home = with_rate_limits(home);
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let mut token = server.access_token(ANN, PASSWORD);
    for _ in 0..3 {
        let answer = server.change_password(&token, PASSWORD, PASSWORD).is(200);
        token = answer.body["token"].as_str().unwrap().to_owned();
    }
    for _ in 0..5 {
        let refused = server.change_password(&token, PASSWORD, PASSWORD);
        let refused = refused.fails_with(429, "rate_limited");
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=300).contains(&wait));
    }
    server.inbox().wait_for_count(ANN, CONFIRMATION, 3);
    // The session remains. Another account with the address does not begin anew.
    server.account(&token).is(200);
    server.delete_account(&token, PASSWORD).is(200);
    server.sign_up(ANN, PASSWORD);
    let token = server.access_token(ANN, PASSWORD);
    server
        .change_password(&token, PASSWORD, PASSWORD)
        .fails_with(429, "rate_limited");
    assert_eq!(server.inbox().count(ANN, CONFIRMATION), 3);
}

pub fn a_logout_ends_all_sessions_on_every_server(home: Home) {
    let (home, first, second) = two_servers(home);
    first.sign_up(ANN, PASSWORD);
    first.sign_up(BOB, PASSWORD);
    let bob = first.access_token(BOB, PASSWORD);
    let mut ended = Vec::new();
    for round in 0..6 {
        let issuer = [&first, &second][round % 2];
        let tokens = [(); 2].map(|()| issuer.access_token(ANN, PASSWORD));
        for server in [&first, &second] {
            server.account(&tokens[1]).is(200);
        }
        second.log_out(&tokens[0]).is(200);
        ended.extend(tokens);
        for token in &ended {
            for server in [&first, &second] {
                server
                    .account(token)
                    .fails_with(401, "invalid_access_token");
            }
        }
        first.account(&bob).is(200);
    }
    assert!(home.outbox().is_empty());
}

pub fn of_ten_deletions_at_once_one_succeeds_and_nothing_is_left(home: Home) {
    let home = home.with("MAIL_PORT", "1");
    let server = home.serve_alone(&[]);
    for round in 0..4 {
        server.sign_up(ANN, PASSWORD);
        let token = server.access_token(ANN, PASSWORD);
        let movie = json!({"name": "Faust", "casts": ["a"], "genres": ["b"]}).to_string();
        server
            .send("POST", "/api/movies", Some(&token), &movie)
            .is(200);
        server.forgot(ANN).is(200);
        let link = home.reset_token(ANN);
        let answers: Vec<Answer> = thread::scope(|scope| {
            let (server, token, link) = (&server, &token, &link);
            // Refused, and recorded as long as the account exists.
            scope.spawn(move || server.log_in(ANN, WRONG));
            scope.spawn(move || server.change_password(token, WRONG, NEW_PASSWORD));
            scope.spawn(move || server.reset(link, "short"));
            let deletions: Vec<_> = (0..10)
                .map(|_| scope.spawn(move || server.delete_account(token, PASSWORD)))
                .collect();
            let join = |deletion: thread::ScopedJoinHandle<'_, Answer>| deletion.join().unwrap();
            deletions.into_iter().map(join).collect()
        });
        let mut done = 0;
        for answer in answers {
            if answer.status == 200 {
                done += 1;
            } else {
                answer.fails_with(401, "invalid_access_token");
            }
        }
        assert_eq!(done, 1, "round {round}");
        server
            .account(&token)
            .fails_with(401, "invalid_access_token");
        server
            .send("POST", "/api/movies", Some(&token), &movie)
            .fails_with(401, "invalid_access_token");
        server.log_in(ANN, PASSWORD).fails_with(401, "unauthorized");
        server
            .reset(&link, NEW_PASSWORD)
            .fails_with(403, "bad_token");
        assert_eq!(server.get("/api/movies").is(200).text, "[]");
        // A failed login is recorded after its answer.
        wait_until("nothing of the account is left", || traces(&home) == 0);
    }
}

pub fn a_token_concerns_only_its_own_account(home: Home) {
    let server = home.serve(&[]);
    let ann = server.sign_up(ANN, PASSWORD);
    server.sign_up(BOB, NEW_PASSWORD);
    let movie = json!({"name": "Faust", "casts": ["a"], "genres": ["b"]}).to_string();
    let of_ann = server.access_token(ANN, PASSWORD);
    server
        .send("POST", "/api/movies", Some(&of_ann), &movie)
        .is(200);
    let of_bob = server.access_token(BOB, NEW_PASSWORD);
    for (field, value) in [
        ("id", json!(ann)),
        ("_id", json!({"$oid": ann})),
        ("email", json!(ANN)),
        ("sub", json!(ann)),
        ("token", json!(of_ann)),
    ] {
        for (method, path) in [
            ("POST", "/api/account/password"),
            ("DELETE", "/api/account"),
        ] {
            let mut body = json!({"password": NEW_PASSWORD});
            if method == "POST" {
                body["current_password"] = json!(NEW_PASSWORD);
            }
            body[field] = value.clone();
            server
                .send(method, path, Some(&of_bob), &body.to_string())
                .fails_with(400, "schema_validation");
        }
    }
    let query = format!("/api/account?id={ann}&email={ANN}");
    let shown = server.send("GET", &query, Some(&of_bob), "").is(200);
    assert_eq!(shown.body["email"], BOB);
    for path in [format!("/api/account/{ann}"), "/api/account/".to_owned()] {
        for method in ["GET", "DELETE"] {
            let body = json!({"password": NEW_PASSWORD}).to_string();
            server
                .send(method, &path, Some(&of_bob), &body)
                .fails_with(404, "not_found");
        }
    }
    // The password of another account is a wrong one.
    server
        .delete_account(&of_bob, PASSWORD)
        .fails_with(401, "unauthorized");
    server
        .change_password(&of_bob, PASSWORD, NEW_PASSWORD)
        .fails_with(401, "unauthorized");
    server.log_out(&of_bob).is(200);
    let of_bob = server.access_token(BOB, NEW_PASSWORD);
    server.delete_account(&of_bob, NEW_PASSWORD).is(200);
    let shown = server.account(&of_ann).is(200);
    assert_eq!(shown.body["id"], ann);
    assert!(server.get("/api/movies").is(200).text.contains("Faust"));
    server.access_token(ANN, PASSWORD);
}

pub fn other_tokens_are_refused_by_every_call(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let revoked = server.access_token(ANN, PASSWORD);
    home.run(&["user", "revoke", "--email", ANN]).ok();
    let access = server.access_token(ANN, PASSWORD);
    let (head, signature) = access.rsplit_once('.').unwrap();
    let (header, claims) = head.split_once('.').unwrap();
    let other = home.reset_token(ANN);
    let (_, other_signature) = other.rsplit_once('.').unwrap();
    let tokens = [
        revoked.clone(),
        other.clone(),
        format!("{head}.{other_signature}"),
        format!("{header}.{claims}."),
        format!("{header}.{claims}"),
        format!("{access}{access}"),
        signature.to_owned(),
        "x".repeat(60_000),
    ];
    for token in &tokens {
        for refused in [
            server.account(token),
            server.change_password(token, PASSWORD, NEW_PASSWORD),
            server.log_out(token),
            server.delete_account(token, PASSWORD),
        ] {
            let refused = refused.fails_with(401, "invalid_access_token");
            assert_eq!(
                refused.header("www-authenticate"),
                Some("Bearer error=\"invalid_token\"")
            );
        }
    }
    let body = json!({"current_password": PASSWORD, "password": PASSWORD}).to_string();
    for (method, path) in [
        ("GET", "/api/account"),
        ("POST", "/api/account/password"),
        ("POST", "/api/account/logout"),
        ("DELETE", "/api/account"),
    ] {
        server
            .send(method, path, None, &body)
            .fails_with(401, "missing_token");
    }
    server.account(&access).is(200);
    server.access_token(ANN, PASSWORD);
}
