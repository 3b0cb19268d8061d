//! Content of a message as people and programs see it: decoded headers, text, HTML, attachments. All of it is derived from the
//! stored bytes.
//!
//! Derived data never replaces the bytes: where nothing can be read, the message is flagged and its bytes are shown as text.
//! A small [`Digest`] is cached with the message; the rest is read again when it is asked for, since a cached copy of every
//! body would double the memory.

mod headers;

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use jiff::Timestamp;
use mail_parser::{Address, DateTime, HeaderValue, parsers::MessageStream};

pub use headers::{HeaderLines, RawPart, header_lines, headers, part_headers, raw_parts};

use super::html;
use super::mime::fields::{Field, Fields, unfolded};
use super::mime::{Defect, Message, Part, text};
use super::received::ReceivedMessage;
use super::search::add_searchable;

/// Bytes of visible text in a snippet.
const SNIPPET: usize = 200;

/// Addresses that are read from one header field. More than any server takes as recipients; without a limit, a field of
/// nothing but commas would grow to fifty times its length.
pub(super) const MOST_ADDRESSES: usize = 10_000;

/// Bytes of a header field that are read as addresses. Reading them takes up to fifty times as much memory.
const LONGEST_ADDRESSES: usize = 256 * 1024;

/// Bytes of a header field that are read as text. No mail program writes longer ones.
const LONGEST_FIELD: usize = 64 * 1024;

/// Characters of a subtype that are taken as the ending of a file name.
const LONGEST_ENDING: usize = 8;

/// Defects that are named as warnings.
const MOST_WARNINGS: usize = 20;

/// Fields of which a message has one; of several the first is shown, as other mail programs do.
const SINGLE: [&str; 11] = [
    "From",
    "To",
    "Cc",
    "Bcc",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

/// A name and an address; either may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// The display name.
    pub name: String,
    /// The address.
    pub address: String,
}

/// Summary of a message in a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digest {
    /// False where the message has no header field.
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

impl Digest {
    /// Bytes that it takes in memory.
    pub fn size(&self) -> usize {
        // The smallest piece of memory that an allocator hands out, rounded up.
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

/// Content of a message beside its [`Digest`].
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

/// A part that is handed out as a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Number among the message's parts, such as `2.1`.
    pub part_id: String,
    /// File name, else Content-ID, else a name made of number and type.
    pub file_name: String,
    /// Type such as `image/png`, in lower case.
    pub content_type: String,
    /// Charset that the type names.
    pub charset: Option<String>,
    /// Content-ID without angle brackets.
    pub content_id: String,
    /// Decoded bytes. Those of a part without a transfer encoding are shared with the message.
    pub bytes: Bytes,
}

/// Derives the summary of a message.
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
    for (_, part) in files(parsed) {
        match is_inline(part) {
            true => inlines += 1,
            false => attachments += 1,
        }
    }
    let header = FirstFields::of(parsed);
    Digest {
        is_parsed: parsed.fields().next().is_some(),
        message_id: header.get("Message-ID").map(message_id).unwrap_or_default(),
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
        snippet: snippet(&visible),
    }
}

/// Derives the text in which words are searched: addresses, subject, visible text, names of files.
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
        for (_, part) in files(parsed) {
            let name = part.file_name();
            add_searchable(&mut text, name.as_deref().unwrap_or(&part.content_id));
        }
    });
    if read.is_none() {
        add_searchable(&mut text, &String::from_utf8_lossy(&message.source));
    }
    text
}

/// Derives text, HTML and attachments.
pub fn content(message: &ReceivedMessage) -> Content {
    guarded(&message.source, |parsed| {
        content_of(parsed, &message.source)
    })
    .unwrap_or_else(|| Content {
        text: String::from_utf8_lossy(&message.source).into_owned(),
        ..Content::default()
    })
}

pub(super) fn content_of(parsed: &Message<'_>, source: &Bytes) -> Content {
    let (text, html) = bodies(parsed);
    let text = match text.is_empty() && !html.is_empty() {
        true => html::read(&html).text,
        false => text,
    };
    let (mut inline, mut attachments) = (Vec::new(), Vec::new());
    for (index, part) in files(parsed) {
        let list = match is_inline(part) {
            true => &mut inline,
            false => &mut attachments,
        };
        list.push(attachment(parsed, index, part, source));
    }
    let header = FirstFields::of(parsed);
    Content {
        date: header.get("Date").and_then(date),
        list_unsubscribe: header.unfolded("List-Unsubscribe"),
        list_unsubscribe_post: header.unfolded("List-Unsubscribe-Post"),
        text,
        html,
        inline,
        attachments,
    }
}

/// Returns one part by its number, whether or not it is listed.
pub fn part(message: &ReceivedMessage, part_id: &str) -> Option<Attachment> {
    guarded(&message.source, |parsed| {
        let (index, part) = parsed.part_by_id(part_id)?;
        Some(attachment(parsed, index, part, &message.source))
    })
    .flatten()
}

/// Lists what could not be read as it was meant. Decodes every part for that, so this is not a part of the digest.
pub fn warnings(message: &ReceivedMessage) -> Vec<String> {
    let found = guarded(&message.source, |parsed| {
        let repeated = SINGLE.iter().filter_map(|name| {
            let times = parsed.fields().filter(|field| field.is(name)).count();
            (times > 1).then(|| Defect::Repeated(name, times).to_string())
        });
        let parts = parsed.parts().iter().enumerate();
        let of_parts = parts.flat_map(|(index, part)| {
            let at = match index {
                0 => String::new(),
                _ => format!("part {}: ", parsed.part_id(index)),
            };
            let defects = part.defects().into_iter();
            defects.map(move |defect| format!("{at}{defect}"))
        });
        repeated.chain(of_parts).take(MOST_WARNINGS).collect()
    });
    found.unwrap_or_default()
}

/// Runs on the parsed message; `None` where a library panics on it.
fn guarded<T>(source: &[u8], derive: impl FnOnce(&Message<'_>) -> T) -> Option<T> {
    // The message that breaks a parser is the one its author needs to see, and no reason to lose a connection.
    catch_unwind(AssertUnwindSafe(|| derive(&Message::read(source)))).ok()
}

/// First field of each name. A map of all fields could take many times the memory of the message.
struct FirstFields<'x> {
    fields: Fields<'x>,
}

impl<'x> FirstFields<'x> {
    fn of(parsed: &Message<'x>) -> FirstFields<'x> {
        FirstFields {
            fields: parsed.fields(),
        }
    }

    fn get(&self, name: &str) -> Option<Field<'x>> {
        self.fields.clone().find(|field| field.is(name))
    }

    fn unfolded(&self, name: &str) -> String {
        let line = self.get(name).map(line_of);
        let line = line.unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn text(&self, name: &str) -> String {
        let line = self.get(name).map(line_of);
        let decoded = text::with_words_decoded(&line.unwrap_or_default());
        decoded.trim().to_owned()
    }

    fn mailboxes(&self, name: &str) -> Vec<Mailbox> {
        self.get(name).map(mailboxes).unwrap_or_default()
    }
}

/// The beginning of a field's value, unfolded.
fn line_of<'x>(field: Field<'x>) -> Cow<'x, str> {
    unfolded(&field.value[..field.value.len().min(LONGEST_FIELD)])
}

/// Returns the id without its angle brackets.
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
    // The parser accepts the 31st of February; readers of the JSON do not.
    date.parse::<Timestamp>().is_ok().then_some(date)
}

fn mailboxes(field: Field<'_>) -> Vec<Mailbox> {
    let value = &field.value[..field.value.len().min(LONGEST_ADDRESSES)];
    let line = format!("{}\n", unfolded(value));
    let read = MessageStream::new(line.as_bytes()).parse_address();
    let HeaderValue::Address(address) = &read else {
        return Vec::new();
    };
    let own = |text: Option<&str>| text.unwrap_or_default().to_owned();
    Address::iter(address)
        .take(MOST_ADDRESSES)
        .map(|one| Mailbox {
            name: own(one.name()),
            address: own(one.address()),
        })
        .collect()
}

/// Text and HTML as a reader sees them; several parts of a kind follow each other.
fn bodies(parsed: &Message<'_>) -> (String, String) {
    let (mut text, mut html) = (String::new(), String::new());
    for (_, part) in parsed.leaves().filter(|(_, part)| is_body(parsed, part)) {
        match part.kind() {
            "text/html" => push_body(&mut html, part.text()),
            _ => push_body(&mut text, part.text()),
        }
    }
    (text, html)
}

/// Whether a part is read as text or HTML of the message. A multipart that has no parts is: its text is all there is.
fn is_body(parsed: &Message<'_>, part: &Part<'_>) -> bool {
    let kind = part.kind();
    let is_text = matches!(kind, "text/plain" | "text/html") || kind.starts_with("multipart/");
    let is_shown = matches!(part.disposition.value.as_str(), "" | "inline");
    is_text && is_shown && !is_related(parsed, part)
}

/// Whether the document of a multipart/related refers to a part by its Content-ID (RFC 2387).
fn is_related(parsed: &Message<'_>, part: &Part<'_>) -> bool {
    let container = part.parent.map(|parent| &parsed.parts()[parent]);
    let Some(container) = container.filter(|container| container.kind() == "multipart/related")
    else {
        return false;
    };
    let start = container.content_type.as_ref();
    let start = start.and_then(|kind| kind.parameter("start"));
    let is_start = start.is_some_and(|id| id.trim().trim_matches(['<', '>']) == part.content_id);
    !part.content_id.is_empty() && part.ordinal > 1 && !is_start
}

fn push_body(all: &mut String, body: String) {
    if all.is_empty() {
        *all = body;
    } else {
        all.push('\n');
        all.push_str(&body);
    }
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

/// Parts that are listed as files, with their indices: all that are not text of the message, and text that has a file name.
fn files<'a, 'x>(parsed: &'a Message<'x>) -> impl Iterator<Item = (usize, &'a Part<'x>)> {
    parsed
        .leaves()
        .filter(|(_, part)| !is_body(parsed, part) || part.file_name().is_some())
}

fn is_inline(part: &Part<'_>) -> bool {
    match part.disposition.value.as_str() {
        "" => !part.content_id.is_empty(),
        disposition => disposition == "inline",
    }
}

fn attachment(parsed: &Message<'_>, index: usize, part: &Part<'_>, source: &Bytes) -> Attachment {
    let part_id = parsed.part_id(index);
    let content_type = match (&part.content_type, part.kind()) {
        (None, "text/plain") => "application/octet-stream",
        (_, kind) => kind,
    };
    let named = part.file_name().or_else(|| {
        let id = &part.content_id;
        (!id.is_empty()).then(|| id.clone())
    });
    Attachment {
        file_name: named.unwrap_or_else(|| made_name(&part_id, content_type)),
        part_id,
        content_type: content_type.to_owned(),
        charset: part.charset().map(str::to_owned),
        content_id: part.content_id.clone(),
        bytes: match part.bytes() {
            Cow::Borrowed(bytes) => source.slice_ref(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        },
    }
}

/// Makes a name for a part that has none, such as `part-2.pdf`.
fn made_name(part_id: &str, content_type: &str) -> String {
    let subtype = content_type
        .split_once('/')
        .map_or("", |(_, subtype)| subtype);
    let ending = match content_type {
        "message/rfc822" | "message/global" => "eml",
        "text/plain" => "txt",
        _ if subtype.len() <= LONGEST_ENDING
            && subtype.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            subtype
        }
        _ => "bin",
    };
    format!("part-{part_id}.{ending}")
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
    fn messages_within_messages_are_attached_however_deep() {
        for kind in ["message/rfc822", "Message/RFC822", "message/global"] {
            let source = format!("Content-Type: {kind}\r\n\r\n").repeat(60_000);
            let deepest = kept(source.as_bytes(), "a@b", &["c@d"]);
            assert_eq!(deepest.digest().attachments, 1);
            let content = content(&deepest);
            assert_eq!(content.attachments[0].file_name, "part-0.eml");
            assert_eq!(
                content.attachments[0].bytes.len(),
                source.len() - kind.len() - 18
            );
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
