//! Parsed message, for programs that check what was sent.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use crate::content::{self, Attachment, Mailbox};
use crate::extract;
use crate::mime::text::decode_words;
use crate::received::ReceivedMessage;
use crate::session::{Envelope, MessageId};

/// Maximum number of header fields that are returned. Each takes many times the memory of a tiny field.
const MAX_FIELDS: usize = 10_000;

/// Maximum length of a text that `Debug` shows, in bytes.
const MAX_DEBUG_TEXT: usize = 200;

/// Parsed message. Texts are decoded; the bytes are in [`Message::source`].
///
/// A defect of the message is never an error. What cannot be parsed is empty or shown as it is, and listed in
/// [`Message::warnings`]. `Debug` shows the length of a long text and of bytes in place of their content.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Id in the inbox, unique for each stored message. It is not the header Message-ID.
    pub id: MessageId,
    /// Time at which the last byte of the message arrived.
    pub received_at: SystemTime,
    /// Sender and recipients of the SMTP transaction; the headers may name others.
    pub envelope: Envelope,
    /// First address of From; empty if there is none.
    pub from: Mailbox,
    /// Addresses of To.
    pub to: Vec<Mailbox>,
    /// Addresses of Cc.
    pub cc: Vec<Mailbox>,
    /// Addresses of Bcc, and recipients of the SMTP transaction that no header names.
    pub bcc: Vec<Mailbox>,
    /// Addresses of Reply-To.
    pub reply_to: Vec<Mailbox>,
    /// Decoded subject.
    pub subject: String,
    /// Text part; without one, the visible text of the HTML.
    pub text: String,
    /// HTML part; empty if there is none.
    pub html: String,
    /// Links with the scheme `http` or `https`, in order and without repeats; see [`extract`].
    pub links: Vec<String>,
    /// Secrets in links that reset, verify, confirm, invite or log in, with at least 16 characters, and JWTs anywhere.
    pub tokens: Vec<String>,
    /// One-time codes, such as `493817`.
    pub codes: Vec<String>,
    /// Files, without those in [`Message::inline`].
    pub attachments: Vec<Attachment>,
    /// Files that belong to the HTML, such as pictures.
    pub inline: Vec<Attachment>,
    /// Header fields in order, with their values unfolded and decoded (RFC 2047). At most 10,000.
    pub headers: Vec<(String, String)>,
    /// Defects of the message, and deviations from the standards in the SMTP session, each as a line of text.
    pub warnings: Vec<String>,
    /// Bytes as the client sent them, with dot-stuffing undone (RFC 5321 4.5.2).
    pub source: Bytes,
    main_link: Option<String>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id.0)
            .field("received_at", &self.received_at)
            .field("envelope", &self.envelope)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("cc", &self.cc)
            .field("bcc", &self.bcc)
            .field("reply_to", &self.reply_to)
            .field("subject", &Abbreviated(&self.subject))
            .field("text", &Abbreviated(&self.text))
            .field("html", &Abbreviated(&self.html))
            .field("links", &self.links)
            .field("tokens", &self.tokens)
            .field("codes", &self.codes)
            .field("attachments", &self.attachments)
            .field("inline", &self.inline)
            .field("headers", &format_args!("{} fields", self.headers.len()))
            .field("warnings", &self.warnings)
            .field("source", &format_args!("{} bytes", self.source.len()))
            .finish()
    }
}

/// Text in the output of `Debug`: a long one is replaced by its length.
struct Abbreviated<'a>(&'a str);

impl fmt::Debug for Abbreviated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() <= MAX_DEBUG_TEXT {
            fmt::Debug::fmt(self.0, f)
        } else {
            write!(f, "{} bytes", self.0.len())
        }
    }
}

impl Message {
    /// Returns the value of the first header field with this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the link that the message was probably sent for: the first with a token, else the first with a word such as
    /// `confirm`, else the first.
    pub fn main_link(&self) -> Option<&str> {
        self.main_link.as_deref()
    }
}

impl From<&ReceivedMessage> for Message {
    fn from(stored: &ReceivedMessage) -> Message {
        let digest = stored.digest().into_owned();
        let content = stored.content();
        let found = extract::from_content(&content);
        let headers = content::parse_guarded(&stored.source, |parsed| {
            let fields = parsed.fields().take(MAX_FIELDS);
            let decoded = fields.map(|field| {
                let value = decode_words(&field.unfolded());
                (field.name.to_owned(), value.trim().to_owned())
            });
            decoded.collect()
        });
        Message {
            id: stored.id.clone(),
            received_at: stored.received_at.into(),
            envelope: stored.envelope.clone(),
            from: digest.from,
            to: digest.to,
            cc: digest.cc,
            bcc: digest.bcc,
            reply_to: digest.reply_to,
            subject: digest.subject,
            text: content.text,
            html: content.html,
            main_link: found.main_link().cloned(),
            links: found.links,
            tokens: found.tokens,
            codes: found.codes,
            attachments: content.attachments,
            inline: content.inline,
            headers: headers.unwrap_or_default(),
            warnings: stored.warnings(),
            source: stored.source.clone(),
        }
    }
}
