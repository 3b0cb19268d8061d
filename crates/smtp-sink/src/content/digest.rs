//! Summary of a message for lists and searches.

use super::bodies::{files, is_inline, visible_text};
use super::fields::FirstFields;
use super::guard::parse_guarded;
use super::mailbox::Mailbox;
use crate::mime::Message;
use crate::session::Envelope;

/// Maximum length of a snippet, in bytes.
const MAX_SNIPPET: usize = 200;

/// Summary of a message in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Digest {
    /// False for a message without header fields.
    pub is_parsed: bool,
    /// Message-ID without its angle brackets.
    pub message_id: String,
    /// First address of From.
    pub from: Mailbox,
    /// Addresses of To.
    pub to: Vec<Mailbox>,
    /// Addresses of Cc.
    pub cc: Vec<Mailbox>,
    /// Addresses of Bcc, and recipients of the envelope that no header names.
    pub bcc: Vec<Mailbox>,
    /// Recipients of the envelope that no header names.
    pub hidden: Vec<String>,
    /// Addresses of Reply-To.
    pub reply_to: Vec<Mailbox>,
    /// Decoded subject.
    pub subject: String,
    /// Number of attachments.
    pub attachments: usize,
    /// Number of parts that belong to the HTML.
    pub inlines: usize,
    /// Beginning of the visible text.
    pub snippet: String,
}

impl Digest {
    /// Returns the memory of the digest, in bytes.
    pub(crate) fn size(&self) -> usize {
        // Smallest block of an allocator, rounded up.
        const STRING: usize = 32;
        let mailboxes = [&self.to, &self.cc, &self.bcc, &self.reply_to];
        let names = |one: &Mailbox| one.name.len() + one.address.len() + 2 * STRING;
        let mailboxes: usize = mailboxes
            .into_iter()
            .map(|list| {
                size_of::<Mailbox>() * list.capacity() + list.iter().map(names).sum::<usize>()
            })
            .sum();
        let hidden: usize = self.hidden.iter().map(|one| one.len() + 2 * STRING).sum();
        let texts = self.message_id.len() + self.subject.len() + self.snippet.len();
        size_of::<Digest>() + names(&self.from) + mailboxes + hidden + texts + 3 * STRING
    }
}

/// Derives the summary of a message.
pub fn read_digest(source: &[u8], envelope: &Envelope) -> Digest {
    let mut digest = parse_guarded(source, digest_of).unwrap_or_else(|| Digest {
        snippet: snippet(&String::from_utf8_lossy(
            &source[..source.len().min(4 * MAX_SNIPPET)],
        )),
        ..Digest::default()
    });
    add_hidden_recipients(&mut digest, envelope);
    digest
}

pub(crate) fn digest_of(parsed: &Message<'_>) -> Digest {
    let (mut attachments, mut inlines) = (0, 0);
    for (_, part) in files(parsed) {
        if is_inline(part) {
            inlines += 1;
        } else {
            attachments += 1;
        }
    }
    let header = FirstFields::new(parsed);
    Digest {
        is_parsed: parsed.fields().next().is_some(),
        message_id: header.message_id(),
        from: header
            .mailboxes("From")
            .into_iter()
            .next()
            .unwrap_or_default(),
        to: header.mailboxes("To"),
        cc: header.mailboxes("Cc"),
        bcc: header.mailboxes("Bcc"),
        hidden: Vec::new(),
        reply_to: header.mailboxes("Reply-To"),
        subject: header.text("Subject"),
        attachments,
        inlines,
        snippet: snippet(&visible_text(parsed)),
    }
}

fn add_hidden_recipients(digest: &mut Digest, envelope: &Envelope) {
    for recipient in &envelope.recipients {
        let is_named = [&digest.to, &digest.cc, &digest.bcc]
            .into_iter()
            .flatten()
            .any(|named| named.address.eq_ignore_ascii_case(&recipient.address));
        if !is_named {
            digest.hidden.push(recipient.address.clone());
            digest.bcc.push(Mailbox {
                name: String::new(),
                address: recipient.address.clone(),
            });
        }
    }
}

fn snippet(visible: &str) -> String {
    let mut short = String::with_capacity(MAX_SNIPPET + 3);
    for word in visible.split_whitespace() {
        if !short.is_empty() {
            short.push(' ');
        }
        let free = MAX_SNIPPET - short.len().min(MAX_SNIPPET);
        let end = word.floor_char_boundary(free);
        short.push_str(&word[..end]);
        if end < word.len() {
            short.truncate(short.trim_end().len());
            short.push_str("...");
            return short;
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_cut_between_characters() {
        assert_eq!(snippet(" a \r\n b "), "a b");
        let cut = snippet(&"é".repeat(150));
        assert_eq!(cut, format!("{}...", "é".repeat(100)));
        assert_eq!(snippet(&"word ".repeat(100)).len(), 202);
    }
}
