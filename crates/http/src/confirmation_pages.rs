//! Web pages of verified sign-up, and of the links that confirm or revert a change of the address. Opening a link changes
//! nothing: a form on the page does (see [`super::pages`]).

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use movie_bag_core::app::{AppError, SignupMode};
use movie_bag_core::domain::password::PasswordInput;
use movie_bag_core::domain::pending::PendingKind;
use movie_bag_core::domain::token::Token;

use super::body::{FormBody, request};
use super::client_address::Client;
use super::error::{ApiError, sentence};
use super::page_templates::View;
use super::pages::{PathToken, path_to_root, read_token};
use super::state::HttpState;

/// Page of a link: what it asks, and what it says afterwards.
struct Texts {
    heading: &'static str,
    message: &'static str,
    button: &'static str,
    done: &'static str,
    done_message: &'static str,
}

const CONFIRM_ADDRESS: Texts = Texts {
    heading: "Use this email address?",
    message: "Your account gets this email address in place of the present one.",
    button: "Use this address",
    done: "Your email address was changed",
    done_message: "Later mails are sent to the new address. You can close this page.",
};

const REVERT_ADDRESS: Texts = Texts {
    heading: "Take your account back?",
    message: "The previous email address is restored, all devices are logged out, and the password becomes void. You then get a \
              mail with a link to choose a new password.",
    button: "Take my account back",
    done: "Your email address was restored",
    done_message: "All devices were logged out and the password is void. A mail with a link to choose a new password was sent to \
                   you.",
};

fn choose_password(root: &str) -> View<'_> {
    View {
        root,
        heading: "Choose a password",
        button: "Create the account",
        ..View::default()
    }
}

/// Refuses the pages of sign-up unless it is verified: there is nothing that they could do.
fn require_verified(http: &HttpState) -> Result<(), ApiError> {
    match http.app.signup_mode() {
        SignupMode::Verified => Ok(()),
        SignupMode::Open | SignupMode::Closed => Err(ApiError::NotFound),
    }
}

/// `GET /signup`: form that requests an account.
///
/// # Errors
/// Sign-up is not verified; a template that fails.
pub(crate) async fn sign_up_form(State(http): State<HttpState>) -> Result<Response, ApiError> {
    require_verified(&http)?;
    http.pages
        .page(StatusCode::OK, "signup.html", &View::default())
}

request! {
    pub(crate) struct SignUpForm {
        email: String,
    }
}

/// `POST /signup`.
///
/// # Errors
/// Errors that do not concern the address. Those are shown beside the field.
pub(crate) async fn sign_up_submitted(
    State(http): State<HttpState>,
    client: Client,
    headers: HeaderMap,
    FormBody(SignUpForm { email }): FormBody<SignUpForm>,
) -> Result<Response, ApiError> {
    require_verified(&http)?;
    let inbox = http.pages.inbox_url(&headers);
    let mut view = View {
        email: &email,
        inbox: &inbox,
        form: "signup",
        ..View::default()
    };
    let error = match http.app.request_signup(&email, &client.origin()).await {
        Ok(()) => return http.pages.page(StatusCode::OK, "sent.html", &view),
        Err(AppError::InvalidEmail { reason, .. }) => {
            format!("Not a valid email address: {reason}")
        }
        Err(error) => return Err(error.into()),
    };
    view.error = &error;
    http.pages
        .page(StatusCode::BAD_REQUEST, "signup.html", &view)
}

/// `GET /confirm-signup/TOKEN`: verifies the token, and changes nothing.
///
/// # Errors
/// Errors that do not concern the token.
pub(crate) async fn confirm_sign_up_form(
    State(http): State<HttpState>,
    uri: Uri,
    token: PathToken,
) -> Result<Response, ApiError> {
    let (root, token) = (path_to_root(&uri), read_token(token));
    let kind = PendingKind::ConfirmSignup;
    if let Err(error) = http.app.inspect_pending(&token, kind).await {
        return refusal_page(&http, error, &token, kind, &root);
    }
    http.pages
        .page(StatusCode::OK, "reset.html", &choose_password(&root))
}

request! {
    pub(crate) struct ConfirmSignUpForm {
        password: PasswordInput,
        password_again: PasswordInput,
    }
}

/// `POST /confirm-signup/TOKEN`.
///
/// # Errors
/// Errors that concern neither the token nor the password.
pub(crate) async fn confirm_sign_up_submitted(
    State(http): State<HttpState>,
    client: Client,
    uri: Uri,
    token: PathToken,
    FormBody(form): FormBody<ConfirmSignUpForm>,
) -> Result<Response, ApiError> {
    let (root, token) = (path_to_root(&uri), read_token(token));
    let kind = PendingKind::ConfirmSignup;
    let ConfirmSignUpForm {
        password,
        password_again,
    } = form;
    let mut view = choose_password(&root);
    let error = if password.is_same_as(&password_again) {
        let origin = client.origin();
        match http.app.confirm_signup(&token, &password, &origin).await {
            Ok(_) => {
                view.form = "signup";
                view.heading = "Your account was created";
                view.message = "Go back to the application and log in with your email address and your password.";
                return http.pages.page(StatusCode::OK, "confirmed.html", &view);
            }
            Err(AppError::WeakPassword(rule)) => {
                view.field = "password";
                sentence(&rule)
            }
            Err(error) => return refusal_page(&http, error, &token, kind, &root),
        }
    } else {
        // A dead link is reported first: entering the passwords again would be useless.
        if let Err(error) = http.app.inspect_pending(&token, kind).await {
            return refusal_page(&http, error, &token, kind, &root);
        }
        view.field = "password_again";
        "The passwords do not match. Enter the password twice.".to_owned()
    };
    view.error = &error;
    http.pages
        .page(StatusCode::BAD_REQUEST, "reset.html", &view)
}

/// `GET /confirm-email/TOKEN`: verifies the token, and changes nothing.
///
/// # Errors
/// Errors that do not concern the token.
pub(crate) async fn confirm_address_form(
    http: State<HttpState>,
    uri: Uri,
    token: PathToken,
) -> Result<Response, ApiError> {
    question_page(
        &http,
        &uri,
        token,
        PendingKind::ConfirmAddress,
        &CONFIRM_ADDRESS,
    )
    .await
}

/// `GET /revert-email/TOKEN`: verifies the token, and changes nothing.
///
/// # Errors
/// Errors that do not concern the token.
pub(crate) async fn revert_address_form(
    http: State<HttpState>,
    uri: Uri,
    token: PathToken,
) -> Result<Response, ApiError> {
    question_page(
        &http,
        &uri,
        token,
        PendingKind::RevertAddress,
        &REVERT_ADDRESS,
    )
    .await
}

async fn question_page(
    http: &HttpState,
    uri: &Uri,
    token: PathToken,
    kind: PendingKind,
    texts: &Texts,
) -> Result<Response, ApiError> {
    let (root, token) = (path_to_root(uri), read_token(token));
    if let Err(error) = http.app.inspect_pending(&token, kind).await {
        return refusal_page(http, error, &token, kind, &root);
    }
    let view = View {
        root: &root,
        heading: texts.heading,
        message: texts.message,
        button: texts.button,
        ..View::default()
    };
    http.pages.page(StatusCode::OK, "confirm.html", &view)
}

/// `POST /confirm-email/TOKEN`.
///
/// # Errors
/// Errors that do not concern the token.
pub(crate) async fn confirm_address_submitted(
    State(http): State<HttpState>,
    client: Client,
    uri: Uri,
    token: PathToken,
) -> Result<Response, ApiError> {
    let token = read_token(token);
    let confirmed = http.app.confirm_address(&token, &client.origin()).await;
    let kind = PendingKind::ConfirmAddress;
    answer_page(&http, &uri, &token, kind, confirmed, &CONFIRM_ADDRESS)
}

/// `POST /revert-email/TOKEN`.
///
/// # Errors
/// Errors that do not concern the token.
pub(crate) async fn revert_address_submitted(
    State(http): State<HttpState>,
    client: Client,
    uri: Uri,
    token: PathToken,
) -> Result<Response, ApiError> {
    let token = read_token(token);
    let reverted = http.app.revert_address(&token, &client.origin()).await;
    let kind = PendingKind::RevertAddress;
    answer_page(&http, &uri, &token, kind, reverted, &REVERT_ADDRESS)
}

fn answer_page(
    http: &HttpState,
    uri: &Uri,
    token: &Token,
    kind: PendingKind,
    result: Result<(), AppError>,
    texts: &Texts,
) -> Result<Response, ApiError> {
    let root = path_to_root(uri);
    if let Err(error) = result {
        return refusal_page(http, error, token, kind, &root);
    }
    let view = View {
        root: &root,
        heading: texts.done,
        message: texts.done_message,
        ..View::default()
    };
    http.pages.page(StatusCode::OK, "confirmed.html", &view)
}

/// Returns the page of a link that does not work. Other errors are passed on. That of a sign-up has a form for a new link.
fn refusal_page(
    http: &HttpState,
    error: AppError,
    token: &Token,
    kind: PendingKind,
    root: &str,
) -> Result<Response, ApiError> {
    let (status, heading, message) = match error {
        AppError::ExpiredToken => (
            StatusCode::FORBIDDEN,
            "This link has expired",
            "A link is valid for a limited time only.",
        ),
        AppError::BadToken if !token.is_well_formed() => (
            StatusCode::FORBIDDEN,
            "This link is incomplete",
            "A part of the link is missing or changed. Copy the whole link from the mail into the address bar.",
        ),
        AppError::BadToken => (
            StatusCode::FORBIDDEN,
            "This link does not work",
            "This link is invalid or was already used.",
        ),
        // Only someone with the link, and so with the mailbox, learns this.
        AppError::AddressTaken(_) => (
            StatusCode::BAD_REQUEST,
            "The address is taken",
            "Another account has this email address by now.",
        ),
        other => return Err(other.into()),
    };
    let view = View {
        root,
        heading,
        message,
        form: "signup",
        ..View::default()
    };
    let has_form = kind == PendingKind::ConfirmSignup
        && status == StatusCode::FORBIDDEN
        && http.app.signup_mode() == SignupMode::Verified;
    let name = if has_form {
        "refused.html"
    } else {
        "problem.html"
    };
    http.pages.page(status, name, &view)
}
