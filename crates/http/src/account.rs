//! The account of the caller: show, change of the password, logout everywhere, deletion.

use axum::Json;
use axum::extract::State;
use movie_bag_core::domain::password::PasswordInput;
use serde::Serialize;

use super::auth::{AccessToken, Caller, Done};
use super::body::{JsonBody, request};
use super::client_address::Client;
use super::error::{ApiError, Code};
use super::openapi::operation::About;
use super::openapi::schema::object;
use super::state::HttpState;
use super::values::{Empty, Id, Message, NewPassword, Time, TokenText};

object! {
    #[derive(Serialize)]
    pub(crate) struct OwnAccount as "Account" {
        /// Never changes
        id: Id,
        /// Address as it is stored
        email: String,
        created_at: Time,
    }
}

pub(crate) const SHOW: About = About::new(
    "showAccount",
    "Get the account of an access token, which checks the token",
    "The account",
    &[],
);

/// `GET /api/account`. Not limited and one read of the database, since other services check tokens by it.
///
/// # Errors
/// No valid access token; database error.
pub(crate) async fn show(Caller(account): Caller) -> Result<Json<OwnAccount>, ApiError> {
    Ok(Json(OwnAccount {
        id: Id(account.id.to_string()),
        created_at: Time(account.id.made_at()),
        email: account.address,
    }))
}

request! {
    pub(crate) struct PasswordChange {
        /// The password until now
        #[example = "correct horse battery"]
        current_password: PasswordInput,
        /// The new password, with the rules of sign-up
        #[example = "staple of another kind"]
        password: NewPassword,
    }
}

pub(crate) const CHANGE_PASSWORD: About = About::new(
    "changePassword",
    "Change the password, and end all sessions",
    "Access token of a new session; all others have ended, and a confirmation mail is queued",
    &[Code::Unauthorized, Code::WeakPassword],
);

/// `POST /api/account/password`.
///
/// # Errors
/// No valid access token; invalid fields; errors of [`movie_bag_core::app::App::change_password`].
pub(crate) async fn change_password(
    State(http): State<HttpState>,
    client: Client,
    Caller(account): Caller,
    JsonBody(PasswordChange {
        current_password,
        password,
    }): JsonBody<PasswordChange>,
) -> Result<Json<AccessToken>, ApiError> {
    let token = http
        .app
        .change_password(account, &current_password, &password.0, &client.origin())
        .await?;
    Ok(Json(AccessToken {
        token: TokenText(token.as_str().to_owned()),
    }))
}

pub(crate) const LOG_OUT: About = About::new(
    "logOut",
    "End all sessions of the account",
    "All sessions have ended, also that of the caller",
    &[],
);

/// `POST /api/account/logout`.
///
/// # Errors
/// No valid access token; errors of [`movie_bag_core::app::App::log_out`].
pub(crate) async fn log_out(
    State(http): State<HttpState>,
    client: Client,
    Caller(account): Caller,
) -> Result<Json<Done>, ApiError> {
    http.app.log_out(&account, &client.origin()).await?;
    Ok(Json(Done {
        message: Message("All sessions have ended: log in again"),
    }))
}

request! {
    pub(crate) struct AccountDeletion {
        /// The password of the account
        #[example = "correct horse battery"]
        password: PasswordInput,
    }
}

pub(crate) const DELETE: About = About::new(
    "deleteAccount",
    "Delete the account with its movies, mails and history",
    "The account was deleted",
    &[Code::Unauthorized],
);

/// `DELETE /api/account`.
///
/// # Errors
/// No valid access token; invalid fields; errors of [`movie_bag_core::app::App::delete_own_account`].
pub(crate) async fn delete(
    State(http): State<HttpState>,
    client: Client,
    Caller(account): Caller,
    JsonBody(AccountDeletion { password }): JsonBody<AccountDeletion>,
) -> Result<Json<Empty>, ApiError> {
    http.app
        .delete_own_account(&account, &password, &client.origin())
        .await?;
    Ok(Json(Empty("")))
}
