//! Headers and parts as the sender wrote them: unfolded, not decoded.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::content::parse_guarded;
use crate::mime::Message;
use crate::mime::fields::{self, Fields};
use crate::received::ReceivedMessage;

/// Maximum number of fields returned by name. A map of tiny fields takes many times their size.
const MAX_FIELDS: usize = 10_000;

/// Maximum size of the fields returned by name, in bytes.
const MAX_HEADER: usize = 1024 * 1024;

/// Returns the header fields by name, each with its unfolded values: those of the message, and those that a delivering server
/// adds.
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
    parse_guarded(&message.source, |parsed| {
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

/// Header fields as the sender wrote them, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderLines {
    /// Names, and values with their line ends.
    pub lines: Vec<(String, String)>,
    /// Number of further fields.
    pub omitted: usize,
}

/// Returns the first `limit` header fields of a message.
pub fn header_lines(message: &ReceivedMessage, limit: usize) -> HeaderLines {
    parse_guarded(&message.source, |parsed| {
        let mut all = parsed.fields();
        let lines: Vec<_> = all
            .by_ref()
            .take(limit)
            .map(|field| {
                let value = String::from_utf8_lossy(field.value);
                (field.name.to_owned(), value.trim().to_owned())
            })
            .collect();
        HeaderLines {
            omitted: all.count(),
            lines,
        }
    })
    .unwrap_or_default()
}

fn add_fields(headers: &mut BTreeMap<String, Vec<String>>, fields: Fields<'_>) {
    let mut available = MAX_HEADER;
    for field in fields.take(MAX_FIELDS) {
        let size = field.name.len() + field.value.len();
        let Some(rest) = available.checked_sub(size) else {
            break;
        };
        available = rest;
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

/// Maximum depth of nested multiparts in [`raw_parts`]. The body of a multipart repeats those of its parts; without a limit the
/// response would grow with the square of the message.
const MAX_DEPTH: usize = 8;

/// Part as the sender wrote it, not decoded. Its bytes are shared with the message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawPart {
    /// Header with line ends; see [`part_headers`].
    pub header: Bytes,
    /// Body, not decoded.
    pub body: Bytes,
    /// Size of header and body, in bytes.
    pub size: usize,
    /// Parts of a multipart.
    pub parts: Vec<RawPart>,
}

/// Returns the header fields of a part by name, unfolded.
pub fn part_headers(header: &[u8]) -> BTreeMap<String, Vec<String>> {
    let mut headers = BTreeMap::new();
    add_fields(&mut headers, fields::fields(header));
    headers
}

/// Returns the parts of a multipart message as a tree; empty for other messages.
pub fn raw_parts(message: &ReceivedMessage) -> Vec<RawPart> {
    parse_guarded(&message.source, |parsed| {
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); parsed.parts().len()];
        for (index, part) in parsed.parts().iter().enumerate() {
            if let Some(parent) = part.parent {
                children[parent].push(index);
            }
        }
        let nesting = Nesting {
            source: &message.source,
            parsed,
            children: &children,
        };
        nesting.children_of(0, MAX_DEPTH)
    })
    .unwrap_or_default()
}

struct Nesting<'a, 'x> {
    source: &'a Bytes,
    parsed: &'a Message<'x>,
    children: &'a [Vec<usize>],
}

impl Nesting<'_, '_> {
    fn children_of(&self, parent: usize, levels: usize) -> Vec<RawPart> {
        let Some(levels) = levels.checked_sub(1) else {
            return Vec::new();
        };
        let parts = self.children[parent].iter().map(|&index| {
            let part = &self.parsed.parts()[index];
            RawPart {
                header: self.source.slice_ref(part.header),
                body: self.source.slice_ref(part.body),
                size: part.whole.len(),
                parts: self.children_of(index, levels),
            }
        });
        parts.collect()
    }
}
