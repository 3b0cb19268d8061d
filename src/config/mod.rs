//! Settings: a flag wins over an environment variable, that over the env file, that over the default.
//!
//! What was typed ([`Flags`], the environment, the env file) is resolved once, here, into complete [`Settings`], each of
//! which knows where it comes from. All mistakes are told together. Nothing else reads the environment. Start with
//! [`resolve`], which shows every key with its form and default; [`keys`] says what each means.

pub mod deploy;
pub mod env_file;
pub mod keys;
mod resolver;
pub mod secret_file;
mod settings;
pub mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

pub use settings::{
    AccountSettings, DatabaseSettings, EnvFile, HttpSettings, LogSettings, MailSettings, MailTls,
    PasswordSettings, Profile, Settings, TokenSettings, doubt_about, is_here, resolve,
    socket_address,
};

/// What was given as options on the command line: where there is one, it wins.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--env-file`.
    pub env_file: Option<PathBuf>,
    /// Settings by their key, each with the name of its option.
    pub settings: BTreeMap<&'static str, (&'static str, String)>,
}

impl Flags {
    /// Notes an option that stands for a key, where it was given.
    pub fn set(&mut self, key: &'static str, option: &'static str, value: Option<String>) {
        if let Some(value) = value {
            self.settings.insert(key, (option, value));
        }
    }
}

/// Where a setting comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// This option.
    Flag(&'static str),
    /// The environment.
    Environment,
    /// A line of the env file.
    EnvFile {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// Nobody set it.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(option) => f.write_str(option),
            Self::Environment => f.write_str("environment"),
            Self::EnvFile { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A setting as `check` shows it.
#[derive(Debug, Clone)]
pub struct Reported {
    /// Its key.
    pub key: &'static str,
    /// Its value, or what can be told of a secret.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

/// All invalid settings, each with its source and the fix.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct ConfigError {
    /// One line each.
    pub problems: Vec<String>,
}

/// What the settings are resolved from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The options.
    pub flags: Flags,
    /// The environment.
    pub environment: BTreeMap<String, String>,
    /// The env file's path and lines, where there is one.
    pub env_file: Option<(PathBuf, Vec<env_file::Line>)>,
}

impl Sources {
    /// Reads the process's environment and the env file: `--env-file`, else `ENV_FILE_LOCATION`, else `.env` in the
    /// working folder if it is there.
    ///
    /// # Errors
    /// An env file that was named and can't be read, and every line in it that can't.
    pub fn read(flags: Flags) -> Result<Self, ConfigError> {
        let environment = environment()?;
        let named = flags.env_file.clone().map(|path| (path, "--env-file"));
        let located = environment
            .get("ENV_FILE_LOCATION")
            .filter(|path| !path.is_empty());
        let named =
            named.or_else(|| located.map(|path| (PathBuf::from(path), "ENV_FILE_LOCATION")));
        let env_file = match named {
            Some((path, by)) => match std::fs::read(&path) {
                Ok(bytes) => Some((path, bytes)),
                Err(error) => {
                    let problem =
                        format!("cannot read env file {} ({by}): {error}", path.display());
                    return Err(ConfigError {
                        problems: vec![problem],
                    });
                }
            },
            None => default_env_file(Path::new(".env"))?,
        };
        let env_file = match env_file {
            Some((path, bytes)) => {
                let lines = env_file::parse_bytes(&bytes).map_err(|bad| ConfigError {
                    problems: bad
                        .iter()
                        .map(|bad| format!("{}:{bad}", path.display()))
                        .collect(),
                })?;
                Some((path, lines))
            }
            None => None,
        };
        Ok(Self {
            flags,
            environment,
            env_file,
        })
    }
}

/// The process's environment. What is not UTF-8 belongs to others, unless the key is ours. To Windows `mail_server` is the
/// same variable as `MAIL_SERVER`, and it is shown as whoever made it first has written it.
fn environment() -> Result<BTreeMap<String, String>, ConfigError> {
    let mut found = BTreeMap::new();
    let mut problems = Vec::new();
    for (key, value) in std::env::vars_os() {
        let Ok(mut key) = key.into_string() else {
            continue;
        };
        if cfg!(windows) {
            key.make_ascii_uppercase();
        }
        match value.into_string() {
            Ok(value) => drop(found.insert(key, value)),
            Err(_) if keys::find(&key).is_some() => {
                problems.push(format!(
                    "invalid {key} ({}): it is not UTF-8",
                    Source::Environment
                ));
            }
            Err(_) => {}
        }
    }
    if problems.is_empty() {
        Ok(found)
    } else {
        Err(ConfigError { problems })
    }
}

fn default_env_file(path: &Path) -> Result<Option<(PathBuf, Vec<u8>)>, ConfigError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some((path.to_owned(), bytes))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let problem = format!(
                "cannot read env file {} in this folder: {error}",
                path.display()
            );
            Err(ConfigError {
                problems: vec![problem],
            })
        }
    }
}

/// The user of the operating system who runs this, for the history; not `USER`, which anybody may set.
pub fn operating_system_user() -> String {
    whoami::username().unwrap_or_else(|_| "unknown".to_owned())
}

/// What systemd calls the sockets that it has bound for us, in their order.
pub fn names_of_inherited_sockets() -> Vec<String> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    names.split(':').map(str::to_owned).collect()
}

/// Whether somebody asked for no colours (<https://no-color.org>).
pub fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
