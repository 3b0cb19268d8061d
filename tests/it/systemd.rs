//! What systemd offers: sockets that are bound for us, and somebody who wants to know how we are.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::harness::virtual_env::left_out;
use crate::harness::{Home, Output, PATIENCE, Server, raw};

/// Ends with the test, however that ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Killed {
    /// Reads what it says until it said `mark`, and answers what followed there.
    fn said(&mut self, marks: &[&str]) -> Vec<String> {
        let mut stderr = BufReader::new(self.0.stderr.take().unwrap());
        let mut all = String::new();
        for mark in marks {
            while !all.contains(mark) {
                assert!(stderr.read_line(&mut all).unwrap() > 0, "{mark}: {all}");
            }
        }
        // It goes on talking, and must not be cut off.
        std::thread::spawn(move || stderr.read_to_string(&mut String::new()));
        let after = |mark: &&str| {
            let rest = all.split_once(mark).unwrap().1;
            rest.split_whitespace().next().unwrap().to_owned()
        };
        marks.iter().map(after).collect()
    }
}

/// `serve` with sockets at 3 and 4, as systemd hands them over: a shell puts them there.
fn with_sockets(home: &Home, first: OwnedFd, second: Option<OwnedFd>, names: &str) -> Command {
    let (count, more) = match &second {
        Some(_) => (2, "4<&1"),
        None => (1, ""),
    };
    let script = format!(
        "LISTEN_PID=$$ LISTEN_FDS={count} LISTEN_FDNAMES={names} exec \"$0\" serve 3<&0 {more} </dev/null >/dev/null"
    );
    let serve = home.command::<&str>(&[]);
    let mut command = Command::new("sh");
    command
        .args(["-c", &script])
        .arg(serve.get_program())
        .env_clear()
        .envs(
            serve
                .get_envs()
                .filter_map(|(key, value)| Some((key, value?))),
        )
        .current_dir(home.path())
        .stdin(Stdio::from(first))
        .stdout(second.map_or_else(Stdio::null, Stdio::from))
        .stderr(Stdio::piped());
    command
}

const ALIVE: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

fn listening() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn who_connects_while_no_server_runs_is_answered_by_the_next_one() {
    // The setting names another place: what was handed over wins.
    let home = Home::fresh().with("MOVIE_BAG_BIND", "127.0.0.1:1");
    let (listener, address) = listening();
    for _ in 0..2 {
        let mut early = TcpStream::connect(address).unwrap();
        early.write_all(ALIVE).unwrap();
        let socket = OwnedFd::from(listener.try_clone().unwrap());
        let mut server = Killed(
            with_sockets(&home, socket, None, "movie-bag.socket")
                .spawn()
                .unwrap(),
        );
        let said = server.said(&["listens on http://"]);
        assert_eq!(said, [address.to_string()]);
        let mut answer = String::new();
        early.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let pid = server.0.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        assert!(server.0.wait().unwrap().success());
    }
}

#[test]
fn a_socket_that_is_named_metrics_shows_them() {
    let home = Home::fresh().with("MOVIE_BAG_METRICS_BIND", "127.0.0.1:1");
    let ((api, api_address), (metrics, metrics_address)) = (listening(), listening());
    // In either order: the names decide.
    for names in ["api:metrics", "metrics:api"] {
        let (api, metrics) = (api.try_clone().unwrap(), metrics.try_clone().unwrap());
        let (first, second) = match names {
            "api:metrics" => (api, metrics),
            _ => (metrics, api),
        };
        let mut server = Killed(
            with_sockets(&home, first.into(), Some(second.into()), names)
                .spawn()
                .unwrap(),
        );
        let said = server.said(&["listens on http://", "metrics are on http://"]);
        assert_eq!(
            said,
            [
                api_address.to_string(),
                format!("{metrics_address}/metrics")
            ]
        );
        let answer = raw(&api_address.to_string(), ALIVE);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answer = raw(&metrics_address.to_string(), request);
        assert!(answer.contains("movie_bag_build_info"), "{answer}");
        let answer = raw(&api_address.to_string(), request);
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
}

#[test]
fn what_is_no_listening_socket_is_a_clear_error() {
    let home = Home::fresh();
    let (listener, address) = listening();
    let connected = TcpStream::connect(address).unwrap();
    let local = UnixListener::bind(home.path().join("local.sock")).unwrap();
    let other = OwnedFd::from(listening().0);
    for (first, second, names, said) in [
        (connected.into(), None, "api", "does not listen"),
        (OwnedFd::from(local), None, "api", "tcp socket"),
        (listener.into(), Some(other), "api:other", "is not used"),
    ] {
        let output =
            Output::of_started(with_sockets(&home, first, second, names).spawn().unwrap()).exits(1);
        assert!(output.stderr.contains(said), "{}", output.stderr);
        assert!(
            output.stderr.contains("from the service manager"),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let home = Home::fresh();
    let mut command = home.command(&["serve", "--bind", "127.0.0.1:0"]);
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    Server::of(command).get("/healthz").is(200);
}

/// Binds the socket of a service manager. Returns a function that waits for its next message.
fn manager_at(path: &Path) -> impl Fn() -> String {
    let manager = UnixDatagram::bind(path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    move || {
        let mut bytes = [0; 256];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
    }
}

#[test]
fn the_service_manager_is_told_when_we_serve_live_and_stop() {
    let home = Home::fresh();
    let path = home.path().join("notify.sock");
    let next = manager_at(&path);
    let mut command = home.command(&["serve", "--bind", "127.0.0.1:0"]);
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000");
    let server = Server::of(command);
    let mut news = vec![next(), next(), next(), next()];
    news.sort();
    assert_eq!(news, ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]);
    server.get("/healthz").is(200);
    server.terminate();
    while next() != "STOPPING=1" {}
    assert!(server.stop().success());
}

/// The supervisor has a limit of its own for restarts, so the service manager need not end the process meanwhile.
#[test]
fn signs_of_life_go_on_while_a_task_is_restarted_and_end_with_the_process() {
    if !cfg!(debug_assertions) {
        let why = "A release build has no fault points.";
        return left_out("a test of the watchdog", why, "Run it with a debug build.");
    }
    let home = Home::fresh();
    let (path, faults) = (home.path().join("notify.sock"), home.path().join("faults"));
    std::fs::create_dir(&faults).unwrap();
    let next = manager_at(&path);
    let mut command = home.command(&["serve", "--bind", "127.0.0.1:0"]);
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000")
        .env("MOVIE_BAG_TEST_FAULTS", &faults);
    let mut server = Server::of(command);
    std::fs::write(faults.join("history"), "panic always").unwrap();
    let failures = || {
        server
            .stderr()
            .matches("a task failed and is restarted")
            .count()
    };
    while failures() < 2 {
        // A sign of life came while the task was down.
        while next() != "WATCHDOG=1" {}
    }
    while next() != "STOPPING=1" {}
    assert_eq!(server.ended().code(), Some(1));
}

#[test]
fn a_service_manager_that_is_gone_stops_nobody() {
    let home = Home::fresh();
    let mut command = home.command(&["serve", "--bind", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", home.path().join("nobody.sock"));
    let server = Server::of(command);
    server.get("/healthz").is(200);
    let told = server.stderr();
    assert!(told.contains("cannot notify the service manager"), "{told}");
    assert!(server.stop().success());
}
