//! Accounts, login and a password reset that can't be got wrong.
//!
//! # The house
//!
//! | room | what it is for | may use |
//! | --- | --- | --- |
//! | [`domain`] | plain values and rules: addresses, passwords, tokens, movies, the outbox entry | nothing but pure crates |
//! | [`app`] | each use case once, called alike by HTTP and terminal | `domain`, `hashing`, the traits of `store` and `mail`, `metrics`, `supervisor` |
//! | [`hashing`] | bcrypt, several hashes side by side on one core | nothing but pure crates |
//! | [`store`] | what must be kept, as promises; `store::sqlite` and `store::mongo` keep them | `domain`, `private`, `supervisor` |
//! | [`templates`] | the words of mails and pages: those built in, and those of a folder that win | `domain` |
//! | [`mail`] | from a mail kind to a message (`render`), from a message to an SMTP server (`smtp`) | `domain`, `templates` |
//! | [`smtp`] | the server side of SMTP as a pure state machine: bytes in, effects out | nothing but pure crates |
//! | [`sink`] | the debugging SMTP server: sockets, inbox, its web API, what it prints | `smtp`, `domain`, `net`, `private`, `supervisor` |
//! | [`http`] | the API and the pages: a request in, one use case, an answer out | `app`, `templates`, `metrics`, `net` |
//! | [`metrics`] | what is counted while the server runs, and how Prometheus is shown it | `domain`, `supervisor` |
//! | [`config`] | flags, environment, env file and defaults, resolved into complete settings | `domain`, `private` |
//! | [`net`] | sockets of `serve` and the sink: listening, HTTP/1, bounds on connections and open files | nothing |
//! | [`terminal_text`] | text from outside, escaped for a terminal | nothing |
//! | [`private`] | files and folders that are their owner's alone | nothing |
//! | [`supervisor`] | restarts background tasks that end or panic, and reports which are down | nothing |
//! | [`cli`] | one file a command; the only place that picks concrete parts | everything |
//!
//! # The way of one reset
//!
//! ```text
//! cli::forgot ───────┐                        ┌─ store: outbox entry + event, one atomic step
//! http::auth::forgot ┴─ app::request_reset ───┘
//! app::deliver_outbox    lease the entry → make the reset token now → mail::render → mail::smtp → mark sent
//! cli::reset ────────┐                        ┌─ store: expected credential → new one,
//! http::auth::reset ─┴─ app::complete_reset ──┘  confirmation and event, one atomic step
//! ```
//!
//! # What is deliberately absent
//!
//! - No table of tokens: a token carries a keyed digest of the credential it was made for, and the database
//!   changes a credential only where it still is the expected one.
//! - No rendered mail in the database: an outbox entry names an account and a kind; link and token are made at sending.
//! - No clock and no chance in `domain` and `app` but those handed in.

pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
#[cfg(test)]
mod fuzz;
pub mod http;
pub mod mail;
pub mod metrics;
pub mod net;
pub mod private;
pub mod sink;
pub mod smtp;
pub mod store;
pub mod supervisor;
pub mod templates;
pub mod terminal_text;
