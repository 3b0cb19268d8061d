//! I: identity of accounts, and injection through input.

use movie_bag_testkit::{Home, NEW_PASSWORD, PASSWORD};
use serde_json::json;

use super::{ANN, BOB, RESET};

pub fn mail_goes_to_the_stored_address(home: Home) {
    const MIKE: &str = "mike@example.org";
    let server = home.serve(&[]);
    server.sign_up(MIKE, PASSWORD);
    let mut accepted = 0;
    for typed in [
        "MIKE@EXAMPLE.ORG",
        "ｍｉｋｅ@example.org",
        "mike@ｅxample.org",
        "mike@example。org",
        "mi\u{212a}e@example.org",
        "m\u{131}ke@example.org",
        "M\u{130}KE@EXAMPLE.ORG",
        "mike@examp\u{2113}e.org",
        "m\u{ad}ike@example.org",
        "mike@ex\u{200b}ample.org",
        "mike@xn--exmple-cua.org",
    ] {
        let answer = server.forgot(typed);
        match answer.status {
            200 => accepted += 1,
            400 => assert!(
                ["email_does_not_exist", "invalid_email"]
                    .contains(&answer.body["code"].as_str().unwrap()),
                "{typed}: {}",
                answer.text
            ),
            status => panic!("{typed}: {status}"),
        }
    }
    assert!(
        accepted >= 3,
        "capitals and full-width letters are the same address"
    );
    let inbox = server.inbox();
    inbox.wait_for_count(MIKE, RESET, accepted);
    for message in inbox.messages() {
        let mail = inbox.mail(message["ID"].as_str().unwrap());
        assert!(
            mail.raw.contains("\r\nTo: mike@example.org\r\n"),
            "{}",
            mail.raw
        );
        for kind in ["Cc", "Bcc"] {
            assert_eq!(message[kind].as_array().map_or(0, Vec::len), 0, "{message}");
        }
    }
    // A dotless i is another letter, so that the address is another one.
    let other = server.post(
        "/api/auth/signup",
        json!({"email": "m\u{131}ke@example.org", "password": PASSWORD}),
    );
    assert_ne!(other.body["code"], "email_already_exists");
}

pub fn an_address_is_one_mailbox(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    for typed in [
        json!([ANN, "evil@example.com"]),
        json!({"0": ANN, "1": "evil@example.com"}),
        json!("ann@example.com,evil@example.com"),
        json!("ann@example.com;evil@example.com"),
        json!("ann@example.com evil@example.com"),
        json!("Ann <ann@example.com>"),
        json!("ann@example.com\r\nBcc: evil@example.com"),
        json!("ann@example.com\nBcc: evil@example.com"),
        json!("ann@example.com\rBcc: evil@example.com"),
        json!("ann@example.com\u{0}"),
        json!("ann@example.com\u{85}Bcc: evil@example.com"),
        json!("ann@example.com\u{2028}Bcc: evil@example.com"),
        json!("\"ann@example.com\"@evil.example"),
        json!("ann(comment)@example.com"),
        json!("ann@example.com@evil.example"),
        json!("ann@[127.0.0.1]"),
        json!("<script>alert(1)</script>@example.com"),
        json!("@example.com"),
        json!("ann@"),
        json!(""),
    ] {
        for (path, more) in [
            ("/api/auth/forgot", json!({})),
            ("/api/auth/signup", json!({"password": PASSWORD})),
        ] {
            let mut body = more;
            body["email"] = typed.clone();
            let answer = server.post(path, body);
            let code = answer.body["code"].as_str().unwrap_or_default();
            assert!(
                answer.status == 400 && ["invalid_email", "schema_validation"].contains(&code),
                "{path} {typed}: {}",
                answer.text
            );
        }
    }
    server.forgot(ANN).is(200);
    server.inbox().wait_for(ANN);
    assert_eq!(server.inbox().messages().len(), 1);
    // An accepted address is harmless where it is shown.
    let typed = "a&b'{{7*7}}@example.com";
    server.sign_up(typed, PASSWORD);
    server.forgot(typed).is(200);
    let mail = server.inbox().wait_for(typed);
    assert!(
        mail.html.contains("a&amp;b&#39;{{7*7}}@example.com"),
        "{}",
        mail.html
    );
    assert!(mail.text.contains(typed), "{}", mail.text);
    let page = server.post_form("/forgot", "email=%22%3E%3Cscript%3Ex");
    assert!(
        page.text.contains("&quot;&gt;&lt;script&gt;x"),
        "{}",
        page.text
    );
}

const QUERIES: [&str; 9] = [
    "' OR '1'='1",
    "'; DROP TABLE account; --",
    "\" OR \"\"=\"",
    "1 UNION SELECT password FROM account",
    "{\"$gt\": \"\"}",
    "$where",
    "'; return true; var x='",
    "%27%20OR%201=1",
    "\\u0027 OR 1=1",
];

pub fn no_field_is_a_query(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let access = server.access_token(ANN, PASSWORD);
    for query in QUERIES {
        let address = format!("{}@example.com", query.replace(' ', "+"));
        for email in [query, &address, &format!("{ANN}{query}")] {
            assert!(matches!(server.forgot(email).status, 200 | 400));
            assert!(matches!(server.log_in(email, PASSWORD).status, 400 | 401));
            let output = home.run(&["user", "show", "--email", email]);
            assert!(matches!(output.code, Some(2 | 3)), "{output:?}");
        }
        server.log_in(ANN, query).fails_with(401, "unauthorized");
        let body = json!({"current_password": query, "password": NEW_PASSWORD}).to_string();
        server
            .send("POST", "/api/account/password", Some(&access), &body)
            .fails_with(401, "unauthorized");
        let body = json!({"password": query}).to_string();
        server
            .send("DELETE", "/api/account", Some(&access), &body)
            .fails_with(401, "unauthorized");
        server
            .reset(query, NEW_PASSWORD)
            .fails_with(403, "bad_token");
        let path: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        server
            .get(&format!("/api/movies/{path}"))
            .fails_with(400, "movie_not_exists");
        server
            .get(&format!("/api/movies?after={path}"))
            .fails_with(400, "schema_validation");
        // Free text is stored unchanged.
        let movie = json!({"name": query, "casts": [query], "genres": [query]});
        let created = server
            .send("POST", "/api/movies", Some(&access), &movie.to_string())
            .is(200);
        let id = created.body["id"].as_str().unwrap();
        let shown = server.get(&format!("/api/movies/{id}")).is(200).body;
        assert_eq!(
            (&shown["name"], &shown["casts"][0]),
            (&json!(query), &json!(query))
        );
    }
    for operator in [
        json!({"$gt": ""}),
        json!({"$ne": null}),
        json!({"$regex": ".*"}),
    ] {
        for body in [
            json!({"email": operator, "password": PASSWORD}),
            json!({"email": ANN, "password": operator}),
        ] {
            server
                .post("/api/auth/login", body)
                .fails_with(400, "schema_validation");
        }
    }
    let accounts = home.run(&["user", "list", "--json"]).ok().stdout;
    assert_eq!(accounts.lines().count(), 1, "{accounts}");
    server.access_token(ANN, PASSWORD);
}

pub fn a_sign_up_creates_only_its_own_account(home: Home) {
    let server = home.serve(&[]);
    let ann = server.sign_up(ANN, PASSWORD);
    for (field, value) in [
        ("id", json!(ann)),
        ("_id", json!({"$oid": ann})),
        ("_id", json!(ann)),
        ("_cls", json!("Admin")),
        ("movies", json!([])),
        ("password_hash", json!("$2b$04$x")),
        ("added_by", json!(ann)),
        ("__proto__", json!({})),
    ] {
        let mut body = json!({"email": BOB, "password": PASSWORD});
        body[field] = value;
        server
            .post("/api/auth/signup", body)
            .fails_with(400, "schema_validation");
    }
    for email in [
        ANN,
        "ANN@example.com",
        " ann@example.com",
        "ａnn@example.com",
    ] {
        let body = json!({"email": email, "password": NEW_PASSWORD});
        let refused = server
            .post("/api/auth/signup", body)
            .fails_with(400, "email_already_exists");
        assert!(!refused.text.contains(&ann), "{}", refused.text);
    }
    server.log_in(ANN, NEW_PASSWORD).is(401);
    server.access_token(ANN, PASSWORD);
    let bob = server.sign_up(BOB, PASSWORD);
    assert_ne!(ann, bob);
}
