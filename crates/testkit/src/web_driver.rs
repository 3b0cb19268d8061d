//! A session with a real browser, by WebDriver (W3C) as JSON over HTTP.
//!
//! By hand, over the HTTP client that is here anyway: the protocol is a dozen calls, and each of the crates for it brings
//! an asynchronous HTTP client of its own, with more dependencies than all of these tests have.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// What a browser does by itself would disturb the tests: asking for updates, moving things, looking for a screen.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    // Containers have little of that memory.
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--force-prefers-reduced-motion",
    "--hide-scrollbars",
    "--lang=en-US",
    // It speaks to the driver by a pipe, and so ends when the driver does, however that ends.
    "--remote-debugging-pipe",
    // Every name below `test` is this machine, and no other machine can be reached.
    "--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
];

/// Ends the driver when its own input ends. A browser that was not asked to end writes to its profile for a moment more,
/// so that is removed until it stays away.
const KEEPER: &str = "chromedriver --port=0 & exec >&-; cat >/dev/null; kill $! 2>/dev/null; wait; \
    while [ -e \"$PROFILE\" ]; do rm -rf \"$PROFILE\"; sleep 1; done";

/// A driver with one browser. Neither outlives the test, however that ends.
pub(super) struct Session {
    /// Its input ends when this process does, however that ends; and the browser ends with the driver.
    keeper: Child,
    /// A driver whose output nobody can take any more would end.
    _said: BufReader<ChildStdout>,
    profile: TempDir,
    agent: ureq::Agent,
    /// The URL that all commands are below.
    base: String,
}

impl Session {
    /// Starts a driver, and has it start a browser. The error says why not. A driver takes its port in two families of
    /// addresses, and ends where somebody else was faster in one of them: then another one is started.
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
            // What it leaves elsewhere goes with the profile too.
            .env("TMPDIR", profile.path())
            .env("XDG_CONFIG_HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut said = BufReader::new(keeper.stdout.take().ok_or("it has no output")?);
        let port = read_port(&mut said).ok_or("There is no chromedriver that starts.");
        let mut session = Self {
            keeper,
            _said: said,
            agent: super::server::agent(),
            base: String::new(),
            profile,
        };
        session.base = format!("http://127.0.0.1:{}/session", port?);
        let asked = session.post("", capabilities(&session.profile))?;
        let id = asked["sessionId"].as_str().ok_or("it has no number")?;
        session.base = format!("{}/{id}", session.base);
        Ok(session)
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, String> {
        answer_of(self.agent.get(self.url(path)).call())
    }

    pub(super) fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        answer_of(self.agent.post(self.url(path)).send_json(body))
    }

    /// A command that only Chromium knows.
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
        // Asked to end, the browser has left its profile when this is answered.
        let _ = self.agent.delete(&self.base).call();
        let _ = std::fs::remove_dir_all(self.profile.path());
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The port that the driver has found for itself; `None` where it ends without one.
fn read_port(said: &mut BufReader<ChildStdout>) -> Option<u16> {
    loop {
        let mut line = String::new();
        if said.read_line(&mut line).ok()? == 0 {
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
    // Its sandbox refuses to be started by root, who runs the tests in most containers.
    if rustix::process::geteuid().is_root() {
        flags.push("--no-sandbox".to_owned());
    }
    let patience = u64::try_from(super::PATIENCE.as_millis()).unwrap();
    json!({"capabilities": {"alwaysMatch": {
        "goog:chromeOptions": {"args": flags},
        "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        // Elements that do not exist yet are waited for. In milliseconds.
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
    let told = &answer["value"];
    let message = told["message"].as_str().unwrap_or_default();
    Err(format!(
        "{}: {}",
        told["error"].as_str().unwrap_or("unknown error"),
        message.lines().next().unwrap_or_default()
    ))
}
