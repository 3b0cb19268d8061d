//! Listening sockets, and an HTTP/1 server that stays available under a flood of connections. The server runs the web port of the
//! sink. A program that embeds the sink can serve its own router with it. Tests do not need this module.
//!
//! [`http1`] serves an [`axum::Router`] on a [`TcpListener`]. The types of axum and Tokio are a part of this module's API, and of no
//! other. `slots` limits the connections of a listener. If no slot is free for a new client, it closes the connection that has kept
//! the server waiting for longest.

mod client_stream;
pub mod http1;
mod network;
mod options;
pub(crate) mod slots;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Length of the queue of connections that are not accepted yet. The 128 of the standard library are too few if 500
/// clients connect at once: the other clients retry after one second, then three, then seven. The system lowers the length to
/// its own limit (`net.core.somaxconn` on Linux, 4,096).
const BACKLOG: u32 = 4096;

/// Listens on the address; port 0 chooses a free port.
///
/// # Errors
/// The address is not available.
///
/// # Panics
/// Outside a Tokio runtime with I/O.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restarted program can bind its port at once. On Windows, the option would let two programs share the port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Returns the cause of a failure to listen, for error messages.
pub fn listen_error(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        _ => error.to_string(),
    }
}

/// Listening socket that outlives the task that accepts from it: a restarted task takes another handle.
#[derive(Debug)]
pub struct SharedListener(std::net::TcpListener);

impl SharedListener {
    /// Takes over the socket.
    ///
    /// # Errors
    /// The runtime cannot release it.
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        listener.into_std().map(Self)
    }

    /// Creates a handle for the runtime of the caller. The socket listens until all handles are dropped.
    ///
    /// # Errors
    /// No file descriptor is free.
    pub fn handle(&self) -> io::Result<TcpListener> {
        TcpListener::from_std(self.std_handle()?)
    }

    /// Creates a handle for a runtime that does not run yet.
    ///
    /// # Errors
    /// No file descriptor is free.
    pub fn std_handle(&self) -> io::Result<std::net::TcpListener> {
        self.0.try_clone()
    }
}
