//! The pages for people without a program: asking for a link, and choosing a new password. Rendered here, and whole
//! without a script. Opening a link changes nothing, since mail scanners open links.
//!
//! No page needs a defence against forged requests (CSRF), since there is nothing to be forged: no cookie and no other
//! thing that a browser sends by itself proves who somebody is. A new password is chosen by who has the link, and no
//! foreign page has it: it is in no Referer, no frame and no log. Asking for a link is open to anybody, and limited.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Http;
use super::body::FormBody;
use super::client::Client;
use super::error::{ApiError, Code, Refusal, sentence};
use crate::app::{AppError, Handling};
use crate::domain::token::Token;
use crate::templates::Templates;

/// Only our own style sheet, script and icon, and forms only to where they came from.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'",
);

/// What pages load, and its type. Each is a template that is sent as it stands.
const ASSETS: [(&str, &str); 3] = [
    ("style.css", "text/css; charset=utf-8"),
    ("password.js", "text/javascript; charset=utf-8"),
    ("icon.svg", "image/svg+xml"),
];

/// Levels below the root at which links are still led back to it; no page of ours is so deep.
const DEEPEST: usize = 32;

/// The pages, rendered by the templates.
pub struct Pages {
    templates: Arc<Templates>,
    minimum: String,
    inbox: Option<SocketAddr>,
}

/// What is put into a template; what a page does not need stays empty.
#[derive(Default)]
struct View<'a> {
    root: &'a str,
    email: &'a str,
    error: &'a str,
    heading: &'a str,
    message: &'a str,
    inbox: &'a str,
}

impl Pages {
    /// Takes the templates, which have been tried, how many characters a password needs, and where the inbox of a sink in the
    /// same process is.
    pub fn new(
        templates: Arc<Templates>,
        shortest_password: usize,
        inbox: Option<SocketAddr>,
    ) -> Self {
        Self {
            templates,
            minimum: shortest_password.to_string(),
            inbox,
        }
    }

    /// Renders `web/NAME`.
    fn render(&self, name: &str, view: &View<'_>) -> Result<String, AppError> {
        let View {
            root,
            email,
            error,
            heading,
            message,
            inbox,
        } = *view;
        let values = [
            ("root", root),
            ("email", email),
            ("error", error),
            ("heading", heading),
            ("message", message),
            ("minimum", &self.minimum),
            ("inbox", inbox),
        ];
        self.templates
            .render(&format!("web/{name}"), values)
            .map_err(|error| AppError::Internal(format!("a page can't be rendered: {error}")))
    }

    /// Where the inbox of a test server is, for whoever has asked with these headers: one that listens everywhere is under
    /// the name that led here.
    fn inbox_for(&self, headers: &HeaderMap) -> String {
        let Some(address) = self.inbox else {
            return String::new();
        };
        let asked = headers.get(HOST).and_then(|host| host.to_str().ok());
        let asked = asked.and_then(|host| host.parse::<Authority>().ok());
        match asked.filter(|_| address.ip().is_unspecified()) {
            Some(asked) => format!("http://{}:{}/", asked.host(), address.port()),
            None => format!("http://{address}/"),
        }
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

    /// Makes a page of a refusal, with the same status and headers; any other answer stays as it is.
    fn for_people(&self, mut response: Response, root: &str) -> Response {
        let Some(refusal) = response.extensions().get::<Refusal>() else {
            return response;
        };
        let view = View {
            root,
            heading: heading(refusal.code),
            message: &message(refusal),
            ..View::default()
        };
        // Where even this one fails, the refusal goes out as it is.
        if let Ok(page) = self.render("problem.html", &view) {
            *response.body_mut() = page.into();
            response.headers_mut().remove(CONTENT_LENGTH);
            as_page(&mut response);
        }
        response
    }
}

/// What happened, for who knows no codes.
fn heading(code: Code) -> &'static str {
    match code {
        Code::NotFound => "There is no such page",
        Code::RateLimited => "Please wait a little",
        Code::Unavailable | Code::RequestTimeout => "Not now, but soon",
        Code::InternalError => "Something went wrong",
        _ => "This was not understood",
    }
}

/// What to do about it.
fn message(refusal: &Refusal) -> String {
    match (refusal.code, refusal.retry_after()) {
        (Code::NotFound, _) => {
            "Nothing is at this address. It may have been cut off on its way to you.".to_owned()
        }
        (Code::RateLimited, Some(wait)) => {
            format!(
                "Try again in about {}. Links that came by mail go on working.",
                about(wait)
            )
        }
        _ => format!("{}.", refusal.message),
    }
}

/// A span of time as people say it, never shorter than it is.
fn about(span: Duration) -> String {
    let (number, unit) = match span.as_secs() + u64::from(span.subsec_nanos() > 0) {
        seconds @ 0..=90 => (seconds, "second"),
        seconds => (seconds.div_ceil(60), "minute"),
    };
    match number {
        1 => format!("1 {unit}"),
        number => format!("{number} {unit}s"),
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

/// From the place of a page to the root, so that links hold under any name and below any path of a proxy.
fn root_of(uri: &Uri) -> String {
    let slashes = uri.path().matches('/').count();
    "../".repeat(slashes.saturating_sub(1).min(DEEPEST))
}

/// `GET /assets/NAME`.
///
/// # Errors
/// There is no such file.
pub async fn asset(
    State(http): State<Http>,
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

/// `GET /`: what this is.
///
/// # Errors
/// A template that fails.
pub async fn home(State(http): State<Http>, headers: HeaderMap) -> Result<Response, ApiError> {
    let view = View {
        inbox: &http.pages.inbox_for(&headers),
        ..View::default()
    };
    http.pages.answer(StatusCode::OK, "home.html", &view)
}

/// `GET /.well-known/change-password`: where password managers send people to (W3C, "A Well-Known URL for Changing
/// Passwords"). Relative, so that it holds under any name.
pub async fn change_password() -> Response {
    (
        StatusCode::SEE_OTHER,
        [(LOCATION, HeaderValue::from_static("../forgot"))],
    )
        .into_response()
}

/// `GET /forgot`: where to send the link.
///
/// # Errors
/// A template that fails.
pub async fn forgot_form(State(http): State<Http>) -> Result<Response, ApiError> {
    http.pages
        .answer(StatusCode::OK, "forgot.html", &View::default())
}

/// `POST /forgot`.
///
/// # Errors
/// What is not about the address; that is said beside the field.
pub async fn forgot_submitted(
    State(http): State<Http>,
    client: Client,
    headers: HeaderMap,
    FormBody(mut fields): FormBody,
) -> Result<Response, ApiError> {
    let email = fields.string("email");
    fields.finish()?;
    let inbox = http.pages.inbox_for(&headers);
    let mut view = View {
        email: &email,
        inbox: &inbox,
        ..View::default()
    };
    let requested = http
        .app
        .request_reset(&email, &client.origin(), Handling::Queue)
        .await;
    let error = match requested {
        Ok(_) => return http.pages.answer(StatusCode::OK, "sent.html", &view),
        Err(AppError::InvalidEmail { reason, .. }) => {
            format!("Not a valid email address: {reason}")
        }
        Err(error @ AppError::NoSuchAccount(_)) => Refusal::from(ApiError::from(error)).message,
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
pub async fn reset_form(
    State(http): State<Http>,
    uri: Uri,
    token: PathToken,
) -> Result<Response, ApiError> {
    let root = root_of(&uri);
    if let Err(error) = http.app.inspect_reset(&token_of(token)).await {
        return refused(&http, error, &root);
    }
    let view = View {
        root: &root,
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
    uri: Uri,
    token: PathToken,
    FormBody(mut fields): FormBody,
) -> Result<Response, ApiError> {
    let token = token_of(token);
    let (password, again) = (
        fields.password("password"),
        fields.password("password_again"),
    );
    fields.finish()?;
    let root = root_of(&uri);
    let mut view = View {
        root: &root,
        ..View::default()
    };
    let error = if password.is_same_as(&again) {
        let completed = http
            .app
            .complete_reset(&token, &password, &client.origin(), Handling::Queue)
            .await;
        match completed {
            Ok(_) => return http.pages.answer(StatusCode::OK, "done.html", &view),
            Err(AppError::WeakPassword(rule)) => sentence(&rule),
            Err(error) => return refused(&http, error, &root),
        }
    } else {
        // Whoever comes with a dead link is told so first, not made to type again for nothing.
        if let Err(error) = http.app.inspect_reset(&token).await {
            return refused(&http, error, &root);
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
pub async fn cut_off_link(State(http): State<Http>, uri: Uri) -> Result<Response, ApiError> {
    refused(&http, AppError::BadToken, &root_of(&uri))
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
            "It was used already, perhaps a moment ago, has been replaced by a newer password, or is not whole.",
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

/// Round the pages: what is refused is a page too.
pub async fn errors_as_pages(State(http): State<Http>, request: Request, next: Next) -> Response {
    let root = root_of(request.uri());
    let response = next.run(request).await;
    http.pages.for_people(response, &root)
}

/// A path at which nothing is: a page for a browser, JSON for a program.
pub async fn nothing_here(State(http): State<Http>, uri: Uri, headers: HeaderMap) -> Response {
    let refusal = ApiError::NotFound.into_response();
    let wants_page = headers
        .get_all(ACCEPT)
        .iter()
        .any(|accepted| String::from_utf8_lossy(accepted.as_bytes()).contains("text/html"));
    if wants_page && !uri.path().starts_with("/api/") {
        http.pages.for_people(refusal, &root_of(&uri))
    } else {
        refusal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> Pages {
        Pages::new(Arc::new(Templates::load(None).unwrap()), 8, None)
    }

    const HOSTILE: &str = "\"><script>alert(1)</script>&amp;{{ root }}";

    #[test]
    fn every_page_renders_and_escapes_what_was_typed() {
        let pages = pages();
        for name in [
            "home.html",
            "forgot.html",
            "sent.html",
            "reset.html",
            "done.html",
            "refused.html",
            "problem.html",
        ] {
            let view = View {
                root: "../",
                email: HOSTILE,
                error: HOSTILE,
                heading: HOSTILE,
                message: HOSTILE,
                inbox: "",
            };
            let page = pages.render(name, &view).unwrap();
            assert!(!page.contains("<script>"), "{name}: {page}");
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
        assert!(reset.contains("minlength: 8;"));
    }

    #[test]
    fn the_inbox_is_where_whoever_asks_reaches_it() {
        let at = |address: &str, host: &str| {
            let templates = Arc::new(Templates::load(None).unwrap());
            let pages = Pages::new(templates, 8, Some(address.parse().unwrap()));
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_str(host).unwrap())]);
            pages.inbox_for(&headers)
        };
        assert_eq!(
            at("127.0.0.1:8025", "10.0.0.5:3000"),
            "http://127.0.0.1:8025/"
        );
        assert_eq!(at("0.0.0.0:8025", "10.0.0.5:3000"), "http://10.0.0.5:8025/");
        assert_eq!(at("[::]:8025", "[::1]:3000"), "http://[::1]:8025/");
        assert_eq!(at("0.0.0.0:8025", "a b\"<"), "http://0.0.0.0:8025/");
    }

    #[test]
    fn a_wait_is_said_as_people_say_it() {
        for (millis, said) in [
            (1, "1 second"),
            (89_500, "90 seconds"),
            (90_001, "2 minutes"),
            (292_000, "5 minutes"),
        ] {
            assert_eq!(about(Duration::from_millis(millis)), said);
        }
    }

    #[test]
    fn a_page_finds_the_root_from_wherever_it_is() {
        for (path, root) in [
            ("/", ""),
            ("/forgot", ""),
            ("/reset/", "../"),
            ("/reset/a.b.c?d=/e/", "../"),
            ("/a//b", "../../"),
        ] {
            assert_eq!(root_of(&path.parse().unwrap()), root, "{path}");
        }
        let deep = "/".repeat(5_000).parse().unwrap();
        assert_eq!(root_of(&deep).len(), 3 * DEEPEST);
    }
}
