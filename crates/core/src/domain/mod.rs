//! Plain values and rules, and nothing else: no async, no I/O, no reading of the clock, no wire format.
//!
//! A value that exists is valid: `parse` takes text from outside, `new` takes parts that are valid already.
//! Time and chance are parameters ([`clock`]). Start with [`account`] and [`token`]: together they say what a
//! reset link is and why it works only once.

pub mod account;
pub mod byte_size;
pub mod clock;
pub mod email_address;
pub mod event;
pub mod fingerprint;
pub mod foreign_hash;
pub mod id;
pub mod limit;
pub mod mail_server;
pub mod movie;
pub mod outbox;
pub mod password;
pub mod span;
pub mod spelling;
pub mod terminal_text;
pub mod token;
pub mod unicode;
