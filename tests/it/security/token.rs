//! T: reset tokens and access tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use movie_bag_testkit::{
    ClosedPort, Home, NEW_PASSWORD, Output, PASSWORD, now, wait_for, wait_until,
};
use serde_json::{Value, json};

use super::{ANN, BOB, CONFIRMATION, RESET, two_servers};

/// A secret of more than 32 bytes that no other test uses.
const SECRET: &str = "the secret that the attacker wants to know";

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

pub fn a_reset_token_is_random_and_reveals_nothing(home: Home) {
    home.create_account(ANN, PASSWORD);
    let tokens: Vec<String> = (0..12).map(|_| home.reset_token(ANN)).collect();
    let mut ids = BTreeSet::new();
    for token in &tokens {
        let claims = claims(token);
        assert_eq!(claims["use"], "reset");
        assert!(token.len() <= 270, "{} characters", token.len());
        let id = claims["jti"].as_str().unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(id).unwrap().len() * 8, 128);
        ids.insert(id.to_owned());
        let fingerprint = claims["fingerprint"].as_str().unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(fingerprint).unwrap().len() * 8, 128);
        for part in token.split('.') {
            let decoded = URL_SAFE_NO_PAD.decode(part).unwrap();
            let decoded = String::from_utf8_lossy(&decoded);
            for secret in ["ann", "example.com", "$2b$", PASSWORD] {
                assert!(!decoded.contains(secret), "{decoded}");
            }
        }
    }
    assert_eq!(ids.len(), tokens.len());
    // Random bits are 1 as often as 0: for 1,536 bits, the probability of a count outside this range is below one in a billion.
    let ones: u32 = ids
        .iter()
        .flat_map(|id| URL_SAFE_NO_PAD.decode(id).unwrap())
        .map(u8::count_ones)
        .sum();
    assert!((640..=896).contains(&ones), "{ones} of 1536");
    // Bound to the credential: the same account with another credential refuses the token.
    let arguments = ["user", "set-password", "--email", ANN, "--password-stdin"];
    home.run_with_input(&arguments, &format!("{NEW_PASSWORD}\n"))
        .ok();
    home.reset(&tokens[0], PASSWORD).exits(4);
}

pub fn nothing_stored_or_logged_can_be_redeemed(home: Home) {
    const SECRETS: [&str; 3] = [
        "a secret of this test",
        "another one of it",
        "a third attempt",
    ];
    let [first, second, third] = SECRETS;
    let home = home
        .with("MOVIE_BAG_LOG", "trace")
        .with("MOVIE_BAG_METRICS_BIND", "127.0.0.1:0");
    let server = home.serve(&[]);
    server.sign_up(ANN, first);
    let access = server.access_token(ANN, first);
    let used = server.reset_token(ANN);
    server.get(&format!("/reset/{used}")).is(200);
    server.reset(&used, second).is(200);
    server.reset(&used, third).is(403);
    let unused = server.reset_token(ANN);
    server.get(&format!("/reset/{unused}?x={unused}"));
    let movie = json!({"name": "Faust", "casts": ["a"], "genres": ["b"]}).to_string();
    server.send("POST", "/api/movies", Some(&access), &movie);
    // One mail stays queued, since its mail server is unreachable.
    let mut forgot = home.command(&["forgot", "--email", ANN]);
    forgot.env("MAIL_PORT", "1");
    Output::run(forgot, "").exits(7);

    let log = server.stderr();
    assert!(log.contains("/api/auth/reset"), "the log is there: {log}");
    let metrics = server.metrics().is(200).text;
    assert!(metrics.contains("/api/auth/reset"), "{metrics}");
    let process = |file: &str| std::fs::read(format!("/proc/{}/{file}", server.pid())).unwrap();
    let values = home.stored_values();
    let mut places = vec![
        ("the log".to_owned(), log.into_bytes()),
        ("a metric".to_owned(), metrics.into_bytes()),
        ("the process list".to_owned(), process("cmdline")),
        ("the environment".to_owned(), process("environ")),
        ("the database".to_owned(), values.join("\n").into_bytes()),
    ];
    for path in home.files() {
        places.push((path.display().to_string(), std::fs::read(&path).unwrap()));
    }
    for (place, bytes) in places {
        for secret in [first, second, third, &used, &unused, &access] {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{place} holds {secret}");
        }
    }
    // An attacker who reads the whole database tries every value in place of a token.
    let values: BTreeSet<&str> = values
        .iter()
        .map(String::as_str)
        .filter(|value| (8..1_000).contains(&value.len()) && value.is_ascii())
        .collect();
    assert!(values.len() > 10, "{values:?}");
    for value in values {
        server.reset(value, third).fails_with(403, "bad_token");
        let bearer = URL_SAFE_NO_PAD.encode(value);
        for token in [
            value.replace(|c: char| c.is_control() || c == ' ', ""),
            bearer,
        ] {
            let opened = server.send("POST", "/api/movies", Some(&token), &movie);
            assert_eq!(opened.status, 401, "{value}");
        }
    }
    server.access_token(ANN, second);
}

pub fn a_reset_token_works_once(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let token = server.reset_token(ANN);
    server.reset(&token, NEW_PASSWORD).is(200);
    for password in [NEW_PASSWORD, PASSWORD, "a third password"] {
        server.reset(&token, password).fails_with(403, "bad_token");
        home.reset(&token, password).exits(4);
        server.reset_on_page(&token, password).is(403);
    }
    server.access_token(ANN, NEW_PASSWORD);
}

pub fn one_of_fifty_concurrent_redemptions_succeeds(home: Home) {
    let (home, first, second) = two_servers(home);
    first.sign_up(ANN, PASSWORD);
    let token = first.reset_token(ANN);
    let start = Barrier::new(50);
    let outcomes: Vec<(u16, String)> = thread::scope(|scope| {
        let (start, first, second, token, home) = (&start, &first, &second, &token, &home);
        let rivals: Vec<_> = (0..50)
            .map(|rival| {
                scope.spawn(move || {
                    let password = format!("{NEW_PASSWORD} {rival}");
                    start.wait();
                    let status = match rival % 10 {
                        0 => match home.reset(token, &password).code {
                            Some(0) => 200,
                            Some(4) => 403,
                            code => panic!("{code:?}"),
                        },
                        1..=5 => first.reset(token, &password).status,
                        _ => second.reset(token, &password).status,
                    };
                    (status, password)
                })
            })
            .collect();
        let join = |rival: thread::ScopedJoinHandle<'_, _>| rival.join().unwrap();
        rivals.into_iter().map(join).collect()
    });
    let mut statuses = BTreeMap::new();
    for (status, _) in &outcomes {
        *statuses.entry(*status).or_insert(0) += 1;
    }
    assert_eq!(statuses, BTreeMap::from([(200, 1), (403, 49)]));
    let winner = outcomes.iter().find(|(status, _)| *status == 200).unwrap();
    second.access_token(ANN, &winner.1);
    first.inbox().wait_for_count(ANN, CONFIRMATION, 1);
    // A mail that was queued later has arrived, so a second confirmation would have arrived too.
    first.forgot(ANN).is(200);
    first.inbox().wait_for_count(ANN, RESET, 2);
    assert_eq!(first.inbox().count(ANN, CONFIRMATION), 1);
    let done = home.stored_values();
    let done = done.iter().filter(|value| *value == "reset_done").count();
    assert_eq!(done, 1, "the history has one reset");
}

pub fn a_reset_token_expires_at_its_second(home: Home) {
    let home = home.with("MOVIE_BAG_RESET_TOKEN_LIFETIME", "2s");
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    // Returns whether the link is open, and asserts that this agrees with the clock.
    let is_open = |token: &str| {
        let expiry = Duration::from_secs(claims(token)["exp"].as_u64().unwrap());
        let before = now();
        match server.get(&format!("/reset/{token}")).status {
            200 => {
                assert!(before < expiry, "open {:?} too long", before - expiry);
                true
            }
            403 => {
                assert!(now() >= expiry, "closed too early");
                false
            }
            status => panic!("{status}"),
        }
    };
    // A busy machine may need longer than the lifetime before the first request.
    let token = wait_for("a link that is open", || {
        let token = home.reset_token(ANN);
        let claims = claims(&token);
        let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
        assert_eq!(lifetime, 2);
        if is_open(&token) {
            Ok(token)
        } else {
            Err("expired")
        }
    });
    wait_until("the expiry", || !is_open(&token));
    server
        .reset(&token, NEW_PASSWORD)
        .fails_with(403, "expired_token");
    home.reset(&token, NEW_PASSWORD).exits(4);
    // Without a valid signature, the answer does not reveal the expiry.
    let (body, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    for forged in [
        token[..token.len() - 1].to_owned(),
        format!("{body}.{other}{}", &signature[1..]),
        format!("{body}."),
    ] {
        server
            .reset(&forged, NEW_PASSWORD)
            .fails_with(403, "bad_token");
    }
    server.access_token(ANN, PASSWORD);
}

pub fn a_changed_account_ends_reset_tokens_and_queued_mails(home: Home) {
    const OTHER: &str = "ann.other@example.com";
    // A mail server that starts later.
    let down = ClosedPort::reserve();
    let home = home.with("MAIL_PORT", down.port());
    let server = home.serve_alone(&[]);
    server.sign_up(ANN, PASSWORD);
    let change = |arguments: &[&str]| {
        home.run_with_input(arguments, &format!("{NEW_PASSWORD}\n"))
            .ok()
    };
    let mut email = ANN;
    // The same password with another hash.
    home.write("import.csv", {
        let hash = bcrypt::hash(NEW_PASSWORD, 4).unwrap();
        format!("email,password_hash\n{OTHER},{hash}\n")
    });
    for way in ["set-email", "reset", "set-password", "import"] {
        let tokens = [home.reset_token(email), home.reset_token(email)];
        server.forgot(email).is(200);
        match way {
            "reset" => server
                .reset(&home.reset_token(email), NEW_PASSWORD)
                .is(200)
                .status
                .into(),
            "set-password" => {
                change(&["user", "set-password", "--email", email, "--password-stdin"])
                    .code
                    .unwrap()
            }
            "import" => change(&["user", "import", "import.csv", "--update"])
                .code
                .unwrap(),
            _ => {
                let code = change(&["user", "set-email", "--email", email, "--to", OTHER]).code;
                email = OTHER;
                code.unwrap()
            }
        };
        for token in tokens {
            server.reset(&token, PASSWORD).fails_with(403, "bad_token");
            assert_eq!(server.get(&format!("/reset/{token}")).status, 403);
        }
    }
    let sink = home.sink(&["--listen", &down.address()]);
    // Notifications of the changes arrive; mails with a dead link do not.
    sink.inbox().wait_for_count(OTHER, CONFIRMATION, 2);
    wait_until("only dead mails are left", || {
        home.outbox().iter().all(|mail| mail["state"] == "dead")
    });
    assert_eq!(sink.inbox().count(ANN, RESET), 0);
    assert_eq!(sink.inbox().count(OTHER, RESET), 0);
    assert_eq!(home.outbox().len(), 4);
    server.access_token(OTHER, NEW_PASSWORD);
}

pub fn a_reset_token_changes_only_its_account(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let bob = server.sign_up(BOB, PASSWORD);
    let token = server.reset_token(ANN);
    for (field, value) in [
        ("email", json!(BOB)),
        ("id", json!(bob)),
        ("_id", json!({"$oid": bob})),
        ("user", json!({"email": BOB})),
        ("sub", json!(bob)),
        ("account", json!(bob)),
    ] {
        let mut body = json!({"reset_token": token, "password": NEW_PASSWORD});
        body[field] = value;
        server
            .post("/api/auth/reset", body)
            .fails_with(400, "schema_validation");
    }
    let form = format!("password=another+password&password_again=another+password&email={BOB}");
    server.post_form(&format!("/reset/{token}"), &form).is(400);
    server.access_token(BOB, PASSWORD);
    let token = server.reset_token(ANN);
    server.reset(&token, NEW_PASSWORD).is(200);
    server.access_token(ANN, NEW_PASSWORD);
    server.access_token(BOB, PASSWORD);
}

/// Tokens made without the secret, and tokens of other algorithms and with other claims, made with the secret.
fn forgeries(token: &str) -> Vec<String> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("{token}");
    };
    let claims = claims(token);
    let text = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut forged = Vec::new();
    for name in [
        "none", "None", "NONE", "nOnE", "", "HS512", "RS256", "ES256", "hs256",
    ] {
        let header = text(&json!({"alg": name, "typ": "JWT"}));
        forged.extend([
            format!("{header}.{payload}."),
            format!("{header}.{payload}"),
            format!("{header}.{payload}.{signature}"),
        ]);
    }
    let jwk = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode("attacker"), "alg": "HS256"});
    for (more, key) in [
        (json!({"kid": "/dev/null"}), ""),
        (json!({"kid": "../../../../dev/null"}), "\0"),
        (json!({"kid": "' UNION SELECT 'attacker' --"}), "attacker"),
        (json!({"jwk": jwk}), "attacker"),
        (json!({"jku": "http://evil.example/keys"}), "attacker"),
        (json!({"x5u": "http://evil.example/x"}), "attacker"),
        (json!({"crit": ["exp"]}), "attacker"),
        (json!({}), ""),
        (json!({}), "secret"),
        (json!({}), "super-secret"),
    ] {
        let mut header = json!({"alg": "HS256", "typ": "JWT"});
        let more = more.as_object().unwrap().clone();
        header.as_object_mut().unwrap().extend(more);
        let signed = format!("{}.{payload}", text(&header));
        let mac = jsonwebtoken::crypto::sign(
            signed.as_bytes(),
            &EncodingKey::from_secret(key.as_bytes()),
            Algorithm::HS256,
        );
        forged.push(format!("{signed}.{}", mac.unwrap()));
    }
    // Other algorithms are refused even with the right secret, since only one algorithm is on the list.
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        forged.push(encode(&Header::new(algorithm), &claims, &key).unwrap());
    }
    // The right secret, and claims that no token has.
    for (claim, value) in [
        ("use", json!("everything")),
        ("use", json!(null)),
        ("purpose", json!("reset")),
        ("sub", json!("000000000000000000000000")),
        ("sub", json!({"$gt": ""})),
        ("exp", json!("9999999999")),
        ("admin", json!(true)),
    ] {
        let mut claims = claims.clone();
        claims[claim] = value;
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        forged.push(encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap());
    }
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    forged.extend([
        token[1..].to_owned(),
        token[..token.len() - 1].to_owned(),
        format!("{token}="),
        format!("{token}A"),
        format!("{header}.{payload}.{}", STANDARD.encode(bytes)),
        format!("{header}=.{payload}.{signature}"),
        token.to_uppercase(),
        token.to_lowercase(),
        format!(".{token}"),
        format!("{token}."),
        format!("{header}..{payload}.{signature}"),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!("{payload}.{header}.{signature}"),
        format!("{header}.{payload}"),
        header.to_owned(),
        "..".to_owned(),
        "nonsense".to_owned(),
        "A".repeat(4_000),
    ]);
    forged
}

pub fn every_forged_token_gets_the_same_refusal(home: Home) {
    let home = home.with("JWT_SECRET_KEY", SECRET);
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let movie = json!({"name": "Faust", "casts": ["a"], "genres": ["b"]}).to_string();
    let refused = server
        .reset("nonsense", NEW_PASSWORD)
        .fails_with(403, "bad_token");
    let (reset, access) = (server.reset_token(ANN), server.access_token(ANN, PASSWORD));
    for forged in forgeries(&reset) {
        let answer = server.reset(&forged, NEW_PASSWORD);
        assert_eq!(
            (answer.status, &answer.text),
            (403, &refused.text),
            "{forged}"
        );
    }
    for space in [" ", "\n", "\t", "\u{a0}"] {
        let answer = server.reset(&format!("{space}{reset}"), NEW_PASSWORD);
        assert_eq!((answer.status, &answer.text), (403, &refused.text));
    }
    let closed = server
        .send("POST", "/api/movies", Some("nonsense"), &movie)
        .fails_with(401, "invalid_access_token");
    for forged in forgeries(&access) {
        let answer = server.send("POST", "/api/movies", Some(&forged), &movie);
        assert_eq!(
            (answer.status, &answer.text),
            (401, &closed.text),
            "{forged}"
        );
        assert_eq!(
            answer.header("www-authenticate"),
            closed.header("www-authenticate")
        );
    }
    // The tokens that were the source of the forgeries are valid.
    server
        .send("POST", "/api/movies", Some(&access), &movie)
        .is(200);
    server.reset(&reset, NEW_PASSWORD).is(200);
}

/// Returns whether a text has the form of a token. This needs no secret.
fn has_form(token: &str) -> bool {
    let is_part = |part: &&str| {
        let is_of_alphabet = |c: u8| c.is_ascii_alphanumeric() || b"-_".contains(&c);
        !part.is_empty() && part.bytes().all(is_of_alphabet)
    };
    let parts: Vec<&str> = token.split('.').collect();
    parts.len() == 3 && parts.iter().all(is_part) && parts[2].len() == 43
}

/// Encodes a text as one segment of a path.
fn segment(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'-' | b'_' | b'.' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

pub fn a_page_reveals_only_whether_a_link_is_well_formed(home: Home) {
    let home = home.with("JWT_SECRET_KEY", SECRET);
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let (reset, used) = (server.reset_token(ANN), server.reset_token(ANN));
    let mut forged = forgeries(&reset);
    // Signed with another secret, made for another purpose, and random tokens of the right form.
    let key = EncodingKey::from_secret(b"a secret of thirty-two bytes or more");
    forged.push(encode(&Header::new(Algorithm::HS256), &claims(&reset), &key).unwrap());
    forged.push(server.access_token(ANN, PASSWORD));
    let part = |length: usize| "A-_z".chars().cycle().take(length).collect::<String>();
    for lengths in [[1, 1, 43], [36, 220, 43], [20, 100, 42], [20, 100, 44]] {
        forged.push(lengths.map(part).join("."));
    }
    server.reset(&used, NEW_PASSWORD).is(200);
    forged.extend([reset.clone(), used]);
    assert!(forged.iter().filter(|token| has_form(token)).count() > 20);
    assert!(forged.iter().filter(|token| !has_form(token)).count() > 20);

    // Another service, with another secret and no account, gives the same answers.
    let stranger = Home::fresh().with(
        "JWT_SECRET_KEY",
        "the secret of another service, of many bytes",
    );
    let stranger = stranger.serve_alone(&[]);
    let refused = stranger.get(&format!("/reset/{}", [9, 9, 43].map(part).join(".")));
    let incomplete = stranger.get("/reset/nonsense");
    assert!(refused.text.contains("invalid or was already used"));
    assert!(incomplete.text.contains("This link is incomplete"));
    for token in forged {
        let expected = if has_form(&token) {
            &refused
        } else {
            &incomplete
        };
        let path = format!("/reset/{}", segment(&token));
        for server in [&server, &stranger] {
            let form = format!("password={PASSWORD}&password_again={PASSWORD}").replace(' ', "+");
            let differing = "password=one&password_again=another";
            for answer in [
                server.get(&path),
                server.post_form(&path, &form),
                server.post_form(&path, differing),
            ] {
                assert_eq!(
                    (answer.status, &answer.text),
                    (403, &expected.text),
                    "{token}"
                );
            }
        }
    }
    // A valid token opens only the page of its own service.
    let fresh = home.reset_token(ANN);
    server.get(&format!("/reset/{fresh}")).is(200);
    assert_eq!(stranger.get(&format!("/reset/{fresh}")).text, refused.text);
}

pub fn invalid_token_values_change_nothing(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let token = server.reset_token(ANN);
    // The result of an attempt is stored after the mail has arrived.
    wait_until("the attempt is recorded", || home.outbox().is_empty());
    let before = home.stored_values().len();
    for value in [
        json!(null),
        json!(0),
        json!(1),
        json!(true),
        json!(false),
        json!([]),
        json!({}),
        json!([token]),
        json!({"$gt": ""}),
        json!({"$ne": null}),
        json!(1e300),
    ] {
        let body = json!({"reset_token": value, "password": NEW_PASSWORD});
        server
            .post("/api/auth/reset", body)
            .fails_with(400, "schema_validation");
    }
    for empty in ["", " ", "null", "undefined", "0"] {
        server
            .reset(empty, NEW_PASSWORD)
            .fails_with(403, "bad_token");
    }
    server
        .reset(&"x".repeat(1_000_000), NEW_PASSWORD)
        .fails_with(413, "payload_too_large");
    server
        .reset(&"x".repeat(60_000), NEW_PASSWORD)
        .fails_with(403, "bad_token");
    assert_eq!(home.stored_values().len(), before);
    server.access_token(ANN, PASSWORD);
    server.reset(&token, NEW_PASSWORD).is(200);
}

pub fn a_secret_can_be_rotated(home: Home) {
    const NEXT: &str = "the secret that comes after the other one";
    let old = home.with("JWT_SECRET_KEY", SECRET);
    old.create_account(ANN, PASSWORD);
    let token = old.reset_token(ANN);
    let other = old.reset_token(ANN);
    let with = |current: &str, previous: &str, token: &str| {
        let mut command = old.command(&["reset", "--token", token, "--password-stdin"]);
        command
            .env("JWT_SECRET_KEY", current)
            .env("JWT_SECRET_KEY_PREVIOUS", previous)
            .env("MAIL_PORT", "1")
            .stdin(Stdio::piped());
        Output::run(command, &format!("{NEW_PASSWORD}\n")).code
    };
    assert_eq!(
        with(NEXT, "", &token),
        Some(4),
        "the secret of the token is not active"
    );
    assert_eq!(with(NEXT, SECRET, &token), Some(0), "both are active");
    assert_eq!(
        with(NEXT, SECRET, &other),
        Some(4),
        "the first reset has invalidated it"
    );
}
