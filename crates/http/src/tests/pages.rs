//! The pages in a browser without scripts.

use super::*;

#[tokio::test]
async fn a_password_can_be_reset_with_the_pages_alone() {
    let server = Server::start().await;
    server.sign_up("ann").await;
    assert!(server.get("/forgot").await.body.contains("name=\"email\""));
    let sent = server.submit("/forgot", "email=ann%40example.com").await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    assert_eq!(server.store.mails.lock().unwrap().len(), 1);

    let path = format!("/reset/{}", server.reset_token("ann").await);
    for _ in 0..3 {
        let form = server.get(&path).await;
        assert_eq!(form.status, 200);
        assert!(form.body.contains("name=\"password_again\""));
        assert!(!form.body.contains("ann@"), "the address is not shown");
        assert_eq!(server.call("HEAD", &path, "", b"").await.status, 200);
    }
    for (form, reason) in [
        (
            "password=new+password+1&password_again=new+password+2",
            "do not match",
        ),
        ("password=short&password_again=short", "at least 8"),
        ("password=&password_again=", "at least 8"),
    ] {
        let response = server.submit(&path, form).await;
        assert_eq!(response.status, 400);
        assert!(response.body.contains(reason), "{form}: {}", response.body);
        assert!(
            response.body.contains("name=\"password_again\""),
            "the form is not shown again"
        );
    }
    let form = "password=new+password+%C3%BC&password_again=new+password+%C3%BC";
    let done = server.submit(&path, form).await;
    assert_eq!(done.status, 200, "{}", done.body);
    assert!(done.body.contains("was changed"));
    let login = server
        .post(
            "/api/auth/login",
            r#"{"email":"ann@example.com","password":"new password ü"}"#,
        )
        .await;
    assert_eq!(login.status, 200);

    for used in [server.get(&path).await, server.submit(&path, form).await] {
        assert_eq!(used.status, 403);
        assert!(used.body.contains("invalid or was already used"));
        assert!(
            used.body.contains("action=\"../forgot\""),
            "no new link is offered"
        );
    }
}

#[tokio::test]
async fn an_unusable_link_explains_itself_and_offers_a_new_one() {
    let server = Server::start().await;
    server.sign_up("ann").await;
    let path = format!("/reset/{}", server.reset_token("ann").await);
    server.advance_clock(HOUR);
    let same = "password=new+password&password_again=new+password";
    let other = "password=new+password&password_again=new";
    for response in [
        server.get(&path).await,
        server.submit(&path, same).await,
        server.submit(&path, other).await,
    ] {
        assert_eq!(response.status, 403);
        assert!(response.body.contains("has expired"), "{}", response.body);
    }
    for path in ["/reset/x", "/reset/%ff", "/reset/", "/reset"] {
        let response = server.get(path).await;
        assert_eq!(response.status, 403, "{path}");
        assert!(response.body.contains("link is incomplete"), "{path}");
        assert!(response.body.contains("forgot\""), "{path}");
    }
}

#[tokio::test]
async fn every_error_of_a_form_is_a_page() {
    let server = Server::start().await;
    let unknown = server
        .submit("/forgot", "email=%3Cb%3E%40example.com")
        .await;
    assert_eq!(unknown.status, 400);
    assert!(!unknown.body.contains("<b>"));
    let unknown = server
        .submit("/forgot", "email=unknown%40example.com")
        .await;
    let error = "No account has this email address";
    assert!(unknown.body.contains(error), "{}", unknown.body);
    let large = "email=".to_owned() + &"x".repeat(100_000);
    for (response, status) in [
        (server.submit("/forgot", &large).await, 413),
        (server.submit("/forgot", "").await, 400),
        (server.submit("/forgot", "email=a&email=b").await, 400),
        (server.submit("/forgot", "email=%ff").await, 400),
        (server.submit("/forgot", "email=a&id=1").await, 400),
        (server.post("/forgot", "{}").await, 415),
        (server.call("PUT", "/forgot", "", b"").await, 405),
    ] {
        assert_eq!(response.status, status);
        assert_eq!(
            response.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert!(response.body.contains("<h1>"), "{}", response.body);
    }
}

#[tokio::test]
async fn pages_are_not_cached_and_load_nothing_from_other_origins() {
    let server = Server::start().await;
    for path in ["/", "/forgot", "/reset/x"] {
        let page = server.get(path).await;
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self';"));
        assert!(!policy.contains("unsafe"));
    }
    for (name, kind) in [
        ("style.css", "text/css; charset=utf-8"),
        ("password.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ] {
        let asset = server.get(&format!("/assets/{name}")).await;
        assert_eq!(asset.status, 200, "{name}");
        assert_eq!(asset.header("content-type"), Some(kind));
    }
    for name in ["base.html", "reset.html", "..%2femail%2fframe.html", ""] {
        assert_eq!(server.get(&format!("/assets/{name}")).await.status, 404);
    }
}

#[tokio::test]
async fn an_unknown_path_is_a_page_for_browsers_and_json_for_programs() {
    let server = Server::start().await;
    const BROWSER: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    for (path, headers, is_page) in [
        ("/nothing", BROWSER, true),
        ("/nothing/at/all", BROWSER, true),
        ("/nothing", "Accept: */*\r\n", false),
        ("/nothing", "", false),
        ("/api/nothing", BROWSER, false),
        ("/api/movies/x/y", BROWSER, false),
    ] {
        let response = server.call("GET", path, headers, b"").await;
        assert_eq!(response.status, 404, "{path}");
        assert_eq!(response.body.contains("<h1>"), is_page, "{path} {headers}");
        assert_eq!(response.body.contains("not_found"), !is_page, "{path}");
    }
    let deep = server.call("GET", "/nothing/at/all", BROWSER, b"").await;
    assert!(deep.body.contains("href=\"../../assets/style.css\""));
}

#[tokio::test]
async fn the_well_known_url_redirects_password_managers_to_the_form() {
    let server = Server::start().await;
    let response = server.get("/.well-known/change-password").await;
    assert_eq!(
        (response.status, response.header("location")),
        (303, Some("../forgot"))
    );
}
