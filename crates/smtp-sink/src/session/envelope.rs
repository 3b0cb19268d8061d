//! Result of a transaction: the bytes of the message, its envelope and facts about the session.
//!
//! Nothing here is parsed from the message itself; headers are read where they are shown.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::auth::Login;
use super::transcript::Transcript;

/// Sender and recipients of the SMTP transaction; the headers may name others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Envelope {
    /// Address of MAIL FROM; empty for the null sender `<>` of bounces.
    pub sender: String,
    /// Parameters of MAIL as the client sent them, such as `SIZE=1234`.
    pub params: Vec<String>,
    /// Accepted recipients, in order, repeats included.
    pub recipients: Vec<Recipient>,
}

impl Envelope {
    /// Returns an envelope without parameters of MAIL.
    pub fn new(sender: impl Into<String>, recipients: Vec<Recipient>) -> Envelope {
        Envelope {
            sender: sender.into(),
            params: Vec::new(),
            recipients,
        }
    }

    /// Returns an upper estimate of the memory of the envelope, in bytes.
    pub(crate) fn size(&self) -> usize {
        // A vector may have twice the capacity it needs.
        const ENTRY: usize = 2 * size_of::<Recipient>();
        let texts =
            |params: &[String]| -> usize { params.iter().map(|text| text.len() + 48).sum() };
        let recipient = |to: &Recipient| ENTRY + to.address.len() + texts(&to.params);
        let recipients: usize = self.recipients.iter().map(recipient).sum();
        self.sender.len() + texts(&self.params) + recipients
    }
}

/// Accepted recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Recipient {
    /// Address as the client sent it, without angle brackets and source route.
    pub address: String,
    /// Parameters of RCPT as the client sent them.
    pub params: Vec<String>,
}

impl Recipient {
    /// Returns a recipient without parameters of RCPT.
    pub fn new(address: impl Into<String>) -> Recipient {
        Recipient {
            address: address.into(),
            params: Vec::new(),
        }
    }
}

/// Completely received message, before it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Bytes of the message with dot-stuffing undone and nothing else changed.
    pub source: Vec<u8>,
    /// Sender and recipients.
    pub envelope: Envelope,
    /// Host name that the client gave in EHLO, HELO or LHLO.
    pub helo: String,
    /// Version of TLS; `None` for a plaintext connection.
    pub tls: Option<String>,
    /// Login of the session, if any.
    pub login: Option<Login>,
    /// Commands and replies that opened the session, and those of this transaction.
    pub transcript: Transcript,
    /// Accepted deviations from the standards.
    pub warnings: Vec<Warning>,
}

impl Received {
    /// Returns a message of a plaintext session without a login, a transcript and deviations.
    pub fn new(source: Vec<u8>, envelope: Envelope, helo: impl Into<String>) -> Received {
        Received {
            source,
            envelope,
            helo: helo.into(),
            tls: None,
            login: None,
            transcript: Transcript::default(),
            warnings: Vec::new(),
        }
    }
}

/// Identifier of a stored message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageId(pub String);

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Error for a message that cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Permanent: the message is larger than the server's limit.
    TooLarge,
    /// Temporary: the client may try again.
    Unavailable(String),
}

/// Deviation that a stricter server refuses, or that readers display wrongly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// Number of CRs in the message without a following LF.
    BareCr(u64),
    /// Number of LFs in the message without a preceding CR.
    BareLf(u64),
    /// Number of lines that began with a single dot; it was removed (RFC 5321 4.5.2).
    UnstuffedDots(u64),
    /// Number of NUL bytes in the message.
    Nul(u64),
    /// Length of the longest line, above the 998 bytes of RFC 5322.
    LongLine(u64),
    /// A command line ended in LF without CR.
    CommandEndsInLf,
    /// An address without angle brackets.
    NoAngleBrackets,
    /// A space between the colon and the address.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_an_envelope_grows_with_each_of_its_parts() {
        let recipient = |address: &str, params: &[&str]| Recipient {
            address: address.to_owned(),
            params: params.iter().map(|&text| text.to_owned()).collect(),
        };
        let plain = Envelope::new("ann@example.com", vec![recipient("bob", &[])]);
        let entry = 2 * size_of::<Recipient>();
        assert_eq!(plain.size(), 15 + entry + 3);
        let mut extended = plain;
        extended.params = vec!["SIZE=9".to_owned(), "BODY=8BITMIME".to_owned()];
        assert_eq!(extended.size(), 15 + (6 + 48) + (13 + 48) + entry + 3);
        let more = recipient("carl@x", &["NOTIFY=NEVER", "ORCPT=rfc822;c"]);
        extended.recipients.push(more);
        let before = 15 + 54 + 61 + entry + 3;
        assert_eq!(extended.size(), before + entry + 6 + (12 + 48) + (14 + 48));
    }

    #[test]
    fn each_warning_says_what_is_wrong() {
        for (warning, text) in [
            (
                Warning::BareCr(2),
                "2 bare CR in the message: lines must end in CRLF",
            ),
            (Warning::Nul(3), "3 NUL bytes in the message"),
            (
                Warning::LongLine(999),
                "a line has 999 bytes: RFC 5322 allows 998",
            ),
            (
                Warning::NoAngleBrackets,
                "an address was not in angle brackets",
            ),
        ] {
            assert_eq!(warning.to_string(), text);
        }
    }
}
