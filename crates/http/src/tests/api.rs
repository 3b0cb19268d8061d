//! Responses of each operation.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use movie_bag_core::domain::id::{AccountId, MovieId};
use movie_bag_core::domain::movie::Movie;

use super::*;

const MOVIE: &str = r#"{"name":"Metropolis","casts":["Brigitte Helm"],"genres":["drama"]}"#;

#[tokio::test]
async fn a_reset_replaces_the_password_and_ends_earlier_sessions() {
    let server = Server::start().await;
    let response = server
        .post(
            "/api/auth/signup",
            r#"{"email":"Ann@Example.com","password":"first password of ann"}"#,
        )
        .await;
    assert_eq!(response.status, 200);
    assert_eq!(response.json()["id"].as_str().unwrap().len(), 24);
    let old_login = server.log_in("ann").await;

    let response = server
        .post("/api/auth/forgot", r#"{"email":"ann@example.com"}"#)
        .await;
    assert_eq!(response.status, 200, "{}", response.body);
    assert!(response.json()["message"].is_string());
    assert_eq!(server.store.mails.lock().unwrap().len(), 1);

    let token = server.reset_token("ann").await;
    let reset = |password: &str| format!(r#"{{"reset_token":"{token}","password":"{password}"}}"#);
    let weak = server.post("/api/auth/reset", &reset("short")).await;
    assert_eq!(weak.error(), "400 weak_password");
    assert!(weak.body.contains("at least 8 characters"), "{}", weak.body);
    let done = server
        .post("/api/auth/reset", &reset("second password"))
        .await;
    assert_eq!(done.status, 200, "{}", done.body);
    assert!(done.json()["message"].is_string());
    assert!(done.header("location").is_none() && done.header("set-cookie").is_none());
    let again = server
        .post("/api/auth/reset", &reset("second password"))
        .await;
    assert_eq!(again.error(), "403 bad_token");

    let old = server
        .post(
            "/api/auth/login",
            r#"{"email":"ann@example.com","password":"first password of ann"}"#,
        )
        .await;
    assert_eq!(old.error(), "401 unauthorized");
    assert_eq!(old.header("www-authenticate"), Some("Bearer"));
    let new = server
        .post(
            "/api/auth/login",
            r#"{"email":"ann@example.com","password":"second password"}"#,
        )
        .await;
    assert_eq!(new.status, 200);
    let refused = server
        .call_as(&old_login, "POST", "/api/movies", MOVIE)
        .await;
    assert_eq!(refused.error(), "401 invalid_access_token");
}

#[tokio::test]
async fn each_invalid_auth_request_gets_its_error_code() {
    let server = Server::start().await;
    server.sign_up("ann").await;
    let signup = "/api/auth/signup";
    let email = r#"{"email":"ann@example.com"#;
    for (path, json, expected) in [
        (
            signup,
            format!(r#"{email}","password":"another password"}}"#),
            "400 email_already_exists",
        ),
        (
            signup,
            r#"{"email":"a,b@example.com","password":"another password"}"#.to_owned(),
            "400 invalid_email",
        ),
        (
            signup,
            r#"{"email":"bob@example.com","password":"password"}"#.to_owned(),
            "400 weak_password",
        ),
        (
            signup,
            r#"{"email":"bob@example.com","password":"another password","id":"1"}"#.to_owned(),
            "400 schema_validation",
        ),
        (
            "/api/auth/forgot",
            r#"{"email":"bob@example.com"}"#.to_owned(),
            "400 email_does_not_exist",
        ),
        (
            "/api/auth/forgot",
            r#"{"email":"bob"}"#.to_owned(),
            "400 invalid_email",
        ),
        (
            "/api/auth/login",
            r#"{"email":"bob@example.com","password":"another password"}"#.to_owned(),
            "401 unauthorized",
        ),
        (
            "/api/auth/login",
            format!(r#"{email}","password":"{}"}}"#, "x".repeat(100)),
            "401 unauthorized",
        ),
        (
            "/api/auth/reset",
            r#"{"reset_token":"","password":"another password"}"#.to_owned(),
            "403 bad_token",
        ),
        (
            "/api/auth/reset",
            format!(
                r#"{{"reset_token":"{}","password":"another password"}}"#,
                server.log_in("ann").await
            ),
            "403 bad_token",
        ),
        ("/api/auth/reset", "{}".to_owned(), "400 schema_validation"),
        ("/api/auth/reset", String::new(), "400 schema_validation"),
        ("/api/auth/reset", "[]".to_owned(), "400 schema_validation"),
        (
            "/api/auth/reset",
            "[".repeat(10_000),
            "400 schema_validation",
        ),
    ] {
        assert_eq!(
            server.post(path, &json).await.error(),
            expected,
            "{path} {json}"
        );
    }
    let token = server.reset_token("ann").await;
    server.advance_clock(HOUR);
    let late = format!(r#"{{"reset_token":"{token}","password":"another password"}}"#);
    assert_eq!(
        server.post("/api/auth/reset", &late).await.error(),
        "403 expired_token"
    );
}

#[tokio::test]
async fn settings_can_conceal_accounts_and_close_sign_up() {
    let server = Server::start_with(HttpOptions::default(), |rules| {
        rules.conceal_accounts = true;
        rules.signup = movie_bag_core::app::SignupMode::Closed;
    })
    .await;
    let response = server
        .post("/api/auth/forgot", r#"{"email":"unknown@example.com"}"#)
        .await;
    assert_eq!(response.status, 200);
    let closed = server
        .post(
            "/api/auth/signup",
            r#"{"email":"bob@example.com","password":"another password"}"#,
        )
        .await;
    assert_eq!(closed.error(), "403 signup_closed");
}

#[tokio::test]
async fn only_the_account_that_added_a_movie_changes_and_deletes_it() {
    let server = Server::start().await;
    server.sign_up("ann").await;
    server.sign_up("bob").await;
    let (ann, bob) = (server.log_in("ann").await, server.log_in("bob").await);
    let added = server.call_as(&ann, "POST", "/api/movies", MOVIE).await;
    let id = added.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/movies/{id}");
    let taken = server.call_as(&bob, "POST", "/api/movies", MOVIE).await;
    assert_eq!(taken.error(), "400 movie_already_exists");

    let shown = server.get(&path).await;
    assert_eq!(shown.header("content-type"), Some("application/json"));
    let keys: Vec<_> = shown.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["_id", "name", "casts", "genres", "added_by"]);

    for (token, method, json, expected) in [
        (&bob, "PUT", r#"{"name":"x"}"#, "403 updating_movie"),
        (&bob, "DELETE", "", "403 deleting_movie"),
        (&ann, "PUT", "{}", "400 schema_validation"),
        (&ann, "PUT", r#"{"name":" "}"#, "400 schema_validation"),
        (&ann, "PUT", r#"{"casts":[]}"#, "400 schema_validation"),
        (&ann, "PUT", r#"{"name":null}"#, "400 schema_validation"),
        (&ann, "PUT", r#"{"added_by":"x"}"#, "400 schema_validation"),
    ] {
        let response = server.call_as(token, method, &path, json).await;
        assert_eq!(response.error(), expected, "{method} {json}");
    }
    let changed = server.call_as(&ann, "PUT", &path, r#"{"name":"M"}"#).await;
    assert_eq!((changed.status, changed.body.as_str()), (200, r#""""#));
    assert_eq!(server.get(&path).await.json()["name"], "M");
    let deleted = server.call_as(&ann, "DELETE", &path, "").await;
    assert_eq!((deleted.status, deleted.body.as_str()), (200, r#""""#));
    for path in [&path, "/api/movies/1", "/api/movies/%ff", "/api/movies/ä"] {
        assert_eq!(server.get(path).await.error(), "400 movie_not_exists");
    }
}

#[tokio::test]
async fn a_movie_cannot_be_added_without_a_valid_access_token() {
    let server = Server::start().await;
    server.sign_up("ann").await;
    let reset_token = server.reset_token("ann").await;
    let token = server.log_in("ann").await;
    let body = "content-type: application/json\r\n";
    for (headers, expected, challenge) in [
        (String::new(), "401 missing_token", "Bearer"),
        (
            "authorization: Basic YTpi\r\n".to_owned(),
            "401 missing_token",
            "Bearer",
        ),
        (
            format!("authorization: Bearer {token}\r\nauthorization: Bearer {token}\r\n"),
            "401 missing_token",
            "Bearer",
        ),
        (
            "authorization: Bearer x\r\n".to_owned(),
            "401 invalid_access_token",
            "Bearer error=\"invalid_token\"",
        ),
        (
            format!("authorization: Bearer {reset_token}\r\n"),
            "401 invalid_access_token",
            "Bearer error=\"invalid_token\"",
        ),
        (
            format!("authorization: Bearer {}\r\n", "x".repeat(60_000)),
            "401 invalid_access_token",
            "Bearer error=\"invalid_token\"",
        ),
    ] {
        let response = server
            .call(
                "POST",
                "/api/movies",
                &format!("{headers}{body}"),
                MOVIE.as_bytes(),
            )
            .await;
        assert_eq!(response.error(), expected);
        assert_eq!(response.header("www-authenticate"), Some(challenge));
    }
    let lower = format!("authorization: bearer {token}\r\n{body}");
    let response = server
        .call("POST", "/api/movies", &lower, MOVIE.as_bytes())
        .await;
    assert_eq!(response.status, 200, "{}", response.body);
    server.advance_clock(HOUR);
    let expired = server.call_as(&token, "POST", "/api/movies", MOVIE).await;
    assert_eq!(expired.error(), "401 invalid_access_token");
}

#[tokio::test]
async fn the_openapi_document_lists_the_methods_of_each_path() {
    let server = Server::start().await;
    let described = server.get("/openapi.json").await;
    assert_eq!(described.header("content-type"), Some("application/json"));
    assert_eq!(described.header("cache-control"), Some("no-cache"));
    let document = described.json();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, methods) in openapi::methods() {
        let refused = server.call("BREW", path, "", b"").await;
        let allowed: BTreeSet<String> = refused
            .header("allow")
            .unwrap()
            .split(',')
            .filter(|method| *method != "HEAD")
            .map(str::to_ascii_lowercase)
            .collect();
        assert_eq!(
            allowed,
            methods.into_iter().map(str::to_owned).collect(),
            "{path}"
        );
        let written: BTreeSet<String> = document["paths"][path]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect();
        assert_eq!(allowed, written, "{path}");
    }
}

fn insert_movies(server: &Server, count: u32, unreadable: Option<u32>) {
    let mut movies = server.store.movies.lock().unwrap();
    for number in 0..count {
        let mut id = [0; 12];
        id[8..].copy_from_slice(&number.to_be_bytes());
        let id = MovieId::from_bytes(id);
        let name = if unreadable == Some(number) {
            "unreadable".to_owned()
        } else {
            format!("movie {number}")
        };
        let movie = Movie {
            id,
            name,
            casts: vec!["a".to_owned()],
            genres: vec!["b".to_owned()],
            added_by: AccountId::from_bytes([9; 12]),
        };
        movies.insert(id, movie);
    }
}

/// Fetches JSON and the Link header with a client that decodes chunks.
async fn fetch(server: &Server, path: &str) -> Result<(Value, Option<String>), ureq::Error> {
    let url = format!("http://{}{path}", server.address);
    tokio::task::spawn_blocking(move || {
        let mut response = ureq::get(url).call()?;
        let link = response
            .headers()
            .get("link")
            .map(|link| link.to_str().unwrap().to_owned());
        Ok((response.body_mut().read_json()?, link))
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn a_list_of_any_length_is_complete() {
    for count in [0, 1, 255, 256, 257, 512, 1_000] {
        let server = Server::start().await;
        insert_movies(&server, count, None);
        let (list, link) = fetch(&server, "/api/movies").await.unwrap();
        let list = list.as_array().unwrap();
        assert_eq!(list.len(), count as usize);
        assert!(link.is_none());
        assert!(
            list.windows(2)
                .all(|pair| pair[0]["_id"]["$oid"].as_str() < pair[1]["_id"]["$oid"].as_str())
        );
    }
}

#[tokio::test]
async fn following_the_links_visits_each_movie_once() {
    for count in [0, 1, 4, 5] {
        let server = Server::start().await;
        insert_movies(&server, count, None);
        let mut next = Some("/api/movies?limit=2".to_owned());
        let (mut seen, mut pages) = (BTreeSet::new(), 0);
        while let Some(path) = next {
            let (page, link) = fetch(&server, &path).await.unwrap();
            for movie in page.as_array().unwrap() {
                assert!(seen.insert(movie["_id"]["$oid"].to_string()));
            }
            pages += 1;
            next = link.map(|link| {
                let path = link.strip_prefix('<').unwrap();
                path.strip_suffix(">; rel=\"next\"").unwrap().to_owned()
            });
        }
        assert_eq!(seen.len(), count as usize);
        assert_eq!(pages, count.div_ceil(2).max(1), "{count}");
    }
    let server = Server::start().await;
    let wrong = server.get("/api/movies?limit=x&after=y").await;
    assert_eq!(wrong.error(), "400 schema_validation");
    assert_eq!(wrong.json()["fields"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn an_incomplete_list_is_an_error_for_the_client() {
    let server = Server::start().await;
    insert_movies(&server, 1_000, Some(700));
    assert!(fetch(&server, "/api/movies").await.is_err());
    insert_movies(&server, 1_000, Some(7));
    let response = server.get("/api/movies").await;
    assert_eq!(response.error(), "500 internal_error");
    assert!(!response.body.contains("row"), "{}", response.body);
}

#[tokio::test]
async fn a_database_failure_is_reported_without_the_message_of_the_database() {
    let server = Server::start().await;
    assert_eq!(server.get("/healthz").await.json()["status"], "ok");
    assert_eq!(server.get("/readyz").await.status, 200);
    server.store.is_down.store(true, Ordering::SeqCst);
    assert_eq!(server.get("/healthz").await.status, 200);
    for response in [
        server.get("/readyz").await,
        server.get("/api/movies").await,
        server
            .post("/api/auth/forgot", r#"{"email":"a@example.com"}"#)
            .await,
    ] {
        assert_eq!(response.error(), "503 unavailable");
        assert!(response.header("retry-after").is_some());
        assert!(!response.body.contains("disk") && !response.body.contains("SELECT"));
    }
}

#[tokio::test]
async fn a_panic_gets_an_error_response_and_the_server_continues() {
    let server = Server::start().await;
    server.store.panics.store(true, Ordering::SeqCst);
    assert_eq!(server.get("/readyz").await.error(), "500 internal_error");
    server.store.panics.store(false, Ordering::SeqCst);
    assert_eq!(server.get("/readyz").await.status, 200);
}
