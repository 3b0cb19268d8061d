//! The web port's HTTP API: Mailpit's v1 with its exact shapes, the part of MailHog's that its clients call, and our own.
//!
//! A request passes the [`guard`] before anything else. [`shapes`] holds the JSON that clients compare key by key;
//! what is ours alone is in [`own`], under `/api/movie-bag/`. Each noun has a file; the page is [`web`]'s.

pub mod answer;
pub mod bodies;
pub mod chaos;
pub mod checks;
pub mod events;
pub mod guard;
pub mod info;
pub mod mailhog;
pub mod message;
pub mod messages;
pub mod own;
pub mod part;
pub mod search;
pub mod send;
pub mod shapes;
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

use super::inbox::{Inbox, ReceivedMessage};
use super::search::{Query, QueryError};
use super::web;
use crate::domain::clock::{Clock, Rng};
use crate::sink::faults::Faults;
use crate::supervisor::Supervisor;
use answer::Answers;

/// The largest request body that is read, but where a message is sent.
const MAX_BODY: usize = 5 * 1024 * 1024;

/// What every handler may use.
#[derive(Clone)]
pub struct ApiState {
    pub(super) inbox: Arc<Inbox>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) rng: Arc<dyn Rng>,
    pub(super) faults: Arc<Faults>,
    pub(super) started: Timestamp,
    pub(super) options: Arc<WebOptions>,
    pub(super) stopped: watch::Receiver<bool>,
    supervisor: Supervisor,
    pub(super) answers: Answers,
    /// Places of websocket clients.
    pub(super) websockets: Arc<Semaphore>,
    /// Turn of a search: one thread stays free for everything else.
    searches: Arc<Semaphore>,
}

/// What the web port is told before it starts.
#[derive(Debug, Clone)]
pub struct WebOptions {
    /// Names under which it is served, beside IP addresses and `localhost`.
    pub hosts: Vec<String>,
    /// The name and the password that it asks for.
    pub auth: Option<(String, String)>,
    /// Where mail is to be sent.
    pub smtp_addr: SocketAddr,
    /// Bytes of one message.
    pub max_size: u64,
}

impl ApiState {
    /// The state of a web port that is served from now on, until `stopped` says so.
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
            supervisor: Supervisor::default(),
            answers: Answers::default(),
            websockets: Arc::new(Semaphore::new(events::MOST_CLIENTS)),
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
        let rng = Arc::new(crate::sink::inbox::tests::Counting::default());
        let stopped = watch::channel(false).1;
        ApiState::new(inbox, clock, rng, Arc::default(), options, stopped)
    }

    /// Answers `/readyz` by the tasks of this supervisor.
    pub fn with_readiness(self, supervisor: Supervisor) -> ApiState {
        ApiState { supervisor, ..self }
    }

    /// Resolves once the server stops.
    pub(super) async fn stopping(&self) {
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }
}

/// Answers whether all background tasks run: the inbox itself is in memory.
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

/// Everything on the web port.
pub fn router(state: ApiState) -> Router {
    // A message in JSON is a third longer, for its attachments in base64, and then some.
    let largest_message = state.options.max_size.saturating_mul(3) / 2;
    // It counts itself, and four times more while a message is made of it.
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
        // MailHog's, and no path of Mailpit's.
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
        .layer(middleware::from_fn_with_state(state.clone(), bodies::count))
        .layer(middleware::from_fn_with_state(state.clone(), guard::check))
        .layer(CompressionLayer::new())
        .with_state(state);
    // Outside, since a layer of a router runs once the route is chosen.
    Router::new()
        .fallback_service(router)
        .layer(middleware::map_request(with_single_slashes))
}

/// Makes one slash of several in the path, as Mailpit does: clients join `/api/…` to a base URL that ends in one. The guard
/// and the routes see the same path.
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

/// A text answer; the charset is said, since some of them repeat what a request held.
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

/// Runs what takes its time where no session waits for it.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "cannot show a message");
        failed()
    })
}

/// Runs a search, as [`blocking`] does, after those before it. One whose client has gone before its turn is not run.
pub(super) async fn searching<T: Send + 'static>(
    state: &ApiState,
    search: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response> {
    // The semaphore is never closed.
    let turn = Arc::clone(&state.searches).acquire_owned().await;
    blocking(move || {
        let _turn = turn;
        search()
    })
    .await
}

fn failed() -> Response {
    plain(StatusCode::INTERNAL_SERVER_ERROR, "Something went wrong")
}

/// The message with this id; `latest` is the newest, or with `?query=` the newest that fits.
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

/// The value of a parameter in the query; the first one counts.
pub(super) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// Error for the search in a request, answered with 400.
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

/// Returns the search in a request; none where it is empty.
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

/// Where times are to be read that name no zone.
fn zone(uri: &Uri) -> TimeZone {
    parameter(uri, "tz")
        .and_then(|name| TimeZone::get(&name).ok())
        .unwrap_or_else(TimeZone::system)
}
