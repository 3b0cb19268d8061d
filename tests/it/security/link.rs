//! L: targets of links, and who can read them.

use movie_bag_testkit::{Home, NEW_PASSWORD, PASSWORD, wait_until};
use serde_json::json;

use super::ANN;

pub fn no_request_redirects_to_another_site(home: Home) {
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    const FIELDS: [&str; 7] = [
        "redirect",
        "redirect_uri",
        "redirect_to",
        "return_to",
        "next",
        "callback",
        "url",
    ];
    for field in FIELDS {
        let mut body = json!({"email": ANN});
        body[field] = json!("https://evil.example/");
        server
            .post("/api/auth/forgot", body)
            .fails_with(400, "schema_validation");
    }
    let query: Vec<_> = FIELDS
        .iter()
        .map(|field| format!("{field}=https%3A%2F%2Fevil.example%2F"))
        .collect();
    let query = query.join("&");
    let answers = [
        server.post(&format!("/api/auth/forgot?{query}"), json!({"email": ANN})),
        server.get(&format!("/forgot?{query}")),
        server.post_form(&format!("/forgot?{query}"), "email=ann%40example.com"),
        server.get(&format!("/reset/nonsense?{query}")),
        server.get("//evil.example/%2f.."),
        server.get("/reset/"),
        server.get("/reset"),
    ];
    for answer in answers {
        assert_eq!(answer.header("location"), None, "{}", answer.text);
        assert!(!answer.text.contains("evil"), "{}", answer.text);
    }
    let token = home.reset_token(ANN);
    let done = server.reset_on_page(&format!("{token}?{query}"), NEW_PASSWORD);
    assert_eq!((done.status, done.header("location")), (200, None));
    assert!(!done.text.contains("evil"), "{}", done.text);
    let inbox = server.inbox();
    inbox.wait_for_count(ANN, super::CONFIRMATION, 1);
    for message in inbox.messages() {
        let mail = inbox.mail(message["ID"].as_str().unwrap());
        assert!(!mail.raw.contains("evil"), "{}", mail.raw);
    }
}

pub fn pages_and_the_log_do_not_leak_the_token(home: Home) {
    let home = home.with("MOVIE_BAG_LOG", "info");
    let server = home.serve(&[]);
    server.sign_up(ANN, PASSWORD);
    let token = home.reset_token(ANN);
    let page = format!("/reset/{token}");
    let answers = [
        server.get(&page).is(200),
        server.send("HEAD", &page, None, "").is(200),
        server.post_form(&page, "password=short").is(400),
        server.get("/reset/nonsense").is(403),
        server.get("/forgot").is(200),
        server
            .post_form("/forgot", "email=ann%40example.com")
            .is(200),
    ];
    for answer in answers {
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        // Nothing is loaded from another server, whose log could show the URL, and no script runs but that of the page.
        assert!(!policy.contains("unsafe") && !policy.contains("http"));
        let loading = answer.text.split('<').filter(|tag| {
            let loads = ["link ", "script", "img", "iframe", "source", "object"];
            loads.iter().any(|name| tag.starts_with(name))
        });
        for tag in loading {
            assert!(
                tag.contains("\"../assets/") || tag.contains("\"assets/"),
                "{tag}"
            );
        }
        assert_eq!(answer.header("server"), None);
    }
    // The last request is the last one in the log.
    wait_until("the requests are logged", || {
        let log = server.stderr();
        log.lines().any(|line| {
            ["answered", "POST", "/forgot"]
                .iter()
                .all(|word| line.contains(word))
                && !line.contains("/api/")
        })
    });
    let log = server.stderr();
    assert!(log.contains("/reset/{token}"), "{log}");
    assert!(!log.contains(&token), "{log}");
}
