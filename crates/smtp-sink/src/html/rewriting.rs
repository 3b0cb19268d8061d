//! Changes of a document before it is shown: links open new windows, and elements that connect to other servers are removed.

use super::pieces::{Piece, Tag, pieces};

/// Attributes that open a link in a new window without access to this one, in the order in which Mailpit writes them.
const NEW_WINDOW: &str = " target=\"_blank\" rel=\"noreferrer noopener\"";

/// Returns the document with links that open in new windows, as Mailpit does for `?embed=1`.
pub fn with_new_windows(html: &str) -> String {
    rewrite_links(html, |out, tag| {
        let start = tag.source.strip_suffix('>').unwrap_or(tag.source);
        // The slash of `<a href=/x/>` belongs to the address.
        let start = if tag.is_self_closing {
            start.strip_suffix('/').unwrap_or(start)
        } else {
            start
        };
        out.push_str(start);
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
/// [`LOADERS`], and each `<meta>` that could act as a response header. Each is renamed to an element that is unknown to
/// all browsers.
///
/// A tag is recognized by `<` and its name alone, even where it seems to be text: browsers and our parser may disagree about
/// what is text, and a hostile sender chooses a case in which they do.
pub fn without_loaders(html: &str) -> String {
    rewrite(html, |out, name| {
        let is_loader = LOADERS.iter().any(|loader| begins_with(name, loader));
        if is_loader || begins_with(name, "meta") && !is_plain_meta(&name["meta".len()..]) {
            out.push_str("x-");
        }
        0
    })
}

/// Returns the document with links that open in new windows, in place of their target attribute. Recognizes tags as
/// [`without_loaders`] does.
pub fn with_closed_links(html: &str) -> String {
    rewrite(html, |out, name| {
        let is_link = |link: &&&str| {
            begins_with(name, link)
                && name[link.len()..]
                    .starts_with(|char: char| char.is_ascii_whitespace() || "/>".contains(char))
        };
        let Some(link) = ["area", "a"].iter().find(is_link) else {
            return 0;
        };
        out.push_str(&name[..link.len()]);
        // Browsers use the first of two attributes with the same name. No quotes, since the position may be within quotes.
        out.push_str(" target=_blank rel=noreferrer ");
        link.len()
    })
}

/// Copies a document. After each `<`, calls `write` with the copy and the rest of the document; `write` returns how many bytes of
/// the rest it has copied.
fn rewrite(html: &str, write: impl Fn(&mut String, &str) -> usize) -> String {
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

pub(super) fn begins_with(text: &str, name: &str) -> bool {
    text.get(..name.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(name))
}

/// Maximum length of a `<meta>` tag that is kept, in bytes.
const MAX_META: usize = 400;

/// Returns whether `<meta` is followed by nothing but attributes in double quotes up to `>`, none of them `http-equiv`: all
/// browsers agree on such a tag. This keeps `viewport` and `color-scheme`, which affect the appearance of a mail.
fn is_plain_meta(rest: &str) -> bool {
    let tag = rest.as_bytes();
    let tag = &tag[..tag.len().min(MAX_META)];
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

/// Copies a document, with `write` in place of each link.
fn rewrite_links(html: &str, write: impl Fn(&mut String, &Tag<'_>)) -> String {
    let mut out = String::with_capacity(html.len());
    for piece in pieces(html) {
        match piece {
            Piece::Tag(tag)
                if !tag.is_end && tag.is_any(&["a", "area"]) && tag.attribute("href").is_some() =>
            {
                write(&mut out, &tag);
            }
            other => out.push_str(other.source()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_open_new_windows() {
        assert_eq!(
            with_new_windows("<p>x</p><A HREF='/a'>a</A> <a name=x>b</a><!-- <a href=x> -->"),
            "<p>x</p><A HREF='/a' target=\"_blank\" rel=\"noreferrer noopener\">a</A> <a name=x>b</a><!-- <a href=x> -->"
        );
        for (html, start) in [
            ("<a href=/x/>", "<a href=/x/"),
            ("<a href='/x'/>", "<a href='/x'"),
            ("<a/href=x>", "<a/href=x"),
        ] {
            assert_eq!(with_new_windows(html), format!("{start}{NEW_WINDOW}>"));
        }
        // A title has no elements, and an unclosed tag is none.
        for html in [
            "<title><a href=x></title>",
            "<p title='<a href=x>'>",
            "<a href=x",
        ] {
            assert_eq!(with_new_windows(html), html);
        }
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
    fn a_meta_element_that_could_act_as_a_header_is_not_kept() {
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
        // A longer tag is not read to its end.
        let long = format!("<meta name=\"{}\">", "é".repeat(MAX_META));
        assert!(without_loaders(&long).starts_with("<x-meta"));
    }

    #[test]
    fn a_link_cannot_choose_its_target() {
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
}
