//! Header fields as the sender wrote them: names, values with their line ends, and the end of a header.

use std::borrow::Cow;

use memchr::memchr;

/// Header field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'x> {
    /// Name as the sender wrote it.
    pub name: &'x str,
    /// Everything after the colon, including the line ends of folded lines, without the last line end.
    pub value: &'x [u8],
}

impl<'x> Field<'x> {
    /// Compares names without regard to case (RFC 5322).
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Returns the value on one line.
    pub fn unfolded(&self) -> Cow<'x, str> {
        unfolded(self.value)
    }
}

/// Role of a line in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// `Name: value`.
    Field,
    /// Further line of a folded field.
    Continuation,
    /// Envelope line of an mbox file.
    Envelope,
    /// Blank line that ends the header.
    Blank,
    /// Beginning of the body; the blank line is missing.
    Text,
}

impl Line {
    /// Classifies a line, given with its line end. As in Python's parser, a line that is not a field ends the header, so that its
    /// text is shown as a part of the body and is not lost. Only the first line can be an envelope line, and only a later one
    /// can continue a field.
    pub fn classify(line: &[u8], is_first: bool) -> Line {
        match line {
            b"\r\n" | b"\n" | b"" => Line::Blank,
            [b' ' | b'\t', ..] if !is_first => Line::Continuation,
            _ if is_first && line.starts_with(b"From ") => Line::Envelope,
            _ if name_end(line).is_some() => Line::Field,
            _ => Line::Text,
        }
    }
}

/// Returns the length of the field name that a line begins with. White space before the colon is obsolete but valid (RFC 5322 4.5).
fn name_end(line: &[u8]) -> Option<usize> {
    let end = line
        .iter()
        .position(|byte| !matches!(byte, b'!'..=b'9' | b';'..=b'~'))?;
    let spaces = line[end..]
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    (line.get(end + spaces) == Some(&b':')).then_some(end)
}

/// Returns the first line of `bytes` with its line end. A bare CR does not end a line.
pub fn first_line(bytes: &[u8]) -> &[u8] {
    match memchr(b'\n', bytes) {
        Some(at) => &bytes[..=at],
        None => bytes,
    }
}

/// Returns `bytes` without one line end at its end.
pub fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// Iterator over the fields of a header.
#[derive(Debug, Clone)]
pub struct Fields<'x> {
    rest: &'x [u8],
}

/// Returns the fields of a header. Lines that do not belong to a field are skipped.
pub fn fields(header: &[u8]) -> Fields<'_> {
    Fields { rest: header }
}

impl<'x> Fields<'x> {
    fn take_line(&mut self) -> &'x [u8] {
        let (line, rest) = self.rest.split_at(first_line(self.rest).len());
        self.rest = rest;
        line
    }
}

impl<'x> Iterator for Fields<'x> {
    type Item = Field<'x>;

    fn next(&mut self) -> Option<Field<'x>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let start = self.rest;
            let line = self.take_line();
            let Some(end) = name_end(line) else { continue };
            let mut size = line.len();
            while matches!(self.rest.first(), Some(b' ' | b'\t')) {
                size += self.take_line().len();
            }
            let Ok(name) = str::from_utf8(&line[..end]) else {
                continue;
            };
            if name.is_empty() {
                continue;
            }
            let colon = memchr(b':', line).unwrap_or(end);
            let value = without_line_end(&start[colon + 1..size]);
            return Some(Field { name, value });
        }
    }
}

/// Returns a value on one line, without white space at its ends; a fold becomes one space.
pub fn unfolded(value: &[u8]) -> Cow<'_, str> {
    let text = super::text::decode_unknown(value);
    if memchr(b'\n', text.as_bytes()).is_none() {
        return match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
            Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
        };
    }
    let mut line = String::with_capacity(text.len());
    for piece in text
        .split('\n')
        .map(str::trim)
        .filter(|piece| !piece.is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(piece);
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_name_and_value() {
        let header = b"From x\r\nSubject: a\r\n b\r\n\tc\r\nX :y\r\n: z\r\nEmpty:\r\nlast:1";
        let read: Vec<_> = fields(header)
            .map(|field| (field.name, field.unfolded().into_owned()))
            .collect();
        let expected = [
            ("Subject", "a b c"),
            ("X", "y"),
            ("Empty", ""),
            ("last", "1"),
        ];
        assert_eq!(read, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn a_line_without_a_colon_ends_the_header() {
        for (line, role) in [
            (&b"Subject: x\r\n"[..], Line::Field),
            (b"a b: c\r\n", Line::Text),
            (b"\xffx: c\r\n", Line::Text),
            (b" x\r\n", Line::Continuation),
            (b"\r\n", Line::Blank),
            (b"\n", Line::Blank),
            (b"From x\n", Line::Text),
            (b"hello\n", Line::Text),
        ] {
            assert_eq!(Line::classify(line, false), role, "{line:?}");
        }
        assert_eq!(Line::classify(b"From x\n", true), Line::Envelope);
        assert_eq!(Line::classify(b" x\n", true), Line::Text);
    }
}
