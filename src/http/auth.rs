//! Sign-up, login and the two halves of a reset; and who calls, by the access token.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use serde_json::{Value, json};

use super::Http;
use super::body::JsonBody;
use super::client::Client;
use super::error::ApiError;
use crate::app::{DeliveryMode, NewAccount};
use crate::domain::account::Account;
use crate::domain::token::Token;

/// `POST /api/auth/signup`.
///
/// # Errors
/// Those of [`crate::app::App::sign_up`], and wrong fields.
pub async fn sign_up(
    State(http): State<Http>,
    client: Client,
    JsonBody(mut fields): JsonBody,
) -> Result<Json<Value>, ApiError> {
    let (email, password) = (fields.string("email"), fields.password("password"));
    fields.finish()?;
    let account = http
        .app
        .sign_up(NewAccount {
            email: &email,
            password,
            origin: client.origin(),
        })
        .await?;
    Ok(Json(json!({"id": account.id.to_string()})))
}

/// `POST /api/auth/login`.
///
/// # Errors
/// Those of [`crate::app::App::log_in`], and wrong fields.
pub async fn log_in(
    State(http): State<Http>,
    client: Client,
    JsonBody(mut fields): JsonBody,
) -> Result<Json<Value>, ApiError> {
    let (email, password) = (fields.string("email"), fields.password("password"));
    fields.finish()?;
    let token = http.app.log_in(&email, &password, &client.origin()).await?;
    Ok(Json(json!({"token": token.as_str()})))
}

/// `POST /api/auth/forgot`: the same answer for a queued mail as for a concealed account.
///
/// # Errors
/// Those of [`crate::app::App::request_reset`], and wrong fields.
pub async fn forgot(
    State(http): State<Http>,
    client: Client,
    JsonBody(mut fields): JsonBody,
) -> Result<Json<Value>, ApiError> {
    let email = fields.string("email");
    fields.finish()?;
    http.app
        .request_reset(&email, &client.origin(), DeliveryMode::Queue)
        .await?;
    Ok(Json(json!({
        "message": "If there is an account with this address, a mail with a link to choose a new password is on its way"
    })))
}

/// `POST /api/auth/reset`. No login follows from it: the new password is to be typed once more.
///
/// # Errors
/// Those of [`crate::app::App::complete_reset`], and wrong fields.
pub async fn reset(
    State(http): State<Http>,
    client: Client,
    JsonBody(mut fields): JsonBody,
) -> Result<Json<Value>, ApiError> {
    let token = Token::from_exact(fields.string("reset_token"));
    let password = fields.password("password");
    fields.finish()?;
    http.app
        .complete_reset(&token, &password, &client.origin(), DeliveryMode::Queue)
        .await?;
    Ok(Json(json!({
        "message": "The password was changed: log in with the new one"
    })))
}

/// The account that a request speaks for, by its access token.
pub struct Caller(pub Account);

impl FromRequestParts<Http> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers).ok_or(ApiError::MissingToken)?;
        Ok(Self(http.app.authenticate(&token).await?))
    }
}

/// The token of exactly one header `Authorization: Bearer TOKEN` (RFC 6750 2.1), the scheme in any capitals.
fn bearer(headers: &HeaderMap) -> Option<Token> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_matches(' ');
    let is_one_word = !token.is_empty() && !token.contains([' ', '\t', ',']);
    (scheme.eq_ignore_ascii_case("bearer") && is_one_word).then(|| Token::from_exact(token))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(values: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        bearer(&headers).map(|token| token.as_str().to_owned())
    }

    #[test]
    fn the_scheme_may_have_any_capitals() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c "] {
            assert_eq!(
                read(&[value.as_bytes()]).as_deref(),
                Some("a.b.c"),
                "{value}"
            );
        }
    }

    #[test]
    fn what_is_not_one_bearer_token_is_none() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[b"Bearer a", b"Bearer a"]), None);
        for value in [
            &b""[..],
            b"Bearer",
            b"Bearer ",
            b"a.b.c",
            b"Basic YTpi",
            b"Bearer a b",
            b"Bearer a, Bearer b",
            b"Bearer \xff\xfe",
            b"Bearer\ta",
        ] {
            assert_eq!(read(&[value]), None, "{value:?}");
        }
    }
}
