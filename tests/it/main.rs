//! End-to-end tests: the real binary, real SMTP, real database files.
//!
//! All of them are one test binary, so that it is linked once. Processes are started by `movie_bag_testkit`. Each
//! file is one subject, each test one promise.

#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test may panic on any surprise, and no other crate sees its modules"
)]

mod answers;
mod bad_input;
mod branding;
mod browser;
mod check;
mod databases;
mod docs;
mod examples;
mod foreign_clients;
mod generated;
mod hostile_text;
mod import;
mod logs;
mod mail;
mod metrics;
mod mongodb;
mod movies;
mod openapi;
mod operations;
mod outbox;
mod own_account;
mod pages;
mod password_reset;
#[cfg(unix)]
mod real_servers;
mod security;
mod settings;
mod sink;
mod supervision;
mod systemd;
mod templates;
mod terminal;
mod web_inbox;
mod workspace;
