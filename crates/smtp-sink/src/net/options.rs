//! Limits of an HTTP server.

use std::net::IpAddr;
use std::time::Duration;

/// Replacement of a response that hyper gives by itself; `None` for any other bytes.
pub type ReplaceResponse = fn(&[u8]) -> Option<Vec<u8>>;

/// Limits of a server. A program sets the fields that it needs, and takes the others from [`Options::default`].
#[derive(Debug, Clone)]
pub struct Options {
    /// Connections held at once.
    pub max_connections: usize,
    /// First requests of one client that may be incomplete at once.
    pub heads_per_client: usize,
    /// Networks whose clients have no such cap, as address and length of prefix: proxies that stand for many clients.
    pub trusted_proxies: Vec<(IpAddr, u8)>,
    /// Maximum size of the head of a request; a larger one is answered 431.
    pub max_head: usize,
    /// Time for the head of a request, and for which a kept-alive connection may be idle.
    pub header_timeout: Duration,
    /// Time for which a body may not go on.
    pub body_timeout: Duration,
    /// Time for which a client may read nothing of its answer.
    pub write_timeout: Duration,
    /// Time after which a request that is not answered yet may be dropped for a new client; `None` for never.
    pub longest_answer: Option<Duration>,
    /// Time for requests in flight once the server stops.
    pub grace: Duration,
    /// Whether a client that has ended its side still gets its answer (`printf … | nc`). Otherwise its request is dropped.
    pub half_close: bool,
    /// Replacement of hyper's own answers to what is not HTTP.
    pub replace_response: Option<ReplaceResponse>,
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
            replace_response: None,
        }
    }
}
