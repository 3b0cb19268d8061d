//! Sockets that listen, alike for `serve` and the sink.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait to be accepted. The standard library's 128 overflow when 500 clients come at once, and those
/// left out try again after one second, then three, then seven. The system lowers it to what it allows
/// (`net.core.somaxconn` on Linux, 4,096).
const BACKLOG: u32 = 4096;

/// Listens on the address; port 0 takes a free one.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart takes its port again at once. On Windows the same word would let two programs share it.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
