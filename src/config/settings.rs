//! The settings, complete: every value that the rest of the program runs on, in groups by who uses them.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::deploy::obstacles;
use super::resolver::Resolver;
use super::values::{self, BaseUrl, InboxUrl, Network, PUBLISHED_SECRET, Secret};
use super::{ConfigError, Reported, Source, Sources, env_file, keys};

/// How strict the settings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// A laptop.
    Development,
    /// The real system.
    Production,
}

/// Which database.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseSettings {
    /// The embedded one, in this file.
    Sqlite(PathBuf),
    /// MongoDB, at this URI, which may hold a password.
    Mongodb(String),
}

impl DatabaseSettings {
    /// Reads `sqlite:PATH`, `mongodb://…` or `mongodb+srv://…`.
    ///
    /// # Errors
    /// What to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with("mongodb://") || text.starts_with("mongodb+srv://") {
            return Ok(Self::Mongodb(text.to_owned()));
        }
        if text == "sqlite::memory:" {
            return Err(
                "an in-memory database would be lost after each command: name a file".to_owned(),
            );
        }
        match text.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            // `sqlite://path` is how others write it, with the path behind two slashes.
            Some(path) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                Ok(Self::Sqlite(without_slash_before_drive(path).into()))
            }
            None => Err("write sqlite:PATH or mongodb://…".to_owned()),
        }
    }
}

/// `/C:/movies` is how a path of Windows stands in a URL, and no path.
fn without_slash_before_drive(path: &str) -> &str {
    match path.as_bytes() {
        [b'/', drive, b':', ..] if cfg!(windows) && drive.is_ascii_alphabetic() => &path[1..],
        _ => path,
    }
}

impl std::fmt::Display for DatabaseSettings {
    /// Without the user, the password and the options of a URI; and without all of it where it can't be told which part
    /// is which.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Mongodb(uri) => {
                let (scheme, rest) = uri.split_once("://").unwrap_or(("mongodb", uri));
                let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
                let place = match place.rsplit_once('@') {
                    Some((_, place)) => place,
                    // The question mark may be one of the password.
                    None if options.contains('@') => "",
                    None => place,
                };
                let place = if is_plain_place(place) { place } else { "…" };
                write!(f, "{scheme}://{place}")
            }
        }
    }
}

/// Whether this is hosts and a database, and no piece of a password.
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

/// What the HTTP server goes by.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Where it listens.
    pub bind: SocketAddr,
    /// How many clients may be connected at once.
    pub max_connections: usize,
    /// How long an answer may take.
    pub request_timeout: Duration,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Whose pages may call the API from a browser.
    pub cors_origins: Vec<String>,
    /// Where `/metrics` is served, apart from the API.
    pub metrics_bind: Option<SocketAddr>,
}

/// How the connection to the mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailTls {
    /// Not at all.
    None,
    /// STARTTLS, demanded.
    StartTls,
    /// From the first byte.
    Implicit,
}

/// Which mail server, and how.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// Its host name.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// User name and password; only where both are there.
    pub credentials: Option<(String, Secret)>,
    /// Key of the half that is not set, where the other half of the credentials is: no login takes place then.
    pub missing_credential: Option<&'static str>,
    /// How the connection is encrypted.
    pub tls: MailTls,
    /// A PEM file of certificates that are trusted besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// From whom the mails are.
    pub sender: String,
    /// Name said in EHLO; the sender's domain where it is not set.
    pub helo_name: Option<String>,
    /// Most connections to the mail server at once.
    pub connections: usize,
    /// How long one mail may take.
    pub timeout: Duration,
    /// Whether hints may propose the debugging sink in place of a mail server; false in production.
    pub hints_at_sink: bool,
}

/// What tokens are signed with, and how long they live.
#[derive(Debug, Clone)]
pub struct TokenSettings {
    /// What signs; where it is not set, one is generated and kept (see [`super::secret_file`]).
    pub secret: Option<Secret>,
    /// What still verifies.
    pub previous: Option<Secret>,
    /// Of a reset token.
    pub reset_lifetime: Duration,
    /// Of an invitation.
    pub invitation_lifetime: Duration,
    /// Of an access token.
    pub access_lifetime: Duration,
}

/// What passwords go by.
#[derive(Debug, Clone, Copy)]
pub struct PasswordSettings {
    /// The base-2 logarithm of bcrypt's rounds.
    pub bcrypt_cost: u32,
    /// In code points.
    pub min_length: usize,
}

/// What accounts go by.
#[derive(Debug, Clone, Copy)]
pub struct AccountSettings {
    /// Whether `forgot` answers the same for known and unknown addresses.
    pub conceal: bool,
    /// Whether anybody may sign up.
    pub signup_open: bool,
    /// Whether limits are on.
    pub rate_limits: bool,
    /// How long history is kept, in days.
    pub history_days: u64,
}

/// What is logged, and how.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// A filter of `tracing-subscriber`; `None` where nobody chose.
    pub filter: Option<String>,
    /// Whether a line is a JSON document.
    pub json: bool,
}

/// All settings, complete, and where each comes from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How strict they are.
    pub profile: Profile,
    /// Where the embedded database and the generated secret live.
    pub data_dir: PathBuf,
    /// Which database.
    pub database: DatabaseSettings,
    /// How long a step on MongoDB may take; SQLite waits 5 seconds for another process that writes.
    pub database_timeout: Duration,
    /// The HTTP server.
    pub http: HttpSettings,
    /// The base of every link; `None` means `http://localhost:PORT`, which is known once the port is.
    pub public_url: Option<BaseUrl>,
    /// Mail.
    pub mail: MailSettings,
    /// Tokens.
    pub tokens: TokenSettings,
    /// Passwords.
    pub passwords: PasswordSettings,
    /// Accounts.
    pub accounts: AccountSettings,
    /// A folder whose templates win.
    pub templates: Option<PathBuf>,
    /// Where a sink's inbox is.
    pub inbox_url: InboxUrl,
    /// Logs.
    pub log: LogSettings,
    /// Each setting with its source, for `check`.
    pub report: Vec<Reported>,
    /// What works, and is probably not meant so.
    pub warnings: Vec<String>,
    /// The env file, if there is one.
    pub env_file: Option<EnvFile>,
    /// Folder by which tests inject faults (see [`crate::supervisor::fault_points`]); debug builds only.
    pub faults: Option<PathBuf>,
}

/// An env file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFile {
    /// Its path.
    pub path: PathBuf,
    /// Keys of the secrets in it.
    pub secrets: Vec<&'static str>,
}

impl Settings {
    /// The base of every link, where the server listens on this port.
    pub fn public_url(&self, port: u16) -> BaseUrl {
        self.public_url
            .clone()
            .unwrap_or_else(|| BaseUrl::localhost(port))
    }
}

/// Resolves all settings.
///
/// # Errors
/// Every mistake there is, together.
pub fn resolve(sources: &Sources) -> Result<Settings, ConfigError> {
    use values::{number, one_of, span, span_within, switch};

    let mut keys = Resolver::new(sources);
    let profile = keys.get(
        "MOVIE_BAG_PROFILE",
        Profile::Development,
        one_of(&[
            ("development", Profile::Development),
            ("production", Profile::Production),
        ]),
    );
    let is_production = profile == Profile::Production;
    keys.is_production = is_production;
    let data_dir = data_dir(&mut keys);
    let database = keys.get(
        "MOVIE_BAG_DATABASE",
        DatabaseSettings::Sqlite(data_dir.join("movie-bag.sqlite3")),
        DatabaseSettings::parse,
    );
    keys.resolved_to("MOVIE_BAG_DATABASE", database.to_string());
    let database_timeout = keys.get("MOVIE_BAG_DATABASE_TIMEOUT", Duration::from_secs(30), span);

    let default_bind = SocketAddr::from(([127, 0, 0, 1], 3000));
    let bind = keys.get("MOVIE_BAG_BIND", default_bind, socket_address);
    let public_url = keys.optional("MOVIE_BAG_PUBLIC_URL", BaseUrl::parse);
    let secret = keys.optional("JWT_SECRET_KEY", secret);
    let previous = keys.optional("JWT_SECRET_KEY_PREVIOUS", self::secret);

    let mail = mail(&mut keys, is_production);
    let tokens = TokenSettings {
        secret,
        previous,
        reset_lifetime: keys.get(
            "MOVIE_BAG_RESET_TOKEN_LIFETIME",
            Duration::from_secs(if is_production { 3_600 } else { 86_400 }),
            span_within(7),
        ),
        invitation_lifetime: keys.get(
            "MOVIE_BAG_INVITATION_LIFETIME",
            Duration::from_secs(7 * 86_400),
            span_within(365),
        ),
        access_lifetime: keys.get(
            "MOVIE_BAG_ACCESS_TOKEN_LIFETIME",
            Duration::from_secs(7 * 86_400),
            span_within(365),
        ),
    };
    let passwords = PasswordSettings {
        bcrypt_cost: keys.get(
            "MOVIE_BAG_BCRYPT_COST",
            12,
            number(if is_production { 10 } else { 4 }, 16),
        ) as u32,
        min_length: keys.get("MOVIE_BAG_PASSWORD_MIN_LENGTH", 8, number(1, 64)) as usize,
    };
    let accounts = AccountSettings {
        conceal: keys.get("MOVIE_BAG_CONCEAL_ACCOUNTS", is_production, switch),
        signup_open: keys.get(
            "MOVIE_BAG_SIGNUP",
            true,
            one_of(&[("open", true), ("closed", false)]),
        ),
        rate_limits: keys.get(
            "MOVIE_BAG_RATE_LIMITS",
            true,
            one_of(&[("on", true), ("off", false)]),
        ),
        history_days: keys.get("MOVIE_BAG_HISTORY_DAYS", 90, number(1, 36_500)),
    };
    let http = HttpSettings {
        bind,
        max_connections: keys.get("MOVIE_BAG_MAX_CONNECTIONS", 768, number(1, 100_000)) as usize,
        request_timeout: keys.get("MOVIE_BAG_REQUEST_TIMEOUT", Duration::from_secs(90), span),
        trusted_proxies: keys.get("MOVIE_BAG_TRUSTED_PROXIES", Vec::new(), values::networks),
        cors_origins: keys.get("MOVIE_BAG_CORS_ORIGINS", Vec::new(), values::origins),
        metrics_bind: keys.optional("MOVIE_BAG_METRICS_BIND", socket_address),
    };
    let templates = keys.optional("MOVIE_BAG_TEMPLATES", |path| Ok(PathBuf::from(path)));
    let inbox_url = keys.get("MOVIE_BAG_INBOX_URL", InboxUrl::usual(), InboxUrl::parse);
    let log = LogSettings {
        filter: keys.optional("MOVIE_BAG_LOG", |filter| Ok(filter.to_owned())),
        json: keys.get(
            "MOVIE_BAG_LOG_FORMAT",
            false,
            one_of(&[("text", false), ("json", true)]),
        ),
    };

    let mut warnings = keys.unknown_keys();
    warnings.extend(doubts_about_mail(&mail));
    if matches!(database, DatabaseSettings::Mongodb(_)) && tokens.secret.is_none() {
        warnings.push("JWT_SECRET_KEY is not set: reset links from this command work on this machine only, and \"serve\" does not start; set the same secret on all machines that use this MongoDB".to_owned());
    }
    if is_production {
        let obstacles = obstacles(public_url.as_ref(), &tokens);
        keys.problems
            .extend(obstacles.iter().map(ToString::to_string));
    } else {
        for (key, _) in keys_of(&tokens).filter(|(_, secret)| is_published(secret)) {
            warnings.push(format!("{key} is the published one, with which anyone can sign tokens; remove it to have one generated"));
        }
    }
    keys.verdict(&warnings)?;
    Ok(Settings {
        profile,
        data_dir,
        database,
        database_timeout,
        http,
        public_url,
        mail,
        tokens,
        passwords,
        accounts,
        templates,
        inbox_url,
        log,
        report: keys.report,
        warnings,
        env_file: sources.env_file.as_ref().map(|(path, lines)| EnvFile {
            path: path.clone(),
            secrets: secrets_in(lines),
        }),
        faults: faults(sources),
    })
}

/// Returns the keys of the secrets in an env file, also of those that the environment or an option overrides.
fn secrets_in(lines: &[env_file::Line]) -> Vec<&'static str> {
    let secret = |line: &env_file::Line| {
        let key = keys::find(&line.key)?;
        let is_secret = match key.name {
            "MOVIE_BAG_DATABASE" => line.value.starts_with("mongodb") && line.value.contains('@'),
            _ => key.is_secret,
        };
        (is_secret && !line.value.is_empty()).then_some(key.name)
    };
    lines.iter().filter_map(secret).collect()
}

/// A setting of the test suite, which is not among the keys and does not exist in a release build.
fn faults(sources: &Sources) -> Option<PathBuf> {
    let folder = sources.environment.get("MOVIE_BAG_TEST_FAULTS");
    folder.filter(|_| cfg!(debug_assertions)).map(PathBuf::from)
}

fn data_dir(keys: &mut Resolver<'_>) -> PathBuf {
    let folder = keys.optional("MOVIE_BAG_DATA_DIR", |path| Ok(PathBuf::from(path)));
    // Windows carries its other data folder from machine to machine, file by file, which breaks a database that is open.
    let folder = folder.or_else(|| dirs::data_local_dir().map(|folder| folder.join("movie-bag")));
    match folder {
        Some(folder) => {
            keys.resolved_to("MOVIE_BAG_DATA_DIR", folder.display().to_string());
            folder
        }
        None => {
            keys.problems.push(
                "cannot determine the data folder, since HOME is not set: set MOVIE_BAG_DATA_DIR"
                    .to_owned(),
            );
            PathBuf::new()
        }
    }
}

fn mail(keys: &mut Resolver<'_>, is_production: bool) -> MailSettings {
    let server = keys.get("MAIL_SERVER", "localhost".to_owned(), values::mail_server);
    let port = keys.get("MAIL_PORT", 1025, values::number(1, 65_535)) as u16;
    let user = keys.optional("MAIL_USERNAME", |user| Ok(user.to_owned()));
    let password = keys.optional("MAIL_PASSWORD", |password| Ok(Secret::new(password)));
    let start_tls = keys.get("MAIL_USE_TLS", false, values::switch);
    let implicit = keys.get("MAIL_USE_SSL", false, values::switch);
    if start_tls && implicit {
        keys.problems.push("MAIL_USE_TLS and MAIL_USE_SSL are both true: keep MAIL_USE_TLS for STARTTLS (port 587), or MAIL_USE_SSL for TLS from the first byte (port 465)".to_owned());
    }
    let missing_credential = match (&user, &password) {
        (Some(_), None) => Some("MAIL_PASSWORD"),
        (None, Some(_)) => Some("MAIL_USERNAME"),
        _ => None,
    };
    MailSettings {
        server,
        port,
        credentials: user.zip(password),
        missing_credential,
        tls: match (start_tls, implicit) {
            (_, true) => MailTls::Implicit,
            (true, false) => MailTls::StartTls,
            (false, false) => MailTls::None,
        },
        ca_file: keys.optional("MAIL_CA_FILE", |path| Ok(PathBuf::from(path))),
        sender: keys.get(
            "MAIL_DEFAULT_SENDER",
            "support@movie-bag.com".to_owned(),
            values::mail_sender,
        ),
        helo_name: keys.optional("MAIL_HELO_NAME", helo_name),
        connections: keys.get("MOVIE_BAG_MAIL_CONNECTIONS", 16, values::number(1, 500)) as usize,
        timeout: keys.get(
            "MOVIE_BAG_MAIL_TIMEOUT",
            Duration::from_secs(30),
            values::span,
        ),
        hints_at_sink: !is_production,
    }
}

/// A name as EHLO takes it (RFC 5321 4.1.1.1): a domain, in its ASCII form, or an address in brackets.
fn helo_name(text: &str) -> Result<String, String> {
    let wanted = || "write a host name such as app.example.com, or an address such as [192.0.2.1]";
    if let Some(literal) = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let is_address = match literal.strip_prefix("IPv6:") {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => literal.parse::<std::net::Ipv4Addr>().is_ok(),
        };
        return is_address
            .then(|| text.to_owned())
            .ok_or_else(|| wanted().to_owned());
    }
    let name = idna::domain_to_ascii_strict(text).map_err(|_| wanted().to_owned())?;
    let is_name = !name.is_empty() && name.parse::<IpAddr>().is_err();
    is_name.then_some(name).ok_or_else(|| wanted().to_owned())
}

/// Whether a host is this machine.
pub fn is_here(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// What is probably not meant so.
fn doubts_about_mail(mail: &MailSettings) -> Vec<String> {
    let mut doubts = Vec::new();
    if mail.tls != MailTls::None {
        return doubts;
    }
    if mail.credentials.is_some() && !is_here(&mail.server) {
        doubts.push(format!(
            "MAIL_PASSWORD and all reset links go to {} in plaintext: set MAIL_USE_TLS=true, or MAIL_USE_SSL=true for port 465",
            mail.server
        ));
    }
    if mail.ca_file.is_some() {
        doubts.push("MAIL_CA_FILE has no effect without encryption: set MAIL_USE_TLS=true, or MAIL_USE_SSL=true for port 465".to_owned());
    }
    doubts
}

/// The secrets that are set, with their keys.
pub(super) fn keys_of(tokens: &TokenSettings) -> impl Iterator<Item = (&'static str, &Secret)> {
    let current = tokens
        .secret
        .iter()
        .map(|secret| ("JWT_SECRET_KEY", secret));
    let previous = tokens.previous.iter();
    current.chain(previous.map(|secret| ("JWT_SECRET_KEY_PREVIOUS", secret)))
}

/// What is to be said against a secret that is long enough.
pub fn doubt_about(secret: &Secret) -> Option<&'static str> {
    if is_published(secret) {
        Some("is the one published in the tutorial")
    } else if is_monotonous(secret) {
        Some("repeats a few characters")
    } else {
        None
    }
}

/// 32 random hexadecimal digits have fewer than 8 different ones in one case of a million.
pub(super) fn is_monotonous(secret: &Secret) -> bool {
    let different: std::collections::HashSet<u8> = secret.expose().bytes().collect();
    different.len() < 8
}

pub(super) fn is_published(secret: &Secret) -> bool {
    secret.expose() == PUBLISHED_SECRET
}

fn secret(text: &str) -> Result<Secret, String> {
    if text.len() < 32 {
        return Err(format!(
            "it has {} bytes, but at least 32 are needed: generate one with \"openssl rand -base64 48\"",
            text.len()
        ));
    }
    Ok(Secret::new(text))
}

/// An address with its port; `localhost` is the IPv4 one.
///
/// # Errors
/// What to write instead.
pub fn socket_address(text: &str) -> Result<SocketAddr, String> {
    let local = text.replace("localhost:", "127.0.0.1:");
    local
        .parse()
        .map_err(|_| "write ADDRESS:PORT, such as 127.0.0.1:3000 or [::]:3000".to_owned())
}

impl Settings {
    /// Notes where a value really came from, for `check`.
    pub fn note(&mut self, key: &'static str, value: String) {
        if let Some(reported) = self
            .report
            .iter_mut()
            .find(|reported| reported.key == key && reported.source == Source::Default)
        {
            reported.value = value;
        }
    }
}

#[cfg(test)]
mod tests;
