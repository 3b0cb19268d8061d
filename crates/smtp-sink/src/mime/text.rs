//! Decoding of text: charsets, and the encoded words of RFC 2047.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use charset::Charset;
use memchr::memmem;

use super::defect::{Defect, shorten_name};
use super::transfer;

/// Charset names that mean "unspecified".
const UNSPECIFIC: [&str; 6] = [
    "",
    "us-ascii",
    "ascii",
    "unknown-8bit",
    "x-unknown",
    "default",
];

/// Decodes text of unknown charset: as UTF-8 if it is valid, else as Windows-1252, in which every byte is a character.
pub fn decode_unknown(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            encoding_rs::WINDOWS_1252
                .decode_without_bom_handling(bytes)
                .0
        }
    }
}

/// Decodes text by the name of its charset.
pub fn decode<'x>(bytes: &'x [u8], label: &str) -> (Cow<'x, str>, Option<Defect>) {
    let label = label.trim();
    if UNSPECIFIC
        .iter()
        .any(|name| label.eq_ignore_ascii_case(name))
    {
        let text = decode_unknown(bytes);
        let is_guess = matches!(text, Cow::Owned(_));
        return (text, is_guess.then_some(Defect::Undecodable));
    }
    let known = if label.eq_ignore_ascii_case("utf8mb4") {
        Some(Charset::for_encoding(encoding_rs::UTF_8))
    } else {
        Charset::for_label_no_replacement(label.as_bytes())
    };
    match known {
        Some(charset) => {
            let (text, _, has_errors) = charset.decode(bytes);
            (text, has_errors.then_some(Defect::Undecodable))
        }
        None => (
            decode_unknown(bytes),
            Some(Defect::UnknownCharset(shorten_name(label))),
        ),
    }
}

/// Decodes the encoded words in a text (RFC 2047). Other text is unchanged, except for white space between two such words.
pub fn decode_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Bytes of adjacent words in one charset: some programs split a character between two words.
    let mut pending = Pending::default();
    let mut rest = text;
    let mut has_end = true;
    while let Some(at) = memmem::find(rest.as_bytes(), b"=?") {
        let (before, from) = rest.split_at(at);
        let word = has_end.then(|| Word::at(from, &mut has_end)).flatten();
        let Some(word) = word else {
            pending.flush(&mut out);
            out.push_str(before);
            out.push_str("=?");
            rest = &from[2..];
            continue;
        };
        if pending.is_empty() || !before.chars().all(char::is_whitespace) {
            pending.flush(&mut out);
            out.push_str(before);
        }
        rest = &from[word.size..];
        pending.add(word, &mut out);
    }
    pending.flush(&mut out);
    out.push_str(rest);
    out
}

struct Word<'x> {
    charset: &'x str,
    bytes: Vec<u8>,
    /// Length in the text, in bytes.
    size: usize,
}

impl<'x> Word<'x> {
    /// Parses the word that a text begins with. Sets `has_end` to false if no further word can end, so that the end is not searched
    /// again.
    fn at(text: &'x str, has_end: &mut bool) -> Option<Word<'x>> {
        let inner = &text[2..];
        // Names of charsets are short; without a limit, a text of nothing but `=?` would take quadratic time.
        let head = inner.as_bytes();
        let charset_end = memchr::memchr(b'?', &head[..head.len().min(60)])?;
        let charset = inner.get(..charset_end)?;
        let is_token = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\"/[]=".contains(&byte);
        if charset.is_empty() || !charset.bytes().all(is_token) {
            return None;
        }
        // With an unknown encoding the end is not searched: doing so for each `=?` would take quadratic time.
        let [encoding @ (b'b' | b'B' | b'q' | b'Q'), b'?', ..] =
            inner.as_bytes()[charset_end + 1..]
        else {
            return None;
        };
        let content_start = charset_end + 3;
        let content = inner.get(content_start..)?;
        let Some(end) = memmem::find(content.as_bytes(), b"?=") else {
            *has_end = false;
            return None;
        };
        let content = &content.as_bytes()[..end];
        let bytes = match encoding {
            b'b' | b'B' => {
                let clean: Vec<u8> = content
                    .iter()
                    .copied()
                    .filter(|byte| transfer::is_base64(*byte))
                    .collect();
                let whole = clean.len() - usize::from(clean.len() % 4 == 1);
                let engine = transfer::lenient_base64();
                engine
                    .decode(&clean[..whole])
                    .or_else(|_| STANDARD_NO_PAD.decode(&clean[..whole]))
                    .ok()?
            }
            _ => {
                let spaced: Vec<u8> = content
                    .iter()
                    .map(|byte| if *byte == b'_' { b' ' } else { *byte })
                    .collect();
                transfer::decode_quoted_printable(&spaced).0
            }
        };
        let charset = charset.split('*').next().unwrap_or(charset);
        Some(Word {
            charset,
            bytes,
            size: 2 + content_start + end + 2,
        })
    }
}

#[derive(Default)]
struct Pending<'x> {
    charset: &'x str,
    bytes: Vec<u8>,
    is_open: bool,
}

impl<'x> Pending<'x> {
    fn is_empty(&self) -> bool {
        !self.is_open
    }

    fn add(&mut self, word: Word<'x>, out: &mut String) {
        if self.is_open && !self.charset.eq_ignore_ascii_case(word.charset) {
            self.flush(out);
        }
        self.is_open = true;
        self.charset = word.charset;
        self.bytes.extend(word.bytes);
    }

    fn flush(&mut self, out: &mut String) {
        if self.is_open {
            out.push_str(&decode(&self.bytes, self.charset).0);
            self.bytes.clear();
            self.is_open = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes hours if the end is searched for each `=?`.
    #[test]
    fn words_in_an_unknown_encoding_take_linear_time() {
        let text = "=?a?x? ".repeat(1_000_000) + "?=";
        assert_eq!(decode_words(&text), text);
    }

    #[test]
    fn valid_encoded_words_are_decoded() {
        for (text, read) in [
            ("plain", "plain"),
            ("=?utf-8?q?a_b=C3=A9?= c", "a bé c"),
            ("x =?utf-8?B?w6k=?= y", "x é y"),
            ("=?utf-8?B?w6k?=", "é"),
            ("=?utf-8?q?a?= \t =?UTF-8?b?Yg==?=", "ab"),
            ("=?utf-8?b?w?= =?utf-8?b?w6k=?=", "é"),
            // One character in two words.
            ("=?utf-8?q?=C3?= =?utf-8?q?=A9?=", "é"),
            ("=?iso-8859-1?q?=E9?= =?utf-8?q?=C3=A9?=", "éé"),
            ("=?iso-8859-1*fr?q?=E9?=", "é"),
            ("=?klingon?q?a?=", "a"),
            ("=?a?x?b?=", "=?a?x?b?="),
            ("=?utf-8?q?never ends", "=?utf-8?q?never ends"),
            ("=?=?=?", "=?=?=?"),
            ("é=?utf-8?q?=C3=A9?=é", "ééé"),
        ] {
            assert_eq!(decode_words(text), read, "{text}");
        }
    }

    #[test]
    fn charsets_are_decoded_and_doubts_are_reported() {
        for (bytes, label, text, has_defect) in [
            (&b"\xe9"[..], "iso-8859-1", "é", false),
            (b"\xe9", "", "é", true),
            (b"\xc3\xa9", "us-ascii", "é", false),
            (b"\xff\xfea\0", "utf-16", "a", false),
            (b"a +AOk- b", "utf-7", "a é b", false),
            (b"\xff", "utf-8", "\u{fffd}", true),
            (b"a\xe9", "klingon-8", "aé", true),
        ] {
            let (read, defect) = decode(bytes, label);
            assert_eq!((&*read, defect.is_some()), (text, has_defect), "{label}");
        }
    }
}
