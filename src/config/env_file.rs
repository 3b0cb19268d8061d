//! The env file: lines of `KEY = value`, read strictly. An invalid line is an error with its number and the fix, because
//! a setting that is silently ignored is hard to find.

use std::collections::HashMap;

/// Setting in an env file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Name as written.
    pub(crate) key: String,
    /// Value without its quotes.
    pub(crate) value: String,
    /// Counted from 1.
    pub(crate) number: usize,
}

/// Invalid line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{number}: {message}")]
pub(crate) struct BadLine {
    /// Counted from 1.
    pub(crate) number: usize,
    /// The defect and its fix. Never the value, which may be a secret.
    pub(crate) message: String,
}

/// Parses the content of an env file.
///
/// # Errors
/// Errors of [`parse`], or the first line that is not UTF-8.
pub(crate) fn parse_bytes(bytes: &[u8]) -> Result<Vec<Line>, Vec<BadLine>> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        vec![BadLine {
            number: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            message: "the line is not UTF-8: save the file in that encoding".to_owned(),
        }]
    })?;
    parse(text)
}

/// Parses the text of an env file.
///
/// # Errors
/// All invalid lines, so that they can be fixed together.
pub(crate) fn parse(text: &str) -> Result<Vec<Line>, Vec<BadLine>> {
    let mut lines: Vec<Line> = Vec::new();
    // Index of the first line of each key.
    let mut first_lines: HashMap<String, usize> = HashMap::new();
    let mut bad = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in (1..).zip(text.lines()) {
        let read = setting(line).and_then(|setting| {
            let Some((key, value)) = setting else {
                return Ok(());
            };
            // A key that is set twice misleads the administrator who edits the other line.
            let first = *first_lines.entry(key.clone()).or_insert(lines.len());
            if let Some(earlier) = lines.get(first).filter(|earlier| earlier.value != value) {
                return Err(format!(
                    "{key} is also set in line {} with another value: remove one of them",
                    earlier.number
                ));
            }
            lines.push(Line { key, value, number });
            Ok(())
        });
        if let Err(message) = read {
            bad.push(BadLine { number, message });
        }
    }
    if bad.is_empty() { Ok(lines) } else { Err(bad) }
}

/// Parses the key and the value of a line; `None` for an empty line or a comment.
fn setting(line: &str) -> Result<Option<(String, String)>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let is_key = |key: &str| {
        !key.starts_with(|c: char| c.is_ascii_digit())
            && !key.is_empty()
            && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let split = line
        .split_once('=')
        .map(|(key, value)| (key.trim_end(), value.trim_start()));
    if let Some((key, value)) = split.filter(|(key, _)| is_key(key)) {
        return Ok(Some((key.to_owned(), unquoted(key, value)?)));
    }
    match line
        .split_once(':')
        .map(|(key, _)| key.trim_end())
        .filter(|key| is_key(key))
    {
        Some(key) => Err(format!("expected KEY = value: write {key} = …, not {key}: …")),
        // The message does not quote the line: a mistyped line may contain the secret in any place.
        None if split.is_some_and(|(key, _)| !key.is_empty()) => Err(
            "the key has characters other than letters, digits and _: correct it, or put # before the line"
                .to_owned(),
        ),
        None => Err("expected KEY = value: correct the line, or put # before it".to_owned()),
    }
}

/// Returns the value without its quotes and without the comment after it.
fn unquoted(key: &str, value: &str) -> Result<String, String> {
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        // In an unquoted value, # starts a comment only after a blank: passwords may contain it.
        let begins_comment =
            |(at, _): &(usize, &str)| *at == 0 || value[..*at].ends_with([' ', '\t']);
        let comment = value.match_indices('#').find(begins_comment);
        let end = comment.map_or(value.len(), |(at, _)| at);
        return Ok(value[..end].trim_end().to_owned());
    };
    let rest = &value[1..];
    let Some(end) = rest.find(quote) else {
        return Err(format!(
            "the value of {key} has no closing quote: end it with {quote}"
        ));
    };
    let after = rest[end + 1..].trim_start();
    if !after.is_empty() && !after.starts_with('#') {
        return Err(format!(
            "text follows the closing {quote} of {key}: put the value in the other kind of quotes"
        ));
    }
    Ok(rest[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_that_is_not_utf_8_and_an_invalid_key_are_named() {
        let bad = parse_bytes(b"A = 1\nB = \xff\n").unwrap_err();
        assert_eq!((bad.len(), bad[0].number), (1, 2));
        let bad = parse("foo-bar = 1").unwrap_err();
        assert!(bad[0].message.contains("the key has characters"), "{bad:?}");
        let bad = parse("MAIL_PORT: 10=25").unwrap_err();
        assert!(bad[0].message.contains("write MAIL_PORT = "), "{bad:?}");
    }

    fn parse_line(line: &str) -> Option<(String, String)> {
        let mut lines = parse(line).unwrap();
        assert!(lines.len() <= 1);
        lines.pop().map(|line| (line.key, line.value))
    }

    #[test]
    fn common_spellings_are_accepted() {
        for (line, value) in [
            ("KEY=value", "value"),
            ("KEY = value", "value"),
            ("  KEY=  value  ", "value"),
            ("export KEY=value", "value"),
            ("KEY='single # quoted'", "single # quoted"),
            ("KEY = \"double ' quoted\" # comment", "double ' quoted"),
            ("KEY=value # comment", "value"),
            ("KEY=pass#word", "pass#word"),
            ("KEY=a=b:c", "a=b:c"),
            ("KEY=", ""),
            ("KEY=\"\"", ""),
            ("KEY= # nothing", ""),
            ("KEY=value\r", "value"),
            ("\u{feff}KEY=value", "value"),
        ] {
            assert_eq!(
                parse_line(line),
                Some(("KEY".to_owned(), value.to_owned())),
                "{line:?}"
            );
        }
        for nothing in ["", "   ", "# KEY=value", "\r"] {
            assert_eq!(parse_line(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn every_bad_line_is_named_with_its_fix_and_without_its_value() {
        let text = "A=1\nMAIL_PORT: 1025\nnonsense\nB=\"open\n=5\nC='x' y\nA=2\nA=1\n2KEY=x";
        let messages: Vec<String> = parse(text)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            messages,
            [
                "2: expected KEY = value: write MAIL_PORT = …, not MAIL_PORT: …",
                "3: expected KEY = value: correct the line, or put # before it",
                "4: the value of B has no closing quote: end it with \"",
                "5: expected KEY = value: correct the line, or put # before it",
                "6: text follows the closing ' of C: put the value in the other kind of quotes",
                "7: A is also set in line 1 with another value: remove one of them",
                "9: the key has characters other than letters, digits and _: correct it, or put # before the line",
            ]
        );
    }

    mod fuzz {
        use movie_bag_testkit::fuzz::Target;

        use super::*;

        #[test]
        fn any_file_is_parsed_or_refused_with_printable_messages() {
            let target = Target {
                name: "env_file",
                words: &[
                    "KEY",
                    "MAIL_PORT",
                    "=",
                    " = ",
                    ":",
                    "\n",
                    "\r\n",
                    "#",
                    " #",
                    "\t#",
                    "'",
                    "\"",
                    "export ",
                    " ",
                    "\t",
                    "value",
                    "1025",
                    "\u{feff}",
                    "\u{a0}",
                ],
                seeds: vec![],
                cases: 2000,
            };
            target.run(|bytes| match parse_bytes(bytes) {
                Ok(lines) => {
                    let text = std::str::from_utf8(bytes).unwrap();
                    let typed: Vec<&str> = text.lines().collect();
                    for line in &lines {
                        let typed = typed[line.number - 1];
                        assert!(typed.contains(&line.key) && typed.contains(&line.value));
                        assert!(
                            line.key
                                .bytes()
                                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                        );
                        assert_eq!(
                            line.value.lines().count(),
                            usize::from(!line.value.is_empty())
                        );
                    }
                    assert!(lines.is_sorted_by(|one, next| one.number < next.number));
                }
                Err(bad) => {
                    assert!(!bad.is_empty());
                    assert!(bad.is_sorted_by(|one, next| one.number < next.number));
                    for line in bad {
                        assert!(!line.to_string().contains(char::is_control), "{line}");
                    }
                }
            });
        }

        /// Independent implementation of the rule: up to the first # after a blank, without surrounding blanks.
        fn naive_unquoted(typed: &str) -> &str {
            let typed = typed.trim();
            let ends = |(at, _): &(usize, &str)| *at == 0 || typed[..*at].ends_with([' ', '\t']);
            let end = typed.match_indices('#').find(ends);
            typed[..end.map_or(typed.len(), |(at, _)| at)].trim_end()
        }

        proptest! {
            #[test]
            fn an_unquoted_value_ends_before_its_comment(typed in "[ \t]{0,2}[ab=][ab#= \t\"]{0,10}") {
                prop_assert_eq!(parse_line(&format!("KEY ={typed}")), Some(("KEY".to_owned(), naive_unquoted(&typed).to_owned())));
            }

            #[test]
            fn a_quoted_value_is_returned_unchanged(value in "[^'\r\n]{0,40}") {
                prop_assert_eq!(parse_line(&format!("KEY = '{value}'")), Some(("KEY".to_owned(), value)));
            }

            #[test]
            fn no_error_message_contains_a_value(
                before in "[A-Za-z_ \"'#]{0,8}[=:][ \"'=:]{0,3}",
                after in "[ \"'=:#a\n]{0,8}",
            ) {
                let secret = "swordfish";
                if let Err(bad) = parse(&format!("{before}{secret}{after}")) {
                    prop_assert!(bad.iter().all(|line| !line.to_string().contains(secret)), "{:?}", bad);
                }
            }
        }
    }
}
