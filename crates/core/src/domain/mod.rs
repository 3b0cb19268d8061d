//! Values and rules. No I/O and no clock, which `.clippy.toml` of this package enforces, and no async, by convention: nothing
//! here waits. Encodings of whole messages, such as JSON and JWT, are elsewhere; a value has at most one text form, by
//! `Display` and `FromStr`.
//!
//! A value that exists is valid: `parse` validates text from outside, `new` takes parts that are valid already. Time and
//! randomness are parameters ([`clock`]). Start with [`account`], [`token`] and [`fingerprint`]: together they define what
//! a reset link is and why it can be used once.

pub mod account;
pub mod byte_size;
pub mod clock;
pub mod email_address;
pub mod event;
pub mod fingerprint;
pub mod foreign_hash;
pub mod id;
pub mod limit;
pub mod link_template;
pub mod mail;
pub mod mail_server;
pub mod movie;
pub mod outbox;
pub mod password;
pub mod pending;
pub mod phrase;
pub mod product_name;
pub mod reason;
pub mod span;
pub mod spelling;
pub mod terminal_text;
pub mod token;
pub mod unicode;
