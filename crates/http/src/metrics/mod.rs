//! `/metrics`. It has a listener of its own and is never served with the API: its counters would reveal whether a mail was
//! queued.

mod labels;
mod latency;
mod registry;
mod requests;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use movie_bag_core::app::{App, AppError};
use movie_bag_core::ports::error_detail::ErrorDetail;
pub use registry::PrometheusMetrics;

use super::error::ApiError;
use super::options::HttpOptions;
use super::security_headers::harden;

/// Maximum number of connections.
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
pub fn metrics_router(app: App, metrics: Arc<PrometheusMetrics>) -> Router {
    Router::new()
        .route("/metrics", get(show))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .fallback(async || ApiError::NotFound)
        .layer(map_response(add_security_headers))
        .with_state((app, metrics))
}

async fn show(
    State((app, metrics)): State<(App, Arc<PrometheusMetrics>)>,
) -> Result<impl IntoResponse, ApiError> {
    let text = render(&app, &metrics).await?;
    Ok(([(CONTENT_TYPE, registry::CONTENT_TYPE)], text))
}

/// Renders all metrics with the present state of the server.
pub(super) async fn render(app: &App, metrics: &PrometheusMetrics) -> Result<String, AppError> {
    let text = metrics.text(&app.snapshot().await);
    text.map_err(|error| {
        let message = format!("cannot render metrics: {error}");
        AppError::Internal(ErrorDetail::new(message).with_source(error))
    })
}

async fn add_security_headers(mut response: Response) -> Response {
    harden(response.headers_mut());
    response
}
