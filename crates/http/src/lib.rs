//! The HTTP API and the pages: each handler parses a request, calls one use case and formats the response.
//!
//! The module handles methods, headers, JSON and forms. It contains no rules: those are in [`movie_bag_core::app`]. Start with
//! [`routes`] for the paths, `openapi.rs` for the input and the responses of each operation, and `error.rs` for error
//! responses. Sockets and timeouts belong to the server that the binary chooses.
//!
//! ```text
//! server (socket, limits) → access_log (request id, access log, counts) → cors (other origins)
//!   → [pages only: error responses become pages] → panics_and_timeouts → body (read to its end, at most 64 KiB)
//!   → handler → one use case
//! ```

pub mod access_log;
pub mod auth;
pub mod body;
pub mod client_address;
pub mod cors;
pub mod error;
pub mod health;
mod malformed_requests;
mod metrics;
pub mod movies;
pub mod openapi;
pub mod pages;
pub mod panics_and_timeouts;
pub mod security_headers;
mod server;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use bytes::Bytes;

pub use malformed_requests::answer_instead;
pub use metrics::{METRICS_CONNECTIONS, PrometheusMetrics, metrics_options, metrics_router};
pub use server::router;

use error::ApiError;
use movie_bag_core::app::App;
use pages::Pages;

/// Settings of the HTTP server.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Maximum number of open connections. To accept another one, the server closes the connection on whose client it has
    /// waited for longest. While it is computing a response on every connection, the new one waits.
    pub max_connections: usize,
    /// Maximum time to receive the head of a request, and maximum idle time of a kept-alive connection.
    pub header_timeout: Duration,
    /// Maximum time to receive the body of a request.
    pub body_timeout: Duration,
    /// Maximum time to compute a response. It exceeds the longest wait in the queue for password hashing.
    pub request_timeout: Duration,
    /// Maximum time for which a client may leave a response unread before the server closes the connection.
    pub write_timeout: Duration,
    /// Maximum time for requests in flight after a shutdown was requested.
    pub grace: Duration,
    /// Networks, as address and prefix length, whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<(IpAddr, u8)>,
    /// Origins whose pages may call the API.
    pub cors_origins: Vec<String>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            max_connections: 768,
            header_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(20),
            request_timeout: Duration::from_secs(90),
            write_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            trusted_proxies: Vec::new(),
            cors_origins: Vec::new(),
        }
    }
}

/// State of the handlers. It is cheap to clone, because each request clones it several times.
#[derive(Clone)]
pub struct Http(Arc<Shared>);

/// Data shared by all handlers.
pub struct Shared {
    pub app: App,
    /// Counters, for the access log.
    pub metrics: Arc<PrometheusMetrics>,
    pub pages: Pages,
    pub options: Arc<HttpOptions>,
    /// Serialized OpenAPI document.
    pub openapi: Bytes,
    pub movies: movies::MovieListCache,
}

impl Deref for Http {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// Routes of the JSON API. `openapi/operations.rs` describes them.
fn api_routes() -> [(&'static str, MethodRouter<Http>); 9] {
    [
        ("/api/auth/signup", post(auth::sign_up)),
        ("/api/auth/login", post(auth::log_in)),
        ("/api/auth/forgot", post(auth::forgot)),
        ("/api/auth/reset", post(auth::reset)),
        ("/api/movies", get(movies::list).post(movies::add)),
        (
            "/api/movies/{id}",
            get(movies::show).put(movies::change).delete(movies::delete),
        ),
        ("/healthz", get(health::alive)),
        ("/readyz", get(health::ready)),
        ("/openapi.json", get(openapi::describe)),
    ]
}

/// Routes that belong to the pages and return no page.
fn asset_routes() -> [(&'static str, MethodRouter<Http>); 2] {
    [
        ("/assets/{name}", get(pages::asset)),
        ("/.well-known/change-password", get(pages::change_password)),
    ]
}

/// Routes that return pages.
fn page_routes() -> [(&'static str, MethodRouter<Http>); 5] {
    [
        ("/", get(pages::home)),
        (
            pages::FORGOT,
            get(pages::forgot_form).post(pages::forgot_submitted),
        ),
        ("/reset", get(pages::cut_off_link)),
        ("/reset/", get(pages::cut_off_link)),
        (
            "/reset/{token}",
            get(pages::reset_form).post(pages::reset_submitted),
        ),
    ]
}

/// Returns the paths of all routes, which are the labels of the request counters.
pub fn paths() -> Vec<&'static str> {
    let all = api_routes()
        .into_iter()
        .chain(asset_routes())
        .chain(page_routes());
    all.map(|(path, _)| path).collect()
}

fn build_router(
    routes: impl IntoIterator<Item = (&'static str, MethodRouter<Http>)>,
) -> Router<Http> {
    routes
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            router.route(path, methods)
        })
}

/// Returns the router with all layers.
pub fn routes(http: Http) -> Router {
    let api = build_router(api_routes().into_iter().chain(asset_routes()))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .fallback(pages::nothing_here);
    let pages = build_router(page_routes())
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed);
    with_limits(api, &http)
        .merge(
            with_limits(pages, &http)
                .layer(from_fn_with_state(http.clone(), pages::errors_as_pages)),
        )
        .layer(from_fn_with_state(http.clone(), cors::handle_cross_origin))
        .layer(from_fn_with_state(
            Arc::clone(&http.metrics),
            access_log::log_request,
        ))
        .with_state(http)
}

/// Adds the layers that limit the size of the body and the time of the handler. The layer that is added last runs first.
fn with_limits(router: Router<Http>, http: &Http) -> Router<Http> {
    router
        .layer(from_fn_with_state(http.clone(), body::read_to_end))
        .layer(from_fn_with_state(
            http.clone(),
            panics_and_timeouts::handle_failures,
        ))
}
