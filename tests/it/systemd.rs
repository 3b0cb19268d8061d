//! Integration with systemd: socket activation and notifications.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use movie_bag_testkit::report_skipped;
use movie_bag_testkit::{Home, Output, PATIENCE, Server, raw};

/// A server that inherits sockets. It is killed on drop.
struct ActivatedServer(Child);

impl Drop for ActivatedServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl ActivatedServer {
    /// Reads standard error until it contains all marks. Returns the word after each mark.
    fn wait_for_marks(&mut self, marks: &[&str]) -> Vec<String> {
        let mut stderr = BufReader::new(self.0.stderr.take().unwrap());
        let mut all = String::new();
        for mark in marks {
            while !all.contains(mark) {
                assert!(stderr.read_line(&mut all).unwrap() > 0, "{mark}: {all}");
            }
        }
        // The rest is read too, since the server would fail to write to a closed pipe.
        std::thread::spawn(move || stderr.read_to_string(&mut String::new()));
        let after = |mark: &&str| {
            let rest = all.split_once(mark).unwrap().1;
            rest.split_whitespace().next().unwrap().to_owned()
        };
        marks.iter().map(after).collect()
    }
}

/// Returns a command that runs `serve` with sockets at descriptors 3 and 4, as systemd passes them. A shell moves them there.
fn serve_with_sockets(
    home: &Home,
    first: OwnedFd,
    second: Option<OwnedFd>,
    names: &str,
) -> Command {
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

const HEALTH_REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn a_connection_made_while_no_server_runs_is_answered_by_the_next_one() {
    // The setting names another address. Inherited sockets take precedence.
    let home = Home::fresh().with("MOVIE_BAG_BIND", "127.0.0.1:1");
    let (listener, address) = listener();
    for _ in 0..2 {
        let mut early = TcpStream::connect(address).unwrap();
        early.write_all(HEALTH_REQUEST).unwrap();
        let socket = OwnedFd::from(listener.try_clone().unwrap());
        let mut server = ActivatedServer(
            serve_with_sockets(&home, socket, None, "movie-bag.socket")
                .spawn()
                .unwrap(),
        );
        let found = server.wait_for_marks(&["listens on http://"]);
        assert_eq!(found, [address.to_string()]);
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
fn a_socket_named_metrics_serves_metrics() {
    let home = Home::fresh().with("MOVIE_BAG_METRICS_BIND", "127.0.0.1:1");
    let ((api, api_address), (metrics, metrics_address)) = (listener(), listener());
    // The names decide, not the order.
    for names in ["api:metrics", "metrics:api"] {
        let (api, metrics) = (api.try_clone().unwrap(), metrics.try_clone().unwrap());
        let (first, second) = match names {
            "api:metrics" => (api, metrics),
            _ => (metrics, api),
        };
        let mut server = ActivatedServer(
            serve_with_sockets(&home, first.into(), Some(second.into()), names)
                .spawn()
                .unwrap(),
        );
        let found = server.wait_for_marks(&["listens on http://", "metrics are on http://"]);
        assert_eq!(
            found,
            [
                api_address.to_string(),
                format!("{metrics_address}/metrics")
            ]
        );
        let answer = raw(&api_address.to_string(), HEALTH_REQUEST);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answer = raw(&metrics_address.to_string(), request);
        assert!(answer.contains("movie_bag_build_info"), "{answer}");
        let answer = raw(&api_address.to_string(), request);
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
}

#[test]
fn an_unsuitable_inherited_socket_is_a_clear_error() {
    let home = Home::fresh();
    let (tcp, address) = listener();
    let connected = TcpStream::connect(address).unwrap();
    let local = UnixListener::bind(home.path().join("local.sock")).unwrap();
    let other = OwnedFd::from(listener().0);
    for (first, second, names, part) in [
        (connected.into(), None, "api", "does not listen"),
        (OwnedFd::from(local), None, "api", "tcp socket"),
        (tcp.into(), Some(other), "api:other", "is not used"),
    ] {
        let output = Output::wait_for(
            serve_with_sockets(&home, first, second, names)
                .spawn()
                .unwrap(),
        )
        .exits(1);
        assert!(output.stderr.contains(part), "{}", output.stderr);
        assert!(
            output.stderr.contains("from the service manager"),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn sockets_for_another_process_are_ignored() {
    let home = Home::fresh();
    let mut command = home.command(&["serve", "--bind", "127.0.0.1:0"]);
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    Server::start_command(command).get("/healthz").is(200);
}

/// Binds the socket of a service manager. Returns a function that waits for its next message.
fn bind_manager(path: &Path) -> impl Fn() -> String {
    let manager = UnixDatagram::bind(path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    move || {
        let mut bytes = [0; 256];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
    }
}

#[test]
fn the_service_manager_is_notified_of_start_watchdog_and_stop() {
    let home = Home::fresh();
    let path = home.path().join("notify.sock");
    let next = bind_manager(&path);
    let mut command = home.command(&["serve", "--bind", "127.0.0.1:0"]);
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000");
    let server = Server::start_command(command);
    let mut notifications = vec![next(), next(), next(), next()];
    notifications.sort();
    assert_eq!(
        notifications,
        ["READY=1", "WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1"]
    );
    server.get("/healthz").is(200);
    server.terminate();
    while next() != "STOPPING=1" {}
    assert!(server.stop().success());
}

/// The supervisor has its own limit for restarts, so the service manager need not kill the process meanwhile.
#[test]
fn watchdog_notifications_continue_while_a_task_is_restarted() {
    if !cfg!(debug_assertions) {
        let why = "A release build has no fault points.";
        return report_skipped("a test of the watchdog", why, "Run it with a debug build.");
    }
    let home = Home::fresh();
    let (path, faults) = (home.path().join("notify.sock"), home.path().join("faults"));
    std::fs::create_dir(&faults).unwrap();
    let next = bind_manager(&path);
    let mut command = home.command(&["serve", "--bind", "127.0.0.1:0"]);
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "200000")
        .env("MOVIE_BAG_TEST_FAULTS", &faults);
    let mut server = Server::start_command(command);
    // Renamed, so that the server does not read it half-written.
    let fault = home.write("fault", "panic always");
    std::fs::rename(fault, faults.join("history")).unwrap();
    let failures = || {
        server
            .stderr()
            .matches("a task failed and is restarted")
            .count()
    };
    while failures() < 2 {
        // A watchdog notification was sent while the task was down.
        while next() != "WATCHDOG=1" {}
    }
    while next() != "STOPPING=1" {}
    assert_eq!(server.wait_for_exit().code(), Some(1));
}

#[test]
fn a_missing_service_manager_is_logged_and_ignored() {
    let home = Home::fresh();
    let mut command = home.command(&["serve", "--bind", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", home.path().join("missing.sock"));
    let server = Server::start_command(command);
    server.get("/healthz").is(200);
    let stderr = server.stderr();
    assert!(
        stderr.contains("cannot notify the service manager"),
        "{stderr}"
    );
    assert!(server.stop().success());
}
