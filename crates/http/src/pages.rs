//! Web pages that request a reset link and set a new password. They work without JavaScript. Opening a link changes
//! nothing, because mail scanners open links.
//!
//! The pages need no defense against forged requests (CSRF): no cookie and nothing else that a browser sends by itself
//! proves an identity. Only the link sets a new password, and no other site can learn it: it is in no Referer, no frame and
//! no log. Requesting a link is open to all clients, and rate limited.

use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use movie_bag_core::app::{AppError, DeliveryMode};
use movie_bag_core::domain::password::PasswordInput;
use movie_bag_core::domain::token::Token;

use super::body::{FormBody, request};
use super::client_address::Client;
use super::error::{ApiError, Code, Refusal, sentence};
use super::page_templates::{Pages, View};
use super::state::HttpState;

/// Content-Security-Policy: our own style sheet, script and icon, and forms to our own pages.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'",
);

/// Files that pages load, with their types. Each is a template that is sent unchanged.
const ASSETS: [(&str, &str); 3] = [
    ("style.css", "text/css; charset=utf-8"),
    ("password.js", "text/javascript; charset=utf-8"),
    ("icon.svg", "image/svg+xml"),
];

/// Maximum depth of a path for which the way to the start page is computed. No page is as deep.
const MAX_DEPTH: usize = 32;

/// Path of the form that requests a link.
pub(super) const FORGOT: &str = "/forgot";
/// Path of the form that requests an account.
pub(super) const SIGN_UP: &str = "/signup";

impl Pages {
    pub(super) fn page(
        &self,
        status: StatusCode,
        name: &str,
        view: &View<'_>,
    ) -> Result<Response, ApiError> {
        let mut response = self.render(name, view)?.into_response();
        *response.status_mut() = status;
        set_page_headers(&mut response);
        Ok(response)
    }

    /// Turns an error response into a page with the same status and headers. Any other response stays unchanged.
    fn replace_by_error_page(&self, mut response: Response, uri: &Uri) -> Response {
        let Some(refusal) = response.extensions().get::<Refusal>() else {
            return response;
        };
        let view = View {
            root: &path_to_root(uri),
            heading: heading(refusal.code),
            message: &message(refusal, uri),
            ..View::default()
        };
        // If this page fails too, the client gets the JSON error.
        if let Ok(page) = self.render("problem.html", &view) {
            *response.body_mut() = page.into();
            response.headers_mut().remove(CONTENT_LENGTH);
            set_page_headers(&mut response);
        }
        response
    }
}

/// Returns the heading of an error page.
fn heading(code: Code) -> &'static str {
    match code {
        Code::NotFound => "Page not found",
        Code::RateLimited => "Too many requests",
        Code::Unavailable | Code::RequestTimeout => "Temporarily unavailable",
        Code::InternalError => "Something went wrong",
        _ => "Invalid request",
    }
}

/// Returns the text of an error page.
fn message(refusal: &Refusal, uri: &Uri) -> String {
    match (refusal.code, refusal.retry_after()) {
        (Code::NotFound, _) => {
            "If you followed a link from a mail, make sure that you opened the whole link."
                .to_owned()
        }
        // The text is the same for every address, so that it does not reveal whether an account exists.
        (Code::RateLimited, Some(wait)) if [FORGOT, SIGN_UP].contains(&uri.path()) => format!(
            "A link may already be in your mailbox: look there first, and in the spam folder. You can request another \
             one in about {}.",
            describe_period(wait)
        ),
        (Code::RateLimited, Some(wait)) => {
            format!(
                "Try again in about {}. This request did not use up your link.",
                describe_period(wait)
            )
        }
        (Code::InternalError, _) => {
            "The server could not complete the request. Try again later.".to_owned()
        }
        _ => format!("{}.", refusal.message),
    }
}

/// Returns a period in words, rounded up.
fn describe_period(span: Duration) -> String {
    let (number, unit) = match span.as_secs() + u64::from(span.subsec_nanos() > 0) {
        seconds @ 0..=90 => (seconds, "second"),
        seconds => (seconds.div_ceil(60), "minute"),
    };
    match number {
        1 => format!("1 {unit}"),
        number => format!("{number} {unit}s"),
    }
}

fn set_page_headers(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
}

/// Returns the relative path from a page to the start page. Relative links work under any host, and below any path of a
/// reverse proxy.
pub(super) fn path_to_root(uri: &Uri) -> String {
    let slashes = uri.path().matches('/').count();
    "../".repeat(slashes.saturating_sub(1).min(MAX_DEPTH))
}

/// `GET /assets/NAME`.
///
/// # Errors
/// There is no such file.
pub(crate) async fn asset(
    State(http): State<HttpState>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let Some((name, content_type)) = ASSETS.iter().find(|(known, _)| *known == name) else {
        return Err(ApiError::NotFound);
    };
    let mut response = http.pages.render(name, &View::default())?.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=3600"),
    );
    Ok(response)
}

/// `GET /`: start page.
///
/// # Errors
/// A template that fails.
pub(crate) async fn home(
    State(http): State<HttpState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let view = View {
        inbox: &http.pages.inbox_url(&headers),
        ..View::default()
    };
    http.pages.page(StatusCode::OK, "home.html", &view)
}

/// `GET /.well-known/change-password`: redirect for password managers (W3C, "A Well-Known URL for Changing Passwords").
/// The location is relative, so that it works under any host.
pub(crate) async fn change_password() -> Response {
    (
        StatusCode::SEE_OTHER,
        [(LOCATION, HeaderValue::from_static("../forgot"))],
    )
        .into_response()
}

/// `GET /forgot`: form that requests a link.
///
/// # Errors
/// A template that fails.
pub(crate) async fn forgot_form(State(http): State<HttpState>) -> Result<Response, ApiError> {
    http.pages
        .page(StatusCode::OK, "forgot.html", &View::default())
}

request! {
    pub(crate) struct ForgotForm {
        email: String,
    }
}

/// `POST /forgot`.
///
/// # Errors
/// Errors that do not concern the address. Those are shown beside the field.
pub(crate) async fn forgot_submitted(
    State(http): State<HttpState>,
    client: Client,
    headers: HeaderMap,
    FormBody(ForgotForm { email }): FormBody<ForgotForm>,
) -> Result<Response, ApiError> {
    let inbox = http.pages.inbox_url(&headers);
    let mut view = View {
        email: &email,
        inbox: &inbox,
        form: "forgot",
        ..View::default()
    };
    let requested = http
        .app
        .request_reset(&email, &client.origin(), DeliveryMode::Queue)
        .await;
    let error = match requested {
        Ok(_) => return http.pages.page(StatusCode::OK, "sent.html", &view),
        Err(AppError::InvalidEmail { reason, .. }) => {
            format!("Not a valid email address: {reason}")
        }
        Err(AppError::NoSuchAccount(_)) => "No account has this email address".to_owned(),
        Err(error) => return Err(error.into()),
    };
    view.error = &error;
    http.pages
        .page(StatusCode::BAD_REQUEST, "forgot.html", &view)
}

/// Token in the path; an error if the path is not UTF-8.
pub(super) type PathToken = Result<Path<String>, PathRejection>;

pub(super) fn read_token(token: PathToken) -> Token {
    Token::from_exact(token.map_or_else(|_| String::new(), |Path(token)| token))
}

/// `GET /reset/TOKEN`: verifies the token, and changes nothing.
///
/// # Errors
/// Errors that do not concern the token.
pub(crate) async fn reset_form(
    State(http): State<HttpState>,
    uri: Uri,
    token: PathToken,
) -> Result<Response, ApiError> {
    let root = path_to_root(&uri);
    let token = read_token(token);
    if let Err(error) = http.app.inspect_reset(&token).await {
        return refusal_page(&http, error, &token, &root);
    }
    http.pages
        .page(StatusCode::OK, "reset.html", &new_password(&root))
}

fn new_password(root: &str) -> View<'_> {
    View {
        root,
        heading: "Choose a new password",
        button: "Change the password",
        ..View::default()
    }
}

request! {
    pub(crate) struct ResetForm {
        password: PasswordInput,
        password_again: PasswordInput,
    }
}

/// `POST /reset/TOKEN`.
///
/// # Errors
/// Errors that concern neither the token nor the password.
pub(crate) async fn reset_submitted(
    State(http): State<HttpState>,
    client: Client,
    uri: Uri,
    token: PathToken,
    headers: HeaderMap,
    FormBody(form): FormBody<ResetForm>,
) -> Result<Response, ApiError> {
    let token = read_token(token);
    let ResetForm {
        password,
        password_again,
    } = form;
    let root = path_to_root(&uri);
    let inbox = http.pages.inbox_url(&headers);
    let mut view = View {
        inbox: &inbox,
        ..new_password(&root)
    };
    let error = if password.is_same_as(&password_again) {
        let completed = http
            .app
            .complete_reset(&token, &password, &client.origin(), DeliveryMode::Queue)
            .await;
        match completed {
            Ok(_) => return http.pages.page(StatusCode::OK, "done.html", &view),
            Err(AppError::WeakPassword(rule)) => {
                view.field = "password";
                sentence(&rule)
            }
            Err(error) => return refusal_page(&http, error, &token, &root),
        }
    } else {
        // A dead link is reported first: entering the passwords again would be useless.
        if let Err(error) = http.app.inspect_reset(&token).await {
            return refusal_page(&http, error, &token, &root);
        }
        view.field = "password_again";
        "The passwords do not match. Enter the new password twice.".to_owned()
    };
    view.error = &error;
    http.pages
        .page(StatusCode::BAD_REQUEST, "reset.html", &view)
}

/// `GET /reset` and `/reset/`: a link without its token.
///
/// # Errors
/// A template that fails.
pub(crate) async fn cut_off_link(
    State(http): State<HttpState>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let nothing = Token::from_exact("");
    refusal_page(&http, AppError::BadToken, &nothing, &path_to_root(&uri))
}

/// Returns the page of a link that does not work, with a form for a new one. Other errors are passed on.
///
/// An invalid token is refused in the same way for every cause. Only its form makes a difference, which can be checked
/// without the secret: the page then reports that a mail program cut the link off.
fn refusal_page(
    http: &HttpState,
    error: AppError,
    token: &Token,
    root: &str,
) -> Result<Response, ApiError> {
    let (heading, message) = match error {
        AppError::ExpiredToken => (
            "This link has expired",
            "A link is valid for a limited time only. Request a new one:",
        ),
        AppError::BadToken if !token.is_well_formed() => (
            "This link is incomplete",
            "A part of the link is missing or changed. Copy the whole link from the mail into the address bar, \
             or request a new one:",
        ),
        AppError::BadToken => (
            "This link does not work",
            "This link is invalid or was already used. Request a new one:",
        ),
        other => return Err(other.into()),
    };
    let view = View {
        root,
        heading,
        message,
        form: "forgot",
        ..View::default()
    };
    http.pages
        .page(StatusCode::FORBIDDEN, "refused.html", &view)
}

/// Layer around the pages: errors are shown as pages.
pub(crate) async fn errors_as_pages(
    State(http): State<HttpState>,
    request: Request,
    next: Next,
) -> Response {
    let uri = request.uri().clone();
    let response = next.run(request).await;
    http.pages.replace_by_error_page(response, &uri)
}

/// Unknown paths return a page to browsers and JSON to programs.
pub(crate) async fn not_found(
    State(http): State<HttpState>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let refusal = ApiError::NotFound.into_response();
    let wants_page = headers
        .get_all(ACCEPT)
        .iter()
        .any(|accepted| String::from_utf8_lossy(accepted.as_bytes()).contains("text/html"));
    if wants_page && !uri.path().starts_with("/api/") {
        http.pages.replace_by_error_page(refusal, &uri)
    } else {
        refusal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_limit_points_to_the_mailbox_or_to_the_link() {
        let limited = Refusal::from(ApiError::App(AppError::RateLimited {
            retry_after: Duration::from_secs(292),
        }));
        for (path, text) in [
            ("/forgot", "A link may already be in your mailbox"),
            ("/signup", "A link may already be in your mailbox"),
            ("/reset/token", "did not use up your link"),
        ] {
            let message = message(&limited, &path.parse().unwrap());
            assert!(message.contains(text), "{path}: {message}");
            assert!(message.contains("in about 5 minutes"), "{path}: {message}");
        }
    }

    #[test]
    fn a_period_is_rounded_up_to_whole_words() {
        for (millis, words) in [
            (1, "1 second"),
            (89_500, "90 seconds"),
            (90_001, "2 minutes"),
            (292_000, "5 minutes"),
        ] {
            assert_eq!(describe_period(Duration::from_millis(millis)), words);
        }
    }

    #[test]
    fn a_page_at_any_depth_links_to_the_root() {
        for (path, root) in [
            ("/", ""),
            ("/forgot", ""),
            ("/reset/", "../"),
            ("/reset/a.b.c?d=/e/", "../"),
            ("/a//b", "../../"),
        ] {
            assert_eq!(path_to_root(&path.parse().unwrap()), root, "{path}");
        }
        let deep = "/".repeat(5_000).parse().unwrap();
        assert_eq!(path_to_root(&deep).len(), 3 * MAX_DEPTH);
    }
}
