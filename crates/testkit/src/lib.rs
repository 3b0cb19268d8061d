//! Test servers, browsers and fixtures that the tests of several packages share.
//!
//! [`Home`] starts the real binary in an empty home folder. Tests use it over HTTP, SMTP, a terminal ([`Person`]) and a browser
//! ([`Browser`]):
//!
//! ```text
//! let home = Home::fresh();                     // an empty folder and a cleared environment
//! let server = home.serve(&[]);                 // serve --smtp-debug on free ports
//! server.post("/api/auth/signup", json!({…}));  // an Answer: status, headers, JSON
//! server.inbox().wait_for("ann@example.com");   // a Mail: subject, text, the link in it
//! home.run(&["user", "list"]).ok();             // an Output: stdout, stderr, exit code
//! ```
//!
//! Unit tests of the libraries use the modules that need no binary: [`fuzz`], [`mongodb`], [`markdown`] and [`MailServer`].
//!
//! This package depends on no other package of the repository, so that each of them can use it as a dev-dependency. A test waits
//! for events by [`wait_for`] and [`wait_until`], never for a fixed time. If software is missing, a test calls [`report_skipped`].

#![expect(
    clippy::unwrap_used,
    reason = "a test panics where something unexpected happens"
)]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

mod browser;
mod closed_port;
mod command;
mod connection;
mod debian;
pub mod fuzz;
mod half_open;
mod inbox;
mod mail_server;
pub mod markdown;
pub mod mongodb;
mod npm;
mod person;
#[cfg(unix)]
pub mod postfix;
mod proxy;
mod server;
mod shell;
mod skipped_tests;
mod sqlite;
pub mod virtual_env;
mod waiting;
mod web_driver;

pub use browser::{Browser, Device, Key, Theme};
pub use closed_port::ClosedPort;
pub use command::{Home, Output};
pub use connection::Connection;
pub use debian::{list_files, unpack_package};
pub use half_open::{Crowd, HalfOpen, possible_clients};
pub use mail_server::{Fault, MailServer};
pub use npm::{axe, npm_packages};
pub use person::Person;
#[cfg(unix)]
pub use postfix::Postfix;
pub use proxy::Proxy;

pub use server::{Answer, Server, Sink, metric_value, raw};
pub use shell::Shell;
pub use skipped_tests::report_skipped;
pub use waiting::{PATIENCE, wait_for, wait_until, wait_until_within};

/// Makes each function a test on every database: `password_reset::mongodb::one_confirmation_follows_one_reset`.
#[macro_export]
macro_rules! on_every_database {
    ($($promise:ident,)+) => {
        mod sqlite {
            $(#[test] fn $promise() { super::$promise($crate::Home::fresh()); })+
        }
        mod mongodb {
            $(#[test] fn $promise() {
                // `on_mongodb` reports a missing server, and fails the test in CI.
                if let Some(home) = $crate::Home::on_mongodb() {
                    super::$promise(home);
                }
            })+
        }
    };
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the time since 1970.
pub fn now() -> Duration {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test outside the process has only the system clock"
    )]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap()
}

/// Returns the path of the binary `movie-bag` of the same build. Cargo builds it before the tests and benchmarks of its
/// package, into the folder above theirs.
pub fn binary() -> &'static Path {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
        // target/debug/deps/NAME-HASH
        let exe = std::env::current_exe().unwrap();
        let folder = exe.ancestors().nth(2).unwrap();
        let binary = folder.join(format!("movie-bag{}", std::env::consts::EXE_SUFFIX));
        assert!(
            binary.exists(),
            "{} does not exist: run \"cargo build\"",
            binary.display()
        );
        binary
    });
    &BINARY
}

/// Reads a file of the repository, by its path from the root.
pub fn repository_file(path: &str) -> Vec<u8> {
    std::fs::read(markdown::repository().join(path)).unwrap()
}

/// Reads the mails in `tests/mails`, in the order of their names.
pub fn real_mails() -> Vec<Vec<u8>> {
    let folder = markdown::repository().join("tests/mails");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "eml"))
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// Returns the `target` folder of this build.
fn target_folder() -> PathBuf {
    // target/debug/deps/NAME-HASH
    let exe = std::env::current_exe().unwrap();
    exe.ancestors().nth(3).unwrap().to_owned()
}

/// Stand-in for `systemctl` in scripts of the documentation.
pub const SYSTEMCTL: &str = include_str!("systemctl.bash");

/// A password that every policy accepts.
pub const PASSWORD: &str = "correct horse battery";
pub const NEW_PASSWORD: &str = "staple of another kind";
