//! Headers and parts as they were written: nothing decoded, only unfolded. For who looks at how a mail is made.

use std::collections::BTreeMap;

use super::{ReceivedMessage, guarded};

/// The headers by their names, each with its values as they were written, unfolded: those of the message, and those that a
/// server adds which delivers it.
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
        for (name, value) in parsed.headers_raw() {
            let values = headers.entry(canonical(name)).or_default();
            values.push(value.split_whitespace().collect::<Vec<_>>().join(" "));
        }
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

/// The first `most` headers of a message.
pub fn header_lines(message: &ReceivedMessage, most: usize) -> HeaderLines {
    guarded(&message.source, |parsed| {
        let all = parsed.headers_raw();
        let lines: Vec<_> = all
            .take(most)
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        HeaderLines {
            left: parsed.headers_raw().count() - lines.len(),
            lines,
        }
    })
    .unwrap_or_default()
}

/// As Go writes names of headers: `Message-Id`, `Mime-Version`.
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

/// A part as it came, not decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawPart {
    /// Its headers, unfolded.
    pub headers: BTreeMap<String, Vec<String>>,
    /// Its bytes, as far as they are text.
    pub body: String,
}

/// The parts of a message that has several; none of one that has not.
pub fn raw_parts(message: &ReceivedMessage) -> Vec<RawPart> {
    guarded(&message.source, |parsed| {
        let parts = parsed
            .parts
            .iter()
            .skip(1)
            .filter(|part| !part.is_multipart());
        parts
            .map(|part| {
                let slice = |from: u32, to: u32| {
                    let bytes = parsed.raw_message.get(from as usize..to as usize);
                    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
                };
                let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
                for header in &part.headers {
                    let value = slice(header.offset_start, header.offset_end);
                    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
                    headers
                        .entry(canonical(header.name()))
                        .or_default()
                        .push(value);
                }
                RawPart {
                    headers,
                    body: slice(part.offset_body, part.offset_end),
                }
            })
            .collect()
    })
    .unwrap_or_default()
}
