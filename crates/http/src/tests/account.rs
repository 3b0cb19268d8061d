//! Calls for the account of the caller.

use super::*;

const CHANGE: &str = r#"{"current_password":"first password of ann","password":"second password"}"#;
const PASSWORD: &str = r#"{"password":"first password of ann"}"#;

/// Each call with a body that it accepts from Ann.
const CALLS: [(&str, &str, &str); 4] = [
    ("GET", "/api/account", ""),
    ("POST", "/api/account/password", CHANGE),
    ("POST", "/api/account/logout", ""),
    ("DELETE", "/api/account", PASSWORD),
];

async fn with_ann() -> (Server, String) {
    let server = Server::start().await;
    server.sign_up("ann").await;
    let token = server.log_in("ann").await;
    (server, token)
}

async fn status(server: &Server, token: &str) -> u16 {
    server
        .call_as(token, "GET", "/api/account", "")
        .await
        .status
}

#[tokio::test]
async fn a_valid_token_shows_its_account() {
    let (server, token) = with_ann().await;
    let shown = server.call_as(&token, "GET", "/api/account", "").await;
    assert_eq!(shown.status, 200);
    assert_eq!(shown.header("content-type"), Some("application/json"));
    assert_eq!(shown.header("cache-control"), Some("no-store"));
    let id = shown.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        shown.body,
        format!(r#"{{"id":"{id}","email":"ann@example.com","created_at":"2027-01-15T08:00:00Z"}}"#)
    );
    let head = server.call_as(&token, "HEAD", "/api/account", "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn each_call_needs_a_valid_access_token_before_anything_else() {
    let (server, token) = with_ann().await;
    let reset_token = server.reset_token("ann").await;
    for (method, path, json) in CALLS {
        for body in [json, "", "{", r#"{"password":1}"#] {
            let headers = "content-type: application/json\r\n";
            let missing = server.call(method, path, headers, body.as_bytes()).await;
            assert_eq!(missing.error(), "401 missing_token", "{method} {path}");
            for invalid in ["x", &reset_token] {
                let refused = server.call_as(invalid, method, path, body).await;
                assert_eq!(
                    refused.error(),
                    "401 invalid_access_token",
                    "{method} {path}"
                );
                assert_eq!(
                    refused.header("www-authenticate"),
                    Some("Bearer error=\"invalid_token\"")
                );
            }
        }
    }
    assert_eq!(status(&server, &token).await, 200);
}

#[tokio::test]
async fn a_body_is_read_as_in_other_calls() {
    let (server, token) = with_ann().await;
    let huge = format!(r#"{{"password":"{}"}}"#, "x".repeat(70_000));
    for (body, expected) in [
        ("", "400 schema_validation"),
        ("[]", "400 schema_validation"),
        (r#"{"password":1}"#, "400 schema_validation"),
        (
            r#"{"password":"first password of ann","password":"x"}"#,
            "400 schema_validation",
        ),
        (
            r#"{"password":"first password of ann","id":"1"}"#,
            "400 schema_validation",
        ),
        (
            r#"{"current_password":"first password of ann","password":"second password","current_password":"x"}"#,
            "400 schema_validation",
        ),
        (&huge, "413 payload_too_large"),
    ] {
        for (method, path) in [
            ("DELETE", "/api/account"),
            ("POST", "/api/account/password"),
        ] {
            let refused = server.call_as(&token, method, path, body).await;
            assert_eq!(refused.error(), expected, "{method} {path} {body}");
        }
    }
    let headers = format!("authorization: Bearer {token}\r\ncontent-type: text/plain\r\n");
    for (method, path, body) in [CALLS[1], CALLS[3]] {
        let refused = server.call(method, path, &headers, body.as_bytes()).await;
        assert_eq!(refused.error(), "415 unsupported_media_type");
    }
    assert_eq!(status(&server, &token).await, 200);
    server.log_in("ann").await;
}

#[tokio::test]
async fn a_wrong_password_is_answered_like_a_failed_login() {
    let (server, token) = with_ann().await;
    let login = server
        .post(
            "/api/auth/login",
            r#"{"email":"ann@example.com","password":"wrong password"}"#,
        )
        .await;
    for (method, path, body) in [
        (
            "POST",
            "/api/account/password",
            r#"{"current_password":"wrong password","password":"short"}"#,
        ),
        ("DELETE", "/api/account", r#"{"password":"wrong password"}"#),
    ] {
        let refused = server.call_as(&token, method, path, body).await;
        assert_eq!(refused.error(), "401 unauthorized");
        assert_eq!(refused.body, login.body);
        assert_eq!(
            refused.header("www-authenticate"),
            login.header("www-authenticate")
        );
    }
    let weak = CHANGE.replace("second password", "short");
    let weak = server
        .call_as(&token, "POST", "/api/account/password", &weak)
        .await;
    assert_eq!(weak.error(), "400 weak_password");
    assert_eq!(status(&server, &token).await, 200);
}

#[tokio::test]
async fn a_change_of_the_password_returns_the_token_of_a_new_session() {
    let (server, token) = with_ann().await;
    let (method, path, body) = CALLS[1];
    let changed = server.call_as(&token, method, path, body).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let json = changed.json();
    assert_eq!(json.as_object().unwrap().len(), 1);
    assert_eq!(status(&server, json["token"].as_str().unwrap()).await, 200);
    assert_eq!(status(&server, &token).await, 401);
    let again = server.call_as(&token, method, path, body).await;
    assert_eq!(again.error(), "401 invalid_access_token");
}

#[tokio::test]
async fn a_logout_ends_the_session() {
    let (server, token) = with_ann().await;
    let (method, path, _) = CALLS[2];
    let headers = format!("authorization: Bearer {token}\r\n");
    let done = server.call(method, path, &headers, b"").await;
    assert_eq!(done.status, 200, "{}", done.body);
    assert!(done.json()["message"].is_string());
    assert_eq!(status(&server, &token).await, 401);
    let again = server.call_as(&token, method, path, "").await;
    assert_eq!(again.error(), "401 invalid_access_token");
}

#[tokio::test]
async fn a_deleted_account_has_no_session() {
    let (server, token) = with_ann().await;
    let (method, path, body) = CALLS[3];
    let deleted = server.call_as(&token, method, path, body).await;
    assert_eq!((deleted.status, deleted.body.as_str()), (200, r#""""#));
    for (method, path, body) in CALLS {
        let refused = server.call_as(&token, method, path, body).await;
        assert_eq!(refused.error(), "401 invalid_access_token");
    }
    server.sign_up("ann").await;
    assert_eq!(status(&server, &token).await, 401);
}
