//! `/metrics`, on a listener of its own: its counters would tell whether a mail was queued, so it is never where the API is.

use std::future::Future;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use super::HttpOptions;
use super::error::ApiError;
use super::security_headers::harden;
use crate::app::App;
use crate::metrics;
use crate::net::http1;

/// Connections held at once.
pub const METRICS_CONNECTIONS: usize = 16;
/// Time for requests in flight at a stop.
const GRACE: Duration = Duration::from_secs(1);

/// Serves `/metrics` and nothing else until `shutdown` resolves.
pub async fn serve_metrics(listener: TcpListener, app: App, shutdown: impl Future<Output = ()>) {
    let options = HttpOptions {
        max_connections: METRICS_CONNECTIONS,
        grace: GRACE,
        ..HttpOptions::default()
    };
    let router = Router::new()
        .route("/metrics", get(show))
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .fallback(async || ApiError::NotFound)
        .layer(map_response(hardened))
        .with_state(app);
    http1::serve(listener, router, options.of_connections(), shutdown).await;
}

async fn show(State(app): State<App>) -> Result<impl IntoResponse, ApiError> {
    let text = app.show_metrics().await?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text))
}

async fn hardened(mut response: Response) -> Response {
    harden(response.headers_mut());
    response
}
