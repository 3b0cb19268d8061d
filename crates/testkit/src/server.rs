//! Long-running processes: `serve` and `smtp-debug`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::command::Home;
use crate::inbox::Inbox;
use crate::{PATIENCE, wait_for, wait_until};

/// A process whose output is collected, and which is killed at the end of its test.
struct Process {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Process {
    /// Starts a process, and waits until its standard error has a line with each of `marks`. Returns the word after each mark.
    fn start(mut command: Command, marks: &[&str]) -> (Self, Vec<String>) {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = std::sync::mpsc::channel();
        let stdout = collect(child.stdout.take().unwrap(), None);
        let stderr = collect(child.stderr.take().unwrap(), Some(sender));
        let mut found = vec![None; marks.len()];
        while found.iter().any(Option::is_none) {
            let Ok(line) = lines.recv_timeout(PATIENCE) else {
                let _ = child.kill();
                panic!("no line with each of {marks:?}: {}", stderr.lock().unwrap());
            };
            for (mark, found) in marks.iter().zip(&mut found) {
                if let Some((_, rest)) = line.split_once(mark) {
                    *found = Some(
                        rest.split_whitespace()
                            .next()
                            .unwrap_or_default()
                            .to_owned(),
                    );
                }
            }
        }
        (
            Self {
                child,
                stdout,
                stderr,
            },
            found.into_iter().flatten().collect(),
        )
    }

    /// Waits until standard output is `enough`, and returns it. A message is printed a moment after it is stored.
    #[track_caller]
    fn stdout_once(&self, enough: impl Fn(&str) -> bool) -> String {
        wait_for("standard output", || {
            let stdout = self.stdout.lock().unwrap().clone();
            if enough(&stdout) {
                Ok(stdout)
            } else {
                Err(stdout)
            }
        })
    }

    /// Waits until the process has exited by itself, and all its output is read.
    fn wait_for_exit(&mut self) -> ExitStatus {
        let status = wait_for("the end of the process", || {
            self.child.try_wait().unwrap().ok_or("it is still running")
        });
        // The reader threads hold the other references until they have read everything.
        wait_until("all output is read", || {
            Arc::strong_count(&self.stdout) == 1 && Arc::strong_count(&self.stderr) == 1
        });
        status
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let stderr = self.stderr.lock().unwrap();
            let is_defect =
                |line: &str| line.contains("panicked") && !line.contains("injected fault");
            assert!(!stderr.lines().any(is_defect), "{stderr}");
        }
    }
}

fn collect(
    stream: impl std::io::Read + Send + 'static,
    lines: Option<std::sync::mpsc::Sender<String>>,
) -> Arc<Mutex<String>> {
    let all = Arc::new(Mutex::new(String::new()));
    let collected = Arc::clone(&all);
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream
            .read_until(b'\n', &mut line)
            .is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&line).into_owned();
            collected.lock().unwrap().push_str(&text);
            if let Some(lines) = &lines {
                let _ = lines.send(text);
            }
            line.clear();
        }
    });
    all
}

/// A running `serve`.
pub struct Server {
    process: Process,
    api: String,
    sink: Option<(String, String)>,
    agent: ureq::Agent,
}

impl Server {
    pub(super) fn start(home: &Home, more: &[&str]) -> Self {
        let with_sink = more.contains(&"--smtp-debug");
        let arguments = [&["serve", "--bind", "127.0.0.1:0"], more].concat();
        let marks: &[&str] = if with_sink {
            &["listens on http://", "SMTP on ", "inbox on http://"]
        } else {
            &["listens on http://"]
        };
        let (process, found) = Process::start(home.command(&arguments), marks);
        let sink = with_sink.then(|| (found[1].clone(), found[2].trim_end_matches('/').to_owned()));
        Self {
            process,
            api: found[0].trim_end_matches('/').to_owned(),
            sink,
            agent: agent(),
        }
    }

    /// Starts a prepared command that runs `serve` without a sink.
    pub fn start_command(command: Command) -> Self {
        let (process, found) = Process::start(command, &["listens on http://"]);
        Self {
            process,
            api: found[0].trim_end_matches('/').to_owned(),
            sink: None,
            agent: agent(),
        }
    }

    /// Returns the address of the API, `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.api
    }

    /// Returns the address of the metrics, `127.0.0.1:PORT`.
    pub fn metrics_address(&self) -> String {
        // This line follows the one with the address of the API in the log.
        wait_for("the address of the metrics", || {
            let stderr = self.stderr();
            let rest = stderr.split_once("metrics are on http://");
            let address = rest.and_then(|(_, rest)| rest.split_once("/metrics\n"));
            address
                .map(|(address, _)| address.to_owned())
                .ok_or(stderr.clone())
        })
    }

    pub fn metrics(&self) -> Answer {
        let address = self.metrics_address();
        Answer::from_result(self.agent.get(format!("http://{address}/metrics")).call())
    }

    /// Returns the SMTP address of the sink.
    pub fn smtp(&self) -> &str {
        &self.sink.as_ref().unwrap().0
    }

    /// Returns the inbox of the sink.
    pub fn inbox(&self) -> Inbox {
        Inbox::at(&self.sink.as_ref().unwrap().1)
    }

    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// Posts a form as a browser does.
    pub fn post_form(&self, path: &str, form: &str) -> Answer {
        let request = self
            .agent
            .post(format!("http://{}{path}", self.api))
            .header("Content-Type", "application/x-www-form-urlencoded");
        Answer::from_result(request.send(form))
    }

    /// Posts JSON with an additional header.
    pub fn post_with_header(&self, path: &str, body: Value, header: (&str, &str)) -> Answer {
        let request = self
            .agent
            .post(format!("http://{}{path}", self.api))
            .header("Content-Type", "application/json")
            .header(header.0, header.1);
        Answer::from_result(request.send(body.to_string()))
    }

    /// Sets a new password on the page of a reset link.
    pub fn reset_on_page(&self, token: &str, password: &str) -> Answer {
        let password = password.replace(' ', "+");
        let form = format!("password={password}&password_again={password}");
        self.post_form(&format!("/reset/{token}"), &form)
    }

    pub fn forgot(&self, email: &str) -> Answer {
        self.post("/api/auth/forgot", serde_json::json!({"email": email}))
    }

    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, None, &body.to_string())
    }

    pub fn get(&self, path: &str) -> Answer {
        Answer::from_result(self.agent.get(format!("http://{}{path}", self.api)).call())
    }

    /// Sends a request with any method and a JSON body, with `token` as access token.
    pub fn send(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Answer {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.api))
            .header("Content-Type", "application/json");
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        Answer::from_result(self.agent.run(request.body(body.to_owned()).unwrap()))
    }

    /// Sends raw bytes over a new connection, and returns everything that it receives.
    pub fn raw(&self, bytes: &[u8]) -> String {
        raw(&self.api, bytes)
    }

    /// Signs up, and returns the id.
    pub fn sign_up(&self, email: &str, password: &str) -> String {
        let answer = self
            .post(
                "/api/auth/signup",
                serde_json::json!({"email": email, "password": password}),
            )
            .is(200);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    pub fn log_in(&self, email: &str, password: &str) -> Answer {
        self.post(
            "/api/auth/login",
            serde_json::json!({"email": email, "password": password}),
        )
    }

    /// Logs in, and returns the access token.
    pub fn access_token(&self, email: &str, password: &str) -> String {
        self.log_in(email, password).is(200).body["token"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Requests a reset, and returns the token from the mail.
    pub fn reset_token(&self, email: &str) -> String {
        const SUBJECT: &str = "[Movie-bag] Reset your password";
        let before = self.inbox().count(email, SUBJECT);
        self.post("/api/auth/forgot", serde_json::json!({"email": email}))
            .is(200);
        self.inbox()
            .wait_for_count(email, SUBJECT, before + 1)
            .token()
    }

    pub fn reset(&self, token: &str, password: &str) -> Answer {
        self.post(
            "/api/auth/reset",
            serde_json::json!({"reset_token": token, "password": password}),
        )
    }

    /// Requests the account of an access token.
    pub fn account(&self, token: &str) -> Answer {
        self.send("GET", "/api/account", Some(token), "")
    }

    /// Changes the password of the account of an access token.
    pub fn change_password(&self, token: &str, current: &str, password: &str) -> Answer {
        let body = serde_json::json!({"current_password": current, "password": password});
        self.send(
            "POST",
            "/api/account/password",
            Some(token),
            &body.to_string(),
        )
    }

    /// Ends all sessions of the account of an access token.
    pub fn log_out(&self, token: &str) -> Answer {
        self.send("POST", "/api/account/logout", Some(token), "")
    }

    /// Deletes the account of an access token.
    pub fn delete_account(&self, token: &str, password: &str) -> Answer {
        let body = serde_json::json!({"password": password});
        self.send("DELETE", "/api/account", Some(token), &body.to_string())
    }

    pub fn stderr(&self) -> String {
        self.process.stderr.lock().unwrap().clone()
    }

    /// Waits until standard output is `enough`, and returns it.
    #[track_caller]
    pub fn stdout_once(&self, enough: impl Fn(&str) -> bool) -> String {
        self.process.stdout_once(enough)
    }

    /// Waits until the process has exited by itself.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        self.process.wait_for_exit()
    }

    /// Sends SIGTERM, without waiting for the exit.
    pub fn terminate(&self) {
        self.process.signal("TERM");
    }

    /// Stops the server with SIGTERM, and returns its exit status.
    pub fn stop(mut self) -> ExitStatus {
        self.terminate();
        self.process.child.wait().unwrap()
    }

    /// Kills the server with SIGKILL.
    pub fn kill(mut self) {
        self.process.child.kill().unwrap();
        self.process.child.wait().unwrap();
    }
}

/// Sends raw bytes over a new connection, and returns everything that it receives.
pub fn raw(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The server may answer and close the connection before all is written.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Returns the value of one series in the text of `/metrics`.
pub fn metric_value(text: &str, series: &str) -> Option<f64> {
    let mut lines = text.lines();
    lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

/// A running `smtp-debug`.
pub struct Sink {
    process: Process,
    pub smtp: String,
    /// Address of SMTP over TLS, if configured.
    smtps: Option<String>,
    web: String,
}

impl Sink {
    pub(super) fn start(home: &Home, more: &[&str]) -> Self {
        let mut arguments = vec!["smtp-debug"];
        if !more.contains(&"--listen") {
            arguments.extend(["--listen", "127.0.0.1:0"]);
        }
        if !more.contains(&"--web") {
            arguments.extend(["--web", "127.0.0.1:0"]);
        }
        arguments.extend(more);
        let mut marks = vec!["SMTP on ", "inbox on http://"];
        if more.contains(&"--tls") {
            marks.push("SMTP over TLS on ");
        }
        let (process, found) = Process::start(home.command(&arguments), &marks);
        Self {
            process,
            smtp: found[0].clone(),
            smtps: found.get(2).cloned(),
            web: found[1].trim_end_matches('/').to_owned(),
        }
    }

    /// Returns the address of the web port.
    pub fn web(&self) -> &str {
        &self.web
    }

    /// Returns the port of SMTP over TLS.
    #[track_caller]
    pub fn smtps_port(&self) -> &str {
        let smtps = self.smtps.as_ref().expect("it was started with --tls");
        smtps.rsplit_once(':').unwrap().1
    }

    /// Kills the sink with SIGKILL.
    pub fn kill(mut self) {
        self.process.child.kill().unwrap();
        self.process.child.wait().unwrap();
    }

    /// Pauses the process with SIGSTOP, so that it accepts no connection.
    pub fn pause(&self) {
        self.process.signal("STOP");
    }

    /// Continues a paused process with SIGCONT.
    pub fn resume(&self) {
        self.process.signal("CONT");
    }

    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    pub fn port(&self) -> &str {
        self.smtp.rsplit_once(':').unwrap().1
    }

    pub fn inbox(&self) -> Inbox {
        Inbox::at(&self.web)
    }

    /// Waits until standard output is `enough`, and returns it.
    #[track_caller]
    pub fn stdout_once(&self, enough: impl Fn(&str) -> bool) -> String {
        self.process.stdout_once(enough)
    }

    /// Returns standard error so far.
    pub fn stderr(&self) -> String {
        self.process.stderr.lock().unwrap().clone()
    }

    /// Waits until the process has exited by itself.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        self.process.wait_for_exit()
    }

    pub fn stop(mut self) -> ExitStatus {
        self.process.signal("TERM");
        self.process.child.wait().unwrap()
    }
}

/// An HTTP response.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub text: String,
    /// The text as JSON, or null if it is not JSON.
    pub body: Value,
}

impl Answer {
    fn from_result(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Self {
        let mut response = result.unwrap();
        let text = response.body_mut().read_to_string().unwrap();
        let body = serde_json::from_str(&text).unwrap_or_default();
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text,
            body,
        }
    }

    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// Asserts an error of the API contract, with this status and code.
    #[track_caller]
    pub fn fails_with(self, status: u16, code: &str) -> Self {
        assert_eq!(
            (
                self.status,
                self.body["status"].as_u64(),
                self.body["code"].as_str()
            ),
            (status, Some(status.into()), Some(code)),
            "{}",
            self.text
        );
        assert!(
            self.body["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty()),
            "{}",
            self.text
        );
        self
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(super) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .build()
        .new_agent()
}
