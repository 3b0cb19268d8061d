//! The log, where nobody reads it. What must never stand in it is promise T2 of `security.rs`.

use crate::harness::Home;

/// Ends with the test, however that ends. The harness's own server can't be used where its stderr is closed.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_log_that_nobody_reads_any_more_fails_no_request() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::process::Stdio;

    let home = Home::fresh();
    let mut command = home.command(&["serve", "--bind", "127.0.0.1:0"]);
    let mut server = Killed(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut stderr = BufReader::new(server.0.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let address = line.trim().split_once("http://").unwrap().1.to_owned();
    drop(stderr);
    for _ in 0..3 {
        let mut stream = std::net::TcpStream::connect(&address).unwrap();
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
    }
}
