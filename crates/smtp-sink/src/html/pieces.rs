//! Division of an HTML document into tags, text and comments.

/// Elements with invisible content.
const INVISIBLE: [&str; 5] = ["head", "script", "style", "template", "title"];

/// Piece of an HTML document. The concatenation of all pieces is the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text between tags, with its entities.
    Text(&'a str),
    /// Comment.
    Comment(&'a str),
    /// Tag or declaration.
    Tag(Tag<'a>),
    /// Content and end tag of an element with invisible content.
    Invisible(&'a str),
}

/// Tag of an HTML document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    /// From `<` to `>`.
    pub raw: &'a str,
    inner: &'a str,
}

impl<'a> Tag<'a> {
    /// Returns the name of the tag in lower case, with a leading slash for an end tag.
    pub fn name(&self) -> String {
        tag_name(self.inner)
    }

    /// Returns the value of an attribute, with its entities; empty for an attribute without a value.
    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        attribute(self.inner, name)
    }
}

/// Divides a document into pieces.
pub fn pieces(html: &str) -> Pieces<'_> {
    Pieces {
        rest: html,
        invisible: None,
        unclosed: Vec::new(),
        respects_quotes: true,
    }
}

/// Iterator over the pieces of a document.
#[derive(Debug)]
pub struct Pieces<'a> {
    rest: &'a str,
    /// Element with invisible content that has just begun.
    invisible: Option<String>,
    /// Elements without a further end tag. They are recorded so that a million of them do not search for it again each time.
    unclosed: Vec<String>,
    /// False once a quote is known to be unclosed; from then on quotes are ignored, and no tag is searched for the end of one.
    respects_quotes: bool,
}

impl<'a> Pieces<'a> {
    fn take(&mut self, size: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(size);
        self.rest = rest;
        taken
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if let Some(name) = self.invisible.take() {
            match skip_element(self.rest, &name) {
                Some(after) => {
                    let size = self.rest.len() - after.len();
                    return Some(Piece::Invisible(self.take(size)));
                }
                // Without an end tag the content is visible: a missing `</head>` must not hide the mail.
                None => self.unclosed.push(name),
            }
        }
        if self.rest.is_empty() {
            return None;
        }
        let at = self.rest.find('<').unwrap_or(self.rest.len());
        if at > 0 {
            return Some(Piece::Text(self.take(at)));
        }
        if let Some(comment) = self.rest.strip_prefix("<!--") {
            let size = comment.find("-->").map_or(self.rest.len(), |end| end + 7);
            return Some(Piece::Comment(self.take(size)));
        }
        if !self.rest[1..]
            .starts_with(|char: char| char.is_ascii_alphabetic() || "/!?".contains(char))
        {
            return Some(Piece::Text(self.take(1)));
        }
        let quoted = self
            .respects_quotes
            .then(|| split_tag(&self.rest[1..]))
            .flatten();
        self.respects_quotes &= quoted.is_some();
        // Without quotes the tag ends at the first `>`.
        let (inner, after) = quoted.unwrap_or_else(|| {
            self.rest[1..]
                .split_once('>')
                .unwrap_or((&self.rest[1..], ""))
        });
        let size = self.rest.len() - after.len();
        let name = tag_name(inner);
        if INVISIBLE.contains(&name.as_str())
            && !inner.ends_with('/')
            && !self.unclosed.contains(&name)
        {
            self.invisible = Some(name);
        }
        let raw = self.take(size);
        Some(Piece::Tag(Tag { raw, inner }))
    }
}

/// Splits a text behind `<` at the `>` that ends the tag, which is not one in quotes; `None` if the tag has no end.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    let mut previous = b' ';
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some((&text[..at], &text[at + 1..])),
            // Only a quote that begins a value counts; others are typing errors.
            (None, b'"' | b'\'') if previous == b'=' => quote = Some(byte),
            (Some(open), _) if byte == open => quote = None,
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            previous = byte;
        }
    }
    None
}

fn tag_name(tag: &str) -> String {
    let end = tag
        .find(|char: char| char.is_whitespace())
        .unwrap_or(tag.len());
    let name = &tag[..end.min(20).min(floor_boundary(tag, 20))];
    name.strip_suffix('/').unwrap_or(name).to_ascii_lowercase()
}

fn floor_boundary(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Returns the text behind the end tag of an element.
fn skip_element<'a>(rest: &'a str, name: &str) -> Option<&'a str> {
    let mut from = rest;
    while let Some(at) = from.find("</") {
        from = &from[at + 2..];
        let is_end = from
            .get(..name.len())
            .is_some_and(|found| found.eq_ignore_ascii_case(name));
        if is_end {
            return Some(from.find('>').map_or("", |end| &from[end + 1..]));
        }
    }
    None
}

fn attribute<'a>(tag: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = &tag[tag.find(|char: char| char.is_whitespace())?..];
    loop {
        rest = rest.trim_start_matches(|char: char| char.is_whitespace() || char == '/');
        if rest.is_empty() {
            return None;
        }
        let end = rest
            .find(|char: char| char.is_whitespace() || char == '=' || char == '/')
            .unwrap_or(rest.len());
        // A stray `=` in place of a name must not stop the loop.
        let (name, after) = rest.split_at(end.max(usize::from(end == 0 && rest.starts_with('='))));
        rest = after.trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            (value, rest) = match after.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    after[1..].split_once(quote).unwrap_or((&after[1..], ""))
                }
                _ => after.split_at(after.find(char::is_whitespace).unwrap_or(after.len())),
            };
        }
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
    }
}
