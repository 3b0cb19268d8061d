//! Sign-up, login and password reset, and authentication of callers by access token.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use movie_bag_core::app::{DeliveryMode, NewAccount};
use movie_bag_core::domain::account::Account;
use movie_bag_core::domain::token::Token;
use serde_json::{Value, json};

use super::body::JsonBody;
use super::client_address::Client;
use super::error::ApiError;
use super::state::HttpState;

/// `POST /api/auth/signup`.
///
/// # Errors
/// Errors of [`movie_bag_core::app::App::sign_up`], and invalid fields.
pub(crate) async fn sign_up(
    State(http): State<HttpState>,
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
/// Errors of [`movie_bag_core::app::App::log_in`], and invalid fields.
pub(crate) async fn log_in(
    State(http): State<HttpState>,
    client: Client,
    JsonBody(mut fields): JsonBody,
) -> Result<Json<Value>, ApiError> {
    let (email, password) = (fields.string("email"), fields.password("password"));
    fields.finish()?;
    let token = http.app.log_in(&email, &password, &client.origin()).await?;
    Ok(Json(json!({"token": token.as_str()})))
}

/// `POST /api/auth/forgot`. If accounts are concealed, an unknown address gets the same response as a queued mail.
///
/// # Errors
/// Errors of [`movie_bag_core::app::App::request_reset`], and invalid fields.
pub(crate) async fn forgot(
    State(http): State<HttpState>,
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

/// `POST /api/auth/reset`. It does not log the account owner in: the new password must be typed once more.
///
/// # Errors
/// Errors of [`movie_bag_core::app::App::complete_reset`], and invalid fields.
pub(crate) async fn reset(
    State(http): State<HttpState>,
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

/// Extractor for the account that the access token of a request authenticates.
pub(crate) struct Caller(pub(crate) Account);

impl FromRequestParts<HttpState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, http: &HttpState) -> Result<Self, ApiError> {
        let token = bearer_token(&parts.headers).ok_or(ApiError::MissingToken)?;
        Ok(Self(http.app.authenticate(&token).await?))
    }
}

/// Returns the token of exactly one header `Authorization: Bearer TOKEN` (RFC 6750, section 2.1). The scheme is
/// case-insensitive.
fn bearer_token(headers: &HeaderMap) -> Option<Token> {
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

    fn read_token(values: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        bearer_token(&headers).map(|token| token.as_str().to_owned())
    }

    #[test]
    fn the_scheme_may_have_any_letter_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c "] {
            assert_eq!(
                read_token(&[value.as_bytes()]).as_deref(),
                Some("a.b.c"),
                "{value}"
            );
        }
    }

    #[test]
    fn a_header_without_exactly_one_bearer_token_is_ignored() {
        assert_eq!(read_token(&[]), None);
        assert_eq!(read_token(&[b"Bearer a", b"Bearer a"]), None);
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
            assert_eq!(read_token(&[value]), None, "{value:?}");
        }
    }
}
