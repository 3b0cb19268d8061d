//! HTTP API of the web port: Mailpit's API v1 with exactly its JSON, the part of MailHog's API that clients use, and
//! extensions.
//!
//! [`access_control`] checks each request first. [`mailpit_json`] defines the JSON that clients compare key by key. The
//! extensions are in [`own`], under `/api/movie-bag/`. Each resource has a file. The pages are in [`web`].

pub mod access_control;
pub mod body_memory;
pub mod bounded_response;
pub mod chaos;
pub mod checks;
pub mod events;
pub mod info;
pub mod mailhog;
pub mod mailpit_json;
pub mod message;
pub mod messages;
pub mod own;
pub mod part;
pub mod search;
pub mod send;
pub mod swagger;
pub mod tags;
pub mod view;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use thiserror::Error;
use tokio::sync::{Semaphore, watch};
use tower_http::compression::CompressionLayer;

use super::clock::{Clock, Rng};
use super::inbox::{Inbox, ReceivedMessage};
use super::search::{Query, QueryError};
use super::supervision::{RunOnce, TaskSupervisor};
use super::web;
use crate::faults::Faults;
use bounded_response::ResponseMemory;

/// Maximum size of a request body, in bytes, except for `/api/v1/send`.
const MAX_BODY: usize = 5 * 1024 * 1024;

/// State of the handlers.
#[derive(Clone)]
pub struct ApiState {
    pub(super) inbox: Arc<Inbox>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    pub(super) faults: Arc<Faults>,
    pub(super) started: Timestamp,
    pub(super) options: Arc<WebOptions>,
    pub(super) stopped: watch::Receiver<bool>,
    supervisor: Arc<dyn TaskSupervisor>,
    pub(super) response_memory: ResponseMemory,
    /// Free slots for websocket clients.
    pub(super) websockets: Arc<Semaphore>,
    /// Permit for a search. Searches run one at a time, so that a thread stays free for all other work.
    searches: Arc<Semaphore>,
}

/// Settings of the web port.
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// Permitted host names, in addition to `localhost` and IP addresses.
    pub hosts: Vec<String>,
    /// User name and password for HTTP basic authentication.
    pub auth: Option<(String, String)>,
    /// Address of the SMTP server.
    pub smtp_addr: SocketAddr,
    /// Maximum size of a message, in bytes.
    pub max_size: u64,
}

impl ApiState {
    /// Returns the state of a web port that starts now and is served until `stopped` is true.
    pub fn new(
        inbox: Arc<Inbox>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        faults: Arc<Faults>,
        options: WebOptions,
        stopped: watch::Receiver<bool>,
    ) -> ApiState {
        ApiState {
            inbox,
            started: clock.now(),
            clock,
            rng,
            faults,
            options: Arc::new(options),
            stopped,
            supervisor: Arc::new(RunOnce),
            response_memory: ResponseMemory::default(),
            websockets: Arc::new(Semaphore::new(events::MAX_CLIENTS)),
            searches: Arc::new(Semaphore::new(1)),
        }
    }

    /// Returns the state of a web port that listens nowhere, for tests that call it directly.
    #[cfg(test)]
    pub fn for_tests(inbox: Arc<Inbox>, clock: Arc<dyn Clock>) -> ApiState {
        let options = WebOptions {
            hosts: vec![],
            auth: None,
            smtp_addr: ([127, 0, 0, 1], 1025).into(),
            max_size: 1 << 20,
        };
        let rng = Arc::new(crate::inbox::tests::Counting::default());
        let stopped = watch::channel(false).1;
        ApiState::new(inbox, clock, rng, Arc::default(), options, stopped)
    }

    /// Sets the supervisor whose tasks `/readyz` reports.
    pub fn with_readiness(self, supervisor: Arc<dyn TaskSupervisor>) -> ApiState {
        ApiState { supervisor, ..self }
    }

    /// Waits until the server stops.
    pub(super) async fn stopping(&self) {
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }
}

/// Reports whether all background tasks run. The inbox itself is in memory, so it needs no check.
async fn ready(State(state): State<ApiState>) -> Response {
    match state.supervisor.down() {
        None => StatusCode::OK.into_response(),
        Some(task) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("the task {task} has failed and is being restarted\n"),
        )
            .into_response(),
    }
}

/// Returns the router of the web port.
pub fn router(state: ApiState) -> Router {
    // A message in JSON is longer by a third because its attachments are in base64, and has some overhead in addition.
    let largest_message = state.options.max_size.saturating_mul(3) / 2;
    // A body counts once, and four times more while the message is composed from it.
    let largest_message = largest_message.min(state.inbox.memory().limit() / 6);
    let largest_message = usize::try_from(largest_message).unwrap_or(usize::MAX);
    let one = Router::new()
        .route("/", get(message::show))
        .route("/headers", get(message::headers))
        .route("/raw", get(message::raw))
        .route("/part/{part}", get(part::show))
        .route("/part/{part}/thumb", get(part::thumb))
        .route("/html-check", get(checks::html))
        .route("/link-check", get(checks::links))
        .route("/release", post(message::release));
    let router = Router::new()
        .route("/", get(web::page).post(web::act))
        .route("/list", get(web::list))
        .route("/inbox.css", get(web::asset))
        .route("/inbox.js", get(web::asset))
        .route("/theme.js", get(web::asset))
        .route("/icon.svg", get(web::icon))
        .route("/livez", get(|| async {}))
        .route("/readyz", get(ready))
        .route("/view/{name}", get(view::show).post(web::act_on_one))
        .route("/api/events", get(events::listen))
        .route("/api/v1/info", get(info::show))
        .route("/api/v1/webui", get(info::webui))
        .route("/api/v1/swagger.json", get(swagger::show))
        .route(
            "/api/v1/messages",
            get(messages::list)
                .put(messages::mark)
                .delete(messages::delete),
        )
        // Part of MailHog's API; Mailpit has no such path.
        .route("/api/v1/messages/{id}", delete(mailhog::delete))
        .route("/api/v1/messages/{id}/release", post(message::release))
        .route("/api/v1/search", get(search::find).delete(search::delete))
        .route("/api/v1/tags", get(tags::list).put(tags::set))
        .route("/api/v1/tags/{tag}", put(tags::rename).delete(tags::remove))
        .route("/api/v1/chaos", get(chaos::show).put(chaos::set))
        .route(
            "/api/v1/send",
            post(send::send).layer(DefaultBodyLimit::max(largest_message)),
        )
        .nest("/api/v1/message/{id}", one)
        .route("/api/v2/messages", get(mailhog::list))
        .route("/api/v2/search", get(mailhog::search))
        .route(
            "/api/v2/jim",
            get(mailhog::jim)
                .post(mailhog::invite_jim)
                .put(mailhog::change_jim)
                .delete(mailhog::dismiss_jim),
        )
        .route("/api/movie-bag/wait", get(own::wait))
        .route("/api/movie-bag/message/{id}/extract", get(own::extract))
        .route("/api/movie-bag/message/{id}/envelope", get(own::envelope))
        .fallback(|| async { not_found() })
        .method_not_allowed_fallback(|| async {
            plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            body_memory::charge_body,
        ))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            access_control::check,
        ))
        .layer(CompressionLayer::new())
        .with_state(state);
    // An outer service, since the layers of a router run only after it has chosen the route.
    Router::new()
        .fallback_service(router)
        .layer(middleware::map_request(with_single_slashes))
}

/// Replaces repeated slashes in the path by one, as Mailpit does: clients join `/api/…` to a base URL that ends in a slash. Access
/// control and routing see the same path.
async fn with_single_slashes(mut request: Request) -> Request {
    let path = request.uri().path();
    if !path.contains("//") {
        return request;
    }
    let mut clean = String::with_capacity(request.uri().path().len());
    for char in path.chars() {
        if char != '/' || !clean.ends_with('/') {
            clean.push(char);
        }
    }
    if let Some(query) = request.uri().query() {
        clean.push('?');
        clean.push_str(query);
    }
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = clean.parse().ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

/// Returns a plain text response. It names its charset because some responses repeat text of the request.
fn plain(status: StatusCode, text: impl Into<String>) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
        text.into(),
    )
        .into_response()
}

fn ok() -> Response {
    plain(StatusCode::OK, "ok")
}

pub(super) fn bad_request(why: impl Into<String>) -> Response {
    plain(StatusCode::BAD_REQUEST, why)
}

pub(super) fn not_found() -> Response {
    plain(StatusCode::NOT_FOUND, "404 page not found")
}

/// Runs long work on a blocking thread, so that it does not delay SMTP sessions.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "cannot show a message");
        failed()
    })
}

/// Runs a search on a blocking thread after all earlier ones have finished. A search whose client disconnects while it waits is
/// not run.
pub(super) async fn searching<T: Send + 'static>(
    state: &ApiState,
    search: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response> {
    // The semaphore is never closed.
    let permit = Arc::clone(&state.searches).acquire_owned().await;
    blocking(move || {
        let _permit = permit;
        search()
    })
    .await
}

fn failed() -> Response {
    plain(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong")
}

/// Returns the message with this id. The id `latest` stands for the newest message or, with `?query=`, the newest match.
async fn find(state: &ApiState, id: &str, uri: &Uri) -> Result<Arc<ReceivedMessage>, Response> {
    if id != "latest" {
        return state.inbox.get(id).ok_or_else(not_found);
    }
    let inbox = Arc::clone(&state.inbox);
    let newest = match search_in(uri).map_err(IntoResponse::into_response)? {
        None => inbox.latest(),
        Some(query) => searching(state, move || inbox.find_newest(&query)).await?,
    };
    newest.ok_or_else(|| plain(StatusCode::NOT_FOUND, "Message not found"))
}

/// Returns the first value of a query parameter.
pub(super) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Error in the search of a request, returned with status 400.
#[derive(Debug, Error)]
enum SearchError {
    #[error("no search query")]
    Missing,
    #[error(transparent)]
    Unreadable(#[from] QueryError),
}

impl IntoResponse for SearchError {
    fn into_response(self) -> Response {
        bad_request(format!("Error: {self}"))
    }
}

/// Returns the search of a request, or `None` if it is empty.
fn search_in(uri: &Uri) -> Result<Option<Query>, SearchError> {
    match parameter(uri, "query") {
        Some(text) if !text.trim().is_empty() => parse_query(&text, uri).map(Some),
        _ => Ok(None),
    }
}

/// Parses the text of a search, with times in the zone that the request names.
fn parse_query(text: &str, uri: &Uri) -> Result<Query, SearchError> {
    Ok(Query::parse(text, &zone(uri))?)
}

/// Returns the time zone for times without a zone.
fn zone(uri: &Uri) -> TimeZone {
    parameter(uri, "tz")
        .and_then(|name| TimeZone::get(&name).ok())
        .unwrap_or_else(TimeZone::system)
}
