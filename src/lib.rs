//! Accounts, login and password reset, and a debugging SMTP server, in one binary.
//!
//! `docs/architecture.md` describes the modules, the path of a reset and of a message, the invariants, and how to add a
//! command, a setting, a mail kind or a store method. `tests/it/tidy.rs` enforces the dependencies.
//!
//! # Modules
//!
//! | module | purpose | depends on |
//! | --- | --- | --- |
//! | [`domain`] | values and rules: addresses, passwords, tokens, outbox entries. No I/O, no clock | pure crates only |
//! | [`ports`] | traits that the use cases need and other modules implement: storage, mail, metrics | `domain` |
//! | [`app`] | use cases, called alike by HTTP and terminal | `domain`, `hashing`, `ports`, `supervisor` |
//! | [`hashing`] | bcrypt, several hashes interleaved on one core | pure crates only |
//! | [`store`] | storage in SQLite (`store::sqlite`) and MongoDB (`store::mongo`) | `domain`, `ports`, `private`, `supervisor` |
//! | [`mail`] | templates and rendering, SMTP client | `domain`, `ports` |
//! | [`smtp`] | server side of SMTP as a state machine without I/O: bytes in, effects out | pure crates only |
//! | [`sink`] | debugging SMTP server: sockets, inbox, API, web pages; and the HTTP/1 server that the binary uses too | `smtp` |
//! | [`http`] | JSON API, web pages and metrics: one request calls one use case | `app`, `ports` |
//! | [`config`] | options, environment, env file and defaults, resolved into complete settings | `domain`, `private` |
//! | [`private`] | files and folders that only their owner can read | nothing |
//! | [`supervisor`] | restarts background tasks that end or panic, and reports which are down | nothing |
//! | [`cli`] | one file for each command; chooses the implementations | everything |
//!
//! # Deliberately absent
//!
//! - A table of tokens: a token carries a keyed digest of the credential that it was made for, and the database changes a
//!   credential only if it is still the expected one.
//! - Rendered mails in the database: an outbox entry names an account and a kind. Link and token are made at sending.
//! - Use cases that read the clock or draw random bytes by themselves: both are parameters. `app::system` implements them
//!   by the operating system.

pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
#[cfg(test)]
mod fuzz;
pub mod http;
pub mod mail;
pub mod ports;
pub mod private;
pub mod sink;
pub mod smtp;
pub mod store;
pub mod supervisor;
