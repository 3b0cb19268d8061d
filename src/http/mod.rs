//! The HTTP side: a request in, one use case, an answer out.
//!
//! It knows methods, headers, JSON and forms, and never a rule: those are in [`crate::app`]. Start with [`routes`] for
//! what is where, `openapi.rs` for what each call takes and answers, `error.rs` for how a refusal looks, and
//! `net/http1.rs` for sockets and time-outs.
//!
//! ```text
//! net::http1 (socket, limits) → log (id, access log, counts) → cors (other origins) → [pages: errors as pages]
//!   → guard (panic, time-out) → body (read whole, at most 64 KiB) → handler → one use case
//! ```

pub mod auth;
pub mod body;
pub mod client;
pub mod cors;
pub mod error;
pub mod guard;
pub mod health;
pub mod log;
mod malformed;
mod metrics;
pub mod movies;
pub mod openapi;
pub mod pages;
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

pub use metrics::{METRICS_CONNECTIONS, PrometheusMetrics, serve_metrics};
pub use server::serve;

use crate::app::App;
use error::ApiError;
use pages::Pages;

/// What the server is told by the settings.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Connections held at once. For a further one, the connection that has kept the server waiting for longest is closed;
    /// while all of them are being answered, it waits.
    pub max_connections: usize,
    /// How long a client may take for the head of a request, and a kept-alive connection may be idle.
    pub header_timeout: Duration,
    /// How long a client may take for the body of a request.
    pub body_timeout: Duration,
    /// How long an answer may take to be made. Longer than the longest queue of passwords to be hashed.
    pub request_timeout: Duration,
    /// How long a client may leave an answer unread before the connection is given up.
    pub write_timeout: Duration,
    /// How long requests in flight may take once the server is told to stop.
    pub grace: Duration,
    /// Networks, as address and length of prefix, whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<(IpAddr, u8)>,
    /// The origins whose pages may call the API.
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

/// What every handler can reach. A clone is another handle on the same, and costs little: each request makes several.
#[derive(Clone)]
pub struct Http(Arc<Shared>);

/// What all handlers share.
pub struct Shared {
    /// The use cases.
    pub app: App,
    /// Counters, for the access log.
    pub metrics: Arc<PrometheusMetrics>,
    /// The pages, compiled.
    pub pages: Pages,
    /// What the settings say.
    pub options: Arc<HttpOptions>,
    /// The description of the API, as it is served.
    pub openapi: Bytes,
    /// The list of movies as it was served last.
    pub movies: movies::KeptList,
}

impl Deref for Http {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The JSON calls, by their paths. What each takes and answers stands in `openapi.rs`.
fn calls() -> [(&'static str, MethodRouter<Http>); 9] {
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

/// What serves the pages without being one, by its path.
fn beside_the_pages() -> [(&'static str, MethodRouter<Http>); 2] {
    [
        ("/assets/{name}", get(pages::asset)),
        ("/.well-known/change-password", get(pages::change_password)),
    ]
}

/// The pages, by their paths.
fn pages_for_people() -> [(&'static str, MethodRouter<Http>); 5] {
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

/// All paths at which something is: what requests are counted by.
pub fn paths() -> Vec<&'static str> {
    let all = calls()
        .into_iter()
        .chain(beside_the_pages())
        .chain(pages_for_people());
    all.map(|(path, _)| path).collect()
}

fn routed(routes: impl IntoIterator<Item = (&'static str, MethodRouter<Http>)>) -> Router<Http> {
    routes
        .into_iter()
        .fold(Router::new(), |all, (path, call)| all.route(path, call))
}

/// Everything that answers, by its path.
pub fn routes(http: Http) -> Router {
    let api = routed(calls().into_iter().chain(beside_the_pages()))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .fallback(pages::nothing_here);
    let pages =
        routed(pages_for_people()).method_not_allowed_fallback(async || ApiError::MethodNotAllowed);
    guarded(api, &http)
        .merge(
            guarded(pages, &http).layer(from_fn_with_state(http.clone(), pages::errors_as_pages)),
        )
        .layer(from_fn_with_state(http.clone(), cors::share))
        .layer(from_fn_with_state(Arc::clone(&http.metrics), log::observe))
        .with_state(http)
}

/// Layers run from the last to the first.
fn guarded(router: Router<Http>, http: &Http) -> Router<Http> {
    router
        .layer(from_fn_with_state(http.clone(), body::read_whole))
        .layer(from_fn_with_state(http.clone(), guard::contain))
}
