//! Division of an HTML document into tags, text and comments: the tokenizer of the HTML Standard
//! (<https://html.spec.whatwg.org/multipage/parsing.html#tokenization>), without a tree.
//!
//! Pieces are slices of the document, so that a document can be changed in a few places and stays the same in all others. Each
//! byte is read once, also in hostile input.

/// Elements whose content has no tags. `noscript` is not one of them, since no script of a mail is run.
const RAW: [&str; 9] = [
    "iframe",
    "noembed",
    "noframes",
    "plaintext",
    "script",
    "style",
    "textarea",
    "title",
    "xmp",
];

/// Piece of an HTML document. The concatenation of all pieces is the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Text between tags, with its character references.
    Text(&'a str),
    /// Content of an element whose content has no tags.
    Raw {
        /// Name of the element in lower case.
        element: &'static str,
        /// Content up to the end tag.
        text: &'a str,
    },
    /// Start tag or end tag.
    Tag(Tag<'a>),
    /// Comment, declaration, or a tag that is cut off by the end of the document.
    Comment(&'a str),
}

impl<'a> Piece<'a> {
    /// Returns the part of the document.
    pub fn source(&self) -> &'a str {
        match self {
            Piece::Text(source) | Piece::Raw { text: source, .. } | Piece::Comment(source) => {
                source
            }
            Piece::Tag(tag) => tag.source,
        }
    }
}

/// Tag of an HTML document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    /// From `<` to `>`.
    pub source: &'a str,
    /// Name as it is written.
    name: &'a str,
    /// From the end of the name to `>`.
    attributes: &'a str,
    /// Whether the tag is an end tag.
    pub is_end: bool,
    /// Whether the tag ends with a slash that belongs to no attribute.
    pub is_self_closing: bool,
}

impl<'a> Tag<'a> {
    /// Returns whether the element has this name, which must be in lower case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Returns whether the element has one of these names, which must be in lower case.
    pub fn is_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.is(name))
    }

    /// Returns the value of an attribute, with its character references; empty for an attribute without a value. Of attributes with
    /// the same name, the first counts.
    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        let mut attributes = Attributes::new(self.attributes);
        attributes
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    fn is_start_of(&self, names: &[&str]) -> bool {
        !self.is_end && !self.is_self_closing && self.is_any(names)
    }
}

/// Divides a document into pieces.
pub fn pieces(html: &str) -> Pieces<'_> {
    Pieces {
        rest: html,
        raw: None,
        foreign: 0,
    }
}

/// Iterator over the pieces of a document.
#[derive(Debug)]
pub struct Pieces<'a> {
    rest: &'a str,
    /// Element of [`RAW`] that has just begun.
    raw: Option<&'static str>,
    /// Number of open `<svg>` and `<math>`, in which a slash at the end of a tag closes the element.
    foreign: usize,
}

impl<'a> Pieces<'a> {
    fn take(&mut self, size: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(size);
        self.rest = rest;
        taken
    }

    /// Takes a tag, or the rest of the document if the tag has no end.
    fn take_tag(&mut self, is_end: bool) -> Piece<'a> {
        let name = &self.rest[if is_end { 2 } else { 1 }..];
        let (name, behind_name) = name.split_at(span(name, ends_name));
        let mut attributes = Attributes::new(behind_name);
        attributes.by_ref().for_each(drop);
        if attributes.rest.is_empty() {
            return Piece::Comment(self.take(self.rest.len()));
        }
        let tag = Tag {
            source: self.take(self.rest.len() - attributes.rest.len() + 1),
            name,
            attributes: &behind_name[..behind_name.len() - attributes.rest.len()],
            is_end,
            is_self_closing: attributes.is_self_closing,
        };
        if tag.is_start_of(&["svg", "math"]) {
            self.foreign += 1;
        } else if is_end && tag.is_any(&["svg", "math"]) {
            self.foreign = self.foreign.saturating_sub(1);
        }
        let is_closed = is_end || tag.is_self_closing && self.foreign > 0;
        if !is_closed {
            self.raw = RAW.into_iter().find(|name| tag.is(name));
        }
        Piece::Tag(tag)
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if let Some(element) = self.raw.take() {
            let text = self.take(raw_size(self.rest, element));
            if !text.is_empty() {
                return Some(Piece::Raw { element, text });
            }
        }
        if self.rest.is_empty() {
            return None;
        }
        let text = text_size(self.rest);
        if text > 0 {
            return Some(Piece::Text(self.take(text)));
        }
        Some(match self.rest.as_bytes() {
            [b'<', b'/', letter, ..] if letter.is_ascii_alphabetic() => self.take_tag(true),
            [b'<', letter, ..] if letter.is_ascii_alphabetic() => self.take_tag(false),
            _ => Piece::Comment(self.take(comment_size(self.rest))),
        })
    }
}

/// Returns the length of the text before the next tag or comment.
fn text_size(text: &str) -> usize {
    let is_markup = |(at, _): &(usize, _)| match &text.as_bytes()[at + 1..] {
        [b'!' | b'?', ..] | [b'/', _, ..] => true,
        [letter, ..] => letter.is_ascii_alphabetic(),
        [] => false,
    };
    let markup = text.match_indices('<').find(is_markup);
    markup.map_or(text.len(), |(at, _)| at)
}

/// Returns the length of the comment or declaration at the start of a text, or the length of the text if it has no end.
fn comment_size(text: &str) -> usize {
    let mut ends = text.match_indices('>').map(|(at, _)| at);
    let end = match text.strip_prefix("<!--") {
        Some(content) if content.starts_with('>') => Some(4),
        Some(content) if content.starts_with("->") => Some(5),
        Some(_) => ends.find(|end| {
            let content = text.get(4..*end).unwrap_or_default();
            content.ends_with("--") || content.ends_with("--!")
        }),
        // Quotes have no meaning in declarations, `</3>` and `<?xml?>`.
        None => ends.next(),
    };
    end.map_or(text.len(), |end| end + 1)
}

/// Returns the length of the content of an element of [`RAW`].
fn raw_size(text: &str, element: &str) -> usize {
    match element {
        "plaintext" => text.len(),
        "script" => script_size(text),
        _ => text
            .match_indices('<')
            .find(|(at, _)| is_end_tag(&text[*at..], element))
            .map_or(text.len(), |(at, _)| at),
    }
}

/// Returns the length of a script. Within `<!--` and `-->`, an end tag belongs to the script if a start tag is before it.
fn script_size(text: &str) -> usize {
    #[derive(PartialEq)]
    enum Within {
        Script,
        Comment,
        ScriptInComment,
    }
    let mut within = Within::Script;
    for (at, found) in text.match_indices(['<', '>']) {
        let (before, here) = text.split_at(at);
        if found == ">" {
            if before.ends_with("--") {
                within = Within::Script;
            }
        } else if is_end_tag(here, "script") {
            if within != Within::ScriptInComment {
                return at;
            }
            within = Within::Comment;
        } else if within == Within::Script && here.starts_with("<!--") {
            within = Within::Comment;
        } else if within == Within::Comment && has_name(&here[1..], "script") {
            within = Within::ScriptInComment;
        }
    }
    text.len()
}

fn is_end_tag(text: &str, name: &str) -> bool {
    text.strip_prefix("</")
        .is_some_and(|text| has_name(text, name))
}

/// Returns whether a text begins with the name of a tag, and the name ends there.
fn has_name(text: &str, name: &str) -> bool {
    let text = text.as_bytes();
    text.get(..name.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
        && text.get(name.len()).copied().is_some_and(ends_name)
}

/// Iterator over the names and values of attributes.
#[derive(Debug)]
struct Attributes<'a> {
    /// In the end at the `>` of the tag; empty if the document ends before it.
    rest: &'a str,
    is_self_closing: bool,
}

impl<'a> Attributes<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            is_self_closing: false,
        }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<(&'a str, &'a str)> {
        let between = span(self.rest, |byte| !is_space(byte) && byte != b'/');
        let (between, rest) = self.rest.split_at(between);
        self.is_self_closing = between.ends_with('/');
        self.rest = rest;
        if rest.is_empty() || rest.starts_with('>') {
            return None;
        }
        // The first character always belongs to the name, even if it is `=`.
        let name = rest
            .bytes()
            .skip(1)
            .position(|byte| ends_name(byte) || byte == b'=');
        let (name, rest) = rest.split_at(name.map_or(rest.len(), |size| size + 1));
        self.rest = rest;
        let Some(value) = skip_space(rest).strip_prefix('=') else {
            return Some((name, ""));
        };
        let value = skip_space(value);
        let (value, rest) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).unwrap_or_default(),
            _ => value.split_at(span(value, |byte| is_space(byte) || byte == b'>')),
        };
        self.rest = rest;
        Some((name, value))
    }
}

/// Returns the length of a text up to the first byte that ends it. The byte must be ASCII.
fn span(text: &str, ends: fn(u8) -> bool) -> usize {
    text.bytes().position(ends).unwrap_or(text.len())
}

fn skip_space(text: &str) -> &str {
    &text[span(text, |byte| !is_space(byte))..]
}

fn ends_name(byte: u8) -> bool {
    is_space(byte) || byte == b'/' || byte == b'>'
}

/// White space of HTML, which is less than that of Unicode.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\x0c' | b'\r' | b' ')
}

#[cfg(test)]
mod tests;
