//! A persistent HTTP connection that sends requests byte by byte, including those that no client library would send.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use crate::PATIENCE;
use crate::server::Server;

pub struct Connection {
    stream: BufReader<TcpStream>,
}

/// A final HTTP response.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    pub body: Vec<u8>,
}

impl RawAnswer {
    pub fn ends_the_connection(&self) -> bool {
        self.head.contains("\r\nconnection: close\r\n")
    }
}

impl Connection {
    pub fn to(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Sends bytes, and returns the final response.
    pub fn exchange(&mut self, request: &[u8], is_head: bool) -> std::io::Result<RawAnswer> {
        // The server may answer and close the connection before all is written.
        let _ = self.stream.get_mut().write_all(request);
        loop {
            let answer = self.read_answer(is_head)?;
            if answer.status >= 200 {
                return Ok(answer);
            }
        }
    }

    fn read_answer(&mut self, is_head: bool) -> std::io::Result<RawAnswer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head[9..12].parse().unwrap();
        let head = head.to_ascii_lowercase();
        // The server sends no chunked responses: each body is complete before it is sent.
        let length = head
            .split_once("\r\ncontent-length: ")
            .map(|(_, rest)| rest.split("\r\n").next().unwrap().parse().unwrap());
        let has_body = !is_head && status >= 200 && status != 204 && status != 304;
        let mut body = vec![0; if has_body { length.unwrap_or(0) } else { 0 }];
        self.stream.read_exact(&mut body)?;
        Ok(RawAnswer { status, head, body })
    }
}
