//! How a refusal looks: the one place that turns an error into status, code and message. The use cases know no
//! status, and the handlers no message. Which call may give which code stands in `openapi.rs`.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::app::{AccessError, AppError, MovieAction};
use crate::domain::span::{in_seconds, seconds_rounded_up};

/// What a client is told to wait where nobody knows how long it will take.
const RETRY_SOON: Duration = Duration::from_secs(5);

macro_rules! codes {
    ($($name:ident = $status:ident $text:literal,)+) => {
        /// What programs tell refusals by.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = concat!("`", $text, "`")] $name,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The status that goes with it.
            pub fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)+
                }
            }

            /// As it stands in an answer.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

codes! {
    SchemaValidation = BAD_REQUEST "schema_validation",
    InvalidEmail = BAD_REQUEST "invalid_email",
    WeakPassword = BAD_REQUEST "weak_password",
    EmailAlreadyExists = BAD_REQUEST "email_already_exists",
    EmailDoesNotExist = BAD_REQUEST "email_does_not_exist",
    MovieAlreadyExists = BAD_REQUEST "movie_already_exists",
    MovieNotExists = BAD_REQUEST "movie_not_exists",
    Unauthorized = UNAUTHORIZED "unauthorized",
    MissingToken = UNAUTHORIZED "missing_token",
    InvalidAccessToken = UNAUTHORIZED "invalid_access_token",
    BadToken = FORBIDDEN "bad_token",
    ExpiredToken = FORBIDDEN "expired_token",
    SignupClosed = FORBIDDEN "signup_closed",
    UpdatingMovie = FORBIDDEN "updating_movie",
    DeletingMovie = FORBIDDEN "deleting_movie",
    NotFound = NOT_FOUND "not_found",
    MethodNotAllowed = METHOD_NOT_ALLOWED "method_not_allowed",
    RequestTimeout = REQUEST_TIMEOUT "request_timeout",
    PayloadTooLarge = PAYLOAD_TOO_LARGE "payload_too_large",
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type",
    RateLimited = TOO_MANY_REQUESTS "rate_limited",
    InternalError = INTERNAL_SERVER_ERROR "internal_error",
    Unavailable = SERVICE_UNAVAILABLE "unavailable",
}

/// Each wrong field with what is wrong with it, in the order in which they were looked at.
pub type WrongFields = Map<String, Value>;

/// Why a request is refused.
#[derive(Debug, Clone)]
pub enum ApiError {
    /// A use case says so.
    App(AppError),
    /// Fields are missing, of the wrong type or not known.
    Fields(WrongFields),
    /// No Authorization header, or none that can be read.
    MissingToken,
    /// The access token opens nothing.
    InvalidAccessToken,
    /// The body is over the limit.
    PayloadTooLarge,
    /// The body is of another type than this one, which is wanted.
    UnsupportedMediaType(&'static str),
    /// The path is there, and takes other methods.
    MethodNotAllowed,
    /// Nothing is there.
    NotFound,
    /// The body did not come in time.
    BodyTooSlow,
    /// The answer was not made in time.
    AnswerTooSlow,
    /// The background task of this name is down.
    TaskDown(&'static str),
}

impl ApiError {
    /// A refusal for one field.
    pub fn field(name: &str, why: impl Into<String>) -> Self {
        Self::Fields(WrongFields::from_iter([(
            name.to_owned(),
            Value::String(why.into()),
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

/// A refusal as people and programs see it; it travels with the answer, so that a page can be made of it.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The status of the answer.
    pub status: StatusCode,
    /// For programs.
    pub code: Code,
    /// For people.
    pub message: String,
    challenge: Option<&'static str>,
    retry_after: Option<Duration>,
    /// The rest of the request is not worth waiting for.
    closes: bool,
    fields: Option<WrongFields>,
}

impl Refusal {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            status: code.status(),
            code,
            message: message.into(),
            challenge: None,
            retry_after: None,
            closes: false,
            fields: None,
        }
    }

    /// How long to wait before it is worth trying again, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    fn unavailable(message: impl Into<String>, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(Code::Unavailable, message)
        }
    }

    fn unauthorized(code: Code, message: &str, challenge: &'static str) -> Self {
        Self {
            challenge: Some(challenge),
            ..Self::new(code, message)
        }
    }

    /// The table of the API, for what the use cases say. No `_` arm: a new failure does not compile until somebody
    /// has decided how clients see it.
    fn of_app(error: AppError) -> Self {
        match error {
            AppError::InvalidEmail { .. } => {
                Self::new(Code::InvalidEmail, "Not a valid email address")
            }
            AppError::WeakPassword(rule) => Self::new(Code::WeakPassword, sentence(&rule)),
            AppError::AddressTaken(_) => Self::new(
                Code::EmailAlreadyExists,
                "User with given email address already exists",
            ),
            AppError::SignupClosed => Self::new(
                Code::SignupClosed,
                "Sign-up is closed: ask the administrator for an account",
            ),
            AppError::WrongPassword => {
                Self::unauthorized(Code::Unauthorized, "Invalid username or password", "Bearer")
            }
            AppError::NoSuchAccount(_) => Self::new(
                Code::EmailDoesNotExist,
                "Couldn't find the user with given email address",
            ),
            AppError::BadToken => Self::new(Code::BadToken, "Invalid token"),
            AppError::ExpiredToken => Self::new(Code::ExpiredToken, "Token has expired"),
            AppError::NoSuchMovie => {
                Self::new(Code::MovieNotExists, "Movie with given id doesn't exists")
            }
            AppError::MovieNameTaken => Self::new(
                Code::MovieAlreadyExists,
                "Movie with given name already exists",
            ),
            AppError::NotYourMovie(MovieAction::Updating) => Self::new(
                Code::UpdatingMovie,
                "Updating movie added by other is forbidden",
            ),
            AppError::NotYourMovie(MovieAction::Deleting) => Self::new(
                Code::DeletingMovie,
                "Deleting movie added by other is forbidden",
            ),
            AppError::RateLimited { retry_after } => Self {
                retry_after: Some(retry_after),
                ..Self::new(
                    Code::RateLimited,
                    format!(
                        "Too many requests: try again in {}",
                        in_seconds(retry_after)
                    ),
                )
            },
            AppError::Busy { retry_after } => Self::unavailable(
                format!(
                    "Too many passwords are waiting to be verified: try again in {}",
                    in_seconds(retry_after)
                ),
                retry_after,
            ),
            AppError::Unavailable(why) => {
                tracing::warn!(%why, "cannot serve a request");
                Self::unavailable(
                    "The database cannot be reached at the moment: try again in a few seconds",
                    RETRY_SOON,
                )
            }
            AppError::DatabaseBusy(why) => {
                tracing::warn!(%why, "cannot serve a request");
                Self::unavailable(
                    "The database is busy: try again in a few seconds",
                    RETRY_SOON,
                )
            }
            // Nobody asks for these over HTTP.
            error @ (AppError::NoSuchMail(_) | AppError::MailHeld(_)) => {
                Self::of_app(AppError::Internal(error.to_string().into()))
            }
            AppError::Internal(why) => {
                tracing::error!(%why, "a request failed");
                Self::new(Code::InternalError, "Something went wrong")
            }
        }
    }

    fn body(&self) -> String {
        let mut body = json!({
            "message": self.message,
            "status": self.status.as_u16(),
            "code": self.code.as_str(),
        });
        if let (Some(fields), Some(body)) = (&self.fields, body.as_object_mut()) {
            body.insert("fields".to_owned(), Value::Object(fields.clone()));
        }
        body.to_string()
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::App(error) => Self::of_app(error),
            ApiError::Fields(fields) => Self {
                fields: Some(fields),
                ..Self::new(Code::SchemaValidation, "Request is missing required fields")
            },
            ApiError::MissingToken => Self::unauthorized(
                Code::MissingToken,
                "Missing or malformed Authorization header",
                "Bearer",
            ),
            ApiError::InvalidAccessToken => Self::unauthorized(
                Code::InvalidAccessToken,
                "Invalid access token: log in again",
                "Bearer error=\"invalid_token\"",
            ),
            ApiError::PayloadTooLarge => Self::new(
                Code::PayloadTooLarge,
                "The body is too large: at most 64 KiB are allowed",
            ),
            ApiError::UnsupportedMediaType(wanted) => Self::new(
                Code::UnsupportedMediaType,
                format!("The body has an unsupported type: send it with Content-Type: {wanted}"),
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
            ApiError::AnswerTooSlow => {
                tracing::error!("a request took too long and was aborted");
                Self::unavailable(
                    "The answer took too long: try again in a few seconds",
                    RETRY_SOON,
                )
            }
            ApiError::TaskDown(task) => Self::unavailable(
                format!(
                    "The task {task} has failed and is being restarted: try again in a few seconds"
                ),
                RETRY_SOON,
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
        if let Some(challenge) = self.challenge {
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
    use super::*;
    use crate::app::parse_address;
    use crate::domain::password::WeakPassword;
    use crate::ports::store::StoreError;

    #[test]
    fn every_error_has_the_status_code_and_message_of_the_table() {
        use MovieAction::{Deleting, Updating};
        let table: [(ApiError, &str); 27] = [
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
                ApiError::AnswerTooSlow,
                "503 unavailable The answer took too long: try again in a few seconds",
            ),
        ];
        for (error, expected) in table {
            let refusal = Refusal::from(error);
            let seen = format!(
                "{} {} {}",
                refusal.status.as_u16(),
                refusal.code.as_str(),
                refusal.message
            );
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn the_body_has_its_keys_in_order() {
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
    fn headers_say_what_to_do_next() {
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
        let gone = AppError::Unavailable("".into());
        assert_eq!(header(gone.into(), RETRY_AFTER).as_deref(), Some("5"));
    }
}
