//! Maps each path of the web port to its handler.

use std::any::Any;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post, put};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use super::api::{
    chaos, checks, envelope, events, extract, info, mailhog, message, message_body, messages, part,
    search, send, swagger, tags, wait,
};
use super::responses::{internal_error, not_found, plain};
use super::state::WebState;
use super::{access_control, body_memory, pages};

/// Maximum size of a request body, in bytes, except for `/api/v1/send`.
const MAX_BODY: usize = 5 * 1024 * 1024;

/// Reports whether all background tasks run. The inbox itself is in memory, so it needs no check.
async fn show_readiness(State(state): State<WebState>) -> Response {
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
pub(crate) fn router(state: WebState) -> Router {
    // A message in JSON is longer by a third because its attachments are in base64, and has some overhead in addition.
    let largest_message = state.options.max_size.saturating_mul(3) / 2;
    // A body counts once, and four times more while the message is composed from it.
    let largest_message = largest_message.min(state.inbox.memory().limit() / 6);
    let largest_message = usize::try_from(largest_message).unwrap_or(usize::MAX);
    let message_routes = Router::new()
        .route("/", get(message::show))
        .route("/headers", get(message::headers))
        .route("/raw", get(message::raw))
        .route("/part/{part}", get(part::show))
        .route("/part/{part}/thumb", get(part::thumb))
        .route("/html-check", get(checks::html))
        .route("/link-check", get(checks::links))
        .route("/release", post(message::release));
    let router = Router::new()
        .route("/", get(pages::show_inbox).post(pages::submit_list_form))
        .route("/list", get(pages::show_list))
        .route("/inbox.css", get(pages::asset))
        .route("/inbox.js", get(pages::asset))
        .route("/theme.js", get(pages::asset))
        .route("/icon.svg", get(pages::icon))
        .route("/livez", get(|| async {}))
        .route("/readyz", get(show_readiness))
        .route(
            "/view/{name}",
            get(show_view).post(pages::submit_message_form),
        )
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
        .nest("/api/v1/message/{id}", message_routes)
        .route("/api/v2/messages", get(mailhog::list))
        .route("/api/v2/search", get(mailhog::search))
        .route(
            "/api/v2/jim",
            get(mailhog::jim)
                .post(mailhog::invite_jim)
                .put(mailhog::change_jim)
                .delete(mailhog::dismiss_jim),
        )
        .route("/api/movie-bag/wait", get(wait::wait))
        .route("/api/movie-bag/message/{id}/extract", get(extract::show))
        .route("/api/movie-bag/message/{id}/envelope", get(envelope::show))
        .fallback(|| async { not_found() })
        .method_not_allowed_fallback(|| async {
            plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            body_memory::charge_body,
        ))
        // The panic hook has logged the panic.
        .layer(CatchPanicLayer::custom(|_: Box<dyn Any + Send>| {
            internal_error()
        }))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            access_control::check,
        ))
        .layer(CompressionLayer::new())
        .with_state(state);
    // An outer service, since the layers of a router run only after it has chosen the route.
    Router::new()
        .fallback_service(router)
        .layer(middleware::map_request(collapse_slashes))
}

/// `GET /view/{name}`: a page of the inbox for `ID`, and the body of a message for `ID.html`, `ID.txt` and `latest`.
async fn show_view(
    state: State<WebState>,
    Path(name): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    if name == "latest" || name.contains('.') {
        message_body::show(state, name, uri).await
    } else {
        pages::show_message(state, name, headers, uri).await
    }
}

/// Replaces repeated slashes in the path by one, as Mailpit does: clients join `/api/…` to a base URL that ends in a slash. Access
/// control and routing see the same path. `NormalizePathLayer` of tower-http only removes or adds a slash at the end.
async fn collapse_slashes(mut request: Request) -> Request {
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
