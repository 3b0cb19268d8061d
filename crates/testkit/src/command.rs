//! A home folder, and the commands run in it.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::mongodb::FreshDatabase;
use super::server::{Server, Sink};

/// An empty home with a cleared environment. Hashes cost as little as bcrypt allows, so that tests are quick.
pub struct Home {
    dir: TempDir,
    environment: Vec<(String, String)>,
    /// Arguments of `ulimit` for what is started.
    open_files: Option<&'static str>,
    /// Dropped with the home.
    _database: Option<FreshDatabase>,
}

/// What a finished command left.
#[derive(Debug)]
pub struct Output {
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// Its exit code.
    pub code: Option<i32>,
}

impl Home {
    pub fn fresh() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // Tests hurry, and all of them come from one address.
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

    /// The same on a fresh database of the shared MongoDB server; `None` where there is none.
    pub fn on_mongodb() -> Option<Self> {
        let database = FreshDatabase::shared()?;
        let home = Self::fresh().on_database(&database.uri);
        Some(Self {
            _database: Some(database),
            ..home
        })
    }

    /// The same on the MongoDB database at this URI.
    pub fn on_database(self, uri: &str) -> Self {
        self.with("MOVIE_BAG_DATABASE", uri)
            .with("JWT_SECRET_KEY", "what the servers of the tests share")
    }

    /// The same home with a setting in the environment of all that is started from now on.
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.environment.push((key.to_owned(), value.into()));
        self
    }

    /// The same home with a limit of open files for all that is started from now on, by these arguments of `ulimit`.
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

    /// What is kept there: the embedded database and the generated secret, and nothing where both are elsewhere.
    pub fn files(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.data_dir());
        let paths = files.into_iter().flatten().map(|file| file.unwrap().path());
        let paths: Vec<_> = paths.collect();
        assert_eq!(self.is_on_mongodb(), paths.is_empty(), "{paths:?}");
        paths
    }

    /// The database file, read as any program could.
    pub fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data_dir().join("movie-bag.sqlite3")).unwrap()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The binary with this home's environment and nothing else.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let binary = super::binary();
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
        Output::of(self.command(arguments), "")
    }

    pub fn run_with_input<S: AsRef<OsStr>>(&self, arguments: &[S], input: &str) -> Output {
        Output::of(self.command(arguments), input)
    }

    /// `serve --smtp-debug` on free ports, and more arguments.
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

    /// `serve` without a sink of its own.
    pub fn serve_alone(&self, more: &[&str]) -> Server {
        Server::start(self, more)
    }

    /// `smtp-debug` on free ports, and more arguments.
    pub fn sink(&self, more: &[&str]) -> Sink {
        Sink::start(self, more)
    }

    /// History of an account, newest first, without its logins.
    pub fn history(&self, email: &str) -> Vec<Value> {
        let mut history = self.whole_history(email);
        history.retain(|event| event["kind"] != "logged_in" && event["kind"] != "login_failed");
        history
    }

    /// History of an account, newest first.
    pub fn whole_history(&self, email: &str) -> Vec<Value> {
        let shown = self.run(&["--json", "user", "show", "--email", email]);
        shown.ok().json()["history"].as_array().unwrap().clone()
    }

    /// What `outbox list` has, one document a mail.
    pub fn outbox(&self) -> Vec<Value> {
        let output = self.run(&["outbox", "list", "--json"]).ok();
        let lines = output.stdout.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// A reset token without a mail.
    pub fn reset_token(&self, email: &str) -> String {
        let output = self.run(&["forgot", "--email", email, "--print-link"]);
        let link = output.ok().stdout;
        link.trim().rsplit_once('/').unwrap().1.to_owned()
    }

    /// Chooses a new password on the terminal.
    pub fn reset(&self, token: &str, password: &str) -> Output {
        let arguments = ["reset", "--token", token, "--password-stdin"];
        self.run_with_input(&arguments, &format!("{password}\n"))
    }

    /// Every value of every field of every table or collection: numbers as text, bytes in hex.
    pub fn stored_values(&self) -> Vec<String> {
        match self.mongodb_uri() {
            Some(uri) => super::mongodb::stored_values(uri),
            None => super::sqlite::stored_values(&self.database()),
        }
    }

    /// Makes an account from the terminal.
    pub fn create_account(&self, email: &str, password: &str) {
        self.run_with_input(
            &["user", "create", "--email", email, "--password-stdin"],
            &format!("{password}\n"),
        )
        .ok();
    }
}

impl Output {
    /// Runs a command to its end.
    pub fn of(mut command: Command, input: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read its input may be gone already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        Self::of_started(child)
    }

    /// Its standard output, with one space between any two words: as a person reads a table.
    pub fn words(&self) -> String {
        self.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Waits for the end of what was started.
    pub fn of_started(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        Self {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
        }
    }

    /// It did what was asked.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.exits(0)
    }

    /// It ended with this exit code, and without a panic.
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

    /// Its standard output as the one JSON document it must be.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}
