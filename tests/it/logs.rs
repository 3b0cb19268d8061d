//! What must never be written anywhere.

use std::fs;

use serde_json::json;

use crate::harness::{Home, NEW_PASSWORD};

/// Not the password that `serve --smtp-debug` shows in its first steps.
const PASSWORD: &str = "a secret of this test";

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

#[test]
fn no_log_and_no_file_holds_a_token_or_a_password() {
    let home = Home::fresh().with("MOVIE_BAG_LOG", "trace");
    let server = home.serve(&[]);
    server.sign_up("ann@example.com", PASSWORD);
    let access = server.access_token("ann@example.com", PASSWORD);
    let used = server.reset_token("ann@example.com");
    server.get(&format!("/reset/{used}")).is(200);
    server.reset(&used, NEW_PASSWORD).is(200);
    server.reset(&used, "another attempt").is(403);
    let unused = server.reset_token("ann@example.com");
    server.get(&format!("/reset/{unused}?x={unused}"));
    let movie = json!({"name": "Faust", "casts": ["a"], "genres": ["b"]}).to_string();
    server.send("POST", "/api/movies", Some(&access), &movie);

    let log = server.stderr();
    assert!(log.contains("/api/auth/reset"), "the log is there: {log}");
    let mut places = vec![("the log".to_owned(), log.into_bytes())];
    for file in fs::read_dir(home.data_dir()).unwrap() {
        let path = file.unwrap().path();
        places.push((path.display().to_string(), fs::read(&path).unwrap()));
    }
    for (place, bytes) in places {
        for secret in [
            PASSWORD,
            NEW_PASSWORD,
            "another attempt",
            &used,
            &unused,
            &access,
        ] {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{place} holds {secret}");
        }
    }
}
