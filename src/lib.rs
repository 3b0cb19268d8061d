//! The binary `movie-bag`: command line, settings, and the choice of implementations.
//!
//! `docs/architecture.md` has the map of all packages, the path of a reset and of a message, the invariants, and how to add
//! a command, a setting, a mail kind or a store method.
//!
//! Deliberately absent:
//!
//! - A table of tokens: a token carries a keyed digest of the credential for which it was created, and the database changes a
//!   credential only if it is still the expected one.
//! - Rendered mails in the database: an outbox entry names an account and a kind. Link and token are created at sending.
//! - Use cases that read the clock or draw random bytes: both are parameters.

pub mod built_in_templates;
pub mod cli;
mod config;
mod error_code;
mod exit_code;
mod failure;
mod private_files;
mod wiring;
