//! Rules and use cases of movie-bag. Does no I/O except through the traits in [`ports`].
//!
//! - [`domain`]: values and rules (addresses, passwords, tokens, outbox entries), without async and I/O
//! - [`app`]: use cases, called by HTTP and by the terminal alike
//! - [`ports`]: traits for storage, mail and metrics, which other packages implement
//! - [`supervisor`]: restarts background tasks that end or panic

pub mod app;
pub mod domain;
pub mod ports;
pub mod supervisor;
