//! Resolved settings: all values that the program uses, grouped by their consumer.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::sources::Source;
use super::values::{BaseUrl, InboxUrl, Secret};

/// Strictness of the checks and defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// For a developer's machine.
    Development,
    /// For a system with real users.
    Production,
}

/// Location of the database.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum DatabaseSettings {
    /// Embedded database in this file.
    Sqlite(PathBuf),
    /// MongoDB at this URI, which may contain a password.
    Mongodb(String),
}

impl DatabaseSettings {
    /// Parses `sqlite:PATH`, `mongodb://…` or `mongodb+srv://…`.
    ///
    /// # Errors
    /// The form to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("mongodb://") || text.starts_with("mongodb+srv://") {
            return Ok(Self::Mongodb(text.to_owned()));
        }
        if text == "sqlite::memory:" {
            return Err(
                "an in-memory database would be lost after each command: name a file".to_owned(),
            );
        }
        match text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            // Other programs write `sqlite://path`, with the path after two slashes.
            Some(path) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                Ok(Self::Sqlite(without_slash_before_drive(path).into()))
            }
            None => Err("write sqlite:PATH or mongodb://…".to_owned()),
        }
    }
}

/// Removes the slash before the drive of a Windows path: `/C:/movies` occurs in URLs and is not a valid path.
fn without_slash_before_drive(path: &str) -> &str {
    match path.as_bytes() {
        [b'/', drive, b':', ..] if cfg!(windows) && drive.is_ascii_alphabetic() => &path[1..],
        _ => path,
    }
}

impl std::fmt::Display for DatabaseSettings {
    /// Formats the database without the user, the password and the options of a URI. If its parts cannot be identified, the
    /// whole URI is replaced, because any part of it may be the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Mongodb(uri) => {
                let (scheme, rest) = uri.split_once("://").unwrap_or(("mongodb", uri));
                let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
                let place = match place.rsplit_once('@') {
                    Some((_, place)) => place,
                    // The question mark may be part of the password.
                    None if options.contains('@') => "",
                    None => place,
                };
                let place = if is_plain_place(place) { place } else { "…" };
                write!(f, "{scheme}://{place}")
            }
        }
    }
}

/// Returns whether the text consists of hosts and a database name, so that no part of it can be a password.
fn is_plain_place(place: &str) -> bool {
    let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
    let is_word = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    };
    let is_host = |host: &str| {
        let (name, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
            Some((address, port)) => (address.replace(':', ""), port.trim_start_matches(':')),
            None => {
                let (name, port) = host.split_once(':').unwrap_or((host, ""));
                (name.to_owned(), port)
            }
        };
        !name.is_empty() && is_word(&name) && port.chars().all(|c| c.is_ascii_digit())
    };
    hosts.split(',').all(is_host) && is_word(database)
}

impl std::fmt::Debug for DatabaseSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// Settings of the HTTP server.
#[derive(Debug, Clone)]
pub(crate) struct HttpSettings {
    pub(crate) bind: SocketAddr,
    /// Maximum number of client connections at once.
    pub(crate) max_connections: usize,
    /// Maximum time to answer a request.
    pub(crate) request_timeout: Duration,
    /// Proxies whose `X-Forwarded-For` header is trusted.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Web origins whose pages may call the API from a browser.
    pub(crate) cors_origins: Vec<String>,
    /// Address of `/metrics`, which is not served with the API.
    pub(crate) metrics_bind: Option<SocketAddr>,
}

/// Encryption of the connection to the mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MailTls {
    None,
    /// Required STARTTLS, without a fallback to plaintext.
    StartTls,
    /// TLS from the first byte.
    Implicit,
}

/// Mail server and its use.
#[derive(Debug, Clone)]
pub(crate) struct MailSettings {
    /// Host name or IP address.
    pub(crate) server: String,
    pub(crate) port: u16,
    /// User name and password, if both are set.
    pub(crate) credentials: Option<(String, Secret)>,
    /// Setting that is missing if only one half of the credentials is set. The client does not log in then.
    pub(crate) missing_credential: Option<&'static str>,
    pub(crate) tls: MailTls,
    /// PEM file of certificates to trust in addition to the public authorities.
    pub(crate) ca_file: Option<PathBuf>,
    /// Sender of all mails.
    pub(crate) sender: String,
    /// Name sent in EHLO. Default: the domain of the sender.
    pub(crate) helo_name: Option<String>,
    /// Maximum number of connections at once.
    pub(crate) connections: usize,
    /// Maximum time to send one mail.
    pub(crate) timeout: Duration,
    /// Whether hints may propose the debugging sink in place of a mail server; false in production.
    pub(crate) hints_at_sink: bool,
}

/// Signing secrets and lifetimes of tokens.
#[derive(Debug, Clone)]
pub(crate) struct TokenSettings {
    /// Secret that signs. If it is not set, one is generated and stored (see [`super::secret_file`]).
    pub(crate) secret: Option<Secret>,
    /// Former secret, which only verifies.
    pub(crate) previous: Option<Secret>,
    pub(crate) reset_lifetime: Duration,
    pub(crate) invitation_lifetime: Duration,
    pub(crate) access_lifetime: Duration,
}

impl TokenSettings {
    /// Returns the secrets that are set, with the names of their settings.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&'static str, &Secret)> {
        let current = self.secret.iter().map(|secret| ("JWT_SECRET_KEY", secret));
        let previous = self.previous.iter();
        current.chain(previous.map(|secret| ("JWT_SECRET_KEY_PREVIOUS", secret)))
    }
}

/// Rules for passwords and their hashes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PasswordSettings {
    /// Base-2 logarithm of the number of bcrypt rounds.
    pub(crate) bcrypt_cost: u32,
    /// Minimum length of a new password, in code points.
    pub(crate) min_length: usize,
}

/// Rules for accounts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccountSettings {
    /// Whether `forgot` gives the same answer for known and unknown addresses.
    pub(crate) conceal: bool,
    /// Whether everyone may create an account over HTTP.
    pub(crate) signup_open: bool,
    /// Whether logins, signups and resets are limited.
    pub(crate) rate_limits: bool,
    /// Days to keep the history of an account.
    pub(crate) history_days: u64,
}

/// Level and format of the log.
#[derive(Debug, Clone)]
pub(crate) struct LogSettings {
    /// Filter of `tracing-subscriber`; `None` for the default of the command.
    pub(crate) filter: Option<String>,
    /// Whether each entry is a JSON document.
    pub(crate) json: bool,
}

/// All settings with their sources.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) profile: Profile,
    /// Folder of the embedded database and the generated secret.
    pub(crate) data_dir: PathBuf,
    pub(crate) database: DatabaseSettings,
    /// Maximum time of an operation on MongoDB. On SQLite, an operation waits 5 seconds for another process that writes.
    pub(crate) database_timeout: Duration,
    pub(crate) http: HttpSettings,
    /// Base URL of all links. `None` means `http://localhost:PORT`, with the port of the server.
    pub(crate) public_url: Option<BaseUrl>,
    pub(crate) mail: MailSettings,
    pub(crate) tokens: TokenSettings,
    pub(crate) passwords: PasswordSettings,
    pub(crate) accounts: AccountSettings,
    /// Folder of templates that replace the built-in ones.
    pub(crate) templates: Option<PathBuf>,
    /// Inbox that the inbox commands read.
    pub(crate) inbox_url: InboxUrl,
    pub(crate) log: LogSettings,
    /// Each setting with its source, for `check`.
    pub(crate) report: Vec<ReportedSetting>,
    /// Warnings about settings that are valid but probably a mistake.
    pub(crate) warnings: Vec<String>,
    pub(crate) env_file: Option<EnvFile>,
    /// Folder that tests use to inject faults (see [`movie_bag_core::supervisor::fault_points`]); debug builds only.
    pub(crate) faults: Option<PathBuf>,
}

/// Env file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvFile {
    pub(crate) path: PathBuf,
    /// Names of the secrets that it contains.
    pub(crate) secrets: Vec<&'static str>,
}

/// Setting as `check` shows it.
#[derive(Debug, Clone)]
pub(crate) struct ReportedSetting {
    pub(crate) key: &'static str,
    /// Effective value; of a secret only its length.
    pub(crate) value: String,
    pub(crate) source: Source,
}

impl Settings {
    /// Returns the base URL of all links for a server on this port.
    pub(crate) fn public_url(&self, port: u16) -> BaseUrl {
        self.public_url
            .clone()
            .unwrap_or_else(|| BaseUrl::localhost(port))
    }

    /// Replaces the reported value of a setting that has its default, for `check`.
    pub(crate) fn report_default(&mut self, key: &'static str, value: String) {
        if let Some(reported) = self
            .report
            .iter_mut()
            .find(|reported| reported.key == key && reported.source == Source::Default)
        {
            reported.value = value;
        }
    }
}
