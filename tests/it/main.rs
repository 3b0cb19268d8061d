//! The tests that look at movie-bag from outside: the real binary, real SMTP, a real database file.
//!
//! One binary for all of them, so that they are linked once. Start reading at [`harness`]: it knows how to start
//! things, and nothing else does. Each file is one subject, each test one promise.

#![expect(
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test ends where it is surprised, and nothing outside sees its modules"
)]

use movie_bag_testkit as harness;

mod answers;
mod bad_input;
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
mod main_job;
mod metrics;
mod mongodb;
mod movies;
mod openapi;
mod operations;
mod outbox;
mod pages;
#[cfg(unix)]
mod real_servers;
mod security;
mod settings;
mod sink;
mod supervision;
mod supply_chain;
mod systemd;
mod templates;
mod terminal;
mod tidy;
mod web_inbox;
