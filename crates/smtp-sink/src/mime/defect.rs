//! Defects of a message.

use std::fmt;

use super::limits::{MAX_DEPTH, MAX_PARTS};

/// Maximum number of characters of a name in a [`Defect`].
const MAX_NAME: usize = 40;

/// Defect of a message: it cannot be read as its sender meant it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Defect {
    /// Header without a blank line at its end.
    NoBlankLine,
    /// Multipart without a boundary parameter.
    NoBoundary,
    /// Multipart in which its boundary does not occur.
    BoundaryNotFound,
    /// Multipart without its closing boundary.
    NotClosed,
    /// Multiparts nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// More than [`MAX_PARTS`] parts.
    TooManyParts,
    /// base64 with bytes that are not base64.
    Base64Strays,
    /// base64 that ends in the middle of a byte.
    Base64Cut,
    /// quoted-printable with a `=` that begins no escape.
    QuotedPrintable,
    /// uuencode without its begin or its end.
    Uuencode,
    /// Unknown transfer encoding.
    UnknownEncoding(String),
    /// Unknown charset.
    UnknownCharset(String),
    /// Text with bytes that are invalid in its charset.
    Undecodable,
    /// Header field that may occur once, and the number of its occurrences.
    Repeated(&'static str, usize),
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::NoBlankLine => write!(f, "no blank line between header and body"),
            Defect::NoBoundary => {
                write!(f, "multipart without a boundary parameter, shown as text")
            }
            Defect::BoundaryNotFound => write!(
                f,
                "the boundary of the multipart does not occur, shown as text"
            ),
            Defect::NotClosed => write!(f, "the closing boundary of the multipart is missing"),
            Defect::TooDeep => write!(f, "multiparts are nested more than {MAX_DEPTH} levels deep"),
            Defect::TooManyParts => {
                write!(f, "more than {MAX_PARTS} parts, the rest is shown as one")
            }
            Defect::Base64Strays => write!(f, "characters that are not base64 were ignored"),
            Defect::Base64Cut => write!(f, "the base64 is incomplete: its last bits are lost"),
            Defect::QuotedPrintable => {
                write!(f, "\"=\" without two hexadecimal digits is kept as it is")
            }
            Defect::Uuencode => write!(f, "the uuencoded part has no begin or no end line"),
            Defect::UnknownEncoding(name) => {
                write!(f, "unknown transfer encoding \"{name}\", not decoded")
            }
            Defect::UnknownCharset(name) => write!(
                f,
                "unknown charset \"{name}\", read as UTF-8 or Windows-1252"
            ),
            Defect::Undecodable => write!(f, "some bytes are not valid in the charset of the text"),
            Defect::Repeated(name, times) => {
                write!(f, "{name} occurs {times} times, the first is shown")
            }
        }
    }
}

/// Shortens a name for a [`Defect`], and removes all but printable ASCII.
pub(super) fn shorten_name(name: &str) -> String {
    name.chars()
        .filter(|char| char.is_ascii_graphic())
        .take(MAX_NAME)
        .collect()
}
