//! Reads HTML mails as text: what a reader would see, and where the links lead.
//!
//! No browser: it knows tags, attributes, the common entities and which elements are never seen. Nothing is
//! fetched. Hostile input costs time in proportion to its length and nothing else.

mod pictures;

pub use pictures::has_remote_pictures;

/// What is in an HTML part.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The visible text; blocks stand on lines of their own.
    pub text: String,
    /// The targets of `<a>` and `<area>`, in order.
    pub targets: Vec<String>,
}

/// Elements whose content no reader sees.
const UNSEEN: [&str; 5] = ["head", "script", "style", "template", "title"];

/// Elements that start and end a line.
const BLOCKS: [&str; 25] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "dd",
    "div",
    "dl",
    "dt",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "p",
    "section",
    "table",
    "tr",
];

/// A piece of an HTML document; all of them together are the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// What stands between tags, entities and all.
    Text(&'a str),
    /// A comment.
    Comment(&'a str),
    /// A tag, or a declaration.
    Tag(Tag<'a>),
    /// What stands in an element whose content no reader sees, with its end tag.
    Unseen(&'a str),
}

/// One tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag<'a> {
    /// From `<` to `>`.
    pub raw: &'a str,
    inner: &'a str,
}

impl<'a> Tag<'a> {
    /// Its name in lower case, with a slash before it where it ends an element.
    pub fn name(&self) -> String {
        tag_name(self.inner)
    }

    /// The value of an attribute, entities and all; empty where it has none.
    pub fn attribute(&self, name: &str) -> Option<&'a str> {
        attribute(self.inner, name)
    }
}

/// Cuts a document into pieces.
pub fn pieces(html: &str) -> Pieces<'_> {
    Pieces {
        rest: html,
        unseen: None,
        endless: Vec::new(),
        quotes_count: true,
    }
}

/// The pieces of a document, in order.
#[derive(Debug)]
pub struct Pieces<'a> {
    rest: &'a str,
    /// The element just begun whose content no reader sees.
    unseen: Option<String>,
    /// Elements known to have no end any more, so that a million of them are not each searched for it.
    endless: Vec<String>,
    /// Until one is known to be never closed; then no tag is searched for the end of one again.
    quotes_count: bool,
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
        if let Some(name) = self.unseen.take() {
            match skip_element(self.rest, &name) {
                Some(after) => {
                    let size = self.rest.len() - after.len();
                    return Some(Piece::Unseen(self.take(size)));
                }
                // What follows is seen all the same, or a missing `</head>` would hide the mail.
                None => self.endless.push(name),
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
            .quotes_count
            .then(|| split_tag(&self.rest[1..]))
            .flatten();
        self.quotes_count &= quoted.is_some();
        // Without them the tag ends at the first `>`, as good as anything.
        let (inner, after) = quoted.unwrap_or_else(|| {
            self.rest[1..]
                .split_once('>')
                .unwrap_or((&self.rest[1..], ""))
        });
        let size = self.rest.len() - after.len();
        let name = tag_name(inner);
        if UNSEEN.contains(&name.as_str()) && !inner.ends_with('/') && !self.endless.contains(&name)
        {
            self.unseen = Some(name);
        }
        let raw = self.take(size);
        Some(Piece::Tag(Tag { raw, inner }))
    }
}

/// Reads an HTML document or piece of one.
pub fn read(html: &str) -> Reading {
    let mut reading = Reading::default();
    for piece in pieces(html) {
        let tag = match piece {
            Piece::Text(text) => {
                push_text(&mut reading.text, text);
                continue;
            }
            Piece::Comment(_) | Piece::Unseen(_) => continue,
            Piece::Tag(tag) => tag,
        };
        let name = tag.name();
        if BLOCKS.contains(&name.trim_start_matches('/')) {
            break_line(&mut reading.text);
        } else if matches!(name.as_str(), "td" | "th" | "/td" | "/th") {
            push_text(&mut reading.text, " ");
        }
        if matches!(name.as_str(), "a" | "area")
            && let Some(target) = tag.attribute("href")
        {
            reading.targets.push(decode_entities(target.trim()));
        }
    }
    reading.text.truncate(reading.text.trim_end().len());
    reading
}

/// Attributes that open a link in a window without access to this one, in the order that Mailpit writes them.
const NEW_WINDOW: &str = " target=\"_blank\" rel=\"noreferrer noopener\"";

/// Returns the document with links that open in new windows, as Mailpit's `?embed=1` has them.
pub fn with_new_windows(html: &str) -> String {
    with_links(html, |out, tag| {
        let start = tag.raw.strip_suffix('>').unwrap_or(tag.raw);
        out.push_str(start.trim_end_matches('/'));
        out.push_str(NEW_WINDOW);
        out.push('>');
    })
}

/// Elements for which a browser connects to another server before it applies the content security policy, and those that
/// change attributes afterwards.
const LOADERS: [&str; 8] = [
    "link",
    "iframe",
    "frame",
    "fencedframe",
    "object",
    "embed",
    "set",
    "animate",
];

/// Returns the document without elements that connect to another server in spite of the content security policy: those of
/// [`LOADERS`], and each `<meta>` that could stand for a header. Each becomes an element that no browser knows.
///
/// A tag is recognized by `<` and its name alone, also where it seems to be text: browsers and a parser of ours may disagree
/// about what is text, and the sender of a mail chooses a case in which they do.
pub fn without_loaders(html: &str) -> String {
    rewritten(html, |out, name| {
        let is_loader = LOADERS.iter().any(|loader| begins_with(name, loader));
        if is_loader || begins_with(name, "meta") && !is_plain_meta(&name["meta".len()..]) {
            out.push_str("x-");
        }
        0
    })
}

/// Returns the document with links that open in new windows, whatever target they name. Recognizes tags as
/// [`without_loaders`] does.
pub fn with_closed_links(html: &str) -> String {
    rewritten(html, |out, name| {
        let is_link = |link: &&&str| {
            begins_with(name, link)
                && name[link.len()..]
                    .starts_with(|char: char| char.is_ascii_whitespace() || "/>".contains(char))
        };
        let Some(link) = ["area", "a"].iter().find(is_link) else {
            return 0;
        };
        out.push_str(&name[..link.len()]);
        // The first of two attributes with one name counts. Without quotes, since this may stand within quotes.
        out.push_str(" target=_blank rel=noreferrer ");
        link.len()
    })
}

/// Copies a document. Behind each `<`, `write` gets what follows and may add to the copy; it returns the number of bytes of
/// it that it has copied.
fn rewritten(html: &str, write: impl Fn(&mut String, &str) -> usize) -> String {
    let mut out = String::with_capacity(html.len() + html.len() / 8);
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let (before, name) = rest.split_at(at + 1);
        out.push_str(before);
        let copied = write(&mut out, name);
        rest = &name[copied..];
    }
    out.push_str(rest);
    out
}

fn begins_with(text: &str, name: &str) -> bool {
    text.get(..name.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// Maximum length of a `<meta>` tag that is kept.
const LONGEST_META: usize = 400;

/// Reports whether what follows `<meta` is attributes in double quotes up to `>`, none of them `http-equiv`: every browser
/// reads that alike. It keeps `viewport` and `color-scheme`, which decide how a mail looks.
fn is_plain_meta(rest: &str) -> bool {
    let tag = rest.as_bytes();
    let tag = &tag[..tag.len().min(LONGEST_META)];
    let Some(end) = tag.iter().position(|byte| *byte == b'>') else {
        return false;
    };
    let mut attributes = &rest[..end];
    loop {
        let trimmed = attributes.trim_start_matches([' ', '\t', '\r', '\n']);
        if trimmed.is_empty() || trimmed == "/" {
            return true;
        }
        // White space is required before an attribute.
        if trimmed.len() == attributes.len() {
            return false;
        }
        let Some((name, value)) = trimmed.split_once("=\"") else {
            return false;
        };
        let is_name = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
        if !is_name || name.eq_ignore_ascii_case("http-equiv") {
            return false;
        }
        let Some((value, after)) = value.split_once('"') else {
            return false;
        };
        if value.contains('<') {
            return false;
        }
        attributes = after;
    }
}

/// The same document, with each link written by `write`.
fn with_links(html: &str, write: impl Fn(&mut String, &Tag<'_>)) -> String {
    let mut out = String::with_capacity(html.len());
    for piece in pieces(html) {
        match piece {
            Piece::Text(raw) | Piece::Comment(raw) | Piece::Unseen(raw) => out.push_str(raw),
            Piece::Tag(tag) => {
                let is_link = matches!(tag.name().as_str(), "a" | "area");
                match is_link && tag.raw.ends_with('>') && tag.attribute("href").is_some() {
                    true => write(&mut out, &tag),
                    false => out.push_str(tag.raw),
                }
            }
        }
    }
    out
}

/// What stands between `<` and `>`, quotes respected, and what follows; `None` where it has no end.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    let mut previous = b' ';
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some((&text[..at], &text[at + 1..])),
            // Only the quote that begins a value counts; others are someone's typing error.
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

/// What follows the end tag of this element.
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
        // A stray `=` where a name should be must not stop the walk.
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

/// Appends text with its white space collapsed.
fn push_text(out: &mut String, text: &str) {
    for char in decode_entities(text).chars() {
        match char.is_whitespace() {
            true if out.is_empty() || out.ends_with([' ', '\n']) => {}
            true => out.push(' '),
            false => out.push(char),
        }
    }
}

fn break_line(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
}

/// Replaces the entities that mails use; what is no entity stays as it is.
pub fn decode_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        // The longest name here has a dozen letters; a bare `&` in a long URL must not be searched far.
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        match end.and_then(|end| entity(&rest[..end]).map(|char| (end, char))) {
            Some((end, char)) => {
                out.push(char);
                rest = &rest[end + 1..];
            }
            None => out.push('&'),
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "copy" => '©',
        "reg" => '®',
        "trade" => '™',
        "hellip" => '…',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "laquo" => '«',
        "raquo" => '»',
        "bull" => '•',
        "middot" => '·',
        "euro" => '€',
        "pound" => '£',
        "times" => '×',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "Auml" => 'Ä',
        "Ouml" => 'Ö',
        "Uuml" => 'Ü',
        "szlig" => 'ß',
        "eacute" => 'é',
        "egrave" => 'è',
        "agrave" => 'à',
        "ccedil" => 'ç',
        "ntilde" => 'ñ',
        "zwnj" => '\u{200c}',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_reader_sees_text_and_not_its_markup() {
        for (html, text) in [
            (
                "<p>Hello&nbsp;<b>Ann</b>,</p><p>your   code:\n</p>",
                "Hello Ann,\nyour code:",
            ),
            (
                "<head><title>T</title></head><style>a{top:1234px}</style>x",
                "x",
            ),
            ("a<br>b<br/>c<hr>d", "a\nb\nc\nd"),
            (
                "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>",
                "a b\nc",
            ),
            (
                "1 < 2 &amp; 3 &lt; 4 &unknown; &#65;&#x42;",
                "1 < 2 & 3 < 4 &unknown; AB",
            ),
            ("a<!-- <p>not</p> -->b", "ab"),
            ("<script>var x = '<p>1234</p>'</script>seen", "seen"),
            ("<head>never closed <p>seen", "never closed\nseen"),
            ("<header>top</header>", "top"),
            ("<style><style><style>a", "a"),
            ("", ""),
        ] {
            assert_eq!(read(html).text, text, "{html}");
        }
    }

    #[test]
    fn targets_are_those_of_links_alone() {
        let html = r#"<a class='x' href="https://a/?x=1&amp;y=2">a</a> <A HREF=https://b/>b</A>
            <img src="https://pixel/"> <link href="https://css/"> <a name="x">c</a> <a title="a > b" href = 'https://d/'>d</a>
            <area href="https://e/"><abbr href="https://no/">"#;
        assert_eq!(
            read(html).targets,
            [
                "https://a/?x=1&y=2",
                "https://b/",
                "https://d/",
                "https://e/"
            ]
        );
    }

    #[test]
    fn links_get_windows_of_their_own() {
        assert_eq!(
            with_new_windows("<p>x</p><A HREF='/a'>a</A> <a name=x>b</a><!-- <a href=x> -->"),
            "<p>x</p><A HREF='/a' target=\"_blank\" rel=\"noreferrer noopener\">a</A> <a name=x>b</a><!-- <a href=x> -->"
        );
    }

    #[test]
    fn a_document_keeps_no_element_that_connects_before_its_policy_applies() {
        for (html, neutral) in [
            (
                "<LINK rel=preconnect href=x>",
                "<x-LINK rel=preconnect href=x>",
            ),
            ("<p title='<iframe src=x>'>", "<p title='<x-iframe src=x>'>"),
            ("<!-- <link --><objectx>", "<!-- <x-link --><x-objectx>"),
            (
                "<frameset><animateMotion/><setx>",
                "<x-frameset><x-animateMotion/><x-setx>",
            ),
            ("<a href=x>1 < 2 <é>", "<a href=x>1 < 2 <é>"),
            ("<", "<"),
        ] {
            assert_eq!(without_loaders(html), neutral);
        }
    }

    #[test]
    fn a_meta_element_that_could_stand_for_a_header_is_not_kept() {
        for html in [
            "<meta charset=\"utf-8\">",
            "<META name=\"viewport\" content=\"width=device-width, initial-scale=1\" />",
            "<meta\n  name=\"color-scheme\"\n  content=\"light dark\">",
            "<meta>",
        ] {
            assert_eq!(without_loaders(html), html);
        }
        for html in [
            "<meta http-equiv=\"refresh\" content=\"0;url=x\">",
            "<meta name=\"a\" HTTP-EQUIV=\"Link\" content=\"<x>; rel=preconnect\">",
            "<meta name=\"a>\" http-equiv=\"link\">",
            "<meta name=\"<\" >",
            "<meta http-equiv=link>",
            "<meta/http-equiv=\"link\">",
            "<meta name=\"a\"http-equiv=\"link\">",
            "<meta name='\"' http-equiv=\"link\">",
            "<meta \u{c}http-equiv=\"link\">",
            "<meta name=\"é",
            "<meta name=\"a\"",
            "<meta",
            "<metadata>",
        ] {
            assert_eq!(without_loaders(html), html.replace("<meta", "<x-meta"));
        }
        // A longer one is not searched to its end.
        let long = format!("<meta name=\"{}\">", "é".repeat(LONGEST_META));
        assert!(without_loaders(&long).starts_with("<x-meta"));
    }

    #[test]
    fn a_link_chooses_no_target() {
        for (html, closed) in [
            (
                "<a href=x target=_self>",
                "<a target=_blank rel=noreferrer  href=x target=_self>",
            ),
            ("<A/href=x>", "<A target=_blank rel=noreferrer /href=x>"),
            ("<area>", "<area target=_blank rel=noreferrer >"),
            ("<abbr><a\u{a0}>", "<abbr><a\u{a0}>"),
        ] {
            assert_eq!(with_closed_links(html), closed);
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_read(
            pieces in proptest::collection::vec(
                prop::sample::select(vec!["<", ">", "a", " ", "=", "\"", "'", "/", "href", "<a ", "<!--", "</", "&", "&#", ";", "é", "<style>", "\u{a0}"]),
                0..60,
            ),
        ) {
            let html = pieces.concat();
            read(&html);
            // Nothing is lost, and nothing is made up.
            let again: String = super::pieces(&html)
                .map(|piece| match piece {
                    Piece::Text(raw) | Piece::Comment(raw) | Piece::Unseen(raw) => raw,
                    Piece::Tag(tag) => tag.raw,
                })
                .collect();
            prop_assert_eq!(again, html);
        }
    }
}
