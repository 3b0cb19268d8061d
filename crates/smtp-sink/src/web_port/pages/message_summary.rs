//! Sender, recipients and subject of a message, each as one short line.

use super::formatting::{format_number, is_blank, single_line, truncated_line};
use crate::received::ReceivedMessage;
use crate::view::Mailbox;

/// Maximum number of addresses in a line.
const MAX_ADDRESSES: usize = 3;

/// Maximum size of a name, in bytes. A wide screen shows as much, and a list has a hundred rows.
const MAX_NAME_BYTES: usize = 60;

/// Maximum size of all recipients, in bytes.
const MAX_RECIPIENTS_BYTES: usize = 120;

/// Returns the sender: the name, otherwise the address, otherwise the sender of the envelope.
pub(super) fn sender(message: &ReceivedMessage) -> String {
    let digest = message.digest();
    let from = &digest.from;
    let names = [&from.name, &from.address, &message.envelope.sender];
    let sender = names.into_iter().find(|name| !is_blank(name));
    sender.map_or("(no sender)".to_owned(), |sender| {
        truncated_line(sender, MAX_NAME_BYTES)
    })
}

/// Returns the recipients in the headers, and those that are only in the envelope.
pub(super) fn recipients(message: &ReceivedMessage) -> String {
    let digest = message.digest();
    let all = digest.to.iter().chain(&digest.cc).chain(&digest.bcc);
    let shown_address = |mailbox: &Mailbox| match mailbox.address.as_str() {
        "" => mailbox.name.clone(),
        address => address.to_owned(),
    };
    let mut names: Vec<String> = all.clone().take(MAX_ADDRESSES).map(shown_address).collect();
    let more = all.count().saturating_sub(MAX_ADDRESSES);
    if more > 0 {
        names.push(format!("and {} more", format_number(more)));
    }
    truncated_line(&names.join(", "), MAX_RECIPIENTS_BYTES)
}

/// Returns the subject, or a note if there is none.
pub(super) fn subject(message: &ReceivedMessage) -> String {
    let digest = message.digest();
    match (digest.is_parsed, digest.subject.as_str()) {
        (false, _) => "(no header could be read)".to_owned(),
        (true, subject) if is_blank(subject) => "(no subject)".to_owned(),
        (true, subject) => single_line(subject),
    }
}
