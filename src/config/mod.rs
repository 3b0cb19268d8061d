//! Settings. Precedence: option, environment variable, env file, default.
//!
//! All [`Sources`] are resolved once into complete [`Settings`], which record the source of each value. All mistakes are
//! reported together. No other module reads the environment. [`resolve`] parses each setting and has its default; the table
//! in [`keys`] documents it.

pub mod deploy;
pub mod env_file;
pub mod keys;
mod lookup;
mod mail_values;
mod resolution;
pub mod secret_file;
mod settings;
mod sources;
pub mod values;

pub use resolution::resolve;
pub use settings::{
    AccountSettings, DatabaseSettings, EnvFile, HttpSettings, LogSettings, MailSettings, MailTls,
    PasswordSettings, Profile, ReportedSetting, Settings, TokenSettings,
};
pub use sources::{ConfigError, Flags, Source, Sources};
pub use values::{is_loopback_host, socket_address};

/// Returns the user of the operating system that runs this process, for the history. It is not read from `USER`, which the
/// caller can set to any name.
pub fn operating_system_user() -> String {
    whoami::username().unwrap_or_else(|_| "unknown".to_owned())
}

/// Returns the names of the sockets that systemd has bound for this process, in their order.
pub fn names_of_inherited_sockets() -> Vec<String> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    names.split(':').map(str::to_owned).collect()
}

/// Whether the environment asks for output without colours (<https://no-color.org>).
pub fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}
