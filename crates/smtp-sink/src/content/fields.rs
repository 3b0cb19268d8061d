//! Header fields as values: text, addresses, dates. Each reads a limited number of bytes.

use std::borrow::Cow;

use jiff::Timestamp;
use mail_parser::{Address, DateTime, HeaderValue, parsers::MessageStream};

use super::mailbox::Mailbox;
use crate::mime::fields::{Field, Fields, unfolded};
use crate::mime::{Message, text};

/// Maximum number of addresses read from one header field. Above the number of recipients that servers accept. Without a limit,
/// a field of commas would grow to fifty times its length.
pub(crate) const MAX_ADDRESSES: usize = 10_000;

/// Maximum length of a header field that is read as addresses, in bytes. Reading it takes up to fifty times as much memory.
const MAX_ADDRESS_FIELD: usize = 256 * 1024;

/// Maximum length of a header field that is read as text, in bytes. No mail program writes longer ones.
const MAX_FIELD: usize = 64 * 1024;

/// Access to the first field of each name. A map of all fields could take many times the memory of the message.
pub(super) struct FirstFields<'x> {
    fields: Fields<'x>,
}

impl<'x> FirstFields<'x> {
    pub(super) fn new(parsed: &Message<'x>) -> FirstFields<'x> {
        FirstFields {
            fields: parsed.fields(),
        }
    }

    /// Returns Message-ID without its angle brackets.
    pub(super) fn message_id(&self) -> String {
        self.get("Message-ID").map(message_id).unwrap_or_default()
    }

    /// Returns Date in RFC 3339, if it is valid.
    pub(super) fn date(&self) -> Option<String> {
        self.get("Date").and_then(date)
    }

    fn get(&self, name: &str) -> Option<Field<'x>> {
        self.fields.clone().find(|field| field.is(name))
    }

    pub(super) fn unfolded(&self, name: &str) -> String {
        let line = self.get(name).map(line_of);
        let line = line.unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(super) fn text(&self, name: &str) -> String {
        let line = self.get(name).map(line_of);
        let decoded = text::decode_words(&line.unwrap_or_default());
        decoded.trim().to_owned()
    }

    pub(super) fn mailboxes(&self, name: &str) -> Vec<Mailbox> {
        self.get(name).map(mailboxes).unwrap_or_default()
    }
}

/// Returns the beginning of a field's value, unfolded.
fn line_of<'x>(field: Field<'x>) -> Cow<'x, str> {
    unfolded(&field.value[..field.value.len().min(MAX_FIELD)])
}

fn message_id(field: Field<'_>) -> String {
    let line = line_of(field);
    let inner = match line.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => &*line,
    };
    inner.trim().to_owned()
}

fn date(field: Field<'_>) -> Option<String> {
    let date = DateTime::parse_rfc822(&format!("{}\n", line_of(field)))?.to_rfc3339();
    // The parser accepts the 31st of February; clients that read the JSON do not.
    date.parse::<Timestamp>().is_ok().then_some(date)
}

fn mailboxes(field: Field<'_>) -> Vec<Mailbox> {
    let value = &field.value[..field.value.len().min(MAX_ADDRESS_FIELD)];
    let line = format!("{}\n", unfolded(value));
    let read = MessageStream::new(line.as_bytes()).parse_address();
    let HeaderValue::Address(address) = &read else {
        return Vec::new();
    };
    let own = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Address::iter(address)
        .take(MAX_ADDRESSES)
        .map(|one| Mailbox {
            name: own(one.name()),
            address: own(one.address()),
        })
        .collect()
}
