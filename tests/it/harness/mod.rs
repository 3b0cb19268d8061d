//! Starts the real binary in a home of its own, and speaks to it as people and programs do.
//!
//! ```text
//! let home = Home::fresh();                     // an empty folder; no setting of this machine gets in
//! let server = home.serve(&[]);                 // serve --smtp-debug on free ports
//! server.post("/api/auth/signup", json!({…}));  // an Answer: status, headers, JSON
//! server.inbox().wait_for("ann@example.com");   // a Mail: subject, text, the link in it
//! home.run(&["user", "list"]).ok();             // an Output: stdout, stderr, exit code
//! ```

mod command;
mod connection;
mod inbox;
mod mail_server;
pub mod mongodb;
mod person;
mod server;

pub use command::{Home, Output};
pub use connection::Connection;
pub use mail_server::{Fault, MailServer};
pub use mongodb::virtual_env;
pub use person::Person;

pub use server::Server;

/// Makes each function a test on every database: `main_job::mongodb::one_confirmation_follows_one_reset`.
macro_rules! on_every_database {
    ($($promise:ident,)+) => {
        mod sqlite {
            $(#[test] fn $promise() { super::$promise(crate::harness::Home::fresh()); })+
        }
        mod mongodb {
            $(#[test] fn $promise() {
                // Where there is no server that has been told, and CI has failed.
                if let Some(home) = crate::harness::Home::on_mongodb() {
                    super::$promise(home);
                }
            })+
        }
    };
}

/// A password that every policy takes.
pub const PASSWORD: &str = "correct horse battery";
/// Another one.
pub const NEW_PASSWORD: &str = "staple of another kind";
