//! What people want to see of a message: headers decoded, parts, addresses. All derived from the kept bytes.
//!
//! Derived, never stored in their stead: where the parser finds nothing, or fails, the message is flagged and its
//! bytes are shown as text. The small [`Digest`] is cached with the message; the rest is read again when asked
//! for, since a cached copy of every body would double the memory.

mod headers;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;
use mail_parser::{
    Address, HeaderValue, Message, MessageParser, MessagePart, MimeHeaders, PartType,
};

pub use headers::{HeaderLines, RawPart, header_lines, headers, raw_parts};

use super::html;
use super::received::ReceivedMessage;
use super::search::add_searchable;

/// Messages within messages that are read.
const DEEPEST: usize = 1_000;

/// Bytes of visible text in a snippet.
const SNIPPET: usize = 200;

/// Addresses that are read from one header. More than any server takes as recipients; without an end, a header of
/// nothing but commas would grow to fifty times its length.
pub(super) const MOST_ADDRESSES: usize = 10_000;

/// A name and an address; either may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name.
    pub name: String,
    /// The address.
    pub address: String,
}

/// What a list shows of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digest {
    /// False where the parser could make nothing of the message.
    pub is_parsed: bool,
    /// The Message-ID without its angle brackets.
    pub message_id: String,
    /// The first address of From.
    pub from: Mailbox,
    /// The addresses of To.
    pub to: Vec<Mailbox>,
    /// The addresses of Cc.
    pub cc: Vec<Mailbox>,
    /// The addresses of Bcc, and the envelope's recipients that no header names.
    pub bcc: Vec<Mailbox>,
    /// The latter alone.
    pub hidden: Vec<String>,
    /// The addresses of Reply-To.
    pub reply_to: Vec<Mailbox>,
    /// The subject, decoded.
    pub subject: String,
    /// How many attachments there are.
    pub attachments: usize,
    /// How many parts belong into the HTML.
    pub inlines: usize,
    /// The beginning of the visible text.
    pub snippet: String,
}

/// What the view of one message shows beside its [`Digest`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// The Date header where it is one, in RFC 3339.
    pub date: Option<String>,
    /// The List-Unsubscribe header, unfolded.
    pub list_unsubscribe: String,
    /// The List-Unsubscribe-Post header, unfolded.
    pub list_unsubscribe_post: String,
    /// The text part; that of the HTML where there is none.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// Parts that belong into the HTML.
    pub inline: Vec<Attachment>,
    /// Parts that stand beside it.
    pub attachments: Vec<Attachment>,
}

/// One part with a name of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its number among the message's parts.
    pub part_id: String,
    /// Its file name, else its Content-ID.
    pub file_name: String,
    /// Its type, such as `image/png`.
    pub content_type: String,
    /// Its Content-ID without angle brackets.
    pub content_id: String,
    /// Its bytes, decoded.
    pub bytes: Vec<u8>,
}

/// Derives what a list shows.
pub fn digest(message: &ReceivedMessage) -> Digest {
    let mut digest = guarded(&message.source, digest_of).unwrap_or_else(|| Digest {
        snippet: snippet(&String::from_utf8_lossy(
            &message.source[..message.source.len().min(4 * SNIPPET)],
        )),
        ..Digest::default()
    });
    add_hidden_recipients(&mut digest, message);
    digest
}

pub(super) fn digest_of(parsed: &Message<'_>) -> Digest {
    let (text, html) = bodies(parsed);
    let visible = match html.is_empty() {
        true => text,
        false => html::read(&html).text,
    };
    let (mut attachments, mut inlines) = (0, 0);
    for (_, part) in named_parts(parsed) {
        match is_inline(part) {
            true => inlines += 1,
            false => attachments += 1,
        }
    }
    Digest {
        is_parsed: true,
        message_id: parsed.message_id().unwrap_or_default().to_owned(),
        from: mailboxes(parsed.from())
            .into_iter()
            .next()
            .unwrap_or_default(),
        to: mailboxes(parsed.to()),
        cc: mailboxes(parsed.cc()),
        bcc: mailboxes(parsed.bcc()),
        hidden: Vec::new(),
        reply_to: mailboxes(parsed.reply_to()),
        subject: parsed.subject().unwrap_or_default().to_owned(),
        attachments,
        inlines,
        snippet: snippet(&visible),
    }
}

/// Derives what words are looked for in: addresses, subject, visible text, names of files.
pub fn searchable(message: &ReceivedMessage) -> String {
    let digest = message.digest();
    let mut text = String::with_capacity(message.source.len());
    let lists = [&digest.to, &digest.cc, &digest.bcc, &digest.reply_to];
    for mailbox in std::iter::once(&digest.from).chain(lists.into_iter().flatten()) {
        add_searchable(&mut text, &mailbox.name);
        add_searchable(&mut text, &mailbox.address);
    }
    add_searchable(&mut text, &digest.subject);
    add_searchable(&mut text, &message.envelope.sender);
    let read = guarded(&message.source, |parsed| {
        let (plain, html) = bodies(parsed);
        match html.is_empty() {
            true => add_searchable(&mut text, &plain),
            false => add_searchable(&mut text, &html::read(&html).text),
        }
        for (_, part) in named_parts(parsed) {
            let name = part.attachment_name().or(part.content_id());
            add_searchable(&mut text, name.unwrap_or_default());
        }
    });
    if read.is_none() {
        add_searchable(&mut text, &String::from_utf8_lossy(&message.source));
    }
    text
}

/// Derives the rest.
pub fn content(message: &ReceivedMessage) -> Content {
    guarded(&message.source, content_of).unwrap_or_else(|| Content {
        text: String::from_utf8_lossy(&message.source).into_owned(),
        ..Content::default()
    })
}

pub(super) fn content_of(parsed: &Message<'_>) -> Content {
    let (text, html) = bodies(parsed);
    let text = match text.is_empty() && !html.is_empty() {
        true => html::read(&html).text,
        false => text,
    };
    let (inline, attachments) = named_parts(parsed)
        .map(|(number, part)| (is_inline(part), attachment(number, part)))
        .partition::<Vec<_>, _>(|(inline, _)| *inline);
    let strip = |parts: Vec<(bool, Attachment)>| parts.into_iter().map(|(_, part)| part).collect();
    Content {
        date: parsed
            .date()
            .map(|date| date.to_rfc3339())
            // The parser takes the 31st of February; whoever reads the JSON would not.
            .filter(|date| date.parse::<Timestamp>().is_ok()),
        list_unsubscribe: unfolded(parsed, "List-Unsubscribe"),
        list_unsubscribe_post: unfolded(parsed, "List-Unsubscribe-Post"),
        text,
        html,
        inline: strip(inline),
        attachments: strip(attachments),
    }
}

/// One part, whether or not it has a name.
pub fn part(message: &ReceivedMessage, part_id: &str) -> Option<Attachment> {
    let number: usize = part_id.parse().ok()?;
    guarded(&message.source, |parsed| {
        let part = parsed.parts.get(number)?;
        (!part.is_multipart()).then(|| attachment(number, part))
    })
    .flatten()
}

/// Runs on the parsed message; `None` where there is no header to be found, or the parser breaks on it.
fn guarded<T>(source: &[u8], derive: impl FnOnce(&Message<'_>) -> T) -> Option<T> {
    if is_too_deep(source) {
        return None;
    }
    // The message that breaks a parser is the one its author needs to see, and no reason to lose a connection.
    catch_unwind(AssertUnwindSafe(|| {
        MessageParser::default()
            .parse(source)
            .map(|parsed| derive(&parsed))
    }))
    .ok()
    .flatten()
}

/// Whether messages within messages may be so deep that the parser's own tree can't be taken apart again: it does so by
/// calling itself, and from some tens of thousands on there is no stack left, which nothing can catch. Each of them names its
/// type in a header, so counting those is enough.
pub(super) fn is_too_deep(source: &[u8]) -> bool {
    // Most messages are too short for it.
    if source.len() < 20 * DEEPEST {
        return false;
    }
    let names_nested = |word: &&[u8]| {
        let nested: [&[u8]; 3] = [b"rfc822", b"global", b"digest"];
        nested.iter().any(|name| word.eq_ignore_ascii_case(name))
    };
    source
        .windows(6)
        .filter(names_nested)
        .nth(DEEPEST)
        .is_some()
}

/// The text and the HTML that a reader would see; several parts of a kind follow each other.
fn bodies(parsed: &Message<'_>) -> (String, String) {
    let (mut text, mut html) = (String::new(), String::new());
    for part in parsed.text_bodies() {
        if let PartType::Text(body) = &part.body {
            push_body(&mut text, body);
        }
    }
    for part in parsed.html_bodies() {
        if let PartType::Html(body) = &part.body {
            push_body(&mut html, body);
        }
    }
    if text.is_empty() && html.is_empty() {
        // The parser counts the text of a damaged message, such as a multipart that nothing closes, as attached.
        for part in parsed.attachments().filter(|part| !is_named(part)) {
            match &part.body {
                PartType::Text(body) => push_body(&mut text, body),
                PartType::Html(body) => push_body(&mut html, body),
                PartType::Binary(bytes) if is_called_multipart(part) => {
                    push_body(&mut text, &String::from_utf8_lossy(bytes));
                }
                _ => {}
            }
        }
    }
    (text, html)
}

fn is_named(part: &MessagePart<'_>) -> bool {
    part.attachment_name().is_some() || part.content_id().is_some()
}

fn is_called_multipart(part: &MessagePart<'_>) -> bool {
    let kind = part.content_type();
    kind.is_some_and(|kind| kind.ctype().eq_ignore_ascii_case("multipart"))
}

fn push_body(all: &mut String, body: &str) {
    if !all.is_empty() {
        all.push('\n');
    }
    all.push_str(body);
}

fn mailboxes(address: Option<&Address<'_>>) -> Vec<Mailbox> {
    let own = |text: Option<&str>| text.unwrap_or_default().to_owned();
    address
        .into_iter()
        .flat_map(Address::iter)
        .take(MOST_ADDRESSES)
        .map(|one| Mailbox {
            name: own(one.name()),
            address: own(one.address()),
        })
        .collect()
}

fn add_hidden_recipients(digest: &mut Digest, message: &ReceivedMessage) {
    for recipient in &message.envelope.recipients {
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

/// Parts with a file name or a Content-ID, with their numbers; the bodies are not among them.
fn named_parts<'a, 'x>(
    parsed: &'a Message<'x>,
) -> impl Iterator<Item = (usize, &'a MessagePart<'x>)> {
    // A set: a message may have a hundred thousand parts, and as many bodies.
    let bodies: HashSet<usize> = parsed
        .text_body
        .iter()
        .chain(&parsed.html_body)
        .map(|&body| body as usize)
        .collect();
    let parts = parsed.parts.iter().enumerate().skip(1);
    parts.filter(move |(number, part)| {
        let is_shown =
            part.attachment_name().is_none() && part.is_text() && bodies.contains(number);
        is_named(part) && !part.is_multipart() && !is_shown
    })
}

fn is_inline(part: &MessagePart<'_>) -> bool {
    match part.content_disposition() {
        Some(disposition) => disposition.is_inline(),
        None => part.content_id().is_some(),
    }
}

fn attachment(number: usize, part: &MessagePart<'_>) -> Attachment {
    let content_id = part.content_id().unwrap_or_default().to_owned();
    Attachment {
        part_id: number.to_string(),
        file_name: part
            .attachment_name()
            .map_or_else(|| content_id.clone(), str::to_owned),
        content_type: match part.content_type() {
            Some(kind) => match kind.subtype() {
                Some(subtype) => format!("{}/{subtype}", kind.ctype()),
                None => kind.ctype().to_owned(),
            },
            None => "application/octet-stream".to_owned(),
        },
        content_id,
        bytes: part.contents().to_vec(),
    }
}

fn unfolded(parsed: &Message<'_>, name: &'static str) -> String {
    let values = parsed.header_as(name, mail_parser::HeaderForm::Raw);
    match values.into_iter().next() {
        Some(HeaderValue::Text(text)) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        _ => String::new(),
    }
}

fn snippet(visible: &str) -> String {
    let mut short = String::with_capacity(SNIPPET + 3);
    for word in visible.split_whitespace() {
        if !short.is_empty() {
            short.push(' ');
        }
        let mut room = (SNIPPET - short.len().min(SNIPPET)).min(word.len());
        while !word.is_char_boundary(room) {
            room -= 1;
        }
        short.push_str(&word[..room]);
        if room < word.len() {
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
    use crate::sink::inbox::tests::kept;

    #[test]
    fn a_message_is_read_with_its_parts() {
        let source = concat!(
            "From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>\r\nTo: Ann <ann@example.com>\r\n",
            "Subject: =?utf-8?b?SGVsbG8gd8O2cmxk?=\r\nMessage-ID: <1@example.com>\r\n",
            "Date: Tue, 24 Nov 2026 01:02:03 +0200\r\nList-Unsubscribe: <https://x.example/u>,\r\n <mailto:u@x.example>\r\n",
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n",
            "--m\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
            "<p>Open https://a.example/=\r\nlong</p>\r\n",
            "--m\r\nContent-Type: text/csv; name=a.csv\r\nContent-Disposition: attachment; filename=a.csv\r\n\r\na,b\r\n",
            "--m\r\nContent-Type: image/png\r\nContent-ID: <pic>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBO\r\n--m--\r\n",
        );
        let message = kept(
            source.as_bytes(),
            "bounce@example.com",
            &["ANN@example.com", "hidden@example.com"],
        );
        let digest = message.digest();
        assert!(digest.is_parsed);
        assert_eq!(
            digest.from,
            Mailbox {
                name: "Jürgen".into(),
                address: "j@example.com".into()
            }
        );
        assert_eq!(
            digest.bcc,
            [Mailbox {
                name: String::new(),
                address: "hidden@example.com".into()
            }]
        );
        assert_eq!(
            (digest.subject.as_str(), digest.message_id.as_str()),
            ("Hello wörld", "1@example.com")
        );
        assert_eq!(
            (digest.attachments, digest.snippet.as_str()),
            (1, "Open https://a.example/long")
        );
        let content = content(&message);
        assert_eq!(content.date.as_deref(), Some("2026-11-24T01:02:03+02:00"));
        assert_eq!(
            content.list_unsubscribe,
            "<https://x.example/u>, <mailto:u@x.example>"
        );
        assert_eq!(content.text, "Open https://a.example/long");
        assert_eq!(
            (
                content.attachments[0].file_name.as_str(),
                &content.attachments[0].bytes[..]
            ),
            ("a.csv", &b"a,b"[..])
        );
        assert_eq!(
            (
                content.inline[0].file_name.as_str(),
                content.inline[0].content_type.as_str()
            ),
            ("pic", "image/png")
        );
    }

    #[test]
    fn messages_within_messages_without_an_end_are_shown_and_flagged() {
        for kind in ["message/rfc822", "Message/RFC822", "message/global"] {
            let nested = |times| {
                let source = format!("Content-Type: {kind}\r\n\r\n").repeat(times);
                kept(source.as_bytes(), "a@b", &["c@d"])
            };
            assert!(nested(500).digest().is_parsed);
            let deepest = nested(60_000);
            assert!(!deepest.digest().is_parsed);
            content(&deepest);
            searchable(&deepest);
        }
    }

    #[test]
    fn a_message_no_parser_likes_is_shown_and_flagged() {
        for source in [
            &b""[..],
            b"\xff\xfe\x00",
            b"no header at all",
            b"\r\n\r\n.\r\n",
        ] {
            let message = kept(source, "a@b", &["c@d"]);
            assert_eq!(message.digest().bcc[0].address, "c@d");
            content(&message);
        }
        let message = kept(b"", "a@b", &[]);
        assert!(!message.digest().is_parsed);
    }

    #[test]
    fn a_snippet_is_cut_between_characters() {
        assert_eq!(snippet(" a \r\n b "), "a b");
        let cut = snippet(&"é".repeat(150));
        assert_eq!(cut, format!("{}...", "é".repeat(100)));
        assert_eq!(snippet(&"word ".repeat(100)).len(), 202);
    }
}
