//! Server side of SMTP as a state machine without I/O: bytes in, effects out.
//!
//! The module has no sockets, timers, runtime, randomness or storage. The caller of [`Session::step`] reports an event
//! ([`Input`]), decides which faults are injected ([`fault`]) and performs the returned actions ([`Effect`]). The result of a
//! step depends on the session and on these arguments alone. A dialogue can therefore be cut into pieces, replayed and fuzzed
//! without a port or a sleep.
//!
//! | module | content |
//! | --- | --- |
//! | [`machine`] | the state machine; start reading here |
//! | [`interface`] | what the caller passes in and gets back: inputs, effects, limits |
//! | [`command`] | parser of command lines |
//! | [`reply`] | all replies |
//! | [`auth`] | SASL exchange of AUTH |
//! | [`mod@line`], [`data`] | division of the byte stream into lines and messages |
//! | `cross_protocol` | recognition of lines that no SMTP client sends |
//! | [`envelope`] | result of a transaction |
//! | [`fault`] | stages at which a fault can be injected |
//! | [`transcript`] | commands and replies as text |

pub mod auth;
pub mod command;
mod cross_protocol;
pub mod data;
pub mod envelope;
pub mod fault;
pub mod interface;
pub mod line;
pub mod machine;
pub mod reply;
pub mod transcript;

pub use envelope::{Envelope, MessageId, Received, Recipient, Refusal, Warning};
pub use interface::{Effect, Input, Limits, Setup};
pub use machine::Session;
pub use transcript::Transcript;
