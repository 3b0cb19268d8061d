//! The HTTP API and the pages: each handler parses a request, calls one use case and formats the response.
//!
//! The crate handles methods, headers, JSON and forms. It contains no rules: those are in [`movie_bag_core::app`]. Start with
//! `routes.rs` for the operations, whose structs and descriptions are beside their handlers, and `error.rs` for error responses. Sockets and timeouts belong to the server that the binary chooses.
//!
//! ```text
//! server (socket, limits) → access_log (request id, access log, counts) → cors (other origins)
//!   → [pages only: error responses become pages] → panics_and_timeouts → body (read to its end, at most 64 KiB)
//!   → handler → one use case
//! ```

mod access_log;
mod account;
mod account_email;
mod auth;
mod body;
mod client_address;
mod confirmation_pages;
mod cors;
mod error;
mod health;
mod malformed_requests;
mod metrics;
mod movie_list_cache;
mod movies;
mod openapi;
mod options;
mod page_templates;
mod pages;
mod panics_and_timeouts;
mod routes;
mod security_headers;
mod state;
#[cfg(test)]
mod tests;
mod values;

pub use body::MAX_BODY_BYTES;
pub use malformed_requests::malformed_request_response;
pub use metrics::{METRICS_CONNECTIONS, PrometheusMetrics, metrics_options, metrics_router};
pub use movies::MAX_PAGE_SIZE;
pub use options::HttpOptions;
pub use page_templates::{PageError, PageTemplates, Pages};
pub use routes::{paths, router};
