//! Settings. Precedence: option, environment variable, env file, default.
//!
//! All [`Sources`] are resolved once into complete [`Settings`], which record the source of each value. All mistakes are
//! reported together. No other module reads the environment. The file of each consumer (`http`, `mail`, …) defines its settings and
//! resolves them into its struct; [`definitions`] lists all.

mod accounts;
mod database;
pub(crate) mod definitions;
pub(crate) mod deploy;
pub(crate) mod env_file;
mod http;
mod log;
mod lookup;
mod mail;
mod mail_values;
mod resolution;
pub(crate) mod secret_file;
pub(crate) mod setting;
mod settings;
mod sources;
mod tokens;
pub(crate) mod values;

pub(crate) use database::DatabaseSettings;
pub(crate) use log::LogSettings;
pub(crate) use mail::{MailSettings, MailTls};
pub(crate) use resolution::resolve;
pub(crate) use settings::{EnvFile, Profile, Settings};
pub(crate) use sources::{ConfigError, Flags, Source, Sources};
pub(crate) use values::{is_loopback_host, socket_address};

/// Returns the user of the operating system that runs this process, for the history. It is not read from `USER`, which the
/// caller can set to any name.
pub(crate) fn operating_system_user() -> String {
    whoami::username().unwrap_or_else(|_| "unknown".to_owned())
}

/// Returns the names of the sockets that systemd has bound for this process, in their order.
pub(crate) fn names_of_inherited_sockets() -> Vec<String> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    names.split(':').map(str::to_owned).collect()
}

/// Returns whether the environment requests output without colours (<https://no-color.org>).
pub(crate) fn is_color_disabled() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
