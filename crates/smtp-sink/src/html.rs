//! Reader of HTML mails: visible text, targets of links, and changes before a document is shown.
//!
//! It is not a browser: it recognizes tags, attributes, common entities and invisible elements. Nothing is fetched. Time is
//! linear in the length of the input, also for hostile input.

mod entities;
mod pictures;
mod pieces;
mod rewriting;

pub use entities::decode_entities;
pub use pictures::has_remote_pictures;
pub use pieces::{Piece, Tag, pieces};
pub use rewriting::{with_closed_links, with_new_windows, without_loaders};

/// Text and links of an HTML document.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Visible text; blocks are on lines of their own.
    pub text: String,
    /// Targets of `<a>` and `<area>`, in order.
    pub targets: Vec<String>,
}

/// Elements whose beginning and end break a line.
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

/// Reads an HTML document or a fragment of one.
pub fn read(html: &str) -> Reading {
    let mut reading = Reading::default();
    for piece in pieces(html) {
        let tag = match piece {
            Piece::Text(text) => {
                push_text(&mut reading.text, text);
                continue;
            }
            Piece::Comment(_) | Piece::Invisible(_) => continue,
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

/// Appends text with its white space collapsed.
fn push_text(out: &mut String, text: &str) {
    for char in decode_entities(text).chars() {
        if !char.is_whitespace() {
            out.push(char);
        } else if !(out.is_empty() || out.ends_with([' ', '\n'])) {
            out.push(' ');
        }
    }
}

fn break_line(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn visible_text_has_no_markup() {
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
    fn only_links_have_targets() {
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

    proptest! {
        #[test]
        fn any_document_is_read_and_its_pieces_are_the_document(
            pieces in proptest::collection::vec(
                prop::sample::select(vec!["<", ">", "a", " ", "=", "\"", "'", "/", "href", "<a ", "<!--", "</", "&", "&#", ";", "é", "<style>", "\u{a0}"]),
                0..60,
            ),
        ) {
            let html = pieces.concat();
            read(&html);
            let again: String = super::pieces(&html)
                .map(|piece| match piece {
                    Piece::Text(raw) | Piece::Comment(raw) | Piece::Invisible(raw) => raw,
                    Piece::Tag(tag) => tag.raw,
                })
                .collect();
            prop_assert_eq!(again, html);
        }
    }
}
