//! Headers and parts as they were written: unfolded, nothing decoded.

use std::collections::BTreeMap;

use super::{ReceivedMessage, guarded};
use crate::sink::mime::Message;
use crate::sink::mime::fields::{self, Fields};

/// Returns the header fields by name, each with its values as they were written, unfolded: those of the message, and those
/// that a delivering server adds.
pub fn headers(message: &ReceivedMessage) -> BTreeMap<String, Vec<String>> {
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    if let Some(peer) = message.session.peer {
        let with = match &message.session.tls {
            Some(_) => "ESMTPS",
            None => "ESMTP",
        };
        let received = format!(
            "from {} ([{}]) by localhost (movie-bag) with {with} id {}; {}",
            message.session.helo,
            peer.ip(),
            message.id,
            message.received_at.strftime("%a, %d %b %Y %H:%M:%S +0000"),
        );
        headers.insert("Received".to_owned(), vec![received]);
    }
    let sender = format!("<{}>", message.envelope.sender);
    headers.insert("Return-Path".to_owned(), vec![sender]);
    guarded(&message.source, |parsed| {
        add_fields(&mut headers, parsed.fields())
    });
    let hidden: Vec<String> = message.digest().hidden.clone();
    if !hidden.is_empty() {
        let values = headers.entry("Bcc".to_owned()).or_default();
        let named = values.drain(..).chain(hidden);
        let all = named.filter(|text| !text.is_empty()).collect::<Vec<_>>();
        values.push(all.join(", "));
    }
    headers
}

/// Headers as they were written, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderLines {
    /// Each name, and its value with its line ends.
    pub lines: Vec<(String, String)>,
    /// How many more there are.
    pub left: usize,
}

/// Returns the first `most` header fields of a message.
pub fn header_lines(message: &ReceivedMessage, most: usize) -> HeaderLines {
    guarded(&message.source, |parsed| {
        let mut all = parsed.fields();
        let lines: Vec<_> = all
            .by_ref()
            .take(most)
            .map(|field| {
                let value = String::from_utf8_lossy(field.value);
                (field.name.to_owned(), value.trim().to_owned())
            })
            .collect();
        HeaderLines {
            left: all.count(),
            lines,
        }
    })
    .unwrap_or_default()
}

fn add_fields(headers: &mut BTreeMap<String, Vec<String>>, fields: Fields<'_>) {
    for field in fields {
        let value = field.unfolded();
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        let values = headers.entry(canonical(field.name)).or_default();
        values.push(value);
    }
}

/// Writes a field name as Go does: `Message-Id`, `Mime-Version`.
fn canonical(name: &str) -> String {
    let words = name.split('-').map(|word| {
        let mut chars = word.chars();
        let first = chars.next().map(|char| char.to_ascii_uppercase());
        first
            .into_iter()
            .chain(chars.map(|char| char.to_ascii_lowercase()))
            .collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}

/// Levels of multiparts that [`raw_parts`] nests. The body of a multipart repeats those of its parts, so that without a limit
/// the answer would grow by the square of the message.
const DEEPEST: usize = 8;

/// A part as it was written, not decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawPart {
    /// Header fields, unfolded.
    pub headers: BTreeMap<String, Vec<String>>,
    /// Bytes of the body, as far as they are text.
    pub body: String,
    /// Bytes of header and body.
    pub size: usize,
    /// Parts of a multipart.
    pub parts: Vec<RawPart>,
}

/// Returns the parts of a multipart message, nested as they are; none of any other message.
pub fn raw_parts(message: &ReceivedMessage) -> Vec<RawPart> {
    guarded(&message.source, |parsed| {
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); parsed.parts().len()];
        for (index, part) in parsed.parts().iter().enumerate() {
            if let Some(parent) = part.parent {
                children[parent].push(index);
            }
        }
        nested(parsed, &children, 0, DEEPEST)
    })
    .unwrap_or_default()
}

fn nested(parsed: &Message<'_>, children: &[Vec<usize>], of: usize, levels: usize) -> Vec<RawPart> {
    let Some(levels) = levels.checked_sub(1) else {
        return Vec::new();
    };
    let parts = children[of].iter().map(|&index| {
        let part = &parsed.parts()[index];
        let mut headers = BTreeMap::new();
        add_fields(&mut headers, fields::fields(part.header));
        RawPart {
            headers,
            body: String::from_utf8_lossy(part.body).into_owned(),
            size: part.whole.len(),
            parts: nested(parsed, children, index, levels),
        }
    });
    parts.collect()
}
