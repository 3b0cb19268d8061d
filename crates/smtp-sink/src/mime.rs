//! MIME structure of a message: the bytes of each part, and their decoding.
//!
//! The sink returns the content of a message byte for byte, and reads damaged messages as far as possible. The available libraries
//! do not: mail-parser re-encodes text parts, finds boundaries in the middle of a line and drops an unclosed multipart;
//! mailparse recurses into each level, scans every level again, and refuses what it cannot decode. The division into parts
//! and the transfer encodings are therefore our own, modelled on Python's `email.feedparser`. Charsets are decoded by the
//! crate `charset`, addresses and dates by mail-parser.
//!
//! The parser makes one pass over the bytes, without recursion. Parts are slices of the message; nothing is decoded before it is
//! requested. A message within a message is one part and is not divided: it is downloaded as a message.

mod defect;
pub mod fields;
mod limits;
pub mod parameters;
pub mod text;
pub mod transfer;

use std::borrow::Cow;
use std::collections::HashMap;

use memchr::memmem;

pub use defect::Defect;
use fields::{Fields, Line, first_line, without_line_end};
use limits::{MAX_DEPTH, MAX_PARTS};
use parameters::Parameterized;
use transfer::Encoding;

/// Part of a message; the first is the message itself.
#[derive(Debug)]
pub struct Part<'x> {
    /// Header as the sender wrote it.
    pub header: &'x [u8],
    /// Body as the sender wrote it; of a multipart, the bytes of all its parts.
    pub body: &'x [u8],
    /// Header, blank line and body.
    pub whole: &'x [u8],
    /// Content-Type; `None` if it is missing or invalid.
    pub content_type: Option<Parameterized>,
    /// Content-Disposition.
    pub disposition: Parameterized,
    /// Content-ID without its angle brackets.
    pub content_id: String,
    /// Content-Transfer-Encoding.
    pub encoding: Encoding,
    /// Whether the part contains other parts.
    pub is_multipart: bool,
    /// Index of the multipart that contains it.
    pub parent: Option<usize>,
    /// Position among the parts of its multipart, from 1; 0 for the message itself.
    pub ordinal: usize,
    is_in_digest: bool,
    defects: Vec<Defect>,
}

impl<'x> Part<'x> {
    /// Returns the media type in lower case; the default is `text/plain` (RFC 2045 5.2).
    pub fn kind(&self) -> &str {
        match &self.content_type {
            Some(content_type) => &content_type.value,
            None if self.is_in_digest => "message/rfc822",
            None => "text/plain",
        }
    }

    /// Returns the charset parameter of the media type.
    pub fn charset(&self) -> Option<&str> {
        let charset = self.content_type.as_ref()?.parameter("charset")?;
        // `charset=us-ascii (comment)`
        let end = charset.find(|char: char| char.is_whitespace() || char == '(');
        let charset = charset[..end.unwrap_or(charset.len())].trim_matches(['"', '\'']);
        (!charset.is_empty()).then_some(charset)
    }

    /// Returns the file name from Content-Disposition, else from Content-Type.
    pub fn file_name(&self) -> Option<String> {
        let of_type = || self.content_type.as_ref()?.name("name");
        self.disposition.name("filename").or_else(of_type)
    }

    /// Decodes the body.
    pub fn bytes(&self) -> Cow<'x, [u8]> {
        self.encoding.decode(self.body).0
    }

    /// Decodes the body as text.
    pub fn text(&self) -> String {
        let bytes = self.bytes();
        text::decode(&bytes, self.charset().unwrap_or_default())
            .0
            .into_owned()
    }

    /// Lists the defects of this part; decodes it for that.
    pub fn defects(&self) -> Vec<Defect> {
        let mut defects = self.defects.clone();
        if !self.is_multipart {
            let (bytes, defect) = self.encoding.decode(self.body);
            defects.extend(defect);
            if matches!(self.kind(), "text/plain" | "text/html")
                && self.disposition.value != "attachment"
            {
                defects.extend(text::decode(&bytes, self.charset().unwrap_or_default()).1);
            }
        }
        defects
    }

    fn read_header(&mut self) {
        let mut names = (None, None, None, None);
        for field in fields::fields(self.header) {
            let slot = match field.name.len() {
                12 if field.is("Content-Type") => &mut names.0,
                25 if field.is("Content-Transfer-Encoding") => &mut names.1,
                19 if field.is("Content-Disposition") => &mut names.2,
                10 if field.is("Content-ID") => &mut names.3,
                _ => continue,
            };
            slot.get_or_insert(field);
        }
        if let Some(field) = names.0 {
            let read = Parameterized::parse(field.value);
            self.content_type = is_type(&read.value).then_some(read);
        }
        if let Some(field) = names.1 {
            self.encoding = Encoding::parse(&field.unfolded());
        }
        if let Some(field) = names.2 {
            self.disposition = Parameterized::parse(field.value);
        }
        if let Some(field) = names.3 {
            let id = field.unfolded();
            let inner = id
                .split_once('<')
                .map_or(&*id, |(_, id)| id.split('>').next().unwrap_or(id));
            self.content_id = inner.trim().to_owned();
        }
    }
}

/// Returns whether a value is a type and a subtype.
fn is_type(value: &str) -> bool {
    value.split_once('/').is_some_and(|(kind, subtype)| {
        let is_word = |word: &str| {
            !word.is_empty() && !word.contains(|char: char| char.is_whitespace() || char == '/')
        };
        is_word(kind) && is_word(subtype)
    })
}

/// Message with its parts, in the order in which they begin.
#[derive(Debug)]
pub struct Message<'x> {
    parts: Vec<Part<'x>>,
}

impl<'x> Message<'x> {
    /// Reads the structure of a message.
    pub fn read(source: &'x [u8]) -> Message<'x> {
        let mut parser = Parser {
            source,
            parts: Vec::new(),
            open: Vec::new(),
            by_boundary: HashMap::new(),
            state: State::Between,
        };
        parser.run();
        Message {
            parts: parser.parts,
        }
    }

    /// Returns all parts, including multiparts.
    pub fn parts(&self) -> &[Part<'x>] {
        &self.parts
    }

    /// Returns the parts other than multiparts, with their indices.
    pub fn leaves(&self) -> impl Iterator<Item = (usize, &Part<'x>)> {
        self.parts
            .iter()
            .enumerate()
            .filter(|(_, part)| !part.is_multipart)
    }

    /// Returns the fields of the message's header.
    pub fn fields(&self) -> Fields<'x> {
        fields::fields(self.parts[0].header)
    }

    /// Returns the number of a part as enmime, and therefore Mailpit, counts: `2.1` is the first part of the second one, `0` the
    /// message itself.
    pub fn part_id(&self, index: usize) -> String {
        let mut ordinals = Vec::new();
        let mut at = index;
        while let Some(parent) = self.parts[at].parent {
            ordinals.push(self.parts[at].ordinal.to_string());
            at = parent;
        }
        if ordinals.is_empty() {
            return "0".to_owned();
        }
        ordinals.reverse();
        ordinals.join(".")
    }

    /// Finds a part by its number.
    pub fn part_by_id(&self, id: &str) -> Option<(usize, &Part<'x>)> {
        let last = id.rsplit('.').next()?.parse::<usize>().ok()?;
        let mut found = self.leaves().filter(|(index, part)| {
            // The ordinal is compared first, so that few numbers are formatted.
            (part.ordinal == last || part.parent.is_none()) && self.part_id(*index) == id
        });
        found.next()
    }
}

/// State of the parser at the beginning of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first boundary of a multipart or after its last one: text that no program shows.
    Between,
    /// Directly after a boundary.
    AfterBoundary,
    /// In the header of a part that begins at `start`.
    Header { part: usize, start: usize },
    /// In the body of a part.
    Body {
        part: usize,
        start: usize,
        body: usize,
    },
}

/// Multipart that is not closed yet.
struct OpenMultipart {
    part: usize,
    start: usize,
    body: usize,
    boundary: String,
    /// Number of parts that are numbered under it.
    children: usize,
    /// Whether its boundary has occurred.
    is_begun: bool,
}

struct Parser<'x> {
    source: &'x [u8],
    parts: Vec<Part<'x>>,
    open: Vec<OpenMultipart>,
    /// Depths in `open` at which a boundary is valid. Comparing each line with each boundary would take quadratic time.
    by_boundary: HashMap<String, Vec<usize>>,
    state: State,
}

impl<'x> Parser<'x> {
    fn run(&mut self) {
        self.begin_part(0);
        let mut at = 0;
        while at < self.source.len() {
            if matches!(self.state, State::Body { .. } | State::Between) {
                // Only a boundary changes the state.
                match self.next_candidate(at) {
                    Some(next) => at = next,
                    None => break,
                }
            }
            let line = first_line(&self.source[at..]);
            self.process_line(at, line);
            at += line.len();
        }
        let end = self.source.len();
        self.end_part(end);
        while !self.open.is_empty() {
            self.close(end, false);
        }
    }

    /// Finds the next line that may be a boundary. `at` is the beginning of a line.
    fn next_candidate(&self, at: usize) -> Option<usize> {
        if self.by_boundary.is_empty() {
            return None;
        }
        let rest = &self.source[at..];
        if rest.starts_with(b"--") {
            return Some(at);
        }
        memmem::find(rest, b"\n--").map(|found| at + found + 1)
    }

    fn process_line(&mut self, at: usize, line: &'x [u8]) {
        if let Some((depth, is_last)) = self.boundary(line) {
            return self.at_boundary(at, line, depth, is_last);
        }
        if self.state == State::AfterBoundary {
            self.begin_part(at);
        }
        if let State::Header { part, start } = self.state {
            match Line::classify(line, at == start) {
                Line::Blank => self.end_header(part, start, at, at + line.len()),
                Line::Text => {
                    self.parts[part].defects.push(Defect::NoBlankLine);
                    self.end_header(part, start, at, at);
                }
                Line::Field | Line::Continuation | Line::Envelope => {}
            }
        }
    }

    /// If a line is a boundary, returns the depth of its multipart and whether it is the closing one.
    fn boundary(&self, line: &[u8]) -> Option<(usize, bool)> {
        let line = line.strip_prefix(b"--")?;
        if self.by_boundary.is_empty() {
            return None;
        }
        let line = text::decode_unknown(without_line_end(line));
        let line = line.trim_end_matches([' ', '\t']);
        let depth = |name: &str| self.by_boundary.get(name)?.last().copied();
        let opening = depth(line).map(|depth| (depth, false));
        let closing = line
            .strip_suffix("--")
            .and_then(depth)
            .map(|depth| (depth, true));
        // A boundary may itself end in `--`. The innermost multipart decides.
        opening.max(closing)
    }

    fn at_boundary(&mut self, at: usize, line: &[u8], depth: usize, is_last: bool) {
        if self.parts.len() >= MAX_PARTS && !is_last {
            return self.end_division(at);
        }
        self.end_part(at);
        while self.open.len() > depth + 1 {
            self.close(at, false);
        }
        if is_last {
            self.close(at + line.len(), true);
            self.state = State::Between;
        } else {
            self.open[depth].is_begun = true;
            // A boundary directly after another one begins no part.
            self.state = State::AfterBoundary;
        }
    }

    /// Makes the rest of the message one part.
    fn end_division(&mut self, at: usize) {
        self.parts[0].defects.push(Defect::TooManyParts);
        self.by_boundary.clear();
        if matches!(self.state, State::Between | State::AfterBoundary) {
            self.begin_part(at);
        }
        if let State::Header { part, start } = self.state {
            self.end_header(part, start, at, at);
        }
    }

    fn begin_part(&mut self, start: usize) {
        let owner = self.open.len().min(MAX_DEPTH).checked_sub(1);
        if self.open.len() == MAX_DEPTH + 1 && !self.parts[0].defects.contains(&Defect::TooDeep) {
            self.parts[0].defects.push(Defect::TooDeep);
        }
        let (parent, ordinal) = match owner.map(|owner| &mut self.open[owner]) {
            Some(owner) => {
                owner.children += 1;
                (Some(owner.part), owner.children)
            }
            None => (None, 0),
        };
        let container = self.open.last().map(|open| self.parts[open.part].kind());
        let is_in_digest = container == Some("multipart/digest");
        let nothing = &self.source[start..start];
        let part = self.parts.len();
        self.parts.push(Part {
            header: nothing,
            body: nothing,
            whole: nothing,
            content_type: None,
            disposition: Parameterized::default(),
            content_id: String::new(),
            encoding: Encoding::Identity,
            is_multipart: false,
            parent,
            ordinal,
            is_in_digest,
            defects: Vec::new(),
        });
        self.state = State::Header { part, start };
    }

    fn end_header(&mut self, part: usize, start: usize, end: usize, body: usize) {
        let read = &mut self.parts[part];
        read.header = &self.source[start..end];
        read.read_header();
        self.state = State::Body { part, start, body };
        if !read.kind().starts_with("multipart/") {
            return;
        }
        let boundary = read
            .content_type
            .as_ref()
            .and_then(|kind| kind.parameter("boundary"));
        let boundary = boundary.unwrap_or_default().trim_end().to_owned();
        if boundary.is_empty() {
            read.defects.push(Defect::NoBoundary);
            return;
        }
        read.is_multipart = true;
        self.by_boundary
            .entry(boundary.clone())
            .or_default()
            .push(self.open.len());
        self.open.push(OpenMultipart {
            part,
            start,
            body,
            boundary,
            children: 0,
            is_begun: false,
        });
        self.state = State::Between;
    }

    /// Ends the current part, at the beginning of a boundary or at the end of the message.
    fn end_part(&mut self, at: usize) {
        if let State::Header { part, start } = self.state {
            self.end_header(part, start, at, at);
        }
        if let State::Body { part, start, body } = self.state {
            self.set_end(part, start, body, at);
            self.state = State::Between;
        }
    }

    /// Sets the bytes of a part. The line end before a boundary belongs to the boundary (RFC 2046 5.1.1). The last line end of an
    /// unclosed multipart is left out too, as in Python.
    fn set_end(&mut self, part: usize, start: usize, body: usize, end: usize) {
        let is_whole = part == 0;
        let cut = |bytes: &'x [u8]| {
            if is_whole {
                bytes
            } else {
                without_line_end(bytes)
            }
        };
        self.parts[part].body = cut(&self.source[body..end]);
        self.parts[part].whole = cut(&self.source[start..end]);
    }

    fn close(&mut self, at: usize, is_closed: bool) {
        let Some(open) = self.open.pop() else { return };
        if let Some(depths) = self.by_boundary.get_mut(&open.boundary) {
            depths.pop();
            if depths.is_empty() {
                self.by_boundary.remove(&open.boundary);
            }
        }
        self.set_end(open.part, open.start, open.body, at);
        let part = &mut self.parts[open.part];
        if !open.is_begun && !is_closed {
            part.is_multipart = false;
            part.defects.push(Defect::BoundaryNotFound);
        } else if !is_closed {
            part.defects.push(Defect::NotClosed);
        }
    }
}

#[cfg(test)]
mod tests;
