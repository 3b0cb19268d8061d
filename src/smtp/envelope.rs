//! What a session hands over: the message's bytes with everything the protocol said about them.
//!
//! Nothing here is parsed out of the message itself; headers are the business of whoever shows it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::auth::Login;
use super::transcript::Transcript;

/// SMTP sender and recipients; they may differ from what the headers say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The address of MAIL FROM; empty for the null sender `<>` of bounces.
    pub sender: String,
    /// The parameters of MAIL as they were typed, such as `SIZE=1234`.
    pub params: Vec<String>,
    /// The accepted recipients, in order, repeats included.
    pub recipients: Vec<Recipient>,
}

impl Envelope {
    /// Bytes that it takes in memory.
    pub fn size(&self) -> usize {
        // A vector may have twice the capacity that it needs.
        const ENTRY: usize = 2 * size_of::<Recipient>();
        let texts =
            |params: &[String]| -> usize { params.iter().map(|text| text.len() + 48).sum() };
        let recipient = |to: &Recipient| ENTRY + to.address.len() + texts(&to.params);
        let recipients: usize = self.recipients.iter().map(recipient).sum();
        self.sender.len() + texts(&self.params) + recipients
    }
}

/// One accepted RCPT TO.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The address as it was typed, without angle brackets and source route.
    pub address: String,
    /// The parameters of this RCPT as they were typed.
    pub params: Vec<String>,
}

/// One message whose end was seen, before it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The message byte for byte as the client meant it: dot-stuffing undone, nothing else touched.
    pub source: Vec<u8>,
    /// Sender and recipients.
    pub envelope: Envelope,
    /// The name the client gave in HELO or EHLO.
    pub helo: String,
    /// The version of TLS; `None` where it came in clear text.
    pub tls: Option<String>,
    /// Who logged in.
    pub login: Option<Login>,
    /// Commands and replies that led here: those that opened the session and those of this transaction.
    pub transcript: Transcript,
    /// What was odd, though accepted.
    pub warnings: Vec<Warning>,
}

/// The name under which a message was kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageId(pub String);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a message could not be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is larger than everything that may be kept; it will never fit.
    TooLarge,
    /// Not now; the client may try again.
    Unavailable(String),
}

/// Something a stricter server would refuse, or that will look wrong to a reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// CRs in the message that no LF followed.
    BareCr(u64),
    /// LFs in the message that no CR preceded.
    BareLf(u64),
    /// Lines that began with a single dot; it was removed as RFC 5321 says.
    UnstuffedDots(u64),
    /// NUL bytes in the message.
    Nul(u64),
    /// A line of the message beyond the 998 bytes of RFC 5322.
    LongLine(u64),
    /// A command line ended in LF without CR.
    CommandEndsInLf,
    /// An address stood without its angle brackets.
    NoAngleBrackets,
    /// A space stood between the colon and the address.
    SpaceBeforeAddress,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::BareCr(count) => {
                write!(f, "{count} bare CR in the message: lines must end in CRLF")
            }
            Warning::BareLf(count) => {
                write!(f, "{count} bare LF in the message: lines must end in CRLF")
            }
            Warning::UnstuffedDots(count) => {
                write!(
                    f,
                    "{count} lines began with a dot that was not doubled, and the dot was removed"
                )
            }
            Warning::Nul(count) => write!(f, "{count} NUL bytes in the message"),
            Warning::LongLine(bytes) => write!(f, "a line has {bytes} bytes: RFC 5322 allows 998"),
            Warning::CommandEndsInLf => f.write_str("a command line ended in LF without CR"),
            Warning::NoAngleBrackets => f.write_str("an address was not in angle brackets"),
            Warning::SpaceBeforeAddress => f.write_str("a space preceded the address in a command"),
        }
    }
}
