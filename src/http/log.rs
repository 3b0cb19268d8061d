//! The access log: one line a request, with the route and never the path, since a path may hold a token. The same is counted.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use super::guard::harden;
use super::metrics::PrometheusMetrics;
use crate::app::system::SystemRng;
use crate::domain::clock::draw;

/// Names the request in the answer and in every line of the log that it caused.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One line of the access log, written when it goes out of scope: also when the client hangs up before the answer.
struct Line {
    method: &'static str,
    route: Option<MatchedPath>,
    begun: Instant,
    status: Option<u16>,
    id: String,
    metrics: Arc<PrometheusMetrics>,
}

impl Drop for Line {
    fn drop(&mut self) {
        let route = self.route.as_ref().map_or("(none)", MatchedPath::as_str);
        let took = self.begun.elapsed();
        self.metrics.answered(self.method, route, self.status, took);
        let ms = took.as_secs_f64() * 1_000.0;
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

/// Gives the request its id, logs and counts it, and gives the answer the headers that every answer has.
pub async fn observe(
    State(metrics): State<Arc<PrometheusMetrics>>,
    request: Request,
    next: Next,
) -> Response {
    // Drawn here and never taken from the request, which could forge lines of the log.
    let id = format!("{:016x}", u64::from_be_bytes(draw(&SystemRng)));
    let mut line = Line {
        method: name_of(request.method()),
        route: request.extensions().get::<MatchedPath>().cloned(),
        begun: Instant::now(),
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
    line.status = Some(response.status().as_u16());
    response
}

/// A method may be any word of the client's choice; only those that we know are written down.
fn name_of(method: &Method) -> &'static str {
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
