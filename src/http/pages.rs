//! The pages for people without a program: asking for a link, and choosing a new password. Rendered here, without a
//! script. Opening a link changes nothing, since mail scanners open links.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Http;
use super::body::FormBody;
use super::client::Client;
use super::error::{ApiError, Refusal};
use crate::app::{AppError, Handling};
use crate::domain::token::Token;
use crate::templates::Templates;

/// Only our own style sheet, and forms only to where they came from.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// From the place of a page to the root, so that links hold under any name and below any path of a proxy.
const FROM_FORGOT: &str = "";
const FROM_RESET: &str = "../";

/// The pages, rendered by the templates.
pub struct Pages(Arc<Templates>);

/// What is put into a template; what a page does not need stays empty.
#[derive(Default)]
struct View<'a> {
    root: &'a str,
    email: &'a str,
    error: &'a str,
    heading: &'a str,
    message: &'a str,
}

impl Pages {
    /// Takes the templates, which have been tried.
    pub fn new(templates: Arc<Templates>) -> Self {
        Self(templates)
    }

    /// Renders `web/NAME`.
    fn render(&self, name: &str, view: &View<'_>) -> Result<String, AppError> {
        let View {
            root,
            email,
            error,
            heading,
            message,
        } = *view;
        let values = [
            ("root", root),
            ("email", email),
            ("error", error),
            ("heading", heading),
            ("message", message),
        ];
        self.0
            .render(&format!("web/{name}"), values)
            .map_err(|error| AppError::Internal(format!("a page can't be rendered: {error}")))
    }

    fn answer(
        &self,
        status: StatusCode,
        name: &str,
        view: &View<'_>,
    ) -> Result<Response, ApiError> {
        let mut response = self.render(name, view)?.into_response();
        *response.status_mut() = status;
        as_page(&mut response);
        Ok(response)
    }
}

fn as_page(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
}

/// `GET /assets/style.css`.
///
/// # Errors
/// None: it is no template to be rendered.
pub async fn style(State(http): State<Http>) -> Result<Response, ApiError> {
    let style = http.pages.render("style.css", &View::default())?;
    let mut response = style.into_response();
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/css; charset=utf-8"),
    );
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=3600"),
    );
    Ok(response)
}

/// `GET /forgot`: where to send the link.
///
/// # Errors
/// A template that fails.
pub async fn forgot_form(State(http): State<Http>) -> Result<Response, ApiError> {
    let view = View {
        root: FROM_FORGOT,
        ..View::default()
    };
    http.pages.answer(StatusCode::OK, "forgot.html", &view)
}

/// `POST /forgot`.
///
/// # Errors
/// What is not about the address; that is said beside the field.
pub async fn forgot_submitted(
    State(http): State<Http>,
    client: Client,
    FormBody(mut fields): FormBody,
) -> Result<Response, ApiError> {
    let email = fields.string("email");
    fields.finish()?;
    let mut view = View {
        root: FROM_FORGOT,
        email: &email,
        ..View::default()
    };
    let requested = http
        .app
        .request_reset(&email, &client.origin(), Handling::Queue)
        .await;
    let error = match requested {
        Ok(_) => return http.pages.answer(StatusCode::OK, "sent.html", &view),
        Err(error @ (AppError::InvalidEmail(_) | AppError::NoSuchAccount)) => error.to_string(),
        Err(error) => return Err(error.into()),
    };
    view.error = &error;
    http.pages
        .answer(StatusCode::BAD_REQUEST, "forgot.html", &view)
}

/// The token in the path, which is no more than what a person may have cut short.
type PathToken = Result<Path<String>, PathRejection>;

fn token_of(token: PathToken) -> Token {
    Token::from_exact(token.map_or_else(|_| String::new(), |Path(token)| token))
}

/// `GET /reset/TOKEN`: looks at the token, and changes nothing.
///
/// # Errors
/// What is not about the token.
pub async fn reset_form(State(http): State<Http>, token: PathToken) -> Result<Response, ApiError> {
    if let Err(error) = http.app.inspect_reset(&token_of(token)).await {
        return refused(&http, error, FROM_RESET);
    }
    let view = View {
        root: FROM_RESET,
        ..View::default()
    };
    http.pages.answer(StatusCode::OK, "reset.html", &view)
}

/// `POST /reset/TOKEN`.
///
/// # Errors
/// What is neither about the token nor about the password.
pub async fn reset_submitted(
    State(http): State<Http>,
    client: Client,
    token: PathToken,
    FormBody(mut fields): FormBody,
) -> Result<Response, ApiError> {
    let token = token_of(token);
    let (password, again) = (
        fields.password("password"),
        fields.password("password_again"),
    );
    fields.finish()?;
    let mut view = View {
        root: FROM_RESET,
        ..View::default()
    };
    let error = if password.is_same_as(&again) {
        let completed = http
            .app
            .complete_reset(&token, &password, &client.origin(), Handling::Queue)
            .await;
        match completed {
            Ok(_) => return http.pages.answer(StatusCode::OK, "done.html", &view),
            Err(AppError::WeakPassword(rule)) => rule.to_string(),
            Err(error) => return refused(&http, error, FROM_RESET),
        }
    } else {
        // Whoever comes with a dead link is told so first, not made to type again for nothing.
        if let Err(error) = http.app.inspect_reset(&token).await {
            return refused(&http, error, FROM_RESET);
        }
        "The two entries are not the same: type the new password twice".to_owned()
    };
    view.error = &error;
    http.pages
        .answer(StatusCode::BAD_REQUEST, "reset.html", &view)
}

/// `GET /reset` and `/reset/`: a link that lost its token on the way.
///
/// # Errors
/// A template that fails.
pub async fn cut_off_link(
    State(http): State<Http>,
    request: Request,
) -> Result<Response, ApiError> {
    let root = if request.uri().path().ends_with('/') {
        FROM_RESET
    } else {
        FROM_FORGOT
    };
    refused(&http, AppError::BadToken, root)
}

/// Says that the link does not work any more and offers a new one; other errors go on.
fn refused(http: &Http, error: AppError, root: &str) -> Result<Response, ApiError> {
    let (heading, message) = match error {
        AppError::ExpiredToken => (
            "This link has expired",
            "For your safety a link works only for a limited time.",
        ),
        AppError::BadToken => (
            "This link does not work",
            "It was used already, has been replaced by a newer password, or is not whole.",
        ),
        other => return Err(other.into()),
    };
    let view = View {
        root,
        heading,
        message,
        ..View::default()
    };
    http.pages
        .answer(StatusCode::FORBIDDEN, "refused.html", &view)
}

/// Makes a page of a refusal, with the same status and headers.
pub async fn errors_as_pages(State(http): State<Http>, request: Request, next: Next) -> Response {
    let root = if request.uri().path().starts_with("/reset/") {
        FROM_RESET
    } else {
        FROM_FORGOT
    };
    let mut response = next.run(request).await;
    let Some(refusal) = response.extensions().get::<Refusal>() else {
        return response;
    };
    let view = View {
        root,
        heading: refusal.status.canonical_reason().unwrap_or("Error"),
        message: &refusal.message,
        ..View::default()
    };
    // Where even this one fails, the refusal goes out as it is.
    if let Ok(page) = http.pages.render("problem.html", &view) {
        *response.body_mut() = page.into();
        response.headers_mut().remove(CONTENT_LENGTH);
        as_page(&mut response);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> Pages {
        Pages::new(Arc::new(Templates::load(None).unwrap()))
    }

    const HOSTILE: &str = "\"><script>alert(1)</script>&amp;{{ root }}";

    #[test]
    fn every_page_renders_and_escapes_what_was_typed() {
        let pages = pages();
        for name in [
            "forgot.html",
            "sent.html",
            "reset.html",
            "done.html",
            "refused.html",
            "problem.html",
        ] {
            let view = View {
                root: FROM_RESET,
                email: HOSTILE,
                error: HOSTILE,
                heading: HOSTILE,
                message: HOSTILE,
            };
            let page = pages.render(name, &view).unwrap();
            assert!(!page.contains("<script"), "{name}: {page}");
            assert!(page.contains("<html lang=\"en\">"), "{name}");
            assert!(page.contains("<title>"), "{name}");
            assert!(page.contains("href=\"../assets/style.css\""), "{name}");
            for absolute in ["http:", "https:", "=\"//", "href=\"/", "action=\"/"] {
                assert!(!page.contains(absolute), "{name} has {absolute}");
            }
        }
    }

    #[test]
    fn fields_are_labelled_and_known_to_password_managers() {
        let pages = pages();
        let forgot = pages.render("forgot.html", &View::default()).unwrap();
        assert!(forgot.contains("<label for=\"email\">"));
        assert!(forgot.contains("autocomplete=\"email\""));
        let reset = pages.render("reset.html", &View::default()).unwrap();
        assert!(reset.contains("<label for=\"password\">"));
        assert!(reset.contains("<label for=\"password_again\">"));
        assert_eq!(reset.matches("autocomplete=\"new-password\"").count(), 2);
    }
}
