//! The env file: lines of `KEY = value`, read strictly. An invalid line is an error with its number and the fix, because
//! a setting that is silently ignored is hard to find.

use std::collections::HashMap;
/// One setting in an env file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The key, to the letter.
    pub key: String,
    /// The value, without its quotes.
    pub value: String,
    /// From 1.
    pub number: usize,
}

/// A line that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{number}: {what}")]
pub struct BadLine {
    /// From 1.
    pub number: usize,
    /// The defect and its fix. Never the value, which may be a secret.
    pub what: String,
}

/// Reads all lines of a file as it stands on the disk.
///
/// # Errors
/// Those of [`parse`], and the first line that is not UTF-8.
pub fn parse_bytes(bytes: &[u8]) -> Result<Vec<Line>, Vec<BadLine>> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        vec![BadLine {
            number: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            what: "the line is not UTF-8: save the file in that encoding".to_owned(),
        }]
    })?;
    parse(text)
}

/// Reads all lines.
///
/// # Errors
/// All invalid lines, so that they can be fixed in one go.
pub fn parse(text: &str) -> Result<Vec<Line>, Vec<BadLine>> {
    let mut lines: Vec<Line> = Vec::new();
    // Where each key stands first.
    let mut firsts: HashMap<String, usize> = HashMap::new();
    let mut bad = Vec::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in (1..).zip(text.lines()) {
        let read = setting(line).and_then(|setting| {
            let Some((key, value)) = setting else {
                return Ok(());
            };
            // Twice the same key is a mistake of somebody who looks at the other line.
            let first = *firsts.entry(key.clone()).or_insert(lines.len());
            if let Some(earlier) = lines.get(first).filter(|earlier| earlier.value != value) {
                return Err(format!(
                    "{key} is also set in line {} with another value: remove one of them",
                    earlier.number
                ));
            }
            lines.push(Line { key, value, number });
            Ok(())
        });
        if let Err(what) = read {
            bad.push(BadLine { number, what });
        }
    }
    if bad.is_empty() { Ok(lines) } else { Err(bad) }
}

/// The key and the value of a line, or nothing where it is empty or a comment.
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
        // What stands there is not shown: in a line gone wrong it may be the secret.
        None if split.is_some_and(|(key, _)| !key.is_empty()) => Err(
            "the key has characters other than letters, digits and _: correct it, or put # before the line"
                .to_owned(),
        ),
        None => Err("expected KEY = value: correct the line, or put # before it".to_owned()),
    }
}

/// The value without its quotes and without the comment behind it.
fn unquoted(key: &str, value: &str) -> Result<String, String> {
    let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
        // A # belongs to a bare value unless a space stands before it: passwords have them.
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
    let behind = rest[end + 1..].trim_start();
    if !behind.is_empty() && !behind.starts_with('#') {
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
    fn a_line_that_is_not_utf_8_and_a_key_that_can_not_be_one_are_named() {
        let bad = parse_bytes(b"A = 1\nB = \xff\n").unwrap_err();
        assert_eq!((bad.len(), bad[0].number), (1, 2));
        let bad = parse("foo-bar = 1").unwrap_err();
        assert!(bad[0].what.contains("the key has characters"), "{bad:?}");
        let bad = parse("MAIL_PORT: 10=25").unwrap_err();
        assert!(bad[0].what.contains("write MAIL_PORT = "), "{bad:?}");
    }

    fn one(line: &str) -> Option<(String, String)> {
        let mut lines = parse(line).unwrap();
        assert!(lines.len() <= 1);
        lines.pop().map(|line| (line.key, line.value))
    }

    #[test]
    fn every_usual_way_of_writing_is_read() {
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
                one(line),
                Some(("KEY".to_owned(), value.to_owned())),
                "{line:?}"
            );
        }
        for nothing in ["", "   ", "# KEY=value", "\r"] {
            assert_eq!(one(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn every_bad_line_is_named_with_its_fix_and_without_its_value() {
        let text = "A=1\nMAIL_PORT: 1025\nnonsense\nB=\"open\n=5\nC='x' y\nA=2\nA=1\n2KEY=x";
        let said: Vec<String> = parse(text)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            said,
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
        use super::*;
        use crate::fuzz::Target;

        #[test]
        fn any_file_is_read_or_refused_in_words_without_its_values() {
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

        /// The rule as a sentence: up to the first # with a blank before it, without the blanks round it.
        fn naive_bare(typed: &str) -> &str {
            let typed = typed.trim();
            let ends = |(at, _): &(usize, &str)| *at == 0 || typed[..*at].ends_with([' ', '\t']);
            let end = typed.match_indices('#').find(ends);
            typed[..end.map_or(typed.len(), |(at, _)| at)].trim_end()
        }

        proptest! {
            #[test]
            fn a_bare_value_ends_where_its_comment_begins(typed in "[ \t]{0,2}[ab=][ab#= \t\"]{0,10}") {
                prop_assert_eq!(one(&format!("KEY ={typed}")), Some(("KEY".to_owned(), naive_bare(&typed).to_owned())));
            }

            #[test]
            fn a_quoted_value_comes_back(value in "[^'\r\n]{0,40}") {
                prop_assert_eq!(one(&format!("KEY = '{value}'")), Some(("KEY".to_owned(), value)));
            }

            #[test]
            fn no_refusal_shows_what_stands_behind_the_sign(
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
