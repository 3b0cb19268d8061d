//! Transfer encodings.
//!
//! Each decoder keeps everything that it can decode, in linear time, and reports a defect otherwise.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use memchr::memchr;

use super::defect::{Defect, shorten_name};

/// Transfer encoding of a part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Encoding {
    /// 7bit, 8bit, binary, or none.
    #[default]
    Identity,
    /// base64 (RFC 2045 6.8).
    Base64,
    /// quoted-printable (RFC 2045 6.7).
    QuotedPrintable,
    /// uuencode, older than MIME.
    Uuencode,
    /// Unknown encoding; the part is not decoded.
    Unknown(String),
}

impl Encoding {
    /// Parses the value of Content-Transfer-Encoding. Comments and parameters after the name are ignored.
    pub fn parse(value: &str) -> Encoding {
        let end = value.find(|char: char| char.is_whitespace() || ";(,".contains(char));
        let name = value[..end.unwrap_or(value.len())]
            .trim_matches('"')
            .to_ascii_lowercase();
        match name.as_str() {
            "" | "7bit" | "8bit" | "binary" | "7-bit" | "8-bit" | "8bits" | "7bits" => {
                Encoding::Identity
            }
            "base64" => Encoding::Base64,
            "quoted-printable" => Encoding::QuotedPrintable,
            "x-uuencode" | "uuencode" | "uue" | "x-uue" => Encoding::Uuencode,
            _ => Encoding::Unknown(shorten_name(&name)),
        }
    }

    /// Decodes a body. Without an encoding the result is the body itself, not a copy.
    pub fn decode<'x>(&self, body: &'x [u8]) -> (Cow<'x, [u8]>, Option<Defect>) {
        let (bytes, defect) = match self {
            Encoding::Identity => return (Cow::Borrowed(body), None),
            Encoding::Unknown(name) => {
                return (
                    Cow::Borrowed(body),
                    Some(Defect::UnknownEncoding(name.clone())),
                );
            }
            Encoding::Base64 => decode_base64(body),
            Encoding::QuotedPrintable => decode_quoted_printable(body),
            Encoding::Uuencode => match decode_uuencode(body) {
                Some(decoded) => decoded,
                None => return (Cow::Borrowed(body), Some(Defect::Uuencode)),
            },
        };
        (Cow::Owned(bytes), defect)
    }
}

/// Returns whether a byte is in the alphabet of base64.
pub fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}

/// Returns a decoder of base64 that accepts what encoders write in practice: missing padding and trailing bits.
pub fn lenient_base64() -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&alphabet::STANDARD, config)
}

/// Decodes base64. Bytes outside the alphabet are ignored, as RFC 2045 requires. `=` ends a group, after which another one may
/// begin, since some programs concatenate encoded pieces.
fn decode_base64(body: &[u8]) -> (Vec<u8>, Option<Defect>) {
    let engine = lenient_base64();
    let mut out = Vec::with_capacity(body.len() / 4 * 3 + 3);
    let mut group: Vec<u8> = Vec::with_capacity(body.len());
    let (mut strays, mut is_cut) = (false, false);
    let mut flush = |group: &mut Vec<u8>| {
        if group.len() % 4 == 1 {
            // Six bits are less than a byte.
            group.pop();
            is_cut = true;
        }
        // Cannot fail, since the group contains only bytes of the alphabet.
        let _ = engine.decode_vec(&group[..], &mut out);
        group.clear();
    };
    for &byte in body {
        if is_base64(byte) {
            group.push(byte);
        } else if byte == b'=' {
            flush(&mut group);
        } else if !byte.is_ascii_whitespace() {
            strays = true;
        }
    }
    flush(&mut group);
    let defect = match (is_cut, strays) {
        (true, _) => Some(Defect::Base64Cut),
        (false, true) => Some(Defect::Base64Strays),
        _ => None,
    };
    (out, defect)
}

/// Decodes quoted-printable. An escape that a soft line break divides is joined first; an invalid escape is kept unchanged.
pub fn decode_quoted_printable(body: &[u8]) -> (Vec<u8>, Option<Defect>) {
    let mut out = Vec::with_capacity(body.len());
    let mut is_broken = false;
    let mut rest = body;
    while let Some(at) = memchr(b'=', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = after_soft_break(rest) {
            rest = after;
            continue;
        }
        let first = rest.first().copied().and_then(hex_value);
        let second = first.and_then(|_| {
            let mut behind = &rest[1..];
            while let Some(after) = behind.strip_prefix(b"=").and_then(after_soft_break) {
                if after.is_empty() {
                    break;
                }
                behind = after;
            }
            let value = behind.first().copied().and_then(hex_value)?;
            Some((value, &behind[1..]))
        });
        match (first, second) {
            (Some(high), Some((low, after))) => {
                out.push(high << 4 | low);
                rest = after;
            }
            _ => {
                out.push(b'=');
                is_broken = true;
            }
        }
    }
    out.extend_from_slice(rest);
    (out, is_broken.then_some(Defect::QuotedPrintable))
}

/// Returns the text after a soft line break, given the text after its `=`. White space before the line end was added in transit.
fn after_soft_break(rest: &[u8]) -> Option<&[u8]> {
    let spaces = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    match &rest[spaces..] {
        [] => Some(&[]),
        [b'\n', after @ ..] | [b'\r', b'\n', after @ ..] => Some(after),
        [b'\r'] => Some(&[]),
        _ => None,
    }
}

fn hex_value(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|value| value as u8)
}

/// Decodes uuencode from its `begin` line to its `end`; `None` without a `begin`.
fn decode_uuencode(body: &[u8]) -> Option<(Vec<u8>, Option<Defect>)> {
    let mut lines = body
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.by_ref().find(|line| {
        let mut words = line.split(|byte| *byte == b' ');
        words.next() == Some(b"begin")
            && words.next().is_some_and(|mode| {
                !mode.is_empty() && mode.iter().all(|byte| matches!(byte, b'0'..=b'7'))
            })
            && words.next().is_some()
    })?;
    let mut out = Vec::with_capacity(body.len() / 4 * 3);
    // Maximum number of zeroes that short lines add: without a limit, a line of one letter would become 63 bytes.
    let mut padding = body.len();
    let mut is_padded = false;
    for line in lines {
        if line.trim_ascii() == b"end" {
            return Some((out, is_padded.then_some(Defect::Uuencode)));
        }
        let Some((&first, encoded)) = line.split_first() else {
            continue;
        };
        let mut left = usize::from(first.wrapping_sub(b' ') & 63);
        for group in encoded.chunks(4) {
            // Spaces at the end of a line may have been lost in transit.
            let bits = |at: usize| {
                u32::from(group.get(at).copied().unwrap_or(b' ').wrapping_sub(b' ') & 63)
            };
            let value = bits(0) << 18 | bits(1) << 12 | bits(2) << 6 | bits(3);
            let bytes = value.to_be_bytes();
            let taken = left.min(3);
            out.extend_from_slice(&bytes[1..1 + taken]);
            left -= taken;
        }
        // Missing groups were zeroes.
        if left > 0 && encoded.len() < 60 {
            is_padded |= left > padding;
            let added = left.min(padding);
            padding -= added;
            out.resize(out.len() + added, 0);
        }
    }
    Some((out, Some(Defect::Uuencode)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base64_keeps_every_complete_byte() {
        for (encoded, decoded, defect) in [
            (&b"aGVsbG8="[..], &b"hello"[..], None),
            (b"aGVsbG8", b"hello", None),
            (b"aGV\r\nsbG8=\r\n", b"hello", None),
            (b"aG*Vsb!G8=", b"hello", Some(Defect::Base64Strays)),
            (b"aGk=aGk=", b"hihi", None),
            (b"aGkhX", b"hi!", Some(Defect::Base64Cut)),
            (b"", b"", None),
            (b"====", b"", None),
        ] {
            let (bytes, reported) = decode_base64(encoded);
            assert_eq!(
                (bytes.as_slice(), reported),
                (decoded, defect),
                "{encoded:?}"
            );
        }
    }

    #[test]
    fn quoted_printable_is_decoded_as_far_as_it_is_valid() {
        for (encoded, decoded, is_broken) in [
            (&b"a=3Db"[..], &b"a=b"[..], false),
            (b"a=\r\nb", b"ab", false),
            (b"a=  \t\r\nb", b"ab", false),
            (b"a=\nb", b"ab", false),
            // An escape that a soft line break divides.
            (b"caf=C=\r\n3=A9", b"caf\xc3\xa9", false),
            (b"caf=C3=A=\r\n9", b"caf\xc3\xa9", false),
            (b"a=c3b", b"a\xc3b", false),
            (b"a=zzb", b"a=zzb", true),
            (b"a==3D", b"a==", true),
            (b"a=", b"a", false),
            (b"a=3", b"a=3", true),
            (b"https://x/?a=b", b"https://x/?a=b", true),
        ] {
            let (bytes, defect) = decode_quoted_printable(encoded);
            assert_eq!(
                (bytes.as_slice(), defect.is_some()),
                (decoded, is_broken),
                "{encoded:?}"
            );
        }
    }

    #[test]
    fn uuencode_is_decoded_between_its_begin_and_its_end() {
        let encoded = b"text\r\nbegin 644 a.txt\r\n#0V%T\r\n`\r\nend\r\n";
        assert_eq!(decode_uuencode(encoded), Some((b"Cat".to_vec(), None)));
        assert_eq!(decode_uuencode(b"no begin"), None);
        // Short lines are padded, with a limit.
        let body = b"begin 644 x\n".to_vec();
        let body = [body, b"_\n".repeat(10_000), b"end\n".to_vec()].concat();
        let (decoded, defect) = decode_uuencode(&body).unwrap();
        assert_eq!(
            (decoded.len(), defect),
            (body.len(), Some(Defect::Uuencode))
        );
        let cut = decode_uuencode(b"begin 644 a\n#0V%T\n");
        assert_eq!(cut, Some((b"Cat".to_vec(), Some(Defect::Uuencode))));
    }

    #[test]
    fn an_encoding_is_recognized_with_text_after_its_name() {
        assert_eq!(Encoding::parse("BASE64"), Encoding::Base64);
        assert_eq!(Encoding::parse("base64; x=y"), Encoding::Base64);
        assert_eq!(
            Encoding::parse("quoted-printable (is it?)"),
            Encoding::QuotedPrintable
        );
        assert_eq!(Encoding::parse(""), Encoding::Identity);
        assert_eq!(Encoding::parse("zip"), Encoding::Unknown("zip".to_owned()));
    }

    proptest! {
        #[test]
        fn decoding_reverses_encoding(bytes: Vec<u8>) {
            let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&bytes);
            prop_assert_eq!(decode_base64(encoded.as_bytes()).0, bytes.clone());
            let encoded: String = bytes.iter().map(|byte| format!("={byte:02X}")).collect();
            prop_assert_eq!(decode_quoted_printable(encoded.as_bytes()).0, bytes);
        }
    }
}
