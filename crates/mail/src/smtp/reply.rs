//! Replies of a mail server, and the extensions that it offers in the one to EHLO.

use std::fmt;

use movie_bag_core::domain::terminal_text::needs_escape;

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
    /// A reply from its lines, without their code.
    pub(super) fn of_lines(code: u16, lines: Vec<String>) -> Self {
        Self { code, lines }
    }

    #[cfg(test)]
    pub(super) fn new(code: u16, words: &str) -> Self {
        Self::of_lines(code, vec![words.to_owned()])
    }

    /// 4xx or 5xx.
    pub(super) fn is_refusal(&self) -> bool {
        self.code >= 400
    }

    /// The words of all lines; the enhanced status code, which many servers repeat in each, only once.
    pub(super) fn words(&self) -> String {
        let Some((first, others)) = self.lines.split_first() else {
            return String::new();
        };
        let code = first
            .split(' ')
            .next()
            .filter(|word| status(word).is_some());
        let mut words = first.clone();
        for line in others {
            let repeated = code.and_then(|code| line.strip_prefix(code));
            words.push(' ');
            words.push_str(repeated.unwrap_or(line).trim_start());
        }
        words
    }

    /// The reply with each of these texts replaced.
    pub(super) fn without(mut self, secrets: &[&str]) -> Self {
        for line in &mut self.lines {
            *line = redacted(line, secrets);
        }
        self
    }

    /// Subject and detail of the enhanced status code (RFC 3463), also as qmail writes it, `(#5.7.1)`.
    pub(super) fn enhanced(&self) -> Option<(u16, u16)> {
        let first = self.lines.first()?;
        let leading = first.split_whitespace().next().and_then(status);
        leading.or_else(|| {
            let (_, rest) = first.split_once("(#")?;
            status(rest.split(')').next()?)
        })
    }
}

/// Subject and detail of a status code such as `5.7.1`.
fn status(text: &str) -> Option<(u16, u16)> {
    let mut parts = text.split('.');
    let class = parts.next()?;
    let subject = parts.next()?.parse().ok()?;
    let detail = parts.next()?.parse().ok()?;
    (matches!(class, "2" | "4" | "5") && parts.next().is_none()).then_some((subject, detail))
}

impl fmt::Display for Reply {
    /// On one line, harmless, and not too long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = format!("{} {}", self.code, self.words());
        f.write_str(harmless(&words).trim_end())
    }
}

/// A text with each of these secrets replaced by an ellipsis.
pub(super) fn redacted(text: &str, secrets: &[&str]) -> String {
    let secrets = secrets.iter().filter(|secret| !secret.is_empty());
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
}

/// Words of a mail server on one line, short enough for the history. A space replaces what a terminal must not receive: the
/// words are stored, and may be shown by other programs.
pub(super) fn harmless(words: &str) -> String {
    let visible = words.chars().map(|c| if needs_escape(c) { ' ' } else { c });
    visible.take(LONGEST).collect()
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

    /// Size of the largest message that the server takes, where it says so (RFC 1870 4).
    pub(super) fn size_limit(&self) -> Option<usize> {
        let limit = self.0.iter().find_map(|line| {
            let (keyword, limit) = line.split_once(' ')?;
            keyword.eq_ignore_ascii_case("SIZE").then_some(limit)
        });
        limit?.trim().parse().ok().filter(|limit| *limit > 0)
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

    #[test]
    fn the_enhanced_code_is_read_where_servers_write_it() {
        for (words, wanted) in [
            ("5.7.1 <a@b>: Relay access denied", Some((7, 1))),
            ("4.2.0 later", Some((2, 0))),
            ("sorry, no (#5.7.1)", Some((7, 1))),
            ("5.7 no", None),
            ("127.0.0.1 is blocked", None),
            ("5.7.1.2 no", None),
            ("relay not permitted", None),
            ("", None),
        ] {
            assert_eq!(Reply::new(550, words).enhanced(), wanted, "{words}");
        }
    }

    #[test]
    fn the_size_limit_is_that_of_the_server() {
        for (line, wanted) in [
            ("SIZE 10240000", Some(10_240_000)),
            ("size 7", Some(7)),
            ("SIZE 0", None),
            ("SIZE", None),
            ("SIZES 5", None),
        ] {
            let reply = Reply::of_lines(250, vec!["mail.example".to_owned(), line.to_owned()]);
            assert_eq!(Features::of(&reply).size_limit(), wanted, "{line}");
        }
    }

    #[test]
    fn what_is_offered_is_known_in_any_case_and_in_the_old_spelling() {
        let lines = [
            "mail.example",
            "smtputf8",
            "SIZE 1000",
            "auth PLAIN",
            "AUTH=LOGIN",
        ];
        let reply = Reply::of_lines(250, lines.map(str::to_owned).to_vec());
        let features = Features::of(&reply);
        assert!(features.offer("SMTPUTF8") && features.offer("size"));
        assert!(!features.offer("mail.example") && !features.offer("8BITMIME"));
        assert_eq!(features.mechanisms(), ["PLAIN", "LOGIN"]);
    }

    #[test]
    fn words_of_a_server_hold_nothing_that_a_terminal_obeys() {
        let reply = Reply::new(550, "\u{1b}[31mred\r\n\u{202e}turned\u{61c}\u{9b}2J");
        assert_eq!(reply.to_string(), "550  [31mred   turned  2J");
        assert_eq!(
            Reply::new(550, &"x".repeat(9_999))
                .to_string()
                .chars()
                .count(),
            LONGEST
        );
    }
}
