//! Access log and request metrics: one log line per request, with the route and not the path, since a path can contain a
//! token.
//!
//! tower-http's layers do not fit: `TraceLayer` logs the path and counts nothing, and `SetRequestIdLayer` uses the id of the client.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use movie_bag_core::app::system::SystemRng;
use movie_bag_core::domain::clock::draw;
use tracing::Instrument as _;

use super::metrics::PrometheusMetrics;
use super::security_headers::harden;

/// Response header with the request id, which is also in every log line of the request.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Log line of one request. It is written on drop, so also when the client disconnects before the response.
struct AccessRecord {
    method: &'static str,
    route: Option<MatchedPath>,
    started_at: Instant,
    status: Option<u16>,
    id: String,
    metrics: Arc<PrometheusMetrics>,
}

impl Drop for AccessRecord {
    fn drop(&mut self) {
        let route = self.route.as_ref().map_or("(none)", MatchedPath::as_str);
        let duration = self.started_at.elapsed();
        self.metrics
            .count_request(self.method, route, self.status, duration);
        let ms = duration.as_secs_f64() * 1_000.0;
        let ms = (ms * 10.0).round() / 10.0;
        match self.status {
            Some(status) => {
                tracing::info!(method = self.method, route, status, ms, id = %self.id, "answered");
            }
            None => {
                tracing::info!(method = self.method, route, ms, id = %self.id, "the client disconnected before the answer");
            }
        }
    }
}

/// Assigns the request id, logs and counts the request, and adds the headers that every response has.
pub(crate) async fn log_request(
    State(metrics): State<Arc<PrometheusMetrics>>,
    request: Request,
    next: Next,
) -> Response {
    // Generated here. An id from the request could forge log lines.
    let id = format!("{:016x}", u64::from_be_bytes(draw(&SystemRng)));
    let mut record = AccessRecord {
        method: method_name(request.method()),
        route: request.extensions().get::<MatchedPath>().cloned(),
        started_at: Instant::now(),
        status: None,
        id: id.clone(),
        metrics,
    };
    let span = tracing::info_span!("request", id);
    let mut response = next.run(request).instrument(span).await;
    harden(response.headers_mut());
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    record.status = Some(response.status().as_u16());
    response
}

/// Returns the label of a method. A client can send any word as a method, so only known methods are logged.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "(other)",
    }
}
