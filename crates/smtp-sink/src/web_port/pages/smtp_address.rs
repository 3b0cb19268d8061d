//! SMTP address that a page shows as the destination of messages.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, header};
use serde::Serialize;

use crate::web_port::state::WebState;

/// Address of the SMTP server.
#[derive(Debug, Serialize)]
pub(super) struct SmtpAddress {
    host: String,
    port: u16,
    address: String,
}

impl SmtpAddress {
    /// Returns the address of the SMTP server. If the server listens on all interfaces, which is not an address to send to, the
    /// host is the one that the browser used.
    pub(super) fn new(state: &WebState, headers: &HeaderMap) -> SmtpAddress {
        let bound = state.options.smtp_addr;
        let requested = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
        let host = match (bound.ip().is_unspecified(), requested) {
            (true, Some(requested)) => requested.host().trim_matches(['[', ']']).to_owned(),
            (true, None) => "localhost".to_owned(),
            (false, _) => bound.ip().to_string(),
        };
        let port = bound.port();
        let address = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        SmtpAddress {
            host,
            port,
            address,
        }
    }
}
