//! A reverse proxy with another host name and a path prefix that differ from those of the server behind it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

/// A proxy that is bound before its server starts. Its thread ends with the test process.
pub struct Proxy {
    listener: TcpListener,
    prefix: &'static str,
}

impl Proxy {
    /// Binds a free port. Requests outside `prefix` are refused.
    pub fn with_prefix(prefix: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { listener, prefix }
    }

    /// Returns the URL of the prefix, under a host name.
    pub fn url(&self, name: &str) -> String {
        let port = self.listener.local_addr().unwrap().port();
        format!("http://{name}:{port}{}", self.prefix)
    }

    /// Forwards all requests to the server at this address from now on.
    pub fn forward_to(self, address: &str) {
        let address = address.to_owned();
        std::thread::spawn(move || {
            for client in self.listener.incoming().map_while(Result::ok) {
                let address = address.clone();
                // A client that disconnects does not fail the test.
                std::thread::spawn(move || forward(client, &address, self.prefix));
            }
        });
    }
}

/// Forwards one request, and returns the response to the client.
fn forward(client: TcpStream, address: &str, prefix: &str) -> std::io::Result<()> {
    let mut request = BufReader::new(client.try_clone()?);
    let mut client = client;
    let mut line = String::new();
    request.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or("-"), words.next().unwrap_or("-"));
    let Some(path) = path.strip_prefix(prefix) else {
        return client.write_all(
            b"HTTP/1.1 421 Misdirected Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
    };
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    let mut length = 0;
    loop {
        let mut line = String::new();
        if request.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
        if !name.eq_ignore_ascii_case("connection") {
            head.push_str(&line);
        }
    }
    let mut body = vec![0; length];
    request.read_exact(&mut body)?;
    let mut server = TcpStream::connect(address)?;
    server.write_all(format!("{head}\r\n").as_bytes())?;
    server.write_all(&body)?;
    std::io::copy(&mut server, &mut client)?;
    Ok(())
}
