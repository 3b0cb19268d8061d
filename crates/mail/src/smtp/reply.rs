//! Replies of a mail server, and the extensions that it offers in the one to EHLO.

use std::fmt;

use movie_bag_core::domain::terminal_text::needs_escape;

/// Maximum length of a server's text that is kept, in characters.
const MAX_CHARS: usize = 500;

/// Reply of a mail server (RFC 5321 4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// Lines without the code. They are untrusted text, and must be sanitized before they are shown.
    lines: Vec<String>,
}

impl Reply {
    pub(super) fn from_lines(code: u16, lines: Vec<String>) -> Self {
        Self { code, lines }
    }

    #[cfg(test)]
    pub(super) fn new(code: u16, text: &str) -> Self {
        Self::from_lines(code, vec![text.to_owned()])
    }

    /// Returns whether the code is 4xx or 5xx.
    pub(super) fn is_refusal(&self) -> bool {
        self.code >= 400
    }

    /// Returns the text of all lines. The enhanced status code, which many servers repeat in each line, is in it once.
    pub(super) fn text(&self) -> String {
        let Some((first, others)) = self.lines.split_first() else {
            return String::new();
        };
        let code = first
            .split(' ')
            .next()
            .filter(|word| status(word).is_some());
        let mut text = first.clone();
        for line in others {
            let repeated = code.and_then(|code| line.strip_prefix(code));
            text.push(' ');
            text.push_str(repeated.unwrap_or(line).trim_start());
        }
        text
    }

    /// Returns the reply with these secrets removed.
    pub(super) fn without(mut self, secrets: &[&str]) -> Self {
        for line in &mut self.lines {
            *line = redacted(line, secrets);
        }
        self
    }

    /// Returns subject and detail of the enhanced status code (RFC 3463), also in the spelling of qmail, `(#5.7.1)`.
    pub(super) fn enhanced(&self) -> Option<(u16, u16)> {
        let first = self.lines.first()?;
        let leading = first.split_whitespace().next().and_then(status);
        leading.or_else(|| {
            let (_, rest) = first.split_once("(#")?;
            status(rest.split(')').next()?)
        })
    }
}

/// Parses a status code such as `5.7.1` into subject and detail.
fn status(text: &str) -> Option<(u16, u16)> {
    let mut parts = text.split('.');
    let class = parts.next()?;
    let subject = parts.next()?.parse().ok()?;
    let detail = parts.next()?.parse().ok()?;
    (matches!(class, "2" | "4" | "5") && parts.next().is_none()).then_some((subject, detail))
}

impl fmt::Display for Reply {
    /// Formats code and text on one line, sanitized and cut.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{} {}", self.code, self.text());
        f.write_str(sanitized(&text).trim_end())
    }
}

/// Returns a text with each of these secrets replaced by an ellipsis.
pub(super) fn redacted(text: &str, secrets: &[&str]) -> String {
    let secrets = secrets.iter().filter(|secret| !secret.is_empty());
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
}

/// Returns a server's text on one line, short enough for the history. Characters that a terminal must not receive become
/// spaces and are not escaped: the text is stored, and other programs may show it.
pub(super) fn sanitized(text: &str) -> String {
    let visible = text.chars().map(|c| if needs_escape(c) { ' ' } else { c });
    visible.take(MAX_CHARS).collect()
}

/// Extensions that a server offers in its reply to EHLO (RFC 5321 4.1.1.1). Keywords are compared without regard to case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Features(Vec<String>);

impl Features {
    /// Reads all lines but the first, which is the server's name.
    pub(super) fn from_reply(reply: &Reply) -> Self {
        let offers = reply.lines.iter().skip(1);
        Self(offers.map(|line| line.trim().to_owned()).collect())
    }

    pub(super) fn offers(&self, keyword: &str) -> bool {
        let mut offered = self.0.iter().filter_map(|line| line.split(' ').next());
        offered.any(|offered| offered.eq_ignore_ascii_case(keyword))
    }

    /// Returns the maximum size of a message, if the server announces one (RFC 1870 4).
    pub(super) fn size_limit(&self) -> Option<usize> {
        let limit = self.0.iter().find_map(|line| {
            let (keyword, limit) = line.split_once(' ')?;
            keyword.eq_ignore_ascii_case("SIZE").then_some(limit)
        });
        limit?.trim().parse().ok().filter(|limit| *limit > 0)
    }

    /// Returns the mechanisms for the login (RFC 4954 3), also in the older spelling `AUTH=PLAIN`.
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
        f.write_str(&sanitized(&self.0.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_enhanced_code_is_found_at_the_beginning_and_in_parentheses() {
        for (text, expected) in [
            ("5.7.1 <a@b>: Relay access denied", Some((7, 1))),
            ("4.2.0 later", Some((2, 0))),
            ("sorry, no (#5.7.1)", Some((7, 1))),
            ("5.7 no", None),
            ("127.0.0.1 is blocked", None),
            ("5.7.1.2 no", None),
            ("relay not permitted", None),
            ("", None),
        ] {
            assert_eq!(Reply::new(550, text).enhanced(), expected, "{text}");
        }
    }

    #[test]
    fn the_size_limit_is_read_from_the_reply_to_ehlo() {
        for (line, expected) in [
            ("SIZE 10240000", Some(10_240_000)),
            ("size 7", Some(7)),
            ("SIZE 0", None),
            ("SIZE", None),
            ("SIZES 5", None),
        ] {
            let reply = Reply::from_lines(250, vec!["mail.example".to_owned(), line.to_owned()]);
            assert_eq!(
                Features::from_reply(&reply).size_limit(),
                expected,
                "{line}"
            );
        }
    }

    #[test]
    fn extensions_are_found_in_any_case_and_in_the_old_spelling() {
        let lines = [
            "mail.example",
            "smtputf8",
            "SIZE 1000",
            "auth PLAIN",
            "AUTH=LOGIN",
        ];
        let reply = Reply::from_lines(250, lines.map(str::to_owned).to_vec());
        let features = Features::from_reply(&reply);
        assert!(features.offers("SMTPUTF8") && features.offers("size"));
        assert!(!features.offers("mail.example") && !features.offers("8BITMIME"));
        assert_eq!(features.mechanisms(), ["PLAIN", "LOGIN"]);
    }

    #[test]
    fn a_reply_contains_no_terminal_control_characters() {
        let reply = Reply::new(550, "\u{1b}[31mred\r\n\u{202e}turned\u{61c}\u{9b}2J");
        assert_eq!(reply.to_string(), "550  [31mred   turned  2J");
        assert_eq!(
            Reply::new(550, &"x".repeat(9_999))
                .to_string()
                .chars()
                .count(),
            MAX_CHARS
        );
    }
}
