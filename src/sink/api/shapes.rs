//! The JSON that clients written for Mailpit compare key by key: names, order and nothing more.

use jiff::Timestamp;
use md5::Md5;
use serde::Serialize;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::sink::inbox::ReceivedMessage;
use crate::sink::view::{Attachment, Mailbox, content};

/// `{"Name","Address"}`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Addr {
    name: String,
    address: String,
}

impl From<&Mailbox> for Addr {
    fn from(mailbox: &Mailbox) -> Addr {
        Addr {
            name: mailbox.name.clone(),
            address: mailbox.address.clone(),
        }
    }
}

fn addrs(mailboxes: &[Mailbox]) -> Vec<Addr> {
    mailboxes.iter().map(Addr::from).collect()
}

/// The envelope of a list. Its keys alone are lower-case.
#[derive(Debug, Serialize)]
pub struct List {
    /// Messages in the box.
    pub total: usize,
    /// Those nobody opened.
    pub unread: usize,
    /// Messages in this list; an older name that is still asked for.
    pub count: usize,
    /// Messages that the query matches.
    pub messages_count: usize,
    /// Those of them nobody opened.
    pub messages_unread: usize,
    /// How many were skipped.
    pub start: usize,
    /// All tags in the box.
    pub tags: Vec<String>,
    /// The messages, newest first.
    pub messages: Vec<Summary>,
}

/// A message in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Summary {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "MessageID")]
    message_id: String,
    read: bool,
    from: Addr,
    to: Vec<Addr>,
    cc: Vec<Addr>,
    bcc: Vec<Addr>,
    reply_to: Vec<Addr>,
    subject: String,
    created: String,
    username: String,
    tags: Vec<String>,
    size: usize,
    attachments: usize,
    snippet: String,
}

impl From<&ReceivedMessage> for Summary {
    fn from(message: &ReceivedMessage) -> Summary {
        let digest = message.digest();
        Summary {
            id: message.id.0.clone(),
            message_id: digest.message_id.clone(),
            read: message.is_read(),
            from: Addr::from(&digest.from),
            to: addrs(&digest.to),
            cc: addrs(&digest.cc),
            bcc: addrs(&digest.bcc),
            reply_to: addrs(&digest.reply_to),
            subject: digest.subject.clone(),
            created: rfc3339(message.received_at),
            username: message.username().to_owned(),
            tags: message.tags(),
            size: message.source.len(),
            attachments: digest.attachments,
            snippet: digest.snippet.clone(),
        }
    }
}

/// One message, whole.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Message {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "MessageID")]
    message_id: String,
    from: Addr,
    to: Vec<Addr>,
    cc: Vec<Addr>,
    bcc: Vec<Addr>,
    reply_to: Vec<Addr>,
    return_path: String,
    subject: String,
    list_unsubscribe: ListUnsubscribe,
    date: String,
    tags: Vec<String>,
    username: String,
    text: String,
    #[serde(rename = "HTML")]
    html: String,
    size: usize,
    inline: Vec<Part>,
    attachments: Vec<Part>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ListUnsubscribe {
    header: String,
    links: Vec<String>,
    errors: String,
    header_post: String,
}

impl From<&ReceivedMessage> for Message {
    fn from(message: &ReceivedMessage) -> Message {
        let digest = message.digest();
        let content = content(message);
        Message {
            id: message.id.0.clone(),
            message_id: digest.message_id.clone(),
            from: Addr::from(&digest.from),
            to: addrs(&digest.to),
            cc: addrs(&digest.cc),
            bcc: addrs(&digest.bcc),
            reply_to: addrs(&digest.reply_to),
            return_path: message.envelope.sender.clone(),
            subject: digest.subject.clone(),
            list_unsubscribe: ListUnsubscribe {
                links: bracketed(&content.list_unsubscribe),
                header: content.list_unsubscribe,
                errors: String::new(),
                header_post: content.list_unsubscribe_post,
            },
            date: content.date.unwrap_or_else(|| rfc3339(message.received_at)),
            tags: message.tags(),
            username: message.username().to_owned(),
            text: content.text,
            html: content.html,
            size: message.source.len(),
            inline: content.inline.iter().map(Part::from).collect(),
            attachments: content.attachments.iter().map(Part::from).collect(),
        }
    }
}

/// One part of a message that has a name.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Part {
    #[serde(rename = "PartID")]
    part_id: String,
    file_name: String,
    content_type: String,
    #[serde(rename = "ContentID")]
    content_id: String,
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

impl From<&Attachment> for Part {
    fn from(part: &Attachment) -> Part {
        Part {
            part_id: part.part_id.clone(),
            file_name: part.file_name.clone(),
            content_type: part.content_type.clone(),
            content_id: part.content_id.clone(),
            size: part.bytes.len(),
            checksums: Checksums {
                md5: hex(&Md5::digest(&part.bytes)),
                sha1: hex(&Sha1::digest(&part.bytes)),
                sha256: hex(&Sha256::digest(&part.bytes)),
            },
        }
    }
}

/// Always with a fraction: clients parse with a pattern that has one.
pub(super) fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What stands in angle brackets.
fn bracketed(header: &str) -> Vec<String> {
    let inside = header
        .split('<')
        .skip(1)
        .filter_map(|rest| rest.split_once('>'));
    inside.map(|(link, _)| link.trim().to_owned()).collect()
}
