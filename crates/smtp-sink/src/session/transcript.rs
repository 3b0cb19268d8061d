//! Commands and replies of a session as text for people, without message bodies and with a limit.
//!
//! One string holds all lines, since every stored message has a copy.

use serde::{Deserialize, Serialize};

/// Size above which further lines are left out, in bytes.
const MAX_SIZE: usize = 64 * 1024;

/// Maximum size of the opening, in bytes. A client that sends EHLO before each message would make it grow with each of them, and
/// every message has a copy.
const MAX_OPENING: usize = 4 * 1024;

/// Last line of a transcript that reached the limit.
const MORE: &str = "   (more lines)\n";

/// Transcript: lines such as `C: EHLO there` and `S: 250 HELP`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    text: String,
    /// Length of the part that opened the session, which all its messages have.
    #[serde(skip)]
    opening: usize,
}

impl Transcript {
    /// Returns the lines, in order.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines()
    }

    /// Returns the size of the transcript, in bytes.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Returns whether the transcript has no lines.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn client(&mut self, line: &[u8]) {
        self.push("C: ", &String::from_utf8_lossy(line));
    }

    pub(super) fn server(&mut self, line: &str) {
        self.push("S: ", line);
    }

    /// Adds a remark of the server's, such as the size of the message.
    pub(super) fn note(&mut self, line: &str) {
        self.push("   ", line);
    }

    /// Makes everything so far part of the opening, unless it is too long for that.
    pub(super) fn end_opening(&mut self) {
        if self.text.len() <= MAX_OPENING {
            self.opening = self.text.len();
        }
    }

    /// Removes everything after the opening.
    pub(super) fn restart(&mut self) {
        self.text.truncate(self.opening);
    }

    fn push(&mut self, speaker: &str, line: &str) {
        // Lines of either side begin with another prefix.
        if self.text.ends_with(MORE) {
            return;
        }
        if self.text.len() + line.len() > MAX_SIZE {
            self.text.push_str(MORE);
            return;
        }
        self.text.push_str(speaker);
        // A control character could break the line, or the terminal that shows it.
        for char in line.chars() {
            if char.is_control() {
                self.text.extend(char.escape_default());
            } else {
                self.text.push(char);
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
        assert!(transcript.len() < MAX_SIZE + 100);
        assert_eq!(transcript.lines().last(), Some("   (more lines)"));
        transcript.restart();
        transcript.client(b"a\nb\x1b");
        assert_eq!(
            transcript.lines().collect::<Vec<_>>(),
            ["C: EHLO there", "C: a\\nb\\u{1b}"]
        );
    }
}
