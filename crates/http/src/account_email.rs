//! Change of the address by the account owner: requested, confirmed by the new address, and reverted by the previous one.

use axum::Json;
use axum::extract::State;
use movie_bag_core::domain::password::PasswordInput;

use super::auth::{Caller, Done};
use super::body::{JsonBody, request};
use super::client_address::Client;
use super::error::{ApiError, Code};
use super::openapi::operation::About;
use super::state::HttpState;
use super::values::{Address, Message, ResetToken};

request! {
    pub(crate) struct ChangeAddress {
        /// The present password
        #[example = "correct horse battery"]
        password: PasswordInput,
        /// The new address, with the rules of sign-up
        #[example = "ann@example.org"]
        email: Address,
    }
}

pub(crate) const REQUEST: About = About::new(
    "changeEmail",
    "Request a change of the caller's address. It takes effect when the new address confirms it; the answer is the same whether or \
     not another account has that address",
    "A mail to the new address is stored in the outbox",
    &[
        Code::Unauthorized,
        Code::InvalidEmail,
        Code::EmailAlreadyExists,
    ],
);

/// `POST /api/account/email`.
///
/// # Errors
/// Errors of [`movie_bag_core::app::App::request_address`], and invalid fields.
pub(crate) async fn request(
    State(http): State<HttpState>,
    Caller(account): Caller,
    client: Client,
    JsonBody(ChangeAddress { password, email }): JsonBody<ChangeAddress>,
) -> Result<Json<Done>, ApiError> {
    http.app
        .request_address(&account, &password, &email.0, &client.origin())
        .await?;
    Ok(Json(Done {
        message: Message("A mail with a link that confirms the new address is on its way to it"),
    }))
}

request! {
    pub(crate) struct LinkToken {
        /// The last part of the link in the mail
        token: ResetToken,
    }
}

pub(crate) const CONFIRM: About = About::new(
    "confirmEmail",
    "Give an account its new address with the token from the mail to that address, which can be used once",
    "The address was changed; the previous one gets a mail with a link that reverts the change for 7 days",
    &[Code::BadToken, Code::ExpiredToken, Code::EmailAlreadyExists],
);

/// `POST /api/auth/confirm-email`.
///
/// # Errors
/// Errors of [`movie_bag_core::app::App::confirm_address`], and invalid fields.
pub(crate) async fn confirm(
    State(http): State<HttpState>,
    client: Client,
    JsonBody(LinkToken {
        token: ResetToken(token),
    }): JsonBody<LinkToken>,
) -> Result<Json<Done>, ApiError> {
    http.app.confirm_address(&token, &client.origin()).await?;
    Ok(Json(Done {
        message: Message("The address was changed"),
    }))
}

pub(crate) const REVERT: About = About::new(
    "revertEmail",
    "Give an account its previous address back with the token from the mail to that address, which can be used once. All \
     sessions end and the password becomes void",
    "The address was restored, and a mail with a link to choose a new password is queued",
    &[Code::BadToken, Code::ExpiredToken, Code::EmailAlreadyExists],
);

/// `POST /api/auth/revert-email`.
///
/// # Errors
/// Errors of [`movie_bag_core::app::App::revert_address`], and invalid fields.
pub(crate) async fn revert(
    State(http): State<HttpState>,
    client: Client,
    JsonBody(LinkToken {
        token: ResetToken(token),
    }): JsonBody<LinkToken>,
) -> Result<Json<Done>, ApiError> {
    http.app.revert_address(&token, &client.origin()).await?;
    Ok(Json(Done {
        message: Message(
            "The address was restored: choose a new password with the link that was mailed to it",
        ),
    }))
}
