//! All replies, with their codes and enhanced status codes (RFC 5321, RFC 3463).
//!
//! They are in one file so that their wording can be reviewed at once, and so that tests compare values. A text tells the
//! person at the client what to do. Text from the client is repeated only through `printable`.

use std::borrow::Cow;

use super::auth::{self, Mechanism};
use super::command::{Role, SyntaxError};
use super::envelope::{MessageId, Refusal};

/// Reply of one or more lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    /// Class, subject and detail; absent in banner, EHLO, 334 and 354.
    enhanced: Option<(u8, u8, u8)>,
    first: Cow<'static, str>,
    more: Vec<Cow<'static, str>>,
}

impl Reply {
    /// Returns the reply code.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Returns false for 334 and 354, which request more input.
    #[cfg(test)]
    pub fn is_final(&self) -> bool {
        !(300..400).contains(&self.code)
    }

    /// Returns the lines on the wire, without CRLF.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let enhanced = match self.enhanced {
            Some((class, subject, detail)) => format!("{class}.{subject}.{detail} "),
            None => String::new(),
        };
        std::iter::once(&self.first)
            .chain(&self.more)
            .enumerate()
            .map(move |(at, text)| {
                let hyphen = if at < self.more.len() { '-' } else { ' ' };
                format!("{}{hyphen}{enhanced}{text}", self.code)
            })
    }

    /// Appends the reply with CRLFs, so that the replies of one step can be sent in one write.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        for line in self.lines() {
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }

    fn new(code: u16, enhanced: (u8, u8, u8), text: impl Into<Cow<'static, str>>) -> Reply {
        Reply {
            code,
            enhanced: Some(enhanced),
            first: text.into(),
            more: Vec::new(),
        }
    }

    fn plain(code: u16, text: impl Into<Cow<'static, str>>) -> Reply {
        Reply {
            code,
            enhanced: None,
            first: text.into(),
            more: Vec::new(),
        }
    }

    pub(super) fn banner(host: &str) -> Reply {
        Reply::plain(220, format!("{host} ESMTP movie-bag"))
    }

    pub(super) fn hello(host: &str) -> Reply {
        Reply::plain(250, host.to_owned())
    }

    /// Reply to EHLO and LHLO: the supported extensions.
    pub(super) fn extensions(host: &str, max_size: u64, starttls: bool) -> Reply {
        let mechanisms = Mechanism::ALL.map(Mechanism::name).join(" ");
        let mut more: Vec<Cow<'static, str>> = vec![
            "PIPELINING".into(),
            format!("SIZE {max_size}").into(),
            "8BITMIME".into(),
            "SMTPUTF8".into(),
            "ENHANCEDSTATUSCODES".into(),
            "DSN".into(),
            "CHUNKING".into(),
            format!("AUTH {mechanisms}").into(),
        ];
        if starttls {
            more.push("STARTTLS".into());
        }
        more.push("HELP".into());
        Reply {
            more,
            ..Reply::plain(250, host.to_owned())
        }
    }

    pub(super) fn start_tls() -> Reply {
        Reply::new(220, (2, 0, 0), "Ready to start TLS")
    }

    /// Names the option, since the person at the client has most likely started the server too.
    pub(super) fn no_start_tls() -> Reply {
        Reply::new(
            502,
            (5, 5, 1),
            "STARTTLS is off: start smtp-debug with --starttls, or send without encryption",
        )
    }

    /// Challenge of a mechanism, in base64 (RFC 4954 4).
    pub(super) fn challenge(text: &str) -> Reply {
        Reply::plain(334, auth::encode(text))
    }

    pub(super) fn logged_in() -> Reply {
        Reply::new(
            235,
            (2, 7, 0),
            "Authentication successful: all credentials are accepted",
        )
    }

    pub(super) fn login_cancelled() -> Reply {
        Reply::new(501, (5, 7, 0), "Authentication cancelled")
    }

    pub(super) fn malformed_login() -> Reply {
        Reply::new(
            501,
            (5, 5, 2),
            "Cannot decode this answer: it is not valid base64 of this mechanism",
        )
    }

    pub(super) fn chunk_received(bytes: u64) -> Reply {
        Reply::new(250, (2, 0, 0), format!("{bytes} bytes received"))
    }

    /// Reply of an injected fault.
    pub(super) fn injected_fault(code: u16) -> Reply {
        let class = if code < 500 { 4 } else { 5 };
        Reply::new(code, (class, 0, 0), "Requested by --fail")
    }

    pub(super) fn sender_ok() -> Reply {
        Reply::new(250, (2, 1, 0), "Sender OK")
    }

    pub(super) fn recipient_ok() -> Reply {
        Reply::new(250, (2, 1, 5), "Recipient OK")
    }

    pub(super) fn start_data() -> Reply {
        Reply::plain(354, "End data with <CR><LF>.<CR><LF>")
    }

    pub(super) fn stored(id: &MessageId) -> Reply {
        Reply::new(250, (2, 0, 0), format!("OK: stored as {id}"))
    }

    pub(super) fn reset() -> Reply {
        Reply::new(250, (2, 0, 0), "OK, reset")
    }

    pub(super) fn noop() -> Reply {
        Reply::new(250, (2, 0, 0), "OK")
    }

    pub(super) fn cannot_verify() -> Reply {
        Reply::new(
            252,
            (2, 5, 0),
            "Not verified, but mail to it will be accepted",
        )
    }

    pub(super) fn help(starttls: bool) -> Reply {
        let commands = if starttls {
            "EHLO HELO LHLO STARTTLS AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT"
        } else {
            "EHLO HELO LHLO AUTH MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT"
        };
        Reply {
            more: vec!["Messages are kept for inspection and never delivered".into()],
            ..Reply::new(214, (2, 0, 0), commands)
        }
    }

    pub(super) fn bye() -> Reply {
        Reply::new(221, (2, 0, 0), "Bye")
    }

    pub(super) fn line_too_long(limit: usize) -> Reply {
        Reply::new(
            500,
            (5, 5, 2),
            format!("Line too long: a command has at most {limit} bytes"),
        )
    }

    pub(super) fn http() -> Reply {
        Reply::new(
            421,
            (4, 7, 0),
            "This is SMTP, not HTTP, closing the connection",
        )
    }

    pub(super) fn header() -> Reply {
        Reply::new(
            421,
            (4, 7, 0),
            "A header where a command is expected, closing the connection",
        )
    }

    pub(super) fn not_smtp() -> Reply {
        Reply::new(
            421,
            (4, 7, 0),
            "This is SMTP: no command was recognized, closing the connection",
        )
    }

    pub(super) fn opening_too_long(limit: usize) -> Reply {
        Reply::new(
            421,
            (4, 7, 0),
            format!("Line too long before EHLO: at most {limit} bytes, closing the connection"),
        )
    }

    pub(super) fn out_of_order(hint: &'static str) -> Reply {
        Reply::new(503, (5, 5, 1), format!("Bad sequence of commands: {hint}"))
    }

    pub(super) fn too_many_recipients(limit: usize) -> Reply {
        Reply::new(
            452,
            (4, 5, 3),
            format!("Too many recipients: a message has at most {limit}"),
        )
    }

    pub(super) fn message_too_large(limit: u64) -> Reply {
        Reply::new(
            552,
            (5, 3, 4),
            format!("Message too large: at most {limit} bytes are accepted"),
        )
    }

    pub(super) fn needs_smtputf8() -> Reply {
        Reply::new(
            553,
            (5, 6, 7),
            "An address beyond ASCII needs SMTPUTF8 on MAIL FROM",
        )
    }

    pub(super) fn too_many_errors(host: &str) -> Reply {
        Reply::new(
            421,
            (4, 7, 0),
            format!("{host} Too many bad commands, closing the connection"),
        )
    }

    pub(super) fn too_much_pipelined(host: &str) -> Reply {
        Reply::new(
            421,
            (4, 3, 0),
            format!("{host} Too much sent ahead of the replies, closing the connection"),
        )
    }

    pub(super) fn no_memory(host: &str) -> Reply {
        Reply::new(
            421,
            (4, 3, 1),
            format!("{host} Not enough memory for this session, try again later"),
        )
    }

    pub(super) fn idle_too_long(host: &str) -> Reply {
        Reply::new(
            421,
            (4, 4, 2),
            format!("{host} Idle for too long, closing the connection"),
        )
    }

    pub(super) fn too_many_sessions(host: &str) -> Reply {
        Reply::new(
            421,
            (4, 3, 2),
            format!("{host} Too many connections at once, try again later"),
        )
    }

    pub(super) fn shutting_down(host: &str) -> Reply {
        Reply::new(
            421,
            (4, 3, 2),
            format!("{host} Shutting down, closing the connection"),
        )
    }

    pub(super) fn refused(refusal: &Refusal, limit: u64) -> Reply {
        match refusal {
            Refusal::TooLarge => Reply::message_too_large(limit),
            Refusal::Unavailable(reason) => Reply::new(
                451,
                (4, 3, 0),
                format!("Not stored, try again: {}", printable(reason)),
            ),
        }
    }
}

impl From<&SyntaxError> for Reply {
    fn from(error: &SyntaxError) -> Reply {
        match error {
            SyntaxError::Unknown(verb) => Reply::new(
                500,
                (5, 5, 1),
                format!("Command not recognized: {}", printable(verb)),
            ),
            SyntaxError::NotImplemented(verb) => {
                Reply::new(502, (5, 5, 1), format!("{verb} is not implemented here"))
            }
            SyntaxError::Form(form) => Reply::new(501, (5, 5, 4), format!("Syntax: {form}")),
            SyntaxError::NotText => Reply::new(
                500,
                (5, 5, 2),
                "Syntax error: control characters, or bytes that are not UTF-8",
            ),
            SyntaxError::Address(Role::Sender) => {
                Reply::new(553, (5, 1, 7), "Not an address: write <local@domain> or <>")
            }
            SyntaxError::Address(Role::Recipient) => {
                Reply::new(553, (5, 1, 3), "Not an address: write <local@domain>")
            }
            SyntaxError::ParameterValue(typed) => Reply::new(
                501,
                (5, 5, 4),
                format!("Wrong parameter: {}", printable(typed)),
            ),
            SyntaxError::RepeatedParameter(keyword) => {
                Reply::new(501, (5, 5, 4), format!("Parameter given twice: {keyword}"))
            }
            SyntaxError::UnknownMechanism(name) => Reply::new(
                504,
                (5, 5, 4),
                format!("No such mechanism: {}", printable(name)),
            ),
            SyntaxError::UnknownParameter(keyword) => Reply::new(
                555,
                (5, 5, 4),
                format!("Parameter not recognized: {}", printable(keyword)),
            ),
        }
    }
}

/// Returns text from the client as printable ASCII, shortened: a reply line has at most 512 bytes (RFC 5321 4.5.3.1.5).
fn printable(text: &str) -> String {
    text.chars()
        .map(|char| {
            if char == ' ' || char.is_ascii_graphic() {
                char
            } else {
                '?'
            }
        })
        .take(100)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_a_reply_has_the_codes() {
        let mut out = Vec::new();
        Reply::help(true).write_to(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("214-2.0.0 EHLO"), "{text}");
        assert!(text.contains("\r\n214 2.0.0 Messages"), "{text}");
        assert!(text.ends_with("\r\n"));
    }

    #[test]
    fn a_repeated_parameter_is_named_as_given_twice() {
        let reply = Reply::from(&SyntaxError::RepeatedParameter("SMTPUTF8"));
        let lines: Vec<_> = reply.lines().collect();
        assert_eq!(lines, ["501 5.5.4 Parameter given twice: SMTPUTF8"]);
    }

    #[test]
    fn text_from_the_client_is_shortened_and_printable() {
        let reply = Reply::from(&SyntaxError::Unknown("é".repeat(5000)));
        assert!(
            reply
                .lines()
                .all(|line| line.len() < 510 && line.is_ascii())
        );
    }
}
