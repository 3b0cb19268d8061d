//! Error responses: the only place that maps errors to statuses, codes and messages.
//!
//! A message that does not differ between HTTP and the terminal is the `Display` of [`AppError`]. The codes of an operation follow
//! from the signature of its handler and from the `About` beside it.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

use movie_bag_core::app::{AccessError, AppError, MovieAction};
use movie_bag_core::domain::span::{format_seconds, seconds_rounded_up};

/// Default for `Retry-After`, used if the time until recovery is unknown.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);

macro_rules! codes {
    ($($(#[doc = $meaning:literal])+ $name:ident = $status:ident $text:literal,)+) => {
        /// Error code, by which programs distinguish error responses.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $($(#[doc = $meaning])+ $name,)+
        }

        impl Code {
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)+];

            /// Returns the HTTP status of responses with this code, except those of [`ApiError::UriTooLong`] and
            /// [`ApiError::HeadersTooLarge`], which have a status of their own.
            pub(crate) fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)+
                }
            }

            /// Returns the code as it is written in a response.
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// Returns the meaning, for the OpenAPI document and docs/http-api.md.
            pub(crate) fn meaning(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($meaning),+).trim_ascii(),)+
                }
            }
        }
    };
}

codes! {
    /// Fields are missing, unknown, duplicate or of a wrong type; or the body is not a JSON object; or the request is not valid HTTP
    SchemaValidation = BAD_REQUEST "schema_validation",
    /// Not exactly one email address
    InvalidEmail = BAD_REQUEST "invalid_email",
    /// The password breaks the rule in the message
    WeakPassword = BAD_REQUEST "weak_password",
    /// An account with this address exists
    EmailAlreadyExists = BAD_REQUEST "email_already_exists",
    /// No account with this address exists, or it is disabled; never if the server conceals accounts
    EmailDoesNotExist = BAD_REQUEST "email_does_not_exist",
    /// Another movie has this name
    MovieAlreadyExists = BAD_REQUEST "movie_already_exists",
    /// No movie with this id exists
    MovieNotExists = BAD_REQUEST "movie_not_exists",
    /// Wrong password, unknown address, or disabled account
    Unauthorized = UNAUTHORIZED "unauthorized",
    /// No `Authorization` header of the form `Bearer TOKEN`, or more than one
    MissingToken = UNAUTHORIZED "missing_token",
    /// The access token is damaged, expired, revoked, or from another server, or the account is disabled; log in again
    InvalidAccessToken = UNAUTHORIZED "invalid_access_token",
    /// The token of the link is damaged, from another server, already used, or older than the last change of the password or address, or than a disabling of the account
    BadToken = FORBIDDEN "bad_token",
    /// The token of the link has expired
    ExpiredToken = FORBIDDEN "expired_token",
    /// Sign-up is closed on this server
    SignupClosed = FORBIDDEN "signup_closed",
    /// Another account added this movie
    UpdatingMovie = FORBIDDEN "updating_movie",
    /// Another account added this movie
    DeletingMovie = FORBIDDEN "deleting_movie",
    /// Unknown path
    NotFound = NOT_FOUND "not_found",
    /// The path does not support this method
    MethodNotAllowed = METHOD_NOT_ALLOWED "method_not_allowed",
    /// The body did not arrive within 20 seconds; the connection is closed
    RequestTimeout = REQUEST_TIMEOUT "request_timeout",
    /// The body is larger than 64 KiB
    PayloadTooLarge = PAYLOAD_TOO_LARGE "payload_too_large",
    /// The `Content-Type` is not `application/json`
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type",
    /// Too many calls
    RateLimited = TOO_MANY_REQUESTS "rate_limited",
    /// A defect; the log entry with the request id has the cause
    InternalError = INTERNAL_SERVER_ERROR "internal_error",
    /// The database cannot be reached or is busy, 256 passwords are already waiting to be hashed, a background task is down (`/readyz`), or the answer took longer than 90 seconds
    Unavailable = SERVICE_UNAVAILABLE "unavailable",
}

impl Code {
    /// Returns the value of `WWW-Authenticate` in responses with this code.
    pub(crate) fn challenge(self) -> Option<&'static str> {
        match self {
            Self::Unauthorized | Self::MissingToken => Some("Bearer"),
            Self::InvalidAccessToken => Some("Bearer error=\"invalid_token\""),
            _ => None,
        }
    }
}

/// Limits of the HTTP parser: status, name of the response in the OpenAPI document, and meaning. Their code is
/// [`Code::PayloadTooLarge`].
pub(crate) const PARSER_LIMITS: [(u16, &str, &str); 2] = [
    (414, "uri_too_long", "The path is longer than 65,534 bytes"),
    (
        431,
        "headers_too_large",
        "The headers are larger than about 128 KiB, or more than 100",
    ),
];

/// Invalid fields with the reason for each, in the order in which they were checked.
pub(crate) type InvalidFields = Map<String, Value>;

/// Reason for an error response.
#[derive(Debug, Clone)]
pub(crate) enum ApiError {
    /// Error of a use case.
    App(AppError),
    /// Fields are missing, invalid or unknown.
    Fields(InvalidFields),
    /// The Authorization header is missing or malformed.
    MissingToken,
    /// The access token is invalid, expired or revoked.
    InvalidAccessToken,
    /// The body exceeds the limit.
    PayloadTooLarge,
    /// The request target exceeds the limit of the HTTP parser.
    UriTooLong,
    /// The headers exceed the limit of the HTTP parser.
    HeadersTooLarge,
    /// The body does not have this media type, which the operation requires.
    UnsupportedMediaType(&'static str),
    /// The path exists and supports other methods.
    MethodNotAllowed,
    /// The path does not exist.
    NotFound,
    /// The body was not received in time.
    BodyTooSlow,
    /// The handler did not finish in time.
    ResponseTooSlow,
    /// The background task of this name is down.
    TaskDown(&'static str),
}

impl ApiError {
    /// Returns an error about one invalid field.
    pub(crate) fn field(name: &str, reason: impl Into<String>) -> Self {
        Self::Fields(InvalidFields::from_iter([(
            name.to_owned(),
            Value::String(reason.into()),
        )]))
    }
}

impl From<AppError> for ApiError {
    fn from(error: AppError) -> Self {
        Self::App(error)
    }
}

impl From<AccessError> for ApiError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::InvalidToken => Self::InvalidAccessToken,
            AccessError::App(error) => Self::App(error),
        }
    }
}

/// Content of an error response. It is attached to the response as an extension, from which the pages render an error page.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: Code,
    pub(crate) message: String,
    retry_after: Option<Duration>,
    /// Closes the connection after the response, since the rest of the request is not read.
    closes: bool,
    fields: Option<InvalidFields>,
}

impl Refusal {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            status: code.status(),
            code,
            message: message.into(),
            retry_after: None,
            closes: false,
            fields: None,
        }
    }

    /// Returns the time to wait before a retry, if there is one.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    fn unavailable(message: impl Into<String>, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(Code::Unavailable, message)
        }
    }

    /// Maps errors of the use cases. There is no `_` arm, so that a new variant does not compile until it has a code.
    fn from_app_error(error: AppError) -> Self {
        match error {
            AppError::InvalidEmail { .. } => {
                Self::new(Code::InvalidEmail, "Not a valid email address")
            }
            AppError::WeakPassword(rule) => Self::new(Code::WeakPassword, sentence(&rule)),
            AppError::AddressTaken(_) => Self::new(
                Code::EmailAlreadyExists,
                "User with given email address already exists",
            ),
            AppError::SignupClosed => Self::new(Code::SignupClosed, error.to_string()),
            AppError::WrongPassword => Self::new(Code::Unauthorized, error.to_string()),
            AppError::NoSuchAccount(_) | AppError::AccountDisabled(_) => Self::new(
                Code::EmailDoesNotExist,
                "Couldn't find the user with given email address",
            ),
            AppError::BadToken => Self::new(Code::BadToken, "Invalid token"),
            AppError::ExpiredToken => Self::new(Code::ExpiredToken, "Token has expired"),
            AppError::NoSuchMovie => Self::new(Code::MovieNotExists, error.to_string()),
            AppError::MovieNameTaken => Self::new(Code::MovieAlreadyExists, error.to_string()),
            AppError::NotYourMovie(MovieAction::Updating) => {
                Self::new(Code::UpdatingMovie, error.to_string())
            }
            AppError::NotYourMovie(MovieAction::Deleting) => {
                Self::new(Code::DeletingMovie, error.to_string())
            }
            AppError::RateLimited { retry_after } => Self {
                retry_after: Some(retry_after),
                ..Self::new(
                    Code::RateLimited,
                    format!("{error}: try again in {}", format_seconds(retry_after)),
                )
            },
            AppError::Busy { retry_after } => Self::unavailable(error.to_string(), retry_after),
            AppError::Unavailable(why) => {
                tracing::warn!(%why, "cannot serve a request");
                Self::unavailable(
                    "The database cannot be reached at the moment: try again in a few seconds",
                    DEFAULT_RETRY_AFTER,
                )
            }
            AppError::DatabaseBusy(why) => {
                tracing::warn!(%why, "cannot serve a request");
                Self::unavailable(
                    "The database is busy: try again in a few seconds",
                    DEFAULT_RETRY_AFTER,
                )
            }
            // No operation of the API returns these.
            error @ (AppError::NoSuchMail(_) | AppError::MailHeld(_)) => {
                Self::from_app_error(AppError::Internal(error.to_string().into()))
            }
            AppError::Internal(why) => {
                tracing::error!(%why, "a request failed");
                Self::new(Code::InternalError, "Something went wrong")
            }
        }
    }

    pub(super) fn body(&self) -> String {
        let body = ErrorBody {
            message: &self.message,
            status: self.status.as_u16(),
            code: self.code.as_str(),
            fields: self.fields.as_ref(),
        };
        serde_json::to_string(&body).expect("a struct with text keys can be serialized")
    }
}

/// Body of an error response. The OpenAPI document describes it for each status.
#[derive(Serialize)]
struct ErrorBody<'a> {
    message: &'a str,
    status: u16,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<&'a InvalidFields>,
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::App(error) => Self::from_app_error(error),
            ApiError::Fields(fields) => Self {
                fields: Some(fields),
                ..Self::new(Code::SchemaValidation, "Request is missing required fields")
            },
            ApiError::MissingToken => Self::new(
                Code::MissingToken,
                "Missing or malformed Authorization header",
            ),
            ApiError::InvalidAccessToken => Self::new(
                Code::InvalidAccessToken,
                "Invalid access token: log in again",
            ),
            ApiError::PayloadTooLarge => Self::new(
                Code::PayloadTooLarge,
                "The body is too large: at most 64 KiB are allowed",
            ),
            ApiError::UriTooLong => Self {
                status: StatusCode::URI_TOO_LONG,
                ..Self::new(Code::PayloadTooLarge, "The path is too long")
            },
            ApiError::HeadersTooLarge => Self {
                status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                ..Self::new(
                    Code::PayloadTooLarge,
                    "Too many or too large headers: at most 128 KiB are allowed",
                )
            },
            ApiError::UnsupportedMediaType(required) => Self::new(
                Code::UnsupportedMediaType,
                format!("The body has an unsupported type: send it with Content-Type: {required}"),
            ),
            ApiError::MethodNotAllowed => Self::new(
                Code::MethodNotAllowed,
                "Method not allowed: the Allow header names the methods of this path",
            ),
            ApiError::NotFound => Self::new(Code::NotFound, "Nothing exists at this path"),
            ApiError::BodyTooSlow => Self {
                closes: true,
                ..Self::new(
                    Code::RequestTimeout,
                    "The body did not arrive in time: send it again",
                )
            },
            ApiError::ResponseTooSlow => {
                tracing::error!("a request took too long and was aborted");
                Self::unavailable(
                    "The answer took too long: try again in a few seconds",
                    DEFAULT_RETRY_AFTER,
                )
            }
            ApiError::TaskDown(task) => Self::unavailable(
                format!(
                    "The task {task} has failed and is being restarted: try again in a few seconds"
                ),
                DEFAULT_RETRY_AFTER,
            ),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        Refusal::from(self).into_response()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(challenge) = self.code.challenge() {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(
                RETRY_AFTER,
                HeaderValue::from(seconds_rounded_up(wait).max(1)),
            );
        }
        if self.closes {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Returns the text with a capital letter at its beginning: responses and pages show sentences, the terminal does not.
pub(super) fn sentence(text: &impl ToString) -> String {
    let text = text.to_string();
    let mut rest = text.chars();
    match rest.next() {
        Some(first) => first.to_uppercase().chain(rest).collect(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use movie_bag_core::app::parse_address;
    use movie_bag_core::domain::password::WeakPassword;
    use movie_bag_core::ports::store::StoreError;

    use super::*;

    #[test]
    fn each_error_has_its_documented_status_code_and_message() {
        use MovieAction::{Deleting, Updating};
        let table: [(ApiError, &str); 30] = [
            (
                AppError::Internal("SELECT 1".into()).into(),
                "500 internal_error Something went wrong",
            ),
            (
                ApiError::field("x", "y"),
                "400 schema_validation Request is missing required fields",
            ),
            (
                AppError::MovieNameTaken.into(),
                "400 movie_already_exists Movie with given name already exists",
            ),
            (
                AppError::NotYourMovie(Updating).into(),
                "403 updating_movie Updating movie added by other is forbidden",
            ),
            (
                AppError::NotYourMovie(Deleting).into(),
                "403 deleting_movie Deleting movie added by other is forbidden",
            ),
            (
                AppError::NoSuchMovie.into(),
                "400 movie_not_exists Movie with given id doesn't exists",
            ),
            (
                AppError::AddressTaken("ann@example.com".to_owned()).into(),
                "400 email_already_exists User with given email address already exists",
            ),
            (
                AppError::WrongPassword.into(),
                "401 unauthorized Invalid username or password",
            ),
            (
                AppError::NoSuchAccount("ann@example.com".to_owned()).into(),
                "400 email_does_not_exist Couldn't find the user with given email address",
            ),
            (
                AppError::AccountDisabled("ann@example.com".to_owned()).into(),
                "400 email_does_not_exist Couldn't find the user with given email address",
            ),
            (AppError::BadToken.into(), "403 bad_token Invalid token"),
            (
                AppError::ExpiredToken.into(),
                "403 expired_token Token has expired",
            ),
            (
                ApiError::MissingToken,
                "401 missing_token Missing or malformed Authorization header",
            ),
            (
                ApiError::InvalidAccessToken,
                "401 invalid_access_token Invalid access token: log in again",
            ),
            (
                parse_address("").unwrap_err().into(),
                "400 invalid_email Not a valid email address",
            ),
            (
                AppError::WeakPassword(WeakPassword::TooShort { minimum: 8 }).into(),
                "400 weak_password The password is too short: at least 8 characters are needed",
            ),
            (
                AppError::SignupClosed.into(),
                "403 signup_closed Sign-up is closed: ask the administrator for an account",
            ),
            (
                ApiError::PayloadTooLarge,
                "413 payload_too_large The body is too large: at most 64 KiB are allowed",
            ),
            (
                ApiError::UriTooLong,
                "414 payload_too_large The path is too long",
            ),
            (
                ApiError::HeadersTooLarge,
                "431 payload_too_large Too many or too large headers: at most 128 KiB are allowed",
            ),
            (
                ApiError::UnsupportedMediaType("application/json"),
                "415 unsupported_media_type The body has an unsupported type: send it with Content-Type: application/json",
            ),
            (
                ApiError::MethodNotAllowed,
                "405 method_not_allowed Method not allowed: the Allow header names the methods of this path",
            ),
            (
                ApiError::NotFound,
                "404 not_found Nothing exists at this path",
            ),
            (
                AppError::Unavailable("disk I/O error".into()).into(),
                "503 unavailable The database cannot be reached at the moment: try again in a few seconds",
            ),
            (
                AppError::from(StoreError::busy("write conflict")).into(),
                "503 unavailable The database is busy: try again in a few seconds",
            ),
            (
                AppError::Busy {
                    retry_after: Duration::from_millis(4_001),
                }
                .into(),
                "503 unavailable Too many passwords are waiting to be verified: try again in 5 seconds",
            ),
            (
                ApiError::TaskDown("delivery"),
                "503 unavailable The task delivery has failed and is being restarted: try again in a few seconds",
            ),
            (
                AppError::Busy {
                    retry_after: Duration::from_secs(1),
                }
                .into(),
                "503 unavailable Too many passwords are waiting to be verified: try again in 1 second",
            ),
            (
                AppError::RateLimited {
                    retry_after: Duration::from_millis(999),
                }
                .into(),
                "429 rate_limited Too many requests: try again in 1 second",
            ),
            (
                ApiError::ResponseTooSlow,
                "503 unavailable The answer took too long: try again in a few seconds",
            ),
        ];
        for (error, expected) in table {
            let refusal = Refusal::from(error);
            let actual = format!(
                "{} {} {}",
                refusal.status.as_u16(),
                refusal.code.as_str(),
                refusal.message
            );
            assert_eq!(actual, expected);
        }
    }

    #[test]
    fn the_keys_of_an_error_body_have_a_fixed_order() {
        assert_eq!(
            Refusal::from(ApiError::NotFound).body(),
            r#"{"message":"Nothing exists at this path","status":404,"code":"not_found"}"#
        );
        assert_eq!(
            Refusal::from(ApiError::field("email", "is missing")).body(),
            r#"{"message":"Request is missing required fields","status":400,"code":"schema_validation","fields":{"email":"is missing"}}"#
        );
    }

    #[test]
    fn error_responses_carry_a_challenge_or_a_retry_time() {
        let header = |error: ApiError, name| {
            let response = error.into_response();
            response
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(
            header(ApiError::MissingToken, WWW_AUTHENTICATE).as_deref(),
            Some("Bearer")
        );
        assert_eq!(
            header(ApiError::InvalidAccessToken, WWW_AUTHENTICATE).as_deref(),
            Some("Bearer error=\"invalid_token\"")
        );
        let busy = AppError::Busy {
            retry_after: Duration::from_millis(1_500),
        };
        assert_eq!(header(busy.into(), RETRY_AFTER).as_deref(), Some("2"));
        let conflict = AppError::DatabaseBusy("".into());
        assert_eq!(header(conflict.into(), RETRY_AFTER).as_deref(), Some("5"));
        let unavailable = AppError::Unavailable("".into());
        assert_eq!(
            header(unavailable.into(), RETRY_AFTER).as_deref(),
            Some("5")
        );
    }
}
