//! Sources of settings: command-line options, the environment and the env file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{definitions, env_file};

/// Settings given as command-line options. They take precedence over all other sources.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    /// Value of `--env-file`.
    pub(crate) env_file: Option<PathBuf>,
    /// Values by setting, each with the name of its option.
    pub(crate) settings: BTreeMap<&'static str, (&'static str, String)>,
}

impl Flags {
    /// Sets a setting to the value of an option, if the option was given.
    pub(crate) fn set(&mut self, key: &'static str, option: &'static str, value: Option<String>) {
        if let Some(value) = value {
            self.settings.insert(key, (option, value));
        }
    }
}

/// Source of the value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Command-line option.
    Flag(&'static str),
    Environment,
    EnvFile {
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
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

/// Invalid settings, each with its source and the fix.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub(crate) struct ConfigError {
    /// One line for each problem.
    pub(crate) problems: Vec<String>,
}

/// All sources that settings are resolved from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources {
    pub(crate) flags: Flags,
    pub(crate) environment: BTreeMap<String, String>,
    /// Path and lines of the env file, if there is one.
    pub(crate) env_file: Option<(PathBuf, Vec<env_file::Line>)>,
}

impl Sources {
    /// Reads the environment of the process and the env file: `--env-file`, else `ENV_FILE_LOCATION`, else `.env` in the
    /// working directory if it exists.
    ///
    /// # Errors
    /// An env file that was named and cannot be read, or all invalid lines of the env file.
    pub(crate) fn read(flags: Flags) -> Result<Self, ConfigError> {
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

/// Reads the environment of the process. Variables that are not UTF-8 are ignored unless they are settings. Windows ignores
/// the case of names and returns them in the spelling of their first definition, so they are compared in upper case there.
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
            Err(_) if definitions::find(&key).is_some() => {
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
