//! Limits and settings of the HTTP server.

use std::time::Duration;

use ipnet::IpNet;

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
    pub trusted_proxies: Vec<IpNet>,
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
