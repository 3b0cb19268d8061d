//! JSON of Mailpit's API, with exactly its keys in its order, since clients compare them key by key.

use jiff::Timestamp;
use md5::Md5;
use serde::Serialize;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::received::ReceivedMessage;
use crate::view::{Attachment, Content, Digest, Mailbox};

/// Name and address of a mailbox.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Addr<'m> {
    name: &'m str,
    address: &'m str,
}

impl<'m> From<&'m Mailbox> for Addr<'m> {
    fn from(mailbox: &'m Mailbox) -> Addr<'m> {
        Addr {
            name: &mailbox.name,
            address: &mailbox.address,
        }
    }
}

fn addrs(mailboxes: &[Mailbox]) -> Vec<Addr<'_>> {
    mailboxes.iter().map(Addr::from).collect()
}

/// JSON object around a list. Unlike all others, its keys are in lower case.
#[derive(Debug, Serialize)]
pub(crate) struct List {
    /// Number of messages in the inbox.
    pub(crate) total: usize,
    /// Number of unread messages in the inbox.
    pub(crate) unread: usize,
    /// Number of messages in this list; an older name that clients still read.
    pub(crate) count: usize,
    /// Number of messages that match the search.
    pub(crate) messages_count: usize,
    /// Number of unread messages that match the search.
    pub(crate) messages_unread: usize,
    /// Number of messages skipped.
    pub(crate) start: usize,
    /// All tags in the inbox.
    pub(crate) tags: Vec<String>,
    /// Replaced by the messages, which are written one by one, newest first.
    pub(crate) messages: [(); 0],
}

/// A message in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Summary<'m> {
    #[serde(rename = "ID")]
    id: &'m str,
    #[serde(rename = "MessageID")]
    message_id: &'m str,
    read: bool,
    from: Addr<'m>,
    to: Vec<Addr<'m>>,
    cc: Vec<Addr<'m>>,
    bcc: Vec<Addr<'m>>,
    reply_to: Vec<Addr<'m>>,
    subject: &'m str,
    created: String,
    username: &'m str,
    tags: Vec<String>,
    size: usize,
    attachments: usize,
    snippet: &'m str,
}

impl<'m> Summary<'m> {
    /// Returns the summary of a message with this digest.
    pub(crate) fn new(message: &'m ReceivedMessage, digest: &'m Digest) -> Summary<'m> {
        Summary {
            id: &message.id.0,
            message_id: &digest.message_id,
            read: message.is_read(),
            from: Addr::from(&digest.from),
            to: addrs(&digest.to),
            cc: addrs(&digest.cc),
            bcc: addrs(&digest.bcc),
            reply_to: addrs(&digest.reply_to),
            subject: &digest.subject,
            created: rfc3339(message.received_at),
            username: message.username(),
            tags: message.tags(),
            size: message.source.len(),
            attachments: digest.attachments,
            snippet: &digest.snippet,
        }
    }
}

/// A complete message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Message<'m> {
    #[serde(rename = "ID")]
    id: &'m str,
    #[serde(rename = "MessageID")]
    message_id: &'m str,
    from: Addr<'m>,
    to: Vec<Addr<'m>>,
    cc: Vec<Addr<'m>>,
    bcc: Vec<Addr<'m>>,
    reply_to: Vec<Addr<'m>>,
    return_path: &'m str,
    subject: &'m str,
    list_unsubscribe: ListUnsubscribe<'m>,
    date: String,
    tags: Vec<String>,
    username: &'m str,
    text: &'m str,
    #[serde(rename = "HTML")]
    html: &'m str,
    size: usize,
    inline: Vec<Part<'m>>,
    attachments: Vec<Part<'m>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListUnsubscribe<'m> {
    header: &'m str,
    links: Vec<&'m str>,
    errors: &'m str,
    header_post: &'m str,
}

impl<'m> Message<'m> {
    /// Returns the JSON of a message with this digest and content.
    pub(crate) fn new(
        message: &'m ReceivedMessage,
        digest: &'m Digest,
        content: &'m Content,
    ) -> Message<'m> {
        let date = content.date.clone();
        Message {
            id: &message.id.0,
            message_id: &digest.message_id,
            from: Addr::from(&digest.from),
            to: addrs(&digest.to),
            cc: addrs(&digest.cc),
            bcc: addrs(&digest.bcc),
            reply_to: addrs(&digest.reply_to),
            return_path: &message.envelope.sender,
            subject: &digest.subject,
            list_unsubscribe: ListUnsubscribe {
                links: in_angle_brackets(&content.list_unsubscribe),
                header: &content.list_unsubscribe,
                errors: "",
                header_post: &content.list_unsubscribe_post,
            },
            date: date.unwrap_or_else(|| rfc3339(message.received_at)),
            tags: message.tags(),
            username: message.username(),
            text: &content.text,
            html: &content.html,
            size: message.source.len(),
            inline: content.inline.iter().map(Part::from).collect(),
            attachments: content.attachments.iter().map(Part::from).collect(),
        }
    }
}

/// An attachment or inline part of a message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Part<'m> {
    #[serde(rename = "PartID")]
    part_id: &'m str,
    file_name: &'m str,
    content_type: &'m str,
    #[serde(rename = "ContentID")]
    content_id: &'m str,
    size: usize,
    checksums: Checksums,
}

#[derive(Debug, Serialize)]
struct Checksums {
    #[serde(rename = "MD5")]
    md5: String,
    #[serde(rename = "SHA1")]
    sha1: String,
    #[serde(rename = "SHA256")]
    sha256: String,
}

impl<'m> From<&'m Attachment> for Part<'m> {
    fn from(part: &'m Attachment) -> Part<'m> {
        Part {
            part_id: &part.part_id,
            file_name: &part.file_name,
            content_type: &part.content_type,
            content_id: &part.content_id,
            size: part.bytes.len(),
            checksums: Checksums {
                md5: hex(&Md5::digest(&part.bytes)),
                sha1: hex(&Sha1::digest(&part.bytes)),
                sha256: hex(&Sha256::digest(&part.bytes)),
            },
        }
    }
}

/// Formats a time, always with a fraction, because clients parse it with a pattern that requires one.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the texts in angle brackets.
fn in_angle_brackets(header: &str) -> Vec<&str> {
    let inside = header
        .split('<')
        .skip(1)
        .filter_map(|rest| rest.split_once('>'));
    inside.map(|(link, _)| link.trim()).collect()
}
