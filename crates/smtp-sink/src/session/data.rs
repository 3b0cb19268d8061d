//! Decoder of the bytes after DATA: undoes dot-stuffing and finds the end of the message.
//!
//! Only CRLF `.` CRLF ends a message, or `.` CRLF at its beginning. Every laxer rule (a bare LF, a bare CR,
//! `CRLF . CR CR LF`) allows SMTP smuggling: a second message hidden in the first one passes a server that is stricter.
//! Such bytes therefore stay in the message unchanged, and are counted.
//!
//! ```text
//! LineStart ──'.'──▶ Dot ──CR──▶ DotCr ──LF──▶ (end)
//!     ▲  └─other─┐    └─other─┐    └─other: the CR is of the message─┐
//!     │          ▼            ▼                                      ▼
//!     │        Middle ────────┴──CR──▶ Cr ◀──────────────────────────┘
//!     └──────────────────────LF────────┘  └─other─▶ Middle
//! ```

/// Deviations in the lines of a message; they are accepted and counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Oddities {
    /// CRs without a following LF.
    pub bare_cr: u64,
    /// LFs without a preceding CR.
    pub bare_lf: u64,
    /// Lines that began with a dot that was not doubled; the dot was removed (RFC 5321 4.5.2).
    pub unstuffed_dots: u64,
    /// NUL bytes.
    pub nul: u64,
    /// Length of the longest line in bytes, without its CRLF.
    pub longest_line: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Position {
    #[default]
    LineStart,
    Dot,
    DotCr,
    Middle,
    Cr,
}

/// Decoder of one message.
#[derive(Debug, Default)]
pub struct Decoder {
    position: Position,
    line_length: u64,
    oddities: Oddities,
}

impl Decoder {
    /// Appends decoded bytes to `out`. Returns how many bytes of `input` were used, and whether the message ended there.
    pub fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
        // One allocation, instead of one for each line.
        out.reserve(input.len());
        let mut at = 0;
        while at < input.len() {
            let byte = input[at];
            // Each arm uses bytes, or changes to a position whose arm does.
            match self.position {
                Position::LineStart if byte == b'.' => {
                    self.position = Position::Dot;
                    at += 1;
                }
                Position::LineStart => self.position = Position::Middle,
                Position::Dot if byte == b'\r' => {
                    self.position = Position::DotCr;
                    at += 1;
                }
                Position::Dot => {
                    self.oddities.unstuffed_dots += u64::from(byte != b'.');
                    self.position = Position::Middle;
                }
                Position::DotCr if byte == b'\n' => return (at + 1, true),
                Position::DotCr => {
                    self.oddities.unstuffed_dots += 1;
                    out.push(b'\r');
                    self.position = Position::Cr;
                }
                Position::Cr if byte == b'\n' => {
                    out.push(b'\n');
                    self.line_length = 0;
                    self.position = Position::LineStart;
                    at += 1;
                }
                Position::Cr => {
                    self.oddities.bare_cr += 1;
                    self.line_length += 1;
                    self.position = Position::Middle;
                }
                Position::Middle => at += self.take_run(&input[at..], out),
            }
        }
        (at, false)
    }

    /// Returns the deviations so far.
    pub fn oddities(&self) -> Oddities {
        self.oddities
    }

    /// Copies from the middle of a line up to and including the next CR, LF or NUL.
    fn take_run(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let end = input
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n' | 0))
            .unwrap_or(input.len());
        self.line_length += end as u64;
        let used = match input.get(end) {
            None => end,
            Some(special) => {
                match special {
                    b'\r' => self.position = Position::Cr,
                    b'\n' => {
                        self.oddities.bare_lf += 1;
                        self.oddities.longest_line =
                            self.oddities.longest_line.max(self.line_length);
                        self.line_length = 0;
                    }
                    _ => {
                        self.oddities.nul += 1;
                        self.line_length += 1;
                    }
                }
                end + 1
            }
        };
        self.oddities.longest_line = self.oddities.longest_line.max(self.line_length);
        out.extend_from_slice(&input[..used]);
        used
    }
}

/// Counts the deviations of a message from BDAT, which has no dot-stuffing (RFC 3030 2).
pub fn count_oddities(source: &[u8]) -> Oddities {
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

/// Doubles the dots at the beginning of lines, as a client does.
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

/// Reference implementation of RFC 5321 4.5.2, for a message without its end.
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

    /// Reference implementation: the first `.` CRLF at the start, or after a CRLF.
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
            assert_eq!(decode(wire).1, None, "{wire:?} does not end");
        }
    }

    #[test]
    fn bare_line_ends_are_kept_and_counted() {
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
        fn the_end_is_found_as_by_the_reference_implementation(wire in wire()) {
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
        fn the_division_into_pieces_changes_nothing(wire in wire(), cuts in proptest::collection::vec(1_usize..5, 1..20)) {
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
