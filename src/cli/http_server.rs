//! Serves the routers of the account service with the HTTP/1 server of the sink.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use movie_bag_http::{HttpOptions, malformed_request_response};
use movie_bag_smtp_sink::net::{self, http1};
use tokio::net::TcpListener;

use crate::error_code::ErrorCode;
use crate::failure::Failure;

/// Serves until `shutdown` resolves. Then accepts nothing more, closes idle connections, and lets requests in flight end
/// within [`HttpOptions::grace`].
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    options: &HttpOptions,
    shutdown: impl Future<Output = ()>,
) {
    let options = http1::Options {
        max_connections: options.max_connections,
        trusted_proxies: options.trusted_proxies.clone(),
        header_timeout: options.header_timeout,
        write_timeout: options.write_timeout,
        grace: options.grace,
        malformed_response: Some(malformed_request_response),
        ..http1::Options::default()
    };
    http1::serve(listener, router, options, shutdown).await;
}

/// Listens on an address that is the value of `setting`, an option or a key.
pub(super) fn listen(address: SocketAddr, setting: &str) -> Result<TcpListener, Failure> {
    net::listen(address).map_err(|error| {
        Failure::new(
            ErrorCode::Address,
            format!("cannot listen on {address}: {}", net::listen_error(&error)),
            listen_hint(&error, setting),
        )
    })
}

/// Returns the hint after a failure to listen on the address that is the value of `setting`.
pub(super) fn listen_hint(error: &io::Error, setting: &str) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("stop it, or set {setting} to another port (0 picks a free one)")
        }
        io::ErrorKind::PermissionDenied => format!(
            "set {setting} to a port above 1023: lower ones are reserved for the administrator"
        ),
        _ => format!("set {setting} to another address"),
    }
}
