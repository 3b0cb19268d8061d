//! Content of a message as people and programs see it, derived from its bytes: decoded headers, text, HTML, attachments.
//!
//! Derived data never replaces the bytes: a message that cannot be parsed is marked, and its bytes are shown as text. Only the
//! small [`Digest`] is cached with its message. The rest is derived again on each use, since a cached copy of every body would
//! double the memory.

mod bodies;
mod digest;
mod fields;
mod guard;
mod mailbox;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

#[cfg(test)]
pub(super) use digest::digest_of;
pub use digest::{Digest, read_digest};
#[cfg(test)]
pub(super) use fields::MAX_ADDRESSES;
pub use mailbox::Mailbox;

use super::html;
use super::mime::{Defect, Message, Part};
use super::search_text::append_normalized;
use crate::session::Envelope;
use bodies::{bodies, files, is_inline, visible_text};
use fields::FirstFields;
pub(super) use guard::parse_guarded;

/// Maximum length of a subtype that is used as the extension of a file name.
const MAX_EXTENSION: usize = 8;

/// Maximum number of defects listed as warnings.
const MAX_WARNINGS: usize = 20;

/// Fields that a message has once. If there are several, the first is shown, as other mail programs do.
const SINGLE_FIELDS: [&str; 11] = [
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

/// Content of a message that is not in its [`Digest`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Content {
    /// Date header in RFC 3339, if it is valid.
    pub date: Option<String>,
    /// List-Unsubscribe header, unfolded.
    pub list_unsubscribe: String,
    /// List-Unsubscribe-Post header, unfolded.
    pub list_unsubscribe_post: String,
    /// Text; without a text part, the visible text of the HTML.
    pub text: String,
    /// HTML.
    pub html: String,
    /// Parts that belong to the HTML.
    pub inline: Vec<Attachment>,
    /// Other files.
    pub attachments: Vec<Attachment>,
}

/// Part that can be downloaded as a file. `Debug` shows the number of its bytes in place of them.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attachment {
    /// Number among the message's parts, such as `2.1`.
    pub part_id: String,
    /// File name, else Content-ID, else a name derived from number and type.
    pub file_name: String,
    /// Type such as `image/png`, in lower case.
    pub content_type: String,
    /// Charset parameter of the type.
    pub charset: Option<String>,
    /// Content-ID without angle brackets.
    pub content_id: String,
    /// Decoded bytes; shared with the message if the part has no transfer encoding.
    pub bytes: Bytes,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("part_id", &self.part_id)
            .field("file_name", &self.file_name)
            .field("content_type", &self.content_type)
            .field("charset", &self.charset)
            .field("content_id", &self.content_id)
            .field("bytes", &format_args!("{} bytes", self.bytes.len()))
            .finish()
    }
}

/// Derives text, HTML and attachments.
pub fn read_content(source: &Bytes) -> Content {
    parse_guarded(source, |parsed| content_of(parsed, source)).unwrap_or_else(|| Content {
        text: String::from_utf8_lossy(source).into_owned(),
        ..Content::default()
    })
}

pub(super) fn content_of(parsed: &Message<'_>, source: &Bytes) -> Content {
    let (text, html) = bodies(parsed);
    let text = if text.is_empty() && !html.is_empty() {
        html::read(&html).text
    } else {
        text
    };
    let (mut inline, mut attachments) = (Vec::new(), Vec::new());
    for (index, part) in files(parsed) {
        let list = if is_inline(part) {
            &mut inline
        } else {
            &mut attachments
        };
        list.push(attachment(parsed, index, part, source));
    }
    let header = FirstFields::new(parsed);
    Content {
        date: header.date(),
        list_unsubscribe: header.unfolded("List-Unsubscribe"),
        list_unsubscribe_post: header.unfolded("List-Unsubscribe-Post"),
        text,
        html,
        inline,
        attachments,
    }
}

/// Returns one part by its number, whether or not it is listed as a file.
pub fn read_part(source: &Bytes, part_id: &str) -> Option<Attachment> {
    parse_guarded(source, |parsed| {
        let (index, part) = parsed.part_by_id(part_id)?;
        Some(attachment(parsed, index, part, source))
    })
    .flatten()
}

/// Derives the text in which words are searched: addresses, subject, visible text, names of files.
pub fn read_search_text(source: &[u8], digest: &Digest, envelope: &Envelope) -> String {
    let mut text = String::with_capacity(source.len());
    let lists = [&digest.to, &digest.cc, &digest.bcc, &digest.reply_to];
    for mailbox in std::iter::once(&digest.from).chain(lists.into_iter().flatten()) {
        append_normalized(&mut text, &mailbox.name);
        append_normalized(&mut text, &mailbox.address);
    }
    append_normalized(&mut text, &digest.subject);
    append_normalized(&mut text, &envelope.sender);
    let parsed = parse_guarded(source, |parsed| {
        append_normalized(&mut text, &visible_text(parsed));
        for (_, part) in files(parsed) {
            let name = part.file_name();
            append_normalized(&mut text, name.as_deref().unwrap_or(&part.content_id));
        }
    });
    if parsed.is_none() {
        append_normalized(&mut text, &String::from_utf8_lossy(source));
    }
    text
}

/// Lists the defects of a message. It decodes every part for that, so the list is not a part of the digest.
pub fn list_defects(source: &[u8]) -> Vec<String> {
    let found = parse_guarded(source, |parsed| {
        let repeated = SINGLE_FIELDS.iter().filter_map(|name| {
            let times = parsed.fields().filter(|field| field.is(name)).count();
            (times > 1).then(|| Defect::Repeated(name, times).to_string())
        });
        let parts = parsed.parts().iter().enumerate();
        let of_parts = parts.flat_map(|(index, part)| {
            let location = match index {
                0 => String::new(),
                _ => format!("part {}: ", parsed.part_id(index)),
            };
            let defects = part.defects().into_iter();
            defects.map(move |defect| format!("{location}{defect}"))
        });
        repeated.chain(of_parts).take(MAX_WARNINGS).collect()
    });
    found.unwrap_or_default()
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
        file_name: named.unwrap_or_else(|| default_name(&part_id, content_type)),
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

/// Returns a name for a part without one, such as `part-2.pdf`.
fn default_name(part_id: &str, content_type: &str) -> String {
    let subtype = content_type
        .split_once('/')
        .map_or("", |(_, subtype)| subtype);
    let extension = match content_type {
        "message/rfc822" | "message/global" => "eml",
        "text/plain" => "txt",
        _ if subtype.len() <= MAX_EXTENSION
            && subtype.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            subtype
        }
        _ => "bin",
    };
    format!("part-{part_id}.{extension}")
}
