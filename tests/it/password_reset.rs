//! The main use cases, over HTTP, on the terminal, and both at the same time. `security.rs` runs the public functions under the
//! numbers of their promises.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use serde_json::json;

use movie_bag_testkit::{ClosedPort, Home, NEW_PASSWORD, PASSWORD, wait_until};

movie_bag_testkit::on_every_database! {
    a_forgotten_password_is_reset_over_http,
    one_confirmation_follows_one_reset,
    a_session_survives_a_restart,
    tokens_of_both_forms_are_valid_on_every_server,
    a_request_in_progress_is_answered_before_the_server_stops,
}

const ANN: &str = "ann@example.com";
const CONFIRMATION: &str = "[Movie-bag] Your password was changed";

fn a_forgotten_password_is_reset_over_http(home: Home) {
    let server = home.serve(&[]);
    let id = server.sign_up(ANN, PASSWORD);
    assert!(
        id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{id}"
    );
    server.access_token(ANN, PASSWORD);

    let answer = server
        .post("/api/auth/forgot", json!({"email": ANN}))
        .is(200);
    assert!(answer.body["message"].is_string());
    let mail = server.inbox().wait_for(ANN);
    assert_eq!(mail.subject, "[Movie-bag] Reset your password");
    assert!(mail.link().starts_with(&format!(
        "http://localhost:{}/reset/",
        server.address().rsplit_once(':').unwrap().1
    )));
    // The sink prints the mail.
    server.stdout_once(|stdout| stdout.contains(mail.link()));

    let answer = server.reset(&mail.token(), NEW_PASSWORD).is(200);
    assert!(answer.body["message"].is_string());
    server.log_in(ANN, PASSWORD).fails_with(401, "unauthorized");
    server.access_token(ANN, NEW_PASSWORD);
    server.inbox().wait_for_count(ANN, CONFIRMATION, 1);
    assert!(server.stop().success());
}

pub fn a_forgotten_password_is_reset_on_the_terminal_while_a_server_runs(home: Home) {
    let server = home.serve(&[]);
    let port = server.smtp().rsplit_once(':').unwrap().1.to_owned();
    let home = home
        .with("MAIL_PORT", port)
        .with("MOVIE_BAG_PUBLIC_URL", "https://movies.example");

    home.create_account(ANN, PASSWORD);
    server.access_token(ANN, PASSWORD);
    home.run(&["forgot", "--email", ANN]).ok();
    // The command returns after the mail has been accepted, so that no wait is needed.
    let [summary] = <[_; 1]>::try_from(server.inbox().messages()).unwrap();
    let mail = server.inbox().mail(summary["ID"].as_str().unwrap());
    assert!(
        mail.link().starts_with("https://movies.example/reset/"),
        "{}",
        mail.link()
    );

    // The complete link, as a person pastes it.
    home.run_with_input(
        &["reset", "--token", mail.link(), "--password-stdin"],
        &format!("{NEW_PASSWORD}\n"),
    )
    .ok();
    assert_eq!(server.inbox().count(ANN, CONFIRMATION), 1);
    server.log_in(ANN, PASSWORD).fails_with(401, "unauthorized");
    server.access_token(ANN, NEW_PASSWORD);
    // The token was used: the API and the command refuse it.
    server
        .reset(&mail.token(), PASSWORD)
        .fails_with(403, "bad_token");
    home.run_with_input(
        &["reset", "--token", &mail.token(), "--password-stdin"],
        "a third password\n",
    )
    .exits(4);
}

fn one_confirmation_follows_one_reset(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let token = server.reset_token(ANN);
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| server.reset(&token, NEW_PASSWORD));
        }
    });
    server.inbox().wait_for_count(ANN, CONFIRMATION, 1);
    // A later mail has arrived, so an earlier second confirmation would have arrived too.
    server
        .post("/api/auth/forgot", json!({"email": ANN}))
        .is(200);
    server
        .inbox()
        .wait_for_count(ANN, "[Movie-bag] Reset your password", 2);
    assert_eq!(server.inbox().count(ANN, CONFIRMATION), 1);
}

pub fn a_token_is_valid_only_for_its_purpose(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let access = server.access_token(ANN, PASSWORD);
    let reset = server.reset_token(ANN);
    server
        .reset(&access, NEW_PASSWORD)
        .fails_with(403, "bad_token");
    let movie =
        json!({"name": "Metropolis", "casts": ["Brigitte Helm"], "genres": ["silent"]}).to_string();
    let refused = server
        .send("POST", "/api/movies", Some(&reset), &movie)
        .fails_with(401, "invalid_access_token");
    assert_eq!(
        refused.header("www-authenticate"),
        Some("Bearer error=\"invalid_token\"")
    );
    server.log_in(ANN, PASSWORD).is(200);
}

pub fn a_reset_ends_earlier_sessions_and_reset_links(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let access = server.access_token(ANN, PASSWORD);
    let (first, second) = (server.reset_token(ANN), server.reset_token(ANN));
    let movie =
        json!({"name": "Metropolis", "casts": ["Brigitte Helm"], "genres": ["silent"]}).to_string();
    server
        .send("POST", "/api/movies", Some(&access), &movie)
        .is(200);
    server.reset(&second, NEW_PASSWORD).is(200);
    server
        .send("POST", "/api/movies", Some(&access), &movie)
        .fails_with(401, "invalid_access_token");
    server.reset(&first, PASSWORD).fails_with(403, "bad_token");
    // The used token is refused even with the same password.
    server
        .reset(&second, NEW_PASSWORD)
        .fails_with(403, "bad_token");
}

pub fn a_refused_password_leaves_the_token_usable(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let token = server.reset_token(ANN);
    for weak in ["short", "password1", ANN, &"x".repeat(73), "movie-bag"] {
        server.reset(&token, weak).fails_with(400, "weak_password");
        home.run_with_input(
            &["reset", "--token", &token, "--password-stdin"],
            &format!("{weak}\n"),
        )
        .exits(5);
    }
    server.reset(&token, NEW_PASSWORD).is(200);
}

pub fn the_request_does_not_choose_the_link(home: Home) {
    let server = home.serve(&["--public-url", "https://movies.example/base/"]);
    server.sign_up(ANN, PASSWORD);
    let body = json!({"email": ANN}).to_string();
    let length = body.len();
    let answer = server.raw(
        format!(
            "POST http://evil.example/api/auth/forgot HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n\
             Forwarded: host=evil.example;proto=http\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        )
        .as_bytes(),
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mail = server.inbox().wait_for(ANN);
    assert!(
        mail.link()
            .starts_with("https://movies.example/base/reset/"),
        "{}",
        mail.link()
    );
    assert!(!mail.raw.contains("evil"), "{}", mail.raw);
}

pub fn the_link_is_on_one_line_of_both_parts_of_the_sent_mail(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    server
        .post("/api/auth/forgot", json!({"email": ANN}))
        .is(200);
    let mail = server.inbox().wait_for(ANN);
    let lines = mail
        .raw
        .split("\r\n")
        .filter(|line| line.contains(mail.link()))
        .count();
    assert!(
        lines >= 2 && mail.html.contains(mail.link()),
        "{}",
        mail.raw
    );
    assert!(
        mail.raw.contains("multipart/alternative")
            && mail.raw.contains("Auto-Submitted: auto-generated"),
        "{}",
        mail.raw
    );
}

pub fn opening_the_link_changes_nothing(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let token = server.reset_token(ANN);
    for _ in 0..3 {
        server.get(&format!("/reset/{token}")).is(200);
        server
            .send("HEAD", &format!("/reset/{token}"), None, "")
            .is(200);
    }
    server.reset(&token, NEW_PASSWORD).is(200);
    assert_eq!(server.get(&format!("/reset/{token}")).status, 403);
}

pub fn a_mail_outage_loses_no_mail(home: Home) {
    let down = ClosedPort::reserve();
    let home = home.with("MAIL_PORT", down.port());
    let server = home.serve_alone(&[]);
    server.sign_up(ANN, PASSWORD);
    server
        .post("/api/auth/forgot", json!({"email": ANN}))
        .is(200);
    // The server is killed as well: the acknowledged mail is in the database.
    server.kill();
    let sink = home.sink(&["--listen", &down.address()]);
    let _server = home.serve_alone(&[]);
    let mail = sink.inbox().wait_for(ANN);
    assert_eq!(mail.subject, "[Movie-bag] Reset your password");
}

fn a_session_survives_a_restart(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let access = server.access_token(ANN, PASSWORD);
    assert!(server.stop().success());
    let server = home.serve(&[]);
    let movie =
        json!({"name": "Metropolis", "casts": ["Brigitte Helm"], "genres": ["silent"]}).to_string();
    server
        .send("POST", "/api/movies", Some(&access), &movie)
        .is(200);
}

fn tokens_of_both_forms_are_valid_on_every_server(home: Home) {
    let short = home.serve(&[]);
    short.sign_up(ANN, PASSWORD);
    let issued_short = short.access_token(ANN, PASSWORD);
    assert!(issued_short.len() <= 270, "{issued_short}");
    let reset = home.reset_token(ANN);

    let home = home.with("MOVIE_BAG_TOKEN_FORM", "long");
    let long = home.serve(&[]);
    let issued_long = long.access_token(ANN, PASSWORD);
    assert_eq!(issued_long.len(), 319, "{issued_long}");
    let reset_long = home.reset_token(ANN);
    for (number, server) in [short, long].iter().enumerate() {
        for (form, token) in [("short", &issued_short), ("long", &issued_long)] {
            let movie = json!({"name": format!("{number} {form}"), "casts": ["Brigitte Helm"], "genres": ["silent"]});
            server
                .send("POST", "/api/movies", Some(token), &movie.to_string())
                .is(200);
        }
        for token in [&reset, &reset_long] {
            assert_eq!(server.get(&format!("/reset/{token}")).status, 200);
        }
    }
}

fn a_request_in_progress_is_answered_before_the_server_stops(home: Home) {
    let server = home.serve(&[]);
    let body = json!({"email": ANN, "password": PASSWORD}).to_string();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(
        stream,
        "POST /api/auth/signup HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Expect: 100-continue\r\n\r\n",
        body.len()
    )
    .unwrap();
    // The request is in progress once the server requests the body. The server is stopping once it accepts no connection.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(interim, *b"HTTP/1.1 100 Continue\r\n\r\n");
    server.terminate();
    wait_until("the server accepts no connection", || {
        TcpStream::connect(server.address()).is_err()
    });
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(server.stop().success());
    let output = home.run(&["user", "show", "--email", ANN, "--json"]).ok();
    assert_eq!(output.json()["email"], ANN);
}
