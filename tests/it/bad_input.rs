//! Invalid input gets an error that names the problem, and changes nothing.

pub mod random;

use serde_json::{Value, json};

use movie_bag_testkit::{Home, NEW_PASSWORD, PASSWORD, Server};

movie_bag_testkit::on_every_database! {
    malformed_bodies_and_paths_get_specific_errors,
    an_authorization_header_must_be_bearer_and_one_token,
    bytes_that_are_not_http_do_no_harm,
    sign_up_can_be_closed,
}

const ANN: &str = "ann@example.com";

fn with_account(home: &Home) -> Server {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    server
}

pub fn a_wrong_type_in_any_field_is_a_400_that_names_the_field(home: Home) {
    let server = with_account(&home);
    let token = server.access_token(ANN, PASSWORD);
    let calls = [
        (
            "POST /api/auth/signup",
            json!({"email": "bob@example.com", "password": PASSWORD}),
        ),
        (
            "POST /api/auth/login",
            json!({"email": ANN, "password": PASSWORD}),
        ),
        ("POST /api/auth/forgot", json!({"email": ANN})),
        (
            "POST /api/auth/reset",
            json!({"reset_token": "abc", "password": PASSWORD}),
        ),
        (
            "POST /api/account/password",
            json!({"current_password": PASSWORD, "password": NEW_PASSWORD}),
        ),
        ("DELETE /api/account", json!({"password": PASSWORD})),
        (
            "POST /api/account/email",
            json!({"password": PASSWORD, "email": "ann@new.example"}),
        ),
        (
            "POST /api/auth/confirm-signup",
            json!({"token": "abc", "password": PASSWORD}),
        ),
        ("POST /api/auth/confirm-email", json!({"token": "abc"})),
        ("POST /api/auth/revert-email", json!({"token": "abc"})),
    ];
    for (path, good) in &calls {
        let (method, route) = path.split_once(' ').unwrap();
        let send = |body: Value| {
            server
                .send(method, route, Some(&token), &body.to_string())
                .fails_with(400, "schema_validation")
        };
        for field in good.as_object().unwrap().keys() {
            for wrong in [
                json!(null),
                json!(0),
                json!(true),
                json!([]),
                json!({}),
                json!({"$gt": ""}),
                json!([ANN]),
                json!(1.5),
            ] {
                let mut body = good.clone();
                body[field] = wrong;
                let answer = send(body.clone());
                assert!(
                    answer.body["fields"][field].is_string(),
                    "{path} {body}: {}",
                    answer.text
                );
            }
            let mut body = good.clone();
            body.as_object_mut().unwrap().remove(field);
            let answer = send(body);
            assert!(
                answer.body["fields"][field].is_string(),
                "{path}: {}",
                answer.text
            );
        }
        let mut body = good.clone();
        body["id"] = json!("000000000000000000000001");
        let answer = send(body);
        assert!(
            answer.body["fields"]["id"].is_string(),
            "{path}: {}",
            answer.text
        );
    }
    server.access_token(ANN, PASSWORD);
}

fn malformed_bodies_and_paths_get_specific_errors(home: Home) {
    let server = with_account(&home);
    const OTHER: &str = "must be a JSON object";
    const INVALID: &str = "Invalid JSON: ";
    for (body, why) in [
        ("", INVALID),
        ("{", INVALID),
        ("nonsense", INVALID),
        ("email=ann@example.com", INVALID),
        ("[]", OTHER),
        ("\"text\"", OTHER),
        ("null", OTHER),
        ("{\"email\":\"a\"}}", INVALID),
        ("\u{feff}{}", INVALID),
        (&"[".repeat(60_000), INVALID),
        (r#"{"email":"ann@example.com","x":"\ud800x"}"#, INVALID),
        (r#"{"email":1e999}"#, INVALID),
    ] {
        let answer = server.send("POST", "/api/auth/forgot", None, body);
        let answer = answer.fails_with(400, "schema_validation");
        let named = answer.body["fields"]["body"].as_str().unwrap();
        assert!(named.starts_with(why), "{body}: {named}");
    }
    let latin_1 =
        b"POST /api/auth/forgot HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                    Content-Length: 13\r\nConnection: close\r\n\r\n{\"email\":\"\xff\"}";
    let answer = server.raw(latin_1);
    assert!(answer.contains(INVALID), "{answer}");
    let twice = server
        .send(
            "POST",
            "/api/auth/forgot",
            None,
            r#"{"email":"ann@example.com","email":"bob@example.com"}"#,
        )
        .fails_with(400, "schema_validation");
    assert_eq!(twice.body["fields"]["email"], "occurs more than once");
    let big = json!({"email": "a".repeat(1_000_000)}).to_string();
    server
        .send("POST", "/api/auth/forgot", None, &big)
        .fails_with(413, "payload_too_large");
    server
        .send("PATCH", "/api/auth/forgot", None, "{}")
        .fails_with(405, "method_not_allowed");
    server
        .send("POST", "/api/auth/nothing", None, "{}")
        .fails_with(404, "not_found");
    server
        .post("/api/auth/forgot", json!({"email": "not an address"}))
        .fails_with(400, "invalid_email");
    server
        .post("/api/auth/forgot", json!({"email": "unknown@example.com"}))
        .fails_with(400, "email_does_not_exist");
    server
        .post(
            "/api/auth/signup",
            json!({"email": ANN.to_uppercase(), "password": PASSWORD}),
        )
        .fails_with(400, "email_already_exists");
    server
        .post(
            "/api/auth/signup",
            json!({"email": "bob@example.com", "password": "short"}),
        )
        .fails_with(400, "weak_password");
    server
        .log_in("unknown@example.com", PASSWORD)
        .fails_with(401, "unauthorized");
    server
        .log_in(ANN, &"x".repeat(73))
        .fails_with(401, "unauthorized");
    for id in [
        "1",
        "zzzzzzzzzzzzzzzzzzzzzzzz",
        "000000000000000000000000",
        "%00",
        "..%2f..%2fetc%2fpasswd",
    ] {
        server
            .get(&format!("/api/movies/{id}"))
            .fails_with(400, "movie_not_exists");
    }
    for query in [
        "limit=0",
        "limit=-1",
        "limit=x",
        "after=x",
        "limit=99999999999999999999",
    ] {
        server
            .get(&format!("/api/movies?{query}"))
            .fails_with(400, "schema_validation");
    }
    let form = server.raw(b"POST /api/auth/forgot HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    assert!(
        form.starts_with("HTTP/1.1 415") && form.contains("unsupported_media_type"),
        "{form}"
    );
}

pub fn a_password_of_more_than_72_bytes_is_refused_wherever_it_is_set(home: Home) {
    let server = with_account(&home);
    for (number, longest) in ["x7".repeat(36), "üä".repeat(18), "映画館".repeat(8)]
        .into_iter()
        .enumerate()
    {
        assert_eq!(longest.len(), 72);
        let too_long = format!("{longest}y");
        let signed_up = format!("signed-up-{number}@example.com");
        server
            .post(
                "/api/auth/signup",
                json!({"email": signed_up, "password": too_long}),
            )
            .fails_with(400, "weak_password");
        server.sign_up(&signed_up, &longest);
        server.access_token(&signed_up, &longest);
        let shorter: String = longest.chars().skip(1).collect();
        server
            .log_in(&signed_up, &shorter)
            .fails_with(401, "unauthorized");

        let token = server.reset_token(ANN);
        server
            .reset(&token, &too_long)
            .fails_with(400, "weak_password");
        server.reset(&token, &longest).is(200);
        server.access_token(ANN, &longest);

        let created = format!("made-{number}@example.com");
        for (command, email) in [("create", created.as_str()), ("set-password", ANN)] {
            let arguments = ["user", command, "--email", email, "--password-stdin"];
            home.run_with_input(&arguments, &format!("{too_long}\n"))
                .exits(5);
            home.run_with_input(&arguments, &format!("{longest}\n"))
                .ok();
        }
        server.access_token(&created, &longest);
    }
}

fn an_authorization_header_must_be_bearer_and_one_token(home: Home) {
    let server = with_account(&home);
    let token = server.access_token(ANN, PASSWORD);
    let movie = json!({"name": "Faust", "casts": ["a"], "genres": ["b"]}).to_string();
    let missing = server
        .send("POST", "/api/movies", None, &movie)
        .fails_with(401, "missing_token");
    assert_eq!(missing.header("www-authenticate"), Some("Bearer"));
    let post = |authorization: &[u8]| {
        let mut request = format!("POST /api/movies HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\nAuthorization: ", movie.len()).into_bytes();
        request.extend_from_slice(authorization);
        request.extend_from_slice(b"\r\n\r\n");
        request.extend_from_slice(movie.as_bytes());
        server.raw(&request)
    };
    for wrong in [
        b"Basic YTpi".as_slice(),
        b"Bearer",
        b"Bearer ",
        token.as_bytes(),
        b"\xff\xfe",
        b"Bearer a b",
    ] {
        let answer = post(wrong);
        assert!(
            answer.starts_with("HTTP/1.1 401")
                && (answer.contains("missing_token") || answer.contains("invalid_access_token")),
            "{wrong:?}: {answer}"
        );
    }
    assert!(post(format!("bearer {token}").as_bytes()).starts_with("HTTP/1.1 200"));
}

fn bytes_that_are_not_http_do_no_harm(home: Home) {
    let server = with_account(&home);
    let long_header = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "a".repeat(1_000_000)
    );
    for bytes in [
        b"\0\0\0\0".as_slice(),
        b"GET",
        b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"EHLO mail.example\r\n",
        b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{\"a\":\"\xff\xfe",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        long_header.as_bytes(),
    ] {
        let answer = server.raw(bytes);
        assert!(!answer.starts_with("HTTP/1.1 5"), "{bytes:?}: {answer}");
    }
    server.get("/healthz").is(200);
    server.get("/readyz").is(200);
}

pub fn concurrent_sign_ups_for_one_address_create_one_account(home: Home) {
    let server = home.serve(&[]);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let attempts: Vec<_> = (0..20)
            .map(|number| {
                let email = if number % 2 == 0 {
                    "Cleo@Example.com"
                } else {
                    " cleo@example.com "
                };
                let server = &server;
                scope.spawn(move || {
                    server
                        .post(
                            "/api/auth/signup",
                            json!({"email": email, "password": PASSWORD}),
                        )
                        .status
                })
            })
            .collect();
        attempts
            .into_iter()
            .map(|attempt| attempt.join().unwrap())
            .collect()
    });
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 400)),
        "{statuses:?}"
    );
}

fn sign_up_can_be_closed(home: Home) {
    let home = home.with("MOVIE_BAG_SIGNUP", "closed");
    let server = home.serve(&[]);
    server
        .post(
            "/api/auth/signup",
            json!({"email": ANN, "password": PASSWORD}),
        )
        .fails_with(403, "signup_closed");
    home.create_account(ANN, PASSWORD);
    server.access_token(ANN, PASSWORD);
}
