//! SMTP server for tests: accepts every message, stores it in memory, and delivers none.
//!
//! A program under test sends its mail to a [`Sink`]. The test waits for the message and reads its links, tokens and one-time
//! codes:
//!
//! ```
//! # use std::time::Duration;
//! # use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
//! use movie_bag_smtp_sink::{Filter, Sink};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sink = Sink::builder().start().await?;
//! // Stands for the program under test, which sends to `sink.smtp_addr()`.
//! # let mailer = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
//! #     .port(sink.smtp_addr().port())
//! #     .build();
//! # let mail = Message::builder()
//! #     .from("shop@example.com".parse()?)
//! #     .to("ann@example.com".parse()?)
//! #     .subject("Your code")
//! #     .body("Your code is 493817.\nOr open https://example.com/login?token=Zr8kQ2vXw9Lm4TbC".to_owned())?;
//! mailer.send(mail).await?;
//!
//! let message = sink.wait_for(Filter::to("ann@example.com"), Duration::from_secs(10)).await?;
//! assert_eq!(message.subject, "Your code");
//! assert_eq!(message.codes, ["493817"]);
//! assert_eq!(message.main_link(), Some("https://example.com/login?token=Zr8kQ2vXw9Lm4TbC"));
//! # Ok(())
//! # }
//! ```
//!
//! # Overview
//!
//! - [`Sink::builder`] starts a sink. Its settings are the methods of [`SinkBuilder`]: limits, STARTTLS and SMTP over TLS, injected
//!   faults, a Maildir, and a web inbox with an HTTP API that is compatible with Mailpit's and MailHog's.
//! - [`Sink`] runs in the background and is stopped when it is dropped. [`Sink::wait_for`] waits for a message that a [`Filter`]
//!   selects, [`Sink::messages`] returns all, [`Sink::clear`] deletes all.
//! - [`Message`] is a parsed message. Its bytes are in [`Message::source`], unchanged.
//!
//! # Guarantees
//!
//! - A message that was acknowledged with 250 has been stored, byte for byte as received (RFC 5321 6.1). The oldest messages are
//!   dropped once a limit is reached; see [`SinkBuilder::max_messages`] and [`SinkBuilder::max_memory`].
//! - Nothing is delivered or relayed. No host name is looked up, and no link of a message is fetched.
//! - The memory of messages is limited, also of those that are being received. A message that cannot be parsed is stored
//!   nevertheless.
//!
//! # Runtimes
//!
//! A [`Sink`] has a thread with a runtime of its own. It therefore works in `#[tokio::test]` even if the test blocks its thread, with
//! paused time, in a `static` that tests with different runtimes share, with other executors, and without any: the methods whose
//! names end in `_blocking` are for tests that are not `async`.
//!
//! # Programs that embed the sink
//!
//! A program with a runtime and a shutdown of its own calls [`SinkBuilder::bind`] and [`BoundSink::run`], with a callback for each
//! message and a [`supervisor`](supervision) of its tasks. [`net`] is the HTTP server of the web port.

#![warn(missing_docs)]
// The public API is what this file exports. In a private module, `pub` means "used by other modules of this crate".
#![allow(unreachable_pub)]

mod auto_tags;
mod bound_sink;
mod builder;
mod certificate;
pub mod clock;
mod compat;
mod compose;
mod content;
mod duration;
mod error;
pub mod extract;
mod faults;
mod filter;
mod html;
mod inbox;
mod inbox_handle;
mod invisible;
mod listener;
mod maildir;
mod memory;
mod message;
mod mime;
pub mod net;
mod received;
mod search;
mod search_text;
mod session;
mod settings;
mod sink;
mod stream;
pub mod supervision;
// This module is not a part of the API: the tests of the program that embeds the sink compare its escapes with those of its terminal.
#[doc(hidden)]
pub mod unsafe_text;
mod view;
mod web_port;

pub use bound_sink::{BoundSink, OnMessage};
pub use builder::SinkBuilder;
pub use content::{Attachment, Content, Digest, Mailbox};
pub use error::{Port, SinkError};
pub use faults::{Rule as FaultRule, RuleError as FaultRuleError};
pub use filter::{Filter, WaitError};
pub use inbox::Summary;
pub use inbox_handle::InboxHandle;
pub use message::Message;
pub use received::{ReceivedMessage, SessionFacts};
pub use search::QueryError;
pub use session::auth::{Login, Mechanism};
pub use session::{Envelope, MessageId, Received, Recipient, Transcript, Warning};
pub use settings::SinkSettings;
pub use sink::Sink;

#[cfg(test)]
mod tests;
