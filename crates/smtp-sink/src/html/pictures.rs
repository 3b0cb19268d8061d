//! Pictures that a mail loads from other servers.

use super::entities::decode_attribute;
use super::pieces::{Piece, pieces};
use super::rewriting::begins_with;

/// Attributes by which an element loads a picture.
const PICTURES: [&str; 7] = [
    "src",
    "srcset",
    "imagesrcset",
    "poster",
    "background",
    "href",
    "xlink:href",
];

/// Elements whose addresses load no picture: links, and elements that the content security policy of mails blocks.
const NO_PICTURES: [&str; 8] = [
    "a", "area", "audio", "base", "embed", "iframe", "link", "script",
];

/// Returns whether a document refers to pictures that are not part of the message. In doubt it returns true: then the page offers
/// to load them.
pub fn has_remote_pictures(html: &str) -> bool {
    pieces(html).any(|piece| match piece {
        Piece::Text(_) | Piece::Comment(_) => false,
        Piece::Raw { element, text } => element == "style" && has_remote_style(text),
        Piece::Tag(tag) => {
            let style = tag.attribute("style").map(decode_attribute);
            let names_picture = !tag.is_any(&NO_PICTURES)
                && PICTURES.iter().any(|attribute| {
                    let address = tag.attribute(attribute).map(decode_attribute);
                    address.is_some_and(|address| is_remote(&address))
                });
            names_picture || style.is_some_and(|style| has_remote_style(&style))
        }
    })
}

/// Returns whether a style sheet refers to a picture that is not part of the message.
fn has_remote_style(style: &str) -> bool {
    let style = style.to_ascii_lowercase();
    let mut addresses = style.split("url(").skip(1);
    style.contains("image-set(")
        || addresses.any(|address| is_remote(address.trim_start().trim_start_matches(['"', '\''])))
}

/// Returns whether an address is outside of the message.
fn is_remote(address: &str) -> bool {
    let address = address.trim_start();
    let is_own = ["data:", "cid:", "#"]
        .iter()
        .any(|start| begins_with(address, start));
    !is_own && !address.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_pictures_are_recognized_in_attributes_and_styles() {
        for html in [
            "<img src=http://x.example/a.png>",
            "<IMG SRC = '//x.example/a.png'>",
            "<img src=\"&#104;ttps://x.example/a.png\">",
            "<img srcset='https://x.example/a.png 2x'>",
            "<table background=https://x.example/a.png>",
            "<td style=\"background: url( 'https://x.example/a.png')\">",
            "<a style=\"background:URL(https://x.example/a.png)\">",
            "<head><style>p { background: url(https://x.example/a.png) }</style></head>",
            "<svg><image href='https://x.example/a.png'/></svg>",
            "<video poster=https://x.example/a.png>",
        ] {
            assert!(has_remote_pictures(html), "{html}");
        }
        for html in [
            "",
            "<!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0//EN' 'http://www.w3.org/TR/xhtml1/DTD/xhtml1.dtd'>",
            "<html xmlns='http://www.w3.org/1999/xhtml'><head><link rel=stylesheet href=https://x.example/a.css></head>",
            "<a href=https://x.example/>https://x.example/a.png</a>",
            "<img src=data:image/png;base64,AA> <img src='cid:logo'> <img src=''>",
            "<p style=\"background:url('data:image/png;base64,AA')\">",
            "<!-- <img src=https://x.example/a.png> -->",
        ] {
            assert!(!has_remote_pictures(html), "{html}");
        }
    }
}
