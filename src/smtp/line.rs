//! Cuts bytes into command lines, with a limit on what it holds.
//!
//! Knows nothing of commands. A line ends at LF; one that lacks the CR before it is taken, so that a person
//! can type into `nc`, but marked. (Inside a message it is different: see [`data`](super::data).)

/// One line without its end, or the beginning of one over the limit.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// The line's bytes, and whether its end lacked the CR.
    Whole {
        /// What stands before the line's end.
        text: &'a [u8],
        /// True where the line ended in LF alone.
        bare_lf: bool,
    },
    /// A line over the limit.
    TooLong {
        /// Its first bytes, as many as the limit allows. The rest was dropped.
        start: &'a [u8],
    },
}

/// Gathers one line at a time; never holds more than its limit and a CR.
#[derive(Debug)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    limit: usize,
    overflowed: bool,
    delivered: bool,
}

impl LineBuffer {
    /// An empty buffer for lines of up to `limit` bytes, their end not counted.
    pub fn new(limit: usize) -> LineBuffer {
        LineBuffer {
            bytes: Vec::new(),
            limit,
            overflowed: false,
            delivered: false,
        }
    }

    /// Bytes that it holds.
    pub fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// Takes bytes up to the end of one line: how many were used, and the line if that completed it.
    pub fn take(&mut self, input: &[u8]) -> (usize, Option<Line<'_>>) {
        if self.delivered {
            self.bytes.clear();
            self.overflowed = false;
            self.delivered = false;
        }
        let end = input.iter().position(|&byte| byte == b'\n');
        let part = &input[..end.unwrap_or(input.len())];
        // One byte more than the limit, since the last may be the CR of the line's end.
        let room = (self.limit + 1).saturating_sub(self.bytes.len());
        self.overflowed |= part.len() > room;
        self.bytes.extend_from_slice(&part[..part.len().min(room)]);
        let Some(end) = end else {
            return (input.len(), None);
        };
        self.delivered = true;
        let bare_lf = self.bytes.last() != Some(&b'\r');
        let text = self.bytes.strip_suffix(b"\r").unwrap_or(&self.bytes);
        let line = match self.overflowed || text.len() > self.limit {
            true => Line::TooLong {
                start: &text[..text.len().min(self.limit)],
            },
            false => Line::Whole { text, bare_lf },
        };
        (end + 1, Some(line))
    }
}

impl LineBuffer {
    /// First byte of the line whose end has not arrived yet.
    pub fn first_pending(&self) -> Option<u8> {
        self.bytes.first().copied().filter(|_| !self.delivered)
    }

    /// Returns whether the line whose end has not arrived yet is over the limit already.
    pub fn is_over_limit(&self) -> bool {
        self.overflowed && !self.delivered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(limit: usize, chunks: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
        let mut buffer = LineBuffer::new(limit);
        let mut found = Vec::new();
        for chunk in chunks {
            let mut rest = *chunk;
            while !rest.is_empty() {
                let (used, line) = buffer.take(rest);
                match line {
                    Some(Line::Whole { text, .. }) => found.push(Some(text.to_vec())),
                    Some(Line::TooLong { .. }) => found.push(None),
                    None => {}
                }
                rest = &rest[used..];
            }
        }
        found
    }

    #[test]
    fn a_line_may_come_in_pieces() {
        let got = lines(10, &[b"NO", b"OP\r", b"\nQUIT\r\n", b"\n"]);
        assert_eq!(
            got,
            [Some(b"NOOP".to_vec()), Some(b"QUIT".to_vec()), Some(vec![])]
        );
    }

    #[test]
    fn the_limit_counts_the_text_alone_and_the_next_line_is_whole_again() {
        assert_eq!(lines(4, &[b"NOOP\r\n"]), [Some(b"NOOP".to_vec())]);
        assert_eq!(
            lines(4, &[b"NOOPS\nNOOP\n"]),
            [None, Some(b"NOOP".to_vec())]
        );
        assert_eq!(
            lines(4, &[b"NOOPS", b"\r\nNOOP\n"]),
            [None, Some(b"NOOP".to_vec())]
        );
        assert_eq!(
            lines(4, &[b"NOOP", b"NOOP", b"NOOP\r", b"\nQ\r\n"]),
            [None, Some(b"Q".to_vec())]
        );
    }

    #[test]
    fn a_line_that_ends_in_lf_alone_is_marked() {
        let mut buffer = LineBuffer::new(10);
        assert_eq!(
            buffer.take(b"NOOP\n").1,
            Some(Line::Whole {
                text: b"NOOP",
                bare_lf: true
            })
        );
        assert_eq!(
            buffer.take(b"NOOP\r\n").1,
            Some(Line::Whole {
                text: b"NOOP",
                bare_lf: false
            })
        );
    }
}
