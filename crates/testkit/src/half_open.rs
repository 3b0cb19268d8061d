//! Clients that connect, never complete a request, and reconnect when they are disconnected.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::wait_until;

/// Time between two bytes of each client, and before it reconnects. Attackers send single bytes so that no connection is idle.
const DRIP: Duration = Duration::from_secs(2);

/// Bytes that each client sends at the start, and then one at a time.
#[derive(Debug, Clone, Copy)]
pub struct HalfOpen {
    pub begins: &'static str,
    pub drips: &'static str,
}

impl HalfOpen {
    /// A request head that never ends.
    pub const HEAD: Self = Self {
        begins: "GET / HTTP/1.1\r\nHost: localhost\r\nX-Drip: ",
        drips: "a",
    };
    /// A request whose body never ends.
    pub const BODY: Self = Self {
        begins: "POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                 Content-Length: 60000\r\n\r\n",
        drips: " ",
    };
    /// A connection on which nothing is sent.
    pub const SILENCE: Self = Self {
        begins: "",
        drips: "",
    };
    /// An SMTP session that delivers no message.
    pub const SESSION: Self = Self {
        begins: "EHLO me\r\n",
        drips: "NOOP\r\n",
    };
}

/// Half-open clients, which are closed on drop.
pub struct Crowd {
    is_over: Arc<AtomicBool>,
    opened: Arc<AtomicUsize>,
    count: usize,
    thread: Option<JoinHandle<()>>,
}

/// Returns the number of clients that this process can run for each of `ports` ports, up to 2,000.
pub fn possible_clients(ports: usize) -> usize {
    /// Files of other tests in this process, of the test runner and of the servers' pipes.
    const RESERVE: u64 = 600;
    (raised_file_limit().saturating_sub(RESERVE) as usize / ports).clamp(1, 2_000)
}

/// Raises the limit of open files of this process as far as the system allows, and returns it.
#[cfg(unix)]
fn raised_file_limit() -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    /// macOS refuses more than this for any hard limit (`OPEN_MAX`).
    const HIGHEST: u64 = 10_240;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit
        .maximum
        .map_or(Some(HIGHEST), |hard| Some(hard.min(HIGHEST)));
    setrlimit(Resource::Nofile, limit).unwrap();
    limit.current.unwrap_or(HIGHEST)
}

#[cfg(not(unix))]
fn raised_file_limit() -> u64 {
    u64::MAX
}

impl Crowd {
    /// Opens `count` connections, and holds them as long as the server does.
    pub fn connect(address: &str, count: usize, kind: HalfOpen) -> Self {
        let address: SocketAddr = address.parse().unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let opened = Arc::new(AtomicUsize::new(0));
        let (over, counted) = (Arc::clone(&is_over), Arc::clone(&opened));
        let thread = thread::spawn(move || {
            let mut clients: Vec<Option<TcpStream>> = (0..count).map(|_| None).collect();
            while !over.load(Ordering::Relaxed) {
                for client in &mut clients {
                    if !client.as_ref().is_some_and(|client| holds(client, kind)) {
                        *client = open(address, kind);
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                }
                thread::sleep(DRIP);
            }
        });
        Self {
            is_over,
            opened,
            count,
            thread: Some(thread),
        }
    }

    /// Waits until each client has tried to connect.
    #[track_caller]
    pub fn wait_until_connected(&self) {
        wait_until("the crowd is there", || {
            self.opened.load(Ordering::Relaxed) >= self.count
        });
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn open(address: SocketAddr, kind: HalfOpen) -> Option<TcpStream> {
    // A server whose queue is full does not answer.
    let mut client = TcpStream::connect_timeout(&address, DRIP).ok()?;
    client.set_nonblocking(true).ok()?;
    client.write_all(kind.begins.as_bytes()).ok()?;
    Some(client)
}

/// Sends the next byte. Returns whether the connection is still open.
fn holds(mut client: &TcpStream, kind: HalfOpen) -> bool {
    let read = client.read(&mut [0; 4096]);
    let is_open = match read {
        Ok(0) => false,
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    };
    is_open && client.write_all(kind.drips.as_bytes()).is_ok()
}
