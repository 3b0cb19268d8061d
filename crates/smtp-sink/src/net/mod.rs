//! Listening sockets, and an HTTP/1 server that stays available under a flood of connections. It serves the web port of the sink;
//! a program that embeds the sink may serve a router of its own with it. Tests do not need it.
//!
//! [`http1`] serves an [`axum::Router`] on a [`TcpListener`]. The types of axum and Tokio are a part of this module's API, and of no
//! other. `slots` bounds the connections of a listener, and closes the one that has kept the server waiting for longest if a new
//! client finds no free slot.

mod client_stream;
pub mod http1;
mod network;
mod options;
pub(crate) mod slots;

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Length of the queue of connections that are not accepted yet. The standard library's 128 overflow when 500 clients
/// connect at once, and those left out try again after one second, then three, then seven. The system lowers it to its own
/// limit (`net.core.somaxconn` on Linux, 4,096).
const BACKLOG: u32 = 4096;

/// Listens on the address; port 0 takes a free one.
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
    // A restart takes its port again at once. On Windows the option would let two programs share the port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Returns the cause of a failure to listen, in words.
pub fn listen_error(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        _ => error.to_string(),
    }
}

/// A listening socket that outlives the task that accepts from it: a task that is restarted takes another handle.
#[derive(Debug)]
pub struct SharedListener(std::net::TcpListener);

impl SharedListener {
    /// Takes the socket over.
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
