//! The commands and replies of a session, as text for people; no message body, and never without a limit.
//!
//! One string holds all lines, since every kept message has a copy.

use serde::{Deserialize, Serialize};

/// Bytes of a transcript before further lines are left out.
const LIMIT: usize = 64 * 1024;

/// Bytes of an opening. Who says EHLO before each mail would make it grow with each of them, and all keep it.
const OPENING_LIMIT: usize = 4 * 1024;

/// The last line of a transcript that reached the limit.
const MORE: &str = "   (more lines)\n";

/// Lines such as `C: EHLO there` and `S: 250 HELP`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    text: String,
    /// The length of the part that opened the session, which every message of it shows.
    #[serde(skip)]
    opening: usize,
}

impl Transcript {
    /// The lines, in the order in which they were said.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }

    /// The bytes it takes.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// True where nothing was said yet.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn client(&mut self, line: &[u8]) {
        self.push("C: ", &String::from_utf8_lossy(line));
    }

    pub(super) fn server(&mut self, line: &str) {
        self.push("S: ", line);
    }

    /// A line that neither side said, such as the size of the message.
    pub(super) fn note(&mut self, line: &str) {
        self.push("   ", line);
    }

    /// Everything so far belongs to the opening of the session, unless that is too much.
    pub(super) fn end_opening(&mut self) {
        if self.text.len() <= OPENING_LIMIT {
            self.opening = self.text.len();
        }
    }

    /// Forgets what was said since the opening.
    pub(super) fn restart(&mut self) {
        self.text.truncate(self.opening);
    }

    fn push(&mut self, speaker: &str, line: &str) {
        // No line of either side looks like that one.
        if self.text.ends_with(MORE) {
            return;
        }
        if self.text.len() + line.len() > LIMIT {
            self.text.push_str(MORE);
            return;
        }
        self.text.push_str(speaker);
        // A control character would break the line, or the terminal that shows it.
        for char in line.chars() {
            match char.is_control() {
                true => self.text.extend(char.escape_default()),
                false => self.text.push(char),
            }
        }
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_is_limited_and_keeps_its_opening() {
        let mut transcript = Transcript::default();
        transcript.client(b"EHLO there");
        transcript.end_opening();
        for _ in 0..100 {
            transcript.client(&[b'x'; 1000]);
        }
        assert!(transcript.len() < LIMIT + 100);
        assert_eq!(transcript.lines().last(), Some("   (more lines)"));
        transcript.restart();
        transcript.client(b"a\nb\x1b");
        assert_eq!(
            transcript.lines().collect::<Vec<_>>(),
            ["C: EHLO there", "C: a\\nb\\u{1b}"]
        );
    }
}
