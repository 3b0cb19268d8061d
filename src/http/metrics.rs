//! `/metrics`, on a listener of its own: its counters would tell whether a mail was queued, so it is never where the API is.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::HttpOptions;
use super::error::ApiError;
use super::security_headers::harden;
use crate::app::App;
use crate::metrics;

/// Connections held at once.
pub const METRICS_CONNECTIONS: usize = 16;
/// Time for requests in flight at a stop.
const GRACE: Duration = Duration::from_secs(1);

/// Returns the limits within which [`metrics_router`] is served.
pub fn metrics_options() -> HttpOptions {
    HttpOptions {
        max_connections: METRICS_CONNECTIONS,
        grace: GRACE,
        ..HttpOptions::default()
    }
}

/// Returns the router of `/metrics`.
pub fn metrics_router(app: App) -> Router {
    Router::new()
        .route("/metrics", get(show))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .fallback(async || ApiError::NotFound)
        .layer(map_response(hardened))
        .with_state(app)
}

async fn show(State(app): State<App>) -> Result<impl IntoResponse, ApiError> {
    let text = app.show_metrics().await?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text))
}

async fn hardened(mut response: Response) -> Response {
    harden(response.headers_mut());
    response
}
