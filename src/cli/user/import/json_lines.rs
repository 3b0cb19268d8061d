//! JSON Lines: one JSON object a line.

use std::fmt;
use std::io::BufRead;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;
use zeroize::Zeroizing;

use super::input::{COLUMNS, Fields, LONGEST, Line, Records, Source, bad, not_utf_8, too_long};
use crate::cli::report::Failure;
use crate::domain::spelling::nearest;

/// Accounts in JSON Lines.
pub(super) struct JsonLines<R> {
    source: Source<R>,
    line: Zeroizing<Vec<u8>>,
    has_begun: bool,
}

impl<R: BufRead> JsonLines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            source: Source::new(reader),
            line: Zeroizing::new(Vec::with_capacity(LONGEST)),
            has_begun: false,
        }
    }

    /// Reads a line without its end, and keeps no more of it than is taken; whether that was all.
    fn read(&mut self) -> Result<bool, Failure> {
        self.line.clear();
        let mut is_whole = true;
        loop {
            let ahead = self.source.ahead()?;
            let end = ahead.iter().position(|byte| *byte == b'\n');
            let part = ahead.get(..end.unwrap_or(ahead.len())).unwrap_or_default();
            if self.line.len() + part.len() <= LONGEST {
                self.line.extend_from_slice(part);
            } else {
                is_whole = false;
            }
            let (is_last, passed) = (ahead.is_empty() || end.is_some(), part.len());
            self.source.pass(passed + usize::from(end.is_some()))?;
            if is_last {
                return Ok(is_whole);
            }
        }
    }
}

impl<R: BufRead> Records for JsonLines<R> {
    fn next(&mut self) -> Result<Option<Line>, Failure> {
        if !self.has_begun {
            self.source.pass_mark()?;
            self.has_begun = true;
        }
        loop {
            if !self.source.pass_empty_lines()? {
                return Ok(None);
            }
            let number = self.source.line;
            let is_whole = self.read()?;
            if is_whole && self.line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let fields = if is_whole {
                fields(&self.line)
            } else {
                Err(too_long())
            };
            return Ok(Some(Line {
                number,
                position: self.source.position,
                record: fields.and_then(Fields::record),
            }));
        }
    }
}

fn fields(line: &[u8]) -> Result<Fields, Failure> {
    let line = std::str::from_utf8(line).map_err(|_| not_utf_8())?;
    let Object(members) = serde_json::from_str(line).map_err(|error| {
        // Its own words may quote what stands there.
        match error.classify() {
            Category::Data => bad(
                "it is not a JSON object",
                "write one object per line: {\"email\": …, \"password_hash\": …}",
            ),
            Category::Syntax | Category::Eof | Category::Io => bad(
                format!("it is not valid JSON at column {}", error.column()),
                "write one JSON object per line, with double quotes around names and values",
            ),
        }
    })?;
    let mut found: [Option<Value>; 3] = [None, None, None];
    for (name, value) in members {
        let place = COLUMNS.iter().position(|column| *column == name);
        let Some(place) = place.and_then(|place| found.get_mut(place)) else {
            let meant = nearest(&name, COLUMNS);
            let hint = meant.map_or_else(
                || "remove it; the fields are email, password and password_hash".to_owned(),
                |meant| format!("did you mean {meant}?"),
            );
            return Err(bad(format!("unknown field {name:?}"), hint));
        };
        if place.replace(value).is_some() {
            return Err(bad(
                format!("the field {name} occurs twice"),
                "remove one of them",
            ));
        }
    }
    let mut texts = COLUMNS.iter().zip(found).map(|(name, value)| match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(bad(
            format!("{name} is not a string"),
            "write it in double quotes",
        )),
    });
    let mut next = || texts.next().transpose().map(Option::flatten);
    Ok(Fields {
        email: next()?,
        password: next()?.map(Zeroizing::new),
        password_hash: next()?,
    })
}

/// The members of an object in their order, also of the same name.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}
