//! A session with a real browser, by WebDriver (W3C) as JSON over HTTP.
//!
//! It uses the HTTP client of the tests instead of a WebDriver crate: the protocol is a dozen calls, and each of the crates
//! brings its own asynchronous HTTP client, with more dependencies than all of these tests have.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Flags that turn off what would disturb the tests: update checks, animations, the need for a display.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // Containers have little shared memory.
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--force-prefers-reduced-motion",
    "--hide-scrollbars",
    "--lang=en-US",
    // The browser is connected to the driver by a pipe, and so ends when the driver ends for any reason.
    "--remote-debugging-pipe",
    // Every name below `test` resolves to this machine, and no other machine is reachable.
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
];

/// Ends the driver when the standard input of this script ends. A browser that was killed writes to its profile for a moment
/// more, so the profile is removed until it stays removed.
const KEEPER: &str = "chromedriver --port=0 & exec >&-; cat >/dev/null; kill $! 2>/dev/null; wait; \
    while [ -e \"$PROFILE\" ]; do rm -rf \"$PROFILE\"; sleep 1; done";

/// A driver with one browser. Both end with the test process.
pub(super) struct Session {
    /// Runs [`KEEPER`]. Its input ends when this process ends for any reason; the browser ends with the driver.
    keeper: Child,
    /// Standard output of the driver, held open: the driver would end if nothing could read it.
    _stdout: BufReader<ChildStdout>,
    profile: TempDir,
    agent: ureq::Agent,
    /// The URL that all commands are below.
    base: String,
}

impl Session {
    /// Starts a driver, and has it start a browser. A driver binds its port on IPv4 and IPv6, and ends if another process has
    /// the port on one of them. Then another driver is started.
    pub(super) fn open() -> Result<Self, String> {
        Self::try_to_open()
            .or_else(|_| Self::try_to_open())
            .or_else(|_| Self::try_to_open())
    }

    fn try_to_open() -> Result<Self, String> {
        let profile = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mut keeper = Command::new("sh")
            .arg("-c")
            .arg(KEEPER)
            .env("PROFILE", profile.path())
            // Other temporary files are removed with the profile too.
            .env("TMPDIR", profile.path())
            .env("XDG_CONFIG_HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut stdout = BufReader::new(keeper.stdout.take().ok_or("the driver has no output")?);
        let port = read_port(&mut stdout).ok_or("There is no chromedriver that starts.");
        let mut session = Self {
            keeper,
            _stdout: stdout,
            agent: crate::server::agent(),
            base: String::new(),
            profile,
        };
        session.base = format!("http://127.0.0.1:{}/session", port?);
        let created = session.post("", capabilities(&session.profile))?;
        let id = created["sessionId"]
            .as_str()
            .ok_or("the answer has no session id")?;
        session.base = format!("{}/{id}", session.base);
        Ok(session)
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, String> {
        answer_of(self.agent.get(self.url(path)).call())
    }

    pub(super) fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        answer_of(self.agent.post(self.url(path)).send_json(body))
    }

    /// Runs a command of the Chrome DevTools Protocol.
    pub(super) fn chromium(&self, name: &str, parameters: Value) -> Result<Value, String> {
        self.post(
            "/goog/cdp/execute",
            json!({"cmd": name, "params": parameters}),
        )
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The browser has closed its profile when this is answered.
        let _ = self.agent.delete(&self.base).call();
        let _ = std::fs::remove_dir_all(self.profile.path());
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Reads the port that the driver has chosen. Returns `None` if the driver ends without one.
fn read_port(stdout: &mut BufReader<ChildStdout>) -> Option<u16> {
    loop {
        let mut line = String::new();
        if stdout.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return port.trim().trim_end_matches('.').parse().ok();
        }
    }
}

fn capabilities(profile: &TempDir) -> Value {
    let mut flags: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).collect();
    flags.push(format!("--user-data-dir={}", profile.path().display()));
    // The sandbox refuses to run as root, which runs the tests in most containers.
    if rustix::process::geteuid().is_root() {
        flags.push("--no-sandbox".to_owned());
    }
    let patience = u64::try_from(crate::PATIENCE.as_millis()).unwrap();
    json!({"capabilities": {"alwaysMatch": {
        "goog:chromeOptions": {"args": flags},
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
                // Time to wait for elements that do not exist yet, in milliseconds.
        "timeouts": {"implicit": 60_000, "pageLoad": patience, "script": patience},
    }}})
}

fn answer_of(
    result: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Result<Value, String> {
    let mut response = result.map_err(|error| error.to_string())?;
    let body = response.body_mut().with_config().limit(256 << 20);
    let mut answer: Value = body.read_json().map_err(|error| error.to_string())?;
    if response.status().is_success() {
        return Ok(answer["value"].take());
    }
    let error = &answer["value"];
    let message = error["message"].as_str().unwrap_or_default();
    Err(format!(
        "{}: {}",
        error["error"].as_str().unwrap_or("unknown error"),
        message.lines().next().unwrap_or_default()
    ))
}
