//! Settings: a flag wins over an environment variable, that over the env file, that over the default.
//!
//! What was typed ([`Flags`], the environment, the env file) is resolved once, here, into complete [`Settings`], each of
//! which knows where it comes from. All mistakes are told together. Nothing else reads the environment. Start with
//! [`resolve`], which shows every key with its form and default; [`keys`] says what each means.

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
    AccountSettings, DatabaseSettings, HttpSettings, LogSettings, MailSettings, MailTls,
    PasswordSettings, Profile, Settings, TokenSettings, resolve,
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
            Self::EnvFile { path, line } => write!(f, "{} line {line}", path.display()),
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

/// All mistakes in the settings, each with its place and its mend.
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
        // What is not UTF-8 can be no setting of ours; it belongs to others.
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let named = flags.env_file.clone().map(|path| (path, "--env-file"));
        let located = environment
            .get("ENV_FILE_LOCATION")
            .filter(|path| !path.is_empty());
        let named =
            named.or_else(|| located.map(|path| (PathBuf::from(path), "ENV_FILE_LOCATION")));
        let env_file = match named {
            Some((path, by)) => match std::fs::read_to_string(&path) {
                Ok(text) => Some((path, text)),
                Err(error) => {
                    let problem = format!(
                        "the env file {} can't be read: {error} - mend {by}",
                        path.display()
                    );
                    return Err(ConfigError {
                        problems: vec![problem],
                    });
                }
            },
            None => default_env_file(Path::new(".env"))?,
        };
        let env_file = match env_file {
            Some((path, text)) => {
                let lines = env_file::parse(&text).map_err(|bad| ConfigError {
                    problems: bad
                        .iter()
                        .map(|bad| format!("{} {bad}", path.display()))
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

fn default_env_file(path: &Path) -> Result<Option<(PathBuf, String)>, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some((path.to_owned(), text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let problem = format!(
                "the env file {} in this folder can't be read: {error}",
                path.display()
            );
            Err(ConfigError {
                problems: vec![problem],
            })
        }
    }
}

/// The user of the operating system who runs this, for the history.
pub fn operating_system_user() -> String {
    let named = |key: &str| std::env::var(key).ok().filter(|name| !name.is_empty());
    named("USER")
        .or_else(|| named("LOGNAME"))
        .unwrap_or_else(|| "unknown".to_owned())
}

/// Whether somebody asked for no colours (<https://no-color.org>).
pub fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
