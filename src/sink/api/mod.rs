//! The web port's HTTP API: a first part of Mailpit's v1, with its exact shapes.
//!
//! A request passes the [`guard`] before anything else. [`shapes`] holds the JSON that clients compare key by key;
//! what is ours alone belongs under `/api/movie-bag/`. Each noun has a file; the page is [`web`]'s.

pub mod guard;
pub mod info;
pub mod message;
pub mod messages;
pub mod shapes;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;

use super::inbox::Inbox;
use super::web;
use crate::domain::clock::Clock;

/// The largest request body that is read.
const MAX_BODY: usize = 5 * 1024 * 1024;

/// What every handler may use.
#[derive(Clone)]
pub struct ApiState {
    pub(super) inbox: Arc<Inbox>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) started: Timestamp,
    pub(super) web_hosts: Arc<[String]>,
    pub(super) smtp_addr: SocketAddr,
}

impl ApiState {
    /// The state of a web port that is served from now on.
    pub fn new(
        inbox: Arc<Inbox>,
        clock: Arc<dyn Clock>,
        web_hosts: Vec<String>,
        smtp_addr: SocketAddr,
    ) -> ApiState {
        ApiState {
            inbox,
            started: clock.now(),
            clock,
            web_hosts: web_hosts.into(),
            smtp_addr,
        }
    }
}

/// Everything on the web port.
pub fn router(state: ApiState) -> Router {
    Router::new()
        .route("/", get(web::page))
        .route("/style.css", get(web::style))
        .route("/livez", get(|| async {}))
        // The inbox is in memory: whoever answers is ready.
        .route("/readyz", get(|| async {}))
        .route("/api/v1/info", get(info::show))
        .route(
            "/api/v1/messages",
            get(messages::list).delete(messages::delete),
        )
        .route("/api/v1/message/{id}", get(message::show))
        .route("/api/v1/message/{id}/raw", get(message::raw))
        .fallback(|| async { not_found() })
        .method_not_allowed_fallback(|| async {
            plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(state.clone(), guard::check))
        .with_state(state)
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

fn not_found() -> Response {
    plain(StatusCode::NOT_FOUND, "404 page not found")
}

/// The value of a parameter in the query; the first one counts.
fn query(uri: &Uri, name: &str) -> Option<String> {
    // A query that can't be read is one without parameters: clients rely on the defaults.
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
        .ok()?
        .0;
    pairs
        .into_iter()
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}
