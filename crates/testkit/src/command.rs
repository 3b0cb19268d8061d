//! A temporary home folder, and commands that run in it.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::mongodb::FreshDatabase;
use crate::server::{Server, Sink};

/// An empty home with a cleared environment. Hashes have the lowest cost that bcrypt allows, to keep tests fast.
pub struct Home {
    dir: TempDir,
    environment: Vec<(String, String)>,
    /// Arguments of `ulimit` for all commands.
    open_files: Option<&'static str>,
    /// Dropped with the home.
    _database: Option<FreshDatabase>,
}

/// Output of a finished command.
#[derive(Debug)]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
    pub code: Option<i32>,
}

impl Home {
    pub fn fresh() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Tests send many requests, and all of them from one address.
        let environment = [
            ("MOVIE_BAG_BCRYPT_COST", "4"),
            ("MOVIE_BAG_RATE_LIMITS", "off"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec();
        Self {
            dir,
            environment,
            open_files: None,
            _database: None,
        }
    }

    /// Creates a home on a new database of the shared MongoDB server. Returns `None` if there is no server.
    pub fn on_mongodb() -> Option<Self> {
        let database = FreshDatabase::shared()?;
        let home = Self::fresh().on_database(&database.uri);
        Some(Self {
            _database: Some(database),
            ..home
        })
    }

    /// Uses the MongoDB database at this URI.
    pub fn on_database(self, uri: &str) -> Self {
        self.with("MOVIE_BAG_DATABASE", uri)
            .with("JWT_SECRET_KEY", "what the servers of the tests share")
    }

    /// Sets an environment variable for all commands from now on.
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.environment.push((key.to_owned(), value.into()));
        self
    }

    /// Limits the open files of all commands from now on, by these arguments of `ulimit`.
    pub fn with_open_files(mut self, limit: &'static str) -> Self {
        self.open_files = Some(limit);
        self
    }

    pub fn is_on_mongodb(&self) -> bool {
        self.mongodb_uri().is_some()
    }

    pub fn mongodb_uri(&self) -> Option<&str> {
        let uris = self
            .environment
            .iter()
            .filter(|(key, value)| key == "MOVIE_BAG_DATABASE" && value.starts_with("mongodb"));
        uris.map(|(_, value)| value.as_str()).next_back()
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Returns the files in the data folder: the SQLite database and the generated secret. On MongoDB there are none.
    pub fn files(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.data_dir());
        let paths = files.into_iter().flatten().map(|file| file.unwrap().path());
        let paths: Vec<_> = paths.collect();
        assert_eq!(self.is_on_mongodb(), paths.is_empty(), "{paths:?}");
        paths
    }

    /// Opens the database file.
    pub fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data_dir().join("movie-bag.sqlite3")).unwrap()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Returns a command that runs the binary in the environment of this home and nothing else.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let binary = crate::binary();
        let mut command = match self.open_files {
            None => Command::new(binary),
            Some(limit) => {
                let mut shell = Command::new("/bin/sh");
                let script = format!("ulimit {limit} && exec \"$0\" \"$@\"");
                shell.args(["-c", &script]).arg(binary);
                shell
            }
        };
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.path())
            .env("COLUMNS", "100")
            .env("TZ", "UTC")
            .env("MOVIE_BAG_DATA_DIR", self.data_dir())
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .current_dir(self.path());
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        Output::run(self.command(arguments), "")
    }

    pub fn run_with_input<S: AsRef<OsStr>>(&self, arguments: &[S], input: &str) -> Output {
        Output::run(self.command(arguments), input)
    }

    /// Starts `serve --smtp-debug` on free ports, with more arguments.
    pub fn serve(&self, more: &[&str]) -> Server {
        Server::start(
            self,
            &[
                &[
                    "--smtp-debug",
                    "--listen",
                    "127.0.0.1:0",
                    "--web",
                    "127.0.0.1:0",
                ],
                more,
            ]
            .concat(),
        )
    }

    /// Starts `serve` without a sink.
    pub fn serve_alone(&self, more: &[&str]) -> Server {
        Server::start(self, more)
    }

    /// Starts `smtp-debug` on free ports, with more arguments.
    pub fn sink(&self, more: &[&str]) -> Sink {
        Sink::start(self, more)
    }

    /// Returns the history of an account without its logins, newest first.
    pub fn history(&self, email: &str) -> Vec<Value> {
        let mut history = self.whole_history(email);
        history.retain(|event| event["kind"] != "logged_in" && event["kind"] != "login_failed");
        history
    }

    /// Returns the history of an account, newest first.
    pub fn whole_history(&self, email: &str) -> Vec<Value> {
        let shown = self.run(&["--json", "user", "show", "--email", email]);
        shown.ok().json()["history"].as_array().unwrap().clone()
    }

    /// Returns the entries of `outbox list`.
    pub fn outbox(&self) -> Vec<Value> {
        let output = self.run(&["outbox", "list", "--json"]).ok();
        let lines = output.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Returns a new reset token, without sending a mail.
    pub fn reset_token(&self, email: &str) -> String {
        let output = self.run(&["forgot", "--email", email, "--print-link"]);
        let link = output.ok().stdout;
        link.trim().rsplit_once('/').unwrap().1.to_owned()
    }

    /// Resets a password with the `reset` command.
    pub fn reset(&self, token: &str, password: &str) -> Output {
        let arguments = ["reset", "--token", token, "--password-stdin"];
        self.run_with_input(&arguments, &format!("{password}\n"))
    }

    /// Returns every value of every field of every table or collection: numbers as text, bytes in hex.
    pub fn stored_values(&self) -> Vec<String> {
        match self.mongodb_uri() {
            Some(uri) => crate::mongodb::stored_values(uri),
            None => crate::sqlite::stored_values(&self.database()),
        }
    }

    /// Creates an account with the `user create` command.
    pub fn create_account(&self, email: &str, password: &str) {
        self.run_with_input(
            &["user", "create", "--email", email, "--password-stdin"],
            &format!("{password}\n"),
        )
        .ok();
    }
}

impl Output {
    /// Runs a command until it exits.
    pub fn run(mut command: Command, input: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read its input may have exited already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Self::wait_for(child)
    }

    /// Returns standard output with each run of whitespace replaced by one space.
    pub fn words(&self) -> String {
        self.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Waits until a process exits.
    pub fn wait_for(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        Self {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
        }
    }

    /// Asserts exit code 0.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// Asserts an exit code, and that there was no panic.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// Parses standard output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}
