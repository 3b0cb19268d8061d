//! Rules and use cases of movie-bag. Does no I/O except through the traits in [`ports`].
//!
//! The manifest keeps out web frameworks, database drivers, template engines and SMTP clients. `.clippy.toml` of this package
//! forbids files, sockets, processes, the environment, the clock and the random source, with two exceptions that it names.
//!
//! - [`domain`]: values and rules (addresses, passwords, tokens, outbox entries), without async
//! - [`app`]: use cases, called by HTTP and by the terminal alike
//! - [`ports`]: traits for storage, mail and metrics, which other packages implement
//! - [`supervisor`]: restarts background tasks that end or panic

pub mod app;
pub mod domain;
pub mod ports;
pub mod supervisor;
