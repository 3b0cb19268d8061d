//! Takes a message out of the bytes after DATA: undoes dot-stuffing and finds the end.
//!
//! Only CRLF `.` CRLF ends a message, or `.` CRLF where it comes first. Every laxer rule (a bare LF, a bare CR,
//! `CRLF . CR CR LF`) lets a message smuggle a second one past a server that is stricter, so here those bytes
//! stay in the message as they came, and are counted.
//!
//! ```text
//! LineStart ──'.'──▶ Dot ──CR──▶ DotCr ──LF──▶ (end)
//!     ▲  └─other─┐    └─other─┐    └─other: the CR was the message's─┐
//!     │          ▼            ▼                                      ▼
//!     │        Middle ────────┴──CR──▶ Cr ◀──────────────────────────┘
//!     └──────────────────────LF────────┘  └─other─▶ Middle
//! ```

/// What was odd about a message's lines; the message is kept all the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Oddities {
    /// CRs that no LF followed.
    pub bare_cr: u64,
    /// LFs that no CR preceded.
    pub bare_lf: u64,
    /// Lines that began with one dot that was not doubled; RFC 5321 has it removed.
    pub unstuffed_dots: u64,
    /// NUL bytes.
    pub nul: u64,
    /// The longest line in bytes, without its CRLF.
    pub longest_line: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    #[default]
    LineStart,
    Dot,
    DotCr,
    Middle,
    Cr,
}

/// The decoder of one message; a new one is made for each.
#[derive(Debug, Default)]
pub struct Decoder {
    at: At,
    line: u64,
    oddities: Oddities,
}

impl Decoder {
    /// Appends the message's bytes to `out`: how many bytes were used, and whether the message ended there.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        // Once, not line by line.
        out.reserve(input.len());
        let mut at = 0;
        while at < input.len() {
            let byte = input[at];
            // Each arm either uses bytes or moves to a state that will.
            match self.at {
                At::LineStart if byte == b'.' => {
                    self.at = At::Dot;
                    at += 1;
                }
                At::LineStart => self.at = At::Middle,
                At::Dot if byte == b'\r' => {
                    self.at = At::DotCr;
                    at += 1;
                }
                At::Dot => {
                    self.oddities.unstuffed_dots += u64::from(byte != b'.');
                    self.at = At::Middle;
                }
                At::DotCr if byte == b'\n' => return (at + 1, true),
                At::DotCr => {
                    self.oddities.unstuffed_dots += 1;
                    out.push(b'\r');
                    self.at = At::Cr;
                }
                At::Cr if byte == b'\n' => {
                    out.push(b'\n');
                    self.line = 0;
                    self.at = At::LineStart;
                    at += 1;
                }
                At::Cr => {
                    self.oddities.bare_cr += 1;
                    self.line += 1;
                    self.at = At::Middle;
                }
                At::Middle => at += self.take_run(&input[at..], out),
            }
        }
        (at, false)
    }

    /// What was odd about the lines so far.
    pub fn oddities(&self) -> Oddities {
        self.oddities
    }

    /// Copies from the middle of a line up to and including the next CR, LF or NUL.
    fn take_run(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let end = input
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n' | 0))
            .unwrap_or(input.len());
        self.line += end as u64;
        let used = match input.get(end) {
            None => end,
            Some(special) => {
                match special {
                    b'\r' => self.at = At::Cr,
                    b'\n' => {
                        self.oddities.bare_lf += 1;
                        self.oddities.longest_line = self.oddities.longest_line.max(self.line);
                        self.line = 0;
                    }
                    _ => {
                        self.oddities.nul += 1;
                        self.line += 1;
                    }
                }
                end + 1
            }
        };
        self.oddities.longest_line = self.oddities.longest_line.max(self.line);
        out.extend_from_slice(&input[..used]);
        used
    }
}

/// What is odd about a message that came in chunks, where no dot is stuffed (RFC 3030 2).
pub fn oddities_of(source: &[u8]) -> Oddities {
    let mut oddities = Oddities::default();
    let mut start = 0;
    for (at, byte) in source.iter().enumerate() {
        match byte {
            b'\r' => oddities.bare_cr += u64::from(source.get(at + 1) != Some(&b'\n')),
            b'\n' => {
                let has_cr = at > 0 && source[at - 1] == b'\r';
                oddities.bare_lf += u64::from(!has_cr);
                let end = at - usize::from(has_cr);
                oddities.longest_line = oddities.longest_line.max((end - start) as u64);
                start = at + 1;
            }
            0 => oddities.nul += 1,
            _ => {}
        }
    }
    oddities.longest_line = oddities.longest_line.max((source.len() - start) as u64);
    oddities
}

/// Doubles the dots that begin a line, as a client does before it sends a message.
#[cfg(test)]
pub(crate) fn stuff(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    for (at, &byte) in message.iter().enumerate() {
        if byte == b'.' && (at == 0 || message[..at].ends_with(b"\r\n")) {
            out.push(b'.');
        }
        out.push(byte);
    }
    out
}

/// The rule of RFC 5321 4.5.2 line by line, on a message without its end.
#[cfg(test)]
pub(crate) fn naive_unstuff(wire: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, &byte) in wire.iter().enumerate() {
        let starts_line = at == 0 || wire[..at].ends_with(b"\r\n");
        if !(byte == b'.' && starts_line) {
            out.push(byte);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(wire: &[u8]) -> (Vec<u8>, Option<usize>, Oddities) {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        let (used, ended) = decoder.decode(wire, &mut out);
        (out, ended.then_some(used), decoder.oddities())
    }

    /// The rule as a sentence: the first `.` CRLF at the start, or after a CRLF.
    fn naive_end(wire: &[u8]) -> Option<usize> {
        (0..wire.len())
            .find(|&at| {
                wire[at..].starts_with(b".\r\n") && (at == 0 || wire[..at].ends_with(b"\r\n"))
            })
            .map(|at| at + 3)
    }

    #[test]
    fn only_crlf_dot_crlf_ends_a_message() {
        for (wire, message) in [
            (&b".\r\n"[..], &b""[..]),
            (b"a\r\n.\r\n", b"a\r\n"),
            (b"..\r\n.\r\n", b".\r\n"),
            (b".a\r\n.\r\n", b"a\r\n"),
            (b"\r\n.\r\n", b"\r\n"),
        ] {
            assert_eq!(decode(wire).0, message);
            assert_eq!(decode(wire).1, Some(wire.len()), "{wire:?} ends");
        }
        for wire in [
            &b"a\n.\n"[..],
            b"a\n.\r\n",
            b"a\r\n.\n",
            b"a\r.\r",
            b"a\r\n.\r\r\n",
            b"a\r.\r\n",
            b"a\r\r\n\r.\r\n",
            b".\n",
            b"\n.\r\n",
            b"a.\r\n",
        ] {
            assert_eq!(decode(wire).1, None, "{wire:?} goes on");
        }
    }

    #[test]
    fn bare_line_ends_stay_in_the_message_and_are_counted() {
        let (message, _, odd) = decode(b"a\nb\rc\0d\r\n.e\r\n.\r\n");
        assert_eq!(message, b"a\nb\rc\0d\r\ne\r\n");
        assert_eq!(
            odd,
            Oddities {
                bare_cr: 1,
                bare_lf: 1,
                unstuffed_dots: 1,
                nul: 1,
                longest_line: 5
            }
        );
    }

    fn wire() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(
            prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a'), Just(0)],
            0..40,
        )
    }

    proptest! {
        #[test]
        fn the_end_is_where_the_naive_rule_says(wire in wire()) {
            let (message, end, _) = decode(&wire);
            prop_assert_eq!(end, naive_end(&wire));
            if let Some(end) = end {
                prop_assert_eq!(message, naive_unstuff(&wire[..end - 3]));
            }
        }

        #[test]
        fn unstuffing_undoes_stuffing(mut message in wire()) {
            if !message.is_empty() {
                message.extend_from_slice(b"\r\n");
            }
            let mut wire = stuff(&message);
            wire.extend_from_slice(b".\r\n");
            let (got, end, odd) = decode(&wire);
            prop_assert_eq!(got, message);
            prop_assert_eq!(end, Some(wire.len()));
            prop_assert_eq!(odd.unstuffed_dots, 0);
        }

        #[test]
        fn cuts_change_nothing(wire in wire(), cuts in proptest::collection::vec(1_usize..5, 1..20)) {
            let mut decoder = Decoder::default();
            let mut out = Vec::new();
            let (mut rest, mut ended) = (&wire[..], false);
            for size in cuts.iter().cycle() {
                if rest.is_empty() || ended {
                    break;
                }
                let (chunk, _) = rest.split_at((*size).min(rest.len()));
                let (used, end) = decoder.decode(chunk, &mut out);
                rest = &rest[used..];
                ended = end;
            }
            let (message, end, odd) = decode(&wire);
            prop_assert_eq!((out, ended, decoder.oddities()), (message, end.is_some(), odd));
        }
    }
}
