//! Sign-up, login and password reset, and authentication of callers by access token.

use axum::Json;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use movie_bag_core::app::{DeliveryMode, NewAccount, SignupMode};
use movie_bag_core::domain::account::Account;
use movie_bag_core::domain::password::PasswordInput;
use movie_bag_core::domain::token::Token;
use serde::Serialize;

use super::body::{JsonBody, request};
use super::client_address::Client;
use super::error::{ApiError, Code};
use super::openapi::operation::{About, Input, Types};
use super::openapi::schema::{Components, Described, Schema, object};
use super::state::HttpState;
use super::values::{Address, Id, Message, NewPassword, ResetToken, TokenText};

request! {
    pub(crate) struct SignUp {
        /// One email address. It is stored in one canonical form: without surrounding spaces, in lower case, normalized
        /// (NFKC), with the domain in IDNA form
        #[example = "ann@example.com"]
        email: Address,
        /// At least 8 characters by default, at most 72 bytes in UTF-8, without NUL; not a common password; not the address or
        /// the name of the service, and not too similar to them. A password is never truncated
        #[example = "correct horse battery"]
        password: NewPassword,
    }
}

request! {
    pub(crate) struct VerifiedSignUp {
        /// One email address. It is stored in one canonical form: without surrounding spaces, in lower case, normalized
        /// (NFKC), with the domain in IDNA form
        #[example = "ann@example.com"]
        email: Address,
    }
}

/// Body of a sign-up. In a verified one there is no password: the owner of the address chooses it by the mailed link.
pub(crate) enum SignUpBody {
    Open(SignUp),
    Verified(VerifiedSignUp),
}

impl FromRequest<HttpState> for SignUpBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, http: &HttpState) -> Result<Self, ApiError> {
        Ok(match http.app.signup_mode() {
            SignupMode::Verified => {
                let body = JsonBody::from_request(request, http).await;
                Self::Verified(body.map_err(explain_password)?.0)
            }
            SignupMode::Open | SignupMode::Closed => {
                let JsonBody(body) = JsonBody::from_request(request, http).await?;
                Self::Open(body)
            }
        })
    }
}

/// Explains why a verified sign-up has no password, in place of "is unknown".
fn explain_password(error: ApiError) -> ApiError {
    match error {
        ApiError::Fields(mut fields) => {
            if let Some(reason) = fields.get_mut("password") {
                *reason = "is chosen later, with the link that is mailed to the address".into();
            }
            ApiError::Fields(fields)
        }
        error => error,
    }
}

impl Input for SignUpBody {
    fn describe(types: &mut Types, components: &mut Components<'_>) {
        match components.signup {
            SignupMode::Verified => JsonBody::<VerifiedSignUp>::describe(types, components),
            SignupMode::Open | SignupMode::Closed => {
                JsonBody::<SignUp>::describe(types, components);
            }
        }
    }
}

object! {
    #[derive(Serialize)]
    pub(crate) struct Made {
        id: Id,
    }
}

/// Response to a sign-up.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum SignedUp {
    /// Open sign-up.
    Made(Made),
    /// Verified sign-up.
    Requested(Done),
}

impl Described for SignedUp {
    fn describe(components: &mut Components<'_>) -> Schema {
        match components.signup {
            SignupMode::Verified => Done::describe(components),
            SignupMode::Open | SignupMode::Closed => Made::describe(components),
        }
    }
}

pub(crate) const SIGN_UP: About = About::new(
    "signUp",
    "Create an account. With verified sign-up the body has no password, and a mail is queued: to a free address with a link for \
     `POST /api/auth/confirm-signup`, to a taken one with the advice that there is an account",
    "Id of the account; with verified sign-up a message, the same for every address",
    &[
        Code::InvalidEmail,
        Code::WeakPassword,
        Code::EmailAlreadyExists,
        Code::SignupClosed,
    ],
);

/// `POST /api/auth/signup`.
///
/// # Errors
/// Errors of [`movie_bag_core::app::App::sign_up`] and [`movie_bag_core::app::App::request_signup`], and invalid fields.
pub(crate) async fn sign_up(
    State(http): State<HttpState>,
    client: Client,
    body: SignUpBody,
) -> Result<Json<SignedUp>, ApiError> {
    let origin = client.origin();
    match body {
        SignUpBody::Verified(VerifiedSignUp { email }) => {
            http.app.request_signup(&email.0, &origin).await?;
            Ok(Json(SignedUp::Requested(Done {
                message: Message("A mail with the next step is on its way to this address"),
            })))
        }
        SignUpBody::Open(SignUp { email, password }) => {
            let new = NewAccount {
                email: &email.0,
                password: password.0,
                origin,
            };
            let account = http.app.sign_up(new).await?;
            Ok(Json(SignedUp::Made(Made {
                id: Id(account.id.to_string()),
            })))
        }
    }
}

request! {
    pub(crate) struct ConfirmSignUp {
        /// The last part of the link in the mail
        token: ResetToken,
        /// The password of the new account, with the rules of sign-up
        #[example = "correct horse battery"]
        password: NewPassword,
    }
}

pub(crate) const CONFIRM_SIGN_UP: About = About::new(
    "confirmSignUp",
    "Create the account of a verified sign-up with the token from the mail, which can be used once",
    "Id of the account",
    &[
        Code::BadToken,
        Code::ExpiredToken,
        Code::WeakPassword,
        Code::EmailAlreadyExists,
    ],
);

/// `POST /api/auth/confirm-signup`. It does not log the account owner in: otherwise a link could log its reader in to the
/// account of another person.
///
/// # Errors
/// Errors of [`movie_bag_core::app::App::confirm_signup`], and invalid fields.
pub(crate) async fn confirm_sign_up(
    State(http): State<HttpState>,
    client: Client,
    JsonBody(ConfirmSignUp {
        token: ResetToken(token),
        password,
    }): JsonBody<ConfirmSignUp>,
) -> Result<Json<Made>, ApiError> {
    let account = http
        .app
        .confirm_signup(&token, &password.0, &client.origin())
        .await?;
    Ok(Json(Made {
        id: Id(account.id.to_string()),
    }))
}

request! {
    pub(crate) struct LogIn {
        /// The address, in upper or lower case. Text that is not an email address is treated as an unknown address
        #[example = "ann@example.com"]
        email: String,
        /// The password
        #[example = "correct horse battery"]
        password: PasswordInput,
    }
}

object! {
    #[derive(Serialize)]
    pub(crate) struct AccessToken {
        token: TokenText,
    }
}

pub(crate) const LOG_IN: About = About::new(
    "logIn",
    "Exchange address and password for an access token",
    "Access token; send it as `Authorization: Bearer …`",
    &[Code::Unauthorized],
);

/// `POST /api/auth/login`.
///
/// # Errors
/// Errors of [`movie_bag_core::app::App::log_in`], and invalid fields.
pub(crate) async fn log_in(
    State(http): State<HttpState>,
    client: Client,
    JsonBody(LogIn { email, password }): JsonBody<LogIn>,
) -> Result<Json<AccessToken>, ApiError> {
    let token = http.app.log_in(&email, &password, &client.origin()).await?;
    Ok(Json(AccessToken {
        token: TokenText(token.as_str().to_owned()),
    }))
}

request! {
    pub(crate) struct Forgot {
        /// The address, in upper or lower case
        #[example = "ann@example.com"]
        email: Address,
    }
}

object! {
    #[derive(Serialize)]
    pub(crate) struct Done {
        message: Message,
    }
}

pub(crate) const FORGOT: About = About::new(
    "forgot",
    "Request a mail with a reset link",
    "The mail is stored in the outbox",
    &[Code::InvalidEmail, Code::EmailDoesNotExist],
);

/// `POST /api/auth/forgot`. If accounts are concealed, an unknown address gets the same response as a queued mail.
///
/// # Errors
/// Errors of [`movie_bag_core::app::App::request_reset`], and invalid fields.
pub(crate) async fn forgot(
    State(http): State<HttpState>,
    client: Client,
    JsonBody(Forgot { email }): JsonBody<Forgot>,
) -> Result<Json<Done>, ApiError> {
    http.app
        .request_reset(&email.0, &client.origin(), DeliveryMode::Queue)
        .await?;
    Ok(Json(Done {
        message: Message(
            "If there is an account with this address, a mail with a link to choose a new password is on its way",
        ),
    }))
}

request! {
    pub(crate) struct Reset {
        /// The last part of the reset link in the mail
        reset_token: ResetToken,
        /// The new password, with the rules of sign-up
        #[example = "correct horse battery"]
        password: NewPassword,
    }
}

pub(crate) const RESET: About = About::new(
    "reset",
    "Set a new password with the reset token from the mail, which can be used once",
    "The password was changed, earlier sessions have ended, and a confirmation mail is queued",
    &[Code::BadToken, Code::ExpiredToken, Code::WeakPassword],
);

/// `POST /api/auth/reset`. It does not log the account owner in: the new password must be typed once more.
///
/// # Errors
/// Errors of [`movie_bag_core::app::App::complete_reset`], and invalid fields.
pub(crate) async fn reset(
    State(http): State<HttpState>,
    client: Client,
    JsonBody(Reset {
        reset_token: ResetToken(token),
        password,
    }): JsonBody<Reset>,
) -> Result<Json<Done>, ApiError> {
    http.app
        .complete_reset(&token, &password.0, &client.origin(), DeliveryMode::Queue)
        .await?;
    Ok(Json(Done {
        message: Message("The password was changed: log in with the new one"),
    }))
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

impl Input for Caller {
    fn describe(types: &mut Types, _: &mut Components<'_>) {
        types.needs_access_token = true;
        types
            .codes
            .extend([Code::MissingToken, Code::InvalidAccessToken]);
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
