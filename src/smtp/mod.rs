//! The server side of SMTP as a pure state machine: bytes in, effects out.
//!
//! This room must never know a socket, a timer, a runtime or where messages are kept: whoever drives a
//! [`Session`] hands it what happened ([`Input`]) and carries out what it answers ([`Effect`]). So a whole
//! dialogue is a pure function of its bytes, and can be cut, replayed and fuzzed without a port or a sleep.
//!
//! Start reading at [`session`]; [`command`] is what a client may say, [`reply`] all that it may hear,
//! [`auth`] is a login, [`mod@line`] and [`data`] cut the bytes into lines and messages, `foreign` recognizes what no SMTP
//! client sends, [`envelope`] is what comes out, and [`fault`] what goes wrong on demand.

pub mod auth;
pub mod command;
pub mod data;
pub mod envelope;
pub mod fault;
mod foreign;
pub mod line;
pub mod reply;
pub mod session;
pub mod transcript;

pub use envelope::{Envelope, MessageId, Received, Recipient, Refusal, Warning};
pub use reply::Reply;
pub use session::{Effect, Effects, Input, Limits, Session, Setup};
pub use transcript::Transcript;
