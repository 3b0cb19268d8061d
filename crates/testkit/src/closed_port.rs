//! A port for a server that starts later.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, getsockname, socket_with};

/// A port on which nothing listens: connections are refused until a server is started there by its number. It is bound
/// meanwhile, since a port that is only free may be assigned to another process.
pub struct ClosedPort {
    _socket: OwnedFd,
    address: SocketAddrV4,
}

impl ClosedPort {
    pub fn reserve() -> Self {
        let (family, kind) = (AddressFamily::INET, SocketType::STREAM);
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None).unwrap();
        // Lets a listener that sets it too bind the same port.
        set_socket_reuseaddr(&socket, true).unwrap();
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = getsockname(&socket).unwrap().try_into().unwrap();
        Self {
            _socket: socket,
            address,
        }
    }

    /// Returns `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    pub fn port(&self) -> String {
        self.address.port().to_string()
    }
}
