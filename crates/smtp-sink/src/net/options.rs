//! Limits of an HTTP server.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use ipnet::IpNet;

/// Returns the response to a malformed request, given the status that hyper has chosen. The server adds `Connection` and
/// `Content-Length`.
pub type MalformedResponse = fn(StatusCode) -> Response<String>;

/// Limits of a server. A program sets the fields that it needs; [`Options::default`] has the others.
#[derive(Debug, Clone)]
pub struct Options {
    /// Maximum number of open connections.
    pub max_connections: usize,
    /// Maximum number of connections of one client whose first request is incomplete.
    pub heads_per_client: usize,
    /// Networks without that limit: proxies that forward the requests of many clients.
    pub trusted_proxies: Vec<IpNet>,
    /// Maximum size of the head of a request; a larger one is answered with 431.
    pub max_head: usize,
    /// Maximum time to receive the head of a request, and maximum idle time of a kept-alive connection.
    pub header_timeout: Duration,
    /// Maximum time between two parts of a request body.
    pub body_timeout: Duration,
    /// Maximum time for which a client may read nothing of its response.
    pub write_timeout: Duration,
    /// Time after which an unanswered request may be dropped for a new client; `None` for never.
    pub longest_answer: Option<Duration>,
    /// Maximum time for requests in flight after the server was stopped.
    pub grace: Duration,
    /// Whether a client that has closed its sending side still gets the response (`printf … | nc`). Otherwise its request is
    /// dropped.
    pub half_close: bool,
    /// Replaces the responses of hyper to malformed requests, which have no body.
    pub malformed_response: Option<MalformedResponse>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_connections: 768,
            heads_per_client: 64,
            trusted_proxies: Vec::new(),
            max_head: 128 * 1024,
            header_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            longest_answer: None,
            grace: Duration::from_secs(10),
            half_close: true,
            malformed_response: None,
        }
    }
}
