//! What a server says: its replies, and what it offers in the one to EHLO.

use std::fmt;

use lettre::transport::smtp::response::Response;

/// How much of a mail server's words is kept.
const LONGEST: usize = 500;

/// One reply, whole (RFC 5321 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// Its lines without the code; a stranger's words, not to be shown as they are.
    lines: Vec<String>,
}

impl Reply {
    /// Those that are complete, from lines with their codes.
    pub(super) fn all(lines: &[String]) -> Vec<Self> {
        let mut replies = Vec::new();
        let mut lines_so_far = Vec::new();
        for line in lines {
            let code = line.get(..3).and_then(|code| code.parse().ok());
            lines_so_far.push(line.get(4..).unwrap_or_default().to_owned());
            if let Some(code) = code.filter(|_| line.as_bytes().get(3) != Some(&b'-')) {
                let lines = std::mem::take(&mut lines_so_far);
                replies.push(Self { code, lines });
            }
        }
        replies
    }

    pub(super) fn new(code: u16, words: &str) -> Self {
        Self {
            code,
            lines: vec![words.to_owned()],
        }
    }

    /// 4xx or 5xx.
    pub(super) fn is_refusal(&self) -> bool {
        self.code >= 400
    }
}

impl From<&Response> for Reply {
    fn from(response: &Response) -> Self {
        Self {
            code: response.code().into(),
            lines: response.message().map(ToOwned::to_owned).collect(),
        }
    }
}

impl fmt::Display for Reply {
    /// On one line, harmless, and not too long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = format!("{} {}", self.code, self.lines.join(" "));
        f.write_str(harmless(&words).trim_end())
    }
}

/// A stranger's words on one line, without what a terminal would obey, and short enough for the history.
pub(super) fn harmless(words: &str) -> String {
    let visible = words.chars().map(|c| if is_obeyed(c) { ' ' } else { c });
    visible.take(LONGEST).collect()
}

/// Control characters, and those that turn the direction of what follows them.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What a server offers in its reply to EHLO (RFC 5321 4.1.1.1); keywords in any case, as they are written there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Features(Vec<String>);

impl Features {
    /// The first line is the server's name.
    pub(super) fn of(reply: &Reply) -> Self {
        let offers = reply.lines.iter().skip(1);
        Self(offers.map(|line| line.trim().to_owned()).collect())
    }

    pub(super) fn offer(&self, keyword: &str) -> bool {
        let mut offered = self.0.iter().filter_map(|line| line.split(' ').next());
        offered.any(|offered| offered.eq_ignore_ascii_case(keyword))
    }

    /// The mechanisms for logging in (RFC 4954 3), also in the spelling `AUTH=PLAIN` of before that RFC.
    pub(super) fn mechanisms(&self) -> Vec<String> {
        let lines = self.0.iter().map(|line| line.to_ascii_uppercase());
        let lists = lines.filter_map(|line| {
            let list = line.strip_prefix("AUTH")?;
            list.starts_with([' ', '=']).then(|| list[1..].to_owned())
        });
        let mechanisms = lists.flat_map(|list| {
            list.split_whitespace()
                .map(ToOwned::to_owned)
                .collect::<Vec<_>>()
        });
        mechanisms.collect()
    }
}

impl fmt::Display for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        f.write_str(&harmless(&self.0.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(lines: &[&str]) -> Vec<Reply> {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        Reply::all(&lines)
    }

    #[test]
    fn several_replies_are_told_apart() {
        let replies = replies(&[
            "220-first",
            "220 second",
            "250-a",
            "250 b",
            "250-unfinished",
        ]);
        let said: Vec<String> = replies.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["220 first second", "250 a b"]);
    }

    #[test]
    fn what_is_offered_is_known_in_any_case_and_in_the_old_spelling() {
        let reply = replies(&[
            "250-mail.example",
            "250-smtputf8",
            "250-SIZE 1000",
            "250-auth PLAIN",
            "250 AUTH=LOGIN",
        ]);
        let features = Features::of(&reply[0]);
        assert!(features.offer("SMTPUTF8") && features.offer("size"));
        assert!(!features.offer("mail.example") && !features.offer("8BITMIME"));
        assert_eq!(features.mechanisms(), ["PLAIN", "LOGIN"]);
    }

    #[test]
    fn a_stranger_s_words_are_harmless() {
        let reply = Reply::new(550, "\u{1b}[31mred\r\n\u{202e}turned");
        assert_eq!(reply.to_string(), "550  [31mred   turned");
        assert_eq!(
            Reply::new(550, &"x".repeat(9_999))
                .to_string()
                .chars()
                .count(),
            LONGEST
        );
    }
}
