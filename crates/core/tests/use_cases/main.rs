//! Use cases over a real SQLite file, with a clock that tests move by hand and a scripted mail server.

#![expect(clippy::unwrap_used, reason = "a failed assumption ends the test")]

mod change_address;
mod delivery_worker;
mod disabling;
mod fixture;
mod import;
mod logins;
mod mail_server;
mod outbox;
mod own_account;
mod resets;
mod sign_up;
