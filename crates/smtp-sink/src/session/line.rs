//! Division of the byte stream into command lines, with a limit on the buffered bytes.
//!
//! A line ends at LF. A line that ends in LF without CR is accepted and marked, so that a person can type into `nc`. Inside a
//! message the rules differ: see [`data`](super::data).

/// Command line without its line end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Line within the limit.
    Whole {
        /// Bytes before the line end.
        text: &'a [u8],
        /// Whether the line ended in LF without CR.
        bare_lf: bool,
    },
    /// Line over the limit.
    TooLong {
        /// First bytes, up to the limit. The rest was discarded.
        start: &'a [u8],
    },
}

/// Buffer for one line; never holds more than the limit and a CR.
#[derive(Debug)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    limit: usize,
    overflowed: bool,
    delivered: bool,
}

impl LineBuffer {
    /// Returns an empty buffer for lines of up to `limit` bytes, line end not counted.
    pub fn new(limit: usize) -> LineBuffer {
        LineBuffer {
            bytes: Vec::new(),
            limit,
            overflowed: false,
            delivered: false,
        }
    }

    /// Returns the memory of the buffer, in bytes.
    pub fn held(&self) -> usize {
        self.bytes.capacity()
    }

    /// Reads bytes up to the end of a line. Returns how many were used, and the line if it is complete.
    pub fn take(&mut self, input: &[u8]) -> (usize, Option<Line<'_>>) {
        if self.delivered {
            self.bytes.clear();
            self.overflowed = false;
            self.delivered = false;
        }
        let end = input.iter().position(|&byte| byte == b'\n');
        let part = &input[..end.unwrap_or(input.len())];
        // One byte more than the limit, since the last one may be the CR of the line end.
        let free = (self.limit + 1).saturating_sub(self.bytes.len());
        self.overflowed |= part.len() > free;
        self.bytes.extend_from_slice(&part[..part.len().min(free)]);
        let Some(end) = end else {
            return (input.len(), None);
        };
        self.delivered = true;
        let bare_lf = self.bytes.last() != Some(&b'\r');
        let text = self.bytes.strip_suffix(b"\r").unwrap_or(&self.bytes);
        let line = if self.overflowed || text.len() > self.limit {
            Line::TooLong {
                start: &text[..text.len().min(self.limit)],
            }
        } else {
            Line::Whole { text, bare_lf }
        };
        (end + 1, Some(line))
    }

    /// Returns the first byte of the unfinished line.
    pub fn first_pending(&self) -> Option<u8> {
        self.bytes.first().copied().filter(|_| !self.delivered)
    }

    /// Returns whether the unfinished line is over the limit already.
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
    fn a_line_may_arrive_in_pieces() {
        let got = lines(10, &[b"NO", b"OP\r", b"\nQUIT\r\n", b"\n"]);
        assert_eq!(
            got,
            [Some(b"NOOP".to_vec()), Some(b"QUIT".to_vec()), Some(vec![])]
        );
    }

    #[test]
    fn the_limit_does_not_count_the_line_end_and_applies_to_each_line() {
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
    fn a_line_that_ends_in_lf_without_cr_is_marked() {
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
